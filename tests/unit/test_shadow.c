/*
 * test_shadow.c - shadow mode without a daemon: which word two sets of signatures come to, the line
 * that says so, and the file that gets it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/frame.h"
#include "daemon/shadow_line.h"
#include "daemon/shadowlog.h"
#include "tests/lib/scratch.h"

/* ---- signatures ---- */

static struct span from_to[] = {SPAN_LIT("From"), SPAN_LIT("To")};
static struct span to_from[] = {SPAN_LIT("to"), SPAN_LIT("from")};
static struct span from_twice[] = {SPAN_LIT("From"), SPAN_LIT("From"), SPAN_LIT("To")};
static struct span to_twice[] = {SPAN_LIT("To"), SPAN_LIT("From"), SPAN_LIT("To")};

#define NAMES(list) (list), sizeof(list) / sizeof((list)[0])

static struct sigfield
signature(const char *domain, const char *selector, const char *algorithm)
{
	return (struct sigfield){.algorithm_text = span_str(algorithm),
	    .header_canon = CANON_RELAXED,
	    .body_canon = CANON_SIMPLE,
	    .domain = span_str(domain),
	    .selector = span_str(selector),
	    .identity = SPAN_LIT("@a.test"),
	    .body_length = -1,
	    .time_utc = 1000,
	    .expires_utc = -1,
	    .names = from_to,
	    .name_count = 2};
}

static struct sigfield
plain(void)
{
	return signature("a.test", "s", "rsa-sha256");
}

/* A message with one signature of each side. */
static enum metric_shadow
word_of(const struct sigfield *ours, const struct sigfield *other, bool body_bad, int key)
{
	const struct shadow_theirs theirs = {.field = other,
	    .trusted = true,
	    .body_bad = body_bad,
	    .key_known = key >= 0,
	    .key_fits = key > 0};
	struct shadow_comparison out;

	shadow_compare(ours, 1, &theirs, 1, &out);
	assert_int_equal(out.count, 1);
	assert_int_equal(out.pairs[0].word, out.word);
	assert_ptr_equal(out.pairs[0].ours, ours);
	assert_ptr_equal(out.pairs[0].theirs, &theirs);
	return out.word;
}

static enum metric_shadow
word_with(const struct sigfield *other)
{
	const struct sigfield ours = plain();

	return word_of(&ours, other, false, 1);
}

static void
test_each_difference(void **state)
{
	struct sigfield other = plain();

	(void)state;
	assert_int_equal(word_with(&other), METRIC_SHADOW_SAME);
	other.domain = SPAN_LIT("b.test");
	assert_int_equal(word_with(&other), METRIC_SHADOW_OTHER_DOMAIN);
	other = signature("a.test", "t", "rsa-sha256");
	assert_int_equal(word_with(&other), METRIC_SHADOW_OTHER_SELECTOR);
	other = signature("a.test", "s", "ed25519-sha256");
	assert_int_equal(word_with(&other), METRIC_SHADOW_OTHER_ALGORITHM);
	other = plain();
	other.names = from_twice;
	other.name_count = 3;
	assert_int_equal(word_with(&other), METRIC_SHADOW_OTHER_HEADERS);
	other = plain();
	other.body_canon = CANON_RELAXED;
	assert_int_equal(word_with(&other), METRIC_SHADOW_OTHER_CANONICALIZATION);
	other = plain();
	other.header_canon = CANON_SIMPLE;
	assert_int_equal(word_with(&other), METRIC_SHADOW_OTHER_CANONICALIZATION);
	other = plain();
	other.identity = SPAN_LIT("joe@a.test");
	assert_int_equal(word_with(&other), METRIC_SHADOW_OTHER_IDENTITY);
	other = plain();
	other.body_length = 0;
	assert_int_equal(word_with(&other), METRIC_SHADOW_OTHER_LENGTH);
	other = plain();
	other.expires_utc = 2000;
	assert_int_equal(word_with(&other), METRIC_SHADOW_OTHER_LIFETIME);
}

static void
test_body_and_key(void **state)
{
	const struct sigfield ours = plain(), other = plain();

	(void)state;
	assert_int_equal(word_of(&ours, &other, true, 1), METRIC_SHADOW_BODY_DIFFERS);
	assert_int_equal(word_of(&ours, &other, false, 0), METRIC_SHADOW_OTHER_KEY);
	/* Without a key of ours to try nothing is said of theirs. */
	assert_int_equal(word_of(&ours, &other, false, -1), METRIC_SHADOW_SAME);
	assert_int_equal(word_of(&ours, &other, true, 0), METRIC_SHADOW_BODY_DIFFERS);
}

