/*
 * keystore_admin.c - the front of every key store for what only administrators see: tokens, kept
 * answers, the audit.
 * Called by the administration, never by gateways.
 * It must never turn "could not ask" into "no rows": an unknown token is refused, and a token that
 * cannot be looked up is answered with "later".
 */
#include "lib/store/keystore.h"

static enum status
nothing(struct keystore_rows **out)
{
	*out = keystore_rows_new();
	return ST_OK;
}

static enum status
cannot(const struct keystore *store, struct err *err)
{
	err_set(err, "%s: keeps no tokens, answers and audit", store->where);
	return ST_UNAVAILABLE;
}

/* What no row has is not asked about: a server may take a blank behind a name for none. */
static bool
is_plain(struct span text, size_t max)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] <= ' ' || text.p[i] > '~')
			return false;
	return text.n > 0 && text.n <= max;
}

enum status
keystore_token(struct keystore *store, enum store_token_by by, struct span name,
    struct keystore_rows **out, struct err *err)
{
	*out = NULL;
	if (store->ops->token == NULL)
		return cannot(store, err);
	if (!is_plain(name, ADMINROW_HASH_BYTES - 1))
		return nothing(out);
	return store->ops->token(store, by, name, out, err);
}

enum status
keystore_provider(struct keystore *store, struct span tenant, struct span name,
    struct keystore_rows **out, struct err *err)
{
	*out = NULL;
	if (store->ops->provider == NULL)
		return cannot(store, err);
	if (!keystore_tenant_is_valid(tenant) || !keystore_provider_is_valid(name))
		return nothing(out);
	return store->ops->provider(store, tenant, name, out, err);
}

enum status
keystore_quota(
    struct keystore *store, struct span tenant, struct keystore_rows **out, struct err *err)
{
	*out = NULL;
	if (store->ops->quota == NULL)
		return cannot(store, err);
	if (!keystore_tenant_is_valid(tenant))
		return nothing(out);
	return store->ops->quota(store, tenant, out, err);
}

enum status
keystore_count(struct keystore *store, struct span tenant, struct store_count *out, struct err *err)
{
	*out = (struct store_count){.domains = 0};
	if (store->ops->count == NULL)
		return cannot(store, err);
	if (!keystore_tenant_is_valid(tenant))
		return ST_OK;
	return store->ops->count(store, tenant, out, err);
}

enum status
keystore_reply(struct keystore *store, struct span scope, struct span key,
    struct keystore_rows **out, struct err *err)
{
	*out = NULL;
	return store->ops->reply == NULL ? cannot(store, err)
					 : store->ops->reply(store, scope, key, out, err);
}

enum status
keystore_forget_replies(struct keystore *store, size_t max, size_t *count_out, struct err *err)
{
	*count_out = 0;
	if (store->ops->forget_replies == NULL)
		return cannot(store, err);
	return store->ops->forget_replies(
	    store, max < KEYSTORE_BATCH_MAX ? max : KEYSTORE_BATCH_MAX, count_out, err);
}

static bool
may_be_there(struct span text, size_t max)
{
	return text.n <= max && span_is_text(text);
}

enum status
keystore_audits(struct keystore *store, const struct audit_question *question,
    struct keystore_rows **out, struct err *err)
{
	*out = NULL;
	if (store->ops->audits == NULL)
		return cannot(store, err);
	if (question->max > ADMINROW_AUDIT_PAGE) {
		err_set(err, "%s: a page of the audit has at most %u rows", store->where,
		    ADMINROW_AUDIT_PAGE);
		return ST_TOO_BIG;
	}
	if (question->actor.n > 0 && question->object.n > 0) {
		err_set(err, "%s: the audit is asked for an actor or for an object, not for both",
		    store->where);
		return ST_INVALID;
	}
	if (question->max == 0 || !may_be_there(question->tenant, KEYSTORE_TENANT_MAX) ||
	    !may_be_there(question->actor, ADMINROW_NAME_MAX) ||
	    !may_be_there(question->object, KEYSTORE_SUBJECT_MAX))
		return nothing(out);
	return store->ops->audits(store, question, out, err);
}

enum status
keystore_audit_head(struct keystore *store, struct audit_head *out, struct err *err)
{
	audit_head_init(out);
	return store->ops->audit_head == NULL ? cannot(store, err)
					      : store->ops->audit_head(store, out, err);
}

enum status
keystore_domains(struct keystore *store, struct span tenant, struct span after, size_t max,
    struct keystore_rows **out, struct err *err)
{
	*out = NULL;
	if (store->ops->list == NULL) {
		err_set(err, "%s: this store cannot be administered", store->where);
		return ST_UNAVAILABLE;
	}
	if (tenant.n == 0 || store->ops->domains_of == NULL)
		return store->ops->list(store, STORE_DOMAIN, after, max, out, err);
	if (keystore_tenant_is_valid(tenant))
		return store->ops->domains_of(store, tenant, after, max, out, err);
	*out = keystore_rows_new();
	return ST_OK;
}
