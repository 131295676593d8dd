/*
 * keyindex.h - a hash from text to a 32-bit id, for keys that live elsewhere (rows of a snapshot,
 * suffixes of patterns, entries of a host list). SipHash under a random key: customers choose the
 * names. Built by one thread, then read by any number.
 */
#ifndef SIGNPOST_STORE_KEYINDEX_H
#define SIGNPOST_STORE_KEYINDEX_H

#include <stdint.h>

#include "lib/base/span.h"
#include "lib/store/table.h"

#define KEYINDEX_NONE UINT32_MAX

/* The key that belongs to an id; borrowed. */
typedef struct span keyindex_key(const void *context, uint32_t id);

struct keyindex {
	struct keyindex_slot *slots; /* owned; a power of two of them, at most half used */
	size_t mask;
	keyindex_key *key_of;
	const void *context;
	bool icase; /* keys compare without ASCII case */
	uint8_t hash_key[16];
};

/* capacity: most ids that will be put. icase: queries must be lower-cased (keyindex_fold). */
void keyindex_init(
    struct keyindex *index, size_t capacity, bool icase, keyindex_key *key_of, const void *context);
void keyindex_free(struct keyindex *index);

/* Puts id under key_of(id), at most TABLE_KEY_MAX octets, unless an equal key is there; answers the
 * id that is there now. */
uint32_t keyindex_put(struct keyindex *index, uint32_t id);
/* KEYINDEX_NONE when there is none. query: lower-cased if icase. */
uint32_t keyindex_find(const struct keyindex *index, struct span query);

/* s, or a lower-cased copy in room (at least s.n octets) when icase. */
struct span keyindex_fold(struct span s, bool icase, char *room);

#endif
