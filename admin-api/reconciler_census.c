/*
 * reconciler_census.c - what a turn has seen of its domains, into the census.
 * Called at the end of each turn. It must never ask the store: a domain that others changed is
 * looked at anyway (reconciler_follow.c), and the first walk of a leader goes over all.
 */
#include <string.h>

#include "admin-api/reconciler_private.h"

static void
add_key(struct census_domain *domain, const struct life_key *key, int64_t now_utc)
{
	enum key_state state = key_state_at(&key->times, now_utc);

	/* It has just become so; the next time it is not there any more. */
	if (state == KEY_DESTROYED)
		return;
	domain->states[state]++;
	if (key->life.trouble[0] != '\0')
		domain->stuck++;
	if (key->life.drifted)
		domain->drifted++;
}

static void
add_work(struct census *census, const struct work *work, int64_t now_utc)
{
	struct census_domain domain = {.due = work->due};

	for (size_t i = 0; i < work->life.count; i++)
		add_key(&domain, &work->life.keys[i], now_utc);
	census_set(census, work->row->name, &domain);
}

/* Another leadership: what is known may be old, and a walk over all has begun. */
static bool
is_another_history(struct reconciler *reconciler)
{
	bool another = reconciler->census_fence != reconciler->follow.fence;

	reconciler->census_fence = reconciler->follow.fence;
	return another;
}

void
census_turn(struct turn *turn)
{
	struct reconciler *reconciler = turn->reconciler;
	struct census *census = reconciler->census;
	int64_t now_utc = guard_now(turn);

	census_begin(census);
	if (is_another_history(reconciler))
		census_clear(census);
	/* Those that the store did not answer are gone. */
	for (size_t i = 0; i < turn->wanted_count; i++)
		census_set(census, turn->wanted[i].name, NULL);
	for (size_t i = 0; i < turn->work_count; i++)
		add_work(census, &turn->works[i], now_utc);
	if (!reconciler->sweeping)
		census_is_complete(census);
	census_end(census);
}

void
census_lane(const struct turn *turn)
{
	struct census *census = turn->reconciler->census;
	int64_t now_utc = guard_now(turn);

	census_begin(census);
	for (size_t i = 0; i < turn->work_count; i++)
		if (turn->works[i].slow)
			add_work(census, &turn->works[i], now_utc);
	census_end(census);
}

void
census_turn_failed(struct turn *turn)
{
	/* What was told to this turn is not told again. */
	if (turn->told > 0)
		turn->reconciler->follow.fence = 0;
}

void
census_forget(struct reconciler *reconciler)
{
	census_begin(reconciler->census);
	census_clear(reconciler->census);
	census_end(reconciler->census);
	reconciler->census_fence = 0;
	reconciler->follow.fence = 0; /* or the walk would be taken for done when it leads again */
}

bool
reconciler_census(struct reconciler *reconciler, struct census_counts *out)
{
	return census_read(reconciler->census, out);
}
