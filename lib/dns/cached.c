/*
 * cached.c - a resolver that remembers (kept.c), asks others (struct dns_share), and then the
 * resolver behind it.
 * Front-ends that verify have it before libunbound. It must never wait for others longer than its
 * patience, believe an answer of theirs that could not have been its own, or keep what the DNS did
 * not say.
 */
#include <string.h>
#include <sys/random.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"
#include "lib/dns/cached.h"
#include "lib/dns/kept.h"
#include "lib/dns/private.h"

#define BUCKETS 1024u

/* A question for one name that is on its way. */
struct flight {
	struct cached_resolver *cached;
	LIST_ENTRY(flight) by_name, by_id;
	TAILQ_HEAD(, waiter) waiters;
	struct loop_timer patience;
	struct dns_query *inner;
	bool at_inner;  /* it is or was asked there */
	bool answering; /* it ends by itself */
	uint64_t id;
	size_t name_n;
	char name[]; /* small letters */
};

/* What the resolver in front calls a question; dns_query.filling. */
struct waiter {
	TAILQ_ENTRY(waiter) next;
	struct flight *flight;
	struct dns_query *query;
};

LIST_HEAD(flights, flight);

struct cached_resolver {
	struct resolver base; /* first */
	struct resolver *inner;
	struct kept *kept;
	struct dns_share share; /* ask is NULL: there is none */
	int64_t patience_ms, paused_until_ms;
	int64_t (*now_ms)(void);
	struct resolver_cached_stats stats;
	struct buf octets; /* the last answer that was kept */
	uint64_t next_id;
	uint8_t hash_key[16];
	struct flights by_name[BUCKETS], by_id[BUCKETS];
};

static struct cached_resolver *
cached_of(struct resolver *resolver)
{
	return (struct cached_resolver *)(void *)resolver;
}

/* ---- flights ---- */

static struct flights *
bucket_of(struct cached_resolver *cached, struct span lower)
{
	return &cached->by_name[span_hash(lower, cached->hash_key) % BUCKETS];
}

static struct flight *
flight_find(struct cached_resolver *cached, struct span lower)
{
	struct flight *flight;

	LIST_FOREACH(flight, bucket_of(cached, lower), by_name)
	if (span_eq(span_of(flight->name, flight->name_n), lower))
		return flight;
	return NULL;
}

static struct flight *
flight_find_id(struct cached_resolver *cached, uint64_t id)
{
	struct flight *flight;

	LIST_FOREACH(flight, &cached->by_id[id % BUCKETS], by_id)
	if (flight->id == id)
		return flight;
	return NULL;
}

static void on_impatience(struct loop_timer *timer);

static struct flight *
flight_new(struct cached_resolver *cached, struct span lower)
{
	struct flight *flight = mem_alloc(sizeof(*flight) + lower.n + 1);

	*flight = (struct flight){.cached = cached, .id = cached->next_id++, .name_n = lower.n};
	memcpy(flight->name, lower.p, lower.n);
	flight->name[lower.n] = '\0';
	flight->patience = (struct loop_timer){.fire = on_impatience, .owner = flight};
	TAILQ_INIT(&flight->waiters);
	LIST_INSERT_HEAD(bucket_of(cached, lower), flight, by_name);
	LIST_INSERT_HEAD(&cached->by_id[flight->id % BUCKETS], flight, by_id);
	return flight;
}

/* Nothing comes for it any more, and a new question for its name is a new one. */
static void
flight_unlink(struct flight *flight)
{
	struct cached_resolver *cached = flight->cached;

	if (cached->base.loop != NULL)
		loop_timer_clear(cached->base.loop, &flight->patience);
	resolver_cancel(cached->inner, &flight->inner);
	LIST_REMOVE(flight, by_name);
	LIST_REMOVE(flight, by_id);
}

static void
waiter_free(struct waiter *waiter)
{
	TAILQ_REMOVE(&waiter->flight->waiters, waiter, next);
	mem_free(waiter);
}

