/*
 * test_life_mirror.c - a mirror has a key before it signs; nothing is revoked in peace while it is
 * there; what an emergency, a disabled domain and another plan do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include "lib/keys/life.h"
#include "tests/unit/life_world.h"

static struct life_domain *
mirrored_domain(void **state)
{
	struct life_domain *domain = *state;

	snprintf(domain->plan.mirror, sizeof(domain->plan.mirror), "zimbra");
	return domain;
}

static bool
acts(const struct life_domain *domain, size_t key, enum life_what what, int64_t now_utc)
{
	struct life_decision decision;
	bool found = false;

	life_decide(domain, &all, now_utc, &decision);
	for (size_t i = 0; i < decision.count; i++)
		found =
		    found || (decision.actions[i].key == key && decision.actions[i].what == what);
	return found;
}

static void
test_before_it_signs(void **state)
{
	struct life_domain *domain = mirrored_domain(state);

	(void)add_key(domain, KEY_LOADED);
	assert_true(acts(domain, 0, LIFE_MIRROR, T));
	assert_false(life_activate(domain, 0, T));
	assert_true(life_mirrored(domain, 0, LIFE_UNAVAILABLE, "away", T));
	assert_string_equal(domain->keys[0].life.trouble, "away");
	assert_false(acts(domain, 0, LIFE_MIRROR, T + 1));
	assert_false(acts(domain, 0, LIFE_ACTIVATE, T + 1));
	assert_true(acts(domain, 0, LIFE_MIRROR, T + domain->plan.retry_s));
	assert_true(life_mirrored(domain, 0, LIFE_DONE, "", T + 60));
	assert_true(acts(domain, 0, LIFE_ACTIVATE, T + 60));
	assert_true(life_activate(domain, 0, T + 60));
	assert_false(acts(domain, 0, LIFE_MIRROR, T + 61));
	assert_true(acts(domain, 0, LIFE_MIRROR, T + 60 + domain->plan.drift_s));
}

/* k1 was in the mirror when k2 took over in an emergency. */
static void
test_emergency(void **state)
{
	struct life_domain *domain = mirrored_domain(state);
	struct err why = ERR_NONE;

	(void)add_key(domain, KEY_ACTIVE);
	(void)add_key(domain, KEY_LOADED);
	assert_true(life_mirrored(domain, 0, LIFE_DONE, "", T));
	assert_true(life_emergency(domain, 0, false, T, &why));
	assert_true(acts(domain, 1, LIFE_MIRROR, T));
	assert_false(acts(domain, 0, LIFE_INTEND_REVOKE, T));
	/* One attempt is waited for, and no success. */
	assert_true(life_mirrored(domain, 1, LIFE_UNAVAILABLE, "away", T));
	assert_true(acts(domain, 0, LIFE_INTEND_REVOKE, T));
	assert_true(life_mirrored(domain, 1, LIFE_DONE, "", T + 60));
	assert_int_equal(domain->keys[0].life.mirrored, 0);
}

static void
test_retiring_waits(void **state)
{
	struct life_domain *domain = mirrored_domain(state);

	(void)add_key(domain, KEY_ACTIVE);
	(void)add_key(domain, KEY_LOADED);
	assert_true(life_mirrored(domain, 1, LIFE_DONE, "", T));
	assert_true(life_activate(domain, 1, T));
	domain->keys[0].life.mirrored = T; /* as after a crash of somebody else's making */
	snprintf(domain->keys[0].life.mirror, sizeof(domain->keys[0].life.mirror), "zimbra");
	assert_false(acts(domain, 0, LIFE_INTEND_REVOKE, T + 60 * DAY));
	domain->keys[0].life.mirrored = 0;
	assert_true(acts(domain, 0, LIFE_INTEND_REVOKE, T + 60 * DAY));
}

static void
test_leaves(void **state)
{
	struct life_domain *domain = mirrored_domain(state);

	(void)add_key(domain, KEY_ACTIVE);
	assert_true(life_mirrored(domain, 0, LIFE_DONE, "", T));
	assert_false(acts(domain, 0, LIFE_UNMIRROR, T));
	domain->enabled = false;
	assert_true(acts(domain, 0, LIFE_UNMIRROR, T));
	domain->enabled = true;
	domain->plan.mirror[0] = '\0';
	assert_true(acts(domain, 0, LIFE_UNMIRROR, T));
	assert_true(life_unmirrored(domain, 0, LIFE_DONE, "", T));
	assert_false(acts(domain, 0, LIFE_UNMIRROR, T));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH(test_before_it_signs),
	    WITH(test_emergency),
	    WITH(test_retiring_waits),
	    WITH(test_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
