/*
 * life_steps.c - what happened, written into the row: each step of a key's life.
 * The reconciler calls one when it has done what life_decide() asked for; each looks at its guard
 * again, because the row may be another one by then. A step must never set a time that has not
 * come, and never unset revoking.
 */
#include <stdio.h>
#include "lib/keys/life_private.h"

/* ---- what all of them use ---- */

void
life_say(struct life_key *key, const char *why)
{
	key->changed = true;
	if (key->life.suspect && key->times.held > 0)
		return; /* why it was rolled back stays until it is released */
	snprintf(key->life.trouble, sizeof(key->life.trouble), "%s", why == NULL ? "" : why);
}

void
life_well(struct life_key *key)
{
	key->life.tries = 0;
	key->life.next_try = 0;
	life_say(key, "");
}

void
life_retry(struct life_key *key, const struct key_plan *plan, int64_t most_s, const char *why,
    int64_t now_utc)
{
	int doublings = key->life.tries < 20 ? key->life.tries : 20;
	int64_t wait = life_min(plan->retry_s << doublings, plan->retry_max_s);

	if (key->life.tries < 1000)
		key->life.tries++;
	key->life.next_try = life_sum(now_utc, life_min(wait, most_s));
	life_say(key, why);
}

void
life_symbols(struct life_key *key, const struct key_plan *plan)
{
	struct key_life *life = &key->life;

	if (life->lease_s > 0)
		return;
	life->lease_s = plan->lease_s;
	life->signature_s = plan->signature_s;
	life->error_s = plan->error_s;
	life->tomb_s = plan->tomb_s;
	life->ttl_s = life_max(life->ttl_s, plan->ttl_s);
	life->neg_s = life_max(life->neg_s, plan->neg_floor_s);
	key->changed = true;
}

void
life_freeze(struct life_key *key, const struct key_plan *plan, int64_t now_utc)
{
	life_symbols(key, plan);
	key->times.sign_until =
	    life_max(key->times.sign_until, life_sum(now_utc, life_lease(key, plan)));
	key->changed = true;
}

static void
observe_negative(struct life_key *key, const struct key_plan *plan, int64_t neg_s)
{
	int64_t neg = life_min(life_max(neg_s, plan->neg_floor_s), plan->neg_cap_s);

	key->life.neg_s = life_max(key->life.neg_s, neg);
}

/* ---- until it is published ---- */

void
life_prepared(struct life_key *key, const struct key_plan *plan, int64_t now_utc)
{
	(void)plan; /* its symbols are copied when the key is surveyed */
	if (key->times.created <= 0)
		key->times.created = now_utc;
	life_well(key);
}

/* Not begun, or begun by somebody who did nothing yet. */
static bool
may_be_surveyed(const struct life_key *key, int64_t now_utc)
{
	enum key_state state = life_state(key, now_utc);

	return state == KEY_PREPARED ||
	       (state == KEY_PUBLISHING && key->life.pending && !life_has_signed(key));
}

static void
begin(struct life_key *key, const struct key_plan *plan, const struct life_sight *sight,
    int64_t now_utc)
{
	struct key_life *life = &key->life;

	life->lease_s = 0;
	life_symbols(key, plan);
	life->ttl_s = life_max(life->ttl_s, plan->ttl_s);
	life->pending = false;
	snprintf(
	    life->target, sizeof(life->target), "%s", sight->target == NULL ? "" : sight->target);
	snprintf(
	    life->publisher, sizeof(life->publisher), "%s", life_publisher(plan, life->target));
	observe_negative(key, plan, sight->neg_s);
	life->prev_s = life_max(life->prev_s, sight->prev_s);
	key->times.publishing = now_utc;
	life_well(key);
}

bool
life_surveyed(struct life_key *key, const struct key_plan *plan, const struct life_sight *sight,
    int64_t now_utc)
{
	if (!may_be_surveyed(key, now_utc))
		return false;
	switch (sight->seen) {
	case LIFE_SEEN_RIGHT:
	case LIFE_SEEN_ABSENT:
	case LIFE_SEEN_WILDCARD:
		begin(key, plan, sight, now_utc);
		return true;
	case LIFE_SEEN_FOREIGN:
	case LIFE_SEEN_TOMBSTONE:
		return life_failed(key, sight->why, now_utc);
	default:
		if (life_state(key, now_utc) == KEY_PREPARED)
			key->life.pending = sight->customer;
		life_retry(key, plan, plan->retry_max_s, sight->why, now_utc);
		return true;
	}
}

