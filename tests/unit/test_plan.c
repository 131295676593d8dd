/*
 * The plan of a policy: defaults, each field, what is refused, durations, windows, jitter,
 * selectors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/keys/plan.h"

static enum status
parse(const char *text, int64_t signature_ttl_s, struct key_plan *plan, struct err *err)
{
	err->text[0] = '\0';
	return key_plan_parse(span_str(text), signature_ttl_s, plan, err);
}

static void
test_defaults(void **state)
{
	struct key_plan plan;
	struct err err;

	(void)state;
	assert_int_equal(parse("", -1, &plan, &err), ST_OK);
	assert_false(plan.manage);
	assert_string_equal(plan.publisher, "");
	assert_int_equal(plan.algorithm_count, 1);
	assert_string_equal(plan.algorithms[0].name, "rsa-sha256");
	assert_int_equal(plan.algorithms[0].bits, 2048);
	assert_int_equal(plan.interval_s, 180 * 86400);
	assert_int_equal(plan.signature_s, 7 * 86400);
	assert_int_equal(plan.lease_s, 7 * 86400);
	assert_int_equal(plan.tomb_s, 30 * 86400);
	assert_int_equal(plan.proofs, 3);
	assert_int_equal(parse(" {} ", 3 * 86400, &plan, &err), ST_OK);
	assert_int_equal(plan.signature_s, 5 * 86400); /* x= and two days */
}

static void
test_all_fields(void **state)
{
	static const char text[] =
	    "{\"manage\":true,\"algorithms\":[\"ed25519\",\"rsa-4096\"],\"publisher\":\"bind1\","
	    "\"selector\":\"{random}x{day}\",\"interval\":\"90d\",\"jitter\":0,"
	    "\"windows\":[\"Mon-Fri 08:00-16:00\",\"Sat 23:30-24:00\"],\"ttl\":300,"
	    "\"negative_floor\":0,\"negative_cap\":\"1h\",\"lease\":\"1d12h\","
	    "\"signature_life\":\"3d\",\"clock_error\":60,\"tombstone\":\"1w\","
	    "\"activation_wait\":0,\"proofs\":1,\"proof_interval\":\"5s\",\"timed_ack\":\"1m\","
	    "\"drift_interval\":\"2h\",\"retry\":1,\"retry_max\":\"10m\",\"give_up\":0}";
	struct key_plan plan, again;
	struct buf written, rewritten;
	struct err err;

	(void)state;
	assert_int_equal(parse(text, -1, &plan, &err), ST_OK);
	assert_true(plan.manage);
	assert_string_equal(plan.algorithms[0].name, "ed25519-sha256");
	assert_int_equal(plan.algorithms[1].bits, 4096);
	assert_int_equal(plan.window_count, 2);
	assert_int_equal(plan.windows[1].until_min, 1440);
	assert_int_equal(plan.lease_s, 36 * 3600);
	assert_int_equal(plan.tomb_s, 7 * 86400);
	assert_int_equal(plan.give_up_s, 0);
	buf_init(&written, PLAN_TEXT_MAX);
	buf_init(&rewritten, PLAN_TEXT_MAX);
	key_plan_write(&plan, &written);
	assert_int_equal(key_plan_parse(buf_span(&written), -1, &again, &err), ST_OK);
	key_plan_write(&again, &rewritten);
	assert_string_equal(buf_text(&written), buf_text(&rewritten));
	assert_memory_equal(&plan.windows, &again.windows, sizeof(plan.windows));
	assert_int_equal(again.lease_s, plan.lease_s);
	buf_free(&written);
	buf_free(&rewritten);
}

