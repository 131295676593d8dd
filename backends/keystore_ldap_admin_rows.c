/*
 * keystore_ldap_admin_rows.c - tokens, kept answers and rows of the audit as entries of a
 * directory, and back; their names and filters. Pure.
 * Called by the files keystore_ldap_admin*.c and keystore_ldap_audit*.c.
 * It must never give a text back in another form than it was given: hashes are made of it.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "backends/keystore_ldap_admin.h"
#include "backends/ldap_url.h"

#define LIST_MAX 4096U
#define SCOPE_MAX 512U
#define HASH_MAX (ADMINROW_HASH_BYTES - 1)

#define TEXT(row, member, name, max)                                                               \
	{                                                                                          \
		name, LDAPADMIN_TEXT, offsetof(struct row, member), max, false                     \
	}
#define NUMBER(row, member, name)                                                                  \
	{                                                                                          \
		name, LDAPADMIN_NUMBER, offsetof(struct row, member), 0, false                     \
	}
#define LIMIT(row, member, name)                                                                   \
	{                                                                                          \
		name, LDAPADMIN_LIMIT, offsetof(struct row, member), 0, false                      \
	}
#define TIME(row, member, name)                                                                    \
	{                                                                                          \
		name, LDAPADMIN_TIME, offsetof(struct row, member), 0, false                       \
	}

static const struct ldapadmin_field token_fields[] = {
    {"signpostTokenId", LDAPADMIN_TEXT, offsetof(struct store_token, id), KEYSTORE_ID_MAX, true},
    {"signpostTokenTenant", LDAPADMIN_TEXT, offsetof(struct store_token, tenant),
	KEYSTORE_TENANT_MAX, true},
    {"signpostMadeBy", LDAPADMIN_TEXT, offsetof(struct store_token, maker), ADMINROW_NAME_MAX,
	true},
    {"signpostCreatedAt", LDAPADMIN_TIME, offsetof(struct store_token, created), 0, true},
    TEXT(store_token, name, "signpostTokenName", ADMINROW_NAME_MAX),
    TEXT(store_token, secret, "signpostSecretHash", HASH_MAX),
    TEXT(store_token, scopes, "signpostScopes", LIST_MAX),
    TEXT(store_token, domains, "signpostTokenDomains", LIST_MAX),
    TEXT(store_token, networks, "signpostNetworks", LIST_MAX),
    TIME(store_token, expires, "signpostExpiresAt"),
    TIME(store_token, revoked, "signpostRevokedAt"),
    NUMBER(store_token, revision, "signpostRevision")};
static const struct ldapadmin_field provider_fields[] = {
    {"signpostProviderTenant", LDAPADMIN_TEXT, offsetof(struct store_provider, tenant),
	KEYSTORE_TENANT_MAX, true},
    {"signpostProviderName", LDAPADMIN_TEXT, offsetof(struct store_provider, name),
	PROVIDER_NAME_MAX, true},
    TEXT(store_provider, kind, "signpostProviderKind", PROVIDER_KIND_MAX),
    TEXT(store_provider, address, "signpostProviderAddress", PROVIDER_ADDRESS_MAX),
    TEXT(store_provider, secret, "signpostProviderSecret", PROVIDER_SECRET_MAX),
    {"signpostProviderPrivate", LDAPADMIN_INT, offsetof(struct store_provider, allow_private), 0,
	false},
    NUMBER(store_provider, revision, "signpostRevision")};
static const struct ldapadmin_field quota_fields[] = {
    {"signpostQuotaTenant", LDAPADMIN_TEXT, offsetof(struct store_quota, tenant),
	KEYSTORE_TENANT_MAX, true},
    LIMIT(store_quota, domains, "signpostQuotaDomains"),
    LIMIT(store_quota, keys, "signpostQuotaKeys"),
    LIMIT(store_quota, rotations, "signpostQuotaRotations"),
    LIMIT(store_quota, requests, "signpostQuotaRequests"),
    NUMBER(store_quota, day, "signpostQuotaDay"),
    NUMBER(store_quota, rotated, "signpostQuotaRotated"),
    NUMBER(store_quota, revision, "signpostRevision")};
static const struct ldapadmin_field reply_fields[] = {
    TEXT(store_reply, scope, "signpostReplyScope", SCOPE_MAX),
    TEXT(store_reply, key, "signpostIdempotencyKey", ADMINROW_KEY_MAX),
    TEXT(store_reply, body, "signpostReplyBody", HASH_MAX),
    {"signpostReplyStatus", LDAPADMIN_INT, offsetof(struct store_reply, status), 0, false},
    TEXT(store_reply, answer, "signpostReplyAnswer", ADMINROW_ANSWER_MAX),
    TIME(store_reply, at, "signpostReplyAt")};
static const struct ldapadmin_field audit_fields[] = {NUMBER(store_audit, seq, "signpostAuditSeq"),
    TIME(store_audit, at, "signpostAuditAt"),
    TEXT(store_audit, actor, "signpostActor", ADMINROW_NAME_MAX),
    TEXT(store_audit, method, "signpostMethod", ADMINROW_NAME_MAX),
    TEXT(store_audit, source, "signpostSource", ADMINROW_NAME_MAX),
    TEXT(store_audit, tenant, "signpostAuditTenant", KEYSTORE_TENANT_MAX),
    TEXT(store_audit, action, "signpostAction", ADMINROW_NAME_MAX),
    TEXT(store_audit, object, "signpostObject", KEYSTORE_SUBJECT_MAX),
    TEXT(store_audit, before, "signpostBefore", HASH_MAX),
    TEXT(store_audit, after, "signpostAfter", HASH_MAX),
    TEXT(store_audit, request, "signpostRequest", ADMINROW_NAME_MAX),
    TEXT(store_audit, key, "signpostIdempotencyKey", ADMINROW_KEY_MAX),
    TEXT(store_audit, detail, "signpostDetail", ADMINROW_DETAIL_MAX),
    TEXT(store_audit, result, "signpostResult", ADMINROW_NAME_MAX),
    TEXT(store_audit, prev, "signpostPrevious", HASH_MAX),
    TEXT(store_audit, hash, "signpostHash", HASH_MAX)};

static const char *const token_attributes[] = {"signpostTokenId", "signpostTokenTenant",
    "signpostMadeBy", "signpostCreatedAt", "signpostTokenName", "signpostSecretHash",
    "signpostScopes", "signpostTokenDomains", "signpostNetworks", "signpostExpiresAt",
    "signpostRevokedAt", "signpostRevision", NULL};
static const char *const provider_attributes[] = {"signpostProviderTenant", "signpostProviderName",
    "signpostProviderKind", "signpostProviderAddress", "signpostProviderSecret",
    "signpostProviderPrivate", "signpostRevision", NULL};
static const char *const quota_attributes[] = {"signpostQuotaTenant", "signpostQuotaDomains",
    "signpostQuotaKeys", "signpostQuotaRotations", "signpostQuotaRequests", "signpostQuotaDay",
    "signpostQuotaRotated", "signpostRevision", "signpostQuotaBusy", NULL};
static const char *const reply_attributes[] = {"signpostReplyScope", "signpostIdempotencyKey",
    "signpostReplyBody", "signpostReplyStatus", "signpostReplyAnswer", "signpostReplyAt", NULL};
static const char *const audit_attributes[] = {"signpostAuditSeq", "signpostAuditAt",
    "signpostActor", "signpostMethod", "signpostSource", "signpostAuditTenant", "signpostAction",
    "signpostObject", "signpostBefore", "signpostAfter", "signpostRequest",
    "signpostIdempotencyKey", "signpostDetail", "signpostResult", "signpostPrevious",
    "signpostHash", NULL};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
_Static_assert(COUNT(token_attributes) == COUNT(token_fields) + 1, "one for each");
_Static_assert(COUNT(provider_attributes) == COUNT(provider_fields) + 1, "one for each");
_Static_assert(COUNT(quota_attributes) == COUNT(quota_fields) + 2, "one more: signpostQuotaBusy");
_Static_assert(COUNT(reply_attributes) == COUNT(reply_fields) + 1, "one for each");
_Static_assert(COUNT(audit_attributes) == COUNT(audit_fields) + 1, "one for each");
_Static_assert(COUNT(audit_fields) <= LDAPADMIN_FIELDS_MAX, "room for all");

const struct ldapadmin_kind ldapadmin_token = {
    "signpostToken", token_fields, COUNT(token_fields), token_attributes};
const struct ldapadmin_kind ldapadmin_provider = {
    "signpostProvider", provider_fields, COUNT(provider_fields), provider_attributes};
const struct ldapadmin_kind ldapadmin_quota = {
    "signpostQuota", quota_fields, COUNT(quota_fields), quota_attributes};
const struct ldapadmin_kind ldapadmin_reply = {
    "signpostReply", reply_fields, COUNT(reply_fields), reply_attributes};
const struct ldapadmin_kind ldapadmin_audit = {
    "signpostAudit", audit_fields, COUNT(audit_fields), audit_attributes};
const char *const ldapadmin_end_attributes[2] = {"signpostAuditEnd", NULL};
const char *const ldapadmin_id_attributes[2] = {"signpostTokenId", NULL};
const char *const ldapadmin_provider_attributes[2] = {"signpostProviderName", NULL};

/* ---- entries to rows ---- */

