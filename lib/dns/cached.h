/*
 * cached.h - a resolver in front of another one that remembers answers, and asks others for theirs
 * before it asks the DNS.
 *
 *   question --> kept (this process) --> shared (patience_ms at most) --> the inner resolver
 *
 * One question for each name is on its way, however many wait for it. What is kept is texts and
 * absences with a SOA (octets.h), never longer than the DNS said; failures, bogus answers and what
 * is beyond a limit are asked for again. An answer of others is only taken if somebody of their
 * kind (with a trust anchor, or without one) has had it.
 */
#ifndef SIGNPOST_DNS_CACHED_H
#define SIGNPOST_DNS_CACHED_H

#include "lib/dns/dns.h"

#define DNS_SHARE_PAUSE_MS 1000 /* nothing came in time: so long nobody else is asked */

/* How others are asked. Neither function waits, nor calls the resolver. */
struct dns_share {
	/* true: resolver_cached_shared() may be called with this id, now or never. false: nobody
	 * can be asked now. */
	bool (*ask)(void *context, uint64_t id, struct span name);
	/* An answer of the inner resolver (octets.h) for others, for ttl_s seconds. */
	void (*put)(void *context, struct span name, struct span octets, uint32_t ttl_s);
	void *context;
};

struct resolver_cached_config {
	struct loop *loop;
	struct resolver *inner;        /* taken over; of the same loop */
	size_t cache_bytes;            /* of answers */
	const struct dns_share *share; /* copied; NULL: none */
	int64_t patience_ms;           /* for share */
	int64_t (*now_ms)(void);       /* NULL: clock_mono_ms */
};

struct resolver_cached_stats {
	uint64_t questions;     /* each is one of the following */
	uint64_t hits;          /* known */
	uint64_t negative_hits; /* known to be absent */
	uint64_t shared_hits;   /* known to others */
	uint64_t misses; /* the inner resolver was asked, or nobody was when it was given up */
	size_t entries;  /* now */
};

struct resolver *resolver_cached(const struct resolver_cached_config *config);

/* What others had for the question id: octets, for left_ms more; empty: nothing. Octets that cannot
 * be used are nothing, too. An id that nobody waits for is fine, also one that is said twice.
 * resolver: of resolver_cached(). */
void resolver_cached_shared(
    struct resolver *resolver, uint64_t id, struct span octets, int64_t left_ms);

/* Since the resolver was made. */
void resolver_cached_stats(const struct resolver *resolver, struct resolver_cached_stats *out);

#endif
