/*
 * test_reconciler.c - turns of the reconciler on a SQLite store of its own, with a clock that the
 * test moves and a DNS that is a list: what is done in which order, what is refused, what stops it.
 */
#include "tests/unit/reconciler_world.h"

static int
begin(void **state)
{
	struct setting *s = mem_zalloc(1, sizeof(*s));
	static int number;
	char name[32];

	memset(world, 0, sizeof(*world));
	snprintf(name, sizeof(name), "store%d.db", number++);
	setting_make(s, name);
	*state = s;
	return 0;
}

static int
end(void **state)
{
	setting_close(*state);
	mem_free(*state);
	return 0;
}

static void
test_first_key_and_stand_by(void **state)
{
	struct setting *s = *state;

	assert_true(until(s, KEY_ACTIVE, 1));
	assert_true(until(s, KEY_LOADED, 1));
	assert_int_equal(world->count, 2);
	assert_int_equal(world->recursive, 2);
	turns(s);
	assert_int_equal(in_state(s, KEY_ACTIVE), 1);
	assert_int_equal(in_state(s, KEY_LOADED), 1);
}

static void
test_rotation_to_the_end(void **state)
{
	struct setting *s = *state;
	bool retired = false, revoked = false;

	assert_true(until(s, KEY_LOADED, 1) && in_state(s, KEY_ACTIVE) == 1);
	world->now_utc += STEP_S;
	ask_rotation(s);
	turns(s);
	assert_int_equal(in_state(s, KEY_RETIRING), 1);
	for (int i = 0; i < 40; i++) {
		turns(s);
		assert_int_equal(in_state(s, KEY_ACTIVE), 1);
		retired = retired || in_state(s, KEY_RETIRING) == 1;
		revoked = revoked || in_state(s, KEY_REVOKED) == 1;
		world->now_utc += STEP_S;
	}
	assert_true(retired && revoked);
	assert_int_equal(in_state(s, KEY_RETIRING) + in_state(s, KEY_REVOKED), 0);
	assert_int_equal(in_state(s, KEY_LOADED), 1);
	assert_int_equal(world->count, 2); /* and nothing of the old one */
}

static void
test_foreign_record_is_left_alone(void **state)
{
	struct setting *s = *state;
	struct keystore_rows *rows;
	struct buf name;

	world->silent = true;
	turns(s);
	rows = look(s);
	assert_int_equal(rows->key_count, 1);
	buf_init(&name, 300);
	record_name(rows->keys[0].selector, rows->keys[0].domain, &name);
	put(buf_span(&name), SPAN_LIT("v=DKIM1; p=somebodyelses"));
	world->silent = false;
	keystore_rows_release(rows);
	assert_true(until(s, KEY_ACTIVE, 1));
	assert_non_null(find(buf_span(&name)));
	assert_string_equal(find(buf_span(&name))->value, "v=DKIM1; p=somebodyelses");
	buf_free(&name);
}

static void
test_silent_servers_and_publishers(void **state)
{
	struct setting *s = *state;

	world->silent = true;
	for (int i = 0; i < 5; i++, world->now_utc += STEP_S)
		turns(s);
	assert_int_equal(in_state(s, KEY_PREPARED), 1);
	assert_true(has_trouble(s, "ns1 does not answer"));
	assert_int_equal(world->applied, 0);
	world->silent = false;
	world->effect = LIFE_UNAVAILABLE;
	for (int i = 0; i < 5; i++, world->now_utc += STEP_S)
		turns(s);
	assert_int_equal(in_state(s, KEY_PUBLISHING), 1);
	assert_true(world->applied >= 2 && world->applied <= 6);
	world->effect = LIFE_DONE;
	assert_true(until(s, KEY_ACTIVE, 1));
}

static void
test_nothing_without_the_lease(void **state)
{
	struct setting *s = *state;
	struct reconciler *other = new_reconciler(s, "two");
	struct err err = ERR_NONE;
	int64_t next_s;

	turns(s);
	assert_int_equal(reconciler_turn(other, &next_s, &err), ST_DENIED);
	assert_true(next_s > 0);
	assert_string_equal(err.text, "one has the lease");
	reconciler_free(other);
}

static void
test_clock_that_steps(void **state)
{
	struct setting *s = *state;
	struct err err = ERR_NONE;
	unsigned asked;
	int64_t next_s;

	turns(s);
	asked = world->asked;
	world->now_utc += 86400;
	assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_FAILED);
	world->now_utc -= 2 * 86400;
	assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_FAILED);
	assert_int_equal(world->asked, asked);
	world->now_utc += 86400;
	turns(s);
}

