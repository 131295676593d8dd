/*
 * test_dns_fake.c - lib/dns: the resolver that answers from a text, and what all resolvers share:
 * one callback for each question, time limits, cancelling, questions out of callbacks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/dns/private.h"

#define TIMEOUT_MS 60000 /* far from what any answer here takes */

static const char text[] = "# keys for tests\n"
			   "s1._domainkey.example.com  v=DKIM1; k=rsa; p=MIGf  \r\n"
			   "\n"
			   "two.example.com \"one \" \"and \\\"more\\\"\"\n"
			   "TWO.example.com. second\n"
			   "secure.example.com !SECURE v=DKIM1; p=x\n"
			   "servfail.example.com !SERVFAIL\n"
			   "bogus.example.com !BOGUS\n"
			   "empty.example.com\n"
			   "timeout.example.com !TIMEOUT\n"
			   "late.example.com !DELAY 30 v=DKIM1; p=late\n"
			   "later.example.com !DELAY 50000 v=DKIM1; p=later";

static struct loop loop;
static struct resolver *resolver;

static int
open_fake(void **state)
{
	struct err err = ERR_NONE;

	(void)state;
	if (loop_open(&loop, &err) != ST_OK)
		return -1;
	if (resolver_fake(&loop, span_str(text), &resolver, &err) != ST_OK)
		return -1;
	/* By chance one in 256 times example.com and example.org would share a lane. */
	resolver->seed = 1;
	return 0;
}

static int
close_fake(void **state)
{
	(void)state;
	resolver_free(resolver);
	loop_close(&loop);
	return 0;
}

static struct dns_answer
wait_for(const char *name)
{
	return resolver_txt_wait(resolver, &loop, span_str(name), TIMEOUT_MS);
}

static void
test_what_the_text_says(void **state)
{
	struct dns_answer answer = wait_for("S1._domainkey.EXAMPLE.com");

	(void)state;
	assert_int_equal(answer.status, ST_OK);
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.security, DNS_UNKNOWN);
	assert_true(span_eq_str(answer.texts[0].joined, "v=DKIM1; k=rsa; p=MIGf"));
	answer = wait_for("two.example.com");
	assert_int_equal(answer.count, 2);
	assert_true(span_eq_str(answer.texts[0].joined, "one and \"more\""));
	assert_int_equal(answer.texts[0].strings, 2);
	assert_int_equal(answer.texts[0].string_bytes_max, 10);
	assert_true(span_eq_str(answer.texts[1].joined, "second"));
	answer = wait_for("secure.example.com");
	assert_int_equal(answer.security, DNS_SECURE);
	assert_true(span_eq_str(answer.texts[0].joined, "v=DKIM1; p=x"));
	answer = wait_for("empty.example.com");
	assert_int_equal(answer.status, ST_OK);
	assert_int_equal(answer.texts[0].joined.n, 0);
	answer = wait_for("absent.example.com");
	assert_int_equal(answer.status, ST_ABSENT);
	assert_false(answer.name_exists);
	assert_int_equal(wait_for("a").status, ST_ABSENT);
	assert_int_equal(wait_for("zzz").status, ST_ABSENT);
}

static void
test_what_goes_wrong(void **state)
{
	int64_t begun_ms = clock_mono_ms();
	struct dns_answer answer = wait_for("servfail.example.com");

	(void)state;
	assert_int_equal(answer.status, ST_UNAVAILABLE);
	assert_string_equal(answer.why, "SERVFAIL");
	answer = wait_for("bogus.example.com");
	assert_int_equal(answer.status, ST_UNAVAILABLE);
	assert_int_equal(answer.security, DNS_BOGUS);
	answer = wait_for("late.example.com");
	assert_int_equal(answer.status, ST_OK);
	assert_true(clock_mono_ms() - begun_ms >= 30);
	begun_ms = clock_mono_ms();
	answer = resolver_txt_wait(resolver, &loop, SPAN_LIT("timeout.example.com"), 1500);
	assert_int_equal(answer.status, ST_UNAVAILABLE);
	assert_string_equal(answer.why, "no answer in 1.5 s");
	assert_true(clock_mono_ms() - begun_ms >= 1500);
	answer = resolver_txt_wait(resolver, &loop, SPAN_LIT("later.example.com"), 2);
	assert_int_equal(answer.status, ST_UNAVAILABLE);
	assert_int_equal(resolver_open_count(resolver), 0);
	assert_int_equal(loop.timer_count, 0);
}

