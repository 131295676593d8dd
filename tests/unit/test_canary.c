/*
 * test_canary.c - which signatures the keeper wants to be verified, what it counts of the answers,
 * and the lines that are reported of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/canary.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"

#define NOW 1800000000
#define YOUNG (NOW - 60)
#define OLD (NOW - CANARY_YOUNG_S - 1)

static unsigned news;

static void
count_news(void *context)
{
	(void)context;
	news++;
}

static struct canary *
new_canary(uint32_t every, uint32_t first)
{
	news = 0;
	return canary_new(
	    &(struct canary_config){.every = every, .first = first, .news = count_news});
}

/* One message with one signature: is it to be verified? */
static bool
signs(struct canary *canary, const char *id, int64_t active, int64_t now_ms)
{
	const struct store_key row = {
	    .id = span_str(id), .domain = SPAN_LIT("a.example"), .times.active = active};
	struct decision *decision = mem_zalloc(1, sizeof(*decision));
	struct reply reply = {.field_count = 1};
	bool wanted;

	decision->key_count = 1;
	decision->keys[0].stored = id == NULL ? NULL : &row;
	canary_mark(canary, decision, &reply, NOW, now_ms);
	wanted = reply.fields[0].check;
	if (id != NULL)
		assert_int_equal(reply.fields[0].key_id.n, wanted ? strlen(id) : 0);
	mem_free(decision);
	return wanted;
}

static bool
says(struct canary *canary, const char *id, enum canary_result result, int64_t now_ms)
{
	const struct request request = {.type = REQUEST_CHECKED,
	    .key_id = span_str(id),
	    .result = result,
	    .why = result == CANARY_FAILED ? SPAN_LIT("no \xff key") : SPAN_EMPTY};

	return canary_take(canary, &request, now_ms);
}

static const char *
lines(struct canary *canary)
{
	static char text[2 * CANARY_TEXT];
	struct buf out;

	buf_init(&out, CANARY_TEXT);
	canary_lines(canary, NOW, &out);
	snprintf(text, sizeof(text), "%s", buf_text(&out));
	buf_free(&out);
	return text;
}

static void
test_first_ones(void **state)
{
	struct canary *canary = new_canary(1000000, 3);
	unsigned wanted = 0;

	(void)state;
	for (int64_t i = 0; i < 10; i++)
		wanted += signs(canary, "k1", YOUNG, i);
	assert_true(wanted == 3 || wanted == 4); /* the sample may be among them */
	/* Another key, and the same one activated again. */
	assert_true(signs(canary, "k2", YOUNG, 20));
	assert_true(signs(canary, "k1", YOUNG + 1, 21));
	/* Nobody looks at one that signs for long; nor if it is not of a store. */
	wanted = 0;
	for (int64_t i = 0; i < 100; i++)
		wanted += signs(canary, "k3", OLD, i) + signs(canary, NULL, 0, i);
	assert_true(wanted <= 1);
	canary_free(canary);
}

static void
test_one_in_so_many(void **state)
{
	struct canary *canary = new_canary(10, 0);
	unsigned stored = 0, table = 0;

	(void)state;
	for (int64_t i = 0; i < 1000; i++)
		stored += signs(canary, i % 2 == 0 ? "k1" : "k2", YOUNG, i * 10);
	assert_int_equal(stored, 100);
	for (int64_t i = 0; i < 1000; i++)
		table += signs(canary, NULL, 0, i * 10);
	assert_int_equal(table, 100);
	canary_free(canary);
	canary = NULL;
	canary_mark(canary, NULL, NULL, NOW, 0);
	assert_false(says(NULL, "k1", CANARY_GOOD, 0));
}

static void
test_not_too_many_a_second(void **state)
{
	struct canary *canary = new_canary(1, 0);
	unsigned wanted = 0;
	char id[16];

	(void)state;
	for (unsigned i = 0; i < 3 * CANARY_EACH_SECOND; i++) {
		snprintf(id, sizeof(id), "k%u", i);
		wanted += signs(canary, id, OLD, 5000);
	}
	assert_int_equal(wanted, CANARY_EACH_SECOND);
	assert_true(signs(canary, "more", OLD, 6000));
	canary_free(canary);
}

static void
test_failures_in_a_row(void **state)
{
	struct canary *canary = new_canary(1000000, 10);

	(void)state;
	for (int64_t i = 0; i < 6; i++)
		assert_true(signs(canary, "k1", YOUNG, i));
	assert_true(says(canary, "k1", CANARY_GOOD, 10));
	assert_string_equal(lines(canary), "=k1 a.example 1799999940 1 0 \n");
	assert_true(says(canary, "k1", CANARY_FAILED, 10));
	assert_true(says(canary, "k1", CANARY_UNAVAILABLE, 10)); /* says nothing */
	assert_true(says(canary, "k1", CANARY_FAILED, 10));
	assert_int_equal(news, 0);
	assert_true(says(canary, "k1", CANARY_FAILED, 10));
	assert_int_equal(news, 1);
	assert_string_equal(lines(canary), "=k1 a.example 1799999940 1 3 no ? key\n");
	/* It verifies again. */
	assert_true(says(canary, "k1", CANARY_GOOD, 20));
	assert_int_equal(news, 2);
	assert_string_equal(lines(canary), "=k1 a.example 1799999940 2 0 \n");
	canary_free(canary);
}

