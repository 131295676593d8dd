/*
 * test_dns_cached.c - lib/dns: the resolver that remembers and asks others, between an inner
 * resolver and others that the test plays. The clock of what is kept is the test's; patience is a
 * timer of a real loop, set so long or so short that no test depends on the machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/metrics.h"
#include "lib/dns/cached.h"
#include "lib/dns/octets.h"
#include "lib/dns/private.h"

#define LONG_MS 600000
#define HELD_MAX 16

/* ---- what the test plays ---- */

struct inner {
	struct resolver base; /* first */
	struct dns_query *held[HELD_MAX];
	size_t held_count, asked, dropped;
	const struct dns_answer *at_once; /* instead of holding */
};

static struct world {
	struct loop loop;
	struct inner *inner;
	struct resolver *resolver;
	int64_t now_ms;
	bool share_is_full;
	size_t share_asked, share_put;
	uint64_t share_id;
	char share_name[64], put_name[64];
	char put_octets[512];
	size_t put_n;
	uint32_t put_ttl_s;
} world;

static int64_t
world_now_ms(void)
{
	return world.now_ms;
}

static void
inner_ask(struct resolver *resolver, struct dns_query *query)
{
	struct inner *inner = (struct inner *)(void *)resolver;

	inner->asked++;
	if (inner->at_once != NULL) {
		dns_query_answer(query, inner->at_once);
		return;
	}
	assert_true(inner->held_count < HELD_MAX);
	inner->held[inner->held_count++] = query;
}

static bool
inner_drop(struct resolver *resolver, struct dns_query *query)
{
	struct inner *inner = (struct inner *)(void *)resolver;

	for (size_t i = 0; i < inner->held_count; i++)
		if (inner->held[i] == query) {
			inner->held[i] = inner->held[--inner->held_count];
			inner->dropped++;
			return true;
		}
	fail();
	return true;
}

static void
inner_free(struct resolver *resolver)
{
	resolver_close(resolver);
	mem_free(resolver);
}

static bool
share_ask(void *context, uint64_t id, struct span name)
{
	assert_ptr_equal(context, &world);
	if (world.share_is_full)
		return false;
	world.share_asked++;
	world.share_id = id;
	snprintf(world.share_name, sizeof(world.share_name), "%.*s", SPAN_ARG(name));
	return true;
}

static void
share_put(void *context, struct span name, struct span octets, uint32_t ttl_s)
{
	assert_ptr_equal(context, &world);
	world.share_put++;
	snprintf(world.put_name, sizeof(world.put_name), "%.*s", SPAN_ARG(name));
	assert_true(octets.n <= sizeof(world.put_octets));
	memcpy(world.put_octets, octets.p, octets.n);
	world.put_n = octets.n;
	world.put_ttl_s = ttl_s;
}

static void
open_world(bool shared, bool validates, int64_t patience_ms)
{
	static const struct resolver_ops ops = {
	    .ask = inner_ask, .drop = inner_drop, .free = inner_free};
	static const struct dns_share share = {share_ask, share_put, &world};
	struct resolver_cached_config config = {.loop = &world.loop,
	    .cache_bytes = 65536,
	    .share = shared ? &share : NULL,
	    .patience_ms = patience_ms,
	    .now_ms = world_now_ms};
	struct err err = ERR_NONE;

	world = (struct world){.now_ms = 1000000};
	assert_int_equal(loop_open(&world.loop, &err), ST_OK);
	world.inner = mem_zalloc(1, sizeof(*world.inner));
	resolver_init(&world.inner->base, &ops, &world.loop);
	world.inner->base.validates = validates;
	config.inner = &world.inner->base;
	world.resolver = resolver_cached(&config);
}

static void
close_world(void)
{
	resolver_free(world.resolver);
	assert_int_equal(world.loop.timer_count, 0);
	loop_close(&world.loop);
}

/* ---- asking ---- */

