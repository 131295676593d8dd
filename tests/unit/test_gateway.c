/*
 * test_gateway.c - trying the keys that wait, and reporting: what is tried and tried again, what is
 * said of it, and that a store that is slow, away or says no holds nobody. make check.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/gateway.h"
#include "daemon/gateway_report.h"
#include "daemon/keytrial.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/crypto/key.h"
#include "lib/store/cached_keystore.h"
#include "tests/lib/memstore.h"

#define POLL_MS 20
#define ROWS_MAX 1300U

/* ---- keys ---- */

struct pair {
	char *pem;
	struct buf public_key;
};

static struct pair rsa, rsa_other, ed25519;

static void
make_pair(struct pair *pair, enum key_algorithm algorithm)
{
	struct key *key = NULL;
	struct err err = ERR_NONE;

	buf_init(&pair->public_key, 4096);
	if (key_generate(algorithm, 1024, &key, &err) != ST_OK ||
	    key_public_base64(key, &pair->public_key) != ST_OK ||
	    key_private_pem(key, &pair->pem, &err) != ST_OK)
		abort();
	key_free(key);
}

static void
free_pair(struct pair *pair)
{
	secret_free(pair->pem);
	buf_free(&pair->public_key);
}

static int
make_keys(void **state)
{
	(void)state;
	make_pair(&rsa, KEY_RSA_SHA256);
	make_pair(&rsa_other, KEY_RSA_SHA256);
	make_pair(&ed25519, KEY_ED25519_SHA256);
	return 0;
}

static int
free_keys(void **state)
{
	(void)state;
	free_pair(&rsa);
	free_pair(&rsa_other);
	free_pair(&ed25519);
	return 0;
}

static struct store_key
row_of(const char *algorithm, const char *private_key, struct span public_key)
{
	return (struct store_key){.id = SPAN_LIT("k1"),
	    .tenant = SPAN_LIT("t"),
	    .domain = SPAN_LIT("a.example"),
	    .selector = SPAN_LIT("s1"),
	    .algorithm = span_str(algorithm),
	    .private_key = span_str(private_key),
	    .public_key = public_key,
	    .revision = 1};
}

static void
test_what_a_key_must_be(void **state)
{
	struct unsealer *unsealer = unsealer_new(NULL, true);
	const struct {
		struct store_key row;
		enum status status;
		const char *says;
	} cases[] = {
	    {row_of("rsa-sha256", rsa.pem, buf_span(&rsa.public_key)), ST_OK, ""},
	    {row_of("ed25519-sha256", ed25519.pem, buf_span(&ed25519.public_key)), ST_OK, ""},
	    {row_of("rsa-sha256", rsa.pem, SPAN_EMPTY), ST_OK, ""},
	    {row_of("rsa-sha256", rsa.pem, buf_span(&rsa_other.public_key)), ST_INVALID,
		"not that of its public key"},
	    {row_of("rsa-sha256", rsa.pem, buf_span(&ed25519.public_key)), ST_INVALID,
		"public key is none"},
	    {row_of("rsa-sha256", rsa.pem, SPAN_LIT("&&&")), ST_INVALID, "public key is none"},
	    {row_of("ed25519-sha256", rsa.pem, buf_span(&rsa.public_key)), ST_INVALID,
		"is a key for rsa-sha256, and its row says ed25519-sha256"},
	    {row_of("rsa-sha256", "", buf_span(&rsa.public_key)), ST_INVALID, "no private key"},
	    {row_of("rsa-sha256", "spk1:1:AAAA", buf_span(&rsa.public_key)), ST_ABSENT,
		"there is no SiteKeyFile"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_NONE;

		assert_int_equal(keytrial_key(unsealer, &cases[i].row, 0, &err), cases[i].status);
		if (strstr(err.text, cases[i].says) == NULL)
			fail_msg("%zu: \"%s\", not \"%s\"", i, err.text, cases[i].says);
	}
	unsealer_free(unsealer);
}

/* ---- a store with keys that wait, and gateways ---- */

struct waiting {
	pthread_mutex_t lock;
	struct store_key rows[ROWS_MAX];
	char ids[ROWS_MAX][16];
	size_t count;
	unsigned asked;
	enum status status;
	uint64_t behind; /* so much less than its epoch it answers for */
	/* reports */
	enum status report_status;
	int64_t report_slow_ms;
	unsigned reports;
	uint64_t epoch, tested;
	char failed[KEYSTORE_FAILED_TEXT + 1], node[64], version[64];
	int64_t started, offset_ms, others_started; /* 0: no other gateway has our name */
	struct keystore_ops ops, report_ops;
	struct keystore *store, *report;
};

static struct waiting *world; /* of the test that runs */

static void
sleep_ms(int64_t ms)
{
	const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&pause, NULL);
}

