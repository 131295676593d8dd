/*
 * test_sharedcache.c - what a server of memcached can do to answers that gateways share: lose them
 * and repeat them, and nothing else. make check.
 */
#include <pthread.h>

#include "tests/unit/shared_help.h"

#include "lib/base/secret.h"
#include "lib/store/sharedcache_private.h"

#define SECRET_TEXT "-----BEGIN PRIVATE KEY----- of acme"

static const struct sharedcache_question keys_question = {
    .purpose = SHAREDCACHE_KEYS, .scope = {"store-1", 7}, .secret = true};
static const struct sharedcache_question rules_question = {
    .purpose = SHAREDCACHE_RULES, .scope = {"store-1", 7}};
static const struct sharedcache_question dns_question = {
    .purpose = SHAREDCACHE_DNS, .scope = {"dns", 3}};

static const struct sharedcache_entry entry = {.name = {"k"
							"a.example",
						   10},
    .tenant = {"acme", 4},
    .plain = {SECRET_TEXT, sizeof(SECRET_TEXT) - 1},
    .epoch = 0x0102030405060708,
    .asked_ms = NOW_MS - 1234,
    .not_after_ms = NOW_MS + 3600000,
    .ttl_s = 86400};

static void
put(struct gateway *gateway, const struct sharedcache_question *question,
    struct sharedcache_entry e)
{
	sharedcache_put(gateway->cache, question, &e, NOW_MS);
}

static struct sharedcache_answer
get(struct gateway *gateway, const struct sharedcache_question *question, struct span name)
{
	struct sharedcache_answer answer;

	sharedcache_get(gateway->cache, question, &name, 1, NOW_MS, &answer);
	return answer;
}

/* Is it the entry, or not there? */
static bool
is_there(struct gateway *gateway, const struct sharedcache_question *question, struct span name)
{
	struct sharedcache_answer answer = get(gateway, question, name);
	bool there = answer.status == ST_OK;

	if (there) {
		assert_true(span_eq(span_of(answer.plain, answer.n), entry.plain));
		assert_string_equal(answer.tenant, "acme");
		assert_true(answer.epoch == entry.epoch);
		assert_int_equal(answer.told_ms, entry.asked_ms);
		assert_int_equal(answer.asked_ms, entry.asked_ms - SHAREDCACHE_SKEW_MS);
		assert_int_equal(answer.not_after_ms, entry.not_after_ms - SHAREDCACHE_SKEW_MS);
	} else {
		assert_int_equal(answer.status, ST_ABSENT);
		assert_null(answer.plain);
		assert_int_equal(answer.epoch, 0);
		assert_string_equal(answer.tenant, "");
	}
	sharedcache_answer_release(&answer);
	sharedcache_answer_release(&answer); /* may be called twice */
	return there;
}

static unsigned
refused(const char *cache, const char *reason)
{
	char name[80];

	snprintf(name, sizeof(name), "refused_total{cache=\"%s\",reason=\"%s\"}", cache, reason);
	return help_counted(name);
}

static unsigned
refused_all(const char *cache)
{
	return refused(cache, "form") + refused(cache, "seal") + refused(cache, "age");
}

