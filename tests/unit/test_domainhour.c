/*
 * test_domainhour.c - mail of the last hour by domain: what is counted, what becomes of it with
 * time, and that what is told holds for every domain however many there are.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/domainhour.h"
#include "daemon/hourcount.h"
#include "lib/base/metrics.h"
#include "lib/store/keystore.h"

#define NOW 999900 /* the first second of a slot */
#define HOUR (HOURCOUNT_SLOT_S * HOURCOUNT_SLOTS)
#define MANY 5000U

static char lines[KEYSTORE_FAILED_TEXT + 1];

static const char *
told(struct domainhour *hour, int64_t now_s)
{
	struct buf out;

	buf_init(&out, KEYSTORE_FAILED_TEXT);
	domainhour_lines(hour, now_s, &out);
	assert_int_equal(buf_status(&out), ST_OK);
	assert_true(out.n <= DOMAINHOUR_TEXT);
	snprintf(lines, sizeof(lines), "%.*s", SPAN_ARG(buf_span(&out)));
	buf_free(&out);
	return lines;
}

static void
is_signed(struct domainhour *hour, const char *domain, unsigned count, int64_t now_s)
{
	while (count-- > 0)
		domainhour_count(hour, span_str(domain), MAIL_SIGNED, 0, now_s);
}

static void
test_by_what_became_of_it(void **state)
{
	struct domainhour *hour = domainhour_new(NOW);

	(void)state;
	assert_string_equal(told(hour, NOW), "=! counted 0 0\n");
	is_signed(hour, "a.test", 2, NOW);
	is_signed(hour, "b.test", 3, NOW + 1);
	domainhour_count(hour, SPAN_LIT("a.test"), MAIL_UNSIGNED, METRIC_UNSIGNED_STORE, NOW + 2);
	domainhour_count(hour, SPAN_LIT("a.test"), MAIL_UNSIGNED, METRIC_UNSIGNED_NO_KEY, NOW + 2);
	domainhour_count(hour, SPAN_LIT("a.test"), MAIL_DEFERRED, METRIC_TEMPFAIL_LEASE, NOW + 2);
	assert_string_equal(told(hour, NOW + 60), "=! domain a.test 2 2 no_key 1 lease 0\n"
						  "=! domain b.test 3 0 - 0 - 0\n"
						  "=! counted 60 0\n");
	domainhour_count(NULL, SPAN_LIT("a.test"), MAIL_SIGNED, 0, NOW);
	domainhour_count(hour, SPAN_EMPTY, MAIL_SIGNED, 0, NOW);
	assert_non_null(strstr(told(hour, NOW + 60), "=! domain a.test 2 2"));
	domainhour_free(hour);
	domainhour_free(NULL);
}

static void
test_an_hour_is_over(void **state)
{
	struct domainhour *hour = domainhour_new(NOW);

	(void)state;
	is_signed(hour, "a.test", 1, NOW);
	is_signed(hour, "a.test", 2, NOW + HOURCOUNT_SLOT_S);
	is_signed(hour, "b.test", 1, NOW + HOUR - 1);
	assert_string_equal(told(hour, NOW + HOUR - 1),
	    "=! domain a.test 3 0 - 0 - 0\n=! domain b.test 1 0 - 0 - 0\n=! counted 3599 0\n");
	assert_string_equal(told(hour, NOW + HOUR),
	    "=! domain a.test 2 0 - 0 - 0\n=! domain b.test 1 0 - 0 - 0\n=! counted 3300 0\n");
	assert_string_equal(told(hour, NOW + HOUR + HOURCOUNT_SLOT_S + 10),
	    "=! domain b.test 1 0 - 0 - 0\n=! counted 3310 0\n");
	assert_string_equal(told(hour, NOW + 3 * HOUR), "=! counted 3300 0\n");
	is_signed(hour, "a.test", 1, NOW + 9 * HOUR);
	assert_string_equal(
	    told(hour, NOW + 9 * HOUR), "=! domain a.test 1 0 - 0 - 0\n=! counted 3300 0\n");
	domainhour_free(hour);
}

