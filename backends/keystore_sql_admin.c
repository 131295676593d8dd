/*
 * keystore_sql_admin.c - what only administrators ask of a store in SQL: tokens, answers that are
 * kept, the audit. What writes them is keystore_sql_admin_write.c.
 * Called by the administration. It must never take a schema that it does not know for one in which
 * there is no such token.
 */
#include "backends/keystore_sql_writer.h"

#define REPLY_COLUMNS 6U
#define AUDIT_COLUMNS 16U

/* ---- tokens ---- */

/* columns: as in token, without the head. */
void
sql_take_token(struct sql_reading *reading, const struct span *columns)
{
	struct store_token row = {.id = columns[0],
	    .tenant = columns[1],
	    .name = columns[2],
	    .secret = columns[3],
	    .scopes = columns[4],
	    .domains = columns[5],
	    .networks = columns[6],
	    .maker = columns[7],
	    .created = sql_reading_number(reading, columns[8]),
	    .expires = sql_reading_number(reading, columns[9]),
	    .revoked = sql_reading_number(reading, columns[10]),
	    .revision = (uint64_t)sql_reading_number(reading, columns[11])};

	if (reading->trouble == ST_OK)
		keystore_rows_add_token(reading->rows, &row);
}

static void
row_token(void *context, const struct span *columns, size_t count)
{
	struct sql_reading *reading = context;

	if (sql_reading_readable(reading, columns, count, 2 + SQL_TOKEN_COLUMNS) &&
	    sql_take_head(reading, columns) && columns[2].p != NULL)
		sql_take_token(reading, columns + 2);
}

enum status
sql_store_token(struct keystore *store, enum store_token_by by, struct span name,
    struct keystore_rows **out, struct err *err)
{
	struct sql_value value = sql_text(name);
	struct sql_reading reading;

	*out = NULL;
	sql_reading_begin(&reading, store->state, err);
	return sql_store_ask_rows(&reading,
	    by == STORE_TOKEN_BY_SECRET ? Q_TOKEN_BY_SECRET : Q_TOKEN, &value, 1, row_token, out);
}

/* ---- answers ---- */

static void
row_reply(void *context, const struct span *columns, size_t count)
{
	struct sql_reading *reading = context;
	const struct span *column = columns + 2;
	struct store_reply row;

	if (!sql_reading_readable(reading, columns, count, 2 + REPLY_COLUMNS) ||
	    !sql_take_head(reading, columns) || column[0].p == NULL)
		return;
	row = (struct store_reply){.scope = column[0],
	    .key = column[1],
	    .body = column[2],
	    .status = (int)sql_reading_number(reading, column[3]),
	    .answer = column[4],
	    .at = sql_reading_number(reading, column[5])};
	if (reading->trouble == ST_OK)
		keystore_rows_add_reply(reading->rows, &row);
}

enum status
sql_store_reply(struct keystore *store, struct span scope, struct span key,
    struct keystore_rows **out, struct err *err)
{
	char id[ADMINROW_HASH_BYTES];
	struct sql_value value;
	struct sql_reading reading;

	*out = NULL;
	reply_id(scope, key, id);
	value = sql_text(span_str(id));
	sql_reading_begin(&reading, store->state, err);
	return sql_store_ask_rows(&reading, Q_REPLY, &value, 1, row_reply, out);
}

/* ---- the audit ---- */

static void
row_audit(void *context, const struct span *columns, size_t count)
{
	struct sql_reading *reading = context;
	struct store_audit row;

	if (!sql_reading_readable(reading, columns, count, AUDIT_COLUMNS))
		return;
	row = (struct store_audit){.seq = (uint64_t)sql_reading_number(reading, columns[0]),
	    .at = sql_reading_number(reading, columns[1]),
	    .actor = columns[2],
	    .method = columns[3],
	    .source = columns[4],
	    .tenant = columns[5],
	    .action = columns[6],
	    .object = columns[7],
	    .before = columns[8],
	    .after = columns[9],
	    .request = columns[10],
	    .key = columns[11],
	    .detail = columns[12],
	    .result = columns[13],
	    .prev = columns[14],
	    .hash = columns[15]};
	if (reading->trouble == ST_OK)
		keystore_rows_add_audit(reading->rows, &row);
}

/* The first of the pair of statements for this filter. */
static enum keystore_question
statement_of(const struct audit_question *question)
{
	bool tenant = question->tenant.n > 0;

	if (question->actor.n > 0)
		return tenant ? Q_AUDITS_TENANT_ACTOR : Q_AUDITS_ACTOR;
	if (question->object.n > 0)
		return tenant ? Q_AUDITS_TENANT_OBJECT : Q_AUDITS_OBJECT;
	return tenant ? Q_AUDITS_TENANT : Q_AUDITS;
}

/* A seq that is none of ours: behind them all. */
static int64_t
seq_of(const struct audit_question *question)
{
	if (question->newest_first && question->seq == 0)
		return INT64_MAX;
	return question->seq > INT64_MAX ? INT64_MAX : (int64_t)question->seq;
}

enum status
sql_store_audits(struct keystore *store, const struct audit_question *question,
    struct keystore_rows **out, struct err *err)
{
	struct sql_value values[4];
	struct sql_reading reading;
	struct sql_question ask = {
	    .statement = (unsigned)statement_of(question) + question->newest_first,
	    .values = values,
	    .row = row_audit,
	    .context = &reading};
	enum status status;

	*out = NULL;
	if (question->tenant.n > 0)
		values[ask.count++] = sql_text(question->tenant);
	if (question->actor.n > 0 || question->object.n > 0)
		values[ask.count++] =
		    sql_text(question->actor.n > 0 ? question->actor : question->object);
	values[ask.count++] = sql_number(seq_of(question));
	values[ask.count++] = sql_number((int64_t)question->max);
	sql_reading_begin(&reading, store->state, err);
	status = sql_store_ask(store->state, &ask, sql_reading_again, err);
	return sql_reading_end(&reading, status, out);
}

struct head {
	struct sql_reading reading; /* the first member */
	struct audit_head head;
	bool there;
};

static void
row_head(void *context, const struct span *columns, size_t count)
{
	struct head *head = context;
	struct sql_reading *reading = &head->reading;

	if (!sql_reading_readable(reading, columns, count, 4) || !sql_take_head(reading, columns) ||
	    columns[2].p == NULL)
		return;
	head->head.seq = (uint64_t)sql_reading_number(reading, columns[2]);
	head->there = sql_audit_hash_take(columns[3], head->head.hash);
}

enum status
sql_store_audit_head(struct keystore *store, struct audit_head *out, struct err *err)
{
	struct sql_question question = {.statement = Q_AUDIT_HEAD, .row = row_head};
	struct head head = {.there = false};
	enum status status;

	sql_reading_begin(&head.reading, store->state, err);
	question.context = &head;
	status = sql_store_ask(store->state, &question, sql_reading_again, err);
	if (status == ST_OK && !sql_reading_headed(&head.reading))
		status = head.reading.trouble;
	keystore_rows_release(head.reading.rows);
	if (status == ST_OK && !head.there) {
		err_set(err, "%s: the row of the table audit_head is not there; put a backup back",
		    store->where);
		status = ST_UNAVAILABLE;
	}
	if (status == ST_OK)
		*out = head.head;
	return status;
}