static void
test_one_gateway_tells_another(void **state)
{
	struct memshared *server = memshared_new();
	struct gateway *a = gateway_open(server, SITE_1, NULL);
	struct gateway *b = gateway_open(server, SITE_1, NULL);
	char *name;
	size_t n;

	(void)state;
	help_counters_begin();
	assert_false(is_there(b, &keys_question, entry.name));
	put(a, &keys_question, entry);
	assert_true(is_there(b, &keys_question, entry.name));
	assert_true(is_there(a, &keys_question, entry.name));
	assert_false(is_there(b, &keys_question, S("kb.example")));
	assert_int_equal(help_counted("hits_total{cache=\"keys\"}"), 2);
	assert_int_equal(help_counted("misses_total{cache=\"keys\"}"), 2);
	assert_int_equal(help_counted("stored_total{cache=\"keys\"}"), 1);
	assert_int_equal(refused_all("keys"), 0);
	assert_int_equal(memshared_ttl_s(server, 0), 3600);
	name = memshared_name(server, 0, &n);
	assert_int_equal(n, 36);
	assert_int_equal(
	    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-:"), 36);
	mem_free(name);
	memshared_set_away(server, true);
	assert_int_equal(get(a, &keys_question, entry.name).status, ST_UNAVAILABLE);
	assert_int_equal(help_counted("unavailable_total{cache=\"keys\"}"), 1);
	gateway_close(a);
	gateway_close(b);
	memshared_free(server);
}

static void
test_many_in_one_question(void **state)
{
	struct memshared *server = memshared_new();
	struct gateway *a = gateway_open(server, SITE_1, NULL);
	struct sharedcache_answer answers[20];
	struct span names[20];
	char text[20][8];

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct sharedcache_entry e = entry;

		snprintf(text[i], sizeof(text[i]), "n%d", i);
		names[i] = e.name = e.plain = span_str(text[i]);
		if (i % 3 != 0)
			put(a, &rules_question, e);
	}
	sharedcache_get(a->cache, &rules_question, names, 16, NOW_MS, answers);
	assert_int_equal(memshared_counts(server).gets, 1);
	for (int i = 0; i < 16; i++)
		sharedcache_answer_release(&answers[i]);
	sharedcache_get(a->cache, &rules_question, names, 20, NOW_MS, answers);
	assert_int_equal(memshared_counts(server).gets, 3);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(answers[i].status, i % 3 != 0 ? ST_OK : ST_ABSENT);
		if (i % 3 != 0)
			assert_string_equal(answers[i].plain, text[i]);
		sharedcache_answer_release(&answers[i]);
	}
	gateway_close(a);
	memshared_free(server);
}

/* ---- a server that changes what it has ---- */

static void
test_every_octet_counts(void **state)
{
	static const uint8_t masks[] = {0x01, 0x20, 0x80, 0xff};
	struct memshared *server = memshared_new();
	struct gateway *a = gateway_open(server, SITE_1, NULL);
	unsigned expected = 0;
	char *value;
	size_t n;

	(void)state;
	help_counters_begin();
	put(a, &keys_question, entry);
	value = memshared_value(server, 0, &n);
	mem_free(value);
	assert_int_equal(n, 32 + 12 + entry.plain.n + 4 + 1 + 16);
	for (size_t at = 0; at < n; at++) {
		for (size_t i = 0; i < sizeof(masks); i++) {
			memshared_flip(server, 0, at, masks[i]);
			if (is_there(a, &keys_question, entry.name))
				fail_msg("octet %zu ^ %02x is not looked at", at, masks[i]);
			memshared_flip(server, 0, at, masks[i]);
			expected++;
		}
	}
	assert_int_equal(refused_all("keys"), expected);
	assert_true(refused("keys", "form") > 0 && refused("keys", "seal") > 0);
	assert_int_equal(refused("keys", "age"), 0);
	assert_true(is_there(a, &keys_question, entry.name));
	assert_int_equal(help_counted("misses_total{cache=\"keys\"}"), 0);
	gateway_close(a);
	memshared_free(server);
}

static void
test_every_length_counts(void **state)
{
	struct memshared *server = memshared_new();
	struct gateway *a = gateway_open(server, SITE_1, NULL);
	struct span value;
	char *longer;
	size_t n;

	(void)state;
	help_counters_begin();
	put(a, &keys_question, entry);
	value.p = memshared_value(server, 0, &n);
	value.n = n;
	for (size_t i = 0; i < n; i++) {
		memshared_set(server, 0, span_sub(value, 0, i));
		assert_false(is_there(a, &keys_question, entry.name));
		memshared_set(server, 0, span_from(value, n - i));
		assert_false(is_there(a, &keys_question, entry.name));
	}
	assert_int_equal(refused_all("keys"), 2 * n);
	longer = mem_zalloc(SHARED_VALUE_MAX + 1, 1);
	memcpy(longer, value.p, n);
	memshared_set(server, 0, span_of(longer, n + 1));
	assert_false(is_there(a, &keys_question, entry.name));
	memshared_set(server, 0, span_of(longer, SHARED_VALUE_MAX + 1));
	assert_false(is_there(a, &keys_question, entry.name));
	memshared_set(server, 0, value);
	assert_true(is_there(a, &keys_question, entry.name));
	mem_free(longer);
	mem_free((void *)(uintptr_t)value.p);
	gateway_close(a);
	memshared_free(server);
}

