/*
 * test_reconciler.c - turns of the reconciler on a SQLite store of its own, with a clock that the
 * test moves and a DNS that is a list: what is done in which order, what is refused, what stops it.
 */
#include "tests/unit/reconciler_world.h"

static int
begin(void **state)
{
	setting_begin(state, "store");
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
	check_audit(s);
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

/* ---- what others change ---- */

static struct {
	const struct keystore_ops *real;
	unsigned lives, lists; /* names that were asked about; pages */
	size_t most;           /* names of one turn */
	size_t now;
} counted;

static enum status
counted_lives(struct keystore *store, const struct span *names, size_t count,
    struct keystore_rows **out, struct err *err)
{
	counted.lives += (unsigned)count;
	counted.now += count;
	if (counted.now > counted.most)
		counted.most = counted.now;
	return counted.real->lives(store, names, count, out, err);
}

static enum status
counted_list(struct keystore *store, enum store_what what, struct span after, size_t max,
    struct keystore_rows **out, struct err *err)
{
	counted.lists++;
	return counted.real->list(store, what, after, max, out, err);
}

static void
count_questions(struct setting *s)
{
	memset(&counted, 0, sizeof(counted));
	counted.real = s->real;
	s->ops.lives = counted_lives;
	s->ops.list = counted_list;
}

static void
add_domain(struct setting *s, const char *name)
{
	struct keystore_write domain = a_domain(WRITE_ADD, name, "acme");

	domain.row.domain.policy = S("p");
	put_row(s, &domain);
}

static size_t
keys_made(struct setting *s, const char *name)
{
	struct span names[1] = {span_str(name)};
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	size_t n;

	assert_int_equal(s->real->lives(s->store, names, 1, &rows, &err), ST_OK);
	assert_int_equal(rows->domain_count, 1);
	n = rows->key_count;
	keystore_rows_release(rows);
	return n;
}

/* It is found in the next turn, without a walk, and what this process writes itself is no news. */
static void
test_a_domain_of_another_tool(void **state)
{
	struct setting *s = *state;
	struct err err = ERR_NONE;
	int64_t next_s = 0;
	unsigned lives;

	assert_true(until(s, KEY_LOADED, 1));
	turns(s);
	turns(s);
	count_questions(s);
	for (int i = 0; i < 5; i++)
		assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_OK);
	assert_int_equal(counted.lives, 0);
	add_domain(s, "new.example.com");
	assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_OK);
	assert_int_equal(keys_made(s, "new.example.com"), 1);
	assert_int_equal(counted.lives, 1);
	turns(s);
	/* Whatever it did of itself since, it looked as often as it was due. */
	lives = counted.lives;
	turns(s);
	assert_int_equal(counted.lives, lives);
	assert_int_equal(counted.lists, 0);
}

/* Of one that has its look in a month as well: it has another policy, say. */
static void
test_a_domain_that_another_tool_changes(void **state)
{
	struct setting *s = *state;
	struct keystore_write domain = a_domain(WRITE_CHANGE, "a.example.com", "acme");
	struct err err = ERR_NONE;
	int64_t next_s = 0;

	assert_true(until(s, KEY_LOADED, 1));
	turns(s);
	domain.row.domain.policy = SPAN_EMPTY;
	put_row(s, &domain);
	count_questions(s);
	assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_OK);
	assert_int_equal(counted.lives, 1);
	assert_int_equal(counted.lists, 0);
}

/* Of a tenant: a policy, all of its domains. */
static void
test_a_policy_that_another_tool_changes(void **state)
{
	struct setting *s = *state;
	struct err err = ERR_NONE;
	int64_t next_s = 0;

	assert_true(until(s, KEY_LOADED, 1));
	turns(s);
	put_policy(s, "p", plan);
	count_questions(s);
	assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_OK);
	assert_int_equal(counted.lives, 1);
	turns(s);
	assert_int_equal(counted.lists, 2);
}

static enum status
told_again(struct keystore *store, uint64_t since, size_t max, struct store_change *out,
    size_t *count_out, struct store_state *state_out, struct err *err)
{
	enum status status =
	    counted.real->changes(store, since, max, out, count_out, state_out, err);

	if (status == ST_OK && *count_out < max)
		out[(*count_out)++] = (struct store_change){.epoch = 1, .subject = "t:acme"};
	return status;
}

/* A directory tells a change until it has come to rest: all domains are looked at once, then there
 * is a pause. */
