/*
 * test_cached_keystore.c - a key store behind a cache: asked again for exactly what changed, older
 * than what was seen for nobody, and there while it is away. make check.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/store/cached_keystore.h"
#include "lib/store/marks.h"
#include "tests/lib/memstore.h"
#include "tests/unit/store_help.h"

#define POLL_MS 5000
#define STALE_MS 600000

static atomic_llong clock_ms;

static int64_t
test_clock(void)
{
	return atomic_load(&clock_ms);
}

static void
later(int64_t ms)
{
	atomic_fetch_add(&clock_ms, ms);
}

static const struct cached_keystore_config config = {.bytes_max = 8 << 20,
    .poll_ms = POLL_MS,
    .absent_ms = 2000,
    .stale_ms = STALE_MS,
    .now_ms = test_clock,
    .no_thread = true};

static struct keystore *
cache_of(struct keystore *inner, const struct cached_keystore_config *how)
{
	struct keystore *store;
	struct err err = ERR_NONE;

	atomic_store(&clock_ms, 1000000);
	assert_int_equal(cached_keystore_new(inner, how, &store, &err), ST_OK);
	return store;
}

/* Two tenants, each with a domain, a key, a rule for an address and a pattern. */
static struct keystore *
world_new(void)
{
	struct keystore *inner = memstore_new();

	for (int i = 1; i <= 2; i++) {
		const char *tenant = i == 1 ? "t1" : "t2";
		const char *domain = i == 1 ? "a.example" : "b.example";

		(void)memstore_tenant(inner, tenant);
		(void)memstore_domain(inner, domain, tenant, false);
		(void)memstore_key(inner, tenant, domain, "s1", 10);
		(void)memstore_rule(inner, STORE_RULE_ADDRESS, "r1", tenant,
		    i == 1 ? "x@a.example" : "x@b.example", domain);
		(void)memstore_rule(inner, STORE_RULE_PATTERN, "r2", tenant, "*@z.example", domain);
	}
	memstore_binding(inner, "login:x", "t1");
	return inner;
}

/* "sa": senders of a.example; xa: the address x@a.example; xn: x@none.example; p1: patterns of t1;
 * ka: keys of a.example; bx: bindings of login:x. The answer as a text: its rows. */
static const char *
ask(struct keystore *store, const char *what)
{
	static char text[512];
	char domain[64], address[80];
	struct span names[2] = {SPAN_EMPTY, SPAN_LIT("example")}, subject = SPAN_LIT("login:x");
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	enum status status = ST_FAILED;

	snprintf(domain, sizeof(domain), "%s.example", what[1] == 'n' ? "none" : what + 1);
	snprintf(address, sizeof(address), "x@%s", domain);
	names[0] = span_str(domain);
	switch (what[0]) {
	case 's':
		status = keystore_senders(store, names, 2, &rows, &err);
		break;
	case 'x':
		status = keystore_address(store, span_str(address), &rows, &err);
		break;
	case 'p':
		status = keystore_patterns(
		    store, what[1] == '1' ? SPAN_LIT("t1") : SPAN_LIT("t2"), &rows, &err);
		break;
	case 'k':
		status = keystore_keys(store, names[0], &rows, &err);
		break;
	case 'b':
		status = keystore_bindings(store, &subject, 1, &rows, &err);
		break;
	default:
		break;
	}
	if (status != ST_OK) {
		assert_null(rows);
		snprintf(text, sizeof(text), "%s: %.400s", status_name(status), err.text);
		return text;
	}
	snprintf(text, sizeof(text), "t%zu d%zu r%zu k%zu b%zu rev%d", rows->tenant_count,
	    rows->domain_count, rows->rule_count, rows->key_count, rows->binding_count,
	    rows->key_count > 0 ? (int)rows->keys[0].revision : 0);
	keystore_rows_release(rows);
	return text;
}

static const char *const questions[] = {
    "sa", "sb", "sn", "xa", "xb", "xn", "p1", "p2", "ka", "kb", "kn", "bx"};
#define QUESTIONS (sizeof(questions) / sizeof(questions[0]))

static unsigned
all_asked(struct keystore *inner)
{
	unsigned sum = 0;

	for (int q = 0; q <= MEMSTORE_BINDINGS; q++)
		sum += memstore_asked(inner, (enum memstore_question)q);
	return sum;
}

