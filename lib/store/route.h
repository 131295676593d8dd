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
 * Ownership: the owner of a sender is the tenant of the row of its domain, or of the nearest parent
 * that has one, whatever its flags. A session of another tenant gets no signature, not even by its
 * own rules. Without a session's tenant (if that is allowed) the owner is taken for it; without an
 * owner the tenant of the rules that match, if they are all of one.
 */
#ifndef SIGNPOST_STORE_ROUTE_H
#define SIGNPOST_STORE_ROUTE_H

#include "lib/store/failure.h"
#include "lib/store/keystore.h"

#define ROUTE_KEYS_MAX 16U
#define ROUTE_PARENTS_MAX 16U /* a domain with more labels is looked up by its last ones */

struct route_question {
	struct span user;   /* as written */
	struct span domain; /* lower-case A-labels */
	struct span tenant; /* the session's; empty: none */
	bool required;      /* without a tenant there is no signature */
	int64_t now_utc;
};

enum route_answer {
	ROUTE_SIGN,    /* at least one key */
	ROUTE_NO_RULE, /* nothing is said about this sender */
	ROUTE_TENANT,  /* it is another tenant's, or the session has none and needs one */
	ROUTE_NO_KEY,  /* nothing of the domain's keys may sign now */
	ROUTE_LEASE    /* a key would, but its sign_until has passed */
};

struct route {
	enum route_answer answer;
	const struct store_key *keys[ROUTE_KEYS_MAX]; /* one for each algorithm, the newest */
	size_t key_count;
	struct span domain;   /* d= */
	struct span identity; /* i=, within d=; or empty */
	struct span tenant;   /* who signs, or would; may be empty */
	struct span owner;    /* ROUTE_TENANT: whose the sender is; never shown to the session */
	struct failure_policy failure; /* domain's over tenant's; unset where neither says */
	int64_t signature_ttl_s;       /* -1: as configured */
	char why[256];                 /* a sentence for the log and for "resolve" */
	/* private: what the spans above live in */
	struct keystore_rows *rows[4];
};

/* ST_OK: *out is set, release it. ST_UNAVAILABLE, ST_INVALID: the store could not be asked, or
 * holds what cannot be; *err says what; out->failure and out->tenant are set as far as they were
 * known. Release in every case. Any thread. */
enum status route_find(struct keystore *store, const struct route_question *question,
    struct route *out, struct err *err) MUST_USE;
void route_release(struct route *route); /* may be called twice */

#endif