static void
test_headers(void **state)
{
	const struct {
		struct span *ours;
		size_t our_count;
		struct span *theirs;
		size_t their_count;
		bool same;
	} rows[] = {
	    {NAMES(from_to), NAMES(to_from), true}, /* neither order nor case count */
	    {NAMES(from_twice), NAMES(from_twice), true},
	    {NAMES(from_twice), NAMES(to_twice), false},
	    {NAMES(to_twice), NAMES(from_twice), false},
	    {NAMES(from_to), NAMES(from_twice), false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sigfield ours = plain(), other = plain();

		ours.names = rows[i].ours;
		ours.name_count = rows[i].our_count;
		other.names = rows[i].theirs;
		other.name_count = rows[i].their_count;
		assert_int_equal(word_of(&ours, &other, false, 1),
		    rows[i].same ? METRIC_SHADOW_SAME : METRIC_SHADOW_OTHER_HEADERS);
	}
}

/* x= counts from t=, since the two are made at different moments. */
static void
test_lifetime(void **state)
{
	static const struct {
		int64_t our_time, our_end, their_time, their_end;
		bool same;
	} rows[] = {
	    {1000, 1600, 1007, 1607, true},
	    {1000, 1600, 1007, 1600, false},
	    {1000, 1600, 1000, -1, false},
	    {1000, -1, 1000, 1600, false},
	    {-1, 1600, 1000, 1700, true}, /* nobody knows */
	    {-1, -1, 1000, -1, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sigfield ours = plain(), other = plain();

		ours.time_utc = rows[i].our_time;
		ours.expires_utc = rows[i].our_end;
		other.time_utc = rows[i].their_time;
		other.expires_utc = rows[i].their_end;
		assert_int_equal(word_of(&ours, &other, false, 1),
		    rows[i].same ? METRIC_SHADOW_SAME : METRIC_SHADOW_OTHER_LIFETIME);
	}
}

/* Of all differences the first in the list of signpost-shadow(1) is told. */
static void
test_gravest_first(void **state)
{
	struct sigfield ours = plain(), other = signature("a.test", "t", "ed25519-sha256");

	(void)state;
	other.names = from_twice;
	other.name_count = 3;
	other.body_canon = CANON_RELAXED;
	other.identity = SPAN_LIT("x@a.test");
	other.body_length = 7;
	assert_int_equal(word_of(&ours, &other, true, 0), METRIC_SHADOW_BODY_DIFFERS);
	assert_int_equal(word_of(&ours, &other, false, 0), METRIC_SHADOW_OTHER_SELECTOR);
	other.selector = ours.selector;
	assert_int_equal(word_of(&ours, &other, false, 0), METRIC_SHADOW_OTHER_ALGORITHM);
	other.algorithm_text = ours.algorithm_text;
	assert_int_equal(word_of(&ours, &other, false, 0), METRIC_SHADOW_OTHER_KEY);
	assert_int_equal(word_of(&ours, &other, false, 1), METRIC_SHADOW_OTHER_HEADERS);
	other.names = ours.names;
	other.name_count = ours.name_count;
	assert_int_equal(word_of(&ours, &other, false, 1), METRIC_SHADOW_OTHER_CANONICALIZATION);
	other.body_canon = ours.body_canon;
	assert_int_equal(word_of(&ours, &other, false, 1), METRIC_SHADOW_OTHER_IDENTITY);
	other.identity = ours.identity;
	assert_int_equal(word_of(&ours, &other, false, 1), METRIC_SHADOW_OTHER_LENGTH);
}

/* ---- sets ---- */

static void
test_one_side_only(void **state)
{
	const struct sigfield one = plain();
	struct shadow_theirs theirs = {.field = &one, .trusted = true};
	struct shadow_comparison out;

	(void)state;
	shadow_compare(NULL, 0, NULL, 0, &out);
	assert_int_equal(out.word, METRIC_SHADOW_NEITHER);
	assert_int_equal(out.count, 0);
	shadow_compare(&one, 1, NULL, 0, &out);
	assert_int_equal(out.word, METRIC_SHADOW_NOT_SIGNED_BY_THEM);
	assert_null(out.pairs[0].theirs);
	shadow_compare(NULL, 0, &theirs, 1, &out);
	assert_int_equal(out.word, METRIC_SHADOW_NOT_SIGNED_BY_US);
	assert_null(out.pairs[0].ours);
	/* A stranger's is as if it were not there. */
	theirs.trusted = false;
	shadow_compare(NULL, 0, &theirs, 1, &out);
	assert_int_equal(out.word, METRIC_SHADOW_NEITHER);
	shadow_compare(&one, 1, &theirs, 1, &out);
	assert_int_equal(out.word, METRIC_SHADOW_NOT_SIGNED_BY_THEM);
	assert_int_equal(out.count, 1);
}

/* RSA and Ed25519 of each, in another order: each is compared with its like. */
static void
test_pairs(void **state)
{
	const struct sigfield ours[] = {
	    signature("a.test", "r", "rsa-sha256"), signature("a.test", "e", "ed25519-sha256")};
	const struct sigfield fields[] = {signature("a.test", "e", "ed25519-sha256"),
	    signature("list.test", "x", "rsa-sha256"), signature("a.test", "r", "rsa-sha256")};
	struct shadow_theirs theirs[] = {{.field = &fields[0], .trusted = true},
	    {.field = &fields[1], .trusted = true}, {.field = &fields[2], .trusted = true}};
	struct shadow_comparison out;

	(void)state;
	shadow_compare(ours, 2, theirs, 3, &out);
	assert_int_equal(out.count, 3);
	assert_int_equal(out.word, METRIC_SHADOW_NOT_SIGNED_BY_US);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(out.pairs[i].word, METRIC_SHADOW_SAME);
		assert_true(
		    span_eq(out.pairs[i].ours->selector, out.pairs[i].theirs->field->selector));
	}
	assert_ptr_equal(out.pairs[2].theirs, &theirs[1]);
	theirs[1].trusted = false;
	shadow_compare(ours, 2, theirs, 3, &out);
	assert_int_equal(out.word, METRIC_SHADOW_SAME);
	assert_int_equal(out.count, 2);
}

/* Anybody can put a copy there: it neither hides the one below it nor counts. */
static void
test_copies(void **state)
{
	const struct sigfield ours = plain(), copy = plain(), other = plain();
	const struct shadow_theirs theirs[] = {{.field = &other, .trusted = true},
	    {.field = &copy, .trusted = true, .body_bad = true}};
	struct shadow_comparison out;

	(void)state;
	shadow_compare(&ours, 1, theirs, 2, &out);
	assert_int_equal(out.word, METRIC_SHADOW_SAME);
	assert_int_equal(out.count, 1);
	assert_ptr_equal(out.pairs[0].theirs, &theirs[0]);
}

static void
test_as_many_as_there_may_be(void **state)
{
	static struct sigfield ours[SHADOW_SIGNATURES_MAX], fields[SHADOW_SIGNATURES_MAX];
	static struct shadow_theirs theirs[SHADOW_SIGNATURES_MAX];
	static char names[2 * SHADOW_SIGNATURES_MAX][16];
	struct shadow_comparison out;

	(void)state;
	for (size_t i = 0; i < SHADOW_SIGNATURES_MAX; i++) {
		snprintf(names[2 * i], sizeof(names[0]), "o%zu.test", i);
		snprintf(names[2 * i + 1], sizeof(names[0]), "t%zu.test", i);
		ours[i] = signature(names[2 * i], "s", "rsa-sha256");
		fields[i] = signature(names[2 * i + 1], "s", "rsa-sha256");
		theirs[i] = (struct shadow_theirs){.field = &fields[i], .trusted = true};
	}
	shadow_compare(ours, SHADOW_SIGNATURES_MAX, theirs, SHADOW_SIGNATURES_MAX, &out);
	assert_int_equal(out.count, SHADOW_SIGNATURES_MAX);
	assert_int_equal(out.word, METRIC_SHADOW_OTHER_DOMAIN);
	for (size_t i = 0; i < SHADOW_SIGNATURES_MAX; i++)
		theirs[i].trusted = i % 2 == 0;
	shadow_compare(ours, SHADOW_SIGNATURES_MAX, theirs, SHADOW_SIGNATURES_MAX, &out);
	assert_int_equal(out.count, SHADOW_SIGNATURES_MAX);
	assert_int_equal(out.word, METRIC_SHADOW_NOT_SIGNED_BY_THEM);
}

/* ---- the line ---- */

static char shown[8192];

static const char *
line_of(const struct shadow_line *line, size_t room, enum status expected)
{
	struct buf out;

	buf_init(&out, room);
	assert_int_equal(shadow_line_write(line, &out), expected);
	snprintf(shown, sizeof(shown), "%.*s", SPAN_ARG(buf_span(&out)));
	buf_free(&out);
	return shown;
}

static void
test_line(void **state)
{
	struct sigfield ours = plain(), other = plain();
	const struct shadow_theirs theirs = {
	    .field = &other, .trusted = true, .key_known = true, .key_fits = true};
	struct shadow_comparison comparison;
	const struct shadow_line line = {.time_utc = 1763805600,
	    .queue = SPAN_LIT("4Q1"),
	    .domain = SPAN_LIT("a.test"),
	    .strangers = 2,
	    .comparison = &comparison};

	(void)state;
	other.body_length = 12;
	shadow_compare(&ours, 1, &theirs, 1, &comparison);
	assert_string_equal(line_of(&line, FRAME_REPORT_MAX, ST_OK),
	    "{\"shadow\":1,\"time\":\"2025-11-22T10:00:00Z\",\"queue\":\"4Q1\","
	    "\"domain\":\"a.test\",\"result\":\"other-length\",\"strangers\":2,\"signatures\":["
	    "{\"result\":\"other-length\","
	    "\"ours\":{\"d\":\"a.test\",\"s\":\"s\",\"a\":\"rsa-sha256\","
	    "\"c\":\"relaxed/simple\",\"i\":\"@a.test\",\"h\":\"From:To\"},"
	    "\"theirs\":{\"d\":\"a.test\",\"s\":\"s\",\"a\":\"rsa-sha256\","
	    "\"c\":\"relaxed/simple\",\"i\":\"@a.test\",\"l\":12,\"h\":\"From:To\","
	    "\"body\":true,\"our_key\":true}}]}");
}

static void
test_line_of_nothing(void **state)
{
	const struct shadow_comparison none = {.word = METRIC_SHADOW_NOT_COMPARED};
	const struct shadow_line line = {.queue = SPAN_LIT("q"),
	    .why = SPAN_LIT("the keeper does not answer"),
	    .comparison = &none};

	(void)state;
	assert_string_equal(line_of(&line, FRAME_REPORT_MAX, ST_OK),
	    "{\"shadow\":1,\"time\":\"1970-01-01T00:00:00Z\",\"queue\":\"q\",\"domain\":\"\","
	    "\"result\":\"not-compared\",\"why\":\"the keeper does not answer\","
	    "\"strangers\":0,\"signatures\":[]}");
	line_of(&line, 20, ST_TOO_BIG);
}

/* Whatever a sender put there, it stays one line of printable ASCII, and its JSON. */
static void
test_line_of_hostile_octets(void **state)
{
	struct span names[] = {SPAN_LIT("From"), SPAN_LIT("X\"\\\n\xff")};
	struct sigfield other = plain();
	const struct shadow_theirs theirs = {.field = &other, .trusted = true, .body_bad = true};
	struct shadow_comparison comparison;
	const struct shadow_line line = {.queue = SPAN_LIT("a\"b\\c\nd"),
	    .domain = SPAN_LIT("\x01\xff.test"),
	    .comparison = &comparison};
	const char *text;

	(void)state;
	other.names = names;
	other.identity = SPAN_LIT("\"},\x7f@a.test");
	shadow_compare(NULL, 0, &theirs, 1, &comparison);
	text = line_of(&line, FRAME_REPORT_MAX, ST_OK);
	assert_non_null(strstr(text, "\"queue\":\"a\\\"b\\\\c\\u000ad\","));
	assert_non_null(strstr(text, "\"domain\":\"\\u0001\\ufffd.test\","));
	assert_non_null(strstr(text, "\"i\":\"\\\"},\\u007f@a.test\","));
	assert_non_null(strstr(text, "\"h\":\"From:X????\",\"body\":false}}]}"));
	for (size_t i = 0; text[i] != '\0'; i++)
		assert_in_range((unsigned char)text[i], ' ', '~');
}

/* ---- the file ---- */

static const char *
text_of(const char *path)
{
	FILE *file = fopen(path, "r");
	size_t n;

	assert_non_null(file);
	n = fread(shown, 1, sizeof(shown) - 1, file);
	shown[n] = '\0';
	fclose(file);
	return shown;
}

static uint64_t
lost(void)
{
	return metrics_value(METRIC_SHADOW_LOST, METRIC_NONE, METRIC_NONE);
}

/* The lines, by a log of its own. */
static void
write_lines(const char *path, int64_t bytes_max, const char *const *lines, size_t count)
{
	struct err err = ERR_NONE;
	struct shadowlog *log;

	assert_int_equal(shadowlog_open(path, bytes_max, &log, &err), ST_OK);
	assert_int_equal(shadowlog_start(log, &err), ST_OK);
	for (size_t i = 0; i < count; i++)
		shadowlog_put(log, span_str(lines[i]));
	shadowlog_close(log); /* writes what is left */
}

static int
setup(void **state)
{
	static struct scratch scratch;

	if (metrics_open(NULL) != ST_OK)
		return -1;
	scratch_begin(&scratch);
	*state = &scratch;
	return 0;
}

static int
teardown(void **state)
{
	scratch_end(*state);
	metrics_close();
	return 0;
}

static void
test_lines_are_added(void **state)
{
	static const char *const lines[] = {"one", "two"};
	const char *path = scratch_path(*state, "report");
	struct stat st;

	write_lines(path, 1000, lines, 2);
	assert_string_equal(text_of(path), "one\ntwo\n");
	write_lines(path, 1000, lines, 1);
	assert_string_equal(text_of(path), "one\ntwo\none\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0027, 0);
	assert_int_equal(lost(), 0);
}

/* Whoever wrote there before died within a line: the next one begins a line of its own. */
static void
test_a_torn_line(void **state)
{
	static const char *const lines[] = {"one"};
	const char *path = scratch_write(*state, "report", "whole\nto");

	write_lines(path, 1000, lines, 1);
	assert_string_equal(text_of(path), "whole\nto\none\n");
}

static void
test_the_size_holds(void **state)
{
	static const char *const lines[] = {"123456789", "123456789", "1"};
	const char *path = scratch_path(*state, "report");

	scratch_log_begin(*state);
	write_lines(path, 19, lines, 2);
	assert_string_equal(text_of(path), "123456789\n");
	assert_int_equal(lost(), 1);
	assert_true(scratch_log_has(*state, "it has reached ShadowReportSize"));
	assert_true(scratch_log_has(*state, "1 lines are lost"));
	/* Up to the last octet. */
	write_lines(path, 20, lines, 1);
	assert_string_equal(text_of(path), "123456789\n123456789\n");
	write_lines(path, 20, lines + 2, 1);
	assert_int_equal(lost(), 2);
}

static void
test_a_file_that_cannot_be(void **state)
{
	struct err err = ERR_NONE;
	struct shadowlog *log = NULL;
	const char *path = scratch_path(*state, "no/such");

	assert_int_equal(shadowlog_open(path, 1000, &log, &err), ST_INVALID);
	assert_null(log);
	assert_non_null(strstr(err.text, "ShadowReport"));
	assert_non_null(strstr(err.text, path));
	shadowlog_put(NULL, SPAN_LIT("no report"));
	shadowlog_close(NULL);
}

static void
test_a_full_disk(void **state)
{
	static const char *const lines[] = {"one", "two"};

	scratch_log_begin(*state);
	write_lines("/dev/full", 1000, lines, 2);
	assert_int_equal(lost(), 2);
	assert_true(scratch_log_has(*state, "ShadowReport /dev/full: No space left on device"));
}

static void
test_syslog(void **state)
{
	static const char *const lines[] = {"{\"shadow\":1}"};

	scratch_log_begin(*state);
	write_lines(SHADOWLOG_SYSLOG, 1000, lines, 1);
	assert_true(scratch_log_has(*state, "{\"shadow\":1}\n"));
	assert_int_equal(lost(), 0);
}

/* Nobody waits for the writer: without one the queue fills, and what has no room is counted. */
static void
test_a_queue_that_is_full(void **state)
{
	const char *path = scratch_path(*state, "report");
	struct err err = ERR_NONE;
	struct shadowlog *log;

	assert_int_equal(shadowlog_open(path, 1 << 20, &log, &err), ST_OK);
	for (size_t i = 0; i < SHADOWLOG_LINES_MAX + 3; i++)
		shadowlog_put(log, SPAN_LIT("a line"));
	assert_int_equal(lost(), 3);
	assert_int_equal(shadowlog_start(log, &err), ST_OK);
	shadowlog_close(log);
	assert_int_equal(text_of(path)[0], 'a');
	assert_int_equal(lost(), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_difference),
	    cmocka_unit_test(test_body_and_key),
	    cmocka_unit_test(test_headers),
	    cmocka_unit_test(test_lifetime),
	    cmocka_unit_test(test_gravest_first),
	    cmocka_unit_test(test_one_side_only),
	    cmocka_unit_test(test_pairs),
	    cmocka_unit_test(test_copies),
	    cmocka_unit_test(test_as_many_as_there_may_be),
	    cmocka_unit_test(test_line),
	    cmocka_unit_test(test_line_of_nothing),
	    cmocka_unit_test(test_line_of_hostile_octets),
	    cmocka_unit_test_setup_teardown(test_lines_are_added, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_torn_line, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_the_size_holds, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_file_that_cannot_be, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_full_disk, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_syslog, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_queue_that_is_full, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
