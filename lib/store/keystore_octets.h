/*
 * keystore_octets.h - an answer of a key store as octets, for the shared cache, and back. Pure.
 * What is read has passed a seal, and is still checked like a row of a store: lengths, counts,
 * names, enumerations; what no store may hold is ST_INVALID, and nothing is half read.
 */
#ifndef SIGNPOST_STORE_KEYSTORE_OCTETS_H
#define SIGNPOST_STORE_KEYSTORE_OCTETS_H

#include "lib/store/keystore.h"

/* Rows of one kind in an answer. */
#define KEYSTORE_OCTETS_ROWS_MAX 4096U

/* How many octets write() will write. 0: this is not an answer that is shared, and write() is not
 * to be called: it has policies (of list() only), more rows than can be, or a row that no store may
 * hold. */
size_t keystore_octets_bytes(const struct keystore_rows *rows);
/* Into room, which has that many; it is secret memory where the rows have keys. The same rows are
 * always written in the same way, and nothing else is read as these rows. */
void keystore_octets_write(const struct keystore_rows *rows, char *room);
/* ST_OK: one reference of the caller's, with all that was written, the epoch too. ST_INVALID: not
 * what write() writes. ST_UNAVAILABLE: no secret memory. octets of keys are in secret memory. */
enum status keystore_octets_read(
    struct span octets, struct keystore_rows **out, struct err *err) MUST_USE;

#endif
