/*
 * The life of keys, guard by guard: one second before a wait is over, at its end, after it; each
 * answer of DNS and of a publisher in each state; what operators are refused; texts of rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/keys/life.h"
#include "tests/unit/life_world.h"

/* ---- made and published ---- */

static void
test_generate(void **state)
{
	struct life_domain *domain = *state;
	struct life_decision decision;

	life_decide(domain, &nobody, T, &decision);
	assert_int_equal(decision.count, 1);
	assert_int_equal(decision.actions[0].what, LIFE_GENERATE);
	domain->life.paused = T;
	life_decide(domain, &nobody, T, &decision);
	assert_int_equal(decision.count, 0);
	assert_int_equal(decision.due, INT64_MAX);
	domain->life.paused = 0;
	domain->enabled = false;
	life_decide(domain, &nobody, T, &decision);
	assert_int_equal(decision.count, 0);
	domain->enabled = true;
	domain->plan.manage = false;
	life_decide(domain, &nobody, T, &decision);
	assert_int_equal(decision.count, 0);
}

static void
test_always_a_stand_by(void **state)
{
	static const struct {
		enum key_state state;
		bool generate;
	} cases[] = {
	    {KEY_PREPARED, false},
	    {KEY_PUBLISHING, false},
	    {KEY_PUBLISHED, false},
	    {KEY_PROVEN, false},
	    {KEY_LOADED, false},
	    {KEY_ACTIVE, true},
	    {KEY_RETIRING, true},
	    {KEY_REVOKED, true},
	};
	struct life_domain *domain = *state;
	struct life_decision decision;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct life_key *key;

		domain->count = 0;
		key = add_key(domain, cases[i].state);
		life_decide(domain, &nobody, T, &decision);
		assert_int_equal(generates(&decision), cases[i].generate);
		if (cases[i].state > KEY_ACTIVE)
			continue;
		key->times.held = T; /* one that is held does not count */
		life_decide(domain, &nobody, T, &decision);
		assert_true(generates(&decision));
		memcpy(key->algorithm, "ed25519-sha256", 15);
		life_decide(domain, &nobody, T, &decision);
		assert_true(generates(&decision));
	}
}

static void
test_generate_after_a_failure(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_PREPARED);
	struct life_decision decision;

	assert_true(life_surveyed(key, &domain->plan, &foreign, T));
	assert_int_equal(key_state_at(&key->times, T), KEY_FAILED);
	assert_string_equal(key->life.trouble, "x");
	life_decide(domain, &nobody, T + 3599, &decision);
	assert_int_equal(decision.count, 0);
	assert_int_equal(decision.due, T + 3600);
	life_decide(domain, &nobody, T + 3600, &decision);
	assert_true(generates(&decision));
	expect_from(domain, &nobody, T + 3600, 0, LIFE_DESTROY, "Retry");
	assert_true(life_destroyed(key, T + 3600));
	assert_string_equal(key->life.failure, "x");
}

static void
test_survey(void **state)
{
	static const struct {
		enum life_seen seen;
		int64_t neg, prev, neg_is;
		enum key_state becomes;
	} cases[] = {
	    {LIFE_SEEN_ABSENT, 900, 0, 900, KEY_PUBLISHING},
	    {LIFE_SEEN_ABSENT, 10, 0, 300, KEY_PUBLISHING},
	    {LIFE_SEEN_ABSENT, 10 * DAY, 0, DAY, KEY_PUBLISHING},
	    {LIFE_SEEN_WILDCARD, 900, 14400, 900, KEY_PUBLISHING},
	    {LIFE_SEEN_RIGHT, 900, 3600, 900, KEY_PUBLISHING},
	    {LIFE_SEEN_MIXED, 900, 0, 0, KEY_PREPARED},
	    {LIFE_SEEN_UNAVAILABLE, 0, 0, 0, KEY_PREPARED},
	    {LIFE_SEEN_FOREIGN, 0, 0, 0, KEY_FAILED},
	    {LIFE_SEEN_TOMBSTONE, 0, 0, 0, KEY_FAILED},
	};
	struct life_domain *domain = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct life_sight sight = {.seen = cases[i].seen,
		    .neg_s = cases[i].neg,
		    .prev_s = cases[i].prev,
		    .why = "why"};
		struct life_key *key;

		domain->count = 0;
		key = add_key(domain, KEY_PREPARED);
		expect_action(domain, &nobody, T, 0, LIFE_SURVEY);
		assert_true(life_surveyed(key, &domain->plan, &sight, T));
		assert_true(key->changed);
		assert_int_equal(key_state_at(&key->times, T), cases[i].becomes);
		assert_int_equal(key->life.neg_s, cases[i].neg_is);
		if (cases[i].becomes == KEY_PUBLISHING) {
			assert_int_equal(key->life.prev_s, cases[i].prev);
			assert_string_equal(key->life.publisher, "bind1");
			assert_int_equal(key->life.lease_s, 7 * DAY);
			assert_int_equal(key->times.publishing, T);
		} else if (cases[i].becomes == KEY_PREPARED) {
			expect_from(domain, &nobody, T + 30, 0, LIFE_SURVEY, "Retry");
		}
	}
}

