/*
 * adminrows_check.c - what tokens, rows of the audit and kept answers may look like.
 * Asked through keystore_write_check() before anything is written.
 * It must never let a text through that a store would hold in another form than it was given: the
 * hash of a row of the audit is made of it.
 */
#include "lib/store/keystore.h"

#define SCOPE_MAX 512U
#define LIST_MAX 4096U /* octets of scopes, domains, networks */

static enum status
refuse(struct err *err, const char *field, struct span value, const char *want)
{
	err_set(err, "%s \"%.*s\" %s", field, value.n > 80 ? 80 : (int)value.n,
	    value.n == 0 ? "" : value.p, want);
	return ST_INVALID;
}

static bool
is_id(struct span id)
{
	for (size_t i = 0; i < id.n; i++) {
		char c = ascii_lower(id.p[i]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_')
			return false;
	}
	return id.n > 0 && id.n <= KEYSTORE_ID_MAX;
}

static bool
is_hash(struct span hash)
{
	for (size_t i = 0; i < hash.n; i++) {
		char c = hash.p[i];

		if ((c < 'a' || c > 'f') && (c < '0' || c > '9'))
			return false;
	}
	return hash.n == ADMINROW_HASH_BYTES - 1;
}

static bool
has_control(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
			return true;
	return false;
}

struct limit {
	const char *name;
	struct span text;
	size_t max;
	bool needed;
};

/* UTF-8 without control characters. */
static enum status
check_texts(const struct limit *limits, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct limit *limit = &limits[i];

		if (limit->needed && limit->text.n == 0)
			return refuse(err, limit->name, limit->text, "is empty");
		if (limit->text.n <= limit->max && span_is_text(limit->text) &&
		    !has_control(limit->text))
			continue;
		err_set(err,
		    "%s: %zu octets, at most %zu of UTF-8 without control characters can be kept",
		    limit->name, limit->text.n, limit->max);
		return ST_INVALID;
	}
	return ST_OK;
}

static enum status
check_tenant(struct span tenant, struct err *err)
{
	return tenant.n == 0 || keystore_tenant_is_valid(tenant)
		   ? ST_OK
		   : refuse(err, "tenant", tenant, "is no name of a tenant");
}

static enum status
check_hash(const char *field, struct span hash, bool needed, struct err *err)
{
	return is_hash(hash) || (!needed && hash.n == 0)
		   ? ST_OK
		   : refuse(err, field, hash, "is no SHA-256 in hexadecimal (64 of 0-9, a-f)");
}

/* What is no hash may be the secret itself: it is not said. */
static enum status
check_secret(struct span secret, struct err *err)
{
	if (is_hash(secret))
		return ST_OK;
	err_set(err, "secret: is no SHA-256 in hexadecimal (64 of 0-9, a-f)");
	return ST_INVALID;
}

static enum status
check_token(const struct keystore_write *write, struct err *err)
{
	const struct store_token *row = &write->row.token;
	const struct limit limits[] = {{"name", row->name, ADMINROW_NAME_MAX, false},
	    {"scopes", row->scopes, LIST_MAX, false}, {"domains", row->domains, LIST_MAX, false},
	    {"networks", row->networks, LIST_MAX, false},
	    {"maker", row->maker, ADMINROW_NAME_MAX, false}};
	enum status status;

	if (!is_id(row->id))
		return refuse(err, "token", row->id, "is no id (letters, digits, '-', '_')");
	status = check_tenant(row->tenant, err);
	if (write->how == WRITE_REMOVE)
		return status;
	if (status == ST_OK)
		status = check_secret(row->secret, err);
	if (status == ST_OK)
		status = check_texts(limits, sizeof(limits) / sizeof(limits[0]), err);
	if (status == ST_OK && (row->created < 0 || row->expires < 0 || row->revoked < 0))
		status = refuse(err, "token", row->id, "has a time below zero");
	return status;
}

bool
keystore_provider_is_valid(struct span name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = ascii_lower(name.p[i]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' &&
		    c != '.')
			return false;
	}
	return name.n > 0 && name.n <= PROVIDER_NAME_MAX;
}

