/*
 * reconciler_deliver.c - the errands that change DNS, to their publishers: a batch for each zone.
 * Called by each turn, after the authoritative servers were asked. What is so already needs no
 * publisher, and what is not ours is not touched, whatever a publisher would do. It must never
 * begin a batch so late that what came of it could not be written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin-api/crash.h"
#include "admin-api/reconciler_private.h"
#include "admin-api/record.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

/* No new batch is begun later in a turn than this. */
#define PUBLISH_MS 20000
#define PUBLISHER_WAIT_S 5 /* while another lane uses it */

/* true: nothing has to be done any more, or nothing may be; the effect says which. */
static bool
settled(struct turn *turn, struct errand *errand)
{
	const struct authority_question *question = errand->question;
	bool absent = question->seen == AUTHORITY_ABSENT || question->seen == AUTHORITY_WILDCARD;

	errand->effect = LIFE_DONE;
	switch (errand->what) {
	case LIFE_PUBLISH:
		if (question->seen == AUTHORITY_RIGHT)
			return true;
		break;
	case LIFE_REVOKE:
		if (absent || question->seen == AUTHORITY_OTHER)
			return true;
		break;
	case LIFE_REMOVE:
		if (absent)
			return true;
		break;
	default:
		return true;
	}
	if (question->seen == AUTHORITY_FOREIGN) {
		errand->effect = LIFE_CONFLICT;
		snprintf(errand->why, sizeof(errand->why), "%.*s", (int)sizeof(errand->why) - 1,
		    question->why);
		return true;
	}
	return !errand_find_publisher(turn, errand);
}

static struct span
zone_of(const struct errand *errand)
{
	return errand->question->zone[0] != '\0' ? span_str(errand->question->zone)
						 : errand->work->row->name;
}

static int
by_zone(const void *a, const void *b)
{
	const struct errand *x = *(struct errand *const *)a, *y = *(struct errand *const *)b;
	struct span p = zone_of(x), q = zone_of(y);
	int order;

	if (x->publisher != y->publisher)
		return x->publisher < y->publisher ? -1 : 1;
	order = memcmp(p.p, q.p, p.n < q.n ? p.n : q.n);
	return order != 0 ? order : (p.n > q.n) - (p.n < q.n);
}

static void
change_of(const struct errand *errand, struct publish_change *out)
{
	const struct life_key *key = &errand->work->life.keys[errand->key];
	bool ours = errand->question->seen == AUTHORITY_RIGHT;

	*out = (struct publish_change){
	    .name = errand->target, .ttl_s = (uint32_t)key->life.ttl_s, .effect = LIFE_UNAVAILABLE};
	switch (errand->what) {
	case LIFE_PUBLISH:
		out->how = PUBLISH_ADD;
		out->value = errand->value;
		return;
	case LIFE_REVOKE:
		out->how = PUBLISH_REPLACE;
		out->value = SPAN_LIT(RECORD_TOMBSTONE);
		out->old = errand->value;
		return;
	default:
		out->how = PUBLISH_REMOVE;
		/* A key that never signed has no tombstone. */
		out->old =
		    ours || key->times.revoked == 0 ? errand->value : SPAN_LIT(RECORD_TOMBSTONE);
		return;
	}
}

/* All of one publisher, in the order of their zones. */
struct delivery {
	struct turn *turn;
	struct errand **errands;
	size_t *from, *to; /* of each publisher */
};

/* NULL: a tenant's, which is only this turn's. */
static pthread_mutex_t *
lock_of(const struct reconciler *reconciler, const struct publisher *publisher)
{
	for (size_t i = 0; i < reconciler->config.publisher_count; i++)
		if (reconciler->config.publishers[i] == publisher)
			return &reconciler->publishing[i];
	return NULL;
}

static size_t
one_zone(struct errand **errands, size_t most)
{
	size_t n = 1;

	while (
	    n < most && n < PUBLISH_BATCH_MAX && span_eq(zone_of(errands[n]), zone_of(errands[0])))
		n++;
	return n;
}

/* Somebody else's lane may be using it, and its server or hook be silent: then it is left for
 * another turn. */
