/*
 * flat.h - what file and refile share: a path, the snapshot in use, and how it is replaced.
 */
#ifndef SIGNPOST_STORE_FLAT_H
#define SIGNPOST_STORE_FLAT_H

#include "lib/store/rows.h"

/* Makes the index of rows that have been parsed. */
typedef void flat_index(struct rows *rows, const struct table *table);

/* For table_ops.open: value is the path. Sets table->state, path and where. */
enum status flat_open(
    struct table *table, struct span value, flat_index *index, struct err *err) MUST_USE;
/* The snapshot in use, with a reference for the caller (rows_release). */
struct rows *flat_acquire(const struct table *table);
/* The rest of table_ops. */
enum status flat_refresh(struct table *table, struct err *err) MUST_USE;
void flat_report(struct table *table, struct table_report *out);
void flat_close(struct table *table);
/* csl: rows that never change, without a path. */
void flat_adopt(struct table *table, struct rows *rows);

#endif
