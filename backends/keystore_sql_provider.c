/*
 * keystore_sql_provider.c - DNS providers of tenants in a store in SQL: asked for, and written in a
 * transaction with the record of it.
 * Called by the administration through keystore_ops, and by keystore_sql_admin_write.c. It must
 * never put the secret of one into a sentence, sealed as it is.
 */
#include "backends/keystore_sql_writer.h"

/* ---- asked for ---- */

/* columns: as in provider, without the head. */
void
sql_take_provider(struct sql_reading *reading, const struct span *columns)
{
	struct store_provider row = {.tenant = columns[0],
	    .name = columns[1],
	    .kind = columns[2],
	    .address = columns[3],
	    .secret = columns[4],
	    .allow_private = sql_reading_number(reading, columns[5]) == 1,
	    .revision = (uint64_t)sql_reading_number(reading, columns[6])};

	if (reading->trouble == ST_OK)
		keystore_rows_add_provider(reading->rows, &row);
}

static void
row_provider(void *context, const struct span *columns, size_t count)
{
	struct sql_reading *reading = context;

	if (sql_reading_readable(reading, columns, count, 2 + SQL_PROVIDER_COLUMNS) &&
	    sql_take_head(reading, columns) && columns[2].p != NULL)
		sql_take_provider(reading, columns + 2);
}

enum status
sql_store_provider(struct keystore *store, struct span tenant, struct span name,
    struct keystore_rows **out, struct err *err)
{
	struct sql_value values[] = {sql_text(tenant), sql_text(name)};
	struct sql_reading reading;

	*out = NULL;
	sql_reading_begin(&reading, store->state, err);
	return sql_store_ask_rows(&reading, Q_PROVIDER, values, 2, row_provider, out);
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
explain(struct sql_writer *w, const struct store_provider *row)
{
	struct found found = {.there = false};
	enum sql_answer answer;

	w->values[0] = sql_text(row->tenant);
	w->values[1] = sql_text(row->name);
	w->context = &found;
	answer = sql_writer_ask(w, Q_FIND_PROVIDER, 2, row_found, NULL);
	w->context = NULL;
	if (answer != SQL_ANSWERED)
		return ST_UNAVAILABLE;
	if (!found.there) {
		err_set(w->err, "provider %.*s: there is none", SPAN_ARG(row->name));
		return ST_ABSENT;
	}
	err_set(w->err, "provider %.*s: it was changed meanwhile; its revision is %llu now",
	    SPAN_ARG(row->name), (unsigned long long)found.revision);
	return ST_DENIED;
}

/* A statement was refused because of the row. */
static enum status
blame(struct sql_writer *w, const struct store_provider *row)
{
	if (w->answer == SQL_TAKEN)
		err_set(w->err, "provider %.*s: there already", SPAN_ARG(row->name));
	else if (w->answer == SQL_ORPHAN)
		err_set(w->err, "provider %.*s: there is no tenant %.*s", SPAN_ARG(row->name),
		    SPAN_ARG(row->tenant));
	return w->answer == SQL_TAKEN    ? ST_DENIED
	       : w->answer == SQL_ORPHAN ? ST_ABSENT
					 : ST_UNAVAILABLE;
}

static size_t
content(const struct sql_writer *w, const struct store_provider *row)
{
	w->values[0] = sql_text(row->kind);
	w->values[1] = sql_text(row->address);
	w->values[2] = sql_text(row->secret);
	w->values[3] = sql_number(row->allow_private);
	return 4;
}

/* Which row; of one that is there, what its revision must be between. */
static size_t
place(const struct sql_writer *w, const struct store_provider *row, bool there, size_t n)
{
	bool any = row->revision == 0 || row->revision > INT64_MAX;

	w->values[n++] = sql_text(row->tenant);
	w->values[n++] = sql_text(row->name);
	if (there) {
		w->values[n++] = sql_number(any ? 0 : (int64_t)row->revision);
		w->values[n++] = sql_number(any ? INT64_MAX : (int64_t)row->revision);
	}
	return n;
}

enum status
sql_writer_provider(struct sql_writer *w, const struct keystore_write *write)
{
	const struct store_provider *row = &write->row.provider;
	unsigned statement = write->how == WRITE_ADD      ? Q_ADD_PROVIDER
			     : write->how == WRITE_CHANGE ? Q_CHANGE_PROVIDER
							  : Q_REMOVE_PROVIDER;
	size_t n = write->how == WRITE_REMOVE ? 0 : content(w, row);
	uint64_t changed = 0;

	n = place(w, row, write->how != WRITE_ADD, n);
	if (sql_writer_ask(w, statement, n, NULL, &changed) != SQL_ANSWERED)
		return blame(w, row);
	return changed == 0 ? explain(w, row) : ST_OK;
}