struct asker {
	struct dns_query *query;
	size_t called;
	enum status status;
	enum dns_security security;
	uint32_t ttl_s;
	char text[64];
	struct asker *then_asks, *then_cancels; /* from its callback */
};

static void on_answer(void *owner, const struct dns_answer *answer);

static void
ask_for(struct asker *asker, const char *name, int64_t timeout_ms)
{
	resolver_txt(world.resolver, span_str(name), timeout_ms, on_answer, asker, &asker->query);
}

static void
ask(struct asker *asker)
{
	ask_for(asker, "S1._domainkey.Example.com", LONG_MS);
}

static void
on_answer(void *owner, const struct dns_answer *answer)
{
	struct asker *asker = owner;

	assert_null(asker->query);
	asker->called++;
	asker->status = answer->status;
	asker->security = answer->security;
	asker->ttl_s = answer->ttl_s;
	asker->text[0] = '\0';
	if (answer->count > 0)
		snprintf(
		    asker->text, sizeof(asker->text), "%.*s", SPAN_ARG(answer->texts[0].joined));
	if (asker->then_cancels != NULL)
		resolver_cancel(world.resolver, &asker->then_cancels->query);
	if (asker->then_asks != NULL)
		ask(asker->then_asks);
	/* Still what it was, whatever has been asked meanwhile. */
	if (answer->count > 0)
		assert_true(span_eq_str(answer->texts[0].joined, asker->text));
}

static struct dns_answer
found(const char *text, enum dns_security security, uint32_t ttl_s)
{
	struct dns_answer answer = {
	    .status = ST_OK, .security = security, .count = 1, .ttl_s = ttl_s, .why = ""};

	answer.texts[0] = (struct dns_text){span_str(text), 1, strlen(text)};
	return answer;
}

static void
inner_answers(const struct dns_answer *answer)
{
	struct inner *inner = world.inner;

	assert_true(inner->held_count > 0);
	resolver_enter(&inner->base);
	dns_query_answer(inner->held[--inner->held_count], answer);
	resolver_leave(&inner->base);
}

static void
others_answer(const struct dns_answer *answer, int64_t left_ms)
{
	struct buf octets;

	buf_init(&octets, DNS_OCTETS_MAX);
	assert_int_equal(dns_octets_write(answer, &octets), ST_OK);
	resolver_cached_shared(world.resolver, world.share_id, buf_span(&octets), left_ms);
	buf_free(&octets);
}

static void
others_have_nothing(void)
{
	resolver_cached_shared(world.resolver, world.share_id, SPAN_EMPTY, 0);
}

static void
assert_stats(uint64_t questions, uint64_t hits, uint64_t negative, uint64_t shared, uint64_t misses)
{
	struct resolver_cached_stats stats;

	resolver_cached_stats(world.resolver, &stats);
	assert_int_equal(stats.questions, questions);
	assert_int_equal(stats.hits, hits);
	assert_int_equal(stats.negative_hits, negative);
	assert_int_equal(stats.shared_hits, shared);
	assert_int_equal(stats.misses, misses);
}

/* ---- kept here ---- */

static void
test_kept_until_the_ttl_is_over(void **state)
{
	struct dns_answer answer = found("one", DNS_UNKNOWN, 60),
			  other = found("two", DNS_UNKNOWN, 60);
	struct asker a = {0};

	(void)state;
	open_world(false, false, LONG_MS);
	world.inner->at_once = &answer;
	ask(&a);
	assert_int_equal(a.called, 1);
	world.inner->at_once = &other;
	world.now_ms += 30000;
	ask_for(&a, "s1._DOMAINKEY.example.com", LONG_MS);
	assert_int_equal(a.called, 2);
	assert_string_equal(a.text, "one");
	assert_int_equal(a.ttl_s, 30);
	assert_int_equal(world.inner->asked, 1);
	world.now_ms += 30000;
	ask(&a);
	assert_string_equal(a.text, "two");
	assert_int_equal(world.inner->asked, 2);
	assert_stats(3, 1, 0, 0, 2);
	close_world();
}

