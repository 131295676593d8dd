/*
 * keystore.h - a managed store (KeyStore): tenants, domains, rules and keys, with their times, in
 * SQLite, MySQL/MariaDB or LDAP. A backend fills struct keystore_ops; it answers what is in the
 * store and decides nothing: who may sign with what is route.h, for all backends alike.
 *
 * Names are natural keys: a tenant by its name, a domain by its name (lower-case A-labels, owned by
 * one tenant), a key by (domain, selector) and by its id. Such a pair is used once for ever, but
 * for slots (CNAME delegation), whose row becomes that of another key when theirs was destroyed:
 * the id changes, and both revisions grow. So it is the id that says which key something is about.
 * Times are seconds since 1970 UTC, by the store's clock. Every row has a revision, which grows
 * with each change of it; every change makes the epoch of the whole store grow, in the same
 * transaction.
 *
 * Any number of threads may ask one store. No question walks over a whole store; each is one
 * indexed statement or search (sql/STATEMENTS, ldif/README).
 */
#ifndef SIGNPOST_STORE_KEYSTORE_H
#define SIGNPOST_STORE_KEYSTORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/keys/state.h"
#include "lib/store/adminrows.h"
#include "lib/store/table.h"

#define KEYSTORE_TENANT_MAX 63U     /* octets: [a-z0-9] and inside also '-', '_', '.' */
#define KEYSTORE_DOMAIN_MAX 253U    /* octets of a domain */
#define KEYSTORE_SELECTOR_MAX 253U  /* octets; may have dots */
#define KEYSTORE_SUBJECT_MAX 512U   /* octets of the subject of a rule or binding */
#define KEYSTORE_ID_MAX 64U         /* octets of a key's id: [A-Za-z0-9_-] */
#define KEYSTORE_TEXT_MAX 65536U    /* octets of a private or public key, or a policy */
#define KEYSTORE_NAMES_MAX 40U      /* names of one question */
#define KEYSTORE_KEYS_MAX 64U       /* keys of one domain that are read: those that may sign */
#define KEYSTORE_PATTERNS_MAX 1000U /* patterns of one tenant; more is ST_TOO_BIG */
#define KEYSTORE_RULES_MAX 1000U    /* rules of all tenants with one subject; more is ST_TOO_BIG */
#define KEYSTORE_CHANGES_MAX 1000U  /* changes of one question */
#define KEYSTORE_LIVES_MAX 100U     /* domains of one question about their life */
#define KEYSTORE_LOADING_MAX 1000U  /* keys of one question of a gateway */
#define KEYSTORE_GATEWAYS_MAX 1000U /* that reported; more is ST_TOO_BIG */
#define KEYSTORE_BATCH_MAX 1000U    /* changes of one transaction */
/* By so much renew() raises the epoch: whoever has seen a later history of the store finds it
 * behind that, and takes the new identity. In sql/STATEMENTS, too. */
#define KEYSTORE_RENEW_STEP 1000000000U

struct store_tenant {
	struct span name;
	struct span failure; /* failure.h; may be empty */
	bool enabled;
	uint64_t revision;
};

struct store_domain {
	struct span name, tenant;
	struct span
	    signs_as;        /* alias: signed as that domain of the same tenant; empty: as itself */
	struct span policy;  /* name of the tenant's policy, or empty */
	struct span failure; /* of the policy; may be empty */
	int64_t signature_ttl_s; /* of the policy: x=; -1: as configured */
	bool subdomains;         /* senders below it too, where nothing more specific is */
	bool enabled;
	uint64_t revision;
	/* Of the administration: in answers of lives(), due(), list() and find(), if the schema has
	 * room for it, else empty and 0. Not written but by keystore_write.life. */
	struct span life; /* lib/keys/life.h; unread here */
	int64_t due;      /* when the life cycle wants to look at it; 0: never */
};