static void
test_a_policy_that_is_told_again(void **state)
{
	struct setting *s = *state;
	struct err err = ERR_NONE;
	int64_t next_s = 0;

	assert_true(until(s, KEY_LOADED, 1));
	turns(s);
	count_questions(s);
	s->ops.changes = told_again;
	for (int i = 0; i < 50; i++)
		assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_OK);
	assert_int_equal(counted.lists, 2);
	assert_int_equal(counted.lives, 1);
	assert_int_equal(next_s, 1);
}

/* Many at once: a page in each turn, and none is left out. */
static void
test_a_flood_of_domains(void **state)
{
	enum { COUNT = 3000, BATCH = 1000 };
	static struct keystore_write writes[BATCH];
	static char names[COUNT][40];
	struct setting *s = *state;
	struct err err = ERR_NONE;
	int64_t next_s = 0;
	unsigned n = 0;
	size_t at;

	assert_true(until(s, KEY_LOADED, 1));
	turns(s);
	world->silent = true; /* keys are made, and no more */
	count_questions(s);
	for (size_t i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof(names[i]), "d%zu.example.com", i);
		writes[i % BATCH] = a_domain(WRITE_ADD, names[i], "acme");
		if (i % BATCH == BATCH - 1)
			assert_int_equal(
			    s->store->ops->apply(s->store, writes, BATCH, &at, &err), ST_OK);
	}
	/* Without a policy there is nothing to be done for them; and then there is. */
	for (next_s = 0; next_s == 0 && n < 100; n++) {
		counted.now = 0;
		assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_OK);
	}
	assert_true(n < 100);
	for (size_t i = 0; i < COUNT; i++) {
		writes[i % BATCH] = a_domain(WRITE_CHANGE, names[i], "acme");
		writes[i % BATCH].row.domain.policy = S("p");
		if (i % BATCH == BATCH - 1)
			assert_int_equal(
			    s->store->ops->apply(s->store, writes, BATCH, &at, &err), ST_OK);
	}
	add_domain(s, "last.example.com");
	for (next_s = 0, n = 0; next_s == 0 && n < 100; n++) {
		counted.now = 0;
		assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_OK);
	}
	assert_true(n < 100);
	for (size_t i = 0; i < COUNT; i += 499)
		assert_true(keys_made(s, names[i]) > 0);
	assert_true(keys_made(s, "last.example.com") > 0);
	assert_in_range(counted.most, 1, KEYSTORE_CHANGES_MAX + 500 + 100);
}

/* ---- what takes long holds nobody up ---- */

/* Turns, and lanes at work meanwhile. false: not within an hour of theirs, a minute of ours. */
static bool
until_in_lanes(struct setting *s, enum key_state state, size_t count)
{
	int64_t next_s;

	for (int i = 0; i < 6000; i++) {
		struct err err = ERR_NONE;

		if (reconciler_turn(s->reconciler, &next_s, &err) != ST_OK)
			fail_msg("%s", err.text);
		if (in_state(s, state) == count)
			return true;
		usleep(10000);
		world->now_utc += i % 20 == 19 ? STEP_S : 0;
	}
	return false;
}

static void
with_lanes(struct setting *s)
{
	reconciler_free(s->reconciler);
	s->lanes = true;
	s->reconciler = new_reconciler(s, "one");
	assert_true(until_in_lanes(s, KEY_ACTIVE, 1));
	assert_true(until_in_lanes(s, KEY_LOADED, 1));
}

static void
rotate_beside(struct setting *s, const char *stuck)
{
	int64_t next_s;
	struct err err = ERR_NONE;

	/* It waits, and while it does all of a rotation of another domain is done. */
	for (int i = 0; i < 6000 && atomic_load(&world_waiting) == 0; i++) {
		assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_OK);
		usleep(10000);
	}
	assert_int_equal(atomic_load(&world_waiting), 1);
	ask_rotation(s);
	assert_true(until_in_lanes(s, KEY_RETIRING, 1));
	assert_true(until_in_lanes(s, KEY_REVOKED, 1));
	assert_true(until_in_lanes(s, KEY_REVOKED, 0));
	assert_int_equal(in_state(s, KEY_LOADED), 1);
	assert_int_equal(atomic_load(&world_waiting), 1);
	assert_int_equal(keys_made(s, stuck), 1);
	atomic_store(&world_stuck, NULL);
}

