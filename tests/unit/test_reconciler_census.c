/*
 * test_reconciler_census.c - counts of keys that follow what the reconciler sees: of a life, of
 * rows that others write and remove, of a turn that failed in its middle, and of nobody who does
 * not lead.
 */
#include "tests/unit/reconciler_world.h"

static int
begin(void **state)
{
	setting_begin(state, "census");
	return 0;
}

static struct census_counts
counts_of(struct setting *s)
{
	struct census_counts counts;

	assert_true(reconciler_census(s->reconciler, &counts));
	return counts;
}

/* Is it what the rows say? */
static void
assert_is_right(struct setting *s)
{
	struct census_counts counts = counts_of(s);

	for (unsigned i = 0; i < CENSUS_STATES; i++)
		assert_int_equal(counts.states[i], in_state(s, (enum key_state)i));
}

static void
test_a_life(void **state)
{
	struct setting *s = *state;
	struct census_counts counts;

	assert_false(reconciler_census(s->reconciler, &counts));
	for (int i = 0; i < 60; i++, world->now_utc += STEP_S) {
		turns(s);
		assert_is_right(s);
		if (i == 30)
			ask_rotation(s);
	}
	counts = counts_of(s);
	assert_int_equal(counts.domains, 1);
	assert_int_equal(counts.states[KEY_ACTIVE], 1);
	assert_int_equal(counts.stuck, 0);
	assert_true(counts.due > world->now_utc - STEP_S);
}

static void
test_trouble_is_counted(void **state)
{
	struct setting *s = *state;

	world->silent = true;
	for (int i = 0; i < 5; i++, world->now_utc += STEP_S)
		turns(s);
	assert_true(has_trouble(s, "ns1 does not answer"));
	assert_int_equal(counts_of(s).stuck, 1);
	world->silent = false;
	assert_true(until(s, KEY_ACTIVE, 1));
	assert_int_equal(counts_of(s).stuck, 0);
}

static void
add_without_policy(struct setting *s, const char *name)
{
	struct keystore_write domain = a_domain(WRITE_ADD, name, "acme");

	put_row(s, &domain);
}

static void
test_rows_of_others(void **state)
{
	struct setting *s = *state;
	struct keystore_write gone = a_domain(WRITE_REMOVE, "b.example.com", "acme");

	/* One that is there before it began to lead, and one that comes after. */
	add_without_policy(s, "b.example.com");
	turns(s);
	assert_int_equal(counts_of(s).domains, 2);
	add_without_policy(s, "c.example.com");
	turns(s);
	assert_int_equal(counts_of(s).domains, 3);
	put_row(s, &gone);
	turns(s);
	assert_int_equal(counts_of(s).domains, 2);
}

static bool lives_fail, lease_fails;
static const struct keystore_ops *real;

static enum status
lives(struct keystore *store, const struct span *domains, size_t count, struct keystore_rows **out,
    struct err *err)
{
	if (!lives_fail)
		return real->lives(store, domains, count, out, err);
	err_set(err, "it does not answer");
	return ST_UNAVAILABLE;
}

static enum status
lease(struct keystore *store, const struct store_lease *wanted, int64_t ttl_s,
    struct store_lease *out, struct err *err)
{
	if (!lease_fails)
		return real->lease(store, wanted, ttl_s, out, err);
	*out = *wanted;
	snprintf(out->owner, sizeof(out->owner), "another");
	return ST_DENIED;
}

static void
test_a_turn_that_fails(void **state)
{
	struct setting *s = *state;
	struct err err = ERR_NONE;
	int64_t next_s;

	real = s->real;
	s->ops.lives = lives;
	turns(s);
	add_without_policy(s, "b.example.com");
	lives_fail = true;
	assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_UNAVAILABLE);
	assert_int_equal(counts_of(s).domains, 1);
	lives_fail = false;
	turns(s);
	assert_int_equal(counts_of(s).domains, 2);
	assert_is_right(s);
}

static void
test_only_the_leader_counts(void **state)
{
	struct setting *s = *state;
	struct reconciler *other = new_reconciler(s, "two");
	struct census_counts counts;
	struct err err = ERR_NONE;
	int64_t next_s;

	real = s->real;
	s->ops.lease = lease;
	turns(s);
	assert_int_equal(reconciler_turn(other, &next_s, &err), ST_DENIED);
	assert_false(reconciler_census(other, &counts));
	assert_int_equal(counts_of(s).domains, 1);
	lease_fails = true;
	assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_DENIED);
	assert_false(reconciler_census(s->reconciler, &counts));
	assert_int_equal(counts.domains, 0);
	lease_fails = false;
	turns(s);
	assert_int_equal(counts_of(s).domains, 1);
	reconciler_free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_life, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_trouble_is_counted, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_rows_of_others, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_a_turn_that_fails, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_only_the_leader_counts, begin, setting_end),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