/* One that failed is looked at until it is known what is the matter, but not with each message. */
static void
test_one_that_failed(void **state)
{
	struct canary *canary = new_canary(1000000, 1);
	unsigned wanted = 0;

	(void)state;
	assert_true(signs(canary, "k1", YOUNG, 0));
	assert_true(says(canary, "k1", CANARY_FAILED, 0));
	for (int64_t ms = 1; ms <= 5000; ms++)
		wanted += signs(canary, "k1", YOUNG, ms);
	assert_in_range(wanted, 5, 6);
	assert_true(says(canary, "k1", CANARY_GOOD, 5001));
	assert_true(says(canary, "k1", CANARY_GOOD, 5001));
	wanted = 0;
	for (int64_t ms = 6000; ms <= 9000; ms++)
		wanted += signs(canary, "k1", YOUNG, ms);
	assert_true(wanted <= 1);
	/* DNS that does not answer is asked again later. */
	assert_true(signs(canary, "k2", YOUNG, 20000));
	assert_true(says(canary, "k2", CANARY_UNAVAILABLE, 20000));
	assert_false(signs(canary, "k2", YOUNG, 20000 + CANARY_UNAVAILABLE_MS - 1));
	assert_true(signs(canary, "k2", YOUNG, 20000 + CANARY_UNAVAILABLE_MS));
	canary_free(canary);
}

/* A front-end that was taken over says what it likes. */
static void
test_only_what_was_asked(void **state)
{
	struct canary *canary = new_canary(1000000, 2);

	(void)state;
	assert_true(says(canary, "k9", CANARY_FAILED, 0)); /* its place may be taken */
	assert_string_equal(lines(canary), "");
	assert_true(signs(canary, "k1", YOUNG, 0));
	assert_true(says(canary, "k1", CANARY_FAILED, 0));
	for (int i = 0; i < 10; i++)
		assert_false(says(canary, "k1", CANARY_FAILED, 0));
	assert_string_equal(lines(canary), "=k1 a.example 1799999940 0 1 no ? key\n");
	assert_int_equal(news, 0);
	canary_free(canary);
}

/* More keys than there is room for, in the table and in a report: those that fail are told first.
 */
static void
test_many_keys(void **state)
{
	struct canary *canary = new_canary(1000000, 1);
	struct canary_word word;
	struct span rest;
	unsigned told = 0;
	char id[16];

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(id, sizeof(id), "k%u", i);
		if (!signs(canary, id, YOUNG, (int64_t)i * 10))
			fail_msg("%s", id);
		says(canary, id, i % 5000 == 4999 ? CANARY_FAILED : CANARY_GOOD, (int64_t)i * 10);
	}
	rest = span_str(lines(canary));
	assert_true(rest.n <= CANARY_TEXT);
	while (canary_word_next(&rest, &word)) {
		assert_true(told > 0 || word.failures > 0);
		told++;
	}
	assert_true(told > 50);
	canary_free(canary);
}

static void
test_lines(void **state)
{
	struct span all =
	    SPAN_LIT("k1 cannot be opened\n=k2 a.example 5 1 2 why not\n=k3 b 0 1 2 x\n"
		     "=k4 b 6 1\n\n=k5 b.example 7 0 0 \nk6 no");
	struct canary_word word;
	struct span rest = all, line;

	(void)state;
	assert_true(canary_word_next(&rest, &word));
	assert_true(span_eq_str(word.id, "k2") && span_eq_str(word.domain, "a.example") &&
		    word.active == 5 && word.good == 1 && word.failures == 2 &&
		    span_eq_str(word.why, "why not"));
	assert_true(canary_word_next(&rest, &word));
	assert_true(span_eq_str(word.id, "k5") && word.why.n == 0);
	assert_false(canary_word_next(&rest, &word));
	rest = all;
	assert_true(canary_other_next(&rest, &line) && span_eq_str(line, "k1 cannot be opened"));
	assert_true(canary_other_next(&rest, &line) && span_eq_str(line, "k6 no"));
	assert_false(canary_other_next(&rest, &line));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_first_ones),
	    cmocka_unit_test(test_one_in_so_many),
	    cmocka_unit_test(test_not_too_many_a_second),
	    cmocka_unit_test(test_failures_in_a_row),
	    cmocka_unit_test(test_one_that_failed),
	    cmocka_unit_test(test_only_what_was_asked),
	    cmocka_unit_test(test_many_keys),
	    cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