static bool
read_value(const struct ldapadmin_field *field, struct span text, void *row)
{
	char *at = (char *)row + field->at;
	int64_t number = 0;
	enum status status = ST_OK;

	switch (field->type) {
	case LDAPADMIN_TEXT:
		*(struct span *)(void *)at = text;
		return text.n <= field->max && span_is_text(text);
	case LDAPADMIN_NUMBER:
	case LDAPADMIN_LIMIT:
	case LDAPADMIN_INT:
		status = ldapstore_read_number(
		    text, 0, field->type == LDAPADMIN_INT ? 999 : INT64_MAX, &number);
		break;
	case LDAPADMIN_TIME:
		status = ldapstore_read_time(text, &number);
		break;
	}
	if (field->type == LDAPADMIN_INT)
		*(int *)(void *)at = (int)number;
	else
		*(int64_t *)(void *)at = number;
	return status == ST_OK;
}

enum status
ldapadmin_read(
    const struct ldapadmin_kind *kind, const struct ldapentry *entry, void *row, struct err *err)
{
	for (size_t i = 0; i < kind->count; i++) {
		const struct ldapentry_values *values = &entry->values[i];

		if (values->count == 0 ||
		    (values->count == 1 && read_value(&kind->fields[i], values->items[0], row)))
			continue;
		err_set(err, "\"%.*s\": %s is none that Signpost wrote",
		    SPAN_ARG(span_sub(entry->dn, 0, 200)), kind->fields[i].attribute);
		return ST_INVALID;
	}
	return ST_OK;
}

