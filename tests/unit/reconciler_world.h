/*
 * reconciler_world.h - what the tests of the reconciler share: a SQLite store of their own, a clock
 * that the test moves, and a DNS that is a list. The list and the clock may be shared by processes
 * (world_share()).
 */
#ifndef SIGNPOST_TESTS_RECONCILER_WORLD_H
#define SIGNPOST_TESTS_RECONCILER_WORLD_H

#include "tests/unit/keystore_help.h"

#include <sys/mman.h>

#include "admin-api/reconciler.h"
#include "admin-api/record.h"
#include "lib/keys/life.h"

#define RECORDS_MAX 32
#define STEP_S 40

/* ---- the world ---- */

struct record {
	char name[300], value[2000];
};

struct world {
	struct record records[RECORDS_MAX];
	size_t count;
	enum life_effect effect; /* of publishers, when not LIFE_DONE */
	bool silent;             /* the authoritative servers do not answer */
	unsigned asked, recursive, applied;
	int64_t now_utc;
};

/* Of this process alone, or of its children too. */
static struct world own_world, *world = &own_world;

static inline struct record *
find(struct span name)
{
	for (size_t i = 0; i < world->count; i++)
		if (span_eq_str(name, world->records[i].name))
			return &world->records[i];
	return NULL;
}

static inline void
put(struct span name, struct span value)
{
	struct record *record = find(name);

	if (record == NULL)
		record = &world->records[world->count++];
	assert_true(world->count < RECORDS_MAX);
	snprintf(record->name, sizeof(record->name), "%.*s", SPAN_ARG(name));
	snprintf(record->value, sizeof(record->value), "%.*s", SPAN_ARG(value));
}

static inline void
drop(struct span name)
{
	struct record *record = find(name);

	if (record != NULL)
		*record = world->records[--world->count];
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

		world->asked++;
		q->neg_s = 60;
		snprintf(q->zone, sizeof(q->zone), "example.com");
		if (world->silent) {
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
	world->recursive++;
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

		world->applied++;
		change->effect = world->effect;
		if (world->effect != LIFE_DONE)
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

static inline enum status
test_now(struct keystore *store, int64_t *utc_s_out, struct err *err)
{
	(void)store;
	(void)err;
	*utc_s_out = world->now_utc;
	return ST_OK;
}

static const char plan[] =
    "{\"manage\":true,\"algorithms\":[\"ed25519\"],\"publisher\":\"list\",\"interval\":0,\"ttl\":"
    "60,"
    "\"negative_floor\":60,\"lease\":120,\"signature_life\":60,\"clock_error\":10,\"tombstone\":60,"
    "\"activation_wait\":0,\"proofs\":2,\"proof_interval\":10,\"timed_ack\":30,\"drift_interval\":"
    "3600,"
    "\"retry\":10,\"retry_max\":40,\"give_up\":0}";

static inline struct reconciler *
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

static inline void
put_row(struct setting *s, const struct keystore_write *write)
{
	struct err err = ERR_NONE;
	size_t at;

	if (s->store->ops->apply(s->store, write, 1, &at, &err) != ST_OK)
		fail_msg("%s", err.text);
}

static inline void
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

/* The store is there; a reconciler begins. */
static inline void
setting_open(struct setting *s, const char *name)
{
	struct err err = ERR_NONE;

	memset(s, 0, sizeof(*s));
	s->store = open_store(name, true);
	s->real = s->store->ops;
	s->ops = *s->real;
	s->ops.now = test_now;
	s->store->ops = &s->ops;
	if (sitekey_parse(span_str("1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"), "test",
		&s->sitekey, &err) != ST_OK)
		fail_msg("%s", err.text);
	snprintf(s->publisher.name, sizeof(s->publisher.name), "list");
	s->publishers[0] = &s->publisher;
	s->reconciler = new_reconciler(s, "one");
}

static inline void
setting_close(struct setting *s)
{
	reconciler_free(s->reconciler);
	s->store->ops = s->real;
	keystore_close(s->store);
	sitekey_close(s->sitekey);
}

/* A new store with a domain that wants keys, and the world's clock is the store's. */
static inline void
setting_make(struct setting *s, const char *name)
{
	struct err err = ERR_NONE;

	world->effect = LIFE_DONE;
	keystore_close(make_store(name));
	setting_open(s, name);
	assert_int_equal(s->real->now(s->store, &world->now_utc, &err), ST_OK);
	fill(s);
}

/* From now on the world is that of all children, too. */
static inline bool
world_share(void)
{
	world =
	    mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return world != MAP_FAILED;
}

/* ---- looking ---- */

static inline struct keystore_rows *
look(struct setting *s)
{
	struct span name = SPAN_LIT("a.example.com");
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;

	if (s->store->ops->lives(s->store, &name, 1, &rows, &err) != ST_OK)
		fail_msg("%s", err.text);
	return rows;
}

static inline size_t
in_state(struct setting *s, enum key_state state)
{
	struct keystore_rows *rows = look(s);
	size_t n = 0;

	for (size_t i = 0; i < rows->key_count; i++)
		n += key_state_at(&rows->keys[i].times, world->now_utc) == state;
	keystore_rows_release(rows);
	return n;
}

static inline bool
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
static inline void
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
static inline bool
until(struct setting *s, enum key_state state, size_t count)
{
	for (int i = 0; i < 3600 / STEP_S; i++) {
		turns(s);
		if (in_state(s, state) == count)
			return true;
		world->now_utc += STEP_S;
	}
	return false;
}

static inline void
ask_rotation(struct setting *s)
{
	struct keystore_rows *rows = look(s);
	struct keystore_write write = {.what = STORE_DOMAIN,
	    .how = WRITE_CHANGE,
	    .life = true,
	    .row.domain = rows->domains[0]};
	struct domain_life life = {.rotate_asked = world->now_utc};
	struct buf text;

	buf_init(&text, LIFE_TEXT_MAX);
	domain_life_write(&life, &text);
	write.row.domain.life = buf_span(&text);
	write.row.domain.due = world->now_utc;
	put_row(s, &write);
	buf_free(&text);
	keystore_rows_release(rows);
}

#endif
