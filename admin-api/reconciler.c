/*
 * reconciler.c - one turn after another.
 * Called by signpost-admind's main. Nothing is remembered from turn to turn that could not be found
 * again in the store and in DNS, but the lease, the clock, and how far the walk over all domains
 * has come.
 */
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "admin-api/crash.h"
#include "admin-api/reconciler_private.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

#define IDLE_S 1   /* between two questions whether something is due */
#define AGAIN_S 10 /* until a domain for which nothing could be done is looked at again */
#define KEYS_S 600 /* until one of very many that wait for keys is, */
#define RETRY_S 60 /* or that failed before */
#define FROZEN_S 5 /* until it is looked whether it may go on */

static size_t
authority_count(const struct reconciler *reconciler)
{
	return reconciler->config.provers * (reconciler->config.lanes ? 1 + LANES_MAX : 1);
}

static enum status
open_authorities(struct reconciler *reconciler, struct err *err)
{
	size_t count = authority_count(reconciler);
	enum status status = ST_OK;

	reconciler->authorities = mem_zalloc(count, sizeof(*reconciler->authorities));
	for (size_t i = 0; status == ST_OK && i < count; i++)
		status =
		    authority_open(&reconciler->config.authority, &reconciler->authorities[i], err);
	return status;
}

static bool
can(const struct keystore_ops *ops)
{
	return ops->due != NULL && ops->lives != NULL && ops->gateways != NULL &&
	       ops->lease != NULL && ops->apply_fenced != NULL;
}

enum status
reconciler_new(const struct reconciler_config *config, struct reconciler **out, struct err *err)
{
	struct reconciler *reconciler;
	enum status status;

	if (!can(config->store->ops)) {
		err_set(err, "a key store %s cannot keep the life of keys", config->store->where);
		return ST_INVALID;
	}
	reconciler = mem_zalloc(1, sizeof(*reconciler));
	reconciler->config = *config;
	if (reconciler->config.provers == 0)
		reconciler->config.provers = 1;
	if (reconciler->config.makers == 0)
		reconciler->config.makers = 1;
	pthread_mutex_init(&reconciler->lock, NULL);
	pthread_cond_init(&reconciler->stop, NULL);
	reconciler->census = census_new();
	reconciler->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	reconciler->publishing =
	    mem_zalloc(config->publisher_count + 1, sizeof(*reconciler->publishing));
	for (size_t i = 0; i < config->publisher_count; i++)
		pthread_mutex_init(&reconciler->publishing[i], NULL);
	reconciler->mirroring =
	    mem_zalloc(config->mirror_count + 1, sizeof(*reconciler->mirroring));
	for (size_t i = 0; i < config->mirror_count; i++)
		pthread_mutex_init(&reconciler->mirroring[i], NULL);
	status = open_authorities(reconciler, err);
	if (status != ST_OK) {
		reconciler_free(reconciler);
		return status;
	}
	guard_start(reconciler);
	*out = reconciler;
	return ST_OK;
}

void
reconciler_free(struct reconciler *reconciler)
{
	if (reconciler == NULL)
		return;
	lanes_stop(reconciler);
	guard_stop(reconciler);
	for (size_t i = 0; reconciler->authorities != NULL && i < authority_count(reconciler); i++)
		authority_close(reconciler->authorities[i]);
	for (size_t i = 0; i < reconciler->config.publisher_count; i++)
		pthread_mutex_destroy(&reconciler->publishing[i]);
	for (size_t i = 0; i < reconciler->config.mirror_count; i++)
		pthread_mutex_destroy(&reconciler->mirroring[i]);
	mem_free(reconciler->mirroring);
	mem_free(reconciler->publishing);
	mem_free(reconciler->authorities);
	census_free(reconciler->census);
	if (reconciler->wake_fd >= 0)
		close(reconciler->wake_fd);
	pthread_cond_destroy(&reconciler->stop);
	pthread_mutex_destroy(&reconciler->lock);
	mem_free(reconciler);
}

/* ---- a turn ---- */

static enum status
write_works(struct turn *turn, enum crash_point before, enum crash_point after, struct err *err)
{
	enum status status;

	crash_here(before);
	status = commit_works(turn, err);
	if (status == ST_OK)
		crash_here(after);
	return status;
}

static int64_t
sooner_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* It is left for another turn. What was told of, and is not due, would be forgotten; and if there
 * are very many, others that are due would stand behind them. Its other keys do not wait for that:
 * they have times of their own. */
static void
plan_left(const struct turn *turn, struct work *work)
{
	int64_t now = guard_now(turn), due = work->row->due;
	bool put_off = turn->crowded && turn->full[work->kind];

	if (put_off && work->kind == LANE_KEYS)
		work->due = sooner_of(now + KEYS_S, work->decision.later);
	else if (put_off && (work->kind == LANE_TROUBLE || work->kind == LANE_MIRROR))
		work->due = sooner_of(now + RETRY_S, work->decision.later);
	else if (due == 0 || due > now)
		work->due = now;
	else
		work->due = due;
	work->write = work->due != due;
}

/* Works that were not stepped are written when something came of them, or when they are to be
 * looked at at another time than they say. */
static void
plan_next(struct turn *turn)
{
	for (size_t i = 0; i < turn->work_count; i++) {
		struct work *work = &turn->works[i];

		if (work->stepped)
			continue;
		if (work->left) {
			plan_left(turn, work);
			continue;
		}
		load_decide(turn, work);
		/* What could not be done (no site key, no memory) is not tried in a loop. */
		if (!work->write && !turn->more && work->decision.count > 0)
			work->due = guard_now(turn) + AGAIN_S;
		if (work->due != work->row->due)
			work->write = true;
		for (size_t k = 0; k < PLAN_ALGORITHMS_MAX; k++)
			if (work->made[k] != NULL)
				work->due = guard_now(turn);
	}
}

