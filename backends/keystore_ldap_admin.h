/*
 * keystore_ldap_admin.h - tokens, kept answers and the audit of a key store in a directory, which
 * only administrators may see: names of entries, rows from entries and back (pure), and what the
 * files keystore_ldap_admin*.c share.
 *
 *   ou=admin
 *     ou=tokens
 *       signpostTokenId=ID                    signpostToken
 *     ou=providers
 *       signpostDigest=SHA-256 of TENANT NAME   signpostProvider
 *     ou=quotas
 *       signpostQuotaTenant=NAME              signpostQuota
 *     ou=replies
 *       signpostDigest=SHA-256                signpostReply
 *     cn=audit                                signpostAuditHead: a row at or near the end
 *       signpostAuditSeq=N                    signpostAudit
 */
#ifndef SIGNPOST_BACKENDS_KEYSTORE_LDAP_ADMIN_H
#define SIGNPOST_BACKENDS_KEYSTORE_LDAP_ADMIN_H

#include "backends/keystore_ldap.h"

#define LDAPADMIN_FIELDS_MAX 16U
/* A kept answer without status: who took its key and did not say within so long what came of it,
 * does not any more. */
#define LDAPADMIN_CLAIM_S 60

/* How a member of a row is written as an attribute. */
struct ldapadmin_field {
	const char *attribute;
	/* LDAPADMIN_LIMIT: a number; no attribute if it is below zero. */
	enum {
		LDAPADMIN_TEXT,
		LDAPADMIN_NUMBER,
		LDAPADMIN_LIMIT,
		LDAPADMIN_INT,
		LDAPADMIN_TIME
	} type;
	size_t at, max; /* offset in the struct; octets of a text */
	/* A change of the row leaves it as it is. */
	bool stays;
};

/* A kind of entry. */
struct ldapadmin_kind {
	const char *class;
	const struct ldapadmin_field *fields;
	size_t count;
	const char *const *attributes; /* of the fields, in their order; others; then NULL */
};

extern const struct ldapadmin_kind ldapadmin_token, ldapadmin_provider, ldapadmin_quota,
    ldapadmin_reply, ldapadmin_audit;
/* signpostAuditEnd; signpostTokenId; signpostProviderName; then NULL */
extern const char *const ldapadmin_end_attributes[2], *const ldapadmin_id_attributes[2],
							  *const ldapadmin_provider_attributes[2];

/* row: the struct of the kind; the entry has its attributes in their order, texts stay in it.
 * ST_INVALID: the sentence names entry and attribute. */
enum status ldapadmin_read(const struct ldapadmin_kind *kind, const struct ldapentry *entry,
    void *row, struct err *err) MUST_USE;
/* "SEQ HASH". ST_INVALID. */
enum status ldapadmin_read_end(struct span text, struct audit_head *out) MUST_USE;
#define LDAPADMIN_END_BYTES (ADMINROW_HASH_BYTES + 24U)
void ldapadmin_write_end(const struct audit_head *head, char text[LDAPADMIN_END_BYTES]);

/* The text of a field: itself, or written into room. Empty: the attribute is not there. */
struct span ldapadmin_value(const struct ldapadmin_field *field, const void *row, char room[24]);

/* Names of entries below base. */
void ldapadmin_dn_tokens(struct buf *out, const char *base);
void ldapadmin_dn_token(struct buf *out, const char *base, struct span id);
void ldapadmin_dn_providers(struct buf *out, const char *base);
void ldapadmin_dn_provider(struct buf *out, const char *base, const char id[KEYSTORE_DIGEST_BYTES]);
/* What a provider is found by in directories: SHA-256 of both names, in hexadecimal. */
void ldapadmin_provider_id(struct span tenant, struct span name, char out[KEYSTORE_DIGEST_BYTES]);
void ldapadmin_dn_quotas(struct buf *out, const char *base);
void ldapadmin_dn_quota(struct buf *out, const char *base, struct span tenant);
void ldapadmin_dn_replies(struct buf *out, const char *base);
void ldapadmin_dn_reply(struct buf *out, const char *base, const char id[ADMINROW_HASH_BYTES]);
void ldapadmin_dn_head(struct buf *out, const char *base);
void ldapadmin_dn_audit(struct buf *out, const char *base, uint64_t seq);
/* Of rows that question asks for, from first to last. */
void ldapadmin_filter_audit(
    struct buf *out, const struct audit_question *question, uint64_t first, uint64_t last);

#endif