static void
test_what_is_not_kept(void **state)
{
	struct dns_answer answers[] = {found("x", DNS_UNKNOWN, 0), found("x", DNS_BOGUS, 60),
	    dns_answer_none(ST_UNAVAILABLE, DNS_UNKNOWN, "SERVFAIL"),
	    dns_answer_none(ST_UNAVAILABLE, DNS_BOGUS, "bogus"),
	    dns_answer_none(ST_INVALID, DNS_UNKNOWN, "torn"),
	    dns_answer_none(ST_TOO_BIG, DNS_UNKNOWN, "long"),
	    dns_answer_none(ST_ABSENT, DNS_UNKNOWN, "no SOA")};

	(void)state;
	open_world(true, false, LONG_MS);
	world.share_is_full = true;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct asker a = {0};

		if (i >= 2 && i < 6)
			answers[i].ttl_s = 60;
		world.inner->at_once = &answers[i];
		for (size_t times = 1; times <= 2; times++) {
			ask(&a);
			assert_int_equal(a.called, times);
			assert_int_equal(a.status, answers[i].status);
			assert_int_equal(world.inner->asked, 2 * i + times);
		}
	}
	assert_int_equal(world.share_put, 0);
	close_world();
}

static void
test_absences_are_kept(void **state)
{
	struct dns_answer answer = dns_answer_none(ST_ABSENT, DNS_UNKNOWN, "NXDOMAIN");
	struct asker a = {0};

	(void)state;
	answer.ttl_s = 1000000;
	open_world(false, false, LONG_MS);
	world.inner->at_once = &answer;
	ask(&a);
	ask(&a);
	assert_int_equal(a.called, 2);
	assert_int_equal(a.status, ST_ABSENT);
	assert_int_equal(a.ttl_s, DNS_KEEP_ABSENT_S_MAX);
	world.now_ms += DNS_KEEP_ABSENT_S_MAX * 1000;
	ask(&a);
	assert_int_equal(world.inner->asked, 2);
	assert_stats(3, 0, 1, 0, 2);
	close_world();
}

/* ---- one question for each name ---- */

static void
test_one_in_flight(void **state)
{
	struct dns_answer answer = found("one", DNS_UNKNOWN, 60);
	struct asker a[3] = {{0}}, late = {0};

	(void)state;
	open_world(true, false, LONG_MS);
	/* The first one's callback cancels the second one and asks again. */
	a[0].then_cancels = &a[1];
	a[0].then_asks = &late;
	for (size_t i = 0; i < 3; i++)
		ask(&a[i]);
	assert_int_equal(world.share_asked, 1);
	assert_string_equal(world.share_name, "s1._domainkey.example.com");
	others_have_nothing();
	others_have_nothing();
	assert_int_equal(world.inner->asked, 1);
	inner_answers(&answer);
	assert_int_equal(a[0].called, 1);
	assert_int_equal(a[1].called, 0);
	assert_null(a[1].query);
	assert_int_equal(a[2].called, 1);
	assert_int_equal(late.called, 1);
	assert_string_equal(late.text, "one");
	assert_int_equal(resolver_open_count(world.resolver), 0);
	assert_int_equal(world.share_put, 1);
	assert_int_equal(world.put_ttl_s, 60);
	assert_string_equal(world.put_name, "s1._domainkey.example.com");
	assert_stats(4, 1, 0, 0, 3);
	close_world();
}

