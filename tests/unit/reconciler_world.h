/*
 * reconciler_world.h - what the tests of the reconciler share: a SQLite store of their own, a clock
 * that the test moves, and a DNS that is a list. The list and the clock may be shared by processes
 * (world_share()).
 */
#ifndef SIGNPOST_TESTS_RECONCILER_WORLD_H
#define SIGNPOST_TESTS_RECONCILER_WORLD_H

#include "tests/unit/keystore_help.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "admin-api/mirror.h"
#include "admin-api/reconciler.h"
#include "admin-api/record.h"
#include "lib/keys/life.h"

#define RECORDS_MAX 32
#define STEP_S 40

/* ---- the world ---- */

struct record {
	char name[300], value[2000]; /* "CNAME target" is an alias */
};

struct world {
	struct record records[RECORDS_MAX];
	size_t count;
	enum life_effect effect; /* of publishers, when not LIFE_DONE */
	bool silent;             /* the authoritative servers do not answer */
	bool elsewhere;          /* resolvers say something else */
	unsigned asked, recursive, applied;
	int64_t now_utc;
};

/* Of tests with lanes: one thread at a time, and whoever asks for what is below this name waits. */
static pthread_mutex_t world_lock = PTHREAD_MUTEX_INITIALIZER;
static const char *_Atomic world_stuck;
static atomic_uint world_waiting;

static inline void
wait_if_stuck(struct span name)
{
	const char *stuck = atomic_load(&world_stuck);

	if (stuck == NULL || !span_ends(name, span_str(stuck)))
		return;
	atomic_fetch_add(&world_waiting, 1);
	for (int i = 0; i < 120000 && atomic_load(&world_stuck) != NULL; i++)
		usleep(1000);
	atomic_fetch_sub(&world_waiting, 1);
}

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

/* What is at a name, along an alias, which is *alias_out (NULL: there is none). */
static inline const struct record *
follow(struct span name, const char **alias_out)
{
	const struct record *record = find(name);

	*alias_out = NULL;
	if (record == NULL || !span_starts(span_str(record->value), SPAN_LIT("CNAME ")))
		return record;
	*alias_out = record->value + 6;
	return find(span_str(*alias_out));
}

/* All texts, without the aliases. */
static inline size_t
text_count(void)
{
	size_t n = 0;

	for (size_t i = 0; i < world->count; i++)
		n += !span_starts(span_str(world->records[i].value), SPAN_LIT("CNAME "));
	return n;
}