enum store_rule_kind {
	STORE_RULE_ADDRESS, /* subject "user@domain", all lower case */
	STORE_RULE_DOMAIN,  /* "domain" */
	STORE_RULE_SUFFIX,  /* ".domain": everything below it */
	STORE_RULE_PATTERN  /* a pattern of whole addresses (pattern.h), lower case */
};

struct store_rule {
	enum store_rule_kind kind;
	struct span id; /* [A-Za-z0-9_-], unique in the tenant */
	struct span tenant, subject;
	struct span domain;   /* signs as this one, of the same tenant */
	struct span identity; /* i=, or empty */
	int priority;         /* lower first, among equally specific ones; then by id */
	bool enabled;
	uint64_t revision;
};

struct store_key {
	struct span id, tenant, domain, selector;
	struct span algorithm;   /* "rsa-sha256", "ed25519-sha256" */
	struct span public_key;  /* p=, base64; may be empty */
	struct span private_key; /* sealedkey.h; in secret memory */
	int bits;                /* 0: unknown */
	/* Of private_key: what it is sealed with. Set by who writes it, and never lowered. */
	uint64_t revision;
	/* Of the row, as everywhere; it grows also when only a time changes, and then the key still
	 * opens. WRITE_CHANGE compares this one. */
	uint64_t row_revision;
	struct key_times times;
	/* For how long a gateway may sign with it after the last word of the store; 0: as long as
	 * CacheStaleTTL has it. Written like life. */
	int64_t lease_s;
	/* Of the administration, as in store_domain; loading also in answers of loading(). */
	struct span life; /* what the life cycle knows of it (lib/keys/life.h); unread here */
	uint64_t loading; /* the epoch at which gateways were asked to try it; 0: they are not */
};

/* In place of a number in store_key.loading that is written: the epoch of this transaction. */
#define KEYSTORE_LOADING_NOW UINT64_MAX

/* A session's fact and the tenant it speaks for: see tenant.h. */
struct store_binding {
	struct span subject, tenant;
};

struct store_policy {
	struct span tenant, name;
	struct span failure;
	int64_t signature_ttl_s; /* -1: as configured */
	struct span plan;        /* what the life cycle goes by; text, unread here */
	uint64_t revision;
};

/* What a gateway says of itself: its own row, which nobody else writes. */
#define KEYSTORE_NODE_MAX 255U      /* octets of a gateway's name: [A-Za-z0-9._:-] */
#define KEYSTORE_VERSION_MAX 255U   /* octets of store_gateway.version */
#define KEYSTORE_FAILED_TEXT 16384U /* octets of store_gateway.failed */
struct store_gateway {
	struct span node, version;
	uint64_t epoch;  /* all changes up to it are in force there */
	uint64_t tested; /* it opened, and signed with, every key that was to be tried up to it */
	struct span failed; /* but these: lines "KEY-ID why"; as many as have room */
	int64_t offset_ms;  /* its clock less the store's */
	int64_t started,
	    at; /* of its keeper, and of this word; "at" is written by the store's clock */
};

/* A lease: who alone may do something, until when. fence grows with each new owner; the first one's
 * is 1, and KEYSTORE_RENEW_STEP more for each time that the store was renewed. */
#define KEYSTORE_LEASE_MAX 63U /* octets of name and owner: [A-Za-z0-9._-] */
struct store_lease {
	char name[KEYSTORE_LEASE_MAX + 1], owner[KEYSTORE_LEASE_MAX + 1];
	uint64_t fence;
	int64_t expires;
};

