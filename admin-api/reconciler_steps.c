/*
 * reconciler_steps.c - steps that need no DNS, and the keys that are made.
 * Called by each turn, before anything asks DNS: what is written by these is written at once, so
 * that little time goes by between the clock that was asked and the transaction. It must never make
 * a step that lib/keys/life.h did not decide.
 */
#include <stdio.h>
#include <string.h>

#include "admin-api/crash.h"
#include "admin-api/reconciler_private.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

/* No new key is begun later than this, so that those that are made get written. */
#define GENERATE_MS 10000

static bool
step(struct turn *turn, struct work *work, const struct life_action *action)
{
	struct life_domain *life = &work->life;
	struct life_key *key = &life->keys[action->key];

	switch (action->what) {
	case LIFE_LOAD:
		return life_loaded(key, turn->now_utc);
	case LIFE_ACTIVATE:
		return life_activate(life, action->key, turn->now_utc);
	case LIFE_INTEND_REVOKE:
		return life_intend_revoke(life, action->key, turn->now_utc);
	case LIFE_INTEND_REMOVE:
		return life_intend_remove(life, action->key, turn->now_utc);
	case LIFE_INTEND_MIRROR:
		return mirror_intend(turn, work, action->key);
	case LIFE_DESTROY:
		return life_destroyed(key, turn->now_utc);
	case LIFE_FAIL:
		return life_failed(key,
		    key->life.trouble[0] != '\0' ? key->life.trouble
		    : key->times.publishing == 0 ? "its selector is none of the slots of the plan"
						 : "it took too long",
		    turn->now_utc);
	case LIFE_ROLLBACK:
		return life_rolled_back(life, action->key, turn->now_utc);
	default:
		return false; /* it asks DNS, or makes a key */
	}
}

static void
say(const struct work *work, const struct life_action *action)
{
	const struct life_key *key = &work->life.keys[action->key];

	if (action->what != LIFE_ROLLBACK)
		log_line(LOG_LEVEL_INFO, "domain %.*s: key %s: %s", SPAN_ARG(work->life.name),
		    key->id, life_what_name(action->what));
	else
		log_line(LOG_LEVEL_ERROR,
		    "domain %.*s: key %s: %s; the key before it signs again and nothing new is "
		    "begun: when DNS is as it should be, run \"signpost key release\", or "
		    "\"key retire\"",
		    SPAN_ARG(work->life.name), key->id, key->life.trouble);
}

static void
count(struct turn *turn, enum life_what what)
{
	struct reconciler_state *state = &turn->reconciler->state;

	pthread_mutex_lock(&turn->reconciler->lock);
	state->activated += what == LIFE_ACTIVATE;
	state->destroyed += what == LIFE_DESTROY;
	state->failed += what == LIFE_FAIL;
	state->rolled_back += what == LIFE_ROLLBACK;
	pthread_mutex_unlock(&turn->reconciler->lock);
}

void
steps_run(struct turn *turn)
{
	for (size_t i = 0; i < turn->work_count; i++) {
		struct work *work = &turn->works[i];

		for (size_t k = 0; k < work->decision.count; k++) {
			const struct life_action *action = &work->decision.actions[k];

			if (!step(turn, work, action))
				continue;
			say(work, action);
			count(turn, action->what);
			work->stepped = work->write = true;
		}
		if (work->stepped && work->life.count > 0)
			load_decide(turn, work);
	}
}

/* ---- keys ---- */

struct wish {
	struct work *work;
	size_t algorithm;
};

struct wishes {
	struct turn *turn;
	struct wish *list;
	size_t count;
	int64_t began_mono_ms;
	atomic_bool late; /* there was no time for all */
};

static void
wanted_of(const struct turn *turn, struct work *work, size_t algorithm, struct makekey_wanted *out)
{
	const struct plan_algorithm *kind = &work->life.plan.algorithms[algorithm];

	*out = (struct makekey_wanted){.tenant = work->row->tenant,
	    .domain = work->row->name,
	    .selector = span_str(work->selectors[algorithm]),
	    .algorithm = span_str(kind->name),
	    .bits = kind->bits,
	    .revision = work->slots[algorithm].revision,
	    .mirror = turn->reconciler->config.store->ops->mirrors};
}

