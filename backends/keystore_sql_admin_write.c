/*
 * keystore_sql_admin_write.c - tokens, kept answers and the audit, written in a transaction with
 * what they speak of, or alone.
 * Called by keystore_sql_write_rows.c inside a transaction.
 * It must never read the end of the chain before its row is locked, nor write a row of the audit
 * that does not follow it.
 */
#include <stdio.h>
#include <string.h>

#include "backends/keystore_sql_writer.h"

bool
sql_audit_hash_take(struct span text, char out[ADMINROW_HASH_BYTES])
{
	if (text.n != ADMINROW_HASH_BYTES - 1)
		return false;
	memcpy(out, text.p, text.n);
	out[text.n] = '\0';
	return true;
}

/* ---- tokens ---- */

struct found {
	bool there, same_tenant;
	uint64_t revision;
	struct span tenant;
};

/* columns: tenant, revision. */
static void
row_found(void *context, const struct span *columns, size_t count)
{
	struct sql_writer *w = context;
	struct found *found = w->context;

	if (count < 2)
		return;
	found->there = true;
	found->same_tenant = span_eq(columns[0], found->tenant);
	(void)span_number(columns[1], INT64_MAX, &found->revision);
}

/* No row was met by a change or removal. */
static enum status
explain(struct sql_writer *w, const struct store_token *row)
{
	struct found found = {.tenant = row->tenant};
	enum sql_answer answer;

	w->values[0] = sql_text(row->id);
	w->context = &found;
	answer = sql_writer_ask(w, Q_FIND_TOKEN, 1, row_found, NULL);
	w->context = NULL;
	if (answer != SQL_ANSWERED)
		return ST_UNAVAILABLE;
	if (!found.there) {
		err_set(w->err, "token %.*s: there is none", SPAN_ARG(row->id));
		return ST_ABSENT;
	}
	if (!found.same_tenant)
		err_set(w->err, "token %.*s: it is another tenant's", SPAN_ARG(row->id));
	else
		err_set(w->err, "token %.*s: it was changed meanwhile; its revision is %llu now",
		    SPAN_ARG(row->id), (unsigned long long)found.revision);
	return ST_DENIED;
}

/* A statement was refused because of the row. */
static enum status
blame(struct sql_writer *w, const struct store_token *row)
{
	if (w->answer == SQL_TAKEN) {
		err_set(w->err, "token %.*s: there already, or another one has its secret",
		    SPAN_ARG(row->id));
		return ST_DENIED;
	}
	if (w->answer != SQL_ORPHAN)
		return ST_UNAVAILABLE;
	err_set(w->err, "token %.*s: there is no tenant %.*s", SPAN_ARG(row->id),
	    SPAN_ARG(row->tenant));
	return ST_ABSENT;
}

/* Which row: id, tenant, and what its revision must be between. */
static size_t
token_place(const struct sql_writer *w, const struct store_token *row, size_t n)
{
	bool any = row->revision == 0 || row->revision > INT64_MAX;

	w->values[n++] = sql_text(row->id);
	w->values[n++] = sql_text(row->tenant);
	w->values[n++] = sql_number(any ? 0 : (int64_t)row->revision);
	w->values[n++] = sql_number(any ? INT64_MAX : (int64_t)row->revision);
	return n;
}

static size_t
token_added(const struct sql_writer *w, const struct store_token *row)
{
	const struct span texts[] = {
	    row->name, row->secret, row->scopes, row->domains, row->networks, row->maker};
	size_t n = 0;

	w->values[n++] = sql_text(row->id);
	w->values[n++] = sql_text(row->tenant);
	w->values[n++] = sql_text_or_null(row->tenant);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		w->values[n++] = sql_text(texts[i]);
	w->values[n++] = sql_number(row->created);
	w->values[n++] = sql_number(row->expires);
	w->values[n++] = sql_number(row->revoked);
	return n;
}

static size_t
token_changed(const struct sql_writer *w, const struct store_token *row)
{
	const struct span texts[] = {
	    row->name, row->secret, row->scopes, row->domains, row->networks};
	size_t n = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		w->values[n++] = sql_text(texts[i]);
	w->values[n++] = sql_number(row->expires);
	w->values[n++] = sql_number(row->revoked);
	return token_place(w, row, n);
}