/* An answer: immutable, shared by counting, all spans inside it. */
struct keystore_rows {
	atomic_uint references;
	uint64_t epoch; /* of the store when it was read, or before; 0: unknown */
	struct store_tenant *tenants;
	struct store_domain *domains;
	struct store_rule *rules;
	struct store_key *keys;
	struct store_binding *bindings;
	struct store_policy *policies;    /* of list() and lives() only */
	struct store_gateway *gateways;   /* of gateways() only */
	struct store_token *tokens;       /* of list() and token() only */
	struct store_provider *providers; /* of list() and provider() only */
	struct store_quota *quotas;       /* of quota() only */
	struct store_reply *replies;      /* of reply() only */
	struct store_audit *audits;       /* of audits() only */
	size_t tenant_count, domain_count, rule_count, key_count, binding_count, policy_count,
	    gateway_count, token_count, provider_count, quota_count, reply_count, audit_count;
	bool address_rules; /* the domain that was asked for has rules of addresses */
	size_t bytes;       /* of all memory it holds, for caches */
	/* private */
	struct keystore_chunk *chunks;
	bool packed; /* the arrays are in one piece with this */
};

struct keystore_rows *keystore_rows_new(void); /* one reference */
void keystore_rows_hold(struct keystore_rows *rows);
void keystore_rows_release(struct keystore_rows *rows); /* NULL is fine; wipes keys */
/* For backends, while they make an answer: a copy of row and its texts. ST_UNAVAILABLE: no secret
 * memory for a key. Nothing may be added once the rows are shared. */
void keystore_rows_add_tenant(struct keystore_rows *rows, const struct store_tenant *row);
void keystore_rows_add_domain(struct keystore_rows *rows, const struct store_domain *row);
void keystore_rows_add_rule(struct keystore_rows *rows, const struct store_rule *row);
enum status keystore_rows_add_key(
    struct keystore_rows *rows, const struct store_key *row, struct err *err) MUST_USE;
void keystore_rows_add_binding(struct keystore_rows *rows, const struct store_binding *row);
void keystore_rows_add_policy(struct keystore_rows *rows, const struct store_policy *row);
void keystore_rows_add_gateway(struct keystore_rows *rows, const struct store_gateway *row);
void keystore_rows_add_token(struct keystore_rows *rows, const struct store_token *row);
void keystore_rows_add_provider(struct keystore_rows *rows, const struct store_provider *row);
void keystore_rows_add_quota(struct keystore_rows *rows, const struct store_quota *row);
void keystore_rows_add_reply(struct keystore_rows *rows, const struct store_reply *row);
void keystore_rows_add_audit(struct keystore_rows *rows, const struct store_audit *row);

/* The same answer in little memory, for caches: in one piece, and private keys in another, without
 * what nobody signs with: public_key, life and loading of keys are empty. Takes over rows, which
 * nobody else may hold; they come back as they are when they have rows that only administrators ask
 * for, or when there is no secret memory. */
struct keystore_rows *keystore_rows_pack(struct keystore_rows *rows) MUST_USE;

/* What a store is now. identity: made at random with the store, and again by "signpost store renew"
 * when a backup was put back: the same epoch of another identity is of another history.
 * Hexadecimal; empty: a store whose schema has none. */
#define KEYSTORE_IDENTITY_BYTES 33U /* with its NUL */
struct store_state {
	uint64_t epoch;
	char identity[KEYSTORE_IDENTITY_BYTES];
	int schema; /* the last script that made its tables; 0: a directory, which has none */
};

/* What a change did, for whoever caches. */
struct store_change {
	uint64_t epoch;
	/* What was changed: "d:DOMAIN" (its row, its keys, and rules whose subject, old or new, is
	 * this domain, an address in it, or the suffix "."DOMAIN), "t:TENANT" (the tenant, its
	 * policies, rules, everything of it), "b:" (bindings). A change that is told again with an
	 * epoch that was asked since is one whose writer is not done. */
	char subject[KEYSTORE_DOMAIN_MAX + 3];
};

