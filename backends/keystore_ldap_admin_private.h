/*
 * keystore_ldap_admin_private.h - what the files keystore_ldap_admin*.c that ask servers share.
 */
#ifndef SIGNPOST_BACKENDS_KEYSTORE_LDAP_ADMIN_PRIVATE_H
#define SIGNPOST_BACKENDS_KEYSTORE_LDAP_ADMIN_PRIVATE_H

#include "backends/keystore_ldap_admin.h"
#include "backends/keystore_ldap_private.h"

/* A connection, and what is asked over it. */
struct ldapadmin {
	struct ldapstore *own;
	struct ldaplink *link;
	struct ldaplink_end *end;
	struct err *err;
	struct buf name, filter; /* room; of LDAPSTORE_TEXT_MAX */
};

void ldapadmin_begin(struct ldapadmin *admin, struct ldapstore *own, struct ldaplink *link,
    struct ldaplink_end *end, struct err *err);
void ldapadmin_end(struct ldapadmin *admin);

/* ST_UNAVAILABLE: the directory has no ou=admin for us; the sentence says what to load. *out, if
 * not NULL: what it says of the end of the audit. */
enum status ldapadmin_need(struct ldapadmin *admin, struct audit_head *out) MUST_USE;
/* The entry or the entries one level below; ST_ABSENT: there is no such entry. */
enum status ldapadmin_entry(struct ldapadmin *admin, const char *dn, const char *const *attributes,
    ldapentry_visit *visit, void *context) MUST_USE;
/* Is this entry there? ST_ABSENT. */
enum status ldapadmin_exists(struct ldapadmin *admin, const char *dn) MUST_USE;
enum status ldapadmin_children(struct ldapadmin *admin, const char *dn, const char *filter,
    const char *const *attributes, size_t entries_max, ldapentry_visit *visit,
    void *context) MUST_USE;
/* One write, with a deadline of its own. */
enum status ldapadmin_write(struct ldapadmin *admin, enum ldaplink_write what, const char *dn,
    const struct ldaplink_change *changes, size_t count) MUST_USE;
/* Adds the entry of a row. digest: signpostDigest of it, or NULL. ST_DENIED: it is there already.
 */
enum status ldapadmin_add(struct ldapadmin *admin, const struct ldapadmin_kind *kind,
    const char *dn, const char *digest, const void *row) MUST_USE;

/* ---- the audit (keystore_ldap_audit.c) ---- */

/* Where the chain ends: behind what cn=audit says, if rows are there. */
enum status ldapadmin_find_end(struct ldapadmin *admin, struct audit_head *out) MUST_USE;

/* ---- a batch (keystore_ldap_admin_write.c) ---- */

/* What of a batch is not written like other rows. */
struct ldapadmin_batch {
	const struct keystore_write *writes; /* all of them */
	size_t count;
	struct keystore_write *rest; /* the others, to be written as ever */
	size_t *place;               /* of each of these in the batch */
	size_t rest_count;
	bool any;       /* there are rows of the administration */
	size_t claimed; /* answers before this place in the batch have an entry, without status */
	size_t at;      /* what failed; SIZE_MAX: none of these */
	char busy[48];  /* signpostQuotaBusy of its quotas; "": none was written */
};

/* false: there is nothing to take out; the batch needs not to be freed. */
bool ldapadmin_batch_begin(
    struct ldapadmin_batch *batch, const struct keystore_write *writes, size_t count);
void ldapadmin_batch_free(struct ldapadmin_batch *batch);
/* The place in the whole batch of what failed; at: in rest. */
size_t ldapadmin_batch_at(const struct ldapadmin_batch *batch, size_t at);
/* Looks at everything; nothing is written. */
enum status ldapadmin_batch_check(
    struct ldapadmin_batch *batch, struct ldapadmin *admin, int64_t now_utc) MUST_USE;
/* The keys of answers are taken, so that nobody else does the same; then quotas, rows of the audit,
 * then tokens, providers and quotas. */