/* The end of the flight. Who is told may ask again, and cancel others that wait. */
static void
flight_answer(struct flight *flight, const struct dns_answer *answer, uint64_t *counter)
{
	struct resolver *resolver = &flight->cached->base;
	bool inside = resolver->busy;
	struct waiter *waiter;

	flight_unlink(flight);
	flight->answering = true;
	if (!inside)
		resolver_enter(resolver);
	while ((waiter = TAILQ_FIRST(&flight->waiters)) != NULL) {
		struct dns_query *query = waiter->query;

		waiter_free(waiter);
		(*counter)++;
		dns_query_answer(query, answer);
	}
	mem_free(flight);
	if (!inside)
		resolver_leave(resolver);
}

/* ---- what is kept ---- */

/* The octets of answer are in cached->octets then. */
static bool
keep(struct cached_resolver *cached, struct span name, const struct dns_answer *answer,
    int64_t left_ms)
{
	int64_t now_ms = cached->now_ms();

	buf_reset(&cached->octets);
	if (left_ms <= 0 || dns_octets_write(answer, &cached->octets) != ST_OK)
		return false;
	kept_put(cached->kept, name, buf_span(&cached->octets), now_ms, now_ms + left_ms);
	return true;
}

/* Could it have been an answer of our own resolver? */
static bool
of_our_kind(const struct cached_resolver *cached, const struct dns_answer *answer)
{
	return (answer->security != DNS_UNKNOWN) == cached->base.validates;
}

/* ---- the resolver behind ---- */

static void
on_inner(void *owner, const struct dns_answer *answer)
{
	struct flight *flight = owner;
	struct cached_resolver *cached = flight->cached;
	struct span name = span_of(flight->name, flight->name_n);
	uint32_t keep_s = dns_answer_keep_s(answer);

	if (keep(cached, name, answer, (int64_t)keep_s * 1000) && cached->share.put != NULL &&
	    of_our_kind(cached, answer))
		cached->share.put(cached->share.context, name, buf_span(&cached->octets), keep_s);
	flight_answer(flight, answer, &cached->stats.misses);
}

/* Without a time limit: those who wait have theirs, and the last one takes the question back. The
 * flight may be gone afterwards. */
static void
ask_inner(struct flight *flight)
{
	flight->at_inner = true;
	resolver_txt(flight->cached->inner, span_of(flight->name, flight->name_n), 0, on_inner,
	    flight, &flight->inner);
}

/* ---- others ---- */

static void
on_impatience(struct loop_timer *timer)
{
	struct flight *flight = timer->owner;
	struct cached_resolver *cached = flight->cached;

	cached->paused_until_ms = cached->now_ms() + DNS_SHARE_PAUSE_MS;
	ask_inner(flight);
}

static bool
ask_others(struct flight *flight)
{
	struct cached_resolver *cached = flight->cached;

	if (cached->share.ask == NULL || cached->base.loop == NULL ||
	    cached->now_ms() < cached->paused_until_ms ||
	    !cached->share.ask(
		cached->share.context, flight->id, span_of(flight->name, flight->name_n)))
		return false;
	loop_timer_set(cached->base.loop, &flight->patience, cached->patience_ms);
	return true;
}

/* left_ms_out: no longer than an answer of our own would be kept. */
static bool
can_be_used(const struct cached_resolver *cached, struct span octets, int64_t left_ms,
    struct dns_answer *answer, int64_t *left_ms_out)
{
	int64_t left_s = left_ms / 1000;

	if (octets.n == 0 || left_s <= 0 || dns_octets_read(octets, answer) != ST_OK ||
	    !of_our_kind(cached, answer))
		return false;
	answer->ttl_s = left_s > UINT32_MAX ? UINT32_MAX : (uint32_t)left_s;
	answer->ttl_s = dns_answer_keep_s(answer);
	*left_ms_out = (int64_t)answer->ttl_s * 1000;
	return true;
}

/* Also when the inner resolver has been asked meanwhile: who is first. */
void
resolver_cached_shared(struct resolver *resolver, uint64_t id, struct span octets, int64_t left_ms)
{
	struct cached_resolver *cached = cached_of(resolver);
	struct flight *flight = flight_find_id(cached, id);
	struct dns_answer answer;

	cached->paused_until_ms = 0;
	if (flight == NULL)
		return;
	if (can_be_used(cached, octets, left_ms, &answer, &left_ms)) {
		(void)keep(cached, span_of(flight->name, flight->name_n), &answer, left_ms);
		flight_answer(flight, &answer, &cached->stats.shared_hits);
	} else if (!flight->at_inner) {
		loop_timer_clear(resolver->loop, &flight->patience);
		ask_inner(flight);
	}
}

