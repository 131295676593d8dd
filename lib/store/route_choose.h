/*
 * route_choose.h - private to route*.c: choosing among rows that were read. Pure: nothing here asks
 * anybody, and every row is one that the store may have made up. ST_INVALID always means: this
 * sender's own rows cannot be used, *err names the row.
 */
#ifndef SIGNPOST_STORE_ROUTE_CHOOSE_H
#define SIGNPOST_STORE_ROUTE_CHOOSE_H

#include "lib/store/pattern_cache.h"
#include "lib/store/route.h"

/* The sender's domain, then its parents, nearest first. */
struct route_names {
	struct span name[1 + ROUTE_PARENTS_MAX];
	size_t count;
};

/* What was read for one sender. */
struct route_facts {
	struct route_names names;
	struct span address;                   /* "user@domain" in lower case */
	const struct keystore_rows *senders;   /* the answers; NULL: not asked */
	const struct keystore_rows *addresses; /* likewise */
};

/* What says that the sender is signed. */
struct route_choice {
	const struct store_rule *rule;  /* NULL: the row of a domain */
	const struct store_domain *row; /* with rule NULL: which */
	struct span domain;             /* d=, so far unchecked */
	struct span identity;           /* i=, or empty */
};

/* What the rows of a signing domain allow. */
enum route_target {
	TARGET_KEYS,     /* at least one key */
	TARGET_NONE,     /* no row of this domain */
	TARGET_FOREIGN,  /* it is another tenant's */
	TARGET_DISABLED, /* the domain is */
	TARGET_CLOSED,   /* the tenant is disabled */
	TARGET_NO_KEY,
	TARGET_LEASE
};

struct route_keys {
	enum route_target target;
	const struct store_domain *row;
	const struct store_key *keys[ROUTE_KEYS_MAX];
	size_t count;
	const struct store_key *nearly; /* without keys: the newest that was ever active */
	int64_t silent_ms;              /* since the last word of the store about them */
};

void route_names_of(struct span domain, struct route_names *out);

/* Some row says that the tenant is disabled. */
bool route_tenant_off(const struct keystore_rows *rows, struct span tenant);
/* The first row of the tenant, or NULL. */
const struct store_tenant *route_tenant_row(const struct keystore_rows *rows, struct span tenant);

/* The row of the nearest name that has one. ST_OK, ST_ABSENT, ST_INVALID. */
enum status route_owner(
    const struct route_facts *facts, const struct store_domain **out, struct err *err) MUST_USE;
/* The nearest row of this tenant that covers the sender. ST_OK, ST_ABSENT, ST_INVALID. */
enum status route_cover(const struct route_facts *facts, struct span tenant,
    const struct store_domain **out, struct err *err) MUST_USE;
/* The tenant of all rules that match. ST_OK; ST_ABSENT: none does; ST_DENIED: they are of several.
 */
enum status route_rules_tenant(const struct route_facts *facts, struct span *tenant_out) MUST_USE;
/* The most specific of the tenant's rules and of cover (may be NULL). ST_OK, ST_ABSENT, ST_INVALID.
 */
enum status route_choose(const struct route_facts *facts, struct span tenant,
    const struct store_domain *cover, struct route_choice *out, struct err *err) MUST_USE;
/* The first of the tenant's patterns that matches. ST_OK, ST_ABSENT, ST_INVALID. */
enum status route_choose_pattern(const struct keystore_rows *patterns, struct pattern_cache *cache,
    struct span address, struct span tenant, struct route_choice *out, struct err *err) MUST_USE;
/* The keys of this domain and tenant that may sign. ST_OK, ST_INVALID. */
enum status route_choose_keys(const struct keystore_rows *rows, struct span domain,
    struct span tenant, const struct store_moment *moment, struct route_keys *out,
    struct err *err) MUST_USE;

/* The row of this name. ST_OK; ST_ABSENT; ST_INVALID: there are two, so nobody knows whose it is.
 * *out is NULL but with ST_OK. */
enum status route_row_of(const struct keystore_rows *rows, struct span name,
    const struct store_domain **out, struct err *err) MUST_USE;
/* May a store hold it? ST_OK, ST_INVALID. */
enum status route_check_domain(const struct store_domain *row, struct err *err) MUST_USE;

/* identity if it is one within domain, else empty. */
struct span route_identity_within(struct span identity, struct span domain);

#endif