/* One change of a transaction. Which member of row counts is said by what. */
struct keystore_write {
	enum store_what {
		STORE_TENANT,
		STORE_POLICY,
		STORE_DOMAIN,
		STORE_RULE,
		STORE_KEY,
		STORE_BINDING,
		/* adminrows.h. They raise no epoch and make no changes for gateways. */
		STORE_TOKEN,    /* not WRITE_PUT. A change leaves tenant, maker and created as they
				   are. ST_DENIED: also if a token has this secret already. */
		STORE_PROVIDER, /* not WRITE_PUT */
		STORE_QUOTA,    /* not WRITE_PUT */
		STORE_REPLY,    /* WRITE_ADD only. ST_DENIED: there is one of this scope and key,
				   younger than ADMINROW_REPLIES_S; an older one is replaced. */
		STORE_AUDIT     /* WRITE_ADD only, behind each other in the order of the batch */
	} what;
	enum store_how {
		WRITE_ADD,    /* must not be there */
		WRITE_CHANGE, /* must be there, with the revision in the row (0: any) */
		WRITE_PUT,    /* either */
		WRITE_REMOVE  /* must be there; a tenant or domain only when nothing hangs on it */
	} how;
	union {
		struct store_tenant tenant;
		struct store_policy policy;
		struct store_domain domain;
		struct store_rule rule;
		struct store_key key;
		struct store_binding binding;
		struct store_token token;
		struct store_provider provider;
		struct store_quota quota;
		struct store_reply reply; /* at: set by the store */
		struct store_audit audit; /* seq, at, prev, hash: set by the store */
	} row;
	/* What the life cycle writes, of rows that are there: WRITE_CHANGE, with the revision that
	 * was seen (never 0). STORE_KEY: times, lease_s, life and loading, and nothing else of it;
	 * if times.destroyed is set the private key is emptied; gateways are told of it.
	 * STORE_DOMAIN: life and due; nobody is told.
	 * STORE_KEY with WRITE_PUT: a slot is used again (I5), at once or not at all. There is a
	 * row of this tenant, domain and selector with the row_revision that was seen (list() and
	 * find() have it, lives() leaves it out), and its times.destroyed is set. All of it becomes
	 * this row, life, lease_s and loading (0 or KEYSTORE_LOADING_NOW), too; nothing of the
	 * former key stays. id is a new one, times.destroyed is 0, and revision is one more than
	 * that of the row that was seen (it must be higher): the private key is sealed for the new
	 * id and for that revision (sealedkey.h), so that neither half opens in place of the other.
	 * Gateways are told.
	 * ST_DENIED: another row_revision, not destroyed, not a higher revision, a key has this id
	 * (or had it in this slot last), another tenant's; ST_ABSENT: no such row. */
	bool life;
	/* STORE_KEY in a directory whose domain asks for it (signpostMirrorZimbra): the private key
	 * as plain PEM, in secret memory; it becomes DKIMKey. Empty: unknown. Only a backend with
	 * ops->mirrors reads it. */
	struct span mirror_pem;
};

/* Is it one that gateways neither see nor hear of? */
static inline bool
store_what_is_admin(enum store_what what)
{
	return what == STORE_TOKEN || what == STORE_PROVIDER || what == STORE_QUOTA ||
	       what == STORE_REPLY || what == STORE_AUDIT;
}

/* By what a token is looked for. */
enum store_token_by { STORE_TOKEN_BY_ID, STORE_TOKEN_BY_SECRET };

struct keystore;

struct keystore_ops {
	const char *scheme; /* "sqlite", "mysql", "ldap", "ldaps", "ldapi" */
	/* value: what follows "scheme:". A server that does not answer is ST_OK; everything then
	 * says ST_UNAVAILABLE. Sets store->state and store->where. write: opened for an
	 * administrator, not for signing. */
	enum status (*open)(struct keystore *store, struct span value, bool write, struct err *err);
	void (*close)(struct keystore *store);