static void
test_symbols_are_frozen(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_ACTIVE);

	domain->plan.lease_s = 600;
	domain->plan.signature_s = 600;
	domain->plan.tomb_s = 0;
	(void)add_key(domain, KEY_LOADED);
	assert_true(life_activate(domain, 1, T + 60));
	assert_int_equal(key->times.sign_until, T + 60 + 7 * DAY);
	expect_from(domain, &nobody, T + 60 + 14 * DAY + 300, 0, LIFE_INTEND_REVOKE, "Lease");
}

static void
test_publish(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_PUBLISHING);
	int64_t now = T, wait = 30;

	expect_action(domain, &nobody, T, 0, LIFE_PUBLISH);
	for (int i = 0; i < 10; i++) { /* 30, 60, ... 3600, 3600 */
		assert_true(life_published(key, &domain->plan, LIFE_UNAVAILABLE, "no answer", now));
		assert_string_equal(key->life.trouble, "no answer");
		expect_from(domain, &nobody, now + wait, 0, LIFE_PUBLISH, "Retry");
		now += wait;
		wait = wait * 2 < 3600 ? wait * 2 : 3600;
	}
	assert_true(life_published(key, &domain->plan, LIFE_REFUSED, "no rights", now));
	expect_from(domain, &nobody, now + 3600, 0, LIFE_PUBLISH, "Retry");
	assert_true(life_published(key, &domain->plan, LIFE_DONE, "", now));
	assert_int_equal(key->times.published, now);
	assert_string_equal(key->life.trouble, "");
	assert_false(life_published(key, &domain->plan, LIFE_DONE, "", now));
	expect_action(domain, &nobody, now, 0, LIFE_PROVE);
}

static void
test_publish_conflict(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_PUBLISHING);

	assert_true(life_published(key, &domain->plan, LIFE_CONFLICT, "another", T));
	assert_int_equal(key_state_at(&key->times, T), KEY_FAILED);
	expect_action(domain, &nobody, T, 0, LIFE_INTEND_REMOVE); /* conditional: may be ours */
	assert_true(life_intend_remove(domain, 0, T));
	assert_string_equal(key->life.trouble, "another");
	expect_action(domain, &nobody, T, 0, LIFE_REMOVE);
	assert_true(life_removed(key, &domain->plan, LIFE_CONFLICT, "another", T));
	assert_int_equal(key_state_at(&key->times, T), KEY_REMOVED);
	expect_from(domain, &nobody, T + 3600, 0, LIFE_DESTROY, "Retry");
}

static void
test_give_up(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_PUBLISHING);
	int64_t begun = T - 2 * DAY; /* see add_key() */

	assert_true(life_published(key, &domain->plan, LIFE_UNAVAILABLE, "", T));
	key->life.next_try = 0;
	expect_action(domain, &nobody, begun + 7 * DAY - 1, 0, LIFE_PUBLISH);
	expect_action(domain, &nobody, begun + 7 * DAY, 0, LIFE_FAIL);
	domain->plan.give_up_s = 0;
	expect_action(domain, &nobody, T + 90 * DAY, 0, LIFE_PUBLISH);
}

static void
test_by_hand(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_PUBLISHING);

	assert_true(life_published(key, &domain->plan, LIFE_PENDING, "asked", T));
	expect_from(domain, &nobody, T + 30, 0, LIFE_PROVE, "Customer");
	for (int i = 0; i < 20; i++) /* wrong, and wrong again: he may correct it */
		assert_true(life_looked(key, &domain->plan, i % 2 ? &foreign : &absent, T + 1000));
	assert_int_equal(key_state_at(&key->times, T + 1000), KEY_PUBLISHING);
	assert_string_equal(key->life.trouble, "x");
	assert_int_equal(key->life.prev_s, 7200); /* caches have the wrong one */
	expect_from(domain, &nobody, T + 1300, 0, LIFE_PROVE, "Customer");
	expect_action(domain, &nobody, T + 100 * DAY, 0, LIFE_PROVE); /* not given up */
	assert_true(life_looked(key, &domain->plan, &right, T + 2000));
	assert_int_equal(key->times.published, T + 2000);
	assert_int_equal(key->life.auth_first, T + 2000);
	assert_string_equal(key->life.trouble, "");
}

static void
test_another_publisher(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_PUBLISHING);

	assert_true(life_published(key, &domain->plan, LIFE_PENDING, "asked", T));
	snprintf(domain->plan.publisher, sizeof(domain->plan.publisher), "pdns");
	expect_action(domain, &nobody, T, 0, LIFE_SURVEY);
	assert_true(life_surveyed(key, &domain->plan, &absent, T));
	assert_string_equal(key->life.publisher, "pdns");
	expect_action(domain, &nobody, T, 0, LIFE_PUBLISH);
}

/* ---- proven ---- */

static void
test_proofs(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_PUBLISHED);

	expect_action(domain, &nobody, T, 0, LIFE_PROVE);
	assert_true(life_looked(key, &domain->plan, &right, T));
	assert_int_equal(key->life.proofs, 1);
	expect_from(domain, &nobody, T + 60, 0, LIFE_PROVE, "AuthoritativeServers");
	assert_true(life_looked(key, &domain->plan, &right, T + 59)); /* too soon */
	assert_int_equal(key->life.proofs, 1);
	assert_true(life_looked(key, &domain->plan, &right, T + 60));
	assert_int_equal(key->life.proofs, 2);
	assert_true(life_looked(key, &domain->plan, &mixed, T + 120)); /* from zero */
	assert_int_equal(key->life.proofs, 0);
	assert_int_equal(key->life.auth_first, 0);
	expect_from(domain, &nobody, T + 150, 0, LIFE_PROVE, "Retry");
	assert_true(life_looked(key, &domain->plan, &right, T + 200));
	assert_true(life_looked(key, &domain->plan, &right, T + 260));
	assert_false(life_confirmed(key, &domain->plan, true, "", T + DAY));
	assert_true(life_looked(key, &domain->plan, &right, T + 860)); /* 600 s: just in time */
	assert_int_equal(key->life.proofs, 3);
	assert_int_equal(key->life.auth_first, T + 200);
}

