/*
 * keystore_chunk.h - a piece of memory of an answer of a key store: for keystore_rows.c and
 * keystore_pack.c alone.
 */
#ifndef SIGNPOST_STORE_KEYSTORE_CHUNK_H
#define SIGNPOST_STORE_KEYSTORE_CHUNK_H

#include "lib/store/keystore.h"

/* Texts. Freed with the answer; in secret memory or not. */
struct keystore_chunk {
	struct keystore_chunk *next;
	bool secret;
	char text[];
};

#endif
