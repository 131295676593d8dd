/*
 * reconciler_guard.c - whether anything may be changed now: the lease, the store's clock, and
 * whether the store is what gateways have seen of it. Called at the beginning of each turn; a
 * thread renews the lease while a turn takes its time. It must never let a turn begin on a guess:
 * no answer is no.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admin-api/reconciler_private.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/store/keystore.h"

/* The store's clock may differ by so much from what this machine's says went by: E of the life
 * cycle. */
#define CLOCK_JUMP_S 300

/* asked_mono_ms: before the store was asked. The lease ends that long after at the earliest. */
static void
remember_leader(struct reconciler *reconciler, bool leads, const struct store_lease *lease,
    int64_t asked_mono_ms)
{
	bool began;

	pthread_mutex_lock(&reconciler->lock);
	/* Another fence: it was not the leader for a while, or the store was renewed. */
	began = leads && (!reconciler->leads || reconciler->lease.fence != lease->fence);
	if (began)
		log_line(
		    LOG_LEVEL_NOTICE, "this is the leader now (fence %" PRIu64 ")", lease->fence);
	else if (!leads && reconciler->leads)
		log_line(LOG_LEVEL_WARNING, "the lease is lost; nothing is changed any more");
	reconciler->newly = leads && (reconciler->newly || began);
	reconciler->leads = reconciler->state.leader = leads;
	if (leads)
		reconciler->lease_until_mono_ms = asked_mono_ms + reconciler->config.lease_s * 1000;
	if (lease != NULL) {
		snprintf(reconciler->state.leader_name, sizeof(reconciler->state.leader_name), "%s",
		    lease->owner);
		reconciler->lease = *lease;
	}
	pthread_mutex_unlock(&reconciler->lock);
}

enum status
guard_lease(struct reconciler *reconciler, struct err *err)
{
	struct keystore *store = reconciler->config.store;
	struct store_lease wanted = {.name = RECONCILER_LEASE}, got = {.name = RECONCILER_LEASE};
	int64_t asked_mono_ms = clock_mono_ms();
	enum status status;

	snprintf(wanted.owner, sizeof(wanted.owner), "%s", reconciler->config.owner);
	status = store->ops->lease(store, &wanted, reconciler->config.lease_s, &got, err);
	if (status == ST_OK || status == ST_DENIED)
		remember_leader(reconciler, status == ST_OK, &got, asked_mono_ms);
	if (status == ST_DENIED)
		err_set(err, "%s has the lease", got.owner);
	return status;
}

bool
guard_leads(struct reconciler *reconciler, int64_t ms)
{
	bool leads;

	pthread_mutex_lock(&reconciler->lock);
	leads = reconciler->leads && clock_mono_ms() + ms < reconciler->lease_until_mono_ms;
	pthread_mutex_unlock(&reconciler->lock);
	return leads;
}

/* ---- the thread that renews it ---- */

static void *
renew(void *context)
{
	struct reconciler *reconciler = context;
	struct timespec until;
	struct err err = ERR_NONE;

	pthread_mutex_lock(&reconciler->lock);
	while (!reconciler->stopping) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += reconciler->config.lease_s / 3 + 1;
		pthread_cond_timedwait(&reconciler->stop, &reconciler->lock, &until);
		if (!reconciler->leads || reconciler->stopping)
			continue;
		pthread_mutex_unlock(&reconciler->lock);
		/* What it says matters to the next transaction, which has the fence. */
		if (guard_lease(reconciler, &err) == ST_UNAVAILABLE)
			log_line(LOG_LEVEL_WARNING, "the lease cannot be renewed: %s", err.text);
		pthread_mutex_lock(&reconciler->lock);
	}
	pthread_mutex_unlock(&reconciler->lock);
	return NULL;
}

void
guard_start(struct reconciler *reconciler)
{
	reconciler->keeper_runs = pthread_create(&reconciler->keeper, NULL, renew, reconciler) == 0;
}

void
guard_stop(struct reconciler *reconciler)
{
	struct keystore *store = reconciler->config.store;
	struct store_lease got;
	struct err err = ERR_NONE;

	pthread_mutex_lock(&reconciler->lock);
	reconciler->stopping = true;
	pthread_cond_broadcast(&reconciler->stop);
	pthread_mutex_unlock(&reconciler->lock);
	if (reconciler->keeper_runs)
		pthread_join(reconciler->keeper, NULL);
	if (reconciler->leads &&
	    store->ops->lease(store, &reconciler->lease, 0, &got, &err) != ST_OK)
		log_line(LOG_LEVEL_WARNING, "the lease cannot be given back: %s", err.text);
}

/* ---- the clock ---- */

static int64_t
apart(int64_t a, int64_t b)
{
	return a > b ? a - b : b - a;
}

/* A step of the store's clock ends only when it is where it would have been, or when somebody
 * restarts this program and so says that the new time is right. */
