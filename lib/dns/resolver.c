/*
 * resolver.c - the questions that are open: their time limits, their callbacks, their number.
 * Verification and the tools ask here; unbound.c and fake.c answer. It must never call an owner
 * twice or after it has cancelled, and never let a question outlive its time because a server is
 * silent.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"
#include "lib/dns/private.h"

void
resolver_init(struct resolver *resolver, const struct resolver_ops *ops, struct loop *loop)
{
	*resolver = (struct resolver){.ops = ops, .loop = loop, .held_max = DNS_HELD_MAX};
	TAILQ_INIT(&resolver->all);
	for (size_t i = 0; i < DNS_LANES; i++)
		TAILQ_INIT(&resolver->lanes[i].queue);
	/* Without it (which does not happen) lanes can be guessed, and nothing else. */
	(void)!getrandom(&resolver->seed, sizeof(resolver->seed), 0);
}

size_t
resolver_open_count(const struct resolver *resolver)
{
	return resolver->open;
}

bool
resolver_validates(const struct resolver *resolver)
{
	return resolver->validates;
}

/* ---- lanes ---- */

static struct span
zone_of(struct span name)
{
	size_t at = name.n, dots = 0;

	while (at > 0 && (dots += name.p[at - 1] == '.' ? 1 : 0) < 2)
		at--;
	return span_from(name, at);
}