static bool
take_publisher(pthread_mutex_t *lock)
{
	struct timespec until;

	if (lock == NULL)
		return true;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PUBLISHER_WAIT_S;
	return pthread_mutex_timedlock(lock, &until) == 0;
}

static bool
deliver_zone(const struct reconciler *reconciler, struct errand **errands, size_t count)
{
	pthread_mutex_t *lock = lock_of(reconciler, errands[0]->publisher);
	struct publish_change *changes;

	if (!take_publisher(lock))
		return false;
	changes = mem_zalloc(count, sizeof(*changes));
	for (size_t i = 0; i < count; i++)
		change_of(errands[i], &changes[i]);
	publisher_apply(errands[0]->publisher, zone_of(errands[0]), changes, count);
	if (lock != NULL)
		pthread_mutex_unlock(lock);
	for (size_t i = 0; i < count; i++) {
		errands[i]->effect = changes[i].effect;
		memcpy(errands[i]->why, changes[i].why, sizeof(errands[i]->why));
	}
	mem_free(changes);
	return true;
}

/* Nobody answers a tenant's batch: the rest of what is for that provider need not wait for it, too,
 * nor need whoever waits for this turn. */
static bool
is_silent(const struct errand *errand)
{
	return errand->publisher->of_tenant && errand->effect == LIFE_UNAVAILABLE;
}

static void
give_up(struct delivery *delivery, const struct errand *failed, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		delivery->errands[i]->effect = failed->effect;
		memcpy(delivery->errands[i]->why, failed->why, sizeof(failed->why));
	}
}

static void
leave(struct delivery *delivery, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		delivery->errands[i]->left = true;
}

static void
deliver(void *context, size_t index, unsigned thread)
{
	struct delivery *delivery = context;
	size_t at = delivery->from[index];

	(void)thread;
	while (at < delivery->to[index]) {
		size_t n = one_zone(delivery->errands + at, delivery->to[index] - at);

		if (clock_mono_ms() - delivery->turn->began_mono_ms >= PUBLISH_MS) {
			leave(delivery, at, at + n);
			delivery->turn->more = true;
		} else if (!deliver_zone(delivery->turn->reconciler, delivery->errands + at, n)) {
			leave(delivery, at, delivery->to[index]);
			return;
		} else if (is_silent(delivery->errands[at])) {
			give_up(delivery, delivery->errands[at], at + n, delivery->to[index]);
			return;
		}
		at += n;
	}
}

/* A tenant mends its provider without the operator, and what fails at that moment is not to wait as
 * long as what only an operator mends. */
static void
soften(struct errand **errands, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (errands[i]->publisher->of_tenant && errands[i]->effect == LIFE_REFUSED)
			errands[i]->effect = LIFE_UNAVAILABLE;
}

static size_t
to_be_delivered(struct turn *turn, struct errand **list)
{
	size_t n = 0;

	for (size_t i = 0; i < turn->errand_count; i++)
		if (errand_changes_dns(turn->errands[i].what) && !settled(turn, &turn->errands[i]))
			list[n++] = &turn->errands[i];
	return n;
}

void
errands_publish(struct turn *turn)
{
	struct delivery delivery = {.turn = turn};
	size_t count, parts = 0;

	if (turn->errand_count == 0)
		return;
	delivery.errands = mem_zalloc(turn->errand_count, sizeof(*delivery.errands));
	delivery.from = mem_zalloc(turn->errand_count, sizeof(*delivery.from));
	delivery.to = mem_zalloc(turn->errand_count, sizeof(*delivery.to));
	count = to_be_delivered(turn, delivery.errands);
	qsort(delivery.errands, count, sizeof(*delivery.errands), by_zone);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || delivery.errands[i]->publisher != delivery.errands[i - 1]->publisher)
			delivery.from[parts++] = i;
		delivery.to[parts - 1] = i + 1;
	}
	if (count > 0)
		crash_here(CRASH_BEFORE_PUBLISH);
	parallel(turn->reconciler->config.provers, parts, deliver, &delivery);
	if (count > 0)
		crash_here(CRASH_AFTER_PUBLISH);
	soften(delivery.errands, count);
	mem_free(delivery.errands);
	mem_free(delivery.from);
	mem_free(delivery.to);
}
