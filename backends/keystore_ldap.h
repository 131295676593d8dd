/*
 * keystore_ldap.h - a key store in a directory, without the directory: names of entries, filters of
 * searches, and rows from entries. Pure; ldif/README has the layout of the tree:
 *
 *   cn=store                                  signpostStore: epoch, changes
 *   ou=tenants
 *     signpostTenantName=T                    signpostTenant
 *       signpostPolicyName=P                  signpostPolicy
 *       signpostRuleId=R                      signpostRule
 *   ou=domains
 *     signpostDomainName=D                    signpostDomain
 *       signpostSelector=S                    signpostKey
 *   ou=bindings
 *     signpostBindingSubject=X                signpostBinding
 *   ou=gateways
 *     signpostNode=N                          signpostGateway
 */
#ifndef SIGNPOST_BACKENDS_KEYSTORE_LDAP_H
#define SIGNPOST_BACKENDS_KEYSTORE_LDAP_H

#include "backends/ldap_entry.h"
#include "lib/base/buf.h"
#include "lib/store/keystore.h"

#define LDAPSTORE_TEXT_MAX (1U << 17) /* octets of a filter or a name */

/* The attributes that are asked for, in the order of ldapstore_attributes. */
enum ldapstore_attribute {
	LDAPSTORE_CLASS, /* objectClass */
	LDAPSTORE_OWNER,
	LDAPSTORE_ENABLED,
	LDAPSTORE_FAILURE,
	LDAPSTORE_REVISION,
	LDAPSTORE_TENANT_NAME,
	LDAPSTORE_POLICY_NAME,
	LDAPSTORE_SIGNATURE_TTL,
	LDAPSTORE_PLAN,
	LDAPSTORE_DOMAIN_NAME,
	LDAPSTORE_SIGNS_AS,
	LDAPSTORE_POLICY,
	LDAPSTORE_SUBDOMAINS,
	LDAPSTORE_RULE_ID,
	LDAPSTORE_RULE_KIND,
	LDAPSTORE_SUBJECT,
	LDAPSTORE_SIGNING_DOMAIN,
	LDAPSTORE_IDENTITY,
	LDAPSTORE_PRIORITY,
	LDAPSTORE_BINDING_SUBJECT,
	LDAPSTORE_KEY_ID,
	LDAPSTORE_KEY_DOMAIN,
	LDAPSTORE_SELECTOR,
	LDAPSTORE_ALGORITHM,
	LDAPSTORE_KEY_BITS,
	LDAPSTORE_PUBLIC_KEY,
	LDAPSTORE_PRIVATE_KEY,
	LDAPSTORE_KEY_REVISION,
	LDAPSTORE_CREATED,
	LDAPSTORE_PUBLISHING,
	LDAPSTORE_PUBLISHED,
	LDAPSTORE_PROVEN,
	LDAPSTORE_LOADED,
	LDAPSTORE_ACTIVE,
	LDAPSTORE_RETIRING,
	LDAPSTORE_REVOKING,
	LDAPSTORE_REVOKED,
	LDAPSTORE_REMOVED,
	LDAPSTORE_DESTROYED,
	LDAPSTORE_HELD,
	LDAPSTORE_COMPROMISED,
	LDAPSTORE_FAILED,
	LDAPSTORE_SIGN_UNTIL,
	LDAPSTORE_EPOCH,
	LDAPSTORE_MIRROR,
	LDAPSTORE_MIRROR_SELECTOR, /* DKIMSelector */
	LDAPSTORE_MIRROR_PUBLIC,   /* DKIMPublicKey */
	LDAPSTORE_MODIFIED,        /* modifyTimestamp */
	LDAPSTORE_PENDING,
	LDAPSTORE_STORE_IDENTITY,
	LDAPSTORE_LEASE,
	LDAPSTORE_NODE, /* of gateways' own entries, which are nothing else, whatever they say */
	LDAPSTORE_LIFE,
	LDAPSTORE_LOADING,
	LDAPSTORE_DUE,
	LDAPSTORE_LEASE_HOLDER,
	LDAPSTORE_LEASE_UNTIL,
	LDAPSTORE_CHANGES_FROM,
	LDAPSTORE_CHANGE,
	LDAPSTORE_ATTRIBUTES
};

