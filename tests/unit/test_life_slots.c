/*
 * Delegated slots in the life of keys: which is free and when, what the customer's CNAME does to a
 * key in each state, and plans that change while keys live.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/keys/life.h"
#include "tests/unit/life_world.h"

#define TARGET "sp1.a.example.dkim.provider.example"

static const char *const slot_names[] = {"sp1", "sp2", "sp3", "sp4", "sp5", "sp6"};

/* Right at its target, and the CNAME leads elsewhere. */
static const struct life_sight no_way = {
    .seen = LIFE_SEEN_ABSENT, .neg_s = 900, .why = "set a CNAME", .customer = true};
static const struct life_sight wrong_way = {.seen = LIFE_SEEN_FOREIGN,
    .neg_s = 900,
    .prev_s = 86400,
    .why = "it leads elsewhere",
    .customer = true};
static const struct life_sight no_answer = {
    .seen = LIFE_SEEN_UNAVAILABLE, .why = "their servers are silent", .customer = true};

static void
delegate(struct life_domain *domain, int slots)
{
	snprintf(domain->plan.delegation, sizeof(domain->plan.delegation), "dkim.provider.example");
	snprintf(domain->plan.selector, sizeof(domain->plan.selector), "sp{slot}");
	domain->plan.slots = slots;
}

static int
set_up_slots(void **state)
{
	int answer = set_up(state);

	delegate(*state, 3);
	return answer;
}

/* As add_key(), in a slot. */
static struct life_key *
add_slot(struct life_domain *domain, int slot, enum key_state state)
{
	struct life_key *key = add_key(domain, state);

	key->selector = span_str(slot_names[slot - 1]);
	if (state >= KEY_PUBLISHING) {
		snprintf(key->life.target, sizeof(key->life.target), "sp%d.%s", slot, &TARGET[4]);
		snprintf(key->life.publisher, sizeof(key->life.publisher), "bind1");
	}
	return key;
}

static const struct life_wait *
slot_wait(const struct life_decision *decision)
{
	for (size_t i = 0; i < decision->wait_count; i++)
		if (decision->waits[i].key == LIFE_NO_KEY)
			return &decision->waits[i];
	return NULL;
}

/* ---- which is free ---- */

static void
test_no_slot_is_free(void **state)
{
	struct life_domain *domain = *state;
	struct life_decision decision;

	(void)add_slot(domain, 1, KEY_ACTIVE);
	(void)add_slot(domain, 2, KEY_RETIRING);
	life_decide(domain, &nobody, T, &decision);
	assert_true(generates(&decision));
	assert_null(slot_wait(&decision));
	assert_false(life_slot_is_taken(domain, 3, T));
	(void)add_slot(domain, 3, KEY_REVOKED);
	assert_true(life_slot_is_taken(domain, 3, T));
	life_decide(domain, &nobody, T, &decision);
	assert_false(generates(&decision));
	assert_non_null(slot_wait(&decision));
	assert_int_equal(slot_wait(&decision)->next, LIFE_GENERATE);
	assert_string_equal(slot_wait(&decision)->blocked_by, "Slots");
	/* The tombstone's, its TTL, NEG and E. */
	assert_int_equal(slot_wait(&decision)->earliest, T + 30 * DAY + 3600 + 900 + 300);
	domain->keys[2].times.revoked = domain->keys[2].times.revoking = 0;
	life_decide(domain, &nobody, T, &decision);
	assert_int_equal(
	    slot_wait(&decision)->earliest, T + 14 * DAY + 300 + 30 * DAY + 3600 + 900 + 300);
	domain->life.paused = T;
	life_decide(domain, &nobody, T, &decision);
	assert_null(slot_wait(&decision));
}

/* I5, to the second. */
static void
test_destroyed_when_caches_forgot(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_slot(domain, 1, KEY_REVOKED);

	key->times.removed = T;
	key->life.neg_s = 1800;
	expect_from(domain, &nobody, T + 3600 + 1800 + 300, 0, LIFE_DESTROY, "NegativeCaches");
	assert_false(life_destroyed(key, T + 3600 + 1800 + 300 - 1));
	assert_true(life_slot_is_taken(domain, 1, T + 3600 + 1800 + 300 - 1));
	assert_true(life_destroyed(key, T + 3600 + 1800 + 300));
	assert_false(life_slot_is_taken(domain, 1, T + 3600 + 1800 + 300));
	assert_int_equal(life_slot_free_at(key), T + 3600 + 1800 + 300);
	/* One at its own name is nobody's slot. */
	domain->count = 0;
	key = add_key(domain, KEY_REVOKED);
	key->times.removed = T;
	expect_action(domain, &nobody, T, 0, LIFE_DESTROY);
	assert_true(life_destroyed(key, T));
}