/* Values of two questions, each under the other's name. */
static void
test_values_are_not_exchanged(void **state)
{
	static const struct sharedcache_question
	    table = {.purpose = SHAREDCACHE_TABLE, .scope = {"store-1", 7}, .secret = true},
	    other_store = {.purpose = SHAREDCACHE_KEYS, .scope = {"store-2", 7}, .secret = true},
	    longer_scope = {.purpose = SHAREDCACHE_KEYS, .scope = {"store-1k", 8}, .secret = true};
	static const struct {
		const struct sharedcache_question *question;
		struct span name;
	} others[] = {{&keys_question, {"kb.example", 10}}, {&keys_question, {"", 0}},
	    {&rules_question, {"ka.example", 10}}, {&table, {"ka.example", 10}},
	    {&dns_question, {"ka.example", 10}}, {&other_store, {"ka.example", 10}},
	    /* The same octets, cut elsewhere. */
	    {&longer_scope, {"a.example", 9}}};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct memshared *server = memshared_new();
		struct gateway *a = gateway_open(server, SITE_1, NULL);
		struct sharedcache_entry e = entry;

		help_counters_begin();
		e.name = others[i].name;
		put(a, &keys_question, entry);
		put(a, others[i].question, e);
		assert_int_equal(memshared_count(server), 2);
		assert_true(is_there(a, others[i].question, e.name));
		memshared_swap(server, 0, 1);
		assert_false(is_there(a, &keys_question, entry.name));
		assert_false(is_there(a, others[i].question, e.name));
		assert_int_equal(refused("keys", "seal") + refused("rules", "seal") +
				     refused("table", "seal") + refused("dns", "seal"),
		    2);
		gateway_close(a);
		memshared_free(server);
	}
}

/* Whoever knows the form can write any head in front of a sealed text. */
static void
test_heads_are_not_exchanged(void **state)
{
	struct memshared *server = memshared_new();
	struct gateway *a = gateway_open(server, SITE_1 SITE_2 "current 1\n", NULL);
	struct sharedcache_head head;
	struct buf value;
	char *octets;
	size_t n;

	(void)state;
	put(a, &keys_question, entry);
	octets = memshared_value(server, 0, &n);
	assert_true(sharedcache_head_read(span_of(octets, n), &head));
	buf_init(&value, 4096);
	for (int i = 0; i < 7; i++) {
		struct sharedcache_head lie = head;

		buf_reset(&value);
		lie.purpose = i == 1 ? SHAREDCACHE_RULES : lie.purpose;
		lie.version = i == 2 ? 2 : i == 3 ? 0 : lie.version;
		lie.epoch += i == 4 ? 1 : 0;
		lie.asked_utc_ms += i == 5 ? 1 : 0;
		lie.not_after_utc_ms = i == 6 ? 0 : lie.not_after_utc_ms;
		sharedcache_head_write(&lie, &value);
		buf_add(&value, span_from(span_of(octets, n), SHAREDCACHE_HEAD_BYTES));
		memshared_set(server, 0, buf_span(&value));
		assert_int_equal(is_there(a, &keys_question, entry.name), i == 0);
	}
	buf_free(&value);
	mem_free(octets);
	gateway_close(a);
	memshared_free(server);
}

/* ---- keys ---- */

static void
test_another_site(void **state)
{
	struct memshared *server = memshared_new();
	struct gateway *a = gateway_open(server, SITE_1, NULL);
	struct gateway *b = gateway_open(server, OTHER_SITE_1, NULL);

	(void)state;
	help_counters_begin();
	put(a, &keys_question, entry);
	assert_false(is_there(b, &keys_question, entry.name));
	assert_int_equal(refused_all("keys"), 0); /* it has another name there */
	put(b, &keys_question, entry);
	memshared_swap(server, 0, 1);
	assert_false(is_there(a, &keys_question, entry.name));
	assert_false(is_there(b, &keys_question, entry.name));
	assert_int_equal(refused("keys", "seal"), 2);
	gateway_close(a);
	gateway_close(b);
	memshared_free(server);
}

