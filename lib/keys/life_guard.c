/*
 * life_guard.c - the waiting times of a key's life, computed from its row.
 * life_decide.c asks before it lets a step be done, the steps ask again before they change a row,
 * so that neither the order of events nor an impatient caller can shorten a wait. It must never
 * look at a clock, and never take a plan's symbol where the row has its own.
 */
#include <string.h>

#include "lib/keys/life_private.h"

enum key_state
life_state(const struct life_key *key, int64_t now_utc)
{
	return key_state_at(&key->times, now_utc);
}

bool
life_has_signed(const struct life_key *key)
{
	return key->times.active > 0 || key->times.sign_until > 0;
}

bool
life_in_dns(const struct life_key *key)
{
	const struct key_times *t = &key->times;

	return t->publishing > 0 || t->published > 0 || life_has_signed(key);
}

int64_t
life_confirm_at(const struct life_key *key)
{
	const struct key_life *life = &key->life;

	if (life->auth_first <= 0)
		return INT64_MAX;
	return life_sum(
	    life->auth_first, life_sum(life_max(life->neg_s, life->prev_s), life->error_s));
}

int64_t
life_lease(const struct life_key *key, const struct key_plan *plan)
{
	return key->life.lease_s > 0 ? key->life.lease_s : plan->lease_s;
}

int64_t
life_revoke_at(const struct life_key *key, const struct key_plan *plan)
{
	const struct key_life *life = &key->life;
	int64_t signature = life->signature_s > 0 ? life->signature_s : plan->signature_s;
	int64_t error = life->error_s > 0 ? life->error_s : plan->error_s;
	int64_t until = key->times.sign_until;

	/* A row without sign_until was not retired here: whoever did it granted a lease at most. */
	if (until <= 0)
		until = life_sum(key->times.retiring, life_lease(key, plan));
	return life_sum(until, life_sum(signature, error));
}

int64_t
life_remove_at(const struct life_key *key, const struct key_plan *plan)
{
	int64_t tomb = key->life.lease_s > 0 ? key->life.tomb_s : plan->tomb_s;
	int64_t ttl = key->life.ttl_s > 0 ? key->life.ttl_s : plan->ttl_s;

	return life_sum(key->times.revoked, life_max(tomb, ttl));
}

int64_t
life_destroy_at(const struct life_key *key)
{
	return key->life.target[0] == '\0' ? 0 : life_slot_free_at(key);
}

const char *
life_publisher(const struct key_plan *plan, const char *target)
{
	return plan->delegation[0] != '\0' && target[0] == '\0' ? "manual" : plan->publisher;
}

int64_t
life_proof_gap_max(const struct key_plan *plan)
{
	return life_max(LIFE_PROOF_GAP_MAX_S, 3 * plan->proof_gap_s);
}

bool
life_same_algorithm(const struct life_key *a, const struct life_key *b)
{
	return strcmp(a->algorithm, b->algorithm) == 0;
}

bool
life_wanted(const struct key_plan *plan, const struct life_key *key)
{
	for (size_t i = 0; i < plan->algorithm_count; i++)
		if (strcmp(plan->algorithms[i].name, key->algorithm) == 0)
			return true;
	return false;
}

bool
life_other_active(const struct life_domain *domain, size_t index, bool any, int64_t now_utc)
{
	for (size_t i = 0; i < domain->count; i++)
		if (i != index && key_may_sign(&domain->keys[i].times, now_utc) &&
		    (any || life_same_algorithm(&domain->keys[i], &domain->keys[index])))
			return true;
	return false;
}

bool
life_may_leave(const struct life_domain *domain, size_t index, int64_t now_utc)
{
	bool any = domain->plan.manage && !life_wanted(&domain->plan, &domain->keys[index]);

	return !domain->enabled || life_other_active(domain, index, any, now_utc);
}