/* A failure that was in DNS waits for both. */
static void
test_failed_in_a_slot(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_slot(domain, 1, KEY_PREPARED);

	assert_true(life_surveyed(key, &domain->plan, &foreign, T));
	expect_from(domain, &nobody, T + 3600, 0, LIFE_DESTROY, "Retry"); /* never in DNS */
	assert_int_equal(life_slot_free_at(key), 0);
	domain->count = 0;
	key = add_slot(domain, 1, KEY_PUBLISHING);
	assert_true(life_published(key, &domain->plan, LIFE_CONFLICT, "another", T));
	assert_true(life_intend_remove(domain, 0, T));
	assert_true(life_removed(key, &domain->plan, LIFE_DONE, "", T));
	expect_from(domain, &nobody, T + 3600 + 900 + 300, 0, LIFE_DESTROY, "NegativeCaches");
}

static void
test_algorithms_share_slots(void **state)
{
	struct life_domain *domain = *state;
	struct life_decision decision;

	delegate(domain, 6);
	domain->plan.algorithm_count = 2;
	domain->plan.algorithms[1] = (struct plan_algorithm){"ed25519-sha256", 256};
	life_decide(domain, &nobody, T, &decision);
	assert_int_equal(decision.count, 2); /* one of each */
	for (int slot = 1; slot <= 3; slot++)
		(void)add_slot(domain, slot, slot == 1 ? KEY_ACTIVE : KEY_RETIRING);
	life_decide(domain, &nobody, T, &decision);
	/* The other three are for the other algorithm, which has none yet. */
	assert_int_equal(decision.count, 1);
	assert_int_equal(decision.actions[0].algorithm, 1);
	assert_non_null(slot_wait(&decision));
	delegate(domain, 7);
	life_decide(domain, &nobody, T, &decision);
	assert_int_equal(decision.count, 2);
	delegate(domain, 6);
	for (int slot = 4; slot <= 5; slot++) {
		struct life_key *key = add_slot(domain, slot, KEY_RETIRING);

		memcpy(key->algorithm, "ed25519-sha256", 15);
	}
	life_decide(domain, &nobody, T, &decision);
	assert_int_equal(decision.count, 1);
	assert_int_equal(decision.actions[0].algorithm, 1);
}

/* The next key in it waits for what was there, should a server have said it until now. */
static void
test_next_in_the_slot(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *old = add_slot(domain, 1, KEY_REVOKED), *key;
	struct life_sight sight = absent;

	old->life.ttl_s = 7200;
	key = add_slot(domain, 2, KEY_PREPARED);
	life_slot_follow(key, old);
	sight.target = TARGET;
	assert_true(life_surveyed(key, &domain->plan, &sight, T));
	assert_string_equal(key->life.target, TARGET);
	assert_string_equal(key->life.publisher, "bind1");
	assert_int_equal(key->life.prev_s, 7200);
	key->times.published = T;
	key->life.proofs = 3;
	key->life.auth_first = T;
	key->life.auth_last = key->life.looked = T + 7000;
	expect_wait(domain, &nobody, T + 7499, 1, LIFE_CONFIRM, T + 7500, "NegativeCaches");
	assert_false(life_confirmed(key, &domain->plan, true, "", T + 7499));
	expect_action(domain, &nobody, T + 7500, 1, LIFE_CONFIRM);
}

/* ---- operators ---- */

static void
test_emergency_and_hold(void **state)
{
	struct life_domain *domain = *state;
	struct life_decision decision;
	struct err why = ERR_NONE;
	struct life_key *key;

	(void)add_slot(domain, 1, KEY_ACTIVE);
	(void)add_slot(domain, 2, KEY_LOADED);
	(void)add_slot(domain, 3, KEY_RETIRING);
	assert_true(life_emergency(domain, 0, false, T + 1, &why));
	assert_int_equal(key_state_at(&domain->keys[1].times, T + 1), KEY_ACTIVE);
	/* No slot for the next stand-by; all that ends goes on, and frees one. */
	life_decide(domain, &nobody, T + 1, &decision);
	assert_non_null(slot_wait(&decision));
	expect_action(domain, &nobody, T + 1, 0, LIFE_INTEND_REVOKE);
	assert_true(life_intend_revoke(domain, 0, T + 1));
	assert_true(life_revoked(&domain->keys[0], &domain->plan, LIFE_DONE, "", T + 1));
	expect_from(domain, &nobody, T + 14 * DAY + 300, 2, LIFE_INTEND_REVOKE, "Lease");
	key = &domain->keys[0];
	expect_from(domain, &nobody, T + 1 + 30 * DAY, 0, LIFE_INTEND_REMOVE, "Tombstone");
	assert_true(life_intend_remove(domain, 0, T + 1 + 30 * DAY));
	assert_true(life_removed(key, &domain->plan, LIFE_DONE, "", T + 1 + 30 * DAY));
	assert_true(life_destroyed(key, T + 1 + 30 * DAY + 4800));
	life_decide(domain, &nobody, T + 1 + 30 * DAY + 4800, &decision);
	assert_true(generates(&decision));
	/* One that is held keeps its slot, and what retires frees another one. */
	domain->count = 0;
	(void)add_slot(domain, 1, KEY_ACTIVE);
	(void)add_slot(domain, 2, KEY_LOADED);
	(void)add_slot(domain, 3, KEY_RETIRING);
	assert_true(life_hold(domain, 1, T, &why));
	life_decide(domain, &nobody, T, &decision);
	assert_false(generates(&decision));
	assert_int_equal(
	    slot_wait(&decision)->earliest, T + 14 * DAY + 300 + 30 * DAY + 3600 + 900 + 300);
	assert_true(life_release(domain, 1, T, &why));
	expect_wait(domain, &nobody, T, 1, LIFE_ACTIVATE, T + 180 * DAY, "Schedule");
}