static enum status
waiting_loading(
    struct keystore *store, uint64_t since, size_t max, struct keystore_rows **out, struct err *err)
{
	uint64_t last = UINT64_MAX;
	enum status status;

	pthread_mutex_lock(&world->lock);
	world->asked++;
	status = world->status;
	*out = keystore_rows_new();
	(*out)->epoch = memstore_of(store)->epoch - world->behind;
	for (size_t i = 0; i < world->count && status == ST_OK; i++) {
		const struct store_key *row = &world->rows[i];

		if (row->loading <= since || row->loading > (*out)->epoch ||
		    ((*out)->key_count >= max && row->loading != last))
			continue;
		last = row->loading;
		status = keystore_rows_add_key(*out, row, err);
	}
	pthread_mutex_unlock(&world->lock);
	if (status == ST_OK)
		return ST_OK;
	keystore_rows_release(*out);
	*out = NULL;
	err_set(err, "the store is away");
	return status;
}

static enum status
waiting_report(struct keystore *store, const struct store_gateway *row, struct err *err)
{
	int64_t slow_ms;
	enum status status;

	(void)store;
	pthread_mutex_lock(&world->lock);
	slow_ms = world->report_slow_ms;
	status = world->report_status;
	world->reports++;
	if (status == ST_OK) {
		world->epoch = row->epoch;
		world->tested = row->tested;
		world->started = row->started;
		world->offset_ms = row->offset_ms;
		snprintf(world->failed, sizeof(world->failed), "%.*s", SPAN_ARG(row->failed));
		snprintf(world->node, sizeof(world->node), "%.*s", SPAN_ARG(row->node));
		snprintf(world->version, sizeof(world->version), "%.*s", SPAN_ARG(row->version));
	}
	pthread_mutex_unlock(&world->lock);
	err_set(err, "as the test says");
	sleep_ms(slow_ms);
	return status;
}

static enum status
waiting_gateways(struct keystore *store, struct keystore_rows **out, struct err *err)
{
	struct store_gateway row = {.node = SPAN_LIT("mx1")};

	(void)store;
	(void)err;
	*out = keystore_rows_new();
	pthread_mutex_lock(&world->lock);
	row.started = world->others_started != 0 ? world->others_started : world->started;
	pthread_mutex_unlock(&world->lock);
	keystore_rows_add_gateway(*out, &row);
	return ST_OK;
}

/* The store in memory has no lock of its own. */
static enum status
waiting_changes(struct keystore *store, uint64_t since, size_t max, struct store_change *out,
    size_t *count_out, struct store_state *state_out, struct err *err)
{
	enum status status;

	pthread_mutex_lock(&world->lock);
	status = memstore_ops.changes(store, since, max, out, count_out, state_out, err);
	pthread_mutex_unlock(&world->lock);
	return status;
}

static void
change(void)
{
	pthread_mutex_lock(&world->lock);
	memstore_changed(world->store, "d:a.example");
	pthread_mutex_unlock(&world->lock);
}

static void
world_begin(void)
{
	world = mem_zalloc(1, sizeof(*world));
	pthread_mutex_init(&world->lock, NULL);
	world->store = memstore_new();
	world->report = memstore_new();
	memstore_of(world->store)->epoch = 10;
	memstore_of(world->report)->now_utc = time(NULL);
	world->ops = *world->store->ops;
	world->ops.loading = waiting_loading;
	world->ops.changes = waiting_changes;
	world->store->ops = &world->ops;
	world->report_ops = *world->report->ops;
	world->report_ops.report = waiting_report;
	world->report_ops.gateways = waiting_gateways;
	world->report->ops = &world->report_ops;
}