static struct dns_lane *
lane_of(struct resolver *resolver, struct span name)
{
	struct span zone = zone_of(name);
	uint64_t hash = resolver->seed;

	for (size_t i = 0; i < zone.n; i++) {
		hash =
		    (hash ^ (unsigned char)ascii_lower(zone.p[i])) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	return &resolver->lanes[hash % DNS_LANES];
}

static void
lane_leave(struct dns_query *query)
{
	TAILQ_REMOVE(&query->lane->queue, query, queue);
	query->resolver->waiting--;
}

/* The first of the next lane that may have one more; NULL: none may. */
static struct dns_query *
next_waiting(struct resolver *resolver)
{
	size_t room = resolver->held_max - resolver->held;

	for (size_t i = 0; resolver->waiting > 0 && i < DNS_LANES; i++) {
		struct dns_lane *lane = &resolver->lanes[resolver->lane_next];

		resolver->lane_next = (resolver->lane_next + 1) % DNS_LANES;
		if (!TAILQ_EMPTY(&lane->queue) && lane->held < room)
			return TAILQ_FIRST(&lane->queue);
	}
	return NULL;
}

static void
hold(struct dns_query *query)
{
	lane_leave(query);
	query->held = true;
	query->lane->held++;
	query->resolver->held++;
}

static void
let_go(struct dns_query *query)
{
	query->held = false;
	query->lane->held--;
	query->resolver->held--;
}

/* ---- one question ---- */

static struct dns_query *
query_new(struct resolver *resolver, struct span name, unsigned type)
{
	struct dns_query *query = mem_alloc(sizeof(*query) + name.n + 1);

	*query = (struct dns_query){.resolver = resolver, .type = type, .name_bytes = name.n};
	memcpy(query->name, name.p, name.n);
	query->name[name.n] = '\0';
	query->lane = lane_of(resolver, name);
	TAILQ_INSERT_TAIL(&resolver->all, query, all);
	return query;
}

static void
query_free(struct dns_query *query)
{
	TAILQ_REMOVE(&query->resolver->all, query, all);
	mem_free(query);
}

static void
count_answer(const struct dns_query *query, enum status status)
{
	enum metric_dns_result result = METRIC_DNS_INVALID;

	if (query->resolver->uncounted)
		return;
	if (status == ST_OK)
		result = METRIC_DNS_FOUND;
	else if (status == ST_ABSENT)
		result = METRIC_DNS_ABSENT;
	else if (status == ST_UNAVAILABLE)
		result = METRIC_DNS_UNAVAILABLE;
	metrics_count(METRIC_DNS, result, METRIC_NONE);
	metrics_observe(METRIC_DNS_SECONDS, clock_mono_us() - query->asked_us);
}

/* Nobody waits for it from now on. */
static void
query_close(struct dns_query *query)
{
	struct resolver *resolver = query->resolver;

	if (resolver->loop != NULL)
		loop_timer_clear(resolver->loop, &query->timer);
	*query->pointer = NULL;
	query->done = NULL;
	resolver->open--;
}

/* The caller's part is over; the filling may still have the question. */
static void
query_give_up(struct dns_query *query)
{
	struct resolver *resolver = query->resolver;

	query_close(query);
	if (!query->held) {
		lane_leave(query);
		query_free(query);
	} else if (resolver->ops->drop(resolver, query)) {
		let_go(query);
		query_free(query);
	}
}

static void
on_time_out(struct loop_timer *timer)
{
	struct dns_query *query = timer->owner;
	struct resolver *resolver = query->resolver;
	struct dns_answer answer = dns_answer_none(ST_UNAVAILABLE, DNS_UNKNOWN, resolver->why);
	dns_done *done = query->done;
	void *owner = query->owner;

	snprintf(resolver->why, sizeof(resolver->why), "no answer in %g s",
	    (double)query->timeout_ms / 1000);
	count_answer(query, ST_UNAVAILABLE);
	query_give_up(query);
	resolver_enter(resolver);
	done(owner, &answer);
	resolver_leave(resolver);
}

void
dns_query_answer(struct dns_query *query, const struct dns_answer *answer)
{
	dns_done *done = query->done;
	void *owner = query->owner;

	let_go(query);
	if (done != NULL) {
		count_answer(query, answer->status);
		query_close(query);
	}
	query_free(query);
	if (done != NULL)
		done(owner, answer);
}

/* ---- the resolver ---- */

void
resolver_enter(struct resolver *resolver)
{
	resolver->busy = true;
}

/* One lane after the other, in each the first first. An answer may bring more questions. */
void
resolver_leave(struct resolver *resolver)
{
	struct dns_query *query;

	while ((query = next_waiting(resolver)) != NULL) {
		hold(query);
		resolver->ops->ask(resolver, query);
	}
	resolver->busy = false;
}

static void
ask(struct resolver *resolver, struct span name, unsigned type, int64_t timeout_ms, dns_done *done,
    void *owner, struct dns_query **query_out)
{
	const struct dns_answer full =
	    dns_answer_none(ST_UNAVAILABLE, DNS_UNKNOWN, "too many questions are open");
	struct dns_query *query;

	*query_out = NULL;
	if (resolver->open >= DNS_QUERIES_MAX) {
		done(owner, &full);
		return;
	}
	query = query_new(resolver, name, type);
	query->done = done;
	query->owner = owner;
	query->pointer = query_out;
	query->timeout_ms = timeout_ms;
	query->asked_us = clock_mono_us();
	query->timer = (struct loop_timer){.fire = on_time_out, .owner = query};
	*query_out = query;
	resolver->open++;
	if (resolver->loop != NULL && timeout_ms > 0)
		loop_timer_set(resolver->loop, &query->timer, timeout_ms);
	TAILQ_INSERT_TAIL(&query->lane->queue, query, queue);
	resolver->waiting++;
	if (resolver->busy)
		return;
	resolver_enter(resolver);
	resolver_leave(resolver);
}

void
resolver_txt(struct resolver *resolver, struct span name, int64_t timeout_ms, dns_done *done,
    void *owner, struct dns_query **query_out)
{
	ask(resolver, name, DNS_TXT, timeout_ms, done, owner, query_out);
}

void
resolver_cancel(struct resolver *resolver, struct dns_query **query)
{
	(void)resolver;
	if (*query != NULL)
		query_give_up(*query);
}

void
resolver_free(struct resolver *resolver)
{
	struct dns_query *query, *next;

	if (resolver == NULL)
		return;
	for (query = TAILQ_FIRST(&resolver->all); query != NULL; query = next) {
		next = TAILQ_NEXT(query, all);
		if (query->done != NULL)
			query_give_up(query);
	}
	resolver->ops->free(resolver);
}

void
resolver_close(struct resolver *resolver)
{
	struct dns_query *query;

	while ((query = TAILQ_FIRST(&resolver->all)) != NULL)
		query_free(query);
	mem_free(resolver->kept);
}

/* ---- for tools ---- */

struct wait {
	struct resolver *resolver;
	struct dns_answer answer;
	struct dns_query *query;
	bool over;
};

static struct span
keep(char **at, struct span s)
{
	struct span kept = span_of(*at, s.n);

	if (s.n > 0)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return kept;
}

/* Everything that was lent, in one piece of memory. */
static void
keep_answer(struct resolver *resolver, struct dns_answer *answer)
{
	struct span why = span_str(answer->why);
	size_t bytes = answer->alias.n + why.n + 1;
	char *at;

	for (size_t i = 0; i < answer->count; i++)
		bytes += answer->texts[i].joined.n;
	mem_free(resolver->kept);
	resolver->kept = at = mem_alloc(bytes);
	for (size_t i = 0; i < answer->count; i++)
		answer->texts[i].joined = keep(&at, answer->texts[i].joined);
	answer->alias = keep(&at, answer->alias);
	answer->why = keep(&at, why).p;
	*at = '\0';
}

static void
on_waited(void *owner, const struct dns_answer *answer)
{
	struct wait *wait = owner;

	wait->answer = *answer;
	keep_answer(wait->resolver, &wait->answer);
	wait->over = true;
}

struct dns_answer
resolver_txt_wait(
    struct resolver *resolver, struct loop *loop, struct span name, int64_t timeout_ms)
{
	return resolver_wait(resolver, loop, name, DNS_TXT, timeout_ms);
}

struct dns_answer
resolver_wait(struct resolver *resolver, struct loop *loop, struct span name, enum dns_type type,
    int64_t timeout_ms)
{
	struct wait wait = {.resolver = resolver};

	ask(resolver, name, type, timeout_ms, on_waited, &wait, &wait.query);
	while (!wait.over)
		loop_step(loop);
	return wait.answer;
}