enum status
ldapadmin_read_end(struct span text, struct audit_head *out)
{
	struct span seq;

	audit_head_init(out);
	if (!span_cut(&text, ' ', &seq) || !span_number(seq, INT64_MAX - 1, &out->seq) ||
	    text.n != HASH_MAX || !span_is_text(text))
		return ST_INVALID;
	memcpy(out->hash, text.p, text.n);
	return ST_OK;
}

/* ---- and back ---- */

void
ldapadmin_write_end(const struct audit_head *head, char text[LDAPADMIN_END_BYTES])
{
	(void)snprintf(text, LDAPADMIN_END_BYTES, "%" PRIu64 " %s", head->seq, head->hash);
}

struct span
ldapadmin_value(const struct ldapadmin_field *field, const void *row, char room[24])
{
	const char *at = (const char *)row + field->at;
	int64_t number = 0;

	if (field->type == LDAPADMIN_TEXT)
		return *(const struct span *)(const void *)at;
	if (field->type == LDAPADMIN_INT)
		number = *(const int *)(const void *)at;
	else
		number = *(const int64_t *)(const void *)at;
	room[0] = '\0';
	if (field->type == LDAPADMIN_LIMIT && number < 0)
		return SPAN_EMPTY;
	if (field->type != LDAPADMIN_TIME)
		(void)snprintf(room, 24, "%" PRId64, number);
	else if (number > 0 && number <= LDAPSTORE_TIME_MAX)
		ldapstore_write_time(number, room);
	return span_str(room);
}

