/*
 * test_reconciler_mirror.c - turns of the reconciler for a domain whose keys another store shows:
 * the key is there before it signs, and nobody writes there who may not be the leader any more.
 */
#include "tests/unit/reconciler_world.h"

#define LEASE_S 3

/* What the mirror was given. */
static struct {
	char selector[80];
	unsigned asked, other; /* other: by the mirror of that name, which is well */
	bool away;
	enum life_effect effect;
} glass;

static void
glass_apply(struct mirror *mirror, struct mirror_change *change)
{
	if (strcmp(mirror->name, "other") == 0) {
		glass.other++;
		mirror_effect(change, LIFE_DONE, NULL);
		return;
	}
	glass.asked++;
	if (glass.effect == LIFE_DONE)
		snprintf(glass.selector, sizeof(glass.selector), "%.*s",
		    change->pem.n == 0 ? 0 : SPAN_ARG(change->selector));
	mirror_effect(change, glass.effect, "as the test says");
	change->away = glass.away;
}

static void
glass_close(struct mirror *mirror)
{
	(void)mirror;
}

static const struct mirror_ops glass_ops = {
    .kind = "glass", .close = glass_close, .apply = glass_apply};

static const struct keystore_ops *real;
static unsigned late_us; /* the store's answers take so long */

/* In the store the lease lasts, so that transactions are not refused for it. */
static enum status
lease(struct keystore *store, const struct store_lease *wanted, int64_t seconds,
    struct store_lease *out, struct err *err)
{
	enum status status = real->lease(store, wanted, seconds > 0 ? 3600 : 0, out, err);

	if (late_us > 0)
		usleep(late_us);
	return status;
}

static int
begin(void **state)
{
	struct setting *s;

	memset(&glass, 0, sizeof(glass));
	glass.effect = LIFE_DONE;
	plan = PLAN_OF("rsa-2048") ",\"mirror\":\"glass\"}";
	s = setting_begin(state, "mirror");
	reconciler_free(s->reconciler);
	real = s->real;
	late_us = 0;
	s->ops.lease = lease;
	s->mirror.ops = &glass_ops;
	snprintf(s->mirror.name, sizeof(s->mirror.name), "glass");
	s->mirrors[0] = &s->mirror;
	s->other.ops = &glass_ops;
	snprintf(s->other.name, sizeof(s->other.name), "other");
	s->mirrors[1] = &s->other;
	s->lease_s = LEASE_S;
	s->reconciler = new_reconciler(s, "one");
	return 0;
}

static void
test_the_key_is_there_before_it_signs(void **state)
{
	struct setting *s = *state;

	glass.effect = LIFE_UNAVAILABLE;
	assert_false(until(s, KEY_ACTIVE, 1));
	assert_true(glass.asked > 1 && glass.selector[0] == '\0');
	glass.effect = LIFE_DONE;
	assert_true(until(s, KEY_ACTIVE, 1));
	assert_string_not_equal(glass.selector, "");
}

/* As long as the lease lasts, and as long as leaves too little of it for an answer of the mirror.
 */
static void
test_nobody_writes_whose_lease_may_be_over(void **state)
{
	static const unsigned times[] = {LEASE_S * 1000000 + 1000, LEASE_S * 600000};
	struct setting *s = *state;
	struct err err = ERR_NONE;
	int64_t next_s;
	unsigned asked;

	glass.effect = LIFE_UNAVAILABLE;
	assert_false(until(s, KEY_ACTIVE, 1));
	glass.effect = LIFE_DONE;
	asked = glass.asked;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		late_us = times[i];
		world->now_utc += STEP_S;
		assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_OK);
		world->now_utc += STEP_S;
		assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_OK);
	}
	assert_int_equal(glass.asked, asked);
	assert_int_equal(in_state(s, KEY_ACTIVE), 0);
	assert_true(has_trouble(s, "the lease may be another's"));
	late_us = 0;
	assert_true(until(s, KEY_ACTIVE, 1));
	assert_true(glass.asked > asked);
}

/* ---- more than one domain ---- */

static const char *const names[] = {
    "a.example.com", "b.example.com", "c.example.com", "d.example.com"};
#define NAMES (sizeof(names) / sizeof(names[0]))

