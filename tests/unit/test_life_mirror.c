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
	assert_true(acts(domain, 0, LIFE_INTEND_MIRROR, T));
	assert_false(acts(domain, 0, LIFE_MIRROR, T));
	assert_false(life_activate(domain, 0, T));
	assert_true(life_intend_mirror(domain, 0, T));
	assert_false(life_intend_mirror(domain, 0, T));
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
	assert_true(acts(domain, 1, LIFE_INTEND_MIRROR, T));
	assert_false(acts(domain, 0, LIFE_INTEND_REVOKE, T));
	assert_false(life_intend_revoke(domain, 0, T));
	/* One attempt is waited for, and no success. */
	assert_true(life_mirrored(domain, 1, LIFE_UNAVAILABLE, "away", T));
	assert_true(acts(domain, 0, LIFE_INTEND_REVOKE, T));
	assert_true(life_mirrored(domain, 1, LIFE_DONE, "", T + 60));
	assert_int_equal(domain->keys[0].life.mirrored, 0);
}

/* The answer to k2's writing was lost, or the program died: it may be there, whatever the row says.
 */
static void
test_what_may_be_there(void **state)
{
	struct life_domain *domain = mirrored_domain(state);
	struct err why = ERR_NONE;

	(void)add_key(domain, KEY_ACTIVE);
	(void)add_key(domain, KEY_LOADED);
	assert_true(life_mirrored(domain, 0, LIFE_DONE, "", T));
	assert_true(life_intend_mirror(domain, 1, T));
	assert_false(life_activate(domain, 1, T));
	assert_true(life_emergency(domain, 1, false, T, &why));
	assert_false(acts(domain, 1, LIFE_INTEND_REVOKE, T));
	assert_false(life_intend_revoke(domain, 1, T));
	/* k1 is not sure to be there any more: it is written again at once. */
	assert_true(acts(domain, 0, LIFE_MIRROR, T));
	assert_true(life_mirrored(domain, 0, LIFE_DONE, "", T + 1));
	assert_int_equal(domain->keys[1].life.mirroring, 0);
	assert_true(acts(domain, 1, LIFE_INTEND_REVOKE, T + 1));
}

/* Readers signed with it until it left: its record stays for as long as those messages travel. */
static void
test_a_failed_one_waits(void **state)
{
	struct life_domain *domain = mirrored_domain(state);
	int64_t travel_s = domain->plan.signature_s + domain->plan.error_s;

	(void)add_key(domain, KEY_ACTIVE);
	(void)add_key(domain, KEY_LOADED);
	assert_true(life_mirrored(domain, 1, LIFE_DONE, "", T));
	assert_true(life_failed(&domain->keys[1], "a record that is not ours", T));
	assert_false(acts(domain, 1, LIFE_INTEND_REMOVE, T + 60 * DAY));
	assert_false(life_intend_remove(domain, 1, T + 60 * DAY));
	assert_true(life_mirrored(domain, 0, LIFE_DONE, "", T + 100));
	assert_int_equal(domain->keys[1].life.mirrored, 0);
	assert_false(life_intend_remove(domain, 1, T + 100 + travel_s - 1));
	assert_true(acts(domain, 1, LIFE_INTEND_REMOVE, T + 100 + travel_s));
	assert_true(life_intend_remove(domain, 1, T + 100 + travel_s));
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
	    WITH(test_what_may_be_there),
	    WITH(test_a_failed_one_waits),
	    WITH(test_retiring_waits),
	    WITH(test_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