static void
test_refused(void **state)
{
	static const struct {
		const char *text, *names; /* what the sentence has in it */
	} cases[] = {
	    {"{\"intervall\":\"90d\"}", "intervall"},
	    {"{\"interval\":\"90\",\"interval\":\"91\"}", "no JSON"},
	    {"{\"interval\":\"90 days\"}", "interval"},
	    {"{\"interval\":-1}", "interval"},
	    {"{\"interval\":1.5}", "interval"},
	    {"{\"interval\":true}", "interval"},
	    {"{\"interval\":99999999999}", "interval"},
	    {"{\"manage\":1}", "manage"},
	    {"{\"manage\":true}", "publisher"},
	    {"{\"publisher\":\"a b\"}", "publisher"},
	    {"{\"publisher\":7}", "publisher"},
	    {"{\"algorithms\":[]}", "algorithms"},
	    {"{\"algorithms\":\"rsa-2048\"}", "algorithms"},
	    {"{\"algorithms\":[\"rsa-512\"]}", "algorithms"},
	    {"{\"algorithms\":[\"rsa-2048\",\"rsa-4096\"]}", "algorithms"},
	    {"{\"algorithms\":[\"rsa-2048\",\"ed25519\",\"rsa-1024\"]}", "algorithms"},
	    {"{\"algorithms\":[2048]}", "algorithms"},
	    {"{\"windows\":\"Mon\"}", "windows"},
	    {"{\"windows\":[\"Mon-Fri 16:00-08:00\"]}", "windows"},
	    {"{\"windows\":[\"Mon-Fri 8:00-16:00\"]}", "windows"},
	    {"{\"windows\":[\"Mon-Fri 08:00-24:01\"]}", "windows"},
	    {"{\"windows\":[\"Day 08:00-16:00\"]}", "windows"},
	    {"{\"windows\":[\"Mon\"]}", "windows"},
	    {"{\"windows\":[1]}", "windows"},
	    {"{\"selector\":\"fixed\"}", "selector"},
	    {"{\"selector\":\"{random}{random}\"}", "selector"},
	    {"{\"selector\":\"{random}.a\"}", "selector"},
	    {"{\"selector\":\"-{random}\"}", "selector"},
	    {"{\"selector\":\"{random}-\"}", "selector"},
	    {"{\"selector\":\"{Random}\"}", "selector"},
	    {"{\"selector\":\"{random\"}", "selector"},
	    {"{\"selector\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{random}\"}",
		"selector"},
	    {"{\"delegation\":\"example\"}", "delegation"},
	    {"{\"delegation\":\"dkim.provider.example.\"}", "delegation"},
	    {"{\"delegation\":\"dkim..example\"}", "delegation"},
	    {"{\"delegation\":\"-d.example\"}", "delegation"},
	    {"{\"delegation\":\"d-.example\"}", "delegation"},
	    {"{\"delegation\":\"d im.example\"}", "delegation"},
	    {"{\"delegation\":7}", "delegation"},
	    {"{\"delegation\":\"d.example\",\"slots\":2}", "slots"},
	    {"{\"delegation\":\"d.example\",\"slots\":17}", "slots"},
	    {"{\"delegation\":\"d.example\",\"algorithms\":[\"rsa-2048\",\"ed25519\"],\"slots\":5}",
		"slots"},
	    {"{\"slots\":3}", "slots"},
	    {"{\"selector\":\"sp{slot}\"}", "selector"},
	    {"{\"selector\":\"sp{slot}{random}\"}", "selector"},
	    {"{\"delegation\":\"d.example\",\"selector\":\"s{random}\"}", "selector"},
	    {"{\"delegation\":\"d.example\",\"selector\":\"s{year}{slot}\"}", "selector"},
	    {"{\"delegation\":\"d.example\",\"selector\":\"s{slot}{slot}\"}", "selector"},
	    {"{\"delegation\":\"d.example\",\"selector\":\"fixed\"}", "selector"},
	    {"{\"proofs\":0}", "proofs"},
	    {"{\"proofs\":\"3\"}", "proofs"},
	    {"{\"jitter\":51}", "jitter"},
	    {"{\"clock_error\":0}", "clock_error"},
	    {"{\"lease\":10}", "lease"},
	    {"{\"retry\":\"2h\"}", "retry"},
	    {"{\"negative_floor\":\"2d\"}", "negative_floor"},
	    {"{\"ttl\":0}", "ttl"},
	    {"[]", "no JSON object"},
	    {"{\"manage\":true", "no JSON"},
	    {"x", "no JSON"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct key_plan plan;
		struct err err;

		if (parse(cases[i].text, -1, &plan, &err) != ST_INVALID ||
		    strstr(err.text, cases[i].names) == NULL)
			fail_msg("%s: \"%s\"", cases[i].text, err.text);
	}
}

static void
test_signature_life_covers_x(void **state)
{
	struct key_plan plan;
	struct err err;

	(void)state;
	assert_int_equal(parse("{\"signature_life\":\"3d\"}", 3 * 86400, &plan, &err), ST_OK);
	assert_int_equal(
	    parse("{\"signature_life\":\"3d\"}", 3 * 86400 + 1, &plan, &err), ST_INVALID);
	assert_non_null(strstr(err.text, "signature_life"));
	assert_int_equal(parse("", INT64_MAX, &plan, &err), ST_OK);
}

static void
test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: refused */
		const char *written;
	} cases[] = {
	    {"0", 0, "0s"},
	    {"3600", 3600, "1h"},
	    {"7d", 604800, "7d"},
	    {"1w", 604800, "7d"},
	    {"1d12h", 129600, "1d12h"},
	    {"90s", 90, "1m30s"},
	    {"1d1h1m1s", 90061, "1d1h1m1s"},
	    {"36500d", PLAN_DURATION_MAX, "36500d"},
	    {"36500d1s", -1, NULL},
	    {"3153600001", -1, NULL},
	    {"99999999999999999999d", -1, NULL},
	    {"", -1, NULL},
	    {"d", -1, NULL},
	    {"1d12", -1, NULL},
	    {"1x", -1, NULL},
	    {"-1", -1, NULL},
	    {"1 d", -1, NULL},
	    {"1D", -1, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t seconds = -1;
		struct buf out;

		if (plan_duration(span_str(cases[i].text), &seconds) != ST_OK) {
			if (cases[i].seconds != -1)
				fail_msg("\"%s\" is refused", cases[i].text);
			continue;
		}
		assert_int_equal(seconds, cases[i].seconds);
		buf_init(&out, 100);
		plan_duration_write(seconds, &out);
		assert_string_equal(buf_text(&out), cases[i].written);
		buf_free(&out);
	}
}