static void
test_a_new_version(void **state)
{
	struct memshared *server = memshared_new();
	struct gateway *a = gateway_open(server, SITE_1, NULL);
	struct gateway *b = gateway_open(server, SITE_1 SITE_2 "current 1\n", NULL);
	struct gateway *c = gateway_open(server, SITE_1 SITE_2, NULL);

	(void)state;
	help_counters_begin();
	put(a, &keys_question, entry);
	assert_true(is_there(b, &keys_question, entry.name));
	assert_false(is_there(c, &keys_question, entry.name));
	assert_int_equal(help_counted("misses_total{cache=\"keys\"}"), 1);
	put(c, &keys_question, entry);
	assert_true(is_there(c, &keys_question, entry.name));
	assert_true(is_there(b, &keys_question, entry.name));
	/* The old one under the new name: c could open it, and does not. */
	memshared_swap(server, 0, 1);
	assert_false(is_there(c, &keys_question, entry.name));
	assert_false(is_there(b, &keys_question, entry.name));
	assert_false(is_there(a, &keys_question, entry.name));
	assert_int_equal(refused("keys", "seal"), 3);
	gateway_close(a);
	gateway_close(b);
	gateway_close(c);
	memshared_free(server);
}

static void
test_without_a_site_key(void **state)
{
	static const uint8_t own[SHAREDCACHE_KEY_BYTES] = {7}, other[SHAREDCACHE_KEY_BYTES] = {8};
	struct memshared *server = memshared_new();
	struct gateway *a = gateway_open(server, NULL, own);
	struct gateway *b = gateway_open(server, NULL, other);
	struct gateway *none = gateway_open(server, NULL, NULL);
	struct sharedcache_entry e = entry;
	struct sharedcache_answer answer;

	(void)state;
	put(a, &keys_question, entry);
	put(a, &rules_question, entry);
	put(none, &dns_question, e);
	assert_int_equal(memshared_count(server), 0);
	assert_false(is_there(a, &keys_question, entry.name));
	assert_int_equal(memshared_counts(server).gets, 0);
	put(a, &dns_question, e);
	assert_int_equal(memshared_count(server), 1);
	answer = get(a, &dns_question, e.name);
	assert_int_equal(answer.status, ST_OK);
	assert_string_equal(answer.plain, SECRET_TEXT);
	sharedcache_answer_release(&answer);
	assert_false(is_there(b, &dns_question, e.name));
	assert_false(is_there(none, &dns_question, e.name));
	/* As soon as there is one, nothing of before is believed. */
	a->sitekey = help_sitekey(SITE_1);
	assert_false(is_there(a, &dns_question, e.name));
	put(a, &dns_question, e);
	memshared_swap(server, 0, 1);
	assert_false(is_there(a, &dns_question, e.name));
	sitekey_close(a->sitekey);
	a->sitekey = NULL;
	assert_false(is_there(a, &dns_question, e.name));
	gateway_close(a);
	gateway_close(b);
	gateway_close(none);
	memshared_free(server);
}

/* ---- time ---- */

static void
test_what_is_repeated_has_its_age(void **state)
{
	struct memshared *server = memshared_new();
	struct gateway *a = gateway_open(server, SITE_1, NULL);
	struct sharedcache_entry newer = entry;
	struct sharedcache_answer answer;

	(void)state;
	put(a, &keys_question, entry);
	newer.epoch++;
	newer.asked_ms = NOW_MS;
	newer.plain = S("newer");
	put(a, &keys_question, newer);
	answer = get(a, &keys_question, entry.name);
	assert_string_equal(answer.plain, "newer");
	sharedcache_answer_release(&answer);
	memshared_set_replaying(server, true);
	assert_true(is_there(a, &keys_question, entry.name));
	/* Half an hour later, on another machine, which has just booted. */
	help_utc_ms += 1800000;
	sharedcache_get(a->cache, &keys_question, &entry.name, 1, 60000, &answer);
	assert_int_equal(answer.status, ST_OK);
	assert_true(answer.epoch == entry.epoch);
	assert_int_equal(answer.told_ms, 60000 - 1800000 - 1234);
	assert_int_equal(answer.asked_ms, 60000 - 1800000 - 1234 - SHAREDCACHE_SKEW_MS);
	assert_int_equal(answer.not_after_ms, 60000 + 1800000 - SHAREDCACHE_SKEW_MS);
	sharedcache_answer_release(&answer);
	sharedcache_get(a->cache, &keys_question, &entry.name, 1, 1801234, &answer);
	assert_int_equal(answer.told_ms, -1); /* 0 would be none */
	sharedcache_answer_release(&answer);
	help_utc_ms = UTC_MS;
	gateway_close(a);
	memshared_free(server);
}