/* The questions that reach the store now: "sa ka ". */
static const char *
asked_again(struct keystore *store, struct keystore *inner)
{
	static char text[128];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < QUESTIONS; i++) {
		unsigned before = all_asked(inner);

		(void)ask(store, questions[i]);
		if (all_asked(inner) > before)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s ", questions[i]);
	}
	return text;
}

#define EVERYTHING "sa sb sn xa xb xn p1 p2 ka kb kn bx "

static void
test_kept_as_long_as_nothing_changes(void **state)
{
	struct keystore *inner = world_new(), *store = cache_of(inner, &config);
	struct cache_stats stats;

	(void)state;
	cached_keystore_poll(store);
	assert_string_equal(asked_again(store, inner), EVERYTHING);
	assert_string_equal(asked_again(store, inner), "");
	for (int i = 0; i < 1000; i++) {
		later(POLL_MS);
		cached_keystore_poll(store);
		if (i % 100 == 0)
			assert_string_equal(asked_again(store, inner), "");
	}
	assert_string_equal(ask(store, "sa"), "t1 d1 r0 k0 b0 rev0");
	assert_string_equal(ask(store, "ka"), "t1 d1 r0 k1 b0 rev1");
	assert_string_equal(ask(store, "bx"), "t0 d0 r0 k0 b1 rev0");
	assert_string_equal(asked_again(store, inner), "");
	cached_keystore_stats(store, &stats);
	assert_int_equal(stats.entries, QUESTIONS);
	assert_int_equal(stats.loads, QUESTIONS);
	assert_true(stats.negative_hits > 0);
	/* Nobody asks for changes any more: what is known is fresh for two of their intervals. */
	later(2 * POLL_MS - 1);
	assert_string_equal(asked_again(store, inner), "");
	later(1);
	assert_string_equal(asked_again(store, inner), EVERYTHING);
	keystore_close(store);
}

static void
test_exactly_what_changed_is_asked_again(void **state)
{
	static const struct {
		const char *subject, *expected;
	} cases[] = {{"d:a.example", "sa xa ka "}, {"d:b.example", "sb xb kb "},
	    {"d:none.example", "sn xn kn "}, {"d:example", "sa sb sn "},
	    {"t:t1", "sa xa p1 ka bx "}, {"t:t2", "sb xb p2 kb "}, {"b:", "bx "},
	    {"d:other.example", ""}, {"t:t3", ""}};
	struct keystore *inner = world_new(), *store = cache_of(inner, &config);

	(void)state;
	cached_keystore_poll(store);
	(void)asked_again(store, inner);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memstore_changed(inner, cases[i].subject);
		assert_string_equal(asked_again(store, inner), "");
		later(POLL_MS);
		cached_keystore_poll(store);
		assert_string_equal(asked_again(store, inner), cases[i].expected);
		assert_string_equal(asked_again(store, inner), "");
	}
	/* Several at once; an entry that nobody asked for in between is outdated all the same. */
	memstore_changed(inner, "d:a.example");
	cached_keystore_poll(store);
	memstore_changed(inner, "b:");
	memstore_changed(inner, "t:t2");
	cached_keystore_poll(store);
	assert_string_equal(asked_again(store, inner), "sa sb xa xb p2 ka kb bx ");
	/* More than the store tells. */
	for (int i = 0; i < 300; i++)
		memstore_changed(inner, "d:other.example");
	later(POLL_MS);
	cached_keystore_poll(store);
	assert_string_equal(asked_again(store, inner), EVERYTHING);
	assert_string_equal(asked_again(store, inner), "");
	keystore_close(store);
}

/* In force after one poll and one question: changed, retired, deleted, added. */
static void
test_changes_of_keys_are_in_force(void **state)
{
	struct keystore *inner = world_new(), *store = cache_of(inner, &config);
	struct store_key *key = &memstore_of(inner)->all->keys[0];

	(void)state;
	cached_keystore_poll(store);
	assert_string_equal(ask(store, "ka"), "t1 d1 r0 k1 b0 rev1");
	assert_string_equal(ask(store, "kn"), "t0 d0 r0 k0 b0 rev0");
	key->revision = 2;
	memstore_changed(inner, "d:a.example");
	cached_keystore_poll(store);
	assert_string_equal(ask(store, "ka"), "t1 d1 r0 k1 b0 rev2");
	key->times.revoked = 20;
	memstore_changed(inner, "d:a.example");
	cached_keystore_poll(store);
	assert_string_equal(ask(store, "ka"), "t1 d1 r0 k0 b0 rev0");
	(void)memstore_domain(inner, "none.example", "t1", false);
	memstore_changed(inner, "d:none.example");
	cached_keystore_poll(store);
	assert_string_equal(ask(store, "kn"), "t1 d1 r0 k0 b0 rev0");
	keystore_close(store);
}