#define LDAPSTORE_TIMES (LDAPSTORE_SIGN_UNTIL - LDAPSTORE_CREATED + 1)

/* Their names; then NULL. */
extern const char *const ldapstore_attributes[LDAPSTORE_ATTRIBUTES + 1];
/* Those in front of LDAPSTORE_CHANGES_FROM: without the list of changes, which is long. */
extern const char *const ldapstore_row_attributes[LDAPSTORE_CHANGES_FROM + 1];
/* Those in front of LDAPSTORE_LIFE: what gateways sign by. */
extern const char *const ldapstore_signing_attributes[LDAPSTORE_LIFE + 1];

/* Those of a gateway's entry. */
enum ldapstore_gateway_attribute {
	LDAPGATEWAY_CLASS,
	LDAPGATEWAY_NODE,
	LDAPGATEWAY_VERSION,
	LDAPGATEWAY_EPOCH,
	LDAPGATEWAY_TESTED,
	LDAPGATEWAY_FAILED,
	LDAPGATEWAY_OFFSET,
	LDAPGATEWAY_STARTED,
	LDAPGATEWAY_MODIFIED,
	LDAPGATEWAY_ATTRIBUTES
};
extern const char *const ldapstore_gateway_attributes[LDAPGATEWAY_ATTRIBUTES + 1];

/* The time of an attribute from LDAPSTORE_CREATED on; static order of struct key_times. */
int64_t *ldapstore_time(struct key_times *times, enum ldapstore_attribute attribute);

/* ---- values (keystore_ldap_values.c) ---- */

#define LDAPSTORE_TIME_MAX INT64_C(253402300799) /* the end of the year 9999 */
/* The end of the year 4999. OpenLDAP's index does not tell times far behind that from others. */
#define LDAPSTORE_DUE_MAX INT64_C(95617583999)

/* GeneralizedTime (RFC 4517 section 3.3.13), from 1970 to 9999; a fraction is cut off. ST_INVALID.
 */
enum status ldapstore_read_time(struct span text, int64_t *utc_s_out) MUST_USE;
/* "20260901100000Z"; utc_s from 0 to the year 9999. */
void ldapstore_write_time(int64_t utc_s, char text[16]);
enum status ldapstore_read_bool(struct span text, bool *value_out) MUST_USE; /* TRUE, FALSE */
enum status ldapstore_read_number(
    struct span text, int64_t least, int64_t most, int64_t *value_out) MUST_USE;

/* ---- entries to rows (keystore_ldap_rows.c) ---- */

enum ldapstore_kind {
	LDAPSTORE_OTHER, /* none of ours */
	LDAPSTORE_STORE,
	LDAPSTORE_TENANT,
	LDAPSTORE_POLICY_ENTRY,
	LDAPSTORE_DOMAIN,
	LDAPSTORE_RULE,
	LDAPSTORE_KEY,
	LDAPSTORE_BINDING,
	LDAPSTORE_GATEWAY
};

/* By objectClass. What has a signpostNode is LDAPSTORE_GATEWAY, whatever else: gateways write such
 * entries themselves. */
enum ldapstore_kind ldapstore_kind(const struct ldapentry *entry);
/* Rows from entries whose values are ldapstore_row_attributes; texts stay in the entry. ST_INVALID:
 * the sentence names entry and attribute, and never a value that may be a key. */
enum status ldapstore_tenant(
    const struct ldapentry *entry, struct store_tenant *out, struct err *err) MUST_USE;
enum status ldapstore_policy(
    const struct ldapentry *entry, struct store_policy *out, struct err *err) MUST_USE;
/* failure and signature_ttl_s are the policy's and stay empty and -1. */
enum status ldapstore_domain(
    const struct ldapentry *entry, struct store_domain *out, struct err *err) MUST_USE;
enum status ldapstore_rule(
    const struct ldapentry *entry, struct store_rule *out, struct err *err) MUST_USE;
enum status ldapstore_key(
    const struct ldapentry *entry, struct store_key *out, struct err *err) MUST_USE;
enum status ldapstore_binding(
    const struct ldapentry *entry, struct store_binding *out, struct err *err) MUST_USE;