/* The stores are closed by now. */
static void
world_end(void)
{
	pthread_mutex_destroy(&world->lock);
	mem_free(world);
	world = NULL;
}

/* One more key that waits since this epoch. */
static void
add_waiting(uint64_t loading, const char *private_key)
{
	struct store_key *row;
	char *id;

	pthread_mutex_lock(&world->lock);
	row = &world->rows[world->count];
	id = world->ids[world->count];
	snprintf(id, sizeof(world->ids[0]), "k%zu", world->count);
	*row = row_of("ed25519-sha256", private_key, buf_span(&ed25519.public_key));
	row->id = span_str(id);
	row->loading = loading;
	world->count++;
	pthread_mutex_unlock(&world->lock);
}

static void
change_epoch(uint64_t epoch)
{
	while (memstore_of(world->store)->epoch < epoch)
		memstore_changed(world->store, "d:a.example");
}

/* ---- rounds ---- */

static void
expect_round(
    struct keytrial *trial, int64_t now_ms, unsigned questions, uint64_t tested, const char *failed)
{
	struct err err = ERR_NONE;
	struct buf text;

	world->asked = 0;
	assert_int_equal(keytrial_round(trial, world->store, now_ms, &err), ST_OK);
	assert_int_equal(world->asked, questions);
	buf_init(&text, KEYSTORE_FAILED_TEXT);
	assert_int_equal(keytrial_tested(trial, &text), tested);
	if (failed == NULL ? text.n > 0 : strstr(buf_text(&text), failed) == NULL)
		fail_msg("\"%s\", not \"%s\"", buf_text(&text), failed == NULL ? "" : failed);
	buf_free(&text);
}

static void
test_rounds(void **state)
{
	struct unsealer *unsealer = unsealer_new(NULL, true);
	struct keytrial *trial = keytrial_new(unsealer);

	(void)state;
	world_begin();
	expect_round(trial, 0, 1, 10, NULL); /* nothing waits: one question */
	add_waiting(5, ed25519.pem);         /* before: was not there when it was asked */
	add_waiting(11, ed25519.pem);
	change_epoch(12);
	expect_round(trial, 0, 2, 12, NULL);
	expect_round(trial, 0, 1, 12, NULL);
	/* One that fails is tested, and named; the others after it are tried. */
	add_waiting(13, "spk1:1:AAAA");
	add_waiting(14, ed25519.pem);
	change_epoch(14);
	expect_round(trial, 1000, 2, 14, "k2 it is sealed");
	assert_int_equal(keytrial_due_ms(trial), 1000 + KEYTRIAL_AGAIN_MS);
	change_epoch(15);
	expect_round(trial, 2000, 1, 15, "k2 ");
	/* It is tried again when that is due, and forgotten when it can be used. */
	expect_round(trial, 1000 + KEYTRIAL_AGAIN_MS, 2, 15, "k2 ");
	assert_int_equal(keytrial_due_ms(trial), 1000 + 2 * KEYTRIAL_AGAIN_MS);
	world->rows[2].private_key = span_str(ed25519.pem);
	expect_round(trial, 1000 + 2 * KEYTRIAL_AGAIN_MS, 2, 15, NULL);
	assert_int_equal(keytrial_due_ms(trial), INT64_MAX);
	/* Or when nobody waits for it any more. */
	add_waiting(16, "spk1:1:AAAA");
	change_epoch(16);
	expect_round(trial, 200000, 2, 16, "k4 ");
	world->count = 4;
	expect_round(trial, 200000 + KEYTRIAL_AGAIN_MS, 1, 16, NULL);
	/* Another key in its slot is tried for itself; what was said of the one before is
	 * forgotten.
	 */
	add_waiting(17, "spk1:1:AAAA");
	change_epoch(17);
	expect_round(trial, 300000, 2, 17, "k4 ");
	world->rows[4].id = SPAN_LIT("in-its-slot");
	world->rows[4].private_key = span_str(ed25519.pem);
	world->rows[4].loading = 18;
	change_epoch(18);
	expect_round(trial, 301000, 2, 18, "k4 ");
	expect_round(trial, 300000 + KEYTRIAL_AGAIN_MS, 2, 18, NULL);
	/* A backup was put back: all that wait are tried. */
	world->count = 4;
	memstore_of(world->store)->epoch = 14;
	world->rows[0].private_key = span_str("spk1:1:AAAA");
	expect_round(trial, 900000, 3, 14, "k0 ");
	keytrial_free(trial);
	unsealer_free(unsealer);
	keystore_close(world->store);
	keystore_close(world->report);
	world_end();
}