static void
test_proofs_of_before_a_restart(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_PUBLISHED);

	assert_true(life_looked(key, &domain->plan, &right, T));
	assert_true(life_looked(key, &domain->plan, &right, T + 60));
	assert_true(life_looked(key, &domain->plan, &right, T + 661));
	assert_int_equal(key->life.proofs, 1);
	assert_int_equal(key->life.auth_first, T + 661);
}

static void
test_confirm(void **state)
{
	static const struct {
		int64_t neg, prev, wait;
	} cases[] = {{900, 0, 1200}, {900, 7200, 7500}, {900, 900, 1200}, {300, 300, 600}};
	struct life_domain *domain = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct life_key *key;

		domain->count = 0;
		key = add_key(domain, KEY_PUBLISHED);
		key->life.neg_s = cases[i].neg;
		key->life.prev_s = cases[i].prev;
		key->life.proofs = 3;
		key->life.auth_first = T;
		key->life.auth_last = T + cases[i].wait - 600;
		key->life.looked = T + cases[i].wait - 1;
		expect_wait(domain, &nobody, T + cases[i].wait - 1, 0, LIFE_CONFIRM,
		    T + cases[i].wait, "NegativeCaches");
		assert_false(life_confirmed(key, &domain->plan, true, "", T + cases[i].wait - 1));
		expect_action(domain, &nobody, T + cases[i].wait, 0, LIFE_CONFIRM);
		/* Not when nobody looked for ten minutes: a resolver could learn that it is gone.
		 */
		expect_action(domain, &nobody, T + cases[i].wait + 1, 0, LIFE_LOOK);
		assert_true(life_looked(key, &domain->plan, &right, T + cases[i].wait + 1));
		expect_action(domain, &nobody, T + cases[i].wait + 1, 0, LIFE_CONFIRM);
		assert_true(
		    life_confirmed(key, &domain->plan, false, "1 of 3", T + cases[i].wait + 1));
		expect_from(domain, &nobody, T + cases[i].wait + 31, 0, LIFE_CONFIRM, "Resolvers");
		assert_true(life_confirmed(key, &domain->plan, true, "", T + cases[i].wait + 31));
		assert_int_equal(key->times.proven, T + cases[i].wait + 31);
		assert_true(key->loading == UINT64_MAX);
	}
}

static void
test_absent_for_long_is_published_again(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_PUBLISHED);

	for (int i = 0; i < 4; i++) {
		assert_int_equal(key_state_at(&key->times, T), KEY_PUBLISHED);
		assert_true(life_looked(key, &domain->plan, &absent, T + i));
	}
	assert_int_equal(key_state_at(&key->times, T + 4), KEY_PUBLISHING);
	expect_action(domain, &nobody, T + DAY / 2, 0, LIFE_PUBLISH);
}

static void
test_load(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_PROVEN);
	struct life_gateways gateways = {.live = 2, .tested = 4};

	expect_from(domain, &nobody, T + 600, 0, LIFE_LOAD, "Gateways");
	expect_wait(domain, &gateways, T + 600, 0, LIFE_LOAD, 0, "Gateways");
	gateways.tested = 5;
	expect_action(domain, &gateways, T, 0, LIFE_LOAD);
	gateways.failed = cannot;
	gateways.context = "k1";
	expect_wait(domain, &gateways, T, 0, LIFE_LOAD, 0, "Gateways");
	gateways.context = "k2";
	expect_action(domain, &gateways, T, 0, LIFE_LOAD);
	key->loading = UINT64_MAX; /* not written yet */
	gateways.tested = UINT64_MAX;
	expect_wait(domain, &gateways, T, 0, LIFE_LOAD, 0, "Gateways");
	assert_true(life_loaded(key, T));
	assert_false(life_loaded(key, T));
}

/* ---- activated ---- */

static void
test_first_key(void **state)
{
	struct life_domain *domain = *state;

	/* Mail is not signed yet: windows and waits are for changes. */
	domain->plan.window_count = 1;
	domain->plan.windows[0] = (struct plan_window){0, 0, 0, 1};
	(void)add_key(domain, KEY_LOADED);
	expect_action(domain, &all, T, 0, LIFE_ACTIVATE);
	expect_action(domain, &nobody, T, 0, LIFE_ACTIVATE);
	domain->life.paused = T;
	expect_wait(domain, &all, T, 0, LIFE_ACTIVATE, 0, "Paused");
	domain->life.paused = 0;
	assert_true(life_activate(domain, 0, T));
	assert_int_equal(key_state_at(&domain->keys[0].times, T), KEY_ACTIVE);
}

