/*
 * rows.h - the immutable snapshot behind csl, file and refile: one text, and rows that point into
 * it. Counted references: a value that was handed out keeps its snapshot.
 */
#ifndef SIGNPOST_STORE_ROWS_H
#define SIGNPOST_STORE_ROWS_H

#include <stdatomic.h>

#include "lib/store/keyindex.h"
#include "lib/store/slurp.h"
#include "lib/store/table.h"

/* Offsets into the text: half the size of pointers, and TABLE_FILE_MAX fits. */
struct row {
	uint32_t key;
	uint32_t key_bytes;
	uint32_t value;
	uint32_t value_bytes;
	uint32_t line;
};

struct rows {
	atomic_uint references;
	struct slurp source;
	struct row *items;
	size_t count;
	size_t capacity;
	struct keyindex exact; /* keys without metacharacters; ids are indices of items */
	struct table_report report;
	void *extra; /* the backend's index */
	void (*extra_free)(void *extra);
};

/* Takes over source (its text included). One reference. */
struct rows *rows_new(struct slurp *source);
void rows_hold(struct rows *rows);
void rows_release(struct rows *rows); /* the last one frees; NULL is fine */

void rows_add(struct rows *rows, struct span key, struct span value, unsigned line);
/* Counts a problem of a line that is used nevertheless, or of one that is not; keeps the first ones
 * with their text. */
void rows_problem(struct rows *rows, unsigned line, const char *fmt, ...) PRINTF_LIKE(3, 4);
void rows_drop(struct rows *rows, unsigned line, const char *fmt, ...) PRINTF_LIKE(3, 4);

struct span rows_key(const struct rows *rows, size_t at);
struct span rows_value(const struct rows *rows, size_t at);
/* Hashes all keys; the first of equal keys wins. */
void rows_index_all(struct rows *rows, bool icase);
void rows_index_start(struct rows *rows, bool icase);

/* Fills out with row at, holding a reference. ST_INVALID for a row without a value in a table that
 * needs one. */
enum status rows_answer(struct rows *rows, const struct table *table, size_t at,
    struct table_value *out, struct err *err) MUST_USE;
/* Exact lookup by the hash. */
enum status rows_lookup(struct rows *rows, const struct table *table, struct span key,
    struct table_value *out, struct err *err) MUST_USE;
void rows_walk(const struct rows *rows, table_visit *visit, void *context);

/* "key value # comment" lines of rows->source into rows. needed: a key must have a value. */
void rows_parse_lines(struct rows *rows, bool value_needed);
/* SigningTable: reports the rows whose domain is not ASCII. They stay in use. */
void rows_report_unicode(struct rows *rows);

#endif