/* Who waits last takes the question back, at each stage. */
static void
test_cancelling(void **state)
{
	struct asker a[2] = {{0}};
	struct dns_answer answer = found("one", DNS_UNKNOWN, 60);

	(void)state;
	open_world(true, false, LONG_MS);
	for (int stage = 0; stage < 2; stage++) {
		ask(&a[0]);
		ask(&a[1]);
		if (stage == 1)
			others_have_nothing();
		resolver_cancel(world.resolver, &a[0].query);
		assert_int_equal(world.inner->dropped, 0);
		resolver_cancel(world.resolver, &a[1].query);
		assert_int_equal(world.inner->dropped, stage);
		assert_int_equal(world.loop.timer_count, 0);
		others_answer(&answer, 60000);
		others_have_nothing();
	}
	assert_int_equal(a[0].called + a[1].called, 0);
	assert_int_equal(world.inner->asked, 1);
	assert_stats(4, 0, 0, 0, 4);
	close_world();
}

static void
test_time_limits(void **state)
{
	struct asker patient = {0}, hasty = {0};
	struct dns_answer answer = found("one", DNS_UNKNOWN, 60);

	(void)state;
	open_world(true, false, LONG_MS);
	ask_for(&hasty, "a._domainkey.example.com", 1);
	while (hasty.called == 0)
		loop_step(&world.loop);
	assert_int_equal(hasty.status, ST_UNAVAILABLE);
	assert_int_equal(world.loop.timer_count, 0);
	ask(&patient);
	others_have_nothing();
	ask_for(&hasty, "s1._domainkey.example.com", 1);
	while (hasty.called == 1)
		loop_step(&world.loop);
	assert_int_equal(patient.called, 0);
	inner_answers(&answer);
	assert_int_equal(patient.called, 1);
	assert_int_equal(hasty.called, 2);
	close_world();
}

static void
test_free_with_open_questions(void **state)
{
	struct asker a[3] = {{0}};

	(void)state;
	open_world(true, false, LONG_MS);
	ask_for(&a[0], "a._domainkey.example.com", LONG_MS);
	others_have_nothing();
	ask_for(&a[1], "b._domainkey.example.com", LONG_MS);
	ask_for(&a[2], "b._domainkey.example.com", LONG_MS);
	close_world();
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(a[i].called, 0);
		assert_null(a[i].query);
	}
}

/* ---- others ---- */

static void
test_others_know(void **state)
{
	struct dns_answer answer = found("theirs", DNS_UNKNOWN, 0);
	struct asker a[2] = {{0}};

	(void)state;
	open_world(true, false, LONG_MS);
	ask(&a[0]);
	ask(&a[1]);
	others_answer(&answer, 45678);
	others_answer(&answer, 45678);
	assert_int_equal(a[0].called, 1);
	assert_int_equal(a[1].called, 1);
	assert_string_equal(a[0].text, "theirs");
	assert_int_equal(a[0].ttl_s, 45);
	world.now_ms += 44000;
	ask(&a[0]);
	assert_int_equal(a[0].called, 2);
	world.now_ms += 1000;
	ask(&a[0]);
	assert_int_equal(a[0].called, 2);
	assert_int_equal(world.share_asked, 2);
	assert_int_equal(world.inner->asked, 0);
	assert_int_equal(world.share_put, 0);
	assert_stats(4, 1, 0, 2, 0);
	close_world();
}

static void
test_others_know_that_it_is_absent(void **state)
{
	struct dns_answer answer = dns_answer_none(ST_ABSENT, DNS_SECURE, "");
	struct asker a = {0};

	(void)state;
	open_world(true, true, LONG_MS);
	ask(&a);
	others_answer(&answer, INT64_MAX);
	assert_int_equal(a.status, ST_ABSENT);
	assert_int_equal(a.security, DNS_SECURE);
	assert_int_equal(a.ttl_s, DNS_KEEP_ABSENT_S_MAX);
	assert_int_equal(world.inner->asked, 0);
	close_world();
}

