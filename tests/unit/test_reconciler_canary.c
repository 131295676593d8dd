/*
 * test_reconciler_canary.c - gateways say that what they signed does not verify: when the
 * reconciler goes back to the key before, when it only says so, and that it looks itself first.
 */
#include "tests/unit/reconciler_world.h"

#include "lib/keys/canary.h"

static int
begin(void **state)
{
	setting_begin(state, "store");
	return 0;
}

/* The only key in this state, its name in DNS too. */
struct known {
	char id[KEYSTORE_ID_MAX + 1], name[300];
	int64_t active;
};

static struct known
the_key(struct setting *s, enum key_state state)
{
	struct known found = {.id = ""};
	struct keystore_rows *rows = look(s);
	struct buf name;

	buf_init(&name, 299);
	for (size_t i = 0; i < rows->key_count; i++) {
		const struct store_key *row = &rows->keys[i];

		if (key_state_at(&row->times, world->now_utc) != state)
			continue;
		assert_int_equal(found.id[0], '\0');
		snprintf(found.id, sizeof(found.id), "%.*s", SPAN_ARG(row->id));
		record_name(row->selector, row->domain, &name);
		snprintf(found.name, sizeof(found.name), "%s", buf_text(&name));
		found.active = row->times.active;
	}
	assert_int_not_equal(found.id[0], '\0');
	keystore_rows_release(rows);
	buf_free(&name);
	return found;
}

static void
report(struct setting *s, const char *node, const struct known *key, uint32_t failures)
{
	struct store_gateway gateway = {
	    .node = span_str(node), .version = SPAN_LIT("1"), .epoch = 1, .tested = UINT32_MAX};
	struct canary_word word = {.id = span_str(key->id),
	    .domain = SPAN_LIT("a.example.com"),
	    .active = key->active,
	    .good = 1,
	    .failures = failures,
	    .why = SPAN_LIT("no key for signature")};
	struct err err = ERR_NONE;
	struct buf text;

	buf_init(&text, 4096);
	assert_true(canary_word_write(&word, &text));
	gateway.failed = buf_span(&text);
	assert_int_equal(s->store->ops->report(s->store, &gateway, &err), ST_OK);
	buf_free(&text);
}

/* A key that has just taken over, its record seen right. */
static struct known
rotated(struct setting *s)
{
	assert_true(until(s, KEY_LOADED, 1) && in_state(s, KEY_ACTIVE) == 1);
	world->now_utc += STEP_S;
	ask_rotation(s);
	turns(s);
	assert_int_equal(in_state(s, KEY_RETIRING), 1);
	return the_key(s, KEY_ACTIVE);
}

static void
some_time(struct setting *s, int64_t seconds)
{
	for (int64_t at = 0; at < seconds; at += 10, world->now_utc += 10)
		turns(s);
}

static struct domain_life
domain_of(struct setting *s)
{
	struct keystore_rows *rows = look(s);
	struct domain_life life;
	struct err err = ERR_NONE;

	assert_int_equal(domain_life_parse(rows->domains[0].life, &life, &err), ST_OK);
	keystore_rows_release(rows);
	return life;
}

static void
assert_signs(struct setting *s, const struct known *key)
{
	struct known now = the_key(s, KEY_ACTIVE);

	assert_string_equal(now.id, key->id);
}

static void
test_goes_back(void **state)
{
	struct setting *s = *state;
	struct known key = rotated(s), before = the_key(s, KEY_RETIRING);
	struct reconciler_state counts;

	put(span_str(key.name), SPAN_LIT("v=DKIM1; k=ed25519; p=somebodyelses"));
	report(s, "gw1", &key, CANARY_FAILURES);
	some_time(s, 20);
	assert_signs(s, &before);
	assert_int_equal(in_state(s, KEY_HELD), 1);
	assert_string_equal(the_key(s, KEY_HELD).id, key.id);
	assert_true(has_trouble(s, "rolled back: 1 of 1 gateways"));
	assert_true(has_trouble(s, "gw1: no key for signature"));
	assert_true(domain_of(s).paused > 0 && domain_of(s).rolled_back == domain_of(s).paused);
	assert_non_null(strstr(domain_of(s).reason, "rolled back"));
	reconciler_state(s->reconciler, &counts);
	assert_int_equal(counts.rolled_back, 1);
	/* Nobody begins anything, and it goes on being said, whatever the record is now. */
	drop(span_str(key.name));
	some_time(s, 1000);
	assert_signs(s, &before);
	assert_int_equal(in_state(s, KEY_LOADED), 1); /* it was begun before */
	assert_true(has_trouble(s, "rolled back"));
}

