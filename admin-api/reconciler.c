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
#define FROZEN_S 5 /* until it is looked whether it may go on */

static enum status
open_authorities(struct reconciler *reconciler, struct err *err)
{
	enum status status = ST_OK;

	reconciler->authorities =
	    mem_zalloc(reconciler->config.provers, sizeof(*reconciler->authorities));
	for (unsigned i = 0; status == ST_OK && i < reconciler->config.provers; i++)
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
	reconciler->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
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
	guard_stop(reconciler);
	for (unsigned i = 0; i < reconciler->config.provers; i++)
		authority_close(reconciler->authorities[i]);
	mem_free(reconciler->authorities);
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

/* Works that were not stepped are written when something came of them, or when they are to be
 * looked at at another time than they say. */
static void
plan_next(struct turn *turn)
{
	for (size_t i = 0; i < turn->work_count; i++) {
		struct work *work = &turn->works[i];

		if (work->stepped)
			continue;
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

static enum status
make_turn(struct turn *turn, struct err *err)
{
	enum status status = load_due(turn, err);

	if (status != ST_OK)
		return status;
	steps_run(turn);
	status = write_works(turn, CRASH_BEFORE_STEPS, CRASH_AFTER_STEPS, err);
	if (status != ST_OK)
		return status;
	errands_collect(turn);
	errands_ask(turn);
	errands_publish(turn);
	errands_confirm(turn);
	errands_take(turn);
	steps_generate(turn);
	plan_next(turn);
	status = write_works(turn, CRASH_BEFORE_RESULT, CRASH_AFTER_RESULT, err);
	return status == ST_OK && !turn->more ? load_sweep(turn, err) : status;
}

static bool
something_due(const struct turn *turn)
{
	int64_t now = guard_now(turn);

	for (size_t i = 0; i < turn->work_count; i++)
		if (turn->works[i].due != 0 && turn->works[i].due <= now)
			return true;
	return turn->more;
}

static enum status
guarded_turn(struct turn *turn, struct err *err)
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
	return status == ST_OK ? make_turn(turn, err) : status;
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
	struct turn turn = {.reconciler = reconciler};
	enum status status;

	arena_init(&turn.arena, TURN_TEXT_MAX);
	status = guarded_turn(&turn, err);
	if (status == ST_OK)
		*next_s_out = something_due(&turn) ? 0 : IDLE_S;
	else if (status == ST_DENIED)
		*next_s_out = reconciler->config.lease_s / 3 + 1;
	else
		*next_s_out = turn.waits ? IDLE_S : FROZEN_S;
	note_turn(&turn, status, err);
	load_free(&turn);
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
