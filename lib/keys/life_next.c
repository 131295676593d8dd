/*
 * life_next.c - the next step of one key, and since when it may be done.
 * life_decide.c asks it of each key of a domain. One function for each state; the times come from
 * life_guard.c. It must never let a step be done that its function in life_steps.c would refuse:
 * that would be asked for over and over.
 */
#include <string.h>

#include "lib/keys/life_private.h"

static struct life_step
step(enum life_what what, int64_t at, const char *by)
{
	return (struct life_step){.set = true, .what = what, .at = at, .by = by};
}

/* Done again after a failure, or at once. */
static struct life_step
retried(const struct life_key *key, enum life_what what, const char *by)
{
	return step(what, key->life.next_try,
	    key->life.pending     ? "Customer"
	    : key->life.tries > 0 ? "Retry"
				  : by);
}

static struct life_step
stuck(enum life_what what, const char *by)
{
	return (struct life_step){.set = true, .what = what, .stuck = true, .by = by};
}

bool
life_gateways_have(const struct life_view *view, const struct life_key *key)
{
	const struct life_gateways *gateways = view->gateways;
	const char *node = NULL;

	if (key->loading == UINT64_MAX || gateways->tested < key->loading)
		return false;
	return gateways->failed == NULL || !gateways->failed(gateways->context, key->id, &node);
}

bool
life_fresh(const struct life_view *view, const struct life_key *key, int64_t most_s)
{
	return key->life.auth_last > 0 && !key->life.drifted &&
	       life_sum(key->life.auth_last, most_s) >= view->now;
}

/* May something new be begun in this domain? */
static bool
may_begin(const struct life_view *view)
{
	return view->domain->enabled && view->domain->plan.manage;
}

/* ---- on the way ---- */

/* It fails since so long that it will not do; never one that somebody else publishes. */
static bool
given_up(const struct life_view *view, const struct life_key *key)
{
	int64_t give_up = view->domain->plan.give_up_s;
	int64_t since =
	    life_max(key->times.created, life_max(key->times.publishing, key->life.auth_last));

	return give_up > 0 && key->life.tries > 0 && !key->life.pending &&
	       view->now >= life_sum(since, give_up);
}

static struct life_step
next_publishing(const struct life_view *view, const struct life_key *key)
{
	bool moved =
	    strcmp(key->life.publisher, life_publisher(&view->domain->plan, key->life.target)) != 0;

	if (!key->life.pending)
		return retried(key, LIFE_PUBLISH, NULL);
	if (moved && !life_has_signed(key)) /* another one publishes from now on */
		return step(LIFE_SURVEY, 0, NULL);
	return retried(key, LIFE_PROVE, NULL);
}

static struct life_step
next_published(const struct life_view *view, const struct life_key *key, struct life_step *look)
{
	const struct key_plan *plan = &view->domain->plan;
	const struct key_life *life = &key->life;
	struct life_step confirm;

	if (life->proofs <= 0)
		return retried(key, LIFE_PROVE, "AuthoritativeServers");
	if (life->proofs < plan->proofs)
		return step(LIFE_PROVE,
		    life_max(life->next_try, life_sum(life->auth_last, plan->proof_gap_s)),
		    "AuthoritativeServers");
	confirm = step(LIFE_CONFIRM, life_max(life->next_try, life_confirm_at(key)),
	    life->tries > 0 ? "Resolvers" : "NegativeCaches");
	/* A resolver that is asked while the record is gone would keep that. */
	if (confirm.at <= view->now && !life_fresh(view, key, life_proof_gap_max(plan))) {
		*look = step(LIFE_LOOK, life->next_try, NULL);
		confirm.stuck = true;
		confirm.by = "AuthoritativeServers";
	}
	return confirm;
}

static struct life_step
next_on_the_way(const struct life_view *view, const struct life_key *key, enum key_state state,
    struct life_step *look)
{
	if (!may_begin(view))
		return stuck(state == KEY_PREPARED ? LIFE_SURVEY : LIFE_PUBLISH, "Paused");
	if (given_up(view, key) || (state == KEY_PREPARED && life_is_misplaced(view->domain, key)))
		return step(LIFE_FAIL, 0, NULL);
	if (state == KEY_PREPARED)
		return retried(key, LIFE_SURVEY, NULL);
	if (state == KEY_PUBLISHING)
		return next_publishing(view, key);
	return next_published(view, key, look);
}

static struct life_step
next_proven(const struct life_view *view, const struct life_key *key)
{
	struct life_step load = step(LIFE_LOAD, 0, "Gateways");

	if (!may_begin(view))
		return stuck(LIFE_LOAD, "Paused");
	if (view->gateways->live == 0) {
		load.at = life_sum(key->times.proven, view->domain->plan.timed_ack_s);
		return load;
	}
	load.stuck = load.poll = !life_gateways_have(view, key);
	return load;
}

/* ---- in use ---- */

/* Is its record put back at once? That of a stand-by key goes the long way again. */
static bool
may_mend(const struct life_view *view, const struct life_key *key)
{
	enum key_state state = life_state(key, view->now);

	return (state == KEY_ACTIVE || state == KEY_RETIRING || state == KEY_HELD) &&
	       key->times.publishing > 0 && life_has_signed(key);
}