static void
test_an_outage(void **state)
{
	const char *path = help_write("outage", "");
	struct keystore *inner = world_new(), *store = cache_of(inner, &config);
	int kept = help_log_to(path);

	(void)state;
	cached_keystore_poll(store);
	(void)asked_again(store, inner);
	assert_false(cached_keystore_away(store));
	/* Whoever asks finds out, and finds out that it is over. */
	memstore_fail(inner, ST_UNAVAILABLE);
	assert_non_null(strstr(ask(store, "xz"), "unavailable: "));
	assert_true(cached_keystore_away(store));
	memstore_fail(inner, ST_OK);
	assert_string_equal(ask(store, "xz"), "t0 d0 r0 k0 b0 rev0");
	assert_false(cached_keystore_away(store));
	memstore_fail(inner, ST_UNAVAILABLE);
	memstore_of(inner)->status[MEMSTORE_CHANGES] = ST_UNAVAILABLE;
	for (int64_t ms = POLL_MS; ms < STALE_MS; ms += POLL_MS) {
		later(POLL_MS);
		cached_keystore_poll(store);
		assert_true(cached_keystore_away(store));
		assert_string_equal(ask(store, "ka"), "t1 d1 r0 k1 b0 rev1");
		assert_string_equal(ask(store, "sn"), "t0 d0 r0 k0 b0 rev0");
	}
	assert_non_null(strstr(ask(store, "xy"), "unavailable: "));
	later(POLL_MS);
	assert_non_null(strstr(ask(store, "ka"), "unavailable: "));
	assert_int_equal(help_lines_with(path, "cannot be asked for changes"), 1);
	/* A change during the outage. */
	memstore_of(inner)->all->keys[0].revision = 7;
	memstore_changed(inner, "d:a.example");
	memstore_fail(inner, ST_OK);
	memstore_of(inner)->status[MEMSTORE_CHANGES] = ST_OK;
	later(POLL_MS);
	cached_keystore_poll(store);
	assert_false(cached_keystore_away(store));
	assert_string_equal(ask(store, "ka"), "t1 d1 r0 k1 b0 rev7");
	assert_int_equal(help_lines_with(path, "answers again"), 1);
	assert_int_equal(help_lines_with(path, ""), 2);
	help_log_back(kept);
	keystore_close(store);
}

/* Only the questions for changes fail: answers are asked for again, and are good. */
static void
test_without_changes_answers_expire(void **state)
{
	struct keystore *inner = world_new(), *store = cache_of(inner, &config);
	int kept = help_log_to(help_write("log", ""));

	(void)state;
	cached_keystore_poll(store);
	assert_string_equal(ask(store, "ka"), "t1 d1 r0 k1 b0 rev1");
	memstore_of(inner)->status[MEMSTORE_CHANGES] = ST_INVALID;
	memstore_of(inner)->all->keys[0].revision = 2;
	memstore_changed(inner, "d:a.example");
	later(POLL_MS);
	cached_keystore_poll(store);
	later(POLL_MS);
	assert_string_equal(ask(store, "ka"), "t1 d1 r0 k1 b0 rev2");
	assert_false(cached_keystore_away(store));
	help_log_back(kept);
	keystore_close(store);
}