/* ---- the customer ---- */

static void
test_customer_is_waited_for(void **state)
{
	const struct life_sight *const sights[] = {&no_way, &wrong_way, &no_answer};
	struct life_domain *domain = *state;

	for (size_t i = 0; i < sizeof(sights) / sizeof(sights[0]); i++) {
		struct life_key *key;

		domain->count = 0;
		key = add_slot(domain, 1, KEY_PUBLISHED);
		for (int k = 0; k < 9; k++) /* never published again: it is right where it stands */
			assert_true(life_looked(key, &domain->plan, sights[i], T + k));
		assert_int_equal(key_state_at(&key->times, T + 9), KEY_PUBLISHED);
		assert_string_equal(key->life.trouble, sights[i]->why);
		expect_from(domain, &nobody, T + 8 + 300, 0, LIFE_PROVE, "Customer");
		expect_action(domain, &nobody, T + 90 * DAY, 0, LIFE_PROVE); /* not given up */
		assert_true(life_looked(key, &domain->plan, &right, T + 90 * DAY));
		assert_int_equal(key->life.auth_first, T + 90 * DAY);
		assert_false(key->life.pending);
		/* What the wrong CNAME said is in caches for as long as it may be. */
		assert_int_equal(key->life.prev_s, sights[i] == &wrong_way ? DAY : 0);
		/* Now it is ours again. */
		assert_true(life_looked(key, &domain->plan, &silent, T + 90 * DAY + 60));
		assert_false(key->life.pending);
		expect_wait(
		    domain, &nobody, T + 90 * DAY + 61, 0, LIFE_PROVE, T + 90 * DAY + 90, "Retry");
	}
}

/* NEG after the CNAME appeared, not after the record was published. */
static void
test_neg_after_the_cname(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_slot(domain, 1, KEY_PUBLISHED);
	struct life_sight late = no_way;
	int64_t now = T + 10 * DAY;

	late.neg_s = 3600; /* of the customer's zone */
	domain->plan.proofs = 1;
	assert_true(life_looked(key, &domain->plan, &late, T));
	assert_int_equal(key->life.neg_s, 3600);
	assert_true(life_looked(key, &domain->plan, &right, now));
	assert_true(life_looked(key, &domain->plan, &right, now + 3600));
	expect_wait(domain, &nobody, now + 3899, 0, LIFE_CONFIRM, now + 3900, "NegativeCaches");
	assert_false(life_confirmed(key, &domain->plan, true, "", now + 3899));
	assert_true(life_confirmed(key, &domain->plan, true, "", now + 3900));
}

static void
test_survey_and_customer(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_slot(domain, 1, KEY_PREPARED);

	assert_true(life_surveyed(key, &domain->plan, &no_answer, T));
	expect_from(domain, &nobody, T + 30, 0, LIFE_SURVEY, "Customer");
	expect_action(domain, &nobody, T + 90 * DAY, 0, LIFE_SURVEY);
	assert_true(life_surveyed(key, &domain->plan, &silent, T)); /* ours: given up some day */
	expect_action(domain, &nobody, T + 90 * DAY, 0, LIFE_FAIL);
}

