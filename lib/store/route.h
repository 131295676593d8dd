/*
 * route.h - which domain and keys sign for this sender, by what a key store says. Every answer of
 * the store is checked here again: the names are those that were asked for, and sender's domain,
 * rule, signing domain, tenant and key belong to one and the same tenant.
 *
 * The most specific wins: a rule of the address; a rule of the domain; the domain itself; then, up
 * the tree, a rule of the suffix, a parent with "subdomains"; last a pattern. Equally specific
 * rules are tried by priority, then id. What is disabled does not exist, but it still has its
 * owner.
 *
 * What was chosen decides: a rule signs as its domain and as nothing else; a row as its signs_as,
 * if it has one, and the signs_as of that is not looked at. A signing domain that is not there, is
 * disabled or another tenant's is ROUTE_NO_KEY; nothing less specific is tried in its place.
 *
 * Ownership: the owner of a sender is the tenant of the row of its domain, or of the nearest parent
 * that has one, whatever its flags. A session of another tenant gets no signature, not even by its
 * own rules. Without a session's tenant (if that is allowed) the owner is taken for it; without an
 * owner the tenant of the rules that match, if they are all of one. Senders that no row and no rule
 * is about are ROUTE_NO_RULE whoever the session is.
 *
 * Rows that were not asked for (other names, other tenants) are as if they were not there. Rows
 * that were, and that no store may hold (keystore_write_check, two rows of one domain, a domain
 * whose tenant has no row, a pattern that does not compile) are ST_INVALID, not skipped: what they
 * say might have been meant for this sender. Rows of other tenants cannot cause that.
 */
#ifndef SIGNPOST_STORE_ROUTE_H
#define SIGNPOST_STORE_ROUTE_H

#include "lib/store/failure.h"
#include "lib/store/keystore.h"

#define ROUTE_KEYS_MAX 16U
#define ROUTE_PARENTS_MAX 16U /* of a domain with more labels only the shortest parents count */

struct pattern_cache;

struct route_question {
	struct span user;   /* as written */
	struct span domain; /* lower-case A-labels */
	struct span tenant; /* the session's; empty: none */
	bool required;      /* without a tenant there is no signature */
	int64_t now_utc;
	struct pattern_cache *patterns; /* compiled ones; NULL: compiled for this question */
};

enum route_answer {
	ROUTE_SIGN,    /* at least one key */
	ROUTE_NO_RULE, /* nothing is said about this sender */
	ROUTE_TENANT,  /* it is another tenant's, or the session has none and needs one */
	ROUTE_NO_KEY,  /* nothing of the domain's keys may sign now */
	ROUTE_LEASE    /* a key would, but its sign_until or its lease is over */
};

struct route {
	enum route_answer answer;
	const struct store_key *keys[ROUTE_KEYS_MAX]; /* one for each algorithm, the newest */
	size_t key_count;
	struct span domain;   /* d= */
	struct span identity; /* i=, within d=; or empty */
	struct span tenant;   /* who signs, or would; may be empty */
	struct span owner;    /* ROUTE_TENANT: whose the sender is; never shown to the session */
	/* Of the row that covers the sender, over that of the signing domain, over that of tenant;
	 * unset where none of them says or was read. Never that of another tenant. */
	struct failure_policy failure;
	/* x= by the policy of the signing domain, which its keys' life cycle goes by; -1: as
	 * configured, 0: none. */
	int64_t signature_ttl_s;
	/* What chose the signing domain, if that went so far: a rule, or the row of a domain; one
	 * of them at most. They live as long as the route. */
	const struct store_rule *rule;
	const struct store_domain *row;
	char why[256]; /* a printable sentence for the log and for "resolve" */
	/* private: what the spans above live in */
	struct keystore_rows *rows[4];
	char *tenant_owned;
};

/* ST_OK: *out is set. ST_UNAVAILABLE, ST_INVALID: the store could not be asked, or holds what
 * cannot be; *err says what; out->failure and out->tenant are set as far as they were known.
 * Release in every case. Any thread.
 *
 * Asks the store two questions for a sender that is signed by a row or a rule of its domain
 * (senders, keys), one more for a domain with rules of addresses, one more (patterns) when nothing
 * else is about the sender and a tenant is known; after ROUTE_TENANT by the owner none. */
enum status route_find(struct keystore *store, const struct route_question *question,
    struct route *out, struct err *err) MUST_USE;
void route_release(struct route *route); /* may be called twice */

#endif