static void
test_texts_that_are_refused(void **state)
{
	static const struct {
		const char *text, *sentence;
	} cases[] = {
	    {"a.example \"open", "line 1: a quoted string does not end"},
	    {"a.example x\n\nb.example !NONSENSE\n",
		"line 3: \"!NONSENSE\" is not something to play"},
	    {"a.example !DELAY x", "line 1: \"x\" is not something to play"},
	    {"a.example !DELAY 10 x", "line 1: nothing can be delayed here"},
	};
	struct resolver *none = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_NONE;

		assert_int_equal(
		    resolver_fake(NULL, span_str(cases[i].text), &none, &err), ST_INVALID);
		assert_string_equal(err.text, cases[i].sentence);
		assert_null(none);
	}
}

static void
test_without_a_loop(void **state)
{
	struct resolver *alone;
	struct err err = ERR_NONE;
	struct dns_answer answer;

	(void)state;
	assert_int_equal(
	    resolver_fake(NULL, SPAN_LIT("a.example x\nb.example !TIMEOUT"), &alone, &err), ST_OK);
	answer = resolver_txt_wait(alone, NULL, SPAN_LIT("a.example"), TIMEOUT_MS);
	assert_int_equal(answer.status, ST_OK);
	answer = resolver_txt_wait(alone, NULL, SPAN_LIT("b.example"), TIMEOUT_MS);
	assert_int_equal(answer.status, ST_UNAVAILABLE);
	resolver_free(alone);
}

static void
test_limits_are_answers(void **state)
{
	struct resolver *many;
	struct err err = ERR_NONE;
	struct buf lines;

	(void)state;
	buf_init(&lines, 1 << 20);
	for (unsigned int i = 0; i <= DNS_TEXTS_MAX; i++)
		buf_add_fmt(&lines, "n%u.example x\nmany.example x%u\n", i, i);
	buf_add_str(&lines, "long.example ");
	for (unsigned int i = 0; i <= DNS_TEXT_BYTES_MAX; i++)
		buf_add_char(&lines, 'x');
	assert_int_equal(resolver_fake(NULL, buf_span(&lines), &many, &err), ST_OK);
	assert_int_equal(
	    resolver_txt_wait(many, NULL, SPAN_LIT("many.example"), 0).status, ST_TOO_BIG);
	assert_int_equal(
	    resolver_txt_wait(many, NULL, SPAN_LIT("long.example"), 0).status, ST_TOO_BIG);
	assert_int_equal(resolver_txt_wait(many, NULL, SPAN_LIT("n7.example"), 0).status, ST_OK);
	resolver_free(many);
	buf_free(&lines);
}

/* ---- callbacks ---- */

struct asked {
	struct dns_query *query;
	struct asked *cancels;
	unsigned int times, more;
	enum status status;
};

static void
on_answer(void *owner, const struct dns_answer *answer)
{
	struct asked *asked = owner;

	assert_null(asked->query);
	asked->times++;
	asked->status = answer->status;
	if (asked->cancels != NULL)
		resolver_cancel(resolver, &asked->cancels->query);
	if (asked->more > 0) {
		asked->more--;
		resolver_txt(resolver, SPAN_LIT("two.example.com"), TIMEOUT_MS, on_answer, asked,
		    &asked->query);
	}
}

static void
ask(struct asked *asked, const char *name, int64_t timeout_ms)
{
	resolver_txt(resolver, span_str(name), timeout_ms, on_answer, asked, &asked->query);
}

/* A question out of a callback does not grow the stack: a hundred thousand in a row. */
static void
test_questions_out_of_callbacks(void **state)
{
	struct asked asked = {.more = 100000};

	(void)state;
	ask(&asked, "two.example.com", TIMEOUT_MS);
	assert_int_equal(asked.times, 100001);
	assert_null(asked.query);
	assert_int_equal(resolver_open_count(resolver), 0);
}