/* Of this domain, by what is told: so many at least, so many at most. */
static void
look_up(const char *domain, uint64_t *least_out, uint64_t *most_out)
{
	struct span rest = span_str(lines);
	struct domain_word word;
	struct counted_word others;

	while (domain_word_next(&rest, &word)) {
		if (!span_eq_str(word.domain, domain))
			continue;
		*least_out = word.count[0] + word.count[1] + word.count[2];
		*most_out = *least_out + word.more;
		return;
	}
	assert_true(counted_word_read(span_str(lines), &others));
	*least_out = 0;
	*most_out = others.more;
}

/* Many more than it has room for, in any order, with failures among them: whatever is told of any
 * of them is true, those with most mail are told of, and failures come first. */
static void
test_too_many_domains(void **state)
{
	static unsigned counts[MANY];
	struct domainhour *hour = domainhour_new(NOW);
	char domain[64];
	uint64_t least, most, listed = 0;

	(void)state;
	memset(counts, 0, sizeof(counts));
	srandom(7);
	for (unsigned i = 0; i < 3; i++)
		domainhour_count(
		    hour, SPAN_LIT("broken.test"), MAIL_DEFERRED, METRIC_TEMPFAIL_KEY, NOW);
	for (unsigned k = 0; k < 20 * MANY; k++) {
		unsigned i = k % 10 == 0 ? k / 10 % 7 : (unsigned)random() % MANY;

		snprintf(domain, sizeof(domain), "d%u.test", i);
		is_signed(hour, domain, 1, NOW + k * HOUR / (20 * MANY));
		counts[i]++;
	}
	told(hour, NOW + HOUR - 1);
	assert_true(span_starts(span_str(lines), SPAN_LIT("=! domain broken.test 0 0 - 3 key ")));
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(domain, sizeof(domain), "d%u.test", i);
		look_up(domain, &least, &most);
		if (counts[i] < least || counts[i] > most)
			fail_msg("%s: %u, told %llu to %llu", domain, counts[i],
			    (unsigned long long)least, (unsigned long long)most);
		listed += least > 0;
		if (i < 7)
			assert_true(least > 1000 && least >= counts[i] - 40);
	}
	assert_in_range(listed, 50, DOMAINHOUR_DOMAINS);
	/* An hour later all of that is forgotten. */
	assert_string_equal(told(hour, NOW + 2 * HOUR), "=! counted 3300 0\n");
	domainhour_free(hour);
}

/* A row that has not much room any more: the rest of it is not touched. */
static void
test_little_room(void **state)
{
	struct domainhour *hour = domainhour_new(NOW);
	struct counted_word others;
	char domain[300], letters[254];

	(void)state;
	memset(letters, 'x', sizeof(letters));
	snprintf(domain, sizeof(domain), "%.253s", letters);
	is_signed(hour, domain, 9, NOW);
	is_signed(hour, "short.test", 2, NOW);
	for (size_t room = 0; room < 400; room++) {
		struct buf out;

		buf_init(&out, room + 5);
		buf_add_str(&out, "k1 x\n");
		domainhour_lines(hour, NOW, &out);
		assert_int_equal(buf_status(&out), ST_OK);
		assert_true(span_starts(buf_span(&out), SPAN_LIT("k1 x\n")));
		assert_int_equal(out.p[out.n - 1], '\n');
		snprintf(lines, sizeof(lines), "%.*s", SPAN_ARG(buf_span(&out)));
		if (!counted_word_read(span_str(lines), &others))
			assert_true(out.n == 5 && room < 60);
		else if (strstr(lines, domain) == NULL)
			assert_true(others.more == 9);
		else
			assert_true(others.more == (strstr(lines, "short") == NULL ? 2 : 0));
		buf_free(&out);
	}
	is_signed(hour, "z.test", 1, NOW);
	domainhour_count(hour, span_of(letters, 254), MAIL_SIGNED, 0, NOW);
	assert_null(strstr(told(hour, NOW), " 1 0 - 0 - 0\n=! domain x"));
	domainhour_free(hour);
}