static void
test_a_store_that_does_not_answer(void **state)
{
	struct keytrial *trial = keytrial_new(NULL);
	struct err err = ERR_NONE;

	(void)state;
	world_begin();
	expect_round(trial, 0, 1, 10, NULL);
	world->status = ST_UNAVAILABLE;
	change_epoch(11);
	assert_int_equal(keytrial_round(trial, world->store, 0, &err), ST_UNAVAILABLE);
	world->status = ST_OK;
	expect_round(trial, 0, 1, 11, NULL);
	world->ops.loading = NULL; /* a kind of store without it */
	assert_int_equal(keytrial_round(trial, world->store, 0, &err), ST_UNAVAILABLE);
	keytrial_free(trial);
	keystore_close(world->store);
	keystore_close(world->report);
	world_end();
}

/* More than can be told: those that are not named are not counted as tried. */
static void
test_more_failures_than_fit(void **state)
{
	struct unsealer *unsealer = unsealer_new(NULL, true);
	struct keytrial *trial = keytrial_new(unsealer);
	struct err err = ERR_NONE;
	struct buf text;
	uint64_t tested;
	size_t lines = 0;

	(void)state;
	world_begin();
	for (size_t i = 0; i < ROWS_MAX; i++)
		add_waiting(11 + i, "spk1:1:AAAA");
	change_epoch(11 + ROWS_MAX);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(keytrial_round(trial, world->store, 0, &err), ST_OK);
		buf_init(&text, KEYSTORE_FAILED_TEXT);
		tested = keytrial_tested(trial, &text);
		assert_int_equal(buf_status(&text), ST_OK);
		lines = 0;
		for (const char *p = buf_text(&text); (p = strchr(p, '\n')) != NULL; p++)
			lines++;
		assert_true(lines > 100 && lines < KEYTRIAL_FAILED_MAX);
		assert_int_equal(tested, 10 + lines);
		buf_free(&text);
	}
	/* With room for all lines it is the memory of failures that ends. */
	buf_init(&text, 1 << 20);
	assert_int_equal(keytrial_tested(trial, &text), 10 + KEYTRIAL_FAILED_MAX);
	buf_free(&text);
	/* Somebody mends it. */
	for (size_t i = 0; i < ROWS_MAX; i++)
		world->rows[i].private_key = span_str(ed25519.pem);
	expect_round(trial, KEYTRIAL_AGAIN_MS, 3, 11 + ROWS_MAX, NULL);
	keytrial_free(trial);
	unsealer_free(unsealer);
	keystore_close(world->store);
	keystore_close(world->report);
	world_end();
}

/* ---- reports ---- */

static struct gateway_reporter
reporter_new(int64_t started)
{
	return (struct gateway_reporter){.store = world->report,
	    .node = SPAN_LIT("mx1"),
	    .started_utc = started,
	    .utc_ms = clock_utc_ms};
}

static void
test_one_report(void **state)
{
	struct gateway_reporter reporter;

	(void)state;
	world_begin();
	reporter = reporter_new(77);
	memstore_of(world->report)->now_utc = time(NULL) - 100;
	assert_int_equal(gateway_report_send(&reporter, 5, 4, SPAN_LIT("k1 why\n")), ST_OK);
	assert_string_equal(world->node, "mx1");
	assert_string_equal(world->failed, "k1 why\n");
	assert_int_equal(world->epoch, 5);
	assert_int_equal(world->tested, 4);
	assert_int_equal(world->started, 77);
	assert_true(world->offset_ms > 98000 && world->offset_ms < 160000);
	assert_true(world->version[0] != '\0');
	/* What the clock said last goes on, where it cannot be asked. */
	memstore_of(world->report)->status[MEMSTORE_NOW] = ST_UNAVAILABLE;
	assert_int_equal(gateway_report_send(&reporter, 6, 6, SPAN_EMPTY), ST_OK);
	assert_true(world->offset_ms > 98000);
	world->report_status = ST_DENIED;
	assert_int_equal(gateway_report_send(&reporter, 6, 6, SPAN_EMPTY), ST_DENIED);
	assert_true(reporter.denied);
	world->report_status = ST_FAILED;
	assert_int_equal(gateway_report_send(&reporter, 6, 6, SPAN_EMPTY), ST_UNAVAILABLE);
	assert_true(reporter.failing);
	world->report_status = ST_OK;
	assert_int_equal(gateway_report_send(&reporter, 6, 6, SPAN_EMPTY), ST_OK);
	assert_false(reporter.failing || reporter.denied);
	keystore_close(world->store);
	keystore_close(world->report);
	world_end();
}