/* What comes after the question has gone on: the first answer counts, and only that. */
static void
test_others_are_late(void **state)
{
	struct dns_answer theirs = found("theirs", DNS_UNKNOWN, 0),
			  ours = found("ours", DNS_UNKNOWN, 60);
	struct asker a = {0}, b = {0};

	(void)state;
	open_world(true, false, 1);
	ask(&a);
	while (world.inner->asked == 0)
		loop_step(&world.loop);
	assert_int_equal(a.called, 0);
	/* Nobody is asked for a while. */
	ask_for(&b, "b._domainkey.example.com", LONG_MS);
	assert_int_equal(world.share_asked, 1);
	inner_answers(&ours);
	assert_string_equal(b.text, "ours");
	inner_answers(&ours);
	assert_string_equal(a.text, "ours");
	others_answer(&theirs, 60000);
	assert_int_equal(a.called, 1);
	/* They are back. */
	ask_for(&a, "c._domainkey.example.com", LONG_MS);
	assert_int_equal(world.share_asked, 2);
	while (world.inner->asked == 2)
		loop_step(&world.loop);
	others_answer(&theirs, 60000);
	assert_int_equal(a.called, 2);
	assert_string_equal(a.text, "theirs");
	assert_int_equal(world.inner->dropped, 1);
	close_world();
}

static void
test_others_never_answer(void **state)
{
	struct dns_answer ours = found("ours", DNS_UNKNOWN, 60);
	struct asker a = {0};

	(void)state;
	open_world(true, false, 1);
	world.inner->at_once = &ours;
	for (size_t i = 1; i <= 3; i++) {
		char name[64];

		snprintf(name, sizeof(name), "s%zu._domainkey.example.com", i);
		ask_for(&a, name, LONG_MS);
		while (a.called < i)
			loop_step(&world.loop);
		assert_string_equal(a.text, "ours");
		assert_int_equal(world.share_asked, i);
		world.now_ms += DNS_SHARE_PAUSE_MS;
	}
	assert_int_equal(world.share_put, 3);
	world.share_is_full = true;
	ask_for(&a, "full._domainkey.example.com", LONG_MS);
	assert_int_equal(a.called, 4);
	close_world();
}