/* What is published is looked at, and put back if it is ours to do. */
static struct life_step
watch(const struct life_view *view, const struct life_key *key)
{
	const struct key_life *life = &key->life;

	if (!view->domain->plan.manage)
		return (struct life_step){.set = false};
	if (life->drifted && !life->pending && may_mend(view, key))
		return step(LIFE_PUBLISH, life->next_try, NULL);
	if (life->drifted)
		return step(LIFE_LOOK, life->next_try, NULL);
	return step(LIFE_LOOK,
	    life_max(life->next_try,
		life->looked > 0 ? life_sum(life->looked, view->domain->plan.drift_s) : 0),
	    NULL);
}

/* Who published it, if not we: then only a plan says where. */
static bool
has_publisher(const struct life_view *view, const struct life_key *key)
{
	return key->life.publisher[0] != '\0' || view->domain->plan.manage;
}

/* ---- going ---- */

static struct life_step
next_revoke(const struct life_key *key)
{
	return retried(key, key->life.pending ? LIFE_LOOK : LIFE_REVOKE, NULL);
}

static struct life_step
next_retiring(const struct life_view *view, size_t index)
{
	const struct life_key *key = &view->domain->keys[index];
	struct life_step revoke =
	    step(LIFE_INTEND_REVOKE, life_revoke_at(key, &view->domain->plan), "Lease");

	if (!has_publisher(view, key))
		return (struct life_step){.set = false};
	if (key->times.revoking > 0)
		return next_revoke(key);
	if (revoke.at <= view->now && !life_may_leave(view->domain, index, view->now)) {
		revoke.stuck = true;
		revoke.by = "Successor";
	}
	return revoke;
}

static struct life_step
next_compromised(const struct life_view *view, const struct life_key *key)
{
	if (!life_in_dns(key))
		return step(LIFE_DESTROY, 0, NULL);
	if (!has_publisher(view, key))
		return stuck(LIFE_INTEND_REVOKE, "Customer");
	return key->times.revoking > 0 ? next_revoke(key) : step(LIFE_INTEND_REVOKE, 0, NULL);
}

static struct life_step
next_remove(const struct life_key *key)
{
	return retried(key, key->life.pending ? LIFE_LOOK : LIFE_REMOVE, NULL);
}

static struct life_step
next_revoked(const struct life_view *view, const struct life_key *key)
{
	if (key->life.removing > 0)
		return next_remove(key);
	if (!has_publisher(view, key))
		return (struct life_step){.set = false};
	return step(LIFE_INTEND_REMOVE, life_remove_at(key, &view->domain->plan), "Tombstone");
}

/* Of one that failed the next one is made only when it is forgotten, so that a domain where each
 * fails at once does not make one after the other. */
static struct life_step
next_removed(const struct life_view *view, const struct life_key *key)
{
	int64_t at =
	    key->times.failed > 0 ? life_sum(key->times.failed, view->domain->plan.retry_max_s) : 0;
	int64_t caches = life_destroy_at(key);

	return caches > at ? step(LIFE_DESTROY, caches, "NegativeCaches")
			   : step(LIFE_DESTROY, at, "Retry");
}

static struct life_step
next_failed(const struct life_view *view, size_t index)
{
	const struct life_key *key = &view->domain->keys[index];
	struct life_step remove = step(LIFE_INTEND_REMOVE, 0, "Lease");

	if (!life_in_dns(key))
		return next_removed(view, key);
	if (key->life.removing > 0)
		return next_remove(key);
	if (!has_publisher(view, key))
		return (struct life_step){.set = false};
	if (life_has_signed(key)) {
		remove.at = life_revoke_at(key, &view->domain->plan);
		if (remove.at <= view->now && !life_may_leave(view->domain, index, view->now)) {
			remove.stuck = true;
			remove.by = "Successor";
		}
	}
	return remove;
}

/* ---- all ---- */

void
life_next(
    const struct life_view *view, size_t index, struct life_step *next, struct life_step *look)
{
	const struct life_key *key = &view->domain->keys[index];
	enum key_state state = life_state(key, view->now);

	*next = *look = (struct life_step){.set = false};
	switch (state) {
	case KEY_PREPARED:
	case KEY_PUBLISHING:
	case KEY_PUBLISHED:
		if (state == KEY_PUBLISHED && key->life.proofs >= view->domain->plan.proofs)
			*look = watch(view, key);
		*next = next_on_the_way(view, key, state, look);
		break;
	case KEY_PROVEN:
		*look = watch(view, key);
		*next = next_proven(view, key);
		break;
	case KEY_LOADED:
		*look = watch(view, key);
		life_next_activate(view, index, next, look);
		break;
	case KEY_ACTIVE:
		*look = watch(view, key);
		life_next_failing(view, index, next, look);
		break;
	case KEY_RETIRING:
		if (key->times.revoking <= 0)
			*look = watch(view, key);
		*next = next_retiring(view, index);
		if (key->times.revoking <= 0)
			life_next_needed(view, index, next, look);
		break;
	case KEY_HELD:
		*look = watch(view, key);
		*next = stuck(key->times.retiring > 0 ? LIFE_INTEND_REVOKE : LIFE_ACTIVATE, "Held");
		break;
	case KEY_COMPROMISED:
		*next = next_compromised(view, key);
		break;
	case KEY_FAILED:
		*next = next_failed(view, index);
		break;
	case KEY_REVOKED:
		*next = next_revoked(view, key);
		break;
	case KEY_REMOVED:
		*next = next_removed(view, key);
		break;
	case KEY_DESTROYED:
		return;
	}
	life_wait_for_mirror(view, index, next);
	life_next_mirror(view, index, next, look);
}
