/*
 * keystore_sql_gateways.c - what gateways say of themselves, in the table of gateways.
 * Written by each keeper about itself, read by the administration, which may also forget one.
 * It must never raise the epoch: a report of every gateway every few seconds is no change of
 * the store.
 */
#include <errno.h>
#include <unistd.h>

#include "backends/keystore_sql_writer.h"

#define REPORT_VALUES 7U

/* ---- read ---- */

/* columns: of the head two; node, version, epoch, tested, failed, offset_ms, started, at. */
static void
row_gateway(void *context, const struct span *columns, size_t count)
{
	struct sql_reading *reading = context;
	const struct span *column = columns + 2;
	struct store_gateway row;

	if (!sql_reading_readable(reading, columns, count, 10) ||
	    !sql_take_head(reading, columns) || column[0].p == NULL)
		return;
	row = (struct store_gateway){.node = column[0],
	    .version = column[1],
	    .epoch = (uint64_t)sql_reading_number(reading, column[2]),
	    .tested = (uint64_t)sql_reading_number(reading, column[3]),
	    .failed = column[4],
	    .offset_ms = sql_reading_number(reading, column[5]),
	    .started = sql_reading_number(reading, column[6]),
	    .at = sql_reading_number(reading, column[7])};
	if (reading->trouble == ST_OK)
		keystore_rows_add_gateway(reading->rows, &row);
}

enum status
sql_store_gateways(struct keystore *store, struct keystore_rows **out, struct err *err)
{
	struct sql_reading reading;
	enum status status;

	*out = NULL;
	sql_reading_begin(&reading, store->state, err);
	status = sql_store_ask_rows(&reading, Q_GATEWAYS, NULL, 0, row_gateway, out);
	if (status != ST_OK || (*out)->gateway_count <= KEYSTORE_GATEWAYS_MAX)
		return status;
	keystore_rows_release(*out);
	*out = NULL;
	err_set(err, "%s: more than %u gateways have reported; forget those that are gone",
	    store->where, KEYSTORE_GATEWAYS_MAX);
	return ST_TOO_BIG;
}

/* ---- written ---- */

static enum status
write_report(struct sql_writer *w)
{
	const struct store_gateway *row = w->context;
	uint64_t changed = 0;

	w->values[0] = sql_text(row->version);
	w->values[1] = sql_number((int64_t)row->epoch);
	w->values[2] = sql_number((int64_t)row->tested);
	w->values[3] = sql_text(row->failed);
	w->values[4] = sql_number(row->offset_ms);
	w->values[5] = sql_number(row->started);
	w->values[6] = sql_text(row->node);
	if (sql_writer_ask(w, Q_REPORT, REPORT_VALUES, NULL, &changed) != SQL_ANSWERED)
		return ST_UNAVAILABLE;
	if (changed > 0 ||
	    sql_writer_ask(w, Q_FIRST_REPORT, REPORT_VALUES, NULL, NULL) == SQL_ANSWERED)
		return ST_OK;
	/* Somebody with our name was faster: it is there now. */
	if (w->answer == SQL_TAKEN)
		w->answer = SQL_AGAIN;
	return ST_UNAVAILABLE;
}

/* Of a file that this user may not write, the library says so only sometimes. */
static bool
is_write_protected(const struct keystore *store)
{
	return store->file != NULL && access(store->file, W_OK) != 0 &&
	       (errno == EACCES || errno == EPERM || errno == EROFS);
}

static void
say_denied(const struct keystore *store, struct err *err)
{
	if (store->file != NULL)
		err_set(err,
		    "%s: this user may not write what a gateway says of itself; let it write the "
		    "file, its folder, and the -wal and -shm beside it",
		    store->where);
	else
		err_prefix(err,
		    "the user of KeyStore may not write what a gateway says of itself; give it the "
		    "role signpost_gateway of sql/mysql/grants.sql");
}

enum status
sql_store_report(struct keystore *store, const struct store_gateway *row, struct err *err)
{
	struct sql_value values[REPORT_VALUES];
	struct store_gateway copy = *row;
	struct sql_writer w = {.store = store->state,
	    .body = write_report,
	    .context = &copy,
	    .one_by_one = true,
	    .values = values,
	    .err = err};
	enum status status = keystore_gateway_check(row, err);

	if (status != ST_OK)
		return status;
	if (w.store->source.use != SQL_WRITER) {
		err_set(err, "%s: opened for reading", store->where);
		return ST_DENIED;
	}
	status = sql_writer_transact(&w);
	if (status == ST_OK || (w.answer != SQL_NO_RIGHT && !is_write_protected(store)))
		return status;
	say_denied(store, err);
	return ST_DENIED;
}

static enum status
write_forget(struct sql_writer *w)
{
	uint64_t changed = 0;

	w->values[0] = sql_text(*(const struct span *)w->context);
	if (sql_writer_ask(w, Q_FORGET, 1, NULL, &changed) != SQL_ANSWERED)
		return ST_UNAVAILABLE;
	if (changed > 0)
		return ST_OK;
	err_set(
	    w->err, "gateway %.*s: there is none", SPAN_ARG(span_sub(w->values[0].text, 0, 255)));
	return ST_ABSENT;
}

enum status
sql_store_forget(struct keystore *store, struct span node, struct err *err)
{
	const struct store_gateway row = {.node = node};
	struct sql_value value;
	struct sql_writer w = {.store = store->state,
	    .body = write_forget,
	    .context = &node,
	    .one_by_one = true,
	    .values = &value,
	    .err = err};

	if (w.store->source.use != SQL_WRITER) {
		err_set(err, "%s: opened for reading", store->where);
		return ST_DENIED;
	}
	/* What cannot be there is not there. */
	if (keystore_gateway_check(&row, err) != ST_OK)
		return ST_ABSENT;
	return sql_writer_transact(&w);
}