static void
test_adopted(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_PUBLISHED);

	assert_false(life_adopted(domain, 0, T)); /* it was not imported */
	key->life.imported = true;
	(void)add_key(domain, KEY_ACTIVE);
	assert_false(life_adopted(domain, 0, T));
	domain->count = 1;
	assert_true(life_adopted(domain, 0, T));
	assert_int_equal(key_state_at(&key->times, T), KEY_ACTIVE);
	assert_int_equal(key->times.proven, T);
	assert_true(key->changed);
	assert_false(life_adopted(domain, 0, T));
}

static void
test_rotation_when_due(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *stand_by;
	int64_t due = T + 180 * DAY;

	(void)add_key(domain, KEY_ACTIVE);
	stand_by = add_key(domain, KEY_LOADED);
	stand_by->life.auth_last = stand_by->life.looked = due;
	expect_from(domain, &all, due, 1, LIFE_ACTIVATE, "Schedule");
	/* The proof is younger than activation_wait. */
	stand_by->life.auth_first = due - 3600;
	stand_by->life.auth_last = stand_by->life.looked = due + DAY - 3600;
	expect_from(domain, &all, due + DAY - 3600, 1, LIFE_ACTIVATE, "Schedule");
	domain->plan.interval_s = 0;
	expect_wait(domain, &all, due + DAY, 1, LIFE_ACTIVATE, 0, "Schedule");
}

static void
test_rotation_when_asked(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *stand_by;
	struct err why = ERR_NONE;

	(void)add_key(domain, KEY_ACTIVE);
	stand_by = add_key(domain, KEY_LOADED);
	expect_wait(domain, &all, T + 600, 1, LIFE_ACTIVATE, T + 180 * DAY, "Schedule");
	assert_true(life_rotate(domain, T + 500, "audit", T + 1, &why));
	assert_string_equal(domain->life.reason, "audit");
	expect_from(domain, &all, T + 500, 1, LIFE_ACTIVATE, "Schedule");
	stand_by->life.auth_first = T + 100; /* activation_wait is for scheduled ones */
	stand_by->life.neg_s = 300;
	stand_by->life.prev_s = 0;
	expect_from(domain, &all, T + 700, 1, LIFE_ACTIVATE, "NegativeCaches");
	assert_false(life_activate(domain, 1, T + 699));
	assert_true(life_activate(domain, 1, T + 700));
	(void)add_key(domain, KEY_LOADED);
	expect_wait(domain, &all, T + 800, 2, LIFE_ACTIVATE, T + 700 + 180 * DAY, "Schedule");
	domain->plan.manage = false;
	assert_false(life_rotate(domain, 0, "", T, &why));
	assert_non_null(strstr(why.text, "not managed"));
}

static void
test_rotation_in_a_window(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *stand_by;
	struct err why = ERR_NONE;
	int64_t monday = T - T % (7 * DAY) + 4 * DAY + 7 * DAY;

	(void)add_key(domain, KEY_ACTIVE);
	stand_by = add_key(domain, KEY_LOADED);
	stand_by->life.auth_last = stand_by->life.looked = monday;
	domain->plan.window_count = 1;
	domain->plan.windows[0] = (struct plan_window){1, 1, 480, 960};
	assert_true(life_rotate(domain, monday, "", T + 1, &why));
	expect_wait(domain, &all, T + 2, 1, LIFE_ACTIVATE, monday + 8 * 3600, "Window");
	stand_by->life.auth_last = stand_by->life.looked = monday + 8 * 3600;
	expect_from(domain, &all, monday + 8 * 3600, 1, LIFE_ACTIVATE, "Window");
}

static void
test_activation_needs_a_fresh_look(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *stand_by;
	struct err why = ERR_NONE;
	int64_t drift = 6 * 3600;

	(void)add_key(domain, KEY_ACTIVE);
	stand_by = add_key(domain, KEY_LOADED);
	assert_true(life_rotate(domain, 0, "", T + 1, &why));
	expect_action(domain, &all, T + drift, 1, LIFE_ACTIVATE);
	expect_wait(domain, &all, T + drift + 1, 1, LIFE_ACTIVATE, 0, "AuthoritativeServers");
	expect_action(domain, &all, T + drift + 1, 1, LIFE_LOOK);
	assert_true(life_looked(stand_by, &domain->plan, &silent, T + drift + 1));
	expect_wait(domain, &all, T + drift + 2, 1, LIFE_ACTIVATE, 0, "AuthoritativeServers");
	expect_action(domain, &all, T + drift + 31, 1, LIFE_LOOK);
	assert_true(life_looked(stand_by, &domain->plan, &right, T + drift + 31));
	expect_action(domain, &all, T + drift + 31, 1, LIFE_ACTIVATE);
}

/* The clock has seconds: what signs since this one is not what was asked for. */
static void
test_rotation_in_the_second_of_an_activation(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *active = add_key(domain, KEY_ACTIVE);
	struct err why = ERR_NONE;

	active->times.active = T;
	(void)add_key(domain, KEY_LOADED);
	assert_true(life_rotate(domain, 0, "", T, &why));
	assert_true(domain->life.rotate_asked > active->times.active);
	/* The next one signs a second later: in this one it would be taken for one of before, too.
	 */
	expect_from(domain, &all, T + 1, 1, LIFE_ACTIVATE, "Schedule");
	assert_true(life_activate(domain, 1, T + 1));
	(void)add_key(domain, KEY_LOADED);
	expect_wait(domain, &all, T + 2, 2, LIFE_ACTIVATE, T + 1 + 180 * DAY, "Schedule");
}