/* A backup was put back: its rows are old, and so is its epoch. */
static void
test_a_store_that_went_back(void **state)
{
	const char *path = help_write("fallen", "");
	struct keystore *inner = world_new(), *store = cache_of(inner, &config);
	struct memstore *m = memstore_of(inner);
	int kept = help_log_to(path);

	(void)state;
	m->epoch = 100;
	cached_keystore_poll(store);
	m->all->keys[0].revision = 5;
	assert_string_equal(ask(store, "ka"), "t1 d1 r0 k1 b0 rev5");
	assert_string_equal(ask(store, "sa"), "t1 d1 r0 k0 b0 rev0");
	m->epoch = 90;
	m->change_count = 0;
	m->all->keys[0].revision = 4;
	for (int i = 0; i < 10; i++) {
		later(POLL_MS);
		cached_keystore_poll(store);
		assert_true(cached_keystore_away(store));
		assert_string_equal(ask(store, "ka"), "t1 d1 r0 k1 b0 rev5");
		assert_non_null(strstr(ask(store, "kb"), "epoch 90, and 100 was seen"));
	}
	assert_int_equal(help_lines_with(path, "is at epoch 90, and 100 was seen before"), 1);
	/* It goes on from there, and passes what was seen: then it is believed again, but for keys
	 * that are older than what was seen, and all is asked again. */
	for (int i = 0; i < 11; i++)
		memstore_changed(inner, "d:other.example");
	later(POLL_MS);
	cached_keystore_poll(store);
	assert_false(cached_keystore_away(store));
	assert_int_equal(help_lines_with(path, "answers again, at epoch 101"), 1);
	memstore_forget_asked(inner);
	assert_string_equal(ask(store, "sa"), "t1 d1 r0 k0 b0 rev0");
	assert_int_equal(memstore_asked(inner, MEMSTORE_SENDERS), 1);
	assert_string_equal(ask(store, "kb"), "t1 d1 r0 k1 b0 rev1");
	assert_non_null(strstr(ask(store, "ka"), "invalid: "));
	m->all->keys[0].revision = 5;
	assert_string_equal(ask(store, "ka"), "t1 d1 r0 k1 b0 rev5");
	help_log_back(kept);
	keystore_close(store);
}

static void
answer_of_epoch(void *context, enum memstore_question question, struct keystore_rows *answer)
{
	(void)question;
	answer->epoch = *(const uint64_t *)context;
}

/* A replica that is behind: nobody is taken back by it. */
static void
test_an_answer_from_before(void **state)
{
	struct keystore *inner = world_new(), *store = cache_of(inner, &config);
	struct memstore *m = memstore_of(inner);
	uint64_t behind = 49;

	(void)state;
	m->epoch = 50;
	cached_keystore_poll(store);
	assert_string_equal(ask(store, "ka"), "t1 d1 r0 k1 b0 rev1");
	m->tamper = answer_of_epoch;
	m->tamper_context = &behind;
	assert_non_null(strstr(ask(store, "sa"), "unavailable: memory answers as of epoch 49"));
	memstore_changed(inner, "d:a.example");
	behind = 50;
	cached_keystore_poll(store);
	assert_string_equal(ask(store, "ka"), "t1 d1 r0 k1 b0 rev1");
	behind = 51;
	m->all->keys[0].revision = 2;
	later(1000);
	assert_string_equal(ask(store, "ka"), "t1 d1 r0 k1 b0 rev2");
	keystore_close(store);
}

static void
test_old_rows_of_keys_are_refused(void **state)
{
	struct keystore *inner = world_new(), *store = cache_of(inner, &config);
	struct store_key *key = &memstore_of(inner)->all->keys[0];
	const char *answer;

	(void)state;
	key->row_revision = 3;
	key->revision = 2;
	cached_keystore_poll(store);
	assert_string_equal(ask(store, "ka"), "t1 d1 r0 k1 b0 rev2");
	key->revision = 1;
	memstore_changed(inner, "d:a.example");
	cached_keystore_poll(store);
	answer = ask(store, "ka");
	assert_non_null(
	    strstr(answer, "invalid: memory: the key s1 (s1 of a.example) has revision 1, and 2"));
	/* It is not forgotten by asking again, nor with the cache. */
	assert_non_null(strstr(ask(store, "ka"), "invalid: "));
	key->revision = 2;
	key->row_revision = 2;
	assert_non_null(strstr(ask(store, "ka"), "has revision 2 of its row, and 3 was seen"));
	key->row_revision = 4;
	assert_string_equal(ask(store, "ka"), "t1 d1 r0 k1 b0 rev2");
	/* The other domain's key has the same id, and is another one. */
	assert_string_equal(ask(store, "kb"), "t1 d1 r0 k1 b0 rev1");
	keystore_close(store);
}

/* The row of the key that a slot had before is refused, whatever it looks like; that of a later one
 * is taken. */
