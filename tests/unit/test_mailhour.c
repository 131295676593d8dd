/*
 * test_mailhour.c - mail of the last hour that was not signed: what is counted by tenant, what is
 * left for nobody, what becomes of it with time, and the lines that are reported.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/hourcount.h"
#include "daemon/mailhour.h"
#include "lib/keys/canary.h"
#include "lib/keys/mailword.h"
#include "lib/store/keystore.h"

#define NOW 1000000
#define HOUR (HOURCOUNT_SLOT_S * HOURCOUNT_SLOTS)

static char lines[KEYSTORE_FAILED_TEXT + 1];

static const char *
told(struct mailhour *mailhour, int64_t now_s)
{
	struct buf out;

	buf_init(&out, MAILHOUR_TEXT);
	mailhour_lines(mailhour, now_s, &out);
	assert_int_equal(buf_status(&out), ST_OK);
	snprintf(lines, sizeof(lines), "%.*s", SPAN_ARG(buf_span(&out)));
	buf_free(&out);
	return lines;
}

/* As decision_count() does it. */
static void
fails(struct mailhour *mailhour, const char *tenant, enum metric metric, unsigned int reason,
    int64_t now_s)
{
	metrics_count(metric, reason, METRIC_NONE);
	mailhour_count(mailhour, span_str(tenant), metric, reason, now_s);
}

static int
setup(void **state)
{
	(void)state;
	return metrics_open(NULL) == ST_OK ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	metrics_close();
	return 0;
}

static void
test_by_tenant_and_cause(void **state)
{
	struct gateway_figures figures;
	struct mailhour *mailhour;

	(void)state;
	metrics_count(METRIC_UNSIGNED, METRIC_UNSIGNED_PEER, METRIC_NONE); /* before */
	mailhour = mailhour_new(NOW);
	assert_string_equal(told(mailhour, NOW), "");
	fails(mailhour, "acme", METRIC_UNSIGNED, METRIC_UNSIGNED_NO_KEY, NOW);
	fails(mailhour, "bolt", METRIC_TEMPFAIL, METRIC_TEMPFAIL_LEASE, NOW);
	fails(mailhour, "bolt", METRIC_TEMPFAIL, METRIC_TEMPFAIL_LEASE, NOW);
	metrics_count(METRIC_UNSIGNED, METRIC_UNSIGNED_NO_KEY, METRIC_NONE);
	metrics_count(METRIC_TEMPFAIL, METRIC_TEMPFAIL_KEEPER, METRIC_NONE);
	assert_string_equal(told(mailhour, NOW + 1), "=! deferred bolt lease 2\n"
						     "=! unsigned acme no_key 1\n"
						     "=! unsigned - no_key 1\n"
						     "=! deferred - keeper 1\n");
	metrics_observe(METRIC_SIGN_SECONDS, 200);
	metrics_add(METRIC_CACHE_HITS, METRIC_CACHE_KEYS, METRIC_NONE, 3);
	metrics_count(METRIC_CACHE_MISSES, METRIC_CACHE_RULES, METRIC_NONE);
	assert_true(gateway_figures_read(span_str(told(mailhour, NOW + 1)), &figures));
	assert_int_equal(figures.cache_per_mille, 750);
	assert_int_equal(figures.sign_p99_us, 250);
	mailhour_count(NULL, SPAN_LIT("acme"), METRIC_UNSIGNED, METRIC_UNSIGNED_NO_KEY, NOW);
	mailhour_count(mailhour, SPAN_EMPTY, METRIC_UNSIGNED, METRIC_UNSIGNED_NO_KEY, NOW);
	assert_non_null(strstr(told(mailhour, NOW + 1), "=! unsigned acme no_key 1\n"));
	mailhour_free(mailhour);
}

