/*
 * test_reconciler.c - turns of the reconciler on a SQLite store of its own, with a clock that the
 * test moves and a DNS that is a list: what is done in which order, what is refused, what stops it.
 */
#include "tests/unit/keystore_help.h"

#include "admin-api/reconciler.h"
#include "admin-api/record.h"
#include "lib/keys/life.h"

#define RECORDS_MAX 32
#define STEP_S 40

/* ---- the world ---- */

struct record {
	char name[300], value[2000];
};

static struct {
	struct record records[RECORDS_MAX];
	size_t count;
	enum life_effect effect; /* of publishers, when not LIFE_DONE */
	bool silent;             /* the authoritative servers do not answer */
	unsigned asked, recursive, applied;
	int64_t now_utc;
} world;

static struct record *
find(struct span name)
{
	for (size_t i = 0; i < world.count; i++)
		if (span_eq_str(name, world.records[i].name))
			return &world.records[i];
	return NULL;
}

static void
put(struct span name, struct span value)
{
	struct record *record = find(name);

	if (record == NULL)
		record = &world.records[world.count++];
	assert_true(world.count < RECORDS_MAX);
	snprintf(record->name, sizeof(record->name), "%.*s", SPAN_ARG(name));
	snprintf(record->value, sizeof(record->value), "%.*s", SPAN_ARG(value));
}

static void
drop(struct span name)
{
	struct record *record = find(name);

	if (record != NULL)
		*record = world.records[--world.count];
}

enum status
authority_open(const struct authority_config *config, struct authority **out, struct err *err)
{
	(void)config;
	(void)err;
	*out = NULL;
	return ST_OK;
}

void
authority_close(struct authority *authority)
{
	(void)authority;
}

void
authority_ask(struct authority *authority, struct authority_question *questions, size_t count)
{
	(void)authority;
	for (size_t i = 0; i < count; i++) {
		struct authority_question *q = &questions[i];
		const struct record *record = find(q->name);

		world.asked++;
		q->neg_s = 60;
		snprintf(q->zone, sizeof(q->zone), "example.com");
		if (world.silent) {
			q->seen = AUTHORITY_UNAVAILABLE;
			snprintf(q->why, sizeof(q->why), "ns1 does not answer");
		} else if (record == NULL) {
			q->seen = AUTHORITY_ABSENT;
		} else if (span_eq_str(q->value, record->value)) {
			q->seen = AUTHORITY_RIGHT;
		} else {
			q->seen = span_eq_str(q->other, record->value) ? AUTHORITY_OTHER
								       : AUTHORITY_FOREIGN;
		}
	}
}

void
authority_recursive(
    struct authority *authority, struct span name, struct span value, struct authority_view *out)
{
	const struct record *record = find(name);

	(void)authority;
	/* What is asked too early is remembered as absent. */
	assert_non_null(record);
	assert_true(span_eq_str(value, record->value));
	world.recursive++;
	*out = (struct authority_view){.resolvers = 3, .right = 3};
	out->text_bytes = strlen(record->value);
	memcpy(out->text, record->value, out->text_bytes);
}

/* I6: what is there is looked at before anything is changed. */
void
publisher_apply(
    struct publisher *publisher, struct span zone, struct publish_change *changes, size_t count)
{
	(void)publisher;
	assert_true(span_eq_str(zone, "example.com"));
	for (size_t i = 0; i < count; i++) {
		struct publish_change *change = &changes[i];
		const struct record *record = find(change->name);

		world.applied++;
		change->effect = world.effect;
		if (world.effect != LIFE_DONE)
			continue;
		if (change->how == PUBLISH_ADD && record == NULL)
			put(change->name, change->value);
		else if (change->how == PUBLISH_REPLACE && record != NULL &&
			 span_eq_str(change->old, record->value))
			put(change->name, change->value);
		else if (change->how == PUBLISH_REMOVE && record != NULL &&
			 span_eq_str(change->old, record->value))
			drop(change->name);
		else
			change->effect = LIFE_CONFLICT;
	}
}

/* ---- the store ---- */

struct setting {
	struct keystore *store;
	struct keystore_ops ops;
	const struct keystore_ops *real;
	struct sitekey *sitekey;
	struct publisher publisher;
	struct publisher *publishers[1];
	struct reconciler *reconciler;
};