	/* names[0]: the domain of a sender; the others: its parents. Rows of domains with these
	 * names; rules of domains for names[0], of suffixes for "."names[1..]; the tenants of all
	 * of them; address_rules. ST_OK also with no rows at all. */
	enum status (*senders)(struct keystore *store, const struct span *names, size_t count,
	    struct keystore_rows **out, struct err *err);
	/* Rules of this address, and their tenants. */
	enum status (*address)(struct keystore *store, struct span address,
	    struct keystore_rows **out, struct err *err);
	/* Rules of patterns of this tenant, by priority and id, and the tenant. ST_TOO_BIG. */
	enum status (*patterns)(struct keystore *store, struct span tenant,
	    struct keystore_rows **out, struct err *err);
	/* The row of this domain, of its tenant (policy joined), and those keys of it that have
	 * been active and are not revoked, newest first. */
	enum status (*keys)(struct keystore *store, struct span domain, struct keystore_rows **out,
	    struct err *err);
	/* keys(), of what was right *silent_ms_out ago by the last word of the store. NULL: keys()
	 * has asked it. Of caches. */
	enum status (*keys_heard)(struct keystore *store, struct span domain,
	    struct keystore_rows **out, int64_t *silent_ms_out, struct err *err);
	/* Bindings of these subjects, in any order. */
	enum status (*bindings)(struct keystore *store, const struct span *subjects, size_t count,
	    struct keystore_rows **out, struct err *err);
	/* Changes after the epoch since, oldest first, at most max. *state_out: of the store now.
	 * ST_TOO_BIG: there are more, the list does not go back so far, or the store is older than
	 * since (a backup was put back): take everything for changed. *state_out is set. If there
	 * are more, *count_out is max, and the oldest are in out: all of every epoch but the last
	 * one there, which may go on; else it is 0. */
	enum status (*changes)(struct keystore *store, uint64_t since, size_t max,
	    struct store_change *out, size_t *count_out, struct store_state *state_out,
	    struct err *err);
	/* The store's clock; of a directory that was opened for reading, this machine's. */
	enum status (*now)(struct keystore *store, int64_t *utc_s_out, struct err *err);

	/* For administrators; NULL where the backend cannot. */
	/* Makes or migrates the schema. ST_OK: *from_out, *to_out are the versions (0: none). */
	enum status (*migrate)(struct keystore *store, int *from_out, int *to_out, struct err *err);
	/* Gives the store another identity, and its epoch and the fences of all leases, which end,
	 * KEYSTORE_RENEW_STEP more: who held one in the history that was given up can write
	 * nothing. ST_OK: *state_out is what it is now. ST_UNAVAILABLE: also a schema that has no
	 * room for one. */
	enum status (*renew)(
	    struct keystore *store, struct store_state *state_out, struct err *err);
	/* All of the changes or none. *at_out: the one that failed; count: none of them alone.
	 * ST_OK; ST_ABSENT (it, or what it hangs on, is not there), ST_DENIED (there already,
	 * another revision, another tenant's, something hangs on it, a key that was published),
	 * ST_INVALID (a value that cannot be), ST_TOO_BIG (more than KEYSTORE_BATCH_MAX),
	 * ST_UNAVAILABLE.
	 * A directory has no transactions: there all is looked at before anything is written, but
	 * after ST_UNAVAILABLE, or ST_DENIED because another writer was faster, a part may be
	 * written, in an order that leaves nothing unsigned or wrong. The same batch with
	 * WRITE_PUT ends it. */
	enum status (*apply)(struct keystore *store, const struct keystore_write *writes,
	    size_t count, size_t *at_out, struct err *err);
	/* The next rows of a kind in the order of their names, behind after (empty: from the
	 * beginning), at most max: tenants, domains, bindings; policies, providers, rules and
	 * tokens (after: "tenant name", "tenant id"), keys (all states; after: "domain selector").
	 * Tokens of all tenants are the first (after: " id"). No rows: the end. ST_INVALID: quotas,
	 * replies and audit are not listed so. */
	enum status (*list)(struct keystore *store, enum store_what what, struct span after,
	    size_t max, struct keystore_rows **out, struct err *err);
	/* list() of the domains of one tenant, in time for these alone. NULL: list() is all there
	 * is. */
	enum status (*domains_of)(struct keystore *store, struct span tenant, struct span after,
	    size_t max, struct keystore_rows **out, struct err *err);
	/* Rows of a kind by their names, as list() has them, in any order; what is not there is
	 * left out. At most KEYSTORE_BATCH_MAX names: ST_TOO_BIG. NULL where list() behind a name
	 * costs no more than the rows it answers. */
	enum status (*find)(struct keystore *store, enum store_what what, const struct span *names,
	    size_t count, struct keystore_rows **out, struct err *err);