static void
test_store_behind_a_gateway(void **state)
{
	struct setting *s = *state;
	struct store_gateway gateway = {
	    .node = SPAN_LIT("gw1"), .version = SPAN_LIT("1"), .epoch = 1000000};
	struct err err = ERR_NONE;
	int64_t next_s;

	assert_int_equal(s->store->ops->report(s->store, &gateway, &err), ST_OK);
	assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_FAILED);
	assert_non_null(strstr(err.text, "safe mode"));
	gateway.epoch = 1;
	assert_int_equal(s->store->ops->report(s->store, &gateway, &err), ST_OK);
	turns(s);
}

/* What the rows of gateways are made to say. */
static struct {
	const struct keystore_ops *real;
	int64_t later_s;
	uint64_t epochs_less;
} told;

static enum status
gateways_as_told(struct keystore *store, struct keystore_rows **rows_out, struct err *err)
{
	enum status status = told.real->gateways(store, rows_out, err);

	if (status != ST_OK)
		return status;
	(*rows_out)->epoch -= told.epochs_less;
	for (size_t i = 0; i < (*rows_out)->gateway_count; i++)
		(*rows_out)->gateways[i].at += told.later_s;
	return ST_OK;
}

/* A backup is put back while this runs; no gateway reports. */
static void
test_store_that_went_back(void **state)
{
	struct setting *s = *state;
	struct err err = ERR_NONE;
	unsigned asked;
	int64_t next_s;

	turns(s);
	turns(s); /* what was written last has been seen */
	told.real = s->real;
	s->ops.gateways = gateways_as_told;
	asked = world->asked;
	told.epochs_less = 1;
	assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_FAILED);
	assert_non_null(strstr(err.text, "safe mode"));
	assert_int_equal(world->asked, asked);
	told.epochs_less = 0;
	turns(s);
}

/* A backup was put back before this began: the rows of gateways are of then, and what they say now
 * is waited for. One that is silent is not waited for any longer than any other. */
static void
test_gateways_are_heard_first(void **state)
{
	struct setting *s = *state;
	struct store_gateway gateway = {
	    .node = SPAN_LIT("gw1"), .version = SPAN_LIT("1"), .epoch = 1};
	struct err err = ERR_NONE;
	int64_t next_s, began;

	told.real = s->real;
	s->ops.gateways = gateways_as_told;
	assert_int_equal(s->store->ops->report(s->store, &gateway, &err), ST_OK);
	world->now_utc += 200;
	assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_FAILED);
	assert_non_null(strstr(err.text, "gw1"));
	assert_int_equal(next_s, 1);
	told.later_s = 400;
	turns(s);
	told.later_s = 0;
	reconciler_free(s->reconciler);
	s->reconciler = new_reconciler(s, "two");
	for (began = world->now_utc; world->now_utc < began + 3600; world->now_utc += STEP_S)
		assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_FAILED);
	turns(s);
}

/* A gateway that lives has to have tried a key before it signs. */
static void
test_gateway_is_waited_for(void **state)
{
	struct setting *s = *state;
	struct store_gateway gateway = {
	    .node = SPAN_LIT("gw1"), .version = SPAN_LIT("1"), .epoch = 1};
	struct err err = ERR_NONE;

	assert_int_equal(s->store->ops->report(s->store, &gateway, &err), ST_OK);
	assert_true(until(s, KEY_PROVEN, 1));
	for (int i = 0; i < 5; i++, world->now_utc += STEP_S)
		turns(s);
	assert_int_equal(in_state(s, KEY_PROVEN), 1);
	gateway.tested = UINT32_MAX;
	assert_int_equal(s->store->ops->report(s->store, &gateway, &err), ST_OK);
	assert_true(until(s, KEY_ACTIVE, 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_first_key_and_stand_by, begin, end),
	    cmocka_unit_test_setup_teardown(test_rotation_to_the_end, begin, end),
	    cmocka_unit_test_setup_teardown(test_foreign_record_is_left_alone, begin, end),
	    cmocka_unit_test_setup_teardown(test_silent_servers_and_publishers, begin, end),
	    cmocka_unit_test_setup_teardown(test_nothing_without_the_lease, begin, end),
	    cmocka_unit_test_setup_teardown(test_clock_that_steps, begin, end),
	    cmocka_unit_test_setup_teardown(test_store_behind_a_gateway, begin, end),
	    cmocka_unit_test_setup_teardown(test_store_that_went_back, begin, end),
	    cmocka_unit_test_setup_teardown(test_gateways_are_heard_first, begin, end),
	    cmocka_unit_test_setup_teardown(test_gateway_is_waited_for, begin, end),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