static void
test_two_with_one_name(void **state)
{
	struct gateway_reporter reporter;

	(void)state;
	world_begin();
	reporter = reporter_new(77);
	for (unsigned i = 0; i < 2 * GATEWAY_LOOK_EVERY; i++)
		assert_int_equal(gateway_report_send(&reporter, 5, 4, SPAN_EMPTY), ST_OK);
	assert_false(reporter.told_foreign);
	/* The last word of one that goes down. */
	world->others_started = 70;
	for (unsigned i = 0; reporter.foreign == 0; i++) {
		assert_true(i <= GATEWAY_LOOK_EVERY);
		assert_int_equal(gateway_report_send(&reporter, 5, 4, SPAN_EMPTY), ST_OK);
	}
	world->others_started = 0;
	assert_int_equal(gateway_report_send(&reporter, 5, 4, SPAN_EMPTY), ST_OK);
	assert_false(reporter.told_foreign);
	world->others_started = 70;
	for (unsigned i = 0; i < GATEWAY_LOOK_EVERY + 2; i++)
		assert_int_equal(gateway_report_send(&reporter, 5, 4, SPAN_EMPTY), ST_OK);
	assert_true(reporter.told_foreign);
	keystore_close(world->store);
	keystore_close(world->report);
	world_end();
}

/* ---- the threads ---- */

static struct gateway *
start(struct keystore **cached_out)
{
	const struct cached_keystore_config caching = {
	    .bytes_max = 1 << 20, .poll_ms = POLL_MS, .absent_ms = 1000, .stale_ms = 60000};
	struct gateway_config config = {
	    .report = world->report, .node = "MX1", .poll_ms = POLL_MS, .report_ms = 50};
	struct gateway *gateway;
	struct err err = ERR_NONE;

	assert_int_equal(cached_keystore_new(world->store, &caching, cached_out, &err), ST_OK);
	config.store = *cached_out;
	assert_int_equal(gateway_new(&config, &gateway, &err), ST_OK);
	assert_string_equal(gateway_name(gateway), "mx1");
	assert_int_equal(gateway_start(gateway, &err), ST_OK);
	return gateway;
}

static bool
is_told(uint64_t epoch, uint64_t tested, const char *failed)
{
	bool told;

	pthread_mutex_lock(&world->lock);
	told = world->epoch == epoch && world->tested == tested &&
	       strstr(world->failed, failed) != NULL;
	pthread_mutex_unlock(&world->lock);
	return told;
}

static void
wait_until_told(uint64_t epoch, uint64_t tested, const char *failed)
{
	for (int i = 0; i < 6000; i++) {
		if (is_told(epoch, tested, failed))
			return;
		sleep_ms(10);
	}
	fail_msg("told %llu, %llu, \"%s\"", (unsigned long long)world->epoch,
	    (unsigned long long)world->tested, world->failed);
}

static unsigned
reports(void)
{
	unsigned count;

	pthread_mutex_lock(&world->lock);
	count = world->reports;
	pthread_mutex_unlock(&world->lock);
	return count;
}

static void
wait_for_reports(unsigned more)
{
	unsigned before = reports();

	for (int i = 0; i < 6000 && reports() < before + more; i++)
		sleep_ms(10);
	assert_true(reports() >= before + more);
}

static void
set_report(enum status status, int64_t slow_ms)
{
	pthread_mutex_lock(&world->lock);
	world->report_status = status;
	world->report_slow_ms = slow_ms;
	pthread_mutex_unlock(&world->lock);
}