enum status ldapadmin_batch_before(
    struct ldapadmin_batch *batch, struct ldapadmin *admin, int64_t now_utc) MUST_USE;
/* What was begun was not done: its keys are free again. */
void ldapadmin_batch_undo(struct ldapadmin_batch *batch, struct ldapadmin *admin);
/* Answers, when all else is done. */
enum status ldapadmin_batch_after(
    struct ldapadmin_batch *batch, struct ldapadmin *admin, int64_t now_utc) MUST_USE;
/* Adds the rows of the audit to the chain. */
enum status ldapadmin_append(struct ldapadmin *admin, const struct keystore_write *writes,
    size_t count, int64_t now_utc) MUST_USE;

/* A row that is there, as the entry admin->name: all that does not stay, under the revision that
 * was seen, which goes by its value: who was faster is not written over. more: of another
 * attribute, too; NULL: none. */
enum status ldapadmin_change(struct ldapadmin *admin, const struct ldapadmin_kind *kind,
    const void *row, uint64_t revision, const struct ldaplink_change *more) MUST_USE;
/* The entry of this tenant, or one that the batch makes before at. ST_ABSENT. */
enum status ldapadmin_need_tenant(struct ldapadmin *admin, const struct ldapadmin_batch *batch,
    size_t at, struct span tenant) MUST_USE;

/* ---- providers (keystore_ldap_provider.c) ---- */

enum status ldapadmin_provider_check(
    struct ldapadmin *admin, const struct ldapadmin_batch *batch, size_t at) MUST_USE;
enum status ldapadmin_provider_write(
    struct ldapadmin *admin, const struct keystore_write *write) MUST_USE;
/* ST_DENIED: the tenant that the batch removes at at has one. */
enum status ldapadmin_provider_gone_tenant(
    struct ldapadmin *admin, const struct ldapadmin_batch *batch, size_t at) MUST_USE;

/* ---- quotas (keystore_ldap_quota.c) ---- */

enum status ldapadmin_quota_check(
    struct ldapadmin *admin, const struct ldapadmin_batch *batch, size_t at) MUST_USE;
/* Before the rows that are held to it: until ldapadmin_quotas_end() nobody counts what the tenant
 * has, for what is counted would go with the new revision, and is not all there. */
enum status ldapadmin_quota_write(struct ldapadmin *admin, struct ldapadmin_batch *batch,
    const struct keystore_write *write, int64_t now_utc) MUST_USE;
/* The batch has ended, well or not. */
void ldapadmin_quotas_end(struct ldapadmin *admin, const struct ldapadmin_batch *batch);
/* ST_DENIED: the tenant that the batch removes at at has one. */
enum status ldapadmin_quota_gone_tenant(
    struct ldapadmin *admin, const struct ldapadmin_batch *batch, size_t at) MUST_USE;

/* ops */
enum status ldapadmin_ask_quota(
    struct keystore *store, struct span tenant, struct keystore_rows **out, struct err *err);
enum status ldapadmin_count(
    struct keystore *store, struct span tenant, struct store_count *out, struct err *err);
enum status ldapadmin_ask_provider(struct keystore *store, struct span tenant, struct span name,
    struct keystore_rows **out, struct err *err);
enum status ldapadmin_list_providers(struct keystore *store, struct span after, size_t max,
    struct keystore_rows **out, struct err *err);
enum status ldapadmin_ask_token(struct keystore *store, enum store_token_by by, struct span name,
    struct keystore_rows **out, struct err *err);
enum status ldapadmin_list_tokens(struct keystore *store, struct span after, size_t max,
    struct keystore_rows **out, struct err *err);
enum status ldapadmin_ask_reply(struct keystore *store, struct span scope, struct span key,
    struct keystore_rows **out, struct err *err);
enum status ldapadmin_forget_replies(
    struct keystore *store, size_t max, size_t *count_out, struct err *err);
enum status ldapadmin_ask_audits(struct keystore *store, const struct audit_question *question,
    struct keystore_rows **out, struct err *err);
enum status ldapadmin_ask_head(struct keystore *store, struct audit_head *out, struct err *err);

#endif