static void
test_resolvers_say_no(void **state)
{
	struct setting *s = *state;
	struct known key = rotated(s), before = the_key(s, KEY_RETIRING);

	world->elsewhere = true;
	report(s, "gw1", &key, 7);
	some_time(s, 20);
	assert_signs(s, &before);
	assert_true(has_trouble(s, "all say no"));
}

/* A gateway alone, which may lie, or have a resolver of its own. */
static void
test_right_from_here(void **state)
{
	struct setting *s = *state;
	struct known key = rotated(s);
	unsigned recursive = world->recursive;

	report(s, "gw1", &key, CANARY_FAILURES);
	some_time(s, 20);
	assert_signs(s, &key);
	assert_true(world->recursive > recursive);
	assert_true(has_trouble(s, "all is right from here"));
	assert_int_equal(domain_of(s).paused, 0);
	/* And not over and over. */
	recursive = world->recursive;
	some_time(s, 120);
	assert_true(world->recursive <= recursive + 1);
}

static void
test_nobody_says_so(void **state)
{
	struct setting *s = *state;
	struct known key = rotated(s);
	unsigned asked = world->recursive;

	put(span_str(key.name), SPAN_LIT("v=DKIM1; k=ed25519; p=somebodyelses"));
	report(s, "gw1", &key, CANARY_FAILURES - 1);
	some_time(s, 20);
	key.active--; /* of an activation before this one */
	report(s, "gw1", &key, CANARY_FAILURES);
	some_time(s, 20);
	snprintf(key.id, sizeof(key.id), "another");
	report(s, "gw1", &key, CANARY_FAILURES);
	some_time(s, 20);
	assert_int_equal(world->recursive, asked);
	assert_int_equal(in_state(s, KEY_HELD), 0);
}

static void
test_silent_servers_say_nothing(void **state)
{
	struct setting *s = *state;
	struct known key = rotated(s), before = the_key(s, KEY_RETIRING);

	world->silent = true;
	put(span_str(key.name), SPAN_LIT("v=DKIM1; k=ed25519; p=somebodyelses"));
	report(s, "gw1", &key, CANARY_FAILURES);
	some_time(s, 60);
	assert_signs(s, &key);
	world->silent = false;
	some_time(s, 60);
	assert_signs(s, &before);
}

/* There is nothing to go back to: the record of the one before is gone, too; or it was revoked. */
static void
test_nothing_to_go_back_to(void **state)
{
	struct setting *s = *state;
	struct known key = rotated(s), before = the_key(s, KEY_RETIRING);

	world->effect = LIFE_REFUSED; /* nor is it put back */
	put(span_str(key.name), SPAN_LIT("v=DKIM1; k=ed25519; p=somebodyelses"));
	drop(span_str(before.name));
	report(s, "gw1", &key, CANARY_FAILURES);
	some_time(s, 100);
	assert_signs(s, &key);
	assert_true(has_trouble(s, "gateways cannot verify"));
	assert_int_equal(domain_of(s).paused, 0);
}

static void
test_too_late(void **state)
{
	struct setting *s = *state;
	struct known key = rotated(s);

	some_time(s, 300); /* the one before is revoked */
	assert_int_equal(in_state(s, KEY_RETIRING), 0);
	put(span_str(key.name), SPAN_LIT("v=DKIM1; k=ed25519; p=somebodyelses"));
	report(s, "gw1", &key, CANARY_FAILURES);
	some_time(s, 60);
	assert_signs(s, &key);
	assert_true(has_trouble(s, "gateways cannot verify"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_goes_back, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_resolvers_say_no, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_right_from_here, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_nobody_says_so, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_silent_servers_say_nothing, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_nothing_to_go_back_to, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_too_late, begin, setting_end),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