#define SUNDAY 1792281600 /* 2026-10-18 00:00 UTC */
#define DAY 86400
#define HOUR 3600

static void
test_windows(void **state)
{
	static const struct {
		const char *windows;
		int64_t now, next; /* next == now: open */
	} cases[] = {
	    {"[]", SUNDAY, SUNDAY},
	    {"[\"Mon-Fri 08:00-16:00\"]", SUNDAY, SUNDAY + DAY + 8 * HOUR},
	    {"[\"Mon-Fri 08:00-16:00\"]", SUNDAY + DAY + 8 * HOUR - 1, SUNDAY + DAY + 8 * HOUR},
	    {"[\"Mon-Fri 08:00-16:00\"]", SUNDAY + DAY + 8 * HOUR, SUNDAY + DAY + 8 * HOUR},
	    {"[\"Mon-Fri 08:00-16:00\"]", SUNDAY + DAY + 16 * HOUR - 1,
		SUNDAY + DAY + 16 * HOUR - 1},
	    {"[\"Mon-Fri 08:00-16:00\"]", SUNDAY + DAY + 16 * HOUR, SUNDAY + 2 * DAY + 8 * HOUR},
	    {"[\"Mon-Fri 08:00-16:00\"]", SUNDAY + 5 * DAY + 16 * HOUR,
		SUNDAY + 8 * DAY + 8 * HOUR},
	    {"[\"Fri-Mon 08:00-16:00\"]", SUNDAY + 2 * DAY, SUNDAY + 5 * DAY + 8 * HOUR},
	    {"[\"Fri-Mon 08:00-16:00\"]", SUNDAY + 9 * HOUR, SUNDAY + 9 * HOUR},
	    {"[\"sun 00:00-24:00\"]", SUNDAY + DAY - 1, SUNDAY + DAY - 1},
	    {"[\"Sun 00:00-24:00\"]", SUNDAY + DAY, SUNDAY + 7 * DAY},
	    {"[\"Sun 00:00-01:00\"]", SUNDAY + HOUR, SUNDAY + 7 * DAY},
	    {"[\"02:00-03:00\"]", SUNDAY + 3 * HOUR, SUNDAY + DAY + 2 * HOUR},
	    {"[\"Wed 02:00-03:00\",\"Tue 05:00-06:00\"]", SUNDAY, SUNDAY + 2 * DAY + 5 * HOUR},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[200];
		struct key_plan plan;
		struct err err;
		int64_t next;
		bool open;

		snprintf(text, sizeof(text), "{\"windows\":%s}", cases[i].windows);
		assert_int_equal(parse(text, -1, &plan, &err), ST_OK);
		open = plan_window_open(&plan, cases[i].now, &next);
		if (next != cases[i].next || open != (next == cases[i].now))
			fail_msg("%s: %lld", text, (long long)(next - SUNDAY));
	}
}

