/*
 * state.c - what state a key is in, from its times.
 * The keeper asks before it signs, route.c when it chooses a key, the tools and the life cycle for
 * everything they show or do. It must never look at a clock or at anything but its arguments.
 */
#include <stddef.h>

#include "lib/keys/state.h"

/* A step that may be planned. */
static bool
reached(int64_t at, int64_t now)
{
	return at > 0 && at <= now;
}

/* A fact: it stands from when it is written. */
static bool
written(int64_t at)
{
	return at > 0;
}

static bool
gone(const struct key_times *t, enum key_state *state_out)
{
	if (written(t->destroyed))
		*state_out = KEY_DESTROYED;
	else if (written(t->removed))
		*state_out = KEY_REMOVED;
	else if (written(t->revoked))
		*state_out = KEY_REVOKED;
	else
		return false;
	return true;
}

static enum key_state
furthest_step(const struct key_times *t, int64_t now)
{
	const struct {
		int64_t at;
		enum key_state state;
	} steps[] = {
	    {t->retiring, KEY_RETIRING},
	    {t->active, KEY_ACTIVE},
	    {t->loaded, KEY_LOADED},
	    {t->proven, KEY_PROVEN},
	    {t->published, KEY_PUBLISHED},
	    {t->publishing, KEY_PUBLISHING},
	};

	if (written(t->revoking))
		return KEY_RETIRING;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (reached(steps[i].at, now))
			return steps[i].state;
	return KEY_PREPARED;
}

enum key_state
key_state_at(const struct key_times *times, int64_t now_utc)
{
	enum key_state state;

	if (gone(times, &state))
		return state;
	if (written(times->compromised))
		return KEY_COMPROMISED;
	if (reached(times->failed, now_utc))
		return KEY_FAILED;
	if (reached(times->held, now_utc))
		return KEY_HELD;
	return furthest_step(times, now_utc);
}

static bool
lease_ended(const struct key_times *times, int64_t now_utc)
{
	return reached(times->sign_until, now_utc);
}

bool
key_may_sign(const struct key_times *times, int64_t now_utc)
{
	return key_state_at(times, now_utc) == KEY_ACTIVE && !written(times->revoking) &&
	       !lease_ended(times, now_utc);
}

bool
key_lease_over(const struct key_times *times, int64_t now_utc)
{
	return key_state_at(times, now_utc) == KEY_ACTIVE && lease_ended(times, now_utc);
}

const char *
key_state_name(enum key_state state)
{
	static const char *const names[] = {
	    [KEY_PREPARED] = "PREPARED",
	    [KEY_PUBLISHING] = "PUBLISHING",
	    [KEY_PUBLISHED] = "PUBLISHED",
	    [KEY_PROVEN] = "PROVEN",
	    [KEY_LOADED] = "LOADED",
	    [KEY_ACTIVE] = "ACTIVE",
	    [KEY_RETIRING] = "RETIRING",
	    [KEY_REVOKED] = "REVOKED",
	    [KEY_REMOVED] = "REMOVED",
	    [KEY_DESTROYED] = "DESTROYED",
	    [KEY_HELD] = "HELD",
	    [KEY_COMPROMISED] = "COMPROMISED",
	    [KEY_FAILED] = "FAILED",
	};
	size_t index = (size_t)state;

	return index < sizeof(names) / sizeof(names[0]) ? names[index] : "?";
}