enum status
guard_clock(struct reconciler *reconciler, int64_t *now_out, struct err *err)
{
	struct keystore *store = reconciler->config.store;
	int64_t mono_ms = clock_mono_ms(), expected;
	enum status status = store->ops->now(store, now_out, err);

	if (status != ST_OK)
		return status;
	expected = reconciler->clock_utc + (mono_ms - reconciler->clock_mono_ms) / 1000;
	if (reconciler->clock_utc != 0 && apart(*now_out, expected) > CLOCK_JUMP_S) {
		err_set(err,
		    "the clock of the store says %" PRId64 " where %" PRId64
		    " was expected: nothing is changed until it is right again; if it is right "
		    "now, "
		    "restart signpost-admind",
		    *now_out, expected);
		return ST_FAILED;
	}
	/* Small steps back are waited for. */
	if (*now_out < reconciler->clock_utc) {
		err_set(err, "the clock of the store went back by %" PRId64 " s; waiting for it",
		    reconciler->clock_utc - *now_out);
		return ST_FAILED;
	}
	reconciler->clock_utc = *now_out;
	reconciler->clock_mono_ms = mono_ms;
	return ST_OK;
}

int64_t
guard_now(const struct turn *turn)
{
	return turn->now_utc + (clock_mono_ms() - turn->began_mono_ms) / 1000;
}

/* ---- gateways ---- */

/* Whoever saw a later epoch than the store has: the store is an old copy of itself. Names in DNS
 * may then be of keys that it does not know any more, so nothing is touched. */
static enum status
is_behind(const struct turn *turn, struct span who, uint64_t seen, struct err *err)
{
	if (turn->gateway_rows->epoch == 0 || seen <= turn->gateway_rows->epoch)
		return ST_OK;
	err_set(err,
	    "safe mode: %.*s has seen epoch %" PRIu64 " of the store, which is at %" PRIu64
	    ": was a backup put back? Nothing is changed. When the store is what it should be, run "
	    "\"signpost store renew\"",
	    SPAN_ARG(who), seen, turn->gateway_rows->epoch);
	return ST_FAILED;
}

/* What this program has seen itself. */
static enum status
check_epoch(const struct turn *turn, struct err *err)
{
	struct reconciler *reconciler = turn->reconciler;
	enum status status = is_behind(turn, SPAN_LIT("signpost-admind"), reconciler->epoch, err);

	if (status == ST_OK)
		reconciler->epoch = turn->gateway_rows->epoch;
	return status;
}

static enum status
check_gateway(const struct turn *turn, const struct store_gateway *gateway, struct err *err)
{
	if (!liferows_is_live(&turn->words, gateway))
		return ST_OK;
	return is_behind(turn, gateway->node, gateway->epoch, err);
}

static void
note_beginning(const struct turn *turn)
{
	struct reconciler *reconciler = turn->reconciler;

	pthread_mutex_lock(&reconciler->lock);
	if (reconciler->newly)
		reconciler->led_since = turn->now_utc;
	reconciler->newly = false;
	pthread_mutex_unlock(&reconciler->lock);
}

/* When a backup was put back, what gateways said is of then, too, and those that are at work seem
 * to be gone. So each one that is known is heard first, for as long as one may be silent. */
static enum status
were_heard(const struct turn *turn, struct err *err)
{
	const struct reconciler *reconciler = turn->reconciler;

	if (turn->now_utc >= reconciler->led_since + reconciler->config.gateway_silence_s)
		return ST_OK;
	for (size_t i = 0; i < turn->gateway_rows->gateway_count; i++) {
		const struct store_gateway *gateway = &turn->gateway_rows->gateways[i];

		if (gateway->at >= reconciler->led_since)
			continue;
		err_set(err,
		    "waiting for what gateway %.*s has to say, for %" PRId64
		    " s at most; if it is gone, run \"signpost gateway forget\"",
		    SPAN_ARG(gateway->node),
		    reconciler->led_since + reconciler->config.gateway_silence_s - turn->now_utc);
		return ST_FAILED;
	}
	return ST_OK;
}

enum status
guard_gateways(struct turn *turn, struct err *err)
{
	struct keystore *store = turn->reconciler->config.store;
	enum status status = store->ops->gateways(store, &turn->gateway_rows, err);

	if (status != ST_OK)
		return status;
	note_beginning(turn);
	turn->words = (struct liferows_gateways){.rows = turn->gateway_rows,
	    .now_utc = turn->now_utc,
	    .silence_s = turn->reconciler->config.gateway_silence_s};
	liferows_count(&turn->words, &turn->gateways);
	status = check_epoch(turn, err);
	for (size_t i = 0; status == ST_OK && i < turn->gateway_rows->gateway_count; i++)
		status = check_gateway(turn, &turn->gateway_rows->gateways[i], err);
	if (status != ST_OK)
		return status;
	status = were_heard(turn, err);
	turn->waits = status != ST_OK;
	return status;
}
