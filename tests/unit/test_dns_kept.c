/*
 * test_dns_kept.c - lib/dns: answers as octets and back, which of them may be kept and for how
 * long, and the memory that keeps them.
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
#include "lib/dns/answer.h"
#include "lib/dns/kept.h"

static struct dns_text
text_of(const char *joined, size_t strings, size_t longest)
{
	return (struct dns_text){span_str(joined), strings, longest};
}

static struct dns_answer
texts_answer(void)
{
	struct dns_answer answer = dns_answer_none(ST_OK, DNS_SECURE, "");

	answer.count = 3;
	answer.texts[0] = text_of("v=DKIM1; p=MIGf", 2, 9);
	answer.texts[1] = text_of("", 1, 0);
	answer.texts[2] = text_of("x", 4, 1);
	answer.alias = SPAN_LIT("s1.\\000odd.example.net");
	answer.ttl_s = 300;
	return answer;
}

static struct dns_answer
absent_answer(bool name_exists, enum dns_security security)
{
	struct dns_answer answer = dns_answer_none(ST_ABSENT, security, "nothing");

	answer.name_exists = name_exists;
	answer.ttl_s = 60;
	return answer;
}

static void
assert_span(struct span a, struct span b)
{
	assert_int_equal(a.n, b.n);
	if (a.n > 0)
		assert_memory_equal(a.p, b.p, a.n);
}

static void
assert_answer(const struct dns_answer *a, const struct dns_answer *b)
{
	assert_int_equal(a->status, b->status);
	assert_int_equal(a->security, b->security);
	assert_int_equal(a->name_exists, b->name_exists);
	assert_int_equal(a->count, b->count);
	assert_span(a->alias, b->alias);
	for (size_t i = 0; i < a->count; i++) {
		assert_span(a->texts[i].joined, b->texts[i].joined);
		assert_int_equal(a->texts[i].strings, b->texts[i].strings);
		assert_int_equal(a->texts[i].string_bytes_max, b->texts[i].string_bytes_max);
	}
}

static void
assert_round(const struct dns_answer *answer)
{
	struct dns_answer back;
	struct buf octets;

	buf_init(&octets, DNS_OCTETS_MAX);
	assert_int_equal(dns_octets_write(answer, &octets), ST_OK);
	assert_int_equal(dns_octets_read(buf_span(&octets), &back), ST_OK);
	assert_answer(answer, &back);
	assert_int_equal(back.ttl_s, 0);
	assert_non_null(back.why);
	buf_free(&octets);
}

static void
test_octets_and_back(void **state)
{
	struct dns_answer answer = texts_answer();

	(void)state;
	assert_round(&answer);
	answer.alias = SPAN_EMPTY;
	for (int security = DNS_UNKNOWN; security < DNS_BOGUS; security++) {
		struct dns_answer none = absent_answer(security == 1, (enum dns_security)security);

		answer.security = (enum dns_security)security;
		assert_round(&answer);
		assert_round(&none);
	}
}

/* As large as answer.c ever makes one. */
static void
test_the_largest_answer(void **state)
{
	struct dns_answer answer = dns_answer_none(ST_OK, DNS_UNKNOWN, "");
	char *text = mem_zalloc(1, DNS_TEXT_BYTES_MAX), alias[DNS_NAME_TEXT_MAX];

	(void)state;
	memset(alias, 'a', sizeof(alias));
	answer.alias = span_of(alias, sizeof(alias));
	answer.count = DNS_TEXTS_MAX;
	for (size_t i = 0; i < DNS_TEXTS_MAX; i++)
		answer.texts[i] = (struct dns_text){span_of(text, DNS_TEXT_BYTES_MAX), 65535, 255};
	assert_round(&answer);
	mem_free(text);
}

