/*
 * test_reconciler_slots.c - turns of the reconciler for a domain with delegated slots: where
 * records stand, what is said of the customer's CNAMEs, which slot is used again.
 */
#include "tests/unit/reconciler_world.h"

static int
begin(void **state)
{
	plan = delegated;
	setting_begin(state, "slots");
	return 0;
}

static void
set_cnames(void)
{
	for (int slot = 1; slot <= SLOTS; slot++)
		set_cname(slot, NULL);
}

/* So much later; the clock does not jump. */
static void
pass(struct setting *s, int64_t seconds)
{
	for (int64_t end = world->now_utc + seconds; world->now_utc < end; world->now_utc += STEP_S)
		turns(s);
	turns(s);
}

/* "sp1 ACTIVE, sp2 LOADED" */
static void
write_states(struct setting *s, char *out, size_t room)
{
	struct keystore_rows *rows = look(s);
	size_t n = 0;

	out[0] = '\0';
	for (int slot = 1; slot <= SLOTS; slot++)
		for (size_t i = 0; i < rows->key_count; i++)
			if (rows->keys[i].selector.p[2] == '0' + slot)
				n += (size_t)snprintf(out + n, room - n, "%ssp%d %s",
				    n > 0 ? ", " : "", slot,
				    key_state_name(
					key_state_at(&rows->keys[i].times, world->now_utc)));
	keystore_rows_release(rows);
}

static void
expect_states(struct setting *s, const char *wanted)
{
	char is[300] = "";

	for (int i = 0; i < 100 && strcmp(is, wanted) != 0; i++) {
		turns(s);
		write_states(s, is, sizeof(is));
		if (strcmp(is, wanted) != 0)
			world->now_utc += STEP_S;
	}
	assert_string_equal(is, wanted);
}

static void
test_records_stand_at_targets(void **state)
{
	struct setting *s = *state;

	set_cnames();
	expect_states(s, "sp1 ACTIVE, sp2 LOADED");
	assert_int_equal(text_count(), 2);
	assert_non_null(find(SPAN_LIT("sp1.a.example.com.p.example")));
	assert_non_null(find(SPAN_LIT("sp2.a.example.com.p.example")));
}

/* A whole turn through all slots: the next key of a slot comes when caches forgot the last one. */
static void
test_slots_are_used_again(void **state)
{
	static const char *const after[] = {"sp2 ACTIVE, sp3 LOADED", "sp1 LOADED, sp3 ACTIVE",
	    "sp1 ACTIVE, sp2 LOADED", "sp2 ACTIVE, sp3 LOADED"};
	struct setting *s = *state;

	set_cnames();
	expect_states(s, "sp1 ACTIVE, sp2 LOADED");
	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		world->now_utc += STEP_S;
		ask_rotation(s);
		turns(s);
		assert_int_equal(in_state(s, KEY_ACTIVE), 1);
		expect_states(s, after[i]);
		assert_int_equal(text_count(), 2);
	}
}

/* The slots that are taken end; nothing is forced, nothing is stuck. */
static void
test_no_slot_for_a_while(void **state)
{
	struct setting *s = *state;

	set_cnames();
	expect_states(s, "sp1 ACTIVE, sp2 LOADED");
	world->now_utc += STEP_S;
	ask_rotation(s);
	expect_states(s, "sp1 RETIRING, sp2 ACTIVE, sp3 LOADED");
	world->now_utc += STEP_S;
	ask_rotation(s);
	expect_states(s, "sp1 RETIRING, sp2 RETIRING, sp3 ACTIVE");
	for (int i = 0; i < 3; i++, world->now_utc += STEP_S) {
		turns(s);
		assert_int_equal(in_state(s, KEY_PREPARED) + in_state(s, KEY_PUBLISHING), 0);
	}
	expect_states(s, "sp1 LOADED, sp3 ACTIVE");
}

/* ---- what the customer does ---- */

static const struct {
	const char *cname; /* NULL: none */
	const char *said;
} mistakes[] = {
    {NULL, "there is none"},
    {"v=DKIM1; p=of-another-provider", "there is a TXT record at that name, which must go"},
    {"CNAME sp2.a.example.com.p.example", "the target of another slot"},
    {"CNAME sp1.b.example.com.p.example", "the target of another domain"},
    {"CNAME sp1.a.example.com.p.example.a.example.com", "the dot at the end of its target"},
    {"CNAME sp1.a.example.com.p.example.example.com", "the dot at the end of its target"},
    {"CNAME sp1.a.example.com.p.example._domainkey.a.example.com", "the dot at the end"},
    {"CNAME elsewhere.example", "leads to elsewhere.example; that is another name"},
};

