/*
 * memstore_admin.c - tokens, kept answers and the audit of the store in memory.
 * Called through keystore_ops by tests. It must never be clever.
 */
#include <stdio.h>
#include <string.h>

#include "tests/lib/memstore_private.h"

void
memstore_audit_end(const struct memstore *m, struct audit_head *out)
{
	const struct keystore_rows *all = m->all;

	audit_head_init(out);
	if (all->audit_count == 0)
		return;
	out->seq = all->audits[all->audit_count - 1].seq;
	snprintf(
	    out->hash, sizeof(out->hash), "%.*s", SPAN_ARG(all->audits[all->audit_count - 1].hash));
}

bool
memstore_has_secret(const struct memstore *m, const struct store_token *row)
{
	for (size_t i = 0; i < m->all->token_count; i++)
		if (span_eq(m->all->tokens[i].secret, row->secret) &&
		    !span_eq(m->all->tokens[i].id, row->id))
			return true;
	return false;
}

static enum status
begin(struct memstore *m, struct keystore_rows **out, struct err *err)
{
	enum status status = memstore_begin(m, MEMSTORE_ADMIN, err);

	*out = NULL;
	if (status == ST_OK) {
		*out = keystore_rows_new();
		(*out)->epoch = m->epoch;
	}
	return status;
}

enum status
memstore_token(struct keystore *store, enum store_token_by by, struct span name,
    struct keystore_rows **out, struct err *err)
{
	struct memstore *m = memstore_of(store);
	enum status status = begin(m, out, err);

	for (size_t i = 0; i < m->all->token_count && status == ST_OK; i++) {
		const struct store_token *row = &m->all->tokens[i];

		if (span_eq(by == STORE_TOKEN_BY_SECRET ? row->secret : row->id, name))
			keystore_rows_add_token(*out, row);
	}
	return status;
}

enum status
memstore_provider(struct keystore *store, struct span tenant, struct span name,
    struct keystore_rows **out, struct err *err)
{
	struct memstore *m = memstore_of(store);
	enum status status = begin(m, out, err);

	for (size_t i = 0; i < m->all->provider_count && status == ST_OK; i++) {
		const struct store_provider *row = &m->all->providers[i];

		if (span_eq(row->tenant, tenant) && span_eq(row->name, name))
			keystore_rows_add_provider(*out, row);
	}
	return status;
}

enum status
memstore_quota(
    struct keystore *store, struct span tenant, struct keystore_rows **out, struct err *err)
{
	struct memstore *m = memstore_of(store);
	enum status status = begin(m, out, err);

	for (size_t i = 0; i < m->all->quota_count && status == ST_OK; i++)
		if (span_eq(m->all->quotas[i].tenant, tenant))
			keystore_rows_add_quota(*out, &m->all->quotas[i]);
	return status;
}

enum status
memstore_count(struct keystore *store, struct span tenant, struct store_count *out, struct err *err)
{
	struct memstore *m = memstore_of(store);
	enum status status = memstore_begin(m, MEMSTORE_ADMIN, err);

	for (size_t i = 0; i < m->all->domain_count; i++)
		out->domains += span_eq(m->all->domains[i].tenant, tenant);
	for (size_t i = 0; i < m->all->key_count; i++)
		out->keys +=
		    span_eq(m->all->keys[i].tenant, tenant) && m->all->keys[i].times.destroyed == 0;
	return status;
}

static bool
is_old(const struct memstore *m, const struct store_reply *row)
{
	return row->at <= m->now_utc - ADMINROW_REPLIES_S;
}

enum status
memstore_reply(struct keystore *store, struct span scope, struct span key,
    struct keystore_rows **out, struct err *err)
{
	struct memstore *m = memstore_of(store);
	enum status status = begin(m, out, err);

	for (size_t i = 0; i < m->all->reply_count && status == ST_OK; i++) {
		const struct store_reply *row = &m->all->replies[i];

		if (span_eq(row->scope, scope) && span_eq(row->key, key) && !is_old(m, row))
			keystore_rows_add_reply(*out, row);
	}
	return status;
}

enum status
memstore_forget_replies(struct keystore *store, size_t max, size_t *count_out, struct err *err)
{
	struct memstore *m = memstore_of(store);
	enum status status = memstore_begin(m, MEMSTORE_ADMIN, err);
	struct store_reply *rows = m->all->replies;
	size_t kept = 0, count = m->all->reply_count;

	*count_out = 0;
	for (size_t i = 0; i < count && status == ST_OK; i++)
		if (*count_out < max && is_old(m, &rows[i]))
			++*count_out;
		else
			rows[kept++] = rows[i];
	if (status == ST_OK)
		m->all->reply_count = kept;
	return status;
}

static bool
is_asked(const struct audit_question *question, const struct store_audit *row)
{
	if (question->seq > 0 || !question->newest_first)
		if (question->newest_first ? row->seq >= question->seq : row->seq <= question->seq)
			return false;
	return (question->tenant.n == 0 || span_eq(question->tenant, row->tenant)) &&
	       (question->actor.n == 0 || span_eq(question->actor, row->actor)) &&
	       (question->object.n == 0 || span_eq(question->object, row->object));
}

enum status
memstore_audits(struct keystore *store, const struct audit_question *question,
    struct keystore_rows **out, struct err *err)
{
	struct memstore *m = memstore_of(store);
	enum status status = begin(m, out, err);
	size_t count = m->all->audit_count;

	for (size_t i = 0; status == ST_OK && i < count; i++) {
		const struct store_audit *row =
		    &m->all->audits[question->newest_first ? count - 1 - i : i];

		if ((*out)->audit_count < question->max && is_asked(question, row))
			keystore_rows_add_audit(*out, row);
	}
	return status;
}

enum status
memstore_audit_head(struct keystore *store, struct audit_head *out, struct err *err)
{
	struct memstore *m = memstore_of(store);
	enum status status = memstore_begin(m, MEMSTORE_ADMIN, err);

	if (status == ST_OK)
		memstore_audit_end(m, out);
	return status;
}
