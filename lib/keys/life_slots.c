/*
 * life_slots.c - which slots of a domain with a delegation are taken, and until when.
 * life_decide.c asks before it lets a key be made, the reconciler before it takes a slot. It must
 * never count a slot as free whose key is not DESTROYED: what was there may be in a cache.
 */
#include <string.h>

#include "lib/keys/life_private.h"

int64_t
life_slot_free_at(const struct life_key *key)
{
	const struct key_life *life = &key->life;

	if (key->times.removed <= 0)
		return 0;
	return life_sum(
	    key->times.removed, life_sum(life->ttl_s, life_sum(life->neg_s, life->error_s)));
}

void
life_slot_follow(struct life_key *key, const struct life_key *destroyed)
{
	key->life.prev_s = life_max(key->life.prev_s, destroyed->life.ttl_s);
	key->life.neg_s = life_max(key->life.neg_s, destroyed->life.neg_s);
	key->changed = true;
}

static bool
is_there(const struct life_key *key, int64_t now_utc)
{
	return life_state(key, now_utc) != KEY_DESTROYED;
}

bool
life_slot_is_taken(const struct life_domain *domain, int slot, int64_t now_utc)
{
	for (size_t i = 0; i < domain->count; i++)
		if (is_there(&domain->keys[i], now_utc) &&
		    plan_slot_of(&domain->plan, domain->keys[i].selector) == slot)
			return true;
	return false;
}

/* Keys of an algorithm that have slots. */
static int
slots_of(const struct life_domain *domain, const char *algorithm, int64_t now_utc)
{
	int n = 0;

	for (size_t i = 0; i < domain->count; i++) {
		const struct life_key *key = &domain->keys[i];

		n += is_there(key, now_utc) && strcmp(key->algorithm, algorithm) == 0 &&
		     plan_slot_of(&domain->plan, key->selector) > 0;
	}
	return n;
}

int
life_slots_free(const struct life_domain *domain, size_t algorithm,
    const int made[PLAN_ALGORITHMS_MAX], int64_t now_utc)
{
	const struct key_plan *plan = &domain->plan;
	int free = plan->slots;

	if (plan->delegation[0] == '\0')
		return PLAN_SLOTS_MAX;
	for (int slot = 1; slot <= plan->slots; slot++)
		free -= life_slot_is_taken(domain, slot, now_utc);
	for (size_t i = 0; i < plan->algorithm_count; i++) {
		int has = slots_of(domain, plan->algorithms[i].name, now_utc) + made[i];

		free -= made[i];
		if (i != algorithm && has < PLAN_SLOTS_MIN)
			free -= PLAN_SLOTS_MIN - has;
	}
	return free > 0 ? free : 0;
}

/* From REVOKED on it is known. */
static int64_t
ends_at(const struct life_key *key, const struct key_plan *plan, int64_t now_utc)
{
	const struct key_life *life = &key->life;
	enum key_state state = life_state(key, now_utc);
	int64_t caches = life_sum(life->ttl_s, life_sum(life->neg_s, life->error_s));
	struct life_key later = *key;

	if (state == KEY_REMOVED)
		return life_max(life_destroy_at(key), now_utc);
	if (state == KEY_RETIRING)
		later.times.revoked = life_max(life_revoke_at(key, plan), now_utc);
	else if (state != KEY_REVOKED)
		return INT64_MAX;
	return life_sum(life_max(life_remove_at(&later, plan), now_utc), caches);
}

int64_t
life_slots_next_at(const struct life_domain *domain, int64_t now_utc)
{
	int64_t at = INT64_MAX;

	for (size_t i = 0; i < domain->count; i++)
		if (plan_slot_of(&domain->plan, domain->keys[i].selector) > 0)
			at = life_min(at, ends_at(&domain->keys[i], &domain->plan, now_utc));
	return at;
}

bool
life_is_misplaced(const struct life_domain *domain, const struct life_key *key)
{
	return domain->plan.delegation[0] != '\0' && !key->life.imported &&
	       plan_slot_of(&domain->plan, key->selector) == 0;
}
