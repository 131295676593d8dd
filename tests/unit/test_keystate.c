/*
 * test_keystate.c - the state of a key from its times: every step of the life cycle, every
 * combination of times, times that are still to come.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/keys/state.h"

#define NOW 1000000
#define PAST (NOW - 10)
#define COMING (NOW + 10)

struct expected {
	struct key_times times;
	enum key_state state;
	bool signs, lease_over;
};

static void
check(const struct expected *e, size_t number)
{
	if (key_state_at(&e->times, NOW) != e->state)
		fail_msg("case %zu: %s, not %s", number,
		    key_state_name(key_state_at(&e->times, NOW)), key_state_name(e->state));
	if (key_may_sign(&e->times, NOW) != e->signs)
		fail_msg("case %zu: signs", number);
	if (key_lease_over(&e->times, NOW) != e->lease_over)
		fail_msg("case %zu: lease", number);
}

#define UP_TO_LOADED                                                                               \
	.created = PAST, .publishing = PAST, .published = PAST, .proven = PAST, .loaded = PAST
#define UP_TO_ACTIVE UP_TO_LOADED, .active = PAST
#define UP_TO_RETIRING UP_TO_ACTIVE, .retiring = PAST
#define UP_TO_REVOKED UP_TO_RETIRING, .revoking = PAST, .revoked = PAST

static void
life_cycle(void **state)
{
	static const struct expected cases[] = {
	    {{0}, KEY_PREPARED, false, false},
	    {{.created = PAST}, KEY_PREPARED, false, false},
	    {{.created = PAST, .publishing = PAST}, KEY_PUBLISHING, false, false},
	    {{.created = PAST, .publishing = PAST, .published = PAST}, KEY_PUBLISHED, false, false},
	    {{.created = PAST, .published = PAST, .proven = PAST}, KEY_PROVEN, false, false},
	    {{UP_TO_LOADED}, KEY_LOADED, false, false},
	    {{UP_TO_ACTIVE}, KEY_ACTIVE, true, false},
	    {{.active = PAST}, KEY_ACTIVE, true, false},
	    {{.active = NOW}, KEY_ACTIVE, true, false},
	    {{.active = NOW + 1}, KEY_PREPARED, false, false},
	    {{.active = -5}, KEY_PREPARED, false, false},
	    {{UP_TO_LOADED, .active = COMING}, KEY_LOADED, false, false},
	    {{UP_TO_ACTIVE, .retiring = COMING}, KEY_ACTIVE, true, false},
	    {{UP_TO_RETIRING}, KEY_RETIRING, false, false},
	    {{UP_TO_ACTIVE, .retiring = NOW}, KEY_RETIRING, false, false},
	    {{UP_TO_RETIRING, .revoking = PAST}, KEY_RETIRING, false, false},
	    {{UP_TO_ACTIVE, .revoking = PAST}, KEY_RETIRING, false, false},
	    {{UP_TO_ACTIVE, .revoking = COMING}, KEY_RETIRING, false, false},
	    {{UP_TO_REVOKED}, KEY_REVOKED, false, false},
	    {{UP_TO_ACTIVE, .revoked = COMING}, KEY_REVOKED, false, false},
	    {{UP_TO_REVOKED, .removed = PAST}, KEY_REMOVED, false, false},
	    {{UP_TO_REVOKED, .removed = PAST, .destroyed = PAST}, KEY_DESTROYED, false, false},
	    {{.destroyed = PAST}, KEY_DESTROYED, false, false},
	    /* beside the way */
	    {{UP_TO_ACTIVE, .held = PAST}, KEY_HELD, false, false},
	    {{UP_TO_ACTIVE, .held = COMING}, KEY_ACTIVE, true, false},
	    {{UP_TO_LOADED, .held = PAST}, KEY_HELD, false, false},
	    {{UP_TO_ACTIVE, .failed = PAST}, KEY_FAILED, false, false},
	    {{.created = PAST, .failed = PAST, .held = PAST}, KEY_FAILED, false, false},
	    {{UP_TO_ACTIVE, .compromised = PAST}, KEY_COMPROMISED, false, false},
	    {{UP_TO_ACTIVE, .compromised = COMING}, KEY_COMPROMISED, false, false},
	    {{UP_TO_RETIRING, .compromised = PAST, .revoking = PAST}, KEY_COMPROMISED, false,
		false},
	    {{UP_TO_ACTIVE, .compromised = PAST, .failed = PAST, .held = PAST}, KEY_COMPROMISED,
		false, false},
	    {{UP_TO_REVOKED, .compromised = PAST, .failed = PAST, .held = PAST}, KEY_REVOKED, false,
		false},
	    /* the lease */
	    {{UP_TO_ACTIVE, .sign_until = COMING}, KEY_ACTIVE, true, false},
	    {{UP_TO_ACTIVE, .sign_until = NOW + 1}, KEY_ACTIVE, true, false},
	    {{UP_TO_ACTIVE, .sign_until = NOW}, KEY_ACTIVE, false, true},
	    {{UP_TO_ACTIVE, .sign_until = PAST}, KEY_ACTIVE, false, true},
	    {{UP_TO_LOADED, .sign_until = PAST}, KEY_LOADED, false, false},
	    {{UP_TO_RETIRING, .sign_until = COMING}, KEY_RETIRING, false, false},
	    {{UP_TO_ACTIVE, .held = PAST, .sign_until = PAST}, KEY_HELD, false, false},
	    {{UP_TO_ACTIVE, .revoking = PAST, .sign_until = PAST}, KEY_RETIRING, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(&cases[i], i);
}

/* Every combination of the steps being unset, past, or to come, in any order of time: what was
 * reached last on the way decides, and only an ACTIVE key signs. */
static void
every_combination(void **state)
{
	static const enum key_state way[] = {
	    KEY_PUBLISHING, KEY_PUBLISHED, KEY_PROVEN, KEY_LOADED, KEY_ACTIVE, KEY_RETIRING};
	unsigned signing = 0;

	(void)state;
	for (unsigned code = 0; code < 729; code++) {
		enum key_state expected = KEY_PREPARED;
		int64_t at[6];
		unsigned rest = code;

		for (unsigned i = 0; i < 6; i++, rest /= 3) {
			/* Later steps have earlier times. */
			at[i] = rest % 3 == 0 ? 0 : rest % 3 == 1 ? PAST - (int)i : COMING - (int)i;
			if (rest % 3 == 1)
				expected = way[i];
		}
		{
			struct expected e = {{.created = PAST,
						 .publishing = at[0],
						 .published = at[1],
						 .proven = at[2],
						 .loaded = at[3],
						 .active = at[4],
						 .retiring = at[5]},
			    expected, expected == KEY_ACTIVE, false};

			check(&e, code);
			signing += expected == KEY_ACTIVE;
			e.times.revoking = COMING;
			e.state = KEY_RETIRING;
			e.signs = false;
			check(&e, code);
		}
	}
	assert_int_equal(signing, 81 * 2);
}

static void
names(void **state)
{
	(void)state;
	assert_string_equal(key_state_name(KEY_PREPARED), "PREPARED");
	assert_string_equal(key_state_name(KEY_FAILED), "FAILED");
	assert_string_equal(key_state_name((enum key_state)99), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(life_cycle),
	    cmocka_unit_test(every_combination),
	    cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