/* ST_INVALID: no epoch, or one that is no number. */
enum status ldapstore_epoch(
    const struct ldapentry *entry, uint64_t *epoch_out, struct err *err) MUST_USE;
/* Empty: the entry has none, or one that is none. */
void ldapstore_store_identity(const struct ldapentry *entry, char out[KEYSTORE_IDENTITY_BYTES]);
/* "EPOCH SUBJECT". */
enum status ldapstore_change(struct span value, struct store_change *out) MUST_USE;
/* "WHEN NONCE SUBJECT": what a writer is about to change. */
enum status ldapstore_pending(
    struct span value, int64_t *when_out, struct span *subject_out) MUST_USE;

/* The epoch that a writer who asks gateways to try keys had seen when it said so: what it writes
 * has a later one. ST_ABSENT: it does not ask for that. */
enum status ldapstore_pending_mark(struct span value, uint64_t *epoch_out) MUST_USE;
/* Is it of a writer whose lease, of the same name, has a later fence now? lease may be NULL. */
bool ldapstore_pending_deposed(struct span value, const struct store_lease *lease);
/* values are ldapstore_gateway_attributes. */
enum status ldapstore_gateway(
    const struct ldapentry *entry, struct store_gateway *out, struct err *err) MUST_USE;
/* What cn=store says of the lease of this name: *out, with owner empty and expires 0 if nobody has
 * it; fence is 0 if nobody ever had. ST_INVALID. */
enum status ldapstore_lease_of(const struct ldapentry *entry, const char *name,
    struct store_lease *out, struct err *err) MUST_USE;
/* A value of signpostLeaseHolder; expires is 0. false: it is none. */
bool ldapstore_lease_read(struct span value, struct store_lease *out);
/* The values of signpostLeaseHolder ("NAME FENCE OWNER", without an owner if nobody has it) and
 * signpostLeaseUntil ("NAME TIME") that say so. */
#define LDAPSTORE_LEASE_BYTES (2 * KEYSTORE_LEASE_MAX + 24U)
void ldapstore_lease_holder(const struct store_lease *lease, char text[LDAPSTORE_LEASE_BYTES]);
void ldapstore_lease_until(const struct store_lease *lease, char text[LDAPSTORE_LEASE_BYTES]);

/* ---- names and filters (keystore_ldap_filters.c) ---- */

/* Filters begin with "(|(objectClass=signpostStore)": an answer without that entry is none. */
void ldapstore_filter_senders(struct buf *out, const struct span *names, size_t count);
void ldapstore_filter_address_rules(struct buf *out, struct span domain);
void ldapstore_filter_address(struct buf *out, struct span address);
void ldapstore_filter_patterns(struct buf *out, struct span tenant);
void ldapstore_filter_keys(struct buf *out, struct span domain);
void ldapstore_filter_bindings(struct buf *out, const struct span *subjects, size_t count);
void ldapstore_filter_due(struct buf *out, int64_t now_utc); /* from 0 to the year 9999 */
void ldapstore_filter_lives(struct buf *out, const struct span *domains, size_t count);
/* since < signpostLoading <= until. Without that entry, which was asked for before. */
void ldapstore_filter_loading(struct buf *out, uint64_t since, uint64_t until);

/* A name that is too long for that of an entry, or not ASCII, has its SHA-256 instead
 * (signpostDigest). false: it is not needed; text is empty. */
bool ldapstore_digest(struct span name, char text[KEYSTORE_DIGEST_BYTES]);
/* The name of an entry below base; base is as it was configured. */
void ldapstore_dn_store(struct buf *out, const char *base);
void ldapstore_dn_tenant(struct buf *out, const char *base, struct span tenant);
void ldapstore_dn_policy(struct buf *out, const char *base, struct span tenant, struct span name);
void ldapstore_dn_rule(struct buf *out, const char *base, struct span tenant, struct span id);
void ldapstore_dn_domain(struct buf *out, const char *base, struct span domain);
void ldapstore_dn_key(struct buf *out, const char *base, struct span domain, struct span selector);
void ldapstore_dn_binding(struct buf *out, const char *base, struct span subject);
void ldapstore_dn_gateways(struct buf *out, const char *base); /* of ou=gateways */
void ldapstore_dn_gateway(struct buf *out, const char *base, struct span node);

#endif