/* An attempt that did not succeed; CONFLICT is for who calls. */
static void
not_done(struct life_key *key, const struct key_plan *plan, enum life_effect effect,
    const char *why, int64_t now_utc)
{
	key->life.pending = effect == LIFE_PENDING || effect == LIFE_CONFLICT;
	if (effect == LIFE_PENDING)
		life_retry(key, plan, LIFE_LOOK_GAP_S, why, now_utc);
	else
		life_retry(key, plan, plan->retry_max_s, why, now_utc);
	if (effect == LIFE_REFUSED)
		key->life.next_try = life_sum(now_utc, plan->retry_max_s);
}

/* What is in use was not there: it is put there again, and is looked at soon. */
static bool
mended(struct life_key *key, const struct key_plan *plan, enum life_effect effect, const char *why,
    int64_t now_utc)
{
	if (!key->life.drifted || key->times.publishing <= 0)
		return false;
	if (effect == LIFE_DONE) {
		key->life.drifted = false;
		key->life.looked = 0;
		key->life.next_try = life_sum(now_utc, plan->retry_s);
		key->changed = true;
		return true;
	}
	not_done(key, plan, effect, why, now_utc);
	if (effect == LIFE_PENDING || effect == LIFE_CONFLICT)
		key->life.looked = 0; /* and then it is looked at, not published again */
	return true;
}

bool
life_published(struct life_key *key, const struct key_plan *plan, enum life_effect effect,
    const char *why, int64_t now_utc)
{
	enum key_state state = life_state(key, now_utc);

	if ((state == KEY_ACTIVE || state == KEY_RETIRING || state == KEY_HELD) &&
	    key->times.revoking <= 0 && life_has_signed(key))
		return mended(key, plan, effect, why, now_utc);
	if (state != KEY_PUBLISHING)
		return false;
	if (effect == LIFE_CONFLICT)
		return life_failed(key, why, now_utc);
	if (effect != LIFE_DONE) {
		not_done(key, plan, effect, why, now_utc);
		return true;
	}
	key->times.published = now_utc;
	key->life.pending = false;
	life_well(key);
	return true;
}

/* ---- proven, loaded ---- */

bool
life_confirmed(
    struct life_key *key, const struct key_plan *plan, bool ok, const char *why, int64_t now_utc)
{
	if (life_state(key, now_utc) != KEY_PUBLISHED || key->life.proofs < plan->proofs ||
	    now_utc < life_confirm_at(key))
		return false;
	if (!ok) {
		life_retry(key, plan, plan->retry_max_s, why, now_utc);
		return true;
	}
	key->times.proven = now_utc;
	key->loading = UINT64_MAX; /* the store writes the epoch of the transaction */
	life_well(key);
	return true;
}

bool
life_loaded(struct life_key *key, int64_t now_utc)
{
	if (life_state(key, now_utc) != KEY_PROVEN)
		return false;
	key->times.loaded = now_utc;
	key->loading = 0; /* no gateway that comes later needs to try it before it signs */
	life_well(key);
	return true;
}

/* ---- in use ---- */

void
life_take_over(struct life_domain *domain, size_t index, int64_t now_utc)
{
	struct life_key *key = &domain->keys[index];

	for (size_t i = 0; i < domain->count; i++) {
		struct life_key *other = &domain->keys[i];

		if (i == index || life_state(other, now_utc) != KEY_ACTIVE ||
		    !life_same_algorithm(other, key))
			continue;
		life_freeze(other, &domain->plan, now_utc);
		other->times.retiring = now_utc;
	}
	key->times.active = now_utc;
	key->times.retiring = 0;
	key->times.sign_until = 0;
	life_well(key);
}

bool
life_activate(struct life_domain *domain, size_t index, int64_t now_utc)
{
	const struct life_key *key = &domain->keys[index];

	if (life_state(key, now_utc) != KEY_LOADED || key->times.proven <= 0 || key->life.drifted ||
	    now_utc < life_confirm_at(key) || life_mirror_lacks(domain, key))
		return false;
	life_take_over(domain, index, now_utc);
	return true;
}

bool
life_adopted(struct life_domain *domain, size_t index, int64_t now_utc)
{
	struct life_key *key = &domain->keys[index];

	if (!key->life.imported || life_state(key, now_utc) != KEY_PUBLISHED)
		return false;
	for (size_t i = 0; i < domain->count; i++)
		if (i != index && life_state(&domain->keys[i], now_utc) == KEY_ACTIVE &&
		    life_same_algorithm(&domain->keys[i], key))
			return false;
	key->times.proven = now_utc;
	key->times.loaded = now_utc;
	key->life.auth_first = key->life.auth_last = now_utc;
	life_take_over(domain, index, now_utc);
	return true;
}