static void
test_not_after(void **state)
{
	struct memshared *server = memshared_new();
	struct gateway *a = gateway_open(server, SITE_1, NULL);
	struct sharedcache_entry e = entry;
	struct sharedcache_answer answer;

	(void)state;
	help_counters_begin();
	put(a, &keys_question, entry);
	help_utc_ms += 3600000 - SHAREDCACHE_SKEW_MS - 1;
	answer = get(a, &keys_question, entry.name);
	assert_int_equal(answer.status, ST_OK);
	assert_int_equal(answer.not_after_ms, NOW_MS + 1);
	sharedcache_answer_release(&answer);
	help_utc_ms++;
	assert_false(is_there(a, &keys_question, entry.name));
	assert_int_equal(refused("keys", "age"), 1);
	help_utc_ms = UTC_MS;
	/* What has no limit, and what is past its limit when it is stored. */
	e.not_after_ms = 0;
	put(a, &keys_question, e);
	assert_int_equal(memshared_ttl_s(server, 0), 86400);
	help_utc_ms += 365 * (int64_t)86400000;
	answer = get(a, &keys_question, entry.name);
	assert_int_equal(answer.status, ST_OK);
	assert_int_equal(answer.not_after_ms, 0);
	sharedcache_answer_release(&answer);
	help_utc_ms = UTC_MS;
	memshared_clear(server);
	e.not_after_ms = NOW_MS;
	put(a, &keys_question, e);
	e.not_after_ms = NOW_MS - 100000;
	put(a, &keys_question, e);
	assert_int_equal(memshared_count(server), 0);
	gateway_close(a);
	memshared_free(server);
}

static void
test_from_the_future(void **state)
{
	struct memshared *server = memshared_new();
	struct gateway *a = gateway_open(server, SITE_1, NULL);
	struct sharedcache_entry e = entry;
	struct sharedcache_answer answer;

	(void)state;
	help_counters_begin();
	e.asked_ms = NOW_MS;
	put(a, &keys_question, e);
	help_utc_ms -= SHAREDCACHE_SKEW_MS;
	answer = get(a, &keys_question, entry.name);
	assert_int_equal(answer.status, ST_OK);
	assert_int_equal(answer.told_ms, NOW_MS);
	assert_int_equal(answer.asked_ms, NOW_MS);
	sharedcache_answer_release(&answer);
	help_utc_ms--;
	assert_false(is_there(a, &keys_question, entry.name));
	assert_int_equal(refused("keys", "age"), 1);
	help_utc_ms = UTC_MS;
	gateway_close(a);
	memshared_free(server);
}

/* ---- what the server sees, and what is kept from it ---- */

static void
test_nothing_is_readable(void **state)
{
	static const char *const hidden[] = {
	    SECRET_TEXT, "PRIVATE", "acme", "a.example", "example", "store-1"};
	struct memshared *server = memshared_new();
	struct gateway *a = gateway_open(server, SITE_1, NULL);
	struct sharedcache_entry e = entry;
	char big[4000];

	(void)state;
	put(a, &keys_question, entry);
	put(a, &rules_question, entry);
	memset(big, 'z', sizeof(big));
	e.plain = span_of(big, sizeof(big));
	put(a, &keys_question, e);
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		assert_false(memshared_saw(server, span_str(hidden[i])));
	assert_false(memshared_saw(server, S("zzzz")));
	gateway_close(a);
	memshared_free(server);
}

