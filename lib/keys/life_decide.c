/*
 * life_decide.c - what is to be done for a domain now, and when to look again.
 * The reconciler carries it out, "signpost status" shows it. It must never change anything, and
 * never answer actions of which one makes another one wrong.
 */
#include "lib/keys/life_private.h"

static void
sooner(struct life_decision *out, int64_t at)
{
	out->due = life_min(out->due, at);
}

static void
act(struct life_decision *out, enum life_what what, size_t key, size_t algorithm)
{
	if (out->count < LIFE_ACTIONS_MAX)
		out->actions[out->count++] =
		    (struct life_action){.what = what, .key = key, .algorithm = algorithm};
}

static void
wait_for(const struct life_view *view, size_t index, const struct life_step *step,
    struct life_decision *out)
{
	out->waits[out->wait_count++] = (struct life_wait){
	    .key = index,
	    .next = step->what,
	    .earliest = step->at > view->now && step->at < INT64_MAX ? step->at : 0,
	    .blocked_by = step->by,
	};
	if (!step->stuck)
		sooner(out, step->at);
	else if (step->poll)
		sooner(out, life_sum(view->now, view->domain->plan.retry_s));
}

static void
decide_key(struct life_view *view, size_t index, struct life_decision *out)
{
	struct life_step next, look;

	life_next(view, index, &next, &look);
	if (life_ready(&next, view->now)) {
		act(out, next.what, index, 0);
		view->activating = view->activating || next.what == LIFE_ACTIVATE;
		return;
	}
	if (next.set)
		wait_for(view, index, &next, out);
	if (life_ready(&look, view->now))
		act(out, look.what, index, 0);
	else if (look.set)
		sooner(out, look.at);
}

/* ---- new keys ---- */

static bool
on_the_way(enum key_state state)
{
	return state <= KEY_LOADED; /* PREPARED to LOADED */
}

/* When the next key of this algorithm may be made; INT64_MAX: there is one on the way. */
static int64_t
generate_at(const struct life_view *view, const struct plan_algorithm *algorithm)
{
	const struct life_domain *domain = view->domain;
	int64_t at = 0;

	for (size_t i = 0; i < domain->count; i++) {
		const struct life_key *key = &domain->keys[i];

		if (strcmp(key->algorithm, algorithm->name) != 0)
			continue;
		if (on_the_way(life_state(key, view->now)))
			return INT64_MAX;
		if (key->times.failed > 0)
			at = life_max(at, life_sum(key->times.failed, domain->plan.retry_max_s));
	}
	return at;
}

/* All slots are taken: one of them has to end first. */
static void
wait_for_slot(const struct life_view *view, struct life_decision *out)
{
	int64_t at = life_slots_next_at(view->domain, view->now);

	out->waits[out->wait_count++] = (struct life_wait){
	    .key = LIFE_NO_KEY,
	    .next = LIFE_GENERATE,
	    .earliest = at < INT64_MAX ? at : 0,
	    .blocked_by = "Slots",
	};
}

static void
decide_new(const struct life_view *view, struct life_decision *out)
{
	const struct life_domain *domain = view->domain;
	int made[PLAN_ALGORITHMS_MAX] = {0};

	if (!domain->enabled || !domain->plan.manage || domain->life.paused > 0)
		return;
	for (size_t i = 0; i < domain->plan.algorithm_count; i++) {
		int64_t at = generate_at(view, &domain->plan.algorithms[i]);

		if (at > view->now) {
			sooner(out, at);
		} else if (life_slots_free(domain, i, made, view->now) == 0) {
			wait_for_slot(view, out);
		} else if (domain->count + out->count < LIFE_KEYS_MAX) {
			act(out, LIFE_GENERATE, 0, i);
			made[i]++;
		}
	}
}

void
life_decide(const struct life_domain *domain, const struct life_gateways *gateways, int64_t now_utc,
    struct life_decision *out)
{
	struct life_view view = {.domain = domain, .gateways = gateways, .now = now_utc};

	out->count = out->wait_count = 0;
	out->due = INT64_MAX;
	for (size_t i = 0; i < domain->count; i++)
		decide_key(&view, i, out);
	decide_new(&view, out);
	out->later = out->due;
	if (out->count > 0)
		out->due = now_utc;
}

const char *
life_what_name(enum life_what what)
{
	static const char *const names[] = {
	    [LIFE_GENERATE] = "generate",
	    [LIFE_SURVEY] = "survey",
	    [LIFE_PUBLISH] = "publish",
	    [LIFE_PROVE] = "prove",
	    [LIFE_CONFIRM] = "confirm",
	    [LIFE_LOAD] = "load",
	    [LIFE_ACTIVATE] = "activate",
	    [LIFE_INTEND_REVOKE] = "intend-revoke",
	    [LIFE_REVOKE] = "revoke",
	    [LIFE_INTEND_REMOVE] = "intend-remove",
	    [LIFE_REMOVE] = "remove",
	    [LIFE_DESTROY] = "destroy",
	    [LIFE_FAIL] = "fail",
	    [LIFE_LOOK] = "look",
	    [LIFE_CHECK] = "check",
	    [LIFE_ROLLBACK] = "roll-back",
	    [LIFE_INTEND_MIRROR] = "intend-mirror",
	    [LIFE_MIRROR] = "mirror",
	    [LIFE_UNMIRROR] = "unmirror",
	};
	size_t index = (size_t)what;

	return index < sizeof(names) / sizeof(names[0]) ? names[index] : "?";
}