	/* ---- the life cycle of keys; ST_UNAVAILABLE in a schema that has no room for it, and the
	 * sentence says what to run ---- */

	/* apply(), in the same transaction with a look at the lease: ST_DENIED, and nothing is
	 * written, if it is not held by its owner under its fence at this moment (at_out: count).
	 */
	enum status (*apply_fenced)(struct keystore *store, const struct store_lease *lease,
	    const struct keystore_write *writes, size_t count, size_t *at_out, struct err *err);
	/* Domains with 0 < due <= now_utc, those that wait longest first; name, tenant, due and
	 * revision of each. */
	enum status (*due)(struct keystore *store, int64_t now_utc, size_t max,
	    struct keystore_rows **out, struct err *err);
	/* All of these domains: their rows, tenants, policies (with plan), and those of their keys
	 * that are not destroyed, with life, loading and private key. At most
	 * KEYSTORE_LIVES_MAX names. What is not there is left out. ST_TOO_BIG: a domain has
	 * more than KEYSTORE_KEYS_MAX such keys. */
	enum status (*lives)(struct keystore *store, const struct span *domains, size_t count,
	    struct keystore_rows **out, struct err *err);
	/* Keys with loading > since that are not destroyed, lowest first: those that gateways
	 * should try. At most max (KEYSTORE_LOADING_MAX) of them, and then the rest of the last
	 * one's epoch, so that its loading is the next since. rows->epoch is of the store. For
	 * gateways. */
	enum status (*loading)(struct keystore *store, uint64_t since, size_t max,
	    struct keystore_rows **out, struct err *err);
	/* All gateways that ever reported and were not forgotten. ST_TOO_BIG: more than
	 * KEYSTORE_GATEWAYS_MAX; forget some. */
	enum status (*gateways)(
	    struct keystore *store, struct keystore_rows **out, struct err *err);
	/* An operator takes one of them out. ST_ABSENT. */
	enum status (*forget)(struct keystore *store, struct span node, struct err *err);
	/* Writes a gateway's own row; epoch and changes stay as they are. ST_DENIED: it has no
	 * right to. Of a store that was opened for writing, by a gateway. */
	enum status (*report)(
	    struct keystore *store, const struct store_gateway *row, struct err *err);
	/* Takes or renews a lease for ttl_s (0: gives it back) by the store's clock. ST_OK: it is
	 * wanted->owner's, *out says under which fence and until when. ST_DENIED: somebody else has
	 * it; *out says who. wanted->fence is ignored. Who renews in time keeps the fence; who
	 * comes too late, or gave it back, has the next one. Given back: ST_OK also if nobody had
	 * it. */
	enum status (*lease)(struct keystore *store, const struct store_lease *wanted,
	    int64_t ttl_s, struct store_lease *out, struct err *err);

	/* ---- what only administrators see (adminrows.h); NULL where the backend cannot.
	 * ST_UNAVAILABLE in a schema that has no room for it, and the sentence says what to run.
	 * apply() of such rows likewise: then nothing of the batch is written ---- */

