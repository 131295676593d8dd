/*
 * reconciler_lanes.c - domains for which somebody has to be waited: DNS servers, hooks, keys that
 * are made. A turn gives them to a thread of a lane and is over; the next turns leave them out
 * until that thread has written what came of it, and go on with all others. Called by each turn.
 * It must never have one domain in two lanes, nor wait for one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin-api/reconciler_private.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

#define STACK_BYTES (1U << 20)

/* How many lanes may be of a kind. What failed before, and may be silent again, has one of its own;
 * so have mirrors, which keep a domain without one from nothing; and so have keys: to make those of
 * many domains takes minutes. */
static const unsigned lanes_of[LANE_KINDS] = {
    [LANE_DNS] = 2, [LANE_TROUBLE] = 1, [LANE_MIRROR] = 1, [LANE_KEYS] = 1};

/* ---- lanes ---- */

static struct lane *
free_lane(struct reconciler *reconciler, enum lane_kind kind)
{
	struct lane *found = NULL;
	unsigned n = 0;

	for (size_t i = 0; i < LANES_MAX; i++) {
		n += reconciler->lanes[i].used && reconciler->lanes[i].kind == kind;
		if (!reconciler->lanes[i].used)
			found = &reconciler->lanes[i];
	}
	return n < lanes_of[kind] ? found : NULL;
}

static void
lane_end(struct lane *lane)
{
	secret_thread_join(&lane->thread);
	census_lane(lane->turn);
	load_free(lane->turn);
	lane->turn = NULL;
	lane->used = false;
}

void
lanes_reap(struct reconciler *reconciler)
{
	for (size_t i = 0; i < LANES_MAX; i++)
		if (reconciler->lanes[i].used && atomic_load(&reconciler->lanes[i].ended))
			lane_end(&reconciler->lanes[i]);
}

void
lanes_stop(struct reconciler *reconciler)
{
	for (size_t i = 0; i < LANES_MAX; i++)
		if (reconciler->lanes[i].used)
			lane_end(&reconciler->lanes[i]);
}

size_t
lanes_busy(const struct reconciler *reconciler)
{
	size_t n = 0;

	for (size_t i = 0; i < LANES_MAX; i++)
		if (reconciler->lanes[i].used)
			n += reconciler->lanes[i].turn->slow_count;
	return n;
}

void
lanes_each_busy(const struct reconciler *reconciler,
    void (*visit)(struct turn *turn, struct span name), struct turn *turn)
{
	for (size_t i = 0; i < LANES_MAX; i++) {
		const struct turn *theirs = reconciler->lanes[i].turn;

		for (size_t k = 0; reconciler->lanes[i].used && k < theirs->work_count; k++)
			if (theirs->works[k].slow)
				visit(turn, theirs->works[k].row->name);
	}
}

/* ---- which ---- */

/* What is to be done for keys that are there comes before new ones: where very many wait for keys,
 * a key that has to be revoked does not. */
static bool
is_slow(const struct work *work, enum lane_kind *kind_out)
{
	bool asks = false, makes = false;

	*kind_out = LANE_DNS;
	for (size_t i = 0; !work->stepped && i < work->decision.count; i++) {
		const struct life_action *action = &work->decision.actions[i];

		makes = makes || action->what == LIFE_GENERATE;
		if (!errand_asks_dns(action->what) && !errand_mirrors(action->what))
			continue;
		asks = true;
		if (errand_mirrors(action->what))
			*kind_out = LANE_MIRROR;
		else if (*kind_out == LANE_DNS && work->life.keys[action->key].life.tries > 0)
			*kind_out = LANE_TROUBLE;
	}
	if (makes && !asks)
		*kind_out = LANE_KEYS;
	return asks || makes;
}

/* Those of one kind that has a lane: works[].slow. The others that would have to wait are left for
 * another turn, as they are. */
struct lane *
lanes_choose(struct turn *turn)
{
	struct lane *lane = NULL;
	enum lane_kind kind;
	bool others = false;

	for (int wanted = 0; wanted < LANE_KINDS; wanted++) {
		struct lane *room = free_lane(turn->reconciler, (enum lane_kind)wanted);

		turn->full[wanted] = room == NULL;
		for (size_t i = 0; room != NULL && i < turn->work_count; i++) {
			struct work *work = &turn->works[i];

			if (!is_slow(work, &kind) || (int)kind != wanted)
				continue;
			if (lane == NULL) {
				lane = room;
				lane->kind = kind;
			} else if (lane->kind != kind) {
				others = true; /* which have room, too */
				break;
			}
			work->slow = true;
			turn->slow_count++;
		}
	}
	for (size_t i = 0; i < turn->work_count; i++)
		turn->works[i].left =
		    !turn->works[i].slow && is_slow(&turn->works[i], &turn->works[i].kind);
	turn->again = turn->again || others;
	return lane;
}

/* ---- work ---- */

static void *
lane_main(void *context)
{
	struct lane *lane = context;
	struct reconciler *reconciler = lane->reconciler;
	struct err err = ERR_NONE;
	enum status status;

	lane->turn->more = false; /* that was said of the turn that began it */
	status = turn_finish(lane->turn, &err);

	if (status != ST_OK)
		log_line(LOG_LEVEL_WARNING,
		    "what was done for %zu domains is not written, and is done again: %s",
		    lane->turn->slow_count, err.text);
	if (status == ST_UNAVAILABLE) {
		pthread_mutex_lock(&reconciler->lock);
		reconciler->state.store_errors++;
		pthread_mutex_unlock(&reconciler->lock);
	}
	atomic_store(&lane->ended, true);
	reconciler_wake(reconciler);
	return NULL;
}

bool
lanes_start(struct lane *lane, struct turn *turn)
{
	struct reconciler *reconciler = turn->reconciler;
	size_t number = (size_t)(lane - reconciler->lanes) + 1;

	lane->reconciler = reconciler;
	lane->turn = turn;
	turn->without_keys = lane->kind != LANE_KEYS;
	turn->authorities = reconciler->authorities + number * reconciler->config.provers;
	atomic_store(&lane->ended, false);
	lane->used = secret_thread_start(&lane->thread, STACK_BYTES, lane_main, lane);
	if (!lane->used)
		lane->turn = NULL;
	return lane->used;
}
