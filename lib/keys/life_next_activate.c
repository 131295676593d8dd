/*
 * life_next_activate.c - when the stand-by key takes over: schedule, windows, gateways, a fresh
 * look at DNS.
 * life_next.c asks it of LOADED keys. It must never let two algorithms of a domain change together:
 * if one of them cannot be verified somewhere, the other one still can.
 */
#include "lib/keys/life_private.h"

struct standing {
	bool any;               /* the domain has a key that signs */
	bool same;              /* of this algorithm */
	int64_t since;          /* the oldest of those is active since */
	int64_t others_changed; /* when another algorithm's key was activated last */
	bool better;            /* there is a younger stand-by key */
};

static bool
younger(const struct life_key *a, size_t at_a, const struct life_key *b, size_t at_b)
{
	return a->times.loaded != b->times.loaded ? a->times.loaded > b->times.loaded : at_a > at_b;
}

static void
count_one(const struct life_view *view, size_t index, size_t i, struct standing *out)
{
	const struct life_key *key = &view->domain->keys[index];
	const struct life_key *other = &view->domain->keys[i];
	bool signs = key_may_sign(&other->times, view->now);

	out->any = out->any || signs;
	if (!life_same_algorithm(key, other)) {
		out->others_changed = life_max(out->others_changed, other->times.active);
		return;
	}
	if (signs) {
		out->since =
		    out->same ? life_min(out->since, other->times.active) : other->times.active;
		out->same = true;
	}
	if (i != index && life_state(other, view->now) == KEY_LOADED &&
	    younger(other, i, key, index))
		out->better = true;
}

static struct standing
look_around(const struct life_view *view, size_t index)
{
	struct standing out = {.any = false};

	for (size_t i = 0; i < view->domain->count; i++)
		count_one(view, index, i, &out);
	return out;
}

/* When the one that signs is to be replaced; INT64_MAX: when somebody asks. */
static int64_t
rotation_at(const struct life_view *view, const struct life_key *key, int64_t since)
{
	const struct key_plan *plan = &view->domain->plan;
	const struct domain_life *life = &view->domain->life;
	int64_t at = INT64_MAX;

	if (plan->interval_s > 0)
		at = life_max(life_sum(since, plan_interval_of(plan, view->domain->name)),
		    life_sum(key->life.auth_first, plan->activation_wait_s));
	if (life->rotate_asked > since)
		at = life_min(at, life_max(life->rotate_at, life->rotate_asked));
	return at;
}

static int64_t
apart(const struct key_plan *plan)
{
	return life_min(LIFE_APART_S, plan->activation_wait_s);
}

static void
schedule(const struct life_view *view, const struct life_key *key, const struct standing *standing,
    struct life_step *next)
{
	const struct key_plan *plan = &view->domain->plan;
	int64_t opens;

	if (!standing->any)
		return; /* mail is not signed: at once */
	if (standing->same)
		next->at = life_max(next->at, rotation_at(view, key, standing->since));
	if (standing->others_changed > 0)
		next->at = life_max(next->at, life_sum(standing->others_changed, apart(plan)));
	if (next->at == INT64_MAX) {
		next->stuck = true;
	} else if (!plan_window_open(plan, life_max(next->at, view->now), &opens)) {
		next->at = opens;
		next->by = "Window";
	}
}

static void
block(struct life_step *next, const char *by)
{
	next->stuck = true;
	next->by = by;
}

/* It is time; is everybody ready? */
static void
check_ready(const struct life_view *view, const struct life_key *key, struct life_step *next,
    struct life_step *look)
{
	if (view->activating) {
		next->at = life_sum(view->now, life_max(apart(&view->domain->plan), 1));
	} else if (view->gateways->live > 0 && !life_gateways_have(view, key)) {
		block(next, "Gateways");
		next->poll = true;
	} else if (!life_fresh(view, key, view->domain->plan.drift_s)) {
		block(next, "AuthoritativeServers");
		*look =
		    (struct life_step){.set = true, .what = LIFE_LOOK, .at = key->life.next_try};
	}
}

void
life_next_activate(
    const struct life_view *view, size_t index, struct life_step *next, struct life_step *look)
{
	const struct life_domain *domain = view->domain;
	const struct life_key *key = &domain->keys[index];
	struct standing standing = look_around(view, index);

	*next = (struct life_step){.set = true, .what = LIFE_ACTIVATE, .by = "Schedule"};
	if (!domain->enabled || !domain->plan.manage || domain->life.paused > 0 ||
	    life_rolls_back(view))
		block(next, "Paused");
	else if (standing.better)
		block(next, "Successor");
	else if (!life_wanted(&domain->plan, key))
		next->stuck = true;
	if (next->stuck)
		return;
	if (key->life.auth_first > 0 && life_confirm_at(key) > view->now) {
		next->at = life_confirm_at(key);
		next->by = "NegativeCaches";
	}
	schedule(view, key, &standing, next);
	if (life_ready(next, view->now))
		check_ready(view, key, next, look);
	/* Who reads the mirror has it first: its record is proven, and the other one stays. */
	if (life_ready(next, view->now) && life_mirror_lacks(domain, key))
		*next = life_mirror_step(view, key);
}