static enum status
test_now(struct keystore *store, int64_t *utc_s_out, struct err *err)
{
	(void)store;
	(void)err;
	*utc_s_out = world.now_utc;
	return ST_OK;
}

static const char plan[] =
    "{\"manage\":true,\"algorithms\":[\"ed25519\"],\"publisher\":\"list\",\"interval\":0,\"ttl\":"
    "60,"
    "\"negative_floor\":60,\"lease\":120,\"signature_life\":60,\"clock_error\":10,\"tombstone\":60,"
    "\"activation_wait\":0,\"proofs\":2,\"proof_interval\":10,\"timed_ack\":30,\"drift_interval\":"
    "3600,"
    "\"retry\":10,\"retry_max\":40,\"give_up\":0}";

static struct reconciler *
new_reconciler(struct setting *s, const char *owner)
{
	struct reconciler_config config = {.store = s->store,
	    .sitekey = s->sitekey,
	    .publishers = s->publishers,
	    .publisher_count = 1,
	    .owner = owner,
	    .lease_s = 600,
	    .gateway_silence_s = 3600,
	    .batch = 100,
	    .provers = 1,
	    .makers = 1};
	struct reconciler *reconciler = NULL;
	struct err err = ERR_NONE;

	if (reconciler_new(&config, &reconciler, &err) != ST_OK)
		fail_msg("%s", err.text);
	return reconciler;
}

static void
put_row(struct setting *s, const struct keystore_write *write)
{
	struct err err = ERR_NONE;
	size_t at;

	if (s->store->ops->apply(s->store, write, 1, &at, &err) != ST_OK)
		fail_msg("%s", err.text);
}

static void
fill(struct setting *s)
{
	struct keystore_write tenant = a_tenant(WRITE_ADD, "acme");
	struct keystore_write domain = a_domain(WRITE_ADD, "a.example.com", "acme");
	struct keystore_write policy = {.what = STORE_POLICY,
	    .row.policy = {.tenant = S("acme"),
		.name = S("p"),
		.signature_ttl_s = -1,
		.plan = span_str(plan)}};

	domain.row.domain.policy = S("p");
	put_row(s, &tenant);
	put_row(s, &policy);
	put_row(s, &domain);
}

static int
begin(void **state)
{
	struct setting *s = mem_zalloc(1, sizeof(*s));
	struct err err = ERR_NONE;
	static int number;
	char name[32];

	memset(&world, 0, sizeof(world));
	world.effect = LIFE_DONE;
	snprintf(name, sizeof(name), "store%d.db", number++);
	s->store = make_store(name);
	assert_int_equal(s->store->ops->now(s->store, &world.now_utc, &err), ST_OK);
	s->real = s->store->ops;
	s->ops = *s->real;
	s->ops.now = test_now;
	s->store->ops = &s->ops;
	assert_int_equal(sitekey_parse(span_str("1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"),
			     "test", &s->sitekey, &err),
	    ST_OK);
	snprintf(s->publisher.name, sizeof(s->publisher.name), "list");
	s->publishers[0] = &s->publisher;
	fill(s);
	s->reconciler = new_reconciler(s, "one");
	*state = s;
	return 0;
}

static int
end(void **state)
{
	struct setting *s = *state;

	reconciler_free(s->reconciler);
	s->store->ops = s->real;
	keystore_close(s->store);
	sitekey_close(s->sitekey);
	mem_free(s);
	return 0;
}

/* ---- looking ---- */

static struct keystore_rows *
look(struct setting *s)
{
	struct span name = SPAN_LIT("a.example.com");
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;

	if (s->store->ops->lives(s->store, &name, 1, &rows, &err) != ST_OK)
		fail_msg("%s", err.text);
	return rows;
}

static size_t
in_state(struct setting *s, enum key_state state)
{
	struct keystore_rows *rows = look(s);
	size_t n = 0;

	for (size_t i = 0; i < rows->key_count; i++)
		n += key_state_at(&rows->keys[i].times, world.now_utc) == state;
	keystore_rows_release(rows);
	return n;
}

static bool
has_trouble(struct setting *s, const char *text)
{
	struct keystore_rows *rows = look(s);
	struct key_life life;
	struct err err = ERR_NONE;
	bool found = false;

	for (size_t i = 0; i < rows->key_count; i++) {
		assert_int_equal(key_life_parse(rows->keys[i].life, &life, &err), ST_OK);
		found = found || strstr(life.trouble, text) != NULL;
	}
	keystore_rows_release(rows);
	return found;
}