static void
test_jitter(void **state)
{
	struct key_plan plan;
	int64_t least = INT64_MAX, most = 0;

	(void)state;
	key_plan_default(&plan);
	for (int i = 0; i < 10000; i++) {
		char name[40];
		int64_t interval;

		snprintf(name, sizeof(name), "d%d.example", i);
		interval = plan_interval_of(&plan, span_str(name));
		assert_int_equal(interval, plan_interval_of(&plan, span_str(name)));
		least = interval < least ? interval : least;
		most = interval > most ? interval : most;
	}
	assert_in_range(least, 162 * DAY, 163 * DAY);
	assert_in_range(most, 197 * DAY, 198 * DAY);
	plan.jitter_percent = 0;
	assert_int_equal(plan_interval_of(&plan, SPAN_LIT("a")), 180 * DAY);
}

static void
test_selectors(void **state)
{
	struct key_plan plan;
	struct err err;
	struct buf out;

	(void)state;
	key_plan_default(&plan);
	buf_init(&out, 100);
	assert_int_equal(plan_selector(&plan, SUNDAY, SPAN_LIT("k3x9"), &out), ST_OK);
	assert_string_equal(buf_text(&out), "s202610-k3x9");
	buf_reset(&out);
	assert_int_equal(parse("{\"selector\":\"a{day}{random}\"}", -1, &plan, &err), ST_OK);
	assert_int_equal(plan_selector(&plan, SUNDAY, SPAN_LIT("b"), &out), ST_OK);
	assert_string_equal(buf_text(&out), "a18b");
	assert_int_equal(
	    plan_selector(&plan, SUNDAY,
		SPAN_LIT("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"), &out),
	    ST_TOO_BIG);
	assert_string_equal(buf_text(&out), "a18b");
	buf_free(&out);
}

/* ---- slots ---- */

static void
test_slots(void **state)
{
	static const char written_has[] = "\"delegation\":\"dkim.provider.example\",\"slots\":6";
	struct key_plan plan, again;
	struct buf out;
	struct err err;

	(void)state;
	assert_int_equal(
	    parse("{\"delegation\":\"DKIM.provider.example\"}", -1, &plan, &err), ST_OK);
	assert_string_equal(plan.selector, "sp{slot}");
	assert_int_equal(plan.slots, 3);
	assert_int_equal(
	    parse("{\"delegation\":\"DKIM.provider.example\",\"algorithms\":[\"rsa-2048\","
		  "\"ed25519\"],\"selector\":\"k{slot}-dkim\"}",
		-1, &plan, &err),
	    ST_OK);
	assert_string_equal(plan.delegation, "dkim.provider.example");
	assert_int_equal(plan.slots, 6);
	buf_init(&out, PLAN_TEXT_MAX);
	key_plan_write(&plan, &out);
	assert_non_null(strstr(buf_text(&out), written_has));
	assert_int_equal(key_plan_parse(buf_span(&out), -1, &again, &err), ST_OK);
	assert_int_equal(again.slots, 6);
	assert_string_equal(again.selector, "k{slot}-dkim");
	buf_reset(&out);
	assert_int_equal(plan_slot(&plan, 6, &out), ST_OK);
	assert_string_equal(buf_text(&out), "k6-dkim");
	assert_int_equal(plan_slot(&plan, 0, &out), ST_TOO_BIG);
	assert_int_equal(plan_slot(&plan, 7, &out), ST_TOO_BIG);
	assert_int_equal(plan_slot_of(&plan, SPAN_LIT("k6-dkim")), 6);
	assert_int_equal(plan_slot_of(&plan, SPAN_LIT("k7-dkim")), 0);
	assert_int_equal(plan_slot_of(&plan, SPAN_LIT("k-dkim")), 0);
	buf_free(&out);
	key_plan_default(&plan);
	assert_int_equal(plan_slot_of(&plan, SPAN_LIT("k6-dkim")), 0);
}