static void
test_what_customers_set(void **state)
{
	struct setting *s = *state;

	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		drop(SPAN_LIT("sp1._domainkey.a.example.com"));
		if (mistakes[i].cname != NULL)
			set_cname(1, mistakes[i].cname);
		pass(s, 400);
		assert_int_equal(in_state(s, KEY_PUBLISHED), 1);
		assert_int_equal(world->recursive, 0); /* nobody asked a resolver */
		if (!has_trouble(s, mistakes[i].said) ||
		    !has_trouble(s, "the customer must set the record "
				    "\"sp1._domainkey.a.example.com. CNAME "
				    "sp1.a.example.com.p.example.\""))
			fail_msg("%s", mistakes[i].said);
	}
	assert_int_equal(text_count(), 1); /* published once, at the target */
	assert_int_equal(world->applied, 1);
	drop(SPAN_LIT("sp1._domainkey.a.example.com"));
	set_cnames();
	expect_states(s, "sp1 ACTIVE, sp2 LOADED");
	assert_false(has_trouble(s, "customer"));
}

/* A text of ours at the customer's own name is not what is wanted: the next key could not be seen.
 */
static void
test_text_in_place_of_a_cname(void **state)
{
	struct setting *s = *state;
	const struct record *record;

	turns(s);
	world->now_utc += STEP_S;
	turns(s);
	record = find(SPAN_LIT("sp1.a.example.com.p.example"));
	assert_non_null(record);
	put(SPAN_LIT("sp1._domainkey.a.example.com"), span_str(record->value));
	pass(s, 800);
	assert_int_equal(in_state(s, KEY_PUBLISHED), 1);
	assert_true(has_trouble(s, "there is a TXT record at that name, which must go"));
}

static void
test_cname_taken_away(void **state)
{
	struct setting *s = *state;
	unsigned applied;

	set_cnames();
	expect_states(s, "sp1 ACTIVE, sp2 LOADED");
	applied = world->applied;
	drop(SPAN_LIT("sp1._domainkey.a.example.com"));
	drop(SPAN_LIT("sp2._domainkey.a.example.com"));
	pass(s, 3700);
	/* The one that signs signs on; the other one is no stand-by key now. */
	expect_states(s, "sp1 ACTIVE, sp2 PUBLISHED");
	assert_true(has_trouble(s, "sp1._domainkey.a.example.com. CNAME"));
	assert_true(has_trouble(s, "sp2._domainkey.a.example.com. CNAME"));
	assert_int_equal(world->applied, applied);
	set_cnames();
	expect_states(s, "sp1 ACTIVE, sp2 LOADED");
	pass(s, 3600);
	assert_false(has_trouble(s, "CNAME"));
}

/* ---- what stands at the target ---- */

static void
test_foreign_text_at_a_target(void **state)
{
	struct setting *s = *state;

	set_cnames();
	put(SPAN_LIT("sp1.a.example.com.p.example"), SPAN_LIT("v=DKIM1; p=somebodyelses"));
	expect_states(s, "sp2 ACTIVE, sp3 LOADED");
	assert_string_equal(
	    find(SPAN_LIT("sp1.a.example.com.p.example"))->value, "v=DKIM1; p=somebodyelses");
}

/* ---- plans that change ---- */

static void
test_delegated_and_back(void **state)
{
	struct setting *s = *state;
	size_t i;

	set_cnames();
	expect_states(s, "sp1 ACTIVE, sp2 LOADED");
	put_policy(s, "p", plain);
	world->now_utc += STEP_S;
	ask_rotation(s); /* sp2 takes over; the next one is at a name of its own */
	for (i = 0; i < 100 && text_count() != 3; i++, world->now_utc += STEP_S)
		turns(s);
	assert_int_equal(in_state(s, KEY_ACTIVE), 1);
	for (i = 0; i < 100 && in_state(s, KEY_LOADED) == 0; i++, world->now_utc += STEP_S)
		turns(s);
	ask_rotation(s);
	pass(s, 4000);
	assert_int_equal(in_state(s, KEY_ACTIVE), 1);
	/* What stood at the targets is gone, and so are the keys. */
	assert_null(find(SPAN_LIT("sp1.a.example.com.p.example")));
	assert_null(find(SPAN_LIT("sp2.a.example.com.p.example")));
	put_policy(s, "p", delegated);
	for (i = 0; i < 2; i++) { /* the stand-by key of before takes over first */
		ask_rotation(s);
		pass(s, 4000);
	}
	assert_int_equal(in_state(s, KEY_ACTIVE), 1);
	assert_int_equal(in_state(s, KEY_LOADED), 1);
	assert_int_equal(text_count(), 2);
	for (i = 0; i < world->count; i++) /* and both at targets */
		assert_true(span_starts(span_str(world->records[i].value), SPAN_LIT("CNAME ")) ||
			    strstr(world->records[i].name, ".p.example") != NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, setting_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_records_stand_at_targets),
	    TEST(test_slots_are_used_again),
	    TEST(test_no_slot_for_a_while),
	    TEST(test_what_customers_set),
	    TEST(test_text_in_place_of_a_cname),
	    TEST(test_cname_taken_away),
	    TEST(test_foreign_text_at_a_target),
	    TEST(test_delegated_and_back),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