static void
test_activation_needs_all_gateways(void **state)
{
	struct life_domain *domain = *state;
	struct life_gateways gateways = {.live = 1, .tested = 4};

	(void)add_key(domain, KEY_LOADED);
	expect_wait(domain, &gateways, T, 0, LIFE_ACTIVATE, 0, "Gateways");
	gateways.tested = 5;
	expect_action(domain, &gateways, T, 0, LIFE_ACTIVATE);
	gateways.failed = cannot;
	gateways.context = "k1";
	expect_wait(domain, &gateways, T, 0, LIFE_ACTIVATE, 0, "Gateways");
}

static void
test_algorithms_apart(void **state)
{
	struct life_domain *domain = *state;
	struct life_decision decision;
	struct life_key *key;

	domain->plan.algorithms[1] = (struct plan_algorithm){"ed25519-sha256", 256};
	domain->plan.algorithm_count = 2;
	(void)add_key(domain, KEY_LOADED);
	key = add_key(domain, KEY_LOADED);
	memcpy(key->algorithm, "ed25519-sha256", 15);
	life_decide(domain, &all, T, &decision);
	assert_int_equal(decision.count, 1); /* not both */
	assert_true(life_activate(domain, 0, T));
	expect_from(domain, &all, T + 3600, 1, LIFE_ACTIVATE, "Schedule");
	domain->plan.activation_wait_s = 10;
	expect_from(domain, &all, T + 10, 1, LIFE_ACTIVATE, "Schedule");
}

static void
test_activate_guards(void **state)
{
	struct life_domain *domain = *state;

	for (enum key_state s = KEY_PREPARED; s <= KEY_REVOKED; s++) {
		struct life_key *key;

		domain->count = 0;
		(void)add_key(domain, s);
		assert_int_equal(life_activate(domain, 0, T), s == KEY_LOADED);
		domain->count = 0;
		key = add_key(domain, s);
		key->times.held = T;
		assert_false(life_activate(domain, 0, T));
	}
	domain->count = 0;
	add_key(domain, KEY_LOADED)->times.proven = 0;
	assert_false(life_activate(domain, 0, T));
	domain->count = 0;
	add_key(domain, KEY_LOADED)->life.drifted = true;
	assert_false(life_activate(domain, 0, T));
}

/* ---- looked at ---- */

static void
test_looks_at_stand_by(void **state)
{
	static const struct {
		const struct life_sight *sight;
		enum key_state becomes;
		enum life_what next;
	} cases[] = {
	    {&right, KEY_LOADED, LIFE_LOOK},
	    {&silent, KEY_LOADED, LIFE_LOOK},
	    {&absent, KEY_PUBLISHING, LIFE_PUBLISH},
	    {&mixed, KEY_PUBLISHED, LIFE_PROVE},
	    {&foreign, KEY_FAILED, LIFE_INTEND_REMOVE},
	    {&tomb, KEY_FAILED, LIFE_INTEND_REMOVE},
	};
	struct life_domain *domain = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct life_key *key;
		int64_t now = T + 6 * 3600;

		domain->count = 0;
		(void)add_key(domain, KEY_ACTIVE);
		key = add_key(domain, KEY_LOADED);
		domain->keys[0].life.looked = now;
		expect_wait(domain, &all, now - 1, 1, LIFE_ACTIVATE, T + 180 * DAY, "Schedule");
		expect_action(domain, &all, now, 1, LIFE_LOOK);
		assert_true(life_looked(key, &domain->plan, cases[i].sight, now));
		assert_int_equal(key_state_at(&key->times, now), cases[i].becomes);
		if (cases[i].becomes == KEY_LOADED)
			continue;
		assert_true(key->times.publishing > 0);
		assert_int_equal(key->times.loaded, 0);
		assert_int_equal(key->life.proofs, 0);
		expect_action(domain, &all, now + 30, 1, cases[i].next);
	}
}

static void
test_drift_of_a_key_in_use(void **state)
{
	struct life_domain *domain = *state;

	for (enum key_state s = KEY_ACTIVE; s <= KEY_RETIRING; s++) {
		struct life_key *key;

		domain->count = 0;
		key = add_key(domain, s);
		assert_true(life_looked(key, &domain->plan, &absent, T + 10));
		assert_int_equal(key_state_at(&key->times, T + 10), s); /* it signs on */
		assert_true(key->life.drifted);
		assert_string_equal(key->life.trouble, "none");
		expect_action(domain, &all, T + 40, 0, LIFE_PUBLISH);
		assert_true(life_published(key, &domain->plan, LIFE_DONE, "", T + 40));
		expect_action(domain, &all, T + 70, 0, LIFE_LOOK);
		assert_true(life_looked(key, &domain->plan, &foreign, T + 70));
		expect_action(domain, &all, T + 1000, 0, LIFE_LOOK); /* never touched */
		assert_true(life_looked(key, &domain->plan, &right, T + 1000));
		assert_false(key->life.drifted);
		assert_string_equal(key->life.trouble, "");
		assert_int_equal(key->life.auth_first, T + 1000);
	}
}

/* ---- going ---- */