/* Octets 0, 1, 2: version, what, security; 3, 4: alias; 5: count; 6...: the first text. */
static void
test_octets_that_nobody_wrote(void **state)
{
	static const struct {
		const char *octets;
		size_t n;
	} cases[] = {
	    {"", 0}, {"\2Xu\0\0\0", 6},               /* version */
	    {"\1Yu\0\0\0", 6},                        /* what */
	    {"\1Xb\0\0\0", 6},                        /* bogus is not kept */
	    {"\1X\0\0\0\0", 6},                       /* security */
	    {"\1Xu\0\0\1", 6},                        /* texts that are absent */
	    {"\1Tu\0\0\0", 6},                        /* no text */
	    {"\1Xu\0\1", 5},                          /* a torn alias */
	    {"\1Xu\0\1 \0", 7},                       /* a blank in it */
	    {"\1Xu\0\1\x80\0", 7},                    /* not printable */
	    {"\1Xu\4\1", 5},                          /* too long */
	    {"\1Xu\0\0\0\0", 7},                      /* a rest */
	    {"\1Tu\0\0\1\0\0\0\0\0", 11},             /* a text of no string */
	    {"\1Tu\0\0\1\0\1\1\0\2xy", 13},           /* longer than its strings */
	    {"\1Tu\0\0\1\0\1\3\0\2xy", 13},           /* shorter than its longest string */
	    {"\1Tu\0\0\1\0\1\2\0\3xy", 13},           /* torn */
	    {"\1Tu\0\0\1\0\1\2\0\2xyz", 14},          /* a rest */
	    {"\1Tu\0\0\2\0\1\2\0\2xy", 13},           /* one too few */
	    {"\1Tu\0\0\x11\0\1\0\0\0\0\1\0\0\0", 16}, /* too many */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *copy = mem_alloc(cases[i].n + 1);
		struct dns_answer answer;

		memcpy(copy, cases[i].octets, cases[i].n);
		copy = mem_resize(copy, cases[i].n == 0 ? 1 : cases[i].n, 1);
		assert_int_equal(dns_octets_read(span_of(copy, cases[i].n), &answer), ST_INVALID);
		assert_int_equal(answer.status, ST_INVALID);
		mem_free(copy);
	}
}

/* Each prefix is refused, and what another octet makes of it is refused or something else. */
static void
test_octets_that_were_changed(void **state)
{
	struct dns_answer answer = texts_answer(), other;
	struct buf octets, again;

	(void)state;
	buf_init(&octets, DNS_OCTETS_MAX);
	buf_init(&again, DNS_OCTETS_MAX);
	assert_int_equal(dns_octets_write(&answer, &octets), ST_OK);
	for (size_t i = 0; i < octets.n; i++) {
		assert_int_equal(dns_octets_read(span_of(octets.p, i), &other), ST_INVALID);
		for (unsigned int x = 1; x < 256; x++) {
			octets.p[i] = (char)((unsigned char)octets.p[i] ^ x);
			buf_reset(&again);
			if (dns_octets_read(buf_span(&octets), &other) == ST_OK) {
				assert_int_equal(dns_octets_write(&other, &again), ST_OK);
				assert_span(buf_span(&again), buf_span(&octets));
			}
			octets.p[i] = (char)((unsigned char)octets.p[i] ^ x);
		}
	}
	buf_free(&octets);
	buf_free(&again);
}

