/*
 * life_orders.c - what operators ask of a domain's keys: hold, release, retire, emergency,
 * rollback, rotate. signpost-admind calls them for the tools, in the one transaction of the
 * request. A refusal says why, and what would help. They must never leave mail unsigned unless they
 * are forced to.
 */
#include <inttypes.h>
#include <stdio.h>

#include "lib/keys/life_private.h"

static bool
refuse(struct err *why, const struct life_key *key, int64_t now_utc, const char *what)
{
	err_set(why, "key %s is %s: %s", key->id, key_state_name(life_state(key, now_utc)), what);
	return false;
}

/* It signs no more, and is a stand-by key as soon as it is released. */
static void
stop_signing(struct life_key *key, const struct key_plan *plan, int64_t now_utc)
{
	life_freeze(key, plan, now_utc);
	key->times.active = 0;
}

bool
life_hold(struct life_domain *domain, size_t index, int64_t now_utc, struct err *why)
{
	struct life_key *key = &domain->keys[index];
	enum key_state state = life_state(key, now_utc);

	if (state > KEY_RETIRING)
		return refuse(why, key, now_utc, "it cannot be held");
	if (key->times.revoking > 0)
		return refuse(why, key, now_utc, "its revocation has begun, nothing stops that");
	if (state == KEY_ACTIVE && !life_may_leave(domain, index, now_utc))
		return refuse(why, key, now_utc,
		    "no other key of its algorithm signs, mail would go unsigned; roll back, or "
		    "rotate first");
	if (state == KEY_ACTIVE)
		stop_signing(key, &domain->plan, now_utc);
	key->times.held = now_utc;
	key->changed = true;
	return true;
}

bool
life_release(struct life_domain *domain, size_t index, int64_t now_utc, struct err *why)
{
	struct life_key *key = &domain->keys[index];

	if (life_state(key, now_utc) != KEY_HELD)
		return refuse(why, key, now_utc, "it is not held");
	key->times.held = 0;
	key->life.looked = 0;
	key->life.pending = false;
	if (key->life.suspect)
		life_go_on(domain);
	key->life.suspect = false;
	key->life.checked = 0;
	if (!life_has_signed(key))
		key->life.drifted = false; /* its proofs have begun anew */
	life_well(key);
	return true;
}

static void
retire(struct life_domain *domain, size_t index, int64_t now_utc)
{
	struct life_key *key = &domain->keys[index];

	if (life_state(key, now_utc) == KEY_ACTIVE)
		life_freeze(key, &domain->plan, now_utc);
	life_symbols(key, &domain->plan);
	key->times.retiring = now_utc;
	key->times.held = 0;
	life_well(key);
}

bool
life_retire(struct life_domain *domain, size_t index, int64_t now_utc, struct err *why)
{
	struct life_key *key = &domain->keys[index];
	enum key_state state = life_state(key, now_utc);

	if (state < KEY_PROVEN ||
	    (state == KEY_HELD && key->times.proven <= 0 && !life_has_signed(key))) {
		return life_failed(key, "an operator gave it up", now_utc);
	}
	if (state != KEY_PROVEN && state != KEY_LOADED && state != KEY_ACTIVE && state != KEY_HELD)
		return refuse(why, key, now_utc, "it cannot retire");
	if (state == KEY_ACTIVE && !life_may_leave(domain, index, now_utc))
		return refuse(why, key, now_utc,
		    "no other key of its algorithm signs, mail would go unsigned; rotate instead");
	if (state == KEY_HELD && key->life.suspect)
		life_go_on(domain);
	retire(domain, index, now_utc);
	return true;
}

bool
life_discard(struct life_domain *domain, size_t index, int64_t now_utc, struct err *why)
{
	struct life_key *key = &domain->keys[index];
	struct life_key before = *key;
	enum key_state state = life_state(key, now_utc);

	if (state != KEY_PREPARED && state != KEY_FAILED && state != KEY_REMOVED)
		return refuse(why, key, now_utc,
		    "it is in DNS, or may be; let it retire, and it goes by itself");
	if (state == KEY_PREPARED)
		(void)life_failed(key, "an operator removed it", now_utc);
	if (!life_mirror_keeps(domain, index, now_utc) && life_destroyed(key, now_utc))
		return true;
	*key = before;
	return refuse(why, key, now_utc,
	    "something of it may still be in DNS, in a cache or in a mirror; it goes by itself "
	    "when that is over");
}

/* ---- emergency ---- */

/* The best key to take over from keys[index]; SIZE_MAX: none. weak: also one that gateways have not
 * tried yet. */
static size_t
stand_by(const struct life_domain *domain, size_t index, bool weak, int64_t now_utc)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < domain->count; i++) {
		const struct life_key *key = &domain->keys[i];
		enum key_state state = life_state(key, now_utc);

		if (i == index || !life_same_algorithm(key, &domain->keys[index]) ||
		    key->times.proven <= 0 ||
		    (state != KEY_LOADED && !(weak && state == KEY_PROVEN)))
			continue;
		/* One whose record was right for long, before one that came back just now. */
		if (best == SIZE_MAX || (life_confirm_at(&domain->keys[best]) > now_utc &&
					    life_confirm_at(key) <= now_utc))
			best = i;
	}
	return best;
}

