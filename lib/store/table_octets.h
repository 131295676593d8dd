/*
 * table_octets.h - a row of a table as octets, for the shared cache, and back; or that there is
 * none. Pure. Texts have no NUL, as in all tables; which columns are NULL is kept.
 */
#ifndef SIGNPOST_STORE_TABLE_OCTETS_H
#define SIGNPOST_STORE_TABLE_OCTETS_H

#include "lib/store/table.h"

#define TABLE_OCTETS_COLUMNS_MAX 64U

/* value NULL: that there is no row. How many octets write() will write; 0: this is not a row that
 * is shared (a NUL in a text, too many columns, a text that is not the first of them), and write()
 * is not to be called. */
size_t table_octets_bytes(const struct table_value *value);
/* Into room, which has that many; in secret memory where the value is. */
void table_octets_write(const struct table_value *value, char *room);
/* ST_OK: a copy, in secret memory if secret is said; table_value_release(). ST_ABSENT: there is no
 * row, as was written. ST_INVALID: not what write() writes. ST_UNAVAILABLE: no secret memory. */
enum status table_octets_read(
    struct span octets, bool secret, struct table_value *out, struct err *err) MUST_USE;

#endif