static void
test_what_is_not_stored(void **state)
{
	static char big[SHAREDCACHE_PLAIN_MAX + 1], name[SHAREDCACHE_NAME_MAX + 1];
	struct memshared *server = memshared_new();
	struct gateway *a = gateway_open(server, SITE_1, NULL);
	struct sharedcache_entry e = entry;
	struct sharedcache_answer answer;

	(void)state;
	e.ttl_s = 0;
	put(a, &keys_question, e);
	e.ttl_s = -5;
	put(a, &keys_question, e);
	e = entry;
	e.plain = span_of(big, sizeof(big));
	put(a, &keys_question, e);
	e = entry;
	e.name = span_of(name, sizeof(name));
	put(a, &keys_question, e);
	assert_false(is_there(a, &keys_question, e.name));
	e = entry;
	e.tenant = S("No Tenant");
	put(a, &keys_question, e);
	e.tenant = span_of(big, 64);
	put(a, &keys_question, e);
	e = entry;
	e.asked_ms = -UTC_MS * 2; /* before 1970 */
	put(a, &keys_question, e);
	assert_int_equal(memshared_count(server), 0);
	/* The biggest of each. */
	e = entry;
	e.plain = span_of(big, SHAREDCACHE_PLAIN_MAX);
	e.name = span_of(name, SHAREDCACHE_NAME_MAX);
	e.not_after_ms = 0;
	e.ttl_s = INT64_MAX;
	put(a, &keys_question, e);
	assert_int_equal(memshared_count(server), 1);
	assert_int_equal(memshared_ttl_s(server, 0), SHARED_TTL_S_MAX);
	answer = get(a, &keys_question, e.name);
	assert_int_equal(answer.status, ST_OK);
	assert_int_equal(answer.n, SHAREDCACHE_PLAIN_MAX);
	sharedcache_answer_release(&answer);
	/* And the smallest. */
	e = entry;
	e.plain = SPAN_EMPTY;
	put(a, &keys_question, e);
	answer = get(a, &keys_question, entry.name);
	assert_int_equal(answer.status, ST_OK);
	assert_string_equal(answer.plain, "");
	sharedcache_answer_release(&answer);
	gateway_close(a);
	memshared_free(server);
}

/* ---- threads ---- */

struct member {
	pthread_t thread;
	struct gateway *gateway;
	uint64_t random;
	unsigned hits;
};

static void *
member_run(void *context)
{
	struct member *me = context;

	for (int i = 0; i < 400; i++) {
		struct sharedcache_entry e = entry;
		struct sharedcache_answer answer;
		char name[2] = {(char)('a' + help_random(&me->random) % 16), '\0'};

		e.name = e.plain = span_str(name);
		if (help_random(&me->random) % 2 == 0)
			put(me->gateway, &keys_question, e);
		answer = get(me->gateway, &keys_question, e.name);
		if (answer.status == ST_OK && strcmp(answer.plain, name) != 0)
			abort();
		me->hits += answer.status == ST_OK ? 1 : 0;
		sharedcache_answer_release(&answer);
	}
	return NULL;
}

static void
test_threads(void **state)
{
	struct memshared *server = memshared_new();
	struct gateway *gateways[2] = {
	    gateway_open(server, SITE_1, NULL), gateway_open(server, SITE_1, NULL)};
	struct member members[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		members[i] = (struct member){.gateway = gateways[i % 2], .random = i + 1};
		if (pthread_create(&members[i].thread, NULL, member_run, &members[i]) != 0)
			abort();
	}
	for (unsigned i = 0; i < 8; i++) {
		pthread_join(members[i].thread, NULL);
		assert_true(members[i].hits > 100);
	}
	gateway_close(gateways[0]);
	gateway_close(gateways[1]);
	memshared_free(server);
}

static int
back_to_now(void **state)
{
	(void)state;
	help_utc_ms = UTC_MS;
	metrics_close();
	return 0;
}

#define CASE(name) cmocka_unit_test_teardown(name, back_to_now)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_one_gateway_tells_another),
	    CASE(test_many_in_one_question),
	    CASE(test_every_octet_counts),
	    CASE(test_every_length_counts),
	    CASE(test_values_are_not_exchanged),
	    CASE(test_heads_are_not_exchanged),
	    CASE(test_another_site),
	    CASE(test_a_new_version),
	    CASE(test_without_a_site_key),
	    CASE(test_what_is_repeated_has_its_age),
	    CASE(test_not_after),
	    CASE(test_from_the_future),
	    CASE(test_nothing_is_readable),
	    CASE(test_what_is_not_stored),
	    CASE(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