static enum status
write_token(struct sql_writer *w, const struct keystore_write *write)
{
	const struct store_token *row = &write->row.token;
	unsigned statement = write->how == WRITE_ADD      ? Q_ADD_TOKEN
			     : write->how == WRITE_CHANGE ? Q_CHANGE_TOKEN
							  : Q_REMOVE_TOKEN;
	size_t n = write->how == WRITE_ADD      ? token_added(w, row)
		   : write->how == WRITE_CHANGE ? token_changed(w, row)
						: token_place(w, row, 0);
	uint64_t changed = 0;

	if (sql_writer_ask(w, statement, n, NULL, &changed) != SQL_ANSWERED)
		return blame(w, row);
	return changed == 0 ? explain(w, row) : ST_OK;
}

/* ---- answers ---- */

static enum status
write_reply(struct sql_writer *w, const struct store_reply *row)
{
	char id[ADMINROW_HASH_BYTES];
	uint64_t changed = 0;

	reply_id(row->scope, row->key, id);
	w->values[0] = sql_text(row->body);
	w->values[1] = sql_number(row->status);
	w->values[2] = sql_text(row->answer);
	w->values[3] = sql_text(span_str(id));
	w->values[4] = sql_text(row->scope);
	w->values[5] = sql_text(row->key);
	if (sql_writer_ask(w, Q_ADD_REPLY, 6, NULL, NULL) == SQL_ANSWERED)
		return ST_OK;
	if (w->answer != SQL_TAKEN ||
	    sql_writer_ask(w, Q_RENEW_REPLY, 4, NULL, &changed) != SQL_ANSWERED)
		return ST_UNAVAILABLE;
	if (changed == 1)
		return ST_OK;
	err_set(w->err, "an answer is kept for this key already");
	return ST_DENIED;
}

enum status
sql_writer_admin(struct sql_writer *w, const struct keystore_write *write)
{
	if (write->what == STORE_TOKEN)
		return write_token(w, write);
	if (write->what == STORE_PROVIDER)
		return sql_writer_provider(w, write);
	if (write->what == STORE_QUOTA)
		return sql_writer_quota(w, write);
	return write->what == STORE_REPLY ? write_reply(w, &write->row.reply) : ST_OK;
}

/* ---- the audit ---- */

/* The end of the chain while rows are added to it. */
struct chain {
	int64_t seq, now; /* seq: of the last row */
	char hash[ADMINROW_HASH_BYTES];
	bool there;
	/* Of one statement: prev and hash of its rows. */
	char hashes[KEYSTORE_SQL_GROUP + 1][ADMINROW_HASH_BYTES];
};

/* columns: seq, hash, the clock. */
static void
row_last(void *context, const struct span *columns, size_t count)
{
	struct sql_writer *w = context;
	struct chain *chain = w->context;
	struct sql_reading reading = {.store = w->store, .err = w->err};

	if (count < 3)
		return;
	chain->seq = sql_reading_number(&reading, columns[0]);
	chain->now = sql_reading_number(&reading, columns[2]);
	chain->there = reading.trouble == ST_OK && sql_audit_hash_take(columns[1], chain->hash);
}

static enum status
take_chain(struct sql_writer *w, struct chain *chain, size_t rows)
{
	uint64_t changed = 0;

	w->values[0] = sql_number((int64_t)rows);
	if (sql_writer_ask(w, Q_TAKE_AUDIT, 1, NULL, &changed) != SQL_ANSWERED)
		return ST_UNAVAILABLE;
	w->context = chain;
	if (changed == 1 && sql_writer_ask(w, Q_LAST_AUDIT, 0, row_last, NULL) != SQL_ANSWERED)
		return ST_UNAVAILABLE;
	w->context = NULL;
	chain->seq -= (int64_t)rows;
	if (chain->there)
		return ST_OK;
	err_set(w->err, "%s: the row of the table audit_head is not there; put a backup back",
	    w->store->where);
	return ST_UNAVAILABLE;
}

/* The row as it follows the last one; prev and hash are room. */
static size_t
audit_values(struct sql_value *values, struct chain *chain, const struct store_audit *given,
    const char *prev, char *hash)
{
	struct store_audit row = *given;
	const struct span *const texts[] = {&row.actor, &row.method, &row.source, &row.tenant,
	    &row.action, &row.object, &row.before, &row.after, &row.request, &row.key, &row.detail,
	    &row.result};
	size_t n = 0;

	row.seq = (uint64_t)++chain->seq;
	row.at = chain->now;
	row.prev = span_str(prev);
	audit_hash(&row, hash);
	values[n++] = sql_number(chain->seq);
	values[n++] = sql_number(chain->now);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		values[n++] = sql_text(*texts[i]);
	values[n++] = sql_text(span_str(prev));
	values[n++] = sql_text(span_str(hash));
	return n;
}