static void
test_lines_that_are_none(void **state)
{
	static const char *const wrong[] = {"=! domain a.test 1 0 - 0 -", "=! domain a.test",
	    "=! domain a.test 1 0 - 0 - 0 0", "=! domain A.test 1 0 - 0 - 0",
	    "=! domain .a.test 1 0 - 0 - 0", "=! domain <a> 1 0 - 0 - 0",
	    "=! domain a.test -1 0 - 0 - 0", "=! domain a.test 1 0 No 0 - 0",
	    "=! domain a.test 1 0 - 0 - 99999999999999999999", "= domain a.test 1 0 - 0 - 0"};
	static const char *const none[] = {"", "=! counted 5", "=! counted 3601 0",
	    "=! counted 1 2 3", "=! counted -1 2", "counted 1 2"};
	struct counted_word others;
	struct domain_word word;
	struct span rest;
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		rest = span_str(wrong[i]);
		if (domain_word_next(&rest, &word))
			fail_msg("%s", wrong[i]);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(counted_word_read(span_str(none[i]), &others));
	buf_init(&out, 1024);
	word = (struct domain_word){.domain = SPAN_LIT("a b")};
	assert_false(domain_word_write(&word, &out));
	word = (struct domain_word){
	    .domain = SPAN_LIT("a.test"), .cause = {[MAIL_DEFERRED] = SPAN_LIT("no key")}};
	assert_false(domain_word_write(&word, &out));
	assert_int_equal(out.n, 0);
	buf_free(&out);
}

static void
test_counts_of_slots(void **state)
{
	struct hourcount one = {0}, other = {0};

	(void)state;
	hourcount_add(&one, 100);
	hourcount_add(&other, 105);
	hourcount_add(&other, 111);
	hourcount_merge(&one, &other, 110); /* behind what was counted in: as then */
	assert_int_equal(hourcount_sum(&one, 111), 3);
	assert_int_equal(hourcount_sum(&one, 112), 2);
	assert_int_equal(hourcount_sum(&one, 117), 1);
	assert_int_equal(hourcount_sum(&one, 50), 3);
	assert_int_equal(hourcount_sum(&one, 123), 0);
	hourcount_add(&one, 200);
	hourcount_merge(&one, &other, 200);
	assert_int_equal(hourcount_sum(&one, 200), 1);
}

struct counting {
	struct domainhour *hour;
	unsigned number;
};

static void *
count_many(void *arg)
{
	const struct counting *counting = arg;
	char domain[32];

	for (unsigned i = 0; i < 2000; i++) {
		snprintf(domain, sizeof(domain), "d%u.test", i % 2 == 0 ? 0 : counting->number);
		is_signed(counting->hour, domain, 1, NOW);
	}
	return NULL;
}

/* Nothing is lost between threads, one of which tells. */
static void
test_threads(void **state)
{
	struct domainhour *hour = domainhour_new(NOW);
	struct counting countings[4];
	pthread_t threads[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		countings[i] = (struct counting){hour, i + 1};
		assert_int_equal(pthread_create(&threads[i], NULL, count_many, &countings[i]), 0);
	}
	for (unsigned i = 0; i < 20; i++)
		told(hour, NOW);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_string_equal(told(hour, NOW), "=! domain d0.test 4000 0 - 0 - 0\n"
					     "=! domain d1.test 1000 0 - 0 - 0\n"
					     "=! domain d2.test 1000 0 - 0 - 0\n"
					     "=! domain d3.test 1000 0 - 0 - 0\n"
					     "=! domain d4.test 1000 0 - 0 - 0\n"
					     "=! counted 0 0\n");
	domainhour_free(hour);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_by_what_became_of_it),
	    cmocka_unit_test(test_an_hour_is_over),
	    cmocka_unit_test(test_too_many_domains),
	    cmocka_unit_test(test_little_room),
	    cmocka_unit_test(test_lines_that_are_none),
	    cmocka_unit_test(test_counts_of_slots),
	    cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