static void
test_cancelled_questions_are_silent(void **state)
{
	struct asked late = {.times = 0}, later = {.times = 0}, first = {.cancels = &later};

	(void)state;
	ask(&late, "late.example.com", TIMEOUT_MS);
	ask(&later, "late.example.com", TIMEOUT_MS);
	assert_int_equal(resolver_open_count(resolver), 2);
	assert_non_null(late.query);
	ask(&first, "two.example.com", TIMEOUT_MS);
	assert_int_equal(first.times, 1);
	assert_null(later.query);
	resolver_cancel(resolver, &later.query);
	assert_int_equal(resolver_open_count(resolver), 1);
	while (late.times == 0)
		loop_step(&loop);
	assert_int_equal(later.times, 0);
	assert_int_equal(loop.timer_count, 0);
}

/* More than may be held at once wait; what waits has its time limit too. */
static void
test_a_queue_in_front(void **state)
{
	const size_t count = DNS_QUERIES_MAX + 5;
	struct asked *asked = mem_zalloc(count, sizeof(*asked));
	size_t answered = 0;

	(void)state;
	for (size_t i = 0; i < count; i++)
		ask(&asked[i], "timeout.example.com", 200);
	assert_int_equal(resolver_open_count(resolver), DNS_QUERIES_MAX);
	for (size_t i = DNS_QUERIES_MAX; i < count; i++)
		assert_int_equal(asked[i].status, ST_UNAVAILABLE);
	resolver_cancel(resolver, &asked[1].query);
	resolver_cancel(resolver, &asked[DNS_QUERIES_MAX - 1].query);
	while (resolver_open_count(resolver) > 0)
		loop_step(&loop);
	for (size_t i = 0; i < count; i++) {
		assert_null(asked[i].query);
		answered += asked[i].times;
	}
	assert_int_equal(answered, count - 2);
	assert_int_equal(loop.timer_count, 0);
	mem_free(asked);
}

/* However many questions of one zone are never answered, those of others have room. */
static void
test_no_zone_takes_all(void **state)
{
	static const char *const silent[] = {"timeout.example.com", "TIMEOUT.Example.COM"};
	const size_t count = 3 * DNS_HELD_MAX;
	struct asked *asked = mem_zalloc(count, sizeof(*asked));
	struct asked same = {.times = 0}, other = {.times = 0};

	(void)state;
	for (size_t i = 0; i < count; i++)
		ask(&asked[i], silent[i % 2], TIMEOUT_MS);
	assert_int_equal(resolver->held, DNS_HELD_MAX / 2);
	ask(&same, "s1._domainkey.example.com", TIMEOUT_MS);
	ask(&other, "s1._domainkey.example.org", TIMEOUT_MS);
	assert_int_equal(same.times, 0);
	assert_int_equal(other.times, 1);
	assert_int_equal(other.status, ST_ABSENT);
	assert_int_equal(resolver->waiting, count + 1 - DNS_HELD_MAX / 2);
	resolver_cancel(resolver, &same.query);
	for (size_t i = 0; i < count; i++)
		resolver_cancel(resolver, &asked[i].query);
	assert_int_equal(resolver->held, 0);
	assert_int_equal(resolver->waiting, 0);
	mem_free(asked);
}

/* Those that are open when it ends get no call. */
static void
test_freed_with_open_questions(void **state)
{
	struct asked asked[3] = {{.times = 0}};

	(void)state;
	ask(&asked[0], "late.example.com", TIMEOUT_MS);
	ask(&asked[1], "timeout.example.com", TIMEOUT_MS);
	ask(&asked[2], "timeout.example.com", 0);
	assert_int_equal(asked[2].times, 1); /* nobody would end it */
	resolver_free(resolver);
	resolver = NULL;
	assert_null(asked[0].query);
	assert_null(asked[1].query);
	assert_int_equal(asked[0].times + asked[1].times, 0);
	assert_int_equal(loop.timer_count, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_fake, close_fake)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_what_the_text_says),
	    TEST(test_what_goes_wrong),
	    TEST(test_texts_that_are_refused),
	    TEST(test_without_a_loop),
	    TEST(test_limits_are_answers),
	    TEST(test_questions_out_of_callbacks),
	    TEST(test_cancelled_questions_are_silent),
	    TEST(test_a_queue_in_front),
	    TEST(test_no_zone_takes_all),
	    TEST(test_freed_with_open_questions),
	};

	return cmocka_run_group_tests_name("dns_fake", tests, NULL, NULL);
}
