/*
 * keystore_octets.h - an answer of a key store as octets, for the shared cache, and back. Pure.
 * What is read has passed a seal, and is still checked like a row of a store: lengths, counts,
 * names, enumerations; what no store may hold is ST_INVALID, and nothing is half read.
 */
#ifndef SIGNPOST_STORE_KEYSTORE_OCTETS_H
#define SIGNPOST_STORE_KEYSTORE_OCTETS_H

#include "lib/store/keystore.h"

/* How many octets write() will write. */
size_t keystore_octets_bytes(const struct keystore_rows *rows);
/* Into room, which has that many; it is secret memory where the rows have keys. */
void keystore_octets_write(const struct keystore_rows *rows, char *room);
/* ST_OK: one reference of the caller's, with all that was written, the epoch too. ST_INVALID (also
 * what write() would have written otherwise), ST_UNAVAILABLE: no secret memory. */
enum status keystore_octets_read(
    struct span octets, struct keystore_rows **out, struct err *err) MUST_USE;

#endif
