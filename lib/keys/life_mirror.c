/*
 * life_mirror.c - the key that a foreign store of plain keys has to show: before a key signs it is
 * there, and the one that was there is not revoked before it is gone from there.
 * life_next.c asks what is to be done, the reconciler calls life_mirrored() and life_unmirrored()
 * after it. It must never send a key there that is not proven, nor let one be revoked in peace
 * while readers of the mirror sign with it; an emergency waits for one attempt, not for success.
 */
#include <stdio.h>
#include <string.h>

#include "lib/keys/life_private.h"

static bool
may_be_there(const struct life_key *key)
{
	return key->life.mirrored > 0 || key->life.mirroring > 0;
}

/* May another key stand in its place? Nobody knows what came of the attempt to write that one. */
static bool
is_doubtful(const struct life_domain *domain, const struct life_key *key)
{
	for (size_t i = 0; i < domain->count; i++)
		if (&domain->keys[i] != key && domain->keys[i].life.mirroring > 0 &&
		    strcmp(domain->keys[i].life.mirror, key->life.mirror) == 0)
			return true;
	return false;
}

static bool
is_there(const struct life_domain *domain, const struct life_key *key)
{
	return key->life.mirrored > 0 && strcmp(key->life.mirror, domain->plan.mirror) == 0 &&
	       !is_doubtful(domain, key);
}

/* Readers of such stores know one key for a domain, and that is an RSA key. */
static bool
follows(const struct life_domain *domain, const struct life_key *key)
{
	return domain->enabled && domain->plan.manage && domain->plan.mirror[0] != '\0' &&
	       strcmp(key->algorithm, "rsa-sha256") == 0;
}

bool
life_mirror_lacks(const struct life_domain *domain, const struct life_key *key)
{
	return follows(domain, key) && !is_there(domain, key);
}

/* The one that is to take over is there already, or on its way. */
static bool
successor_comes(const struct life_domain *domain, int64_t now_utc)
{
	for (size_t i = 0; i < domain->count; i++)
		if (life_state(&domain->keys[i], now_utc) == KEY_LOADED &&
		    may_be_there(&domain->keys[i]) &&
		    strcmp(domain->keys[i].life.mirror, domain->plan.mirror) == 0)
			return true;
	return false;
}

static const struct life_key *
signing(const struct life_domain *domain, int64_t now_utc)
{
	for (size_t i = 0; i < domain->count; i++)
		if (life_state(&domain->keys[i], now_utc) == KEY_ACTIVE &&
		    follows(domain, &domain->keys[i]))
			return &domain->keys[i];
	return NULL;
}

/* Has it to be taken out? Not while another key takes its place. */
static bool
must_leave(const struct life_domain *domain, const struct life_key *key, int64_t now_utc)
{
	enum key_state state = life_state(key, now_utc);

	if (!may_be_there(key) || (!domain->plan.manage && state == KEY_ACTIVE))
		return false;
	if (!domain->enabled || strcmp(key->life.mirror, domain->plan.mirror) != 0)
		return true;
	return signing(domain, now_utc) == NULL && state > KEY_ACTIVE && state != KEY_HELD;
}

struct life_step
life_mirror_step(const struct life_view *view, const struct life_key *key)
{
	int64_t again = is_there(view->domain, key)
			    ? life_sum(key->life.mirrored, view->domain->plan.drift_s)
			    : 0;

	return (struct life_step){.set = true,
	    .what = may_be_there(key) ? LIFE_MIRROR : LIFE_INTEND_MIRROR,
	    .at = life_max(again, key->life.mirror_try),
	    .by = "Mirror"};
}

void
life_next_mirror(
    const struct life_view *view, size_t index, struct life_step *next, struct life_step *look)
{
	const struct life_domain *domain = view->domain;
	const struct life_key *key = &domain->keys[index];
	struct life_step mirror;

	if (must_leave(domain, key, view->now)) {
		mirror = (struct life_step){
		    .set = true, .what = LIFE_UNMIRROR, .at = key->life.mirror_try, .by = "Mirror"};
		/* A compromised key is revoked, whatever the mirror says. */
		if (life_ready(&mirror, view->now) || life_state(key, view->now) != KEY_COMPROMISED)
			*next = mirror;
		return;
	}
	if (life_state(key, view->now) != KEY_ACTIVE || !follows(domain, key) ||
	    successor_comes(domain, view->now))
		return;
	mirror = life_mirror_step(view, key);
	if (!is_there(domain, key) || life_ready(&mirror, view->now)) {
		if (!next->set || life_ready(&mirror, view->now))
			*next = mirror;
	} else if (!look->set || look->at > mirror.at) {
		*look = mirror;
	}
}

