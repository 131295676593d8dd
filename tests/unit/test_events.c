/*
 * test_events.c - names of operations, "Prefer: wait", ids and types of events, and which events a
 * row of the audit is.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "admin-api/api_private.h"
#include "admin-api/audit_step.h"
#include "admin-api/events_private.h"
#include "admin-api/operation_id.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static void
test_operation_names(void **state)
{
	static const char *const good[] = {"rotation~example.org~r1790000000",
	    "rollback~example.org~r1", "publish~a.b.example~s1.x", "return~example.org~k_Ab-9",
	    "emergency~xn--bcher-kva.example~s_1", "rotations~acme~1790000000~12",
	    "rotations~~0~0"};
	static const char *const bad[] = {"", "~", "rotation", "rotation~", "rotation~example.org",
	    "rotation~example.org~", "rotation~~r1", "Rotation~example.org~r1",
	    "rotation~EXAMPLE.org~r1", "rotation~example.org~r1~x", "rotation~example.org~r 1",
	    "rotation~example.org~r1\n", "rotations~acme~1", "rotations~acme~1~",
	    "rotations~acme~~1", "rotations~acme~01~1", "rotations~acme~1~-1", "rotations~AC~1~1",
	    "rotations~acme~1~2~3", "rotations~acme~99999999999999999999~1",
	    "nothing~example.org~r1"};
	char again[OPERATION_ID_MAX + 1];
	struct operation_id id;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_true(operation_id_parse(span_str(good[i]), &id));
		assert_true(operation_id_write(&id, again));
		assert_string_equal(again, good[i]);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(operation_id_parse(span_str(bad[i]), &id));
	id = (struct operation_id){
	    .kind = OPERATION_KIND_HOLD, .domain = SPAN_LIT("a.example"), .name = SPAN_LIT("x/y")};
	assert_false(operation_id_write(&id, again));
}

static void
test_prefer(void **state)
{
	static const struct {
		const char *value;
		unsigned wait_s;
	} cases[] = {{"wait=10", 10}, {"wait=30", 30}, {"wait=31", 30}, {"WAIT = 5", 5},
	    {"respond-async, wait=7", 7}, {"wait=3;x=y, wait=9", 3}, {"wait=\"4\"", 4},
	    {"wait=0", 0}, {"wait", 0}, {"wait=", 0}, {"wait=-1", 0}, {"wait=1.5", 0},
	    {"wait=99999999999999999999", 0}, {"waiting=4", 0}, {"", 0}, {",,;=,", 0}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(api_prefer_wait(span_str(cases[i].value)), cases[i].wait_s);
}

static void
test_places(void **state)
{
	static const struct {
		const char *text;
		uint64_t seq;
		unsigned more;
	} cases[] = {{"0", 0, 0}, {"17", 17, 0}, {"17.2", 16, 2}, {"1.1", 0, 1}};
	static const char *const bad[] = {"", ".", "1.", ".1", "0.1", "1.0", "-1", "1.2.3", "x",
	    "1 ", "99999999999999999999", "1.1001"};
	struct event_place place;
	char text[48];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_true(event_place_parse(span_str(cases[i].text), &place));
		assert_true(place.seq == cases[i].seq && place.more == cases[i].more);
		event_place_write(&place, text);
		assert_string_equal(text, cases[i].text);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(event_place_parse(span_str(bad[i]), &place));
}

static void
test_types(void **state)
{
	static const char *const bad[] = {"x", "key", "key.", "*", "key.*.*", ",key.held", ","};
	uint64_t all, keys, one, both;

	(void)state;
	assert_true(event_types_parse(SPAN_EMPTY, &all));
	assert_true(event_types_parse(SPAN_LIT("key.*"), &keys));
	assert_true(event_types_parse(SPAN_LIT("key.activated"), &one));
	assert_true(event_types_parse(SPAN_LIT("dns.drift, key.activated"), &both));
	assert_true((keys & one) == one && (keys & both) == one && (both & ~keys) != 0);
	assert_true(all == UINT64_MAX && one == UINT64_C(1) << event_type_bit("key.activated"));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(event_types_parse(span_str(bad[i]), &one));
}

/* The types of a row, with commas between them. */
static const char *
types_of(const char *action, const char *detail, const char *result)
{
	static char out[1024];
	struct event list[EVENTS_OF_ROW_MAX];
	const struct store_audit row = {.seq = 9,
	    .action = span_str(action),
	    .detail = span_str(detail),
	    .object = SPAN_LIT("example.org"),
	    .result = span_str(result)};
	size_t count = events_of_row(&row, list);

	out[0] = '\0';
	for (size_t i = 0; i < count; i++)
		strcat(strcat(out, i > 0 ? "," : ""), list[i].type);
	return out;
}