/* Nothing of what others say but their own kind of answer, whole and in time. */
static void
test_others_talk_nonsense(void **state)
{
	static const struct {
		bool validates;
		enum dns_security security;
		int64_t left_ms;
		bool torn, taken;
	} cases[] = {
	    {false, DNS_UNKNOWN, 60000, false, true},
	    {false, DNS_UNKNOWN, 60000, true, false},
	    {false, DNS_UNKNOWN, 999, false, false},
	    {false, DNS_UNKNOWN, 0, false, false},
	    {false, DNS_UNKNOWN, -60000, false, false},
	    {false, DNS_UNKNOWN, INT64_MIN, false, false},
	    {false, DNS_UNKNOWN, INT64_MAX, false, true},
	    {false, DNS_INSECURE, 60000, false, false},
	    {false, DNS_SECURE, 60000, false, false},
	    {true, DNS_UNKNOWN, 60000, false, false},
	    {true, DNS_INSECURE, 60000, false, true},
	    {true, DNS_SECURE, 60000, false, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dns_answer theirs = found("theirs", cases[i].security, 0);
		struct dns_answer ours =
		    found("ours", cases[i].validates ? DNS_SECURE : DNS_UNKNOWN, 60);
		struct asker a = {0};
		struct buf octets;

		open_world(true, cases[i].validates, LONG_MS);
		assert_int_equal(resolver_validates(world.resolver), cases[i].validates);
		buf_init(&octets, DNS_OCTETS_MAX);
		assert_int_equal(dns_octets_write(&theirs, &octets), ST_OK);
		world.inner->at_once = &ours;
		ask(&a);
		resolver_cached_shared(world.resolver, world.share_id,
		    span_sub(buf_span(&octets), 0, octets.n - (cases[i].torn ? 1 : 0)),
		    cases[i].left_ms);
		assert_int_equal(a.called, 1);
		assert_string_equal(a.text, cases[i].taken ? "theirs" : "ours");
		if (cases[i].taken)
			assert_int_equal(a.security, cases[i].security);
		assert_int_equal(world.inner->asked, cases[i].taken ? 0 : 1);
		assert_int_equal(world.share_put, cases[i].taken ? 0 : 1);
		buf_free(&octets);
		close_world();
	}
}

static void
test_what_others_get(void **state)
{
	struct dns_answer ours = found("ours", DNS_SECURE, 1000000), back;
	struct dns_answer unknown = found("ours", DNS_UNKNOWN, 60);
	struct asker a = {0};

	(void)state;
	open_world(true, true, LONG_MS);
	world.inner->at_once = &ours;
	ask(&a);
	others_have_nothing();
	assert_int_equal(world.share_put, 1);
	assert_int_equal(world.put_ttl_s, DNS_KEEP_S_MAX);
	assert_int_equal(dns_octets_read(span_of(world.put_octets, world.put_n), &back), ST_OK);
	assert_int_equal(back.security, DNS_SECURE);
	assert_true(span_eq_str(back.texts[0].joined, "ours"));
	/* Not what a resolver with a trust anchor cannot have said. */
	world.inner->at_once = &unknown;
	ask_for(&a, "other._domainkey.example.com", LONG_MS);
	others_have_nothing();
	assert_int_equal(a.called, 2);
	assert_int_equal(world.share_put, 1);
	close_world();
}

/* ---- counting ---- */

static bool
shown(const char *line)
{
	struct buf text;
	bool there;

	buf_init(&text, METRICS_TEXT_MAX);
	assert_int_equal(metrics_write(&text), ST_OK);
	there = strstr(buf_text(&text), line) != NULL;
	buf_free(&text);
	return there;
}

static void
test_metrics(void **state)
{
	struct dns_answer answer = found("one", DNS_UNKNOWN, 60);
	struct dns_answer none = dns_answer_none(ST_ABSENT, DNS_UNKNOWN, "");
	struct err err = ERR_NONE;
	struct asker a = {0};

	(void)state;
	none.ttl_s = 60;
	assert_int_equal(metrics_open(&err), ST_OK);
	open_world(false, false, LONG_MS);
	world.inner->at_once = &answer;
	ask(&a);
	ask(&a);
	ask(&a);
	world.inner->at_once = &none;
	ask_for(&a, "none._domainkey.example.com", LONG_MS);
	ask_for(&a, "none._domainkey.example.com", LONG_MS);
	assert_true(shown("signpost_key_cache_hits_total{cache=\"dns\"} 2\n"));
	assert_true(shown("signpost_key_cache_negative_hits_total{cache=\"dns\"} 1\n"));
	assert_true(shown("signpost_key_cache_misses_total{cache=\"dns\"} 2\n"));
	assert_true(shown("signpost_dns_total{result=\"found\"} 3\n"));
	assert_true(shown("signpost_dns_total{result=\"absent\"} 2\n"));
	assert_true(shown("signpost_dns_seconds_count 5\n"));
	close_world();
	metrics_close();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_kept_until_the_ttl_is_over),
	    cmocka_unit_test(test_what_is_not_kept),
	    cmocka_unit_test(test_absences_are_kept),
	    cmocka_unit_test(test_one_in_flight),
	    cmocka_unit_test(test_cancelling),
	    cmocka_unit_test(test_time_limits),
	    cmocka_unit_test(test_free_with_open_questions),
	    cmocka_unit_test(test_others_know),
	    cmocka_unit_test(test_others_know_that_it_is_absent),
	    cmocka_unit_test(test_others_are_late),
	    cmocka_unit_test(test_others_never_answer),
	    cmocka_unit_test(test_others_talk_nonsense),
	    cmocka_unit_test(test_what_others_get),
	    cmocka_unit_test(test_metrics),
	};

	return cmocka_run_group_tests_name("dns_cached", tests, NULL, NULL);
}