/* ---- going ---- */

static bool
revoke_is_due(const struct life_domain *domain, size_t index, int64_t now_utc)
{
	const struct life_key *key = &domain->keys[index];
	enum key_state state = life_state(key, now_utc);

	if (key->times.revoking > 0 || !life_in_dns(key) ||
	    life_mirror_keeps(domain, index, now_utc))
		return false;
	if (state == KEY_COMPROMISED)
		return true;
	return state == KEY_RETIRING && now_utc >= life_revoke_at(key, &domain->plan) &&
	       life_may_leave(domain, index, now_utc);
}

/* Of one that others published. */
static void
name_publisher(struct life_key *key, const struct key_plan *plan)
{
	if (key->life.publisher[0] == '\0')
		snprintf(key->life.publisher, sizeof(key->life.publisher), "%s",
		    life_publisher(plan, key->life.target));
}

bool
life_intend_revoke(struct life_domain *domain, size_t index, int64_t now_utc)
{
	struct life_key *key = &domain->keys[index];

	if (!revoke_is_due(domain, index, now_utc))
		return false;
	life_symbols(key, &domain->plan);
	name_publisher(key, &domain->plan);
	key->times.revoking = now_utc;
	key->life.pending = false;
	life_well(key);
	return true;
}

bool
life_revoked(struct life_key *key, const struct key_plan *plan, enum life_effect effect,
    const char *why, int64_t now_utc)
{
	if (key->times.revoking <= 0 || key->times.revoked > 0)
		return false;
	if (effect != LIFE_DONE) {
		not_done(key, plan, effect, why, now_utc);
		return true;
	}
	key->times.revoked = now_utc;
	key->life.pending = false;
	life_well(key);
	return true;
}

static bool
remove_is_due(const struct life_domain *domain, size_t index, int64_t now_utc)
{
	const struct life_key *key = &domain->keys[index];
	enum key_state state = life_state(key, now_utc);

	if (key->life.removing > 0)
		return false;
	if (state == KEY_REVOKED)
		return now_utc >= life_remove_at(key, &domain->plan);
	if (state != KEY_FAILED || !life_in_dns(key) || life_mirror_keeps(domain, index, now_utc))
		return false;
	return !life_has_signed(key) || (now_utc >= life_revoke_at(key, &domain->plan) &&
					    life_may_leave(domain, index, now_utc));
}

bool
life_intend_remove(struct life_domain *domain, size_t index, int64_t now_utc)
{
	struct life_key *key = &domain->keys[index];

	if (!remove_is_due(domain, index, now_utc))
		return false;
	name_publisher(key, &domain->plan);
	key->life.removing = now_utc;
	key->life.pending = false;
	key->life.tries = 0;
	key->life.next_try = 0;
	key->changed = true;
	return true;
}

bool
life_removed(struct life_key *key, const struct key_plan *plan, enum life_effect effect,
    const char *why, int64_t now_utc)
{
	bool failed = life_state(key, now_utc) == KEY_FAILED;

	if (key->life.removing <= 0 || key->times.removed > 0)
		return false;
	/* Of one that never signed and is not there as we made it, nothing is ours. */
	if (effect == LIFE_CONFLICT && failed)
		effect = LIFE_DONE;
	if (effect != LIFE_DONE) {
		not_done(key, plan, effect, why, now_utc);
		return true;
	}
	key->times.removed = now_utc;
	key->life.pending = false;
	key->changed = true;
	return true;
}

bool
life_destroyed(struct life_key *key, int64_t now_utc)
{
	enum key_state state = life_state(key, now_utc);

	if (now_utc < life_destroy_at(key))
		return false;
	if (state != KEY_REMOVED &&
	    (life_in_dns(key) || (state != KEY_FAILED && state != KEY_COMPROMISED)))
		return false;
	key->times.destroyed = now_utc;
	key->changed = true;
	return true;
}

bool
life_failed(struct life_key *key, const char *why, int64_t now_utc)
{
	enum key_state state = life_state(key, now_utc);

	if (state > KEY_LOADED && state != KEY_HELD)
		return false;
	key->times.failed = now_utc;
	key->times.held = 0;
	key->life.pending = false;
	key->life.tries = 0;
	key->life.next_try = 0;
	life_say(key, why);
	memcpy(key->life.failure, key->life.trouble, sizeof(key->life.failure));
	return true;
}