static void
test_rows(void **state)
{
	static const char *const cases[][3] = {
	    {"life", "s1: - to PREPARED", "key.generated"},
	    {"life", "s1: LOADED to ACTIVE; s0: ACTIVE to RETIRING; rotation r17: finished",
		"key.activated,key.retired,rotation.finished"},
	    {"life", "s1: PUBLISHED to PROVEN: ns1: slow, very", "key.verified"},
	    {"life", "s1: drifted: it is gone; s2: right; s3: stuck: no answer",
		"dns.drift,dns.restored,rotation.stuck"},
	    {"life", "s1: ACTIVE to NOTHING; s2 ACTIVE to HELD; : ACTIVE to HELD; x", ""},
	    {"life", "s1: ACTIVE to ACTIVE", ""},
	    {"life", "", ""},
	    {"rotate", "s1: LOADED to ACTIVE", "rotation.started"},
	    {"key.hold", "s1: LOADED to HELD; \"s2: LOADED to ACTIVE", "key.held"},
	    {"domain.add", "", "domain.added"},
	    {"operation.cancel", "", "rotation.aborted"},
	    {"provider.add", "", "provider.added"},
	    {"provider.set", "", "provider.changed"},
	    {"provider.remove", "", "provider.removed"},
	    {"provider.test", "", "provider.tested"},
	    {"something.new", "s1: LOADED to ACTIVE", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(types_of(cases[i][0], cases[i][1], "ok"), cases[i][2]);
	assert_string_equal(types_of("domain.add", "", "exists"), "");
}

static void
test_written(void **state)
{
	const struct store_audit row = {.seq = 9,
	    .at = 1790000000,
	    .action = SPAN_LIT("life"),
	    .tenant = SPAN_LIT("acme"),
	    .object = SPAN_LIT("example.org"),
	    .detail = SPAN_LIT("s1: LOADED to ACTIVE; rotation r17: finished"),
	    .result = SPAN_LIT("ok")};
	struct event list[EVENTS_OF_ROW_MAX];
	struct buf text;

	(void)state;
	buf_init(&text, 4096);
	assert_int_equal(events_of_row(&row, list), 2);
	event_write(&row, &list[0], 0, 2, &text);
	event_write(&row, &list[1], 1, 2, &text);
	assert_string_equal(buf_text(&text),
	    "event: key.activated\nid: 9.1\ndata: {\"type\":\"key.activated\",\"at\":"
	    "\"2026-09-21T14:13:20Z\",\"seq\":9,\"tenant\":\"acme\",\"domain\":\"example.org\","
	    "\"selector\":\"s1\",\"from\":\"LOADED\",\"to\":\"ACTIVE\"}\n\n"
	    "event: rotation.finished\nid: 9\ndata: {\"type\":\"rotation.finished\",\"at\":"
	    "\"2026-09-21T14:13:20Z\",\"seq\":9,\"tenant\":\"acme\",\"domain\":\"example.org\","
	    "\"rotation\":\"r17\"}\n\n");
	buf_free(&text);
}

/* Whatever somebody gives as a reason. */
static void
test_reasons(void **state)
{
	static const char *const reasons[] = {"s1: LOADED to ACTIVE", "x; s1: LOADED to ACTIVE",
	    "rotation r1: finished", "s1: stuck", ";; s1: drifted", "", ";", ": - to ACTIVE",
	    "a\n; s1: HELD to ACTIVE"};

	(void)state;
	for (size_t i = 0; i < COUNT(reasons); i++) {
		struct audit_step step;
		struct span rest;
		struct buf text;

		buf_init(&text, 4096);
		audit_step_add_words(&text, span_str(reasons[i]));
		rest = buf_span(&text);
		assert_false(audit_step_next(&rest, &step));
		buf_reset(&text);
		buf_add_str(&text, "s9: LOADED to HELD; ");
		audit_step_add_words(&text, span_str(reasons[i]));
		rest = buf_span(&text);
		assert_true(audit_step_next(&rest, &step));
		assert_false(audit_step_next(&rest, &step));
		buf_free(&text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_operation_names),
	    cmocka_unit_test(test_prefer), cmocka_unit_test(test_places),
	    cmocka_unit_test(test_types), cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_written), cmocka_unit_test(test_reasons)};

	return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