static void
test_targets(void **state)
{
	char label[61], domain[4 * 61 + 1] = "";
	struct key_plan plan;
	struct err err;
	struct buf out;

	(void)state;
	memset(label, 'd', 60);
	label[60] = '\0';
	assert_int_equal(
	    parse("{\"delegation\":\"dkim.provider.example\"}", -1, &plan, &err), ST_OK);
	buf_init(&out, 500);
	assert_int_equal(
	    plan_target(&plan, SPAN_LIT("sp1"), SPAN_LIT("customer.example"), &out), ST_OK);
	assert_string_equal(buf_text(&out), "sp1.customer.example.dkim.provider.example");
	/* 253 octets are a name: 3 + 1 + 227 + 1 + 21. */
	snprintf(domain, sizeof(domain), "%s.%s.%s.%.44s", label, label, label, label);
	assert_int_equal(strlen(domain), 227);
	buf_reset(&out);
	assert_int_equal(plan_target(&plan, SPAN_LIT("sp1"), span_str(domain), &out), ST_OK);
	assert_int_equal(out.n, 253);
	buf_reset(&out);
	assert_int_equal(plan_target(&plan, SPAN_LIT("sp10"), span_str(domain), &out), ST_TOO_BIG);
	assert_int_equal(out.n, 0);
	key_plan_default(&plan);
	assert_int_equal(
	    plan_target(&plan, SPAN_LIT("sp1"), SPAN_LIT("customer.example"), &out), ST_TOO_BIG);
	buf_free(&out);
}

/* 7 + 7 days, the tombstone's 30, and what caches keep. */
static void
test_slots_and_interval(void **state)
{
	static const struct {
		const char *more;
		bool warned;
	} cases[] = {
	    {"\"interval\":\"180d\"", false},
	    {"\"interval\":\"60d\"", false},
	    {"\"interval\":\"50d\"", true},
	    {"\"interval\":\"50d\",\"slots\":4", false},
	    {"\"interval\":\"30d\"", true},
	    {"\"interval\":\"30d\",\"tombstone\":\"1d\"", false},
	    {"\"interval\":0", false},
	    {"\"interval\":\"30d\",\"manage\":false", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool managed = strstr(cases[i].more, "manage") == NULL;
		struct key_plan plan;
		char text[300];
		struct err err;
		struct buf out;

		snprintf(text, sizeof(text),
		    "{\"delegation\":\"d.example\",\"publisher\":\"p\",%s%s}", cases[i].more,
		    managed ? ",\"manage\":true" : "");
		assert_int_equal(parse(text, -1, &plan, &err), ST_OK);
		buf_init(&out, 1000);
		if (plan_slots_warn(&plan, &out) != cases[i].warned)
			fail_msg("%s: \"%s\"", text, buf_text(&out));
		assert_int_equal(out.n > 0, cases[i].warned);
		buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_all_fields),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_signature_life_covers_x),
	    cmocka_unit_test(test_durations),
	    cmocka_unit_test(test_windows),
	    cmocka_unit_test(test_jitter),
	    cmocka_unit_test(test_selectors),
	    cmocka_unit_test(test_slots),
	    cmocka_unit_test(test_targets),
	    cmocka_unit_test(test_slots_and_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
