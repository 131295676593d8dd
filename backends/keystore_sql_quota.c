/*
 * keystore_sql_quota.c - quotas of tenants in a store in SQL: asked for, written in a transaction
 * with what they are held against, and what a tenant has counted.
 * Called by the administration through keystore_ops, and by keystore_sql_admin_write.c. It must
 * never write over a row that somebody else wrote since it was read: what was counted before that
 * counts no more.
 */
#include "backends/keystore_sql_writer.h"

#define QUOTA_COLUMNS 8U

/* ---- asked for ---- */

/* columns: epoch, version, tenant, the four limits, day, rotated, revision. */
static void
row_quota(void *context, const struct span *columns, size_t count)
{
	struct sql_reading *reading = context;
	const struct span *column = columns + 2;
	struct store_quota row;

	if (!sql_reading_readable(reading, columns, count, 2 + QUOTA_COLUMNS) ||
	    !sql_take_head(reading, columns) || column[0].p == NULL)
		return;
	row = (struct store_quota){.tenant = column[0],
	    .domains = sql_reading_number(reading, column[1]),
	    .keys = sql_reading_number(reading, column[2]),
	    .rotations = sql_reading_number(reading, column[3]),
	    .requests = sql_reading_number(reading, column[4]),
	    .day = sql_reading_number(reading, column[5]),
	    .rotated = sql_reading_number(reading, column[6]),
	    .revision = (uint64_t)sql_reading_number(reading, column[7])};
	if (reading->trouble == ST_OK)
		keystore_rows_add_quota(reading->rows, &row);
}

enum status
sql_store_quota(
    struct keystore *store, struct span tenant, struct keystore_rows **out, struct err *err)
{
	struct sql_value value = sql_text(tenant);
	struct sql_reading reading;

	*out = NULL;
	sql_reading_begin(&reading, store->state, err);
	return sql_store_ask_rows(&reading, Q_QUOTA, &value, 1, row_quota, out);
}

/* ---- counted ---- */

struct counting {
	struct sql_reading reading; /* its rows are not used */
	uint64_t rows;
};

/* columns: how many. */
static void
row_count(void *context, const struct span *columns, size_t count)
{
	struct counting *counting = context;

	if (sql_reading_readable(&counting->reading, columns, count, 1))
		counting->rows = (uint64_t)sql_reading_number(&counting->reading, columns[0]);
}

static enum status
count_rows(struct keystore *store, enum keystore_question statement, struct span tenant,
    uint64_t *out, struct err *err)
{
	struct counting counting = {.reading = {.store = store->state, .err = err}};
	struct sql_value value = sql_text(tenant);
	struct sql_question question = {.statement = statement,
	    .values = &value,
	    .count = 1,
	    .row = row_count,
	    .context = &counting};
	enum status status = sql_store_ask(store->state, &question, NULL, err);

	*out = counting.rows;
	return status == ST_OK ? counting.reading.trouble : status;
}

enum status
sql_store_count(
    struct keystore *store, struct span tenant, struct store_count *out, struct err *err)
{
	enum status status = count_rows(store, Q_COUNT_DOMAINS, tenant, &out->domains, err);

	return status == ST_OK ? count_rows(store, Q_COUNT_KEYS, tenant, &out->keys, err) : status;
}

/* ---- written ---- */

struct found {
	bool there;
	uint64_t revision;
};

/* columns: revision. */
static void
row_found(void *context, const struct span *columns, size_t count)
{
	struct sql_writer *w = context;
	struct found *found = w->context;

	found->there = count == 1 && span_number(columns[0], INT64_MAX, &found->revision);
}

/* No row was met by a change or removal. */
static enum status
explain(struct sql_writer *w, const struct store_quota *row)
{
	struct found found = {.there = false};
	enum sql_answer answer;

	w->values[0] = sql_text(row->tenant);
	w->context = &found;
	answer = sql_writer_ask(w, Q_FIND_QUOTA, 1, row_found, NULL);
	w->context = NULL;
	if (answer != SQL_ANSWERED)
		return ST_UNAVAILABLE;
	if (!found.there) {
		err_set(w->err, "quota of %.*s: there is none", SPAN_ARG(row->tenant));
		return ST_ABSENT;
	}
	err_set(w->err, "quota of %.*s: it was changed meanwhile; its revision is %llu now",
	    SPAN_ARG(row->tenant), (unsigned long long)found.revision);
	return ST_DENIED;
}

/* A statement was refused because of the row. */
static enum status
blame(struct sql_writer *w, const struct store_quota *row)
{
	if (w->answer == SQL_TAKEN)
		err_set(w->err, "quota of %.*s: there already", SPAN_ARG(row->tenant));
	else if (w->answer == SQL_ORPHAN)
		err_set(w->err, "quota of %.*s: there is no such tenant", SPAN_ARG(row->tenant));
	return w->answer == SQL_TAKEN    ? ST_DENIED
	       : w->answer == SQL_ORPHAN ? ST_ABSENT
					 : ST_UNAVAILABLE;
}

/* Which row; of one that is there, what its revision must be between. */
static size_t
place(const struct sql_writer *w, const struct store_quota *row, bool there, size_t n)
{
	bool any = row->revision == 0 || row->revision > INT64_MAX;

	w->values[n++] = sql_text(row->tenant);
	if (there) {
		w->values[n++] = sql_number(any ? 0 : (int64_t)row->revision);
		w->values[n++] = sql_number(any ? INT64_MAX : (int64_t)row->revision);
	}
	return n;
}

enum status
sql_writer_quota(struct sql_writer *w, const struct keystore_write *write)
{
	const struct store_quota *row = &write->row.quota;
	const int64_t content[] = {
	    row->domains, row->keys, row->rotations, row->requests, row->day, row->rotated};
	unsigned statement = write->how == WRITE_ADD      ? Q_ADD_QUOTA
			     : write->how == WRITE_CHANGE ? Q_CHANGE_QUOTA
							  : Q_REMOVE_QUOTA;
	size_t n = 0;
	uint64_t changed = 0;

	if (write->how != WRITE_REMOVE)
		for (; n < sizeof(content) / sizeof(content[0]); n++)
			w->values[n] = sql_number(content[n]);
	n = place(w, row, write->how != WRITE_ADD, n);
	if (sql_writer_ask(w, statement, n, NULL, &changed) != SQL_ANSWERED)
		return blame(w, row);
	return changed == 0 ? explain(w, row) : ST_OK;
}