static void
test_revoke_and_remove(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *old = add_key(domain, KEY_ACTIVE);
	int64_t revoke = T + 60 + 7 * DAY + 7 * DAY + 300;
	int64_t remove;

	(void)add_key(domain, KEY_LOADED);
	assert_true(life_activate(domain, 1, T + 60));
	assert_int_equal(key_state_at(&old->times, T + 60), KEY_RETIRING);
	assert_int_equal(old->times.sign_until, T + 60 + 7 * DAY);
	expect_from(domain, &all, revoke, 0, LIFE_INTEND_REVOKE, "Lease");
	assert_false(life_intend_revoke(domain, 0, revoke - 1));
	domain->keys[1].times.held = T + 61;
	expect_wait(domain, &all, revoke, 0, LIFE_INTEND_REVOKE, 0, "Successor");
	assert_false(life_intend_revoke(domain, 0, revoke));
	domain->keys[1].times.held = 0;
	assert_true(life_intend_revoke(domain, 0, revoke));
	assert_false(life_intend_revoke(domain, 0, revoke));
	expect_action(domain, &all, revoke, 0, LIFE_REVOKE);
	assert_true(life_revoked(old, &domain->plan, LIFE_UNAVAILABLE, "", revoke));
	expect_action(domain, &all, revoke + 30, 0, LIFE_REVOKE);
	assert_true(life_revoked(old, &domain->plan, LIFE_DONE, "", revoke + 30));
	remove = revoke + 30 + 30 * DAY;
	expect_from(domain, &all, remove, 0, LIFE_INTEND_REMOVE, "Tombstone");
	assert_false(life_intend_remove(domain, 0, remove - 1));
	assert_true(life_intend_remove(domain, 0, remove));
	assert_true(life_removed(old, &domain->plan, LIFE_DONE, "", remove));
	expect_action(domain, &all, remove, 0, LIFE_DESTROY);
	assert_true(life_destroyed(old, remove));
	assert_false(life_destroyed(old, remove));
}

static void
test_what_goes_by_hand(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_RETIRING);

	(void)add_key(domain, KEY_ACTIVE);
	assert_true(life_intend_revoke(domain, 0, T + 20 * DAY));
	assert_true(life_revoked(key, &domain->plan, LIFE_PENDING, "asked", T + 20 * DAY));
	expect_from(domain, &all, T + 20 * DAY + 30, 0, LIFE_LOOK, "Customer");
	assert_true(life_looked(key, &domain->plan, &mixed, T + 21 * DAY));
	expect_action(domain, &all, T + 22 * DAY, 0, LIFE_LOOK);
	assert_true(life_looked(key, &domain->plan, &tomb, T + 22 * DAY));
	assert_int_equal(key->times.revoked, T + 22 * DAY);
	assert_true(life_intend_remove(domain, 0, T + 60 * DAY));
	assert_true(life_removed(key, &domain->plan, LIFE_PENDING, "asked", T + 60 * DAY));
	assert_true(life_looked(key, &domain->plan, &absent, T + 61 * DAY));
	assert_int_equal(key_state_at(&key->times, T + 61 * DAY), KEY_REMOVED);
}

static void
test_conflicts_while_going(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_RETIRING);

	(void)add_key(domain, KEY_ACTIVE);
	assert_true(life_intend_revoke(domain, 0, T + 20 * DAY));
	assert_true(life_revoked(key, &domain->plan, LIFE_CONFLICT, "?", T + 20 * DAY));
	expect_action(domain, &all, T + 20 * DAY + 30, 0, LIFE_LOOK);
	assert_true(life_looked(key, &domain->plan, &absent, T + 20 * DAY + 30));
	assert_int_equal(key_state_at(&key->times, T + 21 * DAY), KEY_REVOKED);
	assert_true(life_intend_remove(domain, 0, T + 60 * DAY));
	assert_true(life_removed(key, &domain->plan, LIFE_CONFLICT, "?", T + 60 * DAY));
	/* Somebody put the old key back: it is revoked again. */
	assert_true(life_looked(key, &domain->plan, &right, T + 60 * DAY));
	expect_action(domain, &all, T + 61 * DAY, 0, LIFE_REVOKE);
	assert_false(key_may_sign(&key->times, T + 61 * DAY));
}

static void
test_failed_after_signing(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_LOADED);

	(void)add_key(domain, KEY_ACTIVE);
	key->times.sign_until = T + 100; /* it was rolled back, and released */
	assert_true(life_failed(key, "why", T));
	expect_from(domain, &all, T + 100 + 7 * DAY + 300, 0, LIFE_INTEND_REMOVE, "Lease");
	assert_false(life_intend_remove(domain, 0, T + 100 + 7 * DAY + 299));
	/* Whatever goes wrong with its record later, it is told why it failed. */
	assert_true(life_intend_remove(domain, 0, T + 100 + 7 * DAY + 300));
	assert_true(life_removed(key, &domain->plan, LIFE_UNAVAILABLE, "no route", T + 108 * DAY));
	assert_string_equal(key->life.trouble, "no route");
	assert_string_equal(key->life.failure, "why");
}