	/* The token with this id, or this hash of its secret: one row or none. Also one that has
	 * expired or was revoked. */
	enum status (*token)(struct keystore *store, enum store_token_by by, struct span name,
	    struct keystore_rows **out, struct err *err);
	/* The provider of this tenant and name: one row or none. */
	enum status (*provider)(struct keystore *store, struct span tenant, struct span name,
	    struct keystore_rows **out, struct err *err);
	/* The quota of this tenant: one row or none. */
	enum status (*quota)(struct keystore *store, struct span tenant, struct keystore_rows **out,
	    struct err *err);
	/* What the tenant has of what a quota limits, at one moment; it may be many rows to look
	 * at. ST_TOO_BIG: the store does not let all of them be counted. */
	enum status (*count)(
	    struct keystore *store, struct span tenant, struct store_count *out, struct err *err);
	/* The answer that is kept for this scope and key: one row or none; none also when it is
	 * older than ADMINROW_REPLIES_S. */
	enum status (*reply)(struct keystore *store, struct span scope, struct span key,
	    struct keystore_rows **out, struct err *err);
	/* Removes at most max (KEYSTORE_BATCH_MAX) answers that are older than that.
	 * *count_out: so many; max: there may be more. */
	enum status (*forget_replies)(
	    struct keystore *store, size_t max, size_t *count_out, struct err *err);
	/* A page of the audit. No rows: the end. */
	enum status (*audits)(struct keystore *store, const struct audit_question *question,
	    struct keystore_rows **out, struct err *err);
	/* The last row's. */
	enum status (*audit_head)(struct keystore *store, struct audit_head *out, struct err *err);

	bool mirrors; /* may want mirror_pem; others need not be given it */
	/* Rows may be older than the epoch that comes with them, as long as changes are told again:
	 * a replica that catches up. */
	bool catches_up;
};

struct keystore {
	const struct keystore_ops *ops;
	char *where; /* for messages: neither user nor password; owned */
	/* A file of this machine that each change of the store writes to, or one whose name begins
	 * so, in the same folder. NULL: there is none. Owned. */
	char *file;
	void *state;                           /* the backend's */
	atomic_bool said_nameless;             /* that it has no identity; said once */
	const struct table_settings *settings; /* valid during open(); NULL: the defaults */
};

struct keystore_registry {
	const struct keystore_ops *const *ops;
	size_t count;
	const struct table_settings *settings; /* NULL: the defaults */
};

/* spec: "sqlite:/path", "mysql://...", "ldap://..." ST_INVALID: unknown, not built, malformed.
 * Free with keystore_close(). */
enum status keystore_open(const struct keystore_registry *registry, const char *spec, bool write,
    struct keystore **out, struct err *err) MUST_USE;
void keystore_close(struct keystore *store); /* NULL is fine */

/* The questions above. ST_OK: release *out. ST_UNAVAILABLE. ST_INVALID: a row cannot be used; it is
 * named. Nobody answers ST_ABSENT: no rows are an answer. A name that no row can have (too long,
 * a NUL, not UTF-8) is answered with no rows, without asking. */
enum status keystore_senders(struct keystore *store, const struct span *names, size_t count,
    struct keystore_rows **out, struct err *err) MUST_USE;
enum status keystore_address(struct keystore *store, struct span address,
    struct keystore_rows **out, struct err *err) MUST_USE;
enum status keystore_patterns(struct keystore *store, struct span tenant,
    struct keystore_rows **out, struct err *err) MUST_USE;
enum status keystore_keys(struct keystore *store, struct span domain, struct keystore_rows **out,
    struct err *err) MUST_USE;
/* For whoever signs: *silent_ms_out is how long ago the store said last that this is right. 0: it
 * was asked. */
enum status keystore_keys_heard(struct keystore *store, struct span domain,
    struct keystore_rows **out, int64_t *silent_ms_out, struct err *err) MUST_USE;
enum status keystore_bindings(struct keystore *store, const struct span *subjects, size_t count,
    struct keystore_rows **out, struct err *err) MUST_USE;
enum status keystore_changes(struct keystore *store, uint64_t since, size_t max,
    struct store_change *out, size_t *count_out, struct store_state *state_out,
    struct err *err) MUST_USE;

/* A page of domains, in the order of names: of this tenant (empty: of all). Where the backend
 * cannot ask for those alone others are among them: who calls looks at each. */
enum status keystore_domains(struct keystore *store, struct span tenant, struct span after,
    size_t max, struct keystore_rows **out, struct err *err) MUST_USE;