static void
test_what_may_be_kept(void **state)
{
	static const struct {
		enum status status;
		enum dns_security security;
		uint32_t ttl_s, keep_s;
	} cases[] = {
	    {ST_OK, DNS_UNKNOWN, 300, 300},
	    {ST_OK, DNS_SECURE, 0, 0},
	    {ST_OK, DNS_INSECURE, 86401, 86400},
	    {ST_OK, DNS_BOGUS, 300, 0},
	    {ST_ABSENT, DNS_UNKNOWN, 60, 60},
	    {ST_ABSENT, DNS_SECURE, 3601, 3600},
	    {ST_ABSENT, DNS_UNKNOWN, 0, 0},
	    {ST_ABSENT, DNS_BOGUS, 60, 0},
	    {ST_UNAVAILABLE, DNS_UNKNOWN, 60, 0},
	    {ST_UNAVAILABLE, DNS_BOGUS, 60, 0},
	    {ST_INVALID, DNS_UNKNOWN, 60, 0},
	    {ST_TOO_BIG, DNS_UNKNOWN, 60, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dns_answer answer = dns_answer_none(cases[i].status, cases[i].security, "");

		answer.ttl_s = cases[i].ttl_s;
		assert_int_equal(dns_answer_keep_s(&answer), cases[i].keep_s);
	}
}

/* ---- kept ---- */

static void
put(struct kept *kept, const char *name, const char *text, int64_t now_ms, int64_t until_ms)
{
	struct dns_answer answer = dns_answer_none(ST_OK, DNS_UNKNOWN, "");
	struct buf octets;

	answer.count = 1;
	answer.texts[0] = text_of(text, 1, strlen(text));
	buf_init(&octets, DNS_OCTETS_MAX);
	assert_int_equal(dns_octets_write(&answer, &octets), ST_OK);
	kept_put(kept, span_str(name), buf_span(&octets), now_ms, until_ms);
	buf_free(&octets);
}

static bool
has(struct kept *kept, const char *name, const char *text, int64_t now_ms)
{
	struct dns_answer answer;

	return kept_get(kept, span_str(name), now_ms, &answer) == ST_OK && answer.count == 1 &&
	       span_eq_str(answer.texts[0].joined, text);
}

static void
test_names_and_times(void **state)
{
	struct kept *kept = kept_new(65536);
	struct dns_answer answer;
	char name[DNS_NAME_TEXT_MAX + 2];

	(void)state;
	put(kept, "A.Example.com", "one", 1000, 61000);
	put(kept, "b.example.com", "two", 1000, 3000);
	assert_true(has(kept, "a.EXAMPLE.com", "one", 1000));
	assert_false(has(kept, "a.example.co", "one", 1000));
	assert_int_equal(kept_get(kept, SPAN_LIT("a.example.com"), 1001, &answer), ST_OK);
	assert_int_equal(answer.ttl_s, 59);
	assert_true(has(kept, "b.example.com", "two", 2000));
	assert_int_equal(kept_count(kept), 2);
	assert_false(has(kept, "b.example.com", "two", 2001));
	assert_int_equal(kept_count(kept), 1);
	put(kept, "a.example.com", "newer", 2000, 5000);
	assert_true(has(kept, "a.example.com", "newer", 2000));
	assert_int_equal(kept_count(kept), 1);
	put(kept, "a.example.com", "over", 6000, 6000);
	assert_int_equal(kept_count(kept), 0);
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	put(kept, name, "long", 1000, 5000);
	assert_false(has(kept, name, "long", 1000));
	assert_int_equal(kept_count(kept), 0);
	kept_free(kept);
}

static unsigned int
evictions(void)
{
	static const char line[] = "signpost_key_cache_evictions_total{cache=\"dns\"} ";
	unsigned int count = 0;
	struct buf text;
	const char *at;

	buf_init(&text, METRICS_TEXT_MAX);
	assert_int_equal(metrics_write(&text), ST_OK);
	at = strstr(buf_text(&text), line);
	assert_non_null(at);
	assert_int_equal(sscanf(at + strlen(line), "%u", &count), 1);
	buf_free(&text);
	return count;
}

static void
test_the_least_used_goes_first(void **state)
{
	struct kept *kept = kept_new(16384);
	struct err err = ERR_NONE;
	char name[32];
	size_t count;

	(void)state;
	assert_int_equal(metrics_open(&err), ST_OK);
	for (unsigned int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "n%u.example.com", i);
		put(kept, name, "v=DKIM1; p=", 0, 60000);
		assert_true(has(kept, "n0.example.com", "v=DKIM1; p=", 0));
		assert_true(has(kept, name, "v=DKIM1; p=", 0));
	}
	count = kept_count(kept);
	assert_in_range(count, 80, 200);
	assert_false(has(kept, "n1.example.com", "v=DKIM1; p=", 0));
	snprintf(name, sizeof(name), "n%u.example.com", (unsigned int)(1000 - count + 2));
	assert_true(has(kept, name, "v=DKIM1; p=", 0));
	assert_int_equal(evictions(), 1000 - count);
	/* What is over is not driven out. */
	put(kept, "late.example.com", "v=DKIM1; p=", 60000, 61000);
	assert_int_equal(evictions(), 1000 - count);
	kept_free(kept);
	kept_free(NULL);
	metrics_close();
}

static void
test_what_does_not_fit(void **state)
{
	struct kept *kept = kept_new(100);

	(void)state;
	put(kept, "a.example.com", "v=DKIM1; p=", 0, 60000);
	assert_int_equal(kept_count(kept), 0);
	kept_free(kept);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_octets_and_back),
	    cmocka_unit_test(test_the_largest_answer),
	    cmocka_unit_test(test_octets_that_nobody_wrote),
	    cmocka_unit_test(test_octets_that_were_changed),
	    cmocka_unit_test(test_what_may_be_kept),
	    cmocka_unit_test(test_names_and_times),
	    cmocka_unit_test(test_the_least_used_goes_first),
	    cmocka_unit_test(test_what_does_not_fit),
	};

	return cmocka_run_group_tests_name("dns_kept", tests, NULL, NULL);
}
