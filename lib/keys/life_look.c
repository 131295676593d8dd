/*
 * life_look.c - what the authoritative servers were seen to say of a key's record, written into
 * its row: proofs, drift, and the end of what somebody does by hand.
 * The reconciler calls life_looked() after PROVE and LOOK. It must never let an older sight stand
 * for a newer one: whatever is not right makes the proofs begin anew.
 */
#include "lib/keys/life_private.h"

static bool
is_gone(enum life_seen seen)
{
	return seen == LIFE_SEEN_ABSENT || seen == LIFE_SEEN_WILDCARD;
}

/* Whatever else is there, caches may have it for so long. */
static void
remember_others(struct life_key *key, const struct key_plan *plan, const struct life_sight *sight)
{
	int64_t neg = life_min(life_max(sight->neg_s, plan->neg_floor_s), plan->neg_cap_s);

	key->life.neg_s = life_max(key->life.neg_s, neg);
	if (sight->seen != LIFE_SEEN_RIGHT)
		key->life.prev_s = life_max(key->life.prev_s, sight->prev_s);
	else if (sight->prev_s > key->life.ttl_s)
		key->life.ttl_s = life_min(sight->prev_s, PLAN_DURATION_MAX);
}

static void
forget_proofs(struct life_key *key)
{
	key->life.proofs = 0;
	key->life.auth_first = 0;
	key->times.proven = 0;
	key->times.loaded = 0;
	key->loading = 0;
	key->changed = true;
}

/* ---- on the way, and stand-by ---- */

static void
begin_proofs(struct life_key *key, int64_t now_utc)
{
	key->life.proofs = 1;
	key->life.auth_first = now_utc;
}

/* All servers have it. */
static void
proved(struct life_key *key, const struct key_plan *plan, int64_t now_utc)
{
	struct key_life *life = &key->life;

	if (key->times.published <= 0)
		key->times.published = now_utc;
	if (life->proofs <= 0 || life->auth_first <= 0 || life->auth_first > now_utc) {
		begin_proofs(key, now_utc);
	} else if (life->proofs < plan->proofs) {
		if (now_utc > life_sum(life->auth_last, life_proof_gap_max(plan)))
			begin_proofs(key, now_utc);
		else if (now_utc >= life_sum(life->auth_last, plan->proof_gap_s))
			life->proofs++;
		else
			return; /* too soon to count */
	}
	life->auth_last = now_utc;
	life->pending = false;
	life->drifted = false;
	life_well(key);
}

/* Not all servers have it, and it is on the way. Somebody who publishes by hand may correct what is
 * wrong; so may one whose second record is in the way of ours. */
static void
not_there_yet(struct life_key *key, const struct key_plan *plan, const struct life_sight *sight,
    int64_t now_utc)
{
	/* A server that is silent while caches are waited for says nothing against the proofs. */
	if (sight->seen != LIFE_SEEN_UNAVAILABLE || key->life.proofs < plan->proofs)
		forget_proofs(key);
	if (key->times.published > 0) /* by us: then only the way to it can be somebody else's */
		key->life.pending = sight->customer;
	life_retry(key, plan, LIFE_LOOK_GAP_S, sight->why, now_utc);
	if (is_gone(sight->seen) && !sight->customer && key->life.tries % LIFE_ABSENT_MAX == 0)
		key->times.published = 0;
}

/* It was proven, and is not there any more. */
static void
lost(struct life_key *key, const struct key_plan *plan, const struct life_sight *sight,
    int64_t now_utc)
{
	if (sight->seen == LIFE_SEEN_UNAVAILABLE) { /* nothing is known */
		life_retry(key, plan, plan->retry_max_s, sight->why, now_utc);
		return;
	}
	forget_proofs(key);
	key->life.tries = 0;
	if (sight->customer) {
		key->life.pending = true;
		life_retry(key, plan, LIFE_LOOK_GAP_S, sight->why, now_utc);
		return;
	}
	if (sight->seen == LIFE_SEEN_FOREIGN || sight->seen == LIFE_SEEN_TOMBSTONE) {
		(void)life_failed(key, sight->why, now_utc);
		return;
	}
	if (is_gone(sight->seen))
		key->times.published = 0;
	life_retry(key, plan, plan->retry_max_s, sight->why, now_utc);
}

/* ---- in use: it signs on, whatever is seen ---- */