static void
add_domain(struct setting *s, const char *name, struct span policy)
{
	struct keystore_write domain = a_domain(WRITE_ADD, name, "acme");

	domain.row.domain.policy = policy;
	put_row(s, &domain);
}

static void
add_domains(struct setting *s)
{
	static const char other[] = PLAN_OF("rsa-2048") ",\"mirror\":\"other\"}";

	for (size_t i = 1; i < NAMES; i++)
		add_domain(s, names[i], S("p"));
	put_policy(s, "q", other);
	add_domain(s, "z.example.com", S("q"));
}

/* Of the domains of names: how many have a key in this state, with this trouble (NULL: any). */
static size_t
count_domains(struct setting *s, enum key_state state, const char *trouble)
{
	size_t n = 0;

	for (size_t d = 0; d < NAMES; d++) {
		struct span name = span_str(names[d]);
		struct keystore_rows *rows = NULL;
		struct err err = ERR_NONE;
		struct key_life life;
		bool found = false;

		assert_int_equal(s->store->ops->lives(s->store, &name, 1, &rows, &err), ST_OK);
		for (size_t i = 0; i < rows->key_count; i++) {
			assert_int_equal(key_life_parse(rows->keys[i].life, &life, &err), ST_OK);
			found = found ||
				(key_state_at(&rows->keys[i].times, world->now_utc) == state &&
				    (trouble == NULL || strstr(life.trouble, trouble) != NULL));
		}
		keystore_rows_release(rows);
		n += found;
	}
	return n;
}

/* Turns until all domains have heard it; how often the mirror was asked in one of them at most. */
static unsigned
asked_in_a_turn(struct setting *s)
{
	struct err err = ERR_NONE;
	unsigned most = 0;
	int64_t next_s;

	for (int i = 0; i < 500; i++) {
		unsigned before = glass.asked;

		assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_OK);
		if (glass.asked - before > most)
			most = glass.asked - before;
		if (glass.other > 0 &&
		    count_domains(s, KEY_LOADED, "mirror glass: as the test says") == NAMES)
			return most;
		if (next_s > 0)
			world->now_utc += STEP_S;
	}
	fail_msg("it does not come to that");
	return 0;
}

static void
all_get_on(struct setting *s)
{
	glass.effect = LIFE_DONE;
	glass.away = false;
	for (int i = 0; i < 90 && count_domains(s, KEY_ACTIVE, NULL) < NAMES; i++) {
		turns(s);
		world->now_utc += STEP_S;
	}
	assert_int_equal(count_domains(s, KEY_ACTIVE, NULL), NAMES);
}

static void
test_who_is_away_is_asked_once_in_a_turn(void **state)
{
	struct setting *s = *state;

	add_domains(s);
	glass.effect = LIFE_UNAVAILABLE;
	glass.away = true;
	assert_int_equal(asked_in_a_turn(s), 1);
	all_get_on(s);
}

static void
test_the_trouble_of_one_is_not_that_of_all(void **state)
{
	struct setting *s = *state;

	add_domains(s);
	glass.effect = LIFE_UNAVAILABLE;
	assert_int_equal(asked_in_a_turn(s), NAMES);
	all_get_on(s);
}

/* A name of which there is no mirror: nothing was begun there, so another plan needs not to undo
 * it. */
static void
test_what_cannot_be_had_was_not_begun(void **state)
{
	static const char wrong[] = PLAN_OF("rsa-2048") ",\"mirror\":\"glas\"}";
	static const char right[] = PLAN_OF("rsa-2048") ",\"mirror\":\"glass\"}";
	struct setting *s = *state;

	put_policy(s, "p", wrong);
	assert_false(until(s, KEY_ACTIVE, 1));
	assert_true(has_trouble(s, "there is no mirror \"glas\""));
	assert_int_equal(glass.asked, 0);
	put_policy(s, "p", right);
	assert_true(until(s, KEY_ACTIVE, 1));
	assert_true(glass.asked > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, setting_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_the_key_is_there_before_it_signs),
	    TEST(test_nobody_writes_whose_lease_may_be_over),
	    TEST(test_who_is_away_is_asked_once_in_a_turn),
	    TEST(test_the_trouble_of_one_is_not_that_of_all),
	    TEST(test_what_cannot_be_had_was_not_begun),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