static void
test_the_former_key_of_a_slot_is_refused(void **state)
{
	static const struct {
		const char *id;
		uint64_t revision, row_revision;
		const char *says;
	} rows[] = {
	    {"k2", 2, 20, "k1 b0 rev2"},
	    {"s1", 1, 10, "has revision 1, and 2"},
	    {"s1", 1, 99, "has revision 1, and 2"},
	    {"s1", 2, 10, "has revision 10 of its row, and 20"},
	    {"k2", 2, 20, "k1 b0 rev2"},
	    {"k3", 3, 30, "k1 b0 rev3"},
	    {"k2", 2, 20, "has revision 2, and 3"},
	    {"k3", 3, 31, "k1 b0 rev3"},
	};
	struct keystore *inner = world_new(), *store = cache_of(inner, &config);
	struct store_key *key = &memstore_of(inner)->all->keys[0];
	struct store_key first = *key;

	(void)state;
	key->revision = 1;
	key->row_revision = 10;
	cached_keystore_poll(store);
	assert_string_equal(ask(store, "ka"), "t1 d1 r0 k1 b0 rev1");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *answer;

		*key = first;
		key->id = span_str(rows[i].id);
		key->revision = rows[i].revision;
		key->row_revision = rows[i].row_revision;
		memstore_changed(inner, "d:a.example");
		cached_keystore_poll(store);
		answer = ask(store, "ka");
		if (strstr(answer, rows[i].says) == NULL)
			fail_msg("row %zu: \"%s\", not \"%s\"", i, answer, rows[i].says);
	}
	keystore_close(store);
}

static void
test_what_goes_through(void **state)
{
	struct keystore *inner = world_new(), *store = cache_of(inner, &config);
	struct store_change changes[4];
	size_t count;
	struct keystore_rows *rows;
	struct store_state at;
	int64_t now;

	(void)state;
	assert_string_equal(store->where, "memory");
	assert_string_equal(store->ops->scheme, "memory");
	memstore_of(inner)->now_utc = 77;
	assert_int_equal(store->ops->now(store, &now, NULL), ST_OK);
	assert_int_equal(now, 77);
	memstore_changed(inner, "b:");
	assert_int_equal(keystore_changes(store, 1, 4, changes, &count, &at, NULL), ST_OK);
	assert_int_equal(count, 1);
	assert_int_equal(store->ops->list(store, STORE_TENANT, SPAN_EMPTY, 9, &rows, NULL), ST_OK);
	assert_int_equal(rows->tenant_count, memstore_of(inner)->all->tenant_count);
	keystore_rows_release(rows);
	assert_non_null(store->ops->apply);
	assert_null(store->ops->migrate);
	/* What is no cached one is left alone. */
	cached_keystore_poll(inner);
	assert_false(cached_keystore_away(inner));
	keystore_close(store);
}

/* ---- a store that says what the test wants, to many threads at once ---- */

#define SUBJECTS 64U

struct script {
	pthread_mutex_t lock;
	uint64_t epoch; /* 0: it has none */
	unsigned version[SUBJECTS];
	struct store_change *changes;
	size_t change_count;
	bool again; /* the last change is told at each question */
	atomic_uint asked;
	atomic_long rows;
};

static enum status
script_keys(struct keystore *store, struct span domain, struct keystore_rows **out, struct err *err)
{
	struct script *script = store->state;
	unsigned number = (unsigned)(domain.p[1] - '0') * 10 + (unsigned)(domain.p[2] - '0');
	struct store_key key = {.id = domain,
	    .tenant = SPAN_LIT("t"),
	    .domain = domain,
	    .selector = SPAN_LIT("s"),
	    .private_key = SPAN_LIT("spk1:1:AAAA")};

	atomic_fetch_add(&script->asked, 1);
	*out = keystore_rows_new();
	pthread_mutex_lock(&script->lock);
	(*out)->epoch = script->epoch;
	key.revision = script->version[number % SUBJECTS];
	pthread_mutex_unlock(&script->lock);
	return key.revision == 0 ? ST_OK : keystore_rows_add_key(*out, &key, err);
}

static enum status
script_changes(struct keystore *store, uint64_t since, size_t max, struct store_change *out,
    size_t *count_out, struct store_state *state_out, struct err *err)
{
	struct script *script = store->state;
	size_t n = 0;

	(void)err;
	pthread_mutex_lock(&script->lock);
	for (size_t i = 0; i < script->change_count && n < max; i++)
		if (script->changes[i].epoch > since ||
		    (script->again && i + 1 == script->change_count))
			out[n++] = script->changes[i];
	*count_out = n;
	state_out->epoch = script->epoch;
	pthread_mutex_unlock(&script->lock);
	return ST_OK;
}