static void
watched(struct life_key *key, const struct key_plan *plan, const struct life_sight *sight,
    int64_t now_utc)
{
	if (sight->seen == LIFE_SEEN_RIGHT) {
		if (key->life.auth_first <= 0)
			key->life.auth_first = now_utc;
		key->life.auth_last = now_utc;
		key->life.drifted = false;
		key->life.pending = false;
		life_well(key);
		return;
	}
	if (sight->seen != LIFE_SEEN_UNAVAILABLE) {
		key->life.drifted = true;
		key->life.auth_first = 0;
		/* What is in the way is not touched, only looked at. */
		key->life.pending = sight->customer || sight->seen == LIFE_SEEN_FOREIGN ||
				    sight->seen == LIFE_SEEN_TOMBSTONE;
	}
	life_retry(key, plan, plan->retry_max_s, sight->why, now_utc);
}

/* ---- going: somebody else's to do, or something else was there ---- */

static void
watched_revoking(struct life_key *key, const struct key_plan *plan, const struct life_sight *sight,
    int64_t now_utc)
{
	switch (sight->seen) {
	case LIFE_SEEN_TOMBSTONE:
	case LIFE_SEEN_ABSENT:
	case LIFE_SEEN_WILDCARD:
	case LIFE_SEEN_FOREIGN: /* ours is nowhere, and theirs is not ours to touch */
		(void)life_revoked(key, plan, LIFE_DONE, "", now_utc);
		return;
	case LIFE_SEEN_RIGHT:
		key->life.pending = false; /* it can be tried again */
		break;
	default:
		break;
	}
	life_retry(key, plan, LIFE_LOOK_GAP_S, sight->why, now_utc);
}

static void
watched_removing(struct life_key *key, const struct key_plan *plan, const struct life_sight *sight,
    int64_t now_utc)
{
	bool revoked = key->times.revoked > 0;

	if (is_gone(sight->seen) || sight->seen == LIFE_SEEN_FOREIGN ||
	    (sight->seen == LIFE_SEEN_TOMBSTONE && !revoked)) {
		(void)life_removed(key, plan, LIFE_DONE, "", now_utc);
		return;
	}
	if (sight->seen == LIFE_SEEN_RIGHT && revoked) { /* somebody put it back */
		key->times.revoked = 0;
		key->life.removing = 0;
	}
	if (sight->seen == LIFE_SEEN_RIGHT || sight->seen == LIFE_SEEN_TOMBSTONE)
		key->life.pending = false; /* all servers agree: it can be tried again */
	life_retry(key, plan, LIFE_LOOK_GAP_S, sight->why, now_utc);
}

/* ---- all ---- */

static bool
looked_at_use(struct life_key *key, const struct key_plan *plan, const struct life_sight *sight,
    int64_t now_utc)
{
	enum key_state state = life_state(key, now_utc);

	switch (state) {
	case KEY_PUBLISHING:
	case KEY_PUBLISHED:
		if (sight->seen == LIFE_SEEN_RIGHT)
			proved(key, plan, now_utc);
		else
			not_there_yet(key, plan, sight, now_utc);
		return true;
	case KEY_PROVEN:
	case KEY_LOADED:
		if (sight->seen == LIFE_SEEN_RIGHT)
			proved(key, plan, now_utc);
		else
			lost(key, plan, sight, now_utc);
		return true;
	case KEY_HELD:
		if (!life_has_signed(key) && sight->seen != LIFE_SEEN_RIGHT &&
		    sight->seen != LIFE_SEEN_UNAVAILABLE)
			forget_proofs(key);
		watched(key, plan, sight, now_utc);
		return true;
	case KEY_ACTIVE:
	case KEY_RETIRING:
		watched(key, plan, sight, now_utc);
		return true;
	default:
		return false;
	}
}

bool
life_looked(struct life_key *key, const struct key_plan *plan, const struct life_sight *sight,
    int64_t now_utc)
{
	const struct key_times *t = &key->times;
	bool removing = key->life.removing > 0 && t->removed <= 0;
	bool revoking = t->revoking > 0 && t->revoked <= 0 && t->removed <= 0;

	if (t->destroyed > 0)
		return false;
	if (removing)
		watched_removing(key, plan, sight, now_utc);
	else if (revoking)
		watched_revoking(key, plan, sight, now_utc);
	else if (!looked_at_use(key, plan, sight, now_utc))
		return false;
	if (t->active > 0)
		life_symbols(key, plan);
	remember_others(key, plan, sight);
	if (sight->seen != LIFE_SEEN_UNAVAILABLE)
		key->life.looked = now_utc;
	key->changed = true;
	return true;
}