enum status
turn_finish(struct turn *turn, struct err *err)
{
	errands_collect(turn);
	mirrors_run(turn);
	errands_ask(turn);
	errands_publish(turn);
	errands_confirm(turn);
	errands_take(turn);
	steps_generate(turn);
	plan_next(turn);
	return write_works(turn, CRASH_BEFORE_RESULT, CRASH_AFTER_RESULT, err);
}

/* What needs nobody is done; the rest is for the lane, if there is one. */
static enum status
finish_quick(struct turn *turn, struct lane **lane_out, struct err *err)
{
	enum status status;

	*lane_out = lanes_choose(turn);
	for (size_t i = 0; i < turn->work_count; i++)
		turn->works[i].stepped = turn->works[i].stepped || turn->works[i].slow;
	plan_next(turn);
	status = commit_works(turn, err);
	/* The lane has nothing to do with what was written now. */
	for (size_t i = 0; i < turn->work_count; i++)
		turn->works[i].stepped = !turn->works[i].slow;
	if (status != ST_OK)
		*lane_out = NULL;
	return status;
}

static enum status
make_turn(struct turn *turn, struct lane **lane_out, struct err *err)
{
	enum status status;

	lanes_reap(turn->reconciler);
	status = load_works(turn, err);
	if (status != ST_OK)
		return status;
	steps_run(turn);
	status = write_works(turn, CRASH_BEFORE_STEPS, CRASH_AFTER_STEPS, err);
	if (status != ST_OK)
		return status;
	return turn->reconciler->config.lanes ? finish_quick(turn, lane_out, err)
					      : turn_finish(turn, err);
}

static bool
something_due(const struct turn *turn)
{
	int64_t now = guard_now(turn);
	size_t left = 0;

	for (size_t i = 0; i < turn->work_count; i++) {
		const struct work *work = &turn->works[i];

		left += work->left;
		if (!work->left && !work->slow && work->due != 0 && work->due <= now)
			return true;
	}
	/* When there is nothing but what waits for a lane, one that ends makes the next turn. */
	return turn->again || (turn->more && (left == 0 || left < turn->work_count));
}

static enum status
guarded_turn(struct turn *turn, struct lane **lane_out, struct err *err)
{
	struct reconciler *reconciler = turn->reconciler;
	enum status status = guard_lease(reconciler, err);

	if (status == ST_OK)
		crash_here(CRASH_LEASE);
	if (status == ST_OK)
		status = guard_clock(reconciler, &turn->now_utc, err);
	turn->began_mono_ms = clock_mono_ms();
	if (status == ST_OK)
		status = guard_gateways(turn, err);
	return status == ST_OK ? make_turn(turn, lane_out, err) : status;
}

static void
note_census(struct turn *turn, enum status status)
{
	if (status == ST_OK)
		census_turn(turn);
	else
		census_turn_failed(turn);
	if (status == ST_DENIED && turn->reconciler->census_fence != 0)
		census_forget(turn->reconciler);
}

static void
note_turn(const struct turn *turn, enum status status, const struct err *err)
{
	struct reconciler *reconciler = turn->reconciler;
	struct reconciler_state *state = &reconciler->state;
	char before[sizeof(state->frozen)];

	pthread_mutex_lock(&reconciler->lock);
	memcpy(before, state->frozen, sizeof(before));
	state->turns++;
	state->store_errors += status == ST_UNAVAILABLE;
	snprintf(state->frozen, sizeof(state->frozen), "%s",
	    status == ST_OK || status == ST_DENIED ? "" : err->text);
	pthread_mutex_unlock(&reconciler->lock);
	if (status != ST_OK && status != ST_DENIED && before[0] == '\0')
		log_line(turn->waits ? LOG_LEVEL_NOTICE : LOG_LEVEL_ERROR,
		    "keys are left as they are: %s", err->text);
	else if (status == ST_OK && before[0] != '\0')
		log_line(LOG_LEVEL_NOTICE, "the life of keys goes on");
}

enum status
reconciler_turn(struct reconciler *reconciler, int64_t *next_s_out, struct err *err)
{
	struct turn *turn = mem_zalloc(1, sizeof(*turn));
	struct lane *lane = NULL;
	enum status status;

	turn->reconciler = reconciler;
	turn->authorities = reconciler->authorities;
	arena_init(&turn->arena, TURN_TEXT_MAX);
	status = guarded_turn(turn, &lane, err);
	if (status == ST_OK)
		*next_s_out = something_due(turn) ? 0 : IDLE_S;
	else if (status == ST_DENIED)
		*next_s_out = reconciler->config.lease_s / 3 + 1;
	else
		*next_s_out = turn->waits ? IDLE_S : FROZEN_S;
	note_turn(turn, status, err);
	note_census(turn, status);
	if (lane == NULL || !lanes_start(lane, turn))
		load_free(turn);
	return status;
}

void
reconciler_wake(struct reconciler *reconciler)
{
	(void)!eventfd_write(reconciler->wake_fd, 1);
}

int
reconciler_wake_fd(const struct reconciler *reconciler)
{
	return reconciler->wake_fd;
}

void
reconciler_woken(struct reconciler *reconciler)
{
	eventfd_t count;

	(void)!eventfd_read(reconciler->wake_fd, &count);
}

void
reconciler_state(struct reconciler *reconciler, struct reconciler_state *out)
{
	pthread_mutex_lock(&reconciler->lock);
	*out = reconciler->state;
	pthread_mutex_unlock(&reconciler->lock);
}