bool
life_mirror_keeps(const struct life_domain *domain, size_t index, int64_t now_utc)
{
	const struct life_key *key = &domain->keys[index];
	const struct life_key *after = signing(domain, now_utc);
	enum key_state state = life_state(key, now_utc);

	if (!may_be_there(key))
		return false;
	if (state == KEY_COMPROMISED)
		return after != NULL && after->life.mirror_tries == 0;
	return state == KEY_RETIRING || state == KEY_FAILED;
}

void
life_wait_for_mirror(const struct life_view *view, size_t index, struct life_step *next)
{
	if (!next->set || (next->what != LIFE_INTEND_REVOKE && next->what != LIFE_INTEND_REMOVE) ||
	    !life_mirror_keeps(view->domain, index, view->now))
		return;
	next->stuck = true;
	next->by = "Mirror";
}

/* ---- what happened ---- */

static void
not_written(struct life_key *key, const struct key_plan *plan, const char *why, int64_t now_utc)
{
	int doublings = key->life.mirror_tries < 20 ? key->life.mirror_tries : 20;

	if (key->life.mirror_tries < 1000)
		key->life.mirror_tries++;
	key->life.mirror_try =
	    life_sum(now_utc, life_min(plan->retry_s << doublings, plan->retry_max_s));
	life_say(key, why);
}

static void
is_done(struct life_key *key)
{
	key->life.mirror_tries = 0;
	key->life.mirror_try = 0;
	life_say(key, "");
}

/* Readers of the mirror may have signed with it until now. An ACTIVE one signs on, and has its
 * lease when it retires. */
static void
leaves(struct life_key *key, int64_t now_utc)
{
	key->life.mirrored = key->life.mirroring = 0;
	if (life_state(key, now_utc) != KEY_ACTIVE)
		key->times.sign_until = life_max(key->times.sign_until, now_utc);
	key->changed = true;
}

/* All that this mirror has, or may have, but stays (NULL: all). */
static void
all_leave(
    struct life_domain *domain, const char *mirror, const struct life_key *stays, int64_t now_utc)
{
	for (size_t i = 0; i < domain->count; i++) {
		struct life_key *key = &domain->keys[i];

		if (key != stays && may_be_there(key) && strcmp(key->life.mirror, mirror) == 0)
			leaves(key, now_utc);
	}
}

bool
life_intend_mirror(struct life_domain *domain, size_t index, int64_t now_utc)
{
	struct life_key *key = &domain->keys[index];
	enum key_state state = life_state(key, now_utc);

	if (!follows(domain, key) || may_be_there(key) ||
	    (state != KEY_LOADED && state != KEY_ACTIVE))
		return false;
	snprintf(key->life.mirror, sizeof(key->life.mirror), "%s", domain->plan.mirror);
	key->life.mirroring = now_utc;
	key->changed = true;
	return true;
}

bool
life_mirrored(struct life_domain *domain, size_t index, enum life_effect effect, const char *why,
    int64_t now_utc)
{
	struct life_key *key = &domain->keys[index];
	enum key_state state = life_state(key, now_utc);

	if (!follows(domain, key) || (state != KEY_LOADED && state != KEY_ACTIVE))
		return false;
	if (effect != LIFE_DONE) {
		not_written(key, &domain->plan, why, now_utc);
		return true;
	}
	snprintf(key->life.mirror, sizeof(key->life.mirror), "%s", domain->plan.mirror);
	key->life.mirrored = now_utc;
	key->life.mirroring = 0;
	is_done(key);
	all_leave(domain, key->life.mirror, key, now_utc);
	return true;
}

bool
life_unmirrored(struct life_domain *domain, size_t index, enum life_effect effect, const char *why,
    int64_t now_utc)
{
	struct life_key *key = &domain->keys[index];

	if (!may_be_there(key))
		return false;
	/* What is there is somebody else's: ours is not. */
	if (effect != LIFE_DONE && effect != LIFE_CONFLICT) {
		not_written(key, &domain->plan, why, now_utc);
		return true;
	}
	is_done(key);
	all_leave(domain, key->life.mirror, NULL, now_utc);
	return true;
}
