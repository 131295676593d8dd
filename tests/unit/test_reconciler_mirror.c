/*
 * test_reconciler_mirror.c - turns of the reconciler for a domain whose keys another store shows:
 * the key is there before it signs, and nobody writes there who may not be the leader any more.
 */
#include "tests/unit/reconciler_world.h"

#define LEASE_S 2

/* What the mirror was given. */
static struct {
	char selector[80];
	unsigned asked;
	enum life_effect effect;
} glass;

static void
glass_apply(struct mirror *mirror, struct mirror_change *change)
{
	(void)mirror;
	glass.asked++;
	if (glass.effect == LIFE_DONE)
		snprintf(glass.selector, sizeof(glass.selector), "%.*s",
		    change->pem.n == 0 ? 0 : SPAN_ARG(change->selector));
	mirror_effect(change, glass.effect, "as the test says");
}

static void
glass_close(struct mirror *mirror)
{
	(void)mirror;
}

static const struct mirror_ops glass_ops = {
    .kind = "glass", .close = glass_close, .apply = glass_apply};

static const struct keystore_ops *real;
static bool late; /* the store's answers take as long as the lease lasts */

/* In the store the lease lasts, so that transactions are not refused for it. */
static enum status
lease(struct keystore *store, const struct store_lease *wanted, int64_t seconds,
    struct store_lease *out, struct err *err)
{
	enum status status = real->lease(store, wanted, seconds > 0 ? 3600 : 0, out, err);

	if (late)
		usleep(LEASE_S * 1000000 + 1000);
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
	late = false;
	s->ops.lease = lease;
	s->mirror.ops = &glass_ops;
	snprintf(s->mirror.name, sizeof(s->mirror.name), "glass");
	s->mirrors[0] = &s->mirror;
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

static void
test_nobody_writes_whose_lease_may_be_over(void **state)
{
	struct setting *s = *state;
	struct err err = ERR_NONE;
	int64_t next_s;
	unsigned asked;

	glass.effect = LIFE_UNAVAILABLE;
	assert_false(until(s, KEY_ACTIVE, 1));
	glass.effect = LIFE_DONE;
	asked = glass.asked;
	late = true;
	for (int i = 0; i < 3; i++) {
		world->now_utc += STEP_S;
		assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_OK);
	}
	assert_int_equal(glass.asked, asked);
	assert_int_equal(in_state(s, KEY_ACTIVE), 0);
	assert_true(has_trouble(s, "the lease may be another's"));
	late = false;
	assert_true(until(s, KEY_ACTIVE, 1));
	assert_true(glass.asked > asked);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, setting_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_the_key_is_there_before_it_signs),
	    TEST(test_nobody_writes_whose_lease_may_be_over),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