/* Turns until nothing is to be done at once. */
static void
turns(struct setting *s)
{
	int64_t next_s = 0;

	for (int i = 0; i < 50; i++) {
		struct err err = ERR_NONE;

		if (reconciler_turn(s->reconciler, &next_s, &err) != ST_OK)
			fail_msg("%s", err.text);
		if (next_s > 0)
			return;
	}
	fail_msg("it does not come to rest");
}

/* false: not within an hour. */
static bool
until(struct setting *s, enum key_state state, size_t count)
{
	for (int i = 0; i < 3600 / STEP_S; i++) {
		turns(s);
		if (in_state(s, state) == count)
			return true;
		world.now_utc += STEP_S;
	}
	return false;
}

static void
ask_rotation(struct setting *s)
{
	struct keystore_rows *rows = look(s);
	struct keystore_write write = {.what = STORE_DOMAIN,
	    .how = WRITE_CHANGE,
	    .life = true,
	    .row.domain = rows->domains[0]};
	struct domain_life life = {.rotate_asked = world.now_utc};
	struct buf text;

	buf_init(&text, LIFE_TEXT_MAX);
	domain_life_write(&life, &text);
	write.row.domain.life = buf_span(&text);
	write.row.domain.due = world.now_utc;
	put_row(s, &write);
	buf_free(&text);
	keystore_rows_release(rows);
}

/* ---- the tests ---- */

static void
test_first_key_and_stand_by(void **state)
{
	struct setting *s = *state;

	assert_true(until(s, KEY_ACTIVE, 1));
	assert_true(until(s, KEY_LOADED, 1));
	assert_int_equal(world.count, 2);
	assert_int_equal(world.recursive, 2);
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
	world.now_utc += STEP_S;
	ask_rotation(s);
	turns(s);
	assert_int_equal(in_state(s, KEY_RETIRING), 1);
	for (int i = 0; i < 40; i++) {
		turns(s);
		assert_int_equal(in_state(s, KEY_ACTIVE), 1);
		retired = retired || in_state(s, KEY_RETIRING) == 1;
		revoked = revoked || in_state(s, KEY_REVOKED) == 1;
		world.now_utc += STEP_S;
	}
	assert_true(retired && revoked);
	assert_int_equal(in_state(s, KEY_RETIRING) + in_state(s, KEY_REVOKED), 0);
	assert_int_equal(in_state(s, KEY_LOADED), 1);
	assert_int_equal(world.count, 2); /* and nothing of the old one */
}

static void
test_foreign_record_is_left_alone(void **state)
{
	struct setting *s = *state;
	struct keystore_rows *rows;
	struct buf name;

	world.silent = true;
	turns(s);
	rows = look(s);
	assert_int_equal(rows->key_count, 1);
	buf_init(&name, 300);
	record_name(rows->keys[0].selector, rows->keys[0].domain, &name);
	put(buf_span(&name), SPAN_LIT("v=DKIM1; p=somebodyelses"));
	world.silent = false;
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

	world.silent = true;
	for (int i = 0; i < 5; i++, world.now_utc += STEP_S)
		turns(s);
	assert_int_equal(in_state(s, KEY_PREPARED), 1);
	assert_true(has_trouble(s, "ns1 does not answer"));
	assert_int_equal(world.applied, 0);
	world.silent = false;
	world.effect = LIFE_UNAVAILABLE;
	for (int i = 0; i < 5; i++, world.now_utc += STEP_S)
		turns(s);
	assert_int_equal(in_state(s, KEY_PUBLISHING), 1);
	assert_true(world.applied >= 2 && world.applied <= 6);
	world.effect = LIFE_DONE;
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
	asked = world.asked;
	world.now_utc += 86400;
	assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_FAILED);
	world.now_utc -= 2 * 86400;
	assert_int_equal(reconciler_turn(s->reconciler, &next_s, &err), ST_FAILED);
	assert_int_equal(world.asked, asked);
	world.now_utc += 86400;
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
	for (int i = 0; i < 5; i++, world.now_utc += STEP_S)
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
	    cmocka_unit_test_setup_teardown(test_gateway_is_waited_for, begin, end),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