static inline const char *
zone_of(struct span name)
{
	return span_iends(name, SPAN_LIT(".p.example")) ? "p.example" : "example.com";
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
	for (size_t i = 0; i < count; i++)
		wait_if_stuck(questions[i].name);
	pthread_mutex_lock(&world_lock);
	for (size_t i = 0; i < count; i++) {
		struct authority_question *q = &questions[i];
		const char *alias;
		const struct record *record = follow(q->name, &alias);
		struct span at = alias == NULL ? q->name : span_str(alias);

		world->asked++;
		q->neg_s = 60;
		snprintf(q->zone, sizeof(q->zone), "%s", zone_of(at));
		snprintf(q->alias, sizeof(q->alias), "%s", alias == NULL ? "" : alias);
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
	pthread_mutex_unlock(&world_lock);
}

void
authority_recursive(
    struct authority *authority, struct span name, struct span value, struct authority_view *out)
{
	const char *alias;
	const struct record *record;

	(void)authority;
	pthread_mutex_lock(&world_lock);
	record = follow(name, &alias);
	/* What is asked too early is remembered as absent. */
	assert_non_null(record);
	assert_true(span_eq_str(value, record->value));
	world->recursive++;
	if (world->elsewhere) {
		*out = (struct authority_view){.resolvers = 3, .wrong = 3, .why = "all say no"};
	} else {
		*out = (struct authority_view){.resolvers = 3, .right = 3};
		out->text_bytes = strlen(record->value);
		memcpy(out->text, record->value, out->text_bytes);
	}
	pthread_mutex_unlock(&world_lock);
}

struct publisher *
publisher_find(struct publisher *const *publishers, size_t count, struct span name)
{
	for (size_t i = 0; i < count; i++)
		if (span_eq_str(name, publishers[i]->name))
			return publishers[i];
	return NULL;
}

/* Of tenants' rows, which nothing here has. */
enum status
publisher_open_of_tenant(
    const struct publisher_given *given, struct publisher **out, struct err *err)
{
	*out = NULL;
	err_set(err, "%.*s: no row of this world", SPAN_ARG(given->name));
	return ST_FAILED;
}

void
publisher_close(struct publisher *publisher)
{
	(void)publisher;
}

/* I6: what is there is looked at before anything is changed. */
void
publisher_apply(
    struct publisher *publisher, struct span zone, struct publish_change *changes, size_t count)
{
	if (strcmp(publisher->name, "hook") == 0)
		wait_if_stuck(SPAN_LIT("hook"));
	pthread_mutex_lock(&world_lock);
	for (size_t i = 0; i < count; i++) {
		struct publish_change *change = &changes[i];
		const struct record *record = find(change->name);

		world->applied++;
		assert_true(span_eq_str(zone, zone_of(change->name)));
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
	pthread_mutex_unlock(&world_lock);
}

/* ---- the store ---- */

struct setting {
	struct keystore *store;
	struct keystore_ops ops;
	const struct keystore_ops *real;
	struct sitekey *sitekey;
	struct publisher publisher, hook;
	struct publisher *publishers[2];
	struct mirror mirror, other;
	struct mirror *mirrors[2]; /* NULL: none */
	int64_t lease_s;           /* of the next reconciler; 0: so long that it never ends */
	bool lanes;
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

#define PLAN_OF(algorithm)                                                                         \
	"{\"manage\":true,\"algorithms\":[\"" algorithm                                            \
	"\"],\"publisher\":\"list\",\"interval\":0,"                                               \
	"\"ttl\":60,\"negative_floor\":60,\"lease\":120,\"signature_life\":60,\"clock_error\":10," \
	"\"tombstone\":60,\"activation_wait\":0,\"proofs\":2,\"proof_interval\":10,"               \
	"\"timed_ack\":30,\"drift_interval\":3600,\"retry\":10,\"retry_max\":40,\"give_up\":0"
#define PLAN PLAN_OF("ed25519")
#define SLOTS 3
static const char plain[] = PLAN "}";
static const char delegated[] = PLAN ",\"delegation\":\"p.example\",\"slots\":3}";
static const char *plan = plain; /* of the domain that setting_make() makes */

/* What the customer sets once. */
static inline void
set_cname(int slot, const char *target)
{
	char name[40], value[120];

	snprintf(name, sizeof(name), "sp%d._domainkey.a.example.com", slot);
	if (target == NULL)
		snprintf(value, sizeof(value), "CNAME sp%d.a.example.com.p.example", slot);
	else
		snprintf(value, sizeof(value), "%s", target);
	put(span_str(name), span_str(value));
}

static inline struct reconciler *
new_reconciler(struct setting *s, const char *owner)
{
	struct reconciler_config config = {.store = s->store,
	    .sitekey = s->sitekey,
	    .publishers = s->publishers,
	    .publisher_count = 2,
	    .mirrors = s->mirrors,
	    .mirror_count = s->mirrors[0] == NULL   ? 0
			    : s->mirrors[1] == NULL ? 1
						    : 2,
	    .lanes = s->lanes,
	    .owner = owner,
	    .records = true,
	    .lease_s = s->lease_s > 0 ? s->lease_s : 600,
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

/* The policy is there, with this plan; the domain of setting_make() has "p". */
static inline void
put_policy(struct setting *s, const char *name, const char *text)
{
	struct keystore_write policy = {.what = STORE_POLICY,
	    .how = WRITE_PUT,
	    .row.policy = {.tenant = S("acme"),
		.name = span_str(name),
		.signature_ttl_s = -1,
		.plan = span_str(text)}};

	put_row(s, &policy);
}

static inline void
fill(struct setting *s)
{
	struct keystore_write tenant = a_tenant(WRITE_ADD, "acme");
	struct keystore_write domain = a_domain(WRITE_ADD, "a.example.com", "acme");

	domain.row.domain.policy = S("p");
	put_row(s, &tenant);
	put_policy(s, "p", plan);
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
	snprintf(s->hook.name, sizeof(s->hook.name), "hook");
	s->publishers[0] = &s->publisher;
	s->publishers[1] = &s->hook;
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

/* What most tests begin and end with: a world without records, and a store of its own, whose file
 * has that word in its name. */
static inline struct setting *
setting_begin(void **state, const char *word)
{
	struct setting *s = mem_zalloc(1, sizeof(*s));
	static int number;
	char name[40];

	memset(world, 0, sizeof(*world));
	snprintf(name, sizeof(name), "%s%d.db", word, number++);
	setting_make(s, name);
	*state = s;
	return s;
}

static inline int
setting_end(void **state)
{
	setting_close(*state);
	mem_free(*state);
	return 0;
}

/* From now on the world is that of all children, too. */
static inline bool
world_share(void)
{
	world =
	    mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return world != MAP_FAILED;
}

/* ---- the audit ---- */

/* What the rows of the audit say became of a key: "KEY: X to Y" must go on where the last one
 * ended. *state: in which it is then; "" before the first. */
static inline void
follow_key(const struct store_audit *row, const char *selector, char state[20])
{
	char detail[ADMINROW_DETAIL_MAX + 1], wanted[KEYSTORE_SELECTOR_MAX + 3];
	const char *p;

	snprintf(detail, sizeof(detail), "%.*s", SPAN_ARG(row->detail));
	snprintf(wanted, sizeof(wanted), "%s: ", selector);
	for (p = strstr(detail, wanted); p != NULL; p = strstr(p, wanted)) {
		char from[20], to[20];

		assert_int_equal(sscanf(p + strlen(wanted), "%19s to %19[A-Z]", from, to), 2);
		/* A slot's next key begins anew. */
		if (strcmp(from, "-") != 0)
			assert_string_equal(from, state);
		snprintf(state, 20, "%s", to);
		p++;
	}
}

/* All that was done to keys is recorded, once, in the order in which it was done; and the chain is
 * whole. */
static inline void
check_audit(struct setting *s)
{
	struct audit_question question = {.max = ADMINROW_AUDIT_PAGE};
	struct keystore_rows *rows, *keys;
	struct audit_verifier verifier;
	struct err err = ERR_NONE;

	assert_int_equal(keystore_audits(s->store, &question, &rows, &err), ST_OK);
	audit_verify_begin(&verifier, NULL, NULL);
	if (audit_verify(&verifier, rows->audits, rows->audit_count, &err) != ST_OK ||
	    audit_verify_end(&verifier, NULL, &err) != ST_OK)
		fail_msg("%s", err.text);
	assert_int_equal(s->real->list(s->store, STORE_KEY, SPAN_EMPTY, 100, &keys, &err), ST_OK);
	for (size_t i = 0; i < keys->key_count; i++) {
		const struct store_key *key = &keys->keys[i];
		char selector[KEYSTORE_SELECTOR_MAX + 1], state[20] = "";

		snprintf(selector, sizeof(selector), "%.*s", SPAN_ARG(key->selector));
		for (size_t k = 0; k < rows->audit_count; k++)
			follow_key(&rows->audits[k], selector, state);
		assert_string_equal(
		    state, key_state_name(key_state_at(&key->times, world->now_utc)));
	}
	keystore_rows_release(rows);
	keystore_rows_release(keys);
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