static void
script_close(struct keystore *store)
{
	(void)store;
}

static const struct keystore_ops script_ops = {
    .scheme = "script", .keys = script_keys, .changes = script_changes, .close = script_close};

static struct keystore *
script_new(struct script *script)
{
	struct keystore *inner = mem_zalloc(1, sizeof(*inner));

	pthread_mutex_init(&script->lock, NULL);
	script->changes = mem_zalloc(KEYSTORE_CHANGES_MAX, sizeof(*script->changes));
	inner->ops = &script_ops;
	inner->where = mem_strdup("script");
	inner->state = script;
	return inner;
}

static void
script_change(struct script *script, unsigned number)
{
	struct store_change *change;

	pthread_mutex_lock(&script->lock);
	if (script->change_count == KEYSTORE_CHANGES_MAX)
		abort();
	change = &script->changes[script->change_count++];
	change->epoch = ++script->epoch;
	snprintf(change->subject, sizeof(change->subject), "d:n%02u.example", number);
	script->version[number % SUBJECTS]++;
	pthread_mutex_unlock(&script->lock);
}

/* Those that were told are not told again. */
static void
script_forget(struct script *script)
{
	pthread_mutex_lock(&script->lock);
	script->change_count = 0;
	pthread_mutex_unlock(&script->lock);
}

/* The version of a number; 0: no row. */
static unsigned
version_of(struct keystore *store, unsigned number)
{
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	char name[32];
	unsigned version;

	snprintf(name, sizeof(name), "n%02u.example", number);
	if (keystore_keys(store, span_str(name), &rows, &err) != ST_OK)
		fail_msg("%s", err.text);
	version = rows->key_count > 0 ? (unsigned)rows->keys[0].revision : 0;
	keystore_rows_release(rows);
	return version;
}

/* A writer that is not done tells what it is about to change, without a new epoch. */
static void
test_a_change_that_is_told_again(void **state)
{
	struct script script = {.epoch = 10};
	struct keystore *store = cache_of(script_new(&script), &config);

	(void)state;
	cached_keystore_poll(store);
	script_change(&script, 1);
	assert_int_equal(version_of(store, 1), 1);
	script.again = true;
	cached_keystore_poll(store);
	assert_int_equal(version_of(store, 1), 1);
	assert_int_equal(version_of(store, 2), 0);
	for (unsigned i = 2; i < 5; i++) {
		script.version[1] = script.version[2] = i; /* no new epoch */
		later(10);
		cached_keystore_poll(store);
		assert_int_equal(version_of(store, 1), i);
		assert_int_equal(version_of(store, 2), 0);
	}
	keystore_close(store);
	mem_free(script.changes);
}

static void
test_a_store_without_epochs(void **state)
{
	struct script script = {.epoch = 0};
	struct keystore *store = cache_of(script_new(&script), &config);

	(void)state;
	script.version[1] = 1;
	cached_keystore_poll(store);
	assert_int_equal(version_of(store, 1), 1);
	assert_int_equal(version_of(store, 2), 0);
	script.version[1] = script.version[2] = 2;
	later(1500);
	cached_keystore_poll(store);
	assert_int_equal(version_of(store, 2), 0);
	later(500);
	assert_int_equal(version_of(store, 2), 2);
	assert_int_equal(version_of(store, 1), 1);
	later(3000);
	cached_keystore_poll(store);
	assert_int_equal(version_of(store, 1), 2);
	keystore_close(store);
	mem_free(script.changes);
}

/* More subjects than are remembered: everything is asked again rather than one forgotten. */
static void
test_more_changes_than_fit(void **state)
{
	struct script script = {.epoch = 10};
	struct keystore *store = cache_of(script_new(&script), &config);
	unsigned asked;

	(void)state;
	cached_keystore_poll(store);
	script.version[1] = 1;
	assert_int_equal(version_of(store, 1), 1);
	asked = atomic_load(&script.asked);
	for (unsigned i = 0; i < 20000; i++) {
		char *subject;

		script_change(&script, 63);
		subject = script.changes[script.change_count - 1].subject;
		snprintf(subject, KEYSTORE_DOMAIN_MAX, "d:other%u.example", i);
		if (i % 1000 == 999) {
			later(100);
			cached_keystore_poll(store);
			script_forget(&script);
		}
		if (i == 14000) {
			assert_int_equal(version_of(store, 1), 1);
			assert_int_equal(atomic_load(&script.asked), asked);
		}
	}
	script.version[1] = 2;
	assert_int_equal(version_of(store, 1), 2);
	assert_int_equal(version_of(store, 1), 2);
	assert_int_equal(atomic_load(&script.asked), asked + 1);
	keystore_close(store);
	mem_free(script.changes);
}

