/*
 * test_life_canary.c - gateways say that signatures of the key in use do not verify: what is looked
 * at, when the key before signs again, one second before its time and at it, and what only gets
 * said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include "lib/keys/life.h"
#include "tests/unit/life_world.h"

static bool
says_failing(const void *context, const struct life_key *key, struct life_failing *out)
{
	*out = (struct life_failing){1, 2, "gw1", "no key"};
	return strcmp(context, key->id) == 0;
}

/* k1 signed before k2, which is active since T; "k2" fails. */
static struct life_gateways
failing(struct life_domain *domain)
{
	(void)add_key(domain, KEY_ACTIVE);
	(void)add_key(domain, KEY_LOADED);
	assert_true(life_activate(domain, 1, T));
	for (size_t i = 0; i < 2; i++)
		domain->keys[i].life.looked = domain->keys[i].life.auth_last = T;
	return (struct life_gateways){
	    .live = 2, .tested = 1000000, .failing = says_failing, .context = "k2"};
}

static void
check_both(struct life_domain *domain, const struct life_sight *sight, enum life_found found,
    int64_t now_utc)
{
	const struct life_failing words = {1, 2, "gw1", "no key"};

	assert_true(life_looked(&domain->keys[0], &domain->plan, &right, now_utc));
	assert_true(life_checked(&domain->keys[1], &domain->plan, sight, found,
	    found == LIFE_FOUND_RIGHT ? "" : "said so", &words, now_utc));
}

static void
test_rolled_back(void **state)
{
	struct life_domain *domain = *state;
	struct life_gateways gateways = failing(domain);
	struct err why = ERR_NONE;

	/* Both are looked at first. */
	expect_action(domain, &gateways, T + 100, 1, LIFE_CHECK);
	expect_action(domain, &gateways, T + 100, 0, LIFE_LOOK);
	assert_false(life_rolled_back(domain, 1, T + 100));
	check_both(domain, &foreign, LIFE_FOUND_RIGHT, T + 100);
	expect_action(domain, &gateways, T + 100, 1, LIFE_ROLLBACK);
	domain->life.rotate_asked = T;
	assert_true(life_rolled_back(domain, 1, T + 101));
	assert_int_equal(key_state_at(&domain->keys[0].times, T + 101), KEY_ACTIVE);
	assert_int_equal(domain->keys[0].times.sign_until, 0);
	assert_int_equal(key_state_at(&domain->keys[1].times, T + 101), KEY_HELD);
	assert_int_equal(domain->life.paused, T + 101);
	assert_int_equal(domain->life.rotate_asked, 0);
	assert_non_null(strstr(domain->keys[1].life.trouble, "rolled back: 1 of 2"));
	/* That stays, until an operator decides. */
	assert_true(life_looked(&domain->keys[1], &domain->plan, &right, T + 102));
	assert_non_null(strstr(domain->keys[1].life.trouble, "rolled back"));
	assert_true(life_release(domain, 1, T + 103, &why));
	assert_int_equal(domain->life.paused + domain->life.rolled_back, 0);
	assert_string_equal(domain->keys[1].life.trouble, "");
	assert_int_equal(key_state_at(&domain->keys[1].times, T + 103), KEY_LOADED);
}

/* What an operator paused stays so. */
static void
test_rolled_back_and_paused(void **state)
{
	struct life_domain *domain = *state;
	struct err why = ERR_NONE;

	(void)failing(domain);
	check_both(domain, &right, LIFE_FOUND_WRONG, T + 100);
	assert_true(life_rolled_back(domain, 1, T + 100));
	domain->life.paused = T + 200;
	assert_true(life_retire(domain, 1, T + 201, &why));
	assert_int_equal(domain->life.paused, T + 200);
	assert_int_equal(domain->life.rolled_back, 0);
}

static void
expect_idle(struct life_domain *domain, const struct life_gateways *gateways, int64_t now,
    size_t key, enum life_what what)
{
	struct life_decision decision;

	life_decide(domain, gateways, now, &decision);
	for (size_t i = 0; i < decision.count; i++)
		assert_false(decision.actions[i].key == key && decision.actions[i].what == what);
}

/* As it was in the beginning. */
static void
again(struct life_domain *domain, const struct life_domain *begin, const struct life_key *keys)
{
	*domain = *begin;
	memcpy(domain->keys, keys, begin->count * sizeof(*keys));
}

static void
test_not_rolled_back(void **state)
{
	struct life_domain *domain = *state;
	struct life_gateways gateways = failing(domain);
	const struct life_domain begin = *domain;
	struct life_key keys[2];
	const int64_t end = T + domain->plan.canary_window_s;

	assert_int_equal(domain->count, 2);
	memcpy(keys, domain->keys, sizeof(keys));
	/* Right from here, or unknown. */
	check_both(domain, &right, LIFE_FOUND_RIGHT, T + 100);
	assert_false(life_rolled_back(domain, 1, T + 100));
	assert_non_null(strstr(domain->keys[1].life.trouble, "all is right from here"));
	expect_idle(domain, &gateways, T + 399, 1, LIFE_CHECK);
	expect_action(domain, &gateways, T + 400, 1, LIFE_CHECK);
	check_both(domain, &silent, LIFE_FOUND_RIGHT, T + 400);
	assert_false(life_rolled_back(domain, 1, T + 400));
	check_both(domain, &right, LIFE_FOUND_UNAVAILABLE, T + 500);
	assert_false(life_rolled_back(domain, 1, T + 500));

	/* One second too late; what was seen is of too long ago; the one before is not right. */
	again(domain, &begin, keys);
	check_both(domain, &absent, LIFE_FOUND_RIGHT, end);
	assert_false(life_rolled_back(domain, 1, end));
	again(domain, &begin, keys);
	check_both(domain, &absent, LIFE_FOUND_RIGHT, end - 1);
	assert_true(life_rolled_back(domain, 1, end - 1));
	again(domain, &begin, keys);
	check_both(domain, &absent, LIFE_FOUND_RIGHT, T + 100);
	assert_false(life_rolled_back(domain, 1, T + 101 + LIFE_CHECK_FRESH_S));
	again(domain, &begin, keys);
	check_both(domain, &absent, LIFE_FOUND_RIGHT, T + 100);
	assert_true(life_looked(&domain->keys[0], &domain->plan, &absent, T + 100));
	assert_false(life_rolled_back(domain, 1, T + 100));

	/* I7: its revocation has begun. It never signed, or the plan says never. */
	again(domain, &begin, keys);
	check_both(domain, &absent, LIFE_FOUND_RIGHT, T + 100);
	domain->keys[0].times.revoking = T + 99;
	assert_false(life_rolled_back(domain, 1, T + 100));
	again(domain, &begin, keys);
	domain->plan.canary_window_s = 0;
	check_both(domain, &absent, LIFE_FOUND_RIGHT, T + 100);
	assert_false(life_rolled_back(domain, 1, T + 100));
	/* It is said, and what is ours to mend is mended. */
	assert_non_null(strstr(domain->keys[1].life.trouble, "1 of 2 gateways"));
	expect_action(domain, &gateways, T + 200, 1, LIFE_PUBLISH);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH(test_rolled_back),
	    WITH(test_rolled_back_and_paused),
	    WITH(test_not_rolled_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