/* ---- names ---- */

static void
begin(struct buf *out, const char *first)
{
	buf_reset(out);
	buf_add_str(out, first);
}

static void
end(struct buf *out, const char *rest, const char *base)
{
	buf_add_str(out, rest);
	buf_add_str(out, "ou=admin,");
	buf_add_str(out, base);
}

void
ldapadmin_dn_tokens(struct buf *out, const char *base)
{
	begin(out, "");
	end(out, "ou=tokens,", base);
}

void
ldapadmin_dn_token(struct buf *out, const char *base, struct span id)
{
	begin(out, "signpostTokenId=");
	ldapurl_escape_dn(out, id);
	end(out, ",ou=tokens,", base);
}

void
ldapadmin_dn_providers(struct buf *out, const char *base)
{
	begin(out, "");
	end(out, "ou=providers,", base);
}

void
ldapadmin_dn_provider(struct buf *out, const char *base, const char id[KEYSTORE_DIGEST_BYTES])
{
	begin(out, "signpostDigest=");
	buf_add_str(out, id);
	end(out, ",ou=providers,", base);
}

void
ldapadmin_provider_id(struct span tenant, struct span name, char out[KEYSTORE_DIGEST_BYTES])
{
	struct buf both;

	buf_init(&both, KEYSTORE_TENANT_MAX + PROVIDER_NAME_MAX + 2);
	buf_add(&both, tenant);
	buf_add_char(&both, ' ');
	buf_add(&both, name);
	keystore_digest(buf_span(&both), out);
	buf_free(&both);
}

void
ldapadmin_dn_quotas(struct buf *out, const char *base)
{
	begin(out, "");
	end(out, "ou=quotas,", base);
}

void
ldapadmin_dn_quota(struct buf *out, const char *base, struct span tenant)
{
	begin(out, "signpostQuotaTenant=");
	ldapurl_escape_dn(out, tenant);
	end(out, ",ou=quotas,", base);
}

void
ldapadmin_dn_replies(struct buf *out, const char *base)
{
	begin(out, "");
	end(out, "ou=replies,", base);
}

void
ldapadmin_dn_reply(struct buf *out, const char *base, const char id[ADMINROW_HASH_BYTES])
{
	begin(out, "signpostDigest=");
	buf_add_str(out, id);
	end(out, ",ou=replies,", base);
}

void
ldapadmin_dn_head(struct buf *out, const char *base)
{
	begin(out, "cn=audit,");
	end(out, "", base);
}

void
ldapadmin_dn_audit(struct buf *out, const char *base, uint64_t seq)
{
	begin(out, "signpostAuditSeq=");
	buf_add_u64(out, seq);
	end(out, ",cn=audit,", base);
}

static void
add_term(struct buf *out, const char *attribute, struct span value)
{
	if (value.n == 0)
		return;
	buf_add_char(out, '(');
	buf_add_str(out, attribute);
	buf_add_char(out, '=');
	ldapurl_escape_filter(out, value);
	buf_add_char(out, ')');
}

void
ldapadmin_filter_audit(
    struct buf *out, const struct audit_question *question, uint64_t first, uint64_t last)
{
	buf_reset(out);
	buf_add_str(out, "(&");
	add_term(out, "signpostAuditTenant", question->tenant);
	add_term(out, "signpostActor", question->actor);
	add_term(out, "signpostObject", question->object);
	buf_add_fmt(
	    out, "(signpostAuditSeq>=%" PRIu64 ")(signpostAuditSeq<=%" PRIu64 "))", first, last);
}