static void
test_what_is_reported_follows(void **state)
{
	struct keystore *cached;
	struct gateway *gateway;
	unsigned before;

	(void)state;
	world_begin();
	add_waiting(3, ed25519.pem);
	gateway = start(&cached);
	wait_until_told(10, 10, "");
	add_waiting(11, "spk1:1:AAAA");
	change();
	wait_until_told(11, 11, "k1 ");
	/* A store that does not answer for its last epoch at once is asked again. */
	pthread_mutex_lock(&world->lock);
	world->behind = 1;
	pthread_mutex_unlock(&world->lock);
	change();
	wait_until_told(12, 11, "k1 ");
	pthread_mutex_lock(&world->lock);
	world->behind = 0;
	pthread_mutex_unlock(&world->lock);
	wait_until_told(12, 12, "k1 ");
	/* A store of reports that is away, or slow, holds nothing else. */
	set_report(ST_UNAVAILABLE, 0);
	wait_for_reports(2);
	change();
	set_report(ST_OK, 0);
	wait_until_told(13, 13, "k1 ");
	set_report(ST_OK, 1500);
	wait_for_reports(1);
	change();
	for (int i = 0; i < 6000 && gateway_epoch(gateway) != 14; i++)
		sleep_ms(10);
	assert_int_equal(gateway_epoch(gateway), 14);
	set_report(ST_OK, 0);
	wait_until_told(14, 14, "k1 ");
	/* A newer keeper speaks for this gateway. */
	gateway_retire(gateway);
	sleep_ms(200); /* one may be on its way */
	before = reports();
	change();
	sleep_ms(300);
	assert_int_equal(reports(), before);
	gateway_free(gateway);
	keystore_close(cached);
	world_end();
}

static void
test_no_right_to_report(void **state)
{
	struct keystore *cached;
	struct gateway *gateway;
	struct buf text;

	(void)state;
	world_begin();
	set_report(ST_DENIED, 0);
	gateway = start(&cached);
	for (int i = 0; i < 6000 && reports() == 0; i++)
		sleep_ms(10);
	for (int i = 0; i < 5; i++) {
		change();
		sleep_ms(60);
	}
	assert_int_equal(reports(), 1); /* and it is not asked again and again */
	buf_init(&text, KEYSTORE_FAILED_TEXT);
	for (int i = 0; i < 6000 && gateway_tested(gateway, &text) != 15; i++)
		sleep_ms(10);
	assert_int_equal(gateway_tested(gateway, &text), 15);
	buf_free(&text);
	gateway_free(gateway);
	keystore_close(cached);
	world_end();
}

/* CacheSize 0: nothing is kept, so what the store says is in force. */
static void
test_without_a_cache(void **state)
{
	struct gateway_config config = {.node = "mx1", .poll_ms = POLL_MS, .report_ms = 50};
	struct gateway *gateway;
	struct err err = ERR_NONE;

	(void)state;
	world_begin();
	config.store = world->store;
	config.report = world->report;
	assert_int_equal(gateway_new(&config, &gateway, &err), ST_OK);
	assert_int_equal(gateway_start(gateway, &err), ST_OK);
	wait_until_told(10, 10, "");
	gateway_free(gateway);
	keystore_close(world->store);
	world_end();
}

static void
test_names(void **state)
{
	struct gateway_config config = {.poll_ms = POLL_MS, .report_ms = 50};
	struct gateway *gateway;
	struct err err = ERR_NONE;

	(void)state;
	world_begin();
	config.store = world->store;
	config.node = "a b";
	assert_int_equal(gateway_new(&config, &gateway, &err), ST_OK); /* nobody is told it */
	gateway_free(gateway);
	config.report = world->report;
	assert_int_equal(gateway_new(&config, &gateway, &err), ST_INVALID);
	assert_null(gateway);
	keystore_close(world->store);
	world_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_a_key_must_be),
	    cmocka_unit_test(test_rounds),
	    cmocka_unit_test(test_a_store_that_does_not_answer),
	    cmocka_unit_test(test_more_failures_than_fit),
	    cmocka_unit_test(test_one_report),
	    cmocka_unit_test(test_two_with_one_name),
	    cmocka_unit_test(test_what_is_reported_follows),
	    cmocka_unit_test(test_no_right_to_report),
	    cmocka_unit_test(test_without_a_cache),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