static void
test_customer_takes_the_cname_away(void **state)
{
	static const enum key_state states[] = {KEY_PROVEN, KEY_LOADED};
	struct life_domain *domain = *state;
	struct life_key *key;

	for (size_t i = 0; i < 2; i++) {
		domain->count = 0;
		key = add_slot(domain, 1, states[i]);
		assert_true(life_looked(key, &domain->plan, i == 0 ? &no_way : &wrong_way, T));
		assert_int_equal(key_state_at(&key->times, T), KEY_PUBLISHED);
		assert_int_equal(key->life.proofs, 0);
		expect_from(domain, &nobody, T + 30, 0, LIFE_PROVE, "Customer");
		assert_false(life_activate(domain, 0, T));
	}
	domain->count = 0;
	key = add_slot(domain, 1, KEY_ACTIVE);
	assert_true(life_looked(key, &domain->plan, &no_way, T));
	assert_true(key_may_sign(&key->times, T)); /* the sending goes on */
	assert_true(key->life.drifted);
	assert_string_equal(key->life.trouble, "set a CNAME");
	expect_action(domain, &nobody, T + 30, 0, LIFE_LOOK); /* nothing of ours to be mended */
	assert_true(life_looked(key, &domain->plan, &right, T + 30));
	assert_false(key->life.drifted);
	/* What is missing at the target is put back. */
	assert_true(life_looked(key, &domain->plan, &absent, T + 60));
	expect_action(domain, &nobody, T + 90, 0, LIFE_PUBLISH);
}

/* ---- plans that change ---- */

static void
test_delegated_from_now_on(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_key(domain, KEY_PREPARED);
	struct life_decision decision;

	/* Nobody has a CNAME for it. */
	key->selector = SPAN_LIT("s202611-abcd1234");
	expect_action(domain, &nobody, T, 0, LIFE_FAIL);
	assert_true(life_failed(key, "no slot", T));
	expect_from(domain, &nobody, T + 3600, 0, LIFE_DESTROY, "Retry");
	/* What is published stays where it is. */
	domain->count = 0;
	domain->plan.delegation[0] = '\0';
	key = add_key(domain, KEY_ACTIVE);
	delegate(domain, 3);
	key->selector = SPAN_LIT("s202611-abcd1234");
	life_decide(domain, &nobody, T, &decision);
	assert_true(generates(&decision));
	(void)add_slot(domain, 1, KEY_LOADED);
	assert_true(life_activate(domain, 1, T + 1));
	expect_from(domain, &nobody, T + 1 + 14 * DAY + 300, 0, LIFE_INTEND_REVOKE, "Lease");
	assert_string_equal(key->life.publisher, "bind1");
	/* One that came from elsewhere stands in the customer's zone, which is not ours. */
	domain->count = 0;
	key = add_key(domain, KEY_PREPARED);
	key->selector = SPAN_LIT("old");
	key->life.imported = true;
	expect_action(domain, &nobody, T, 0, LIFE_SURVEY);
	assert_true(life_surveyed(key, &domain->plan, &right, T));
	assert_string_equal(key->life.publisher, "manual");
	assert_true(life_published(key, &domain->plan, LIFE_PENDING, "asked", T));
	expect_from(domain, &nobody, T + 30, 0, LIFE_PROVE, "Customer");
}

static void
test_delegated_no_more(void **state)
{
	struct life_domain *domain = *state;
	struct life_key *key = add_slot(domain, 1, KEY_REVOKED);

	(void)add_slot(domain, 2, KEY_ACTIVE);
	domain->plan.delegation[0] = '\0';
	domain->plan.slots = 0;
	snprintf(domain->plan.selector, sizeof(domain->plan.selector), "s{random}");
	key->times.removed = T;
	expect_from(domain, &nobody, T + 3600 + 900 + 300, 0, LIFE_DESTROY, "NegativeCaches");
	assert_string_equal(key->life.target, TARGET);
	assert_true(life_looked(&domain->keys[1], &domain->plan, &absent, T));
	expect_action(domain, &nobody, T + 30, 1, LIFE_PUBLISH); /* at its target */
}

static void
test_target_in_the_row(void **state)
{
	struct key_life life = {.ttl_s = 5}, again;
	struct buf text;
	struct err err;

	(void)state;
	memset(life.target, 'x', LIFE_TARGET_MAX);
	buf_init(&text, LIFE_TEXT_MAX);
	key_life_write(&life, &text);
	assert_int_equal(key_life_parse(buf_span(&text), &again, &err), ST_OK);
	assert_string_equal(again.target, life.target);
	buf_free(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_slots, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_no_slot_is_free),
	    TEST(test_destroyed_when_caches_forgot),
	    TEST(test_failed_in_a_slot),
	    TEST(test_algorithms_share_slots),
	    TEST(test_next_in_the_slot),
	    TEST(test_emergency_and_hold),
	    TEST(test_customer_is_waited_for),
	    TEST(test_neg_after_the_cname),
	    TEST(test_survey_and_customer),
	    TEST(test_customer_takes_the_cname_away),
	    TEST(test_delegated_from_now_on),
	    TEST(test_delegated_no_more),
	    TEST(test_target_in_the_row),
	};

	(void)all;
	(void)cannot;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