static void
test_not_managed_any_more(void **state)
{
	struct life_domain *domain = *state;
	struct life_decision decision;

	domain->enabled = false;
	for (enum key_state s = KEY_PREPARED; s <= KEY_LOADED; s++) {
		domain->count = 0;
		(void)add_key(domain, s);
		domain->keys[0].life.looked = T;
		life_decide(domain, &all, T, &decision);
		assert_int_equal(decision.count, 0);
		assert_int_equal(decision.wait_count, 1);
		assert_string_equal(decision.waits[0].blocked_by, "Paused");
	}
	domain->count = 0;
	(void)add_key(domain, KEY_RETIRING); /* what was begun ends, without a successor */
	expect_action(domain, &all, T + 20 * DAY, 0, LIFE_INTEND_REVOKE);
	domain->plan.manage = false;
	expect_action(domain, &all, T + 20 * DAY, 0, LIFE_INTEND_REVOKE);
	domain->keys[0].life.publisher[0] = '\0'; /* and what never was ours is let alone */
	life_decide(domain, &all, T + 20 * DAY, &decision);
	assert_int_equal(decision.count + decision.wait_count, 0);
}

/* ---- operators ---- */

static void
test_hold(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_LOADED);
	struct err why = ERR_NONE;

	assert_true(life_hold(domain, 0, T, &why));
	assert_false(life_hold(domain, 0, T, &why));
	assert_non_null(strstr(why.text, "HELD"));
	expect_wait(domain, &all, T, 0, LIFE_ACTIVATE, 0, "Held");
	expect_action(domain, &all, T + 6 * 3600, 0, LIFE_LOOK);
	assert_true(life_looked(key, &domain->plan, &absent, T + 6 * 3600));
	assert_true(life_release(domain, 0, T + 7 * 3600, &why));
	assert_false(life_release(domain, 0, T + 7 * 3600, &why));
	assert_int_equal(key_state_at(&key->times, T + 7 * 3600), KEY_PUBLISHED);
	domain->count = 0;
	(void)add_key(domain, KEY_ACTIVE);
	assert_false(life_hold(domain, 0, T, &why));
	assert_non_null(strstr(why.text, "unsigned"));
	/* One that signed is mended while it is held, and has a long way to go when released. */
	(void)add_key(domain, KEY_ACTIVE);
	assert_true(life_hold(domain, 0, T, &why));
	assert_true(life_looked(&domain->keys[0], &domain->plan, &absent, T));
	expect_action(domain, &all, T + 30, 0, LIFE_PUBLISH);
	assert_true(life_release(domain, 0, T + 30, &why));
	expect_action(domain, &all, T + 30, 0, LIFE_LOOK);
	assert_false(life_activate(domain, 0, T + 30));
	domain->count = 0;
	add_key(domain, KEY_RETIRING)->times.revoking = T;
	assert_false(life_hold(domain, 0, T, &why));
}

static void
test_rollback(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *old = add_key(domain, KEY_ACTIVE), *new = add_key(domain, KEY_LOADED);
	struct err why = ERR_NONE;

	assert_false(life_rollback(domain, 0, T, &why));
	assert_non_null(strstr(why.text, "no key before it"));
	assert_true(life_activate(domain, 1, T + 10));
	assert_false(life_rollback(domain, 0, T, &why));
	old->life.drifted = true;
	assert_false(life_rollback(domain, 1, T + 20, &why));
	old->life.drifted = false;
	old->life.auth_first = T;
	assert_false(life_rollback(domain, 1, T + 20, &why));
	old->life.auth_first = T - DAY;
	assert_true(life_rollback(domain, 1, T + 20, &why));
	assert_true(key_may_sign(&old->times, T + 100 * DAY));
	assert_int_equal(key_state_at(&new->times, T + 20), KEY_HELD);
	assert_int_equal(new->times.sign_until, T + 20 + 7 * DAY);
	assert_true(life_release(domain, 1, T + 30, &why));
	assert_int_equal(key_state_at(&new->times, T + 30), KEY_LOADED);
	assert_true(life_activate(domain, 1, T + 40));
	assert_int_equal(new->times.sign_until, 0);
	assert_true(life_intend_revoke(domain, 0, T + 20 * DAY));
	assert_false(life_rollback(domain, 1, T + 20 * DAY, &why)); /* no way back */
}

static void
test_emergency(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_ACTIVE), *stand_by;
	struct err why = ERR_NONE;

	assert_false(life_emergency(domain, 0, false, T, &why));
	assert_int_equal(key->times.compromised, 0);
	assert_non_null(strstr(why.text, "stand-by"));
	stand_by = add_key(domain, KEY_PROVEN);
	assert_false(life_emergency(domain, 0, false, T, &why));
	stand_by->times.loaded = T;
	assert_true(life_emergency(domain, 0, false, T, &why));
	assert_true(key_may_sign(&stand_by->times, T));
	assert_int_equal(key_state_at(&key->times, T), KEY_COMPROMISED);
	expect_action(domain, &all, T, 0, LIFE_INTEND_REVOKE); /* at once */
	assert_true(life_intend_revoke(domain, 0, T));
	expect_action(domain, &all, T, 0, LIFE_REVOKE);
	assert_true(life_revoked(key, &domain->plan, LIFE_DONE, "", T));
	assert_false(life_emergency(domain, 0, true, T, &why));
	assert_true(life_emergency(domain, 1, true, T, &why)); /* forced: nothing signs */
	assert_false(key_may_sign(&stand_by->times, T));
	domain->count = 0;
	(void)add_key(domain, KEY_PREPARED);
	assert_true(life_emergency(domain, 0, false, T, &why));
	expect_action(domain, &all, T, 0, LIFE_DESTROY); /* nothing was published */
	assert_true(life_destroyed(&domain->keys[0], T));
}