static enum status
make(struct turn *turn, const struct wish *wish, struct makekey_made *made, struct err *err)
{
	struct work *work = wish->work;
	char *selector = work->selectors[wish->algorithm];
	const struct slot *slot = &work->slots[wish->algorithm];
	struct makekey_wanted wanted;
	enum status status = ST_OK;

	if (slot->number > 0)
		memcpy(selector, slot->selector, sizeof(slot->selector));
	else
		status = makekey_selector(&work->life.plan, turn->now_utc, selector, err);
	if (status != ST_OK)
		return status;
	wanted_of(turn, work, wish->algorithm, &wanted);
	return makekey(turn->reconciler->config.sitekey, &wanted, made, err);
}

static void
make_one(void *context, size_t index, unsigned thread)
{
	struct wishes *wishes = context;
	struct wish *wish = &wishes->list[index];
	struct makekey_made *made;
	struct err err = ERR_NONE;

	(void)thread;
	if (clock_mono_ms() - wishes->began_mono_ms > GENERATE_MS) {
		atomic_store(&wishes->late, true); /* the next turn makes it */
		return;
	}
	made = mem_zalloc(1, sizeof(*made));
	if (make(wishes->turn, wish, made, &err) == ST_OK) {
		wish->work->made[wish->algorithm] = made;
		return;
	}
	mem_free(made);
	log_line(LOG_LEVEL_ERROR, "domain %.*s: no key can be made: %s",
	    SPAN_ARG(wish->work->life.name), err.text);
}

static size_t
collect_wishes(struct turn *turn, struct wish *list)
{
	size_t n = 0;

	for (size_t i = 0; i < turn->work_count; i++) {
		struct work *work = &turn->works[i];

		for (size_t k = 0; !work->stepped && k < work->decision.count; k++) {
			if (work->decision.actions[k].what != LIFE_GENERATE)
				continue;
			if (list != NULL)
				list[n] = (struct wish){work, work->decision.actions[k].algorithm};
			n++;
		}
	}
	return n;
}

/* One after the other, so that two keys of a domain do not get the same. A wish that gets none is
 * dropped: the domain is looked at again. */
static void
choose_slots(struct wishes *wishes)
{
	size_t left = 0;

	for (size_t i = 0; i < wishes->count; i++) {
		struct work *work = wishes->list[i].work;
		struct slot *slot = &work->slots[wishes->list[i].algorithm];
		struct err err = ERR_NONE;
		uint32_t taken = 0;

		for (size_t k = 0; k < PLAN_ALGORITHMS_MAX; k++)
			taken |= (uint32_t)1 << work->slots[k].number;
		if (work->life.plan.delegation[0] == '\0' ||
		    slot_choose(wishes->turn->reconciler->config.store, &work->life, taken,
			wishes->turn->now_utc, slot, &err) == ST_OK)
			wishes->list[left++] = wishes->list[i];
		else
			log_line(LOG_LEVEL_ERROR, "domain %.*s: no key can be made: %s",
			    SPAN_ARG(work->life.name), err.text);
	}
	wishes->count = left;
}

void
steps_generate(struct turn *turn)
{
	struct wishes wishes = {
	    .turn = turn, .count = collect_wishes(turn, NULL), .began_mono_ms = clock_mono_ms()};
	uint64_t made = 0;

	if (wishes.count == 0 || turn->without_keys)
		return;
	wishes.list = mem_zalloc(wishes.count, sizeof(*wishes.list));
	collect_wishes(turn, wishes.list);
	choose_slots(&wishes);
	parallel(turn->reconciler->config.makers, wishes.count, make_one, &wishes);
	for (size_t i = 0; i < wishes.count; i++)
		if (wishes.list[i].work->made[wishes.list[i].algorithm] != NULL) {
			wishes.list[i].work->write = true;
			made++;
		}
	turn->more = turn->more || atomic_load(&wishes.late);
	mem_free(wishes.list);
	pthread_mutex_lock(&turn->reconciler->lock);
	turn->reconciler->state.generated += made;
	pthread_mutex_unlock(&turn->reconciler->lock);
	crash_here(CRASH_KEY_MADE);
}