/* The thread asks by itself, and stops when it is told to, whatever the interval. */
static void
test_the_thread(void **state)
{
	struct cached_keystore_config how = config;
	struct script script = {.epoch = 10}, idle = {.epoch = 10};
	struct keystore *store, *sleeping;

	(void)state;
	how.no_thread = false;
	how.now_ms = NULL;
	how.poll_ms = 3600000;
	sleeping = cache_of(script_new(&idle), &how);
	how.poll_ms = 5;
	store = cache_of(script_new(&script), &how);
	for (unsigned i = 1; i <= 20; i++) {
		int waited = 0;

		script_change(&script, 1);
		while (version_of(store, 1) != i && waited < 5000) {
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
			waited++;
		}
		assert_true(waited < 5000);
	}
	keystore_close(store);
	keystore_close(sleeping);
	mem_free(script.changes);
	mem_free(idle.changes);
}

/* What was read just after the start is there when the store goes away just after that; one that is
 * away from the start holds nothing up. */
static void
test_a_start_hears_first(void **state)
{
	struct cached_keystore_config how = config;
	struct keystore *store, *away;

	(void)state;
	how.no_thread = false;
	how.now_ms = NULL;
	how.poll_ms = 3600000;
	for (int i = 0; i < 50; i++) {
		struct script script = {.epoch = 10};

		store = cache_of(script_new(&script), &how);
		assert_int_equal(cached_keystore_epoch(store), 10);
		keystore_close(store);
		mem_free(script.changes);
	}
	away = world_new();
	memstore_of(away)->status[MEMSTORE_CHANGES] = ST_UNAVAILABLE;
	store = cache_of(away, &how);
	assert_true(cached_keystore_away(store));
	assert_int_equal(cached_keystore_epoch(store), 0);
	keystore_close(store);
}

/* ---- whoever asks after a poll sees what was changed before it ---- */

struct race {
	struct keystore *store;
	struct script *script;
	atomic_uint in_force[SUBJECTS]; /* at least this version */
	atomic_bool stop;
	atomic_ulong gets;
};

struct runner {
	pthread_t thread;
	struct race *race;
	uint64_t random;
};

static void *
run_race(void *context)
{
	struct runner *me = context;
	struct race *race = me->race;

	while (!atomic_load(&race->stop)) {
		unsigned number = help_random(&me->random) % SUBJECTS;
		unsigned least = atomic_load(&race->in_force[number]);

		if (version_of(race->store, number) < least)
			abort();
		atomic_fetch_add(&race->gets, 1);
	}
	return NULL;
}

static void
test_changes_are_in_force_for_all_threads(void **state)
{
	struct cached_keystore_config how = config;
	struct script script = {.epoch = 10};
	struct race race = {.script = &script};
	struct runner runners[8];
	uint64_t random = 99;

	(void)state;
	how.bytes_max = 60000; /* some must go */
	race.store = cache_of(script_new(&script), &how);
	cached_keystore_poll(race.store);
	for (unsigned i = 0; i < 8; i++) {
		runners[i] = (struct runner){.race = &race, .random = i + 1};
		if (pthread_create(&runners[i].thread, NULL, run_race, &runners[i]) != 0)
			abort();
	}
	for (int round = 0; round < 1500; round++) {
		unsigned long gets = atomic_load(&race.gets);
		unsigned changed[4], count = 1 + help_random(&random) % 4;

		for (unsigned i = 0; i < count; i++) {
			changed[i] = help_random(&random) % SUBJECTS;
			script_change(&script, changed[i]);
		}
		later(help_random(&random) % 40);
		cached_keystore_poll(race.store);
		script_forget(&script);
		for (unsigned i = 0; i < count; i++)
			atomic_store(&race.in_force[changed[i]], script.version[changed[i]]);
		while (atomic_load(&race.gets) < gets + 40)
			sched_yield();
	}
	atomic_store(&race.stop, true);
	for (unsigned i = 0; i < 8; i++)
		pthread_join(runners[i].thread, NULL);
	print_message(
	    "%lu gets, %u questions\n", atomic_load(&race.gets), atomic_load(&script.asked));
	keystore_close(race.store);
	mem_free(script.changes);
}