/* The next row of the audit in the batch, from *at on. */
static const struct store_audit *
next_audit(const struct sql_writer *w, size_t *at)
{
	while (*at < w->count)
		if (w->writes[(*at)++].what == STORE_AUDIT)
			return &w->writes[*at - 1].row.audit;
	return NULL;
}

static enum status
add_rows(struct sql_writer *w, struct chain *chain, size_t *at, size_t rows)
{
	size_t n = 0;

	memcpy(chain->hashes[0], chain->hash, sizeof(chain->hash));
	for (size_t i = 0; i < rows; i++) {
		const struct store_audit *row = next_audit(w, at);

		if (row != NULL)
			n += audit_values(
			    w->values + n, chain, row, chain->hashes[i], chain->hashes[i + 1]);
	}
	memcpy(chain->hash, chain->hashes[rows], sizeof(chain->hash));
	return sql_writer_must(w, rows == 1 ? Q_ADD_AUDIT : Q_ADD_AUDITS, n);
}

enum status
sql_writer_audits(struct sql_writer *w)
{
	struct chain chain = {.there = false};
	enum status status;
	size_t rows = 0, at = 0;

	while (next_audit(w, &at) != NULL)
		rows++;
	if (rows == 0)
		return ST_OK;
	status = take_chain(w, &chain, rows);
	for (at = 0; rows > 0 && status == ST_OK;) {
		size_t group = rows >= KEYSTORE_SQL_GROUP ? KEYSTORE_SQL_GROUP : 1;

		status = add_rows(w, &chain, &at, group);
		rows -= group;
	}
	w->values[0] = sql_text(span_str(chain.hash));
	return status == ST_OK ? sql_writer_must(w, Q_END_AUDIT, 1) : status;
}

/* ---- answers go ---- */

struct old {
	char ids[KEYSTORE_SQL_GROUP][ADMINROW_HASH_BYTES];
	size_t count;
	uint64_t gone;
};

static void
row_old(void *context, const struct span *columns, size_t count)
{
	struct sql_writer *w = context;
	struct old *old = w->context;

	if (count == 1 && old->count < KEYSTORE_SQL_GROUP &&
	    sql_audit_hash_take(columns[0], old->ids[old->count]))
		old->count++;
}

static enum status
forget_some(struct sql_writer *w)
{
	struct old *old = w->context;

	old->count = 0;
	old->gone = 0;
	w->values[0] = sql_number((int64_t)w->count);
	if (sql_writer_ask(w, Q_OLD_REPLIES, 1, row_old, NULL) != SQL_ANSWERED)
		return ST_UNAVAILABLE;
	if (old->count == 0)
		return ST_OK;
	for (size_t i = 0; i < KEYSTORE_SQL_GROUP; i++)
		w->values[i] = sql_text(span_str(old->ids[i < old->count ? i : old->count - 1]));
	return sql_writer_ask(w, Q_FORGET_REPLIES, KEYSTORE_SQL_GROUP, NULL, &old->gone) ==
		       SQL_ANSWERED
		   ? ST_OK
		   : ST_UNAVAILABLE;
}

enum status
sql_store_forget_replies(struct keystore *store, size_t max, size_t *count_out, struct err *err)
{
	struct sql_value values[KEYSTORE_SQL_GROUP];
	struct old old;
	struct sql_writer w = {.store = store->state,
	    .body = forget_some,
	    .context = &old,
	    .one_by_one = true,
	    .values = values,
	    .err = err};
	enum status status = ST_OK;

	*count_out = 0;
	if (w.store->source.use != SQL_WRITER) {
		err_set(err, "%s: opened for reading", store->where);
		return ST_DENIED;
	}
	do {
		w.count =
		    max - *count_out < KEYSTORE_SQL_GROUP ? max - *count_out : KEYSTORE_SQL_GROUP;
		if (w.count > 0)
			status = sql_writer_transact(&w);
		if (status == ST_OK && w.count > 0)
			*count_out += old.gone;
	} while (status == ST_OK && w.count > 0 && old.gone == w.count && *count_out < max);
	return status;
}