/* ---- questions ---- */

static bool
answer_from_kept(struct cached_resolver *cached, struct dns_query *query)
{
	struct dns_answer answer;
	bool absent;

	if (kept_get(cached->kept, span_of(query->name, query->name_bytes), cached->now_ms(),
		&answer) != ST_OK)
		return false;
	absent = answer.status == ST_ABSENT;
	(*(absent ? &cached->stats.negative_hits : &cached->stats.hits))++;
	metrics_count(
	    absent ? METRIC_CACHE_NEGATIVE_HITS : METRIC_CACHE_HITS, METRIC_CACHE_DNS, METRIC_NONE);
	dns_query_answer(query, &answer);
	return true;
}

static void
add_waiter(struct flight *flight, struct dns_query *query)
{
	struct waiter *waiter = mem_alloc(sizeof(*waiter));

	waiter->flight = flight;
	waiter->query = query;
	query->filling = waiter;
	TAILQ_INSERT_TAIL(&flight->waiters, waiter, next);
}

static void
cached_ask(struct resolver *resolver, struct dns_query *query)
{
	struct cached_resolver *cached = cached_of(resolver);
	struct span name = span_of(query->name, query->name_bytes);
	struct flight *flight;

	cached->stats.questions++;
	if (answer_from_kept(cached, query))
		return;
	metrics_count(METRIC_CACHE_MISSES, METRIC_CACHE_DNS, METRIC_NONE);
	for (size_t i = 0; i < name.n; i++)
		query->name[i] = ascii_lower(query->name[i]);
	flight = flight_find(cached, name);
	if (flight != NULL) {
		add_waiter(flight, query);
		return;
	}
	flight = flight_new(cached, name);
	add_waiter(flight, query);
	if (!ask_others(flight))
		ask_inner(flight);
}

static bool
cached_drop(struct resolver *resolver, struct dns_query *query)
{
	struct waiter *waiter = query->filling;
	struct flight *flight = waiter->flight;

	cached_of(resolver)->stats.misses++;
	waiter_free(waiter);
	if (!TAILQ_EMPTY(&flight->waiters) || flight->answering)
		return true;
	flight_unlink(flight);
	mem_free(flight);
	return true;
}

static void
cached_free(struct resolver *resolver)
{
	struct cached_resolver *cached = cached_of(resolver);

	resolver_free(cached->inner);
	kept_free(cached->kept);
	buf_free(&cached->octets);
	resolver_close(resolver);
	mem_free(cached);
}

/* ---- opening ---- */

struct resolver *
resolver_cached(const struct resolver_cached_config *config)
{
	static const struct resolver_ops ops = {
	    .ask = cached_ask, .drop = cached_drop, .free = cached_free};
	struct cached_resolver *cached = mem_zalloc(1, sizeof(*cached));

	resolver_init(&cached->base, &ops, config->loop);
	/* Who may be on the wire is decided behind; here nobody waits for that. */
	cached->base.held_max = 2 * DNS_QUERIES_MAX + 1;
	cached->base.validates = config->inner->validates;
	cached->inner = config->inner;
	cached->inner->uncounted = true;
	cached->kept = kept_new(config->cache_bytes);
	if (config->share != NULL)
		cached->share = *config->share;
	cached->patience_ms = config->patience_ms;
	cached->now_ms = config->now_ms != NULL ? config->now_ms : clock_mono_ms;
	buf_init(&cached->octets, DNS_OCTETS_MAX);
	/* An id of a process that was here before is no id of ours, but by chance. */
	(void)!getrandom(&cached->next_id, sizeof(cached->next_id), 0);
	(void)!getrandom(cached->hash_key, sizeof(cached->hash_key), 0);
	return &cached->base;
}

void
resolver_cached_stats(const struct resolver *resolver, struct resolver_cached_stats *out)
{
	const struct cached_resolver *cached =
	    (const struct cached_resolver *)(const void *)resolver;

	*out = cached->stats;
	out->entries = kept_count(cached->kept);
}