static void
test_an_hour_is_over(void **state)
{
	struct mailhour *mailhour = mailhour_new(NOW);

	(void)state;
	fails(mailhour, "acme", METRIC_UNSIGNED, METRIC_UNSIGNED_STORE, NOW);
	metrics_count(METRIC_TEMPFAIL, METRIC_TEMPFAIL_SIZE, METRIC_NONE);
	for (int64_t at = NOW; at < NOW + HOUR - HOURCOUNT_SLOT_S; at += 60)
		assert_string_equal(
		    told(mailhour, at), "=! unsigned acme store 1\n=! deferred - size 1\n");
	fails(mailhour, "acme", METRIC_UNSIGNED, METRIC_UNSIGNED_STORE,
	    NOW + HOUR - 2 * HOURCOUNT_SLOT_S);
	assert_string_equal(told(mailhour, NOW + HOUR), "=! unsigned acme store 1\n");
	assert_string_equal(told(mailhour, NOW + 3 * HOUR), "");
	/* Nobody asked for long, and its place is found again. */
	fails(mailhour, "acme", METRIC_UNSIGNED, METRIC_UNSIGNED_STORE, NOW + 9 * HOUR);
	assert_string_equal(told(mailhour, NOW + 9 * HOUR), "=! unsigned acme store 1\n");
	mailhour_free(mailhour);
}

/* More tenants than it has room for: the sum is right, and those with most mail are named. */
static void
test_too_many_tenants(void **state)
{
	struct mailhour *mailhour = mailhour_new(NOW);
	uint64_t sum = 0, named = 0;
	struct mail_word word;
	struct span rest;
	char tenant[64];

	(void)state;
	for (unsigned i = 0; i < 2 * MAILHOUR_ENTRIES; i++) {
		snprintf(tenant, sizeof(tenant), "t%u-%050u", i, i);
		for (unsigned k = 0; k < (i == 77 ? 9 : 1); k++)
			fails(mailhour, tenant, METRIC_UNSIGNED, METRIC_UNSIGNED_TENANT, NOW);
	}
	rest = span_str(told(mailhour, NOW));
	assert_true(mail_word_next(&rest, &word));
	assert_true(span_starts(word.tenant, SPAN_LIT("t77-")) && word.count == 9);
	do {
		sum += word.count;
		named += word.tenant.n > 0;
	} while (mail_word_next(&rest, &word));
	assert_int_equal(sum, 2 * MAILHOUR_ENTRIES + 8);
	assert_in_range(named, 20, MAILHOUR_ENTRIES);
	mailhour_free(mailhour);
}

static void
test_lines_that_are_none(void **state)
{
	static const char *const wrong[] = {"=! unsigned acme no_key", "=! unsigned acme no_key 0",
	    "=! unsigned acme no_key 1 2", "=! lost acme no_key 1", "=! unsigned Acme no_key 1",
	    "=! unsigned acme no-key 1", "=! unsigned <b> no_key 1", "= unsigned acme no_key 1",
	    "=! unsigned acme no_key -1", "=! unsigned acme no_key 99999999999999999999", "=!",
	    "k1 why", "=!unsigned acme no_key 1", "=! unsigned -a no_key 1"};
	static const char *const none[] = {"", "=! figures 1", "=! figures 1001 5",
	    "=! figures 5 -1", "=! figures 1 2 3", "=! figure 1 2", "figures 1 2"};
	struct gateway_figures figures;
	struct mail_word word;
	struct canary_word other;
	struct span rest, line;
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		rest = span_str(wrong[i]);
		if (mail_word_next(&rest, &word))
			fail_msg("%s", wrong[i]);
	}
	/* Whoever reads the other lines of the row does not see ours. */
	rest = SPAN_LIT("=! unsigned acme no_key 1\n");
	assert_false(canary_word_next(&rest, &other));
	rest = SPAN_LIT("=! unsigned acme no_key 1\n");
	assert_false(canary_other_next(&rest, &line));
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(gateway_figures_read(span_str(none[i]), &figures));
	buf_init(&out, 10);
	word = (struct mail_word){.cause = SPAN_LIT("store"), .count = 1};
	assert_false(mail_word_write(&word, &out));
	assert_int_equal(out.n, 0);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_by_tenant_and_cause, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_an_hour_is_over, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_too_many_tenants, setup, teardown),
	    cmocka_unit_test(test_lines_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