/* ---- the same answers as without ---- */

static void
change_something(struct keystore *inner, uint64_t *random)
{
	struct keystore_rows *all = memstore_of(inner)->all;
	size_t at = help_random(random) % 2;
	const char *domain = at == 0 ? "d:a.example" : "d:b.example";

	switch (help_random(random) % 5) {
	case 0:
		all->keys[at].revision++;
		memstore_changed(inner, domain);
		break;
	case 1:
		all->keys[at].times.revoked = 20 - all->keys[at].times.revoked;
		memstore_changed(inner, domain);
		break;
	case 2:
		if (all->rule_count < 200) {
			(void)memstore_rule(inner, STORE_RULE_ADDRESS, "new", at == 0 ? "t1" : "t2",
			    at == 0 ? "x@a.example" : "x@none.example", "a.example");
			memstore_changed(inner, at == 0 ? "d:a.example" : "d:none.example");
		}
		break;
	case 3:
		if (all->binding_count < 200) {
			memstore_binding(inner, "login:x", "t2");
			memstore_changed(inner, "b:");
		}
		break;
	default:
		memstore_changed(inner, "t:t1");
		break;
	}
}

static void
test_same_answers_as_without(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct keystore *inner = world_new(), *store = cache_of(inner, &config);
		uint64_t random = seed;

		cached_keystore_poll(store);
		for (int step = 0; step < 300; step++) {
			const char *what = questions[help_random(&random) % QUESTIONS];
			char expected[512];

			if (help_random(&random) % 4 == 0) {
				change_something(inner, &random);
				later(help_random(&random) % 3000);
				cached_keystore_poll(store);
			}
			snprintf(expected, sizeof(expected), "%s", ask(inner, what));
			assert_string_equal(ask(store, what), expected);
		}
		keystore_close(store);
	}
}

static void
test_marks(void **state)
{
	struct marks *marks = marks_new(100);
	char name[16];

	(void)state;
	for (int i = 0; i < 120; i++) {
		struct mark mark = {.number = (uint64_t)i + 1, .at_ms = -i};

		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(marks_raise(marks, span_str(name), mark), i < 100);
		assert_int_equal(marks_get(marks, span_str(name)).number, i < 100 ? i + 1 : 0);
	}
	assert_int_equal(marks_count(marks), 100);
	assert_true(marks_raise(marks, SPAN_LIT("7"), (struct mark){.number = 3, .at_ms = 9}));
	assert_int_equal(marks_get(marks, SPAN_LIT("7")).number, 8);
	assert_int_equal(marks_get(marks, SPAN_LIT("7")).at_ms, 9);
	marks_clear(marks);
	assert_int_equal(marks_get(marks, SPAN_LIT("7")).number, 0);
	assert_int_equal(marks_count(marks), 0);
	marks_free(marks);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_kept_as_long_as_nothing_changes),
	    cmocka_unit_test(test_exactly_what_changed_is_asked_again),
	    cmocka_unit_test(test_changes_of_keys_are_in_force),
	    cmocka_unit_test(test_an_outage),
	    cmocka_unit_test(test_without_changes_answers_expire),
	    cmocka_unit_test(test_a_store_that_went_back),
	    cmocka_unit_test(test_an_answer_from_before),
	    cmocka_unit_test(test_old_rows_of_keys_are_refused),
	    cmocka_unit_test(test_the_former_key_of_a_slot_is_refused),
	    cmocka_unit_test(test_what_goes_through),
	    cmocka_unit_test(test_a_change_that_is_told_again),
	    cmocka_unit_test(test_a_store_without_epochs),
	    cmocka_unit_test(test_more_changes_than_fit),
	    cmocka_unit_test(test_the_thread),
	    cmocka_unit_test(test_a_start_hears_first),
	    cmocka_unit_test(test_changes_are_in_force_for_all_threads),
	    cmocka_unit_test(test_same_answers_as_without),
	    cmocka_unit_test(test_marks),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