static enum status
check_provider(const struct keystore_write *write, struct err *err)
{
	const struct store_provider *row = &write->row.provider;
	const struct limit limits[] = {{"kind", row->kind, PROVIDER_KIND_MAX, true},
	    {"address", row->address, PROVIDER_ADDRESS_MAX, false},
	    {"secret", row->secret, PROVIDER_SECRET_MAX, false}};
	enum status status = ST_OK;

	if (!keystore_provider_is_valid(row->name))
		return refuse(err, "provider", row->name, "is no name (A-Z a-z 0-9 . _ -)");
	if (!keystore_tenant_is_valid(row->tenant))
		return refuse(err, "tenant", row->tenant, "is no name of a tenant");
	if (write->how != WRITE_REMOVE)
		status = check_texts(limits, sizeof(limits) / sizeof(limits[0]), err);
	if (status == ST_OK && row->allow_private != 0 && row->allow_private != 1)
		status = refuse(err, "provider", row->name, "allow_private is 0 or 1");
	return status;
}

static enum status
check_quota(const struct keystore_write *write, struct err *err)
{
	const struct store_quota *row = &write->row.quota;
	const struct {
		const char *name;
		int64_t value;
	} limits[] = {{"domains", row->domains}, {"keys", row->keys}, {"rotations", row->rotations},
	    {"requests", row->requests}};

	if (!keystore_tenant_is_valid(row->tenant))
		return refuse(err, "tenant", row->tenant, "is no name of a tenant");
	if (write->how == WRITE_REMOVE)
		return ST_OK;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		if (limits[i].value >= QUOTA_NONE && limits[i].value <= QUOTA_MAX)
			continue;
		err_set(err, "quota of %.*s: %s is none of 0 to %d, or -1 for no limit",
		    SPAN_ARG(row->tenant), limits[i].name, QUOTA_MAX);
		return ST_INVALID;
	}
	if (row->day >= 0 && row->rotated >= 0)
		return ST_OK;
	return refuse(err, "quota", row->tenant, "has a day or a count below zero");
}

static enum status
check_reply(const struct store_reply *row, struct err *err)
{
	const struct limit limits[] = {
	    {"scope", row->scope, SCOPE_MAX, true}, {"key", row->key, ADMINROW_KEY_MAX, true}};
	enum status status = check_texts(limits, 2, err);

	if (status == ST_OK)
		status = check_hash("body", row->body, true, err);
	if (status == ST_OK && (row->status < 100 || row->status > 999))
		status = refuse(err, "key", row->key, "has a status that is none");
	if (status != ST_OK || (row->answer.n <= ADMINROW_ANSWER_MAX && span_is_text(row->answer)))
		return status;
	err_set(err, "answer: %zu octets, at most %u of UTF-8 without NUL can be kept",
	    row->answer.n, ADMINROW_ANSWER_MAX);
	return ST_INVALID;
}

static enum status
check_audit(const struct store_audit *row, struct err *err)
{
	const struct limit limits[] = {{"actor", row->actor, ADMINROW_NAME_MAX, true},
	    {"method", row->method, ADMINROW_NAME_MAX, false},
	    {"source", row->source, ADMINROW_NAME_MAX, false},
	    {"action", row->action, ADMINROW_NAME_MAX, true},
	    {"object", row->object, KEYSTORE_SUBJECT_MAX, false},
	    {"request", row->request, ADMINROW_NAME_MAX, false},
	    {"key", row->key, ADMINROW_KEY_MAX, false},
	    {"detail", row->detail, ADMINROW_DETAIL_MAX, false},
	    {"result", row->result, ADMINROW_NAME_MAX, true}};
	enum status status = check_texts(limits, sizeof(limits) / sizeof(limits[0]), err);

	if (status == ST_OK)
		status = check_tenant(row->tenant, err);
	if (status == ST_OK)
		status = check_hash("before", row->before, false, err);
	return status == ST_OK ? check_hash("after", row->after, false, err) : status;
}

enum status
keystore_admin_check(const struct keystore_write *write, struct err *err)
{
	bool changes = write->what == STORE_TOKEN || write->what == STORE_PROVIDER ||
		       write->what == STORE_QUOTA;

	if (write->how == WRITE_PUT || (write->how != WRITE_ADD && !changes)) {
		err_set(err, "%s",
		    changes ? "tokens, providers and quotas are added, changed or removed"
			    : "what was kept for a request, or recorded of it, is only added");
		return ST_INVALID;
	}
	if (write->what == STORE_TOKEN)
		return check_token(write, err);
	if (write->what == STORE_PROVIDER)
		return check_provider(write, err);
	if (write->what == STORE_QUOTA)
		return check_quota(write, err);
	return write->what == STORE_REPLY ? check_reply(&write->row.reply, err)
					  : check_audit(&write->row.audit, err);
}
