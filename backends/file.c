/*
 * file.c - a flat file: one "key value" a line, '#' starts a comment, the first of equal keys wins.
 * Looked up by the keeper's workers, refreshed by the watcher.
 * It must never cost more with 100,000 lines than with one, nor split a long line as opendkim does.
 */
#include "backends/registry.h"
#include "lib/store/flat.h"

static void
index_rows(struct rows *rows, const struct table *table)
{
	rows_index_all(rows, (table->flags & TABLE_ICASE) != 0);
}

static enum status
file_open(struct table *table, struct span value, struct err *err)
{
	return flat_open(table, value, index_rows, err);
}

static enum status
file_lookup(struct table *table, struct span key, struct table_value *out, struct err *err)
{
	struct rows *rows = flat_acquire(table);
	enum status status = rows_lookup(rows, table, key, out, err);

	rows_release(rows);
	return status;
}

static enum status
file_walk(struct table *table, table_visit *visit, void *context, struct err *err)
{
	struct rows *rows = flat_acquire(table);

	(void)err;
	rows_walk(rows, visit, context);
	rows_release(rows);
	return ST_OK;
}

const struct table_ops file_table_ops = {
    .type = "file",
    .open = file_open,
    .lookup = file_lookup,
    .walk = file_walk,
    .refresh = flat_refresh,
    .report = flat_report,
    .close = flat_close,
};