static void
test_retire(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_ACTIVE);
	struct err why = ERR_NONE;

	assert_false(life_retire(domain, 0, T, &why));
	assert_non_null(strstr(why.text, "rotate"));
	(void)add_key(domain, KEY_ACTIVE);
	assert_true(life_retire(domain, 0, T, &why));
	assert_int_equal(key->times.sign_until, T + 7 * DAY);
	assert_false(life_retire(domain, 0, T, &why));
	domain->count = 1;
	*key = domain->keys[1]; /* the domain's last one, of a domain that signs no more */
	domain->enabled = false;
	assert_true(life_retire(domain, 0, T, &why));
	domain->enabled = true;
	domain->count = 0;
	key = add_key(domain, KEY_PUBLISHED);
	assert_true(life_retire(domain, 0, T, &why));
	assert_int_equal(key_state_at(&key->times, T), KEY_FAILED);
}

/* ---- texts ---- */

static void
test_texts(void **state)
{
	struct key_life life, again;
	struct domain_life domain, domain_again;
	struct err err = ERR_NONE;
	struct buf out;

	(void)state;
	buf_init(&out, LIFE_TEXT_MAX);
	memset(&life, 0, sizeof(life));
	key_life_write(&life, &out);
	assert_int_equal(out.n, 0);
	snprintf(life.publisher, sizeof(life.publisher), "bind1");
	for (size_t i = 0; i < LIFE_TROUBLE_MAX - 1; i++)
		life.trouble[i] = life.failure[i] = (char)(1 + i % 255);
	life.ttl_s = 3600;
	life.auth_last = T;
	life.proofs = 2;
	life.drifted = life.imported = life.pending = life.suspect = true;
	life.checked = T;
	snprintf(life.head, sizeof(life.head), "v=DKIM1; n=\"\\; p=");
	memset(life.tail, ';', LIFE_TAGS_MAX);
	key_life_write(&life, &out);
	assert_int_equal(buf_status(&out), ST_OK);
	assert_int_equal(key_life_parse(buf_span(&out), &again, &err), ST_OK);
	assert_memory_equal(&life, &again, sizeof(life));
	buf_reset(&out);
	memset(&domain, 0, sizeof(domain));
	domain.rotate_asked = T;
	domain.paused = domain.rolled_back = T;
	snprintf(domain.reason, sizeof(domain.reason), "\"\\\n\xff");
	domain_life_write(&domain, &out);
	assert_int_equal(domain_life_parse(buf_span(&out), &domain_again, &err), ST_OK);
	assert_memory_equal(&domain, &domain_again, sizeof(domain));
	buf_free(&out);
}

static void
test_texts_refused(void **state)
{
	static const struct {
		const char *text;
		enum status status;
	} cases[] = {
	    {"", ST_OK},
	    {"{}", ST_OK},
	    {"{\"of a newer program\":[1,{}]}", ST_OK},
	    {"{\"trouble\":\"\xe2\x82\xac\"}", ST_OK},
	    {"{\"ttl\":-1}", ST_INVALID},
	    {"{\"ttl\":1.5}", ST_INVALID},
	    {"{\"ttl\":\"1h\"}", ST_INVALID},
	    {"{\"ttl\":99999999999999999999}", ST_INVALID},
	    {"{\"drifted\":1}", ST_INVALID},
	    {"{\"trouble\":1}", ST_INVALID},
	    {"{\"ttl\":1,\"ttl\":2}", ST_INVALID},
	    {"{\"trouble\":\"\xff\"}", ST_INVALID},
	    {"[]", ST_INVALID},
	    {"{", ST_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct key_life life;
		struct err err = ERR_NONE;

		if (key_life_parse(span_str(cases[i].text), &life, &err) != cases[i].status)
			fail_msg("%s", cases[i].text);
	}
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH(test_generate),
	    WITH(test_always_a_stand_by),
	    WITH(test_generate_after_a_failure),
	    WITH(test_survey),
	    WITH(test_symbols_are_frozen),
	    WITH(test_publish),
	    WITH(test_publish_conflict),
	    WITH(test_give_up),
	    WITH(test_by_hand),
	    WITH(test_another_publisher),
	    WITH(test_proofs),
	    WITH(test_proofs_of_before_a_restart),
	    WITH(test_confirm),
	    WITH(test_absent_for_long_is_published_again),
	    WITH(test_load),
	    WITH(test_first_key),
	    WITH(test_adopted),
	    WITH(test_rotation_when_due),
	    WITH(test_rotation_when_asked),
	    WITH(test_rotation_in_a_window),
	    WITH(test_activation_needs_a_fresh_look),
	    WITH(test_rotation_in_the_second_of_an_activation),
	    WITH(test_activation_needs_all_gateways),
	    WITH(test_algorithms_apart),
	    WITH(test_activate_guards),
	    WITH(test_looks_at_stand_by),
	    WITH(test_drift_of_a_key_in_use),
	    WITH(test_revoke_and_remove),
	    WITH(test_what_goes_by_hand),
	    WITH(test_conflicts_while_going),
	    WITH(test_failed_after_signing),
	    WITH(test_not_managed_any_more),
	    WITH(test_hold),
	    WITH(test_rollback),
	    WITH(test_emergency),
	    WITH(test_retire),
	    cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_texts_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
