/*
 * life_canary.c - what is done when gateways say that signatures of the key in use do not verify:
 * we look ourselves, and go back to the key before it if that is so, it is early enough and that
 * one can be verified. life_next.c asks it of ACTIVE and RETIRING keys, the reconciler calls the
 * two steps. It must never let a key sign again of which nobody looked just now, nor believe a
 * gateway alone.
 */
#include <stdio.h>
#include <string.h>

#include "lib/keys/life_private.h"

/* Between two looks: at what is wrong or unknown, and at what is right for us. */
#define CHECK_GAP_S 30

static bool
says_failing(const struct life_view *view, const struct life_key *key, struct life_failing *out)
{
	const struct life_gateways *gateways = view->gateways;

	return view->domain->plan.manage && view->domain->enabled && gateways->failing != NULL &&
	       life_state(key, view->now) == KEY_ACTIVE &&
	       gateways->failing(gateways->context, key, out);
}

static bool
was_checked(const struct life_key *key)
{
	return key->life.checked > 0 && key->life.checked >= key->times.active;
}

static bool
in_window(const struct life_domain *domain, const struct life_key *key, int64_t now_utc)
{
	return now_utc < life_sum(key->times.active, domain->plan.canary_window_s);
}

static bool
is_fresh(int64_t at, int64_t now_utc)
{
	return at > 0 && now_utc <= life_sum(at, LIFE_CHECK_FRESH_S);
}

/* ---- when ---- */

static bool
may_roll_back(const struct life_domain *domain, size_t index, int64_t now_utc)
{
	const struct life_key *key = &domain->keys[index], *before;
	size_t at = life_predecessor(domain, index, now_utc);

	if (life_state(key, now_utc) != KEY_ACTIVE || !key->life.suspect || !was_checked(key) ||
	    !is_fresh(key->life.checked, now_utc) || !in_window(domain, key, now_utc) ||
	    at == SIZE_MAX || !domain->plan.manage || !domain->enabled)
		return false;
	before = &domain->keys[at];
	return !before->life.drifted && is_fresh(before->life.auth_last, now_utc) &&
	       life_confirm_at(before) <= now_utc;
}

bool
life_rolls_back(const struct life_view *view)
{
	struct life_failing failing;

	for (size_t i = 0; i < view->domain->count; i++)
		if (may_roll_back(view->domain, i, view->now) &&
		    says_failing(view, &view->domain->keys[i], &failing))
			return true;
	return false;
}

static int64_t
check_at(const struct life_key *key)
{
	bool settled = !key->life.suspect && key->life.tries == 0;

	if (!was_checked(key))
		return 0;
	return life_sum(key->life.checked, settled ? LIFE_LOOK_GAP_S : CHECK_GAP_S);
}

void
life_next_failing(
    const struct life_view *view, size_t index, struct life_step *next, struct life_step *look)
{
	const struct life_key *key = &view->domain->keys[index];
	struct life_failing failing;

	if (!says_failing(view, key, &failing))
		return;
	if (may_roll_back(view->domain, index, view->now))
		*next = (struct life_step){.set = true, .what = LIFE_ROLLBACK};
	else if (look->what != LIFE_PUBLISH || !life_ready(look, view->now))
		*look = (struct life_step){.set = true, .what = LIFE_CHECK, .at = check_at(key)};
}

/* Is it the one that keys[other] would be rolled back to? */
static bool
is_before(const struct life_view *view, size_t index, size_t other)
{
	const struct life_key *key = &view->domain->keys[other];
	struct life_failing failing;

	return other != index && says_failing(view, key, &failing) &&
	       in_window(view->domain, key, view->now) &&
	       life_predecessor(view->domain, other, view->now) == index;
}

static void
look_soon(const struct key_life *life, struct life_step *look)
{
	*look = (struct life_step){.set = true,
	    .what = LIFE_LOOK,
	    .at = life->tries > 0 ? life->next_try : life_sum(life->looked, CHECK_GAP_S)};
}

void
life_next_needed(
    const struct life_view *view, size_t index, struct life_step *next, struct life_step *look)
{
	for (size_t i = 0; i < view->domain->count; i++) {
		const struct life_key *key = &view->domain->keys[i];

		if (!is_before(view, index, i))
			continue;
		/* It is about to sign again: whatever else is done now might be in the way. */
		if (may_roll_back(view->domain, i, view->now))
			next->set = look->set = false;
		else if ((key->life.suspect || !was_checked(key)) && look->what != LIFE_PUBLISH)
			look_soon(&view->domain->keys[index].life, look);
	}
}

/* ---- what came of it ---- */

static void
say(struct life_key *key, const char *why, const struct life_failing *failing)
{
	char text[LIFE_TROUBLE_MAX];
	bool suspect = key->life.suspect;

	snprintf(text, sizeof(text),
	    "%zu of %zu gateways cannot verify what was signed with it (%s: %s)%s%s",
	    failing->gateways, failing->of, failing->node, failing->why,
	    !suspect         ? "; all is right from here: what does DNS say there?"
	    : why[0] != '\0' ? ": "
			     : "",
	    suspect ? why : "");
	life_say(key, text);
}

bool
life_checked(struct life_key *key, const struct key_plan *plan, const struct life_sight *sight,
    enum life_found found, const char *why, const struct life_failing *failing, int64_t now_utc)
{
	bool right = sight->seen == LIFE_SEEN_RIGHT;

	if (!life_looked(key, plan, sight, now_utc))
		return false;
	if (life_state(key, now_utc) != KEY_ACTIVE)
		return true; /* another one has taken over meanwhile */
	key->life.checked = now_utc;
	if (right && found == LIFE_FOUND_UNAVAILABLE)
		life_retry(key, plan, LIFE_LOOK_GAP_S, why, now_utc);
	if (sight->seen == LIFE_SEEN_UNAVAILABLE || (right && found == LIFE_FOUND_UNAVAILABLE))
		return true; /* what was found last still holds */
	key->life.suspect = !right || found == LIFE_FOUND_WRONG;
	say(key, right ? why : sight->why, failing);
	return true;
}

bool
life_rolled_back(struct life_domain *domain, size_t index, int64_t now_utc)
{
	struct life_key *key = &domain->keys[index];
	struct err ignored = ERR_NONE;
	char text[LIFE_TROUBLE_MAX];

	if (!may_roll_back(domain, index, now_utc) ||
	    !life_rollback(domain, index, now_utc, &ignored))
		return false;
	snprintf(text, sizeof(text), "rolled back: %.380s", key->life.trouble);
	memcpy(key->life.trouble, text, sizeof(text));
	key->changed = true;
	domain->life.paused = domain->life.rolled_back = now_utc;
	domain->life.rotate_asked = domain->life.rotate_at = 0; /* that was this one */
	snprintf(domain->life.reason, sizeof(domain->life.reason), "key %s %.300s", key->id, text);
	domain->changed = true;
	return true;
}

void
life_go_on(struct life_domain *domain)
{
	if (domain->life.rolled_back <= 0)
		return;
	if (domain->life.paused == domain->life.rolled_back) {
		domain->life.paused = 0;
		domain->life.reason[0] = '\0';
	}
	domain->life.rolled_back = 0;
	domain->changed = true;
}