static void
test_silent_servers_hold_nobody_up(void **state)
{
	struct setting *s = *state;

	with_lanes(s);
	atomic_store(&world_stuck, "slow.example.com");
	add_domain(s, "slow.example.com");
	rotate_beside(s, "slow.example.com");
}

static void
test_a_hook_holds_nobody_up(void **state)
{
	static const char by_hook[] =
	    "{\"manage\":true,\"algorithms\":[\"ed25519\"],\"publisher\":\"hook\"}";
	struct setting *s = *state;
	struct keystore_write domain = a_domain(WRITE_ADD, "b.example.com", "acme");

	with_lanes(s);
	put_policy(s, "h", by_hook);
	atomic_store(&world_stuck, "hook");
	domain.row.domain.policy = S("h");
	put_row(s, &domain);
	rotate_beside(s, "b.example.com");
}

static atomic_uint refusals;
static const struct keystore_ops *refusing;

static enum status
note_refusals(struct keystore *store, const struct store_lease *lease,
    const struct keystore_write *writes, size_t count, size_t *at, struct err *err)
{
	enum status status = refusing->apply_fenced(store, lease, writes, count, at, err);

	if (status != ST_OK)
		atomic_fetch_add(&refusals, 1);
	return status;
}

static bool
has_key(struct setting *s, const char *name)
{
	return keys_made(s, name) > 0;
}

/* Its first key was looked for, in vain. */
static bool
has_failed(struct setting *s, const char *name)
{
	struct span names[1] = {span_str(name)};
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	char life[2000] = "";

	assert_int_equal(s->real->lives(s->store, names, 1, &rows, &err), ST_OK);
	if (rows->key_count > 0)
		snprintf(life, sizeof(life), "%.*s", SPAN_ARG(rows->keys[0].life));
	keystore_rows_release(rows);
	return strstr(life, "\"tries\"") != NULL;
}

static void
until_all(struct setting *s, bool (*so)(struct setting *s, const char *name), char names[][40],
    size_t count)
{
	size_t n = 0;

	for (int i = 0; i < 6000 && n < count; i++) {
		struct err err = ERR_NONE;
		int64_t next_s;

		assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_OK);
		usleep(1000);
		world->now_utc += i % 10 == 9 ? STEP_S : 0;
		while (n < count && so(s, names[n]))
			n++;
	}
	atomic_store(&world_stuck, NULL);
	assert_int_equal(n, count);
}

/* Those that find no room in a lane are written once, by the turn that leaves them: not by the lane
 * that the same turn begins, with rows that are not so any more. */
static void
test_lanes_write_what_is_theirs(void **state)
{
	enum { FAILING = 350, ALL = 360 };
	static char names[ALL][40];
	struct setting *s = *state;

	for (size_t i = 0; i < ALL; i++)
		snprintf(names[i], sizeof(names[i]), "d%zu.example.com", i);
	with_lanes(s);
	refusing = s->real;
	s->ops.apply_fenced = note_refusals;
	atomic_store(&refusals, 0);
	world->silent = true;
	for (size_t i = 0; i < FAILING; i++)
		add_domain(s, names[i]);
	/* One lane has a page of those that failed, and is not ready; more than a turn looks at are
	 * due; and others have room, in the lane for keys. */
	until_all(s, has_failed, names, FAILING);
	atomic_store(&world_stuck, "example.com");
	world->now_utc += 2 * STEP_S;
	for (size_t i = FAILING; i < ALL; i++)
		add_domain(s, names[i]);
	until_all(s, has_key, names + FAILING, ALL - FAILING);
	reconciler_free(s->reconciler); /* its lanes end */
	s->reconciler = new_reconciler(s, "one");
	assert_int_equal(atomic_load(&refusals), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_lanes_write_what_is_theirs, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_first_key_and_stand_by, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_rotation_to_the_end, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_foreign_record_is_left_alone, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_silent_servers_and_publishers, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_nothing_without_the_lease, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_clock_that_steps, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_store_behind_a_gateway, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_store_that_went_back, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_gateways_are_heard_first, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_gateway_is_waited_for, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_a_domain_of_another_tool, begin, setting_end),
	    cmocka_unit_test_setup_teardown(
		test_a_domain_that_another_tool_changes, begin, setting_end),
	    cmocka_unit_test_setup_teardown(
		test_a_policy_that_another_tool_changes, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_a_policy_that_is_told_again, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_a_flood_of_domains, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_silent_servers_hold_nobody_up, begin, setting_end),
	    cmocka_unit_test_setup_teardown(test_a_hook_holds_nobody_up, begin, setting_end),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