static bool
replace_at_once(
    struct life_domain *domain, size_t index, bool force, int64_t now_utc, struct err *why)
{
	size_t best = stand_by(domain, index, false, now_utc);

	if (best == SIZE_MAX && force)
		best = stand_by(domain, index, true, now_utc);
	if (best != SIZE_MAX) {
		life_take_over(domain, best, now_utc);
		return true;
	}
	return force || life_other_active(domain, index, false, now_utc) ||
	       refuse(why, &domain->keys[index], now_utc,
		   "there is no stand-by key, mail would go unsigned or be deferred; force it, or "
		   "wait for the next key");
}

bool
life_emergency(
    struct life_domain *domain, size_t index, bool force, int64_t now_utc, struct err *why)
{
	struct life_key *key = &domain->keys[index];
	enum key_state state = life_state(key, now_utc);

	if (state >= KEY_REVOKED && state != KEY_HELD && state != KEY_FAILED)
		return refuse(why, key, now_utc, "there is nothing left to revoke");
	if (state == KEY_ACTIVE && domain->enabled &&
	    !replace_at_once(domain, index, force, now_utc, why))
		return false;
	if (state == KEY_HELD && key->life.suspect)
		life_go_on(domain);
	life_symbols(key, &domain->plan);
	key->times.compromised = now_utc;
	key->life.pending = false;
	key->life.next_try = 0;
	key->life.tries = 0;
	key->changed = true;
	return true;
}

/* ---- rollback ---- */

size_t
life_predecessor(const struct life_domain *domain, size_t index, int64_t now_utc)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < domain->count; i++) {
		const struct life_key *key = &domain->keys[i];

		if (i == index || life_state(key, now_utc) != KEY_RETIRING ||
		    !life_same_algorithm(key, &domain->keys[index]) || key->times.revoking > 0 ||
		    key->times.active <= 0)
			continue;
		if (best == SIZE_MAX || key->times.retiring > domain->keys[best].times.retiring)
			best = i;
	}
	return best;
}

bool
life_rollback(struct life_domain *domain, size_t index, int64_t now_utc, struct err *why)
{
	struct life_key *key = &domain->keys[index];
	struct life_key *before;
	size_t at = life_predecessor(domain, index, now_utc);

	if (life_state(key, now_utc) != KEY_ACTIVE)
		return refuse(why, key, now_utc, "only the key that signs can be rolled back");
	if (at == SIZE_MAX)
		return refuse(why, key, now_utc,
		    "there is no key before it that is still published; use emergency");
	before = &domain->keys[at];
	if (before->life.drifted ||
	    (before->life.auth_first > 0 && life_confirm_at(before) > now_utc))
		return refuse(why, before, now_utc,
		    "its record was not there as it should be, nothing signs with it again");
	before->times.active = now_utc; /* its interval begins anew */
	before->times.retiring = 0;
	before->times.sign_until = 0;
	before->changed = true;
	stop_signing(key, &domain->plan, now_utc);
	key->times.held = now_utc;
	return true;
}

/* A key that signs since this very second is one to be replaced, too: clocks of seconds would say
 * that it is the new one, and nothing would happen. */
static int64_t
later_than_active(const struct life_domain *domain, int64_t now_utc)
{
	int64_t asked = now_utc;

	for (size_t i = 0; i < domain->count; i++) {
		const struct key_times *t = &domain->keys[i].times;

		if (key_state_at(t, now_utc) == KEY_ACTIVE && t->active >= asked)
			asked = t->active + 1;
	}
	return asked;
}

static bool
is_planned(const struct key_plan *plan, const char *algorithm)
{
	for (size_t i = 0; i < plan->algorithm_count; i++)
		if (strcmp(plan->algorithms[i].name, algorithm) == 0)
			return true;
	return false;
}

bool
life_is_rotating(const struct life_domain *domain, int64_t now_utc)
{
	bool any = false;

	for (size_t i = 0; i < domain->count; i++) {
		const struct life_key *key = &domain->keys[i];

		if (key_state_at(&key->times, now_utc) != KEY_ACTIVE ||
		    !is_planned(&domain->plan, key->algorithm))
			continue;
		any = true;
		if (key->times.active < domain->life.rotate_asked)
			return true;
	}
	return domain->life.rotate_asked > 0 && !any;
}

bool
life_rotate(struct life_domain *domain, int64_t not_before, const char *reason, int64_t now_utc,
    struct err *why)
{
	if (!domain->plan.manage || !domain->enabled) {
		err_set(why, "%.*s is %s", SPAN_ARG(domain->name),
		    domain->enabled ? "not managed by its policy's plan" : "disabled");
		return false;
	}
	domain->life.rotate_asked = later_than_active(domain, now_utc);
	domain->life.rotate_at = not_before;
	snprintf(
	    domain->life.reason, sizeof(domain->life.reason), "%s", reason == NULL ? "" : reason);
	domain->changed = true;
	return true;
}