/* What is said of a rule that would be one too many: KEYSTORE_RULES_MAX, SPAN_ARG(subject). */
#define KEYSTORE_RULES_MAX_SAYS                                                                    \
	"there are %u rules with the subject %.*s already, of all tenants together, and there "    \
	"can be no more; remove those that are not needed"

/* When something is signed, and how long ago the store was heard last (keystore_keys_heard()). */
struct store_moment {
	int64_t now_utc, silent_ms;
};

/* May a gateway sign with it? key_may_sign(), and the lease of its row is not over. */
bool store_key_may_sign(const struct store_key *key, const struct store_moment *moment);
/* Only sign_until or the lease of its row keeps a gateway from signing with it. */
bool store_key_lease_over(const struct store_key *key, const struct store_moment *moment);

/* Of a provider: 1 to PROVIDER_NAME_MAX of letters, digits, '.', '_', '-'. */
bool keystore_provider_is_valid(struct span name);
/* Names that a row may have: see the limits above. Lower case only. */
bool keystore_tenant_is_valid(struct span name);
bool keystore_domain_is_valid(struct span name); /* selectors too */

/* SHA-256 of a name in hexadecimal, for stores that cannot have names as long as ours may be. */
#define KEYSTORE_DIGEST_BYTES 65U
void keystore_digest(struct span name, char text[KEYSTORE_DIGEST_BYTES]);

/* A new one, of random digits. */
void keystore_identity_make(char identity[KEYSTORE_IDENTITY_BYTES]);
/* Copies what a store says of its identity. false: that is none; out is empty then. */
bool keystore_identity_take(struct span text, char out[KEYSTORE_IDENTITY_BYTES]);

/* Is the row one that a store may hold (lengths, letters, names)? ST_INVALID names the field. Every
 * backend asks before it writes; route.c and the tools ask about what they read. */
enum status keystore_write_check(const struct keystore_write *write, struct err *err) MUST_USE;
/* The same of one of adminrows.h; keystore_write_check() asks it. Of a token that is removed only
 * id and tenant are looked at. */
enum status keystore_admin_check(const struct keystore_write *write, struct err *err) MUST_USE;
/* The same of a gateway's row and of a lease; every backend asks before it writes. ttl_s: of
 * ops->lease; 0 of apply_fenced. */
enum status keystore_gateway_check(const struct store_gateway *row, struct err *err) MUST_USE;
enum status keystore_lease_check(
    const struct store_lease *lease, int64_t ttl_s, struct err *err) MUST_USE;

/* ops->token() and the others, for callers: what no row can be is answered with no rows, without
 * asking; a backend or schema without them is ST_UNAVAILABLE with a sentence. */
enum status keystore_token(struct keystore *store, enum store_token_by by, struct span name,
    struct keystore_rows **out, struct err *err) MUST_USE;
enum status keystore_provider(struct keystore *store, struct span tenant, struct span name,
    struct keystore_rows **out, struct err *err) MUST_USE;
enum status keystore_quota(struct keystore *store, struct span tenant, struct keystore_rows **out,
    struct err *err) MUST_USE;
enum status keystore_count(
    struct keystore *store, struct span tenant, struct store_count *out, struct err *err) MUST_USE;
enum status keystore_reply(struct keystore *store, struct span scope, struct span key,
    struct keystore_rows **out, struct err *err) MUST_USE;
enum status keystore_forget_replies(
    struct keystore *store, size_t max, size_t *count_out, struct err *err) MUST_USE;
/* ST_TOO_BIG: more than ADMINROW_AUDIT_PAGE. ST_INVALID: actor and object at once. */
enum status keystore_audits(struct keystore *store, const struct audit_question *question,
    struct keystore_rows **out, struct err *err) MUST_USE;
enum status keystore_audit_head(
    struct keystore *store, struct audit_head *out, struct err *err) MUST_USE;

#endif
