/*
 * test_operation_rules.c - the signing rules of a tenant as one set: all or nothing, and never a
 * rule that a gateway could not use.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "tests/lib/operation_world.h"

#define SHOW "{\"operation\":\"rules.show\",\"arguments\":{\"tenant\":\"acme\"}}"
#define GOOD(id)                                                                                   \
	"{\"rule\":\"" id                                                                          \
	"\",\"kind\":\"domain\",\"subject\":\"a.example\",\"domain\":\"example.org\"}"

static int
begin(void **state)
{
	*state = operation_world_begin();
	return 0;
}

static int
end(void **state)
{
	operation_world_end(*state);
	return 0;
}

/* what: "replace", "change"; members: behind the tenant. */
static enum operation_code
ask(struct operation_world *w, const char *what, const char *members, const char **answer)
{
	enum operation_code code;
	struct buf text;

	buf_init(&text, 1U << 20);
	buf_add_fmt(&text, "{\"operation\":\"rules.%s\",\"arguments\":{\"tenant\":\"acme\",%s}}",
	    what, members);
	code = operation_world_ask(w, buf_text(&text), answer);
	buf_free(&text);
	return code;
}

static size_t
count_rules(struct operation_world *w)
{
	const char *answer;
	json_t *json;
	size_t n;

	assert_int_equal(operation_world_ask(w, SHOW, &answer), OPERATION_OK);
	json = json_loads(answer, 0, NULL);
	n = json_array_size(json_object_get(json_object_get(json, "result"), "rules"));
	json_decref(json);
	return n;
}

static void
test_a_set_is_replaced(void **state)
{
	struct operation_world *w = *state;
	const char *answer;

	assert_int_equal(
	    ask(w, "replace",
		"\"rules\":[{\"rule\":\"b\",\"kind\":\"suffix\",\"subject\":\".Bücher.example\","
		"\"domain\":\"example.org\",\"priority\":-3,\"enabled\":false,"
		"\"identity\":\"@example.org\"}," GOOD("a") "]",
		&answer),
	    OPERATION_OK);
	assert_int_equal(operation_world_ask(w, SHOW, &answer), OPERATION_OK);
	assert_non_null(strstr(answer,
	    "\"rules\":[{\"rule\":\"a\",\"kind\":\"domain\",\"subject\":\"a.example\",\"domain\":"
	    "\"example.org\",\"identity\":null,\"priority\":0,\"enabled\":true},{\"rule\":\"b\","
	    "\"kind\":\"suffix\",\"subject\":\".xn--bcher-kva.example\",\"domain\":\"example.org\","
	    "\"identity\":\"@example.org\",\"priority\":-3,\"enabled\":false}]"));
	w->applied = 0;
	assert_int_equal(ask(w, "replace", "\"rules\":[" GOOD("c") "]", &answer), OPERATION_OK);
	assert_int_equal(w->applied, 1);
	assert_int_equal(count_rules(w), 1);
	/* The same once more writes nothing. */
	assert_int_equal(ask(w, "replace", "\"rules\":[" GOOD("c") "]", &answer), OPERATION_OK);
	assert_int_equal(w->applied, 1);
	assert_int_equal(ask(w, "replace", "\"rules\":[]", &answer), OPERATION_OK);
	assert_int_equal(count_rules(w), 0);
}

static void
test_some_are_changed(void **state)
{
	struct operation_world *w = *state;
	const char *answer;

	assert_int_equal(
	    ask(w, "replace", "\"rules\":[" GOOD("a") "," GOOD("b") "]", &answer), OPERATION_OK);
	assert_int_equal(
	    ask(w, "change", "\"remove\":[\"a\",\"nope\"]", &answer), OPERATION_VALIDATION);
	assert_int_equal(count_rules(w), 2);
	assert_int_equal(
	    ask(w, "change",
		"\"remove\":[\"a\"],\"rules\":[" GOOD(
		    "z") ",{\"rule\":\"b\",\"kind\":"
			 "\"address\",\"subject\":\"x@b.example\",\"domain\":\"example.org\"}]",
		&answer),
	    OPERATION_OK);
	assert_int_equal(operation_world_ask(w, SHOW, &answer), OPERATION_OK);
	assert_null(strstr(answer, "\"rule\":\"a\""));
	assert_non_null(strstr(answer, "\"rule\":\"b\",\"kind\":\"address\""));
	assert_non_null(strstr(answer, "\"rule\":\"z\""));
}

static void
test_rules_that_cannot_be(void **state)
{
	static const char *const wrong[] = {"{}", "3", "null", "\"a\"",
	    "{\"rule\":\"a\",\"kind\":\"domain\",\"subject\":\"a.example\"}",
	    "{\"rule\":\"a "
	    "b\",\"kind\":\"domain\",\"subject\":\"a.example\",\"domain\":\"example.org\"}",
	    "{\"rule\":\"\",\"kind\":\"domain\",\"subject\":\"a.example\",\"domain\":\"example."
	    "org\"}",
	    "{\"rule\":\"a\",\"kind\":\"regex\",\"subject\":\"a.example\",\"domain\":\"example."
	    "org\"}",
	    "{\"rule\":\"a\",\"kind\":\"suffix\",\"subject\":\"a.example\",\"domain\":\"example."
	    "org\"}",
	    "{\"rule\":\"a\",\"kind\":\"address\",\"subject\":\"A@a.example\",\"domain\":\"example."
	    "org\"}",
	    "{\"rule\":\"a\",\"kind\":\"pattern\",\"subject\":\"(a@b\",\"domain\":\"example.org\"}",
	    "{\"rule\":\"a\",\"kind\":\"domain\",\"subject\":\"a.example\",\"domain\":\"nope."
	    "example\"}",
	    "{\"rule\":\"a\",\"kind\":\"domain\",\"subject\":\"a.example\",\"domain\":\"other."
	    "example\"}",
	    "{\"rule\":\"a\",\"kind\":\"domain\",\"subject\":\"a.example\",\"domain\":\"example."
	    "org\",\"x\":1}",
	    "{\"rule\":\"a\",\"kind\":\"domain\",\"subject\":\"a.example\",\"domain\":\"example."
	    "org\",\"priority\":9999999}",
	    "{\"rule\":\"a\",\"kind\":\"domain\",\"subject\":\"a.example\",\"domain\":\"example."
	    "org\",\"priority\":1.5}",
	    "{\"rule\":\"a\",\"kind\":\"domain\",\"subject\":\"a.example\",\"domain\":\"example."
	    "org\",\"enabled\":1}",
	    GOOD("k")};
	struct operation_world *w = *state;
	const char *answer;

	w->applied = 0;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char members[600];

		/* The rule behind it is good: nothing of the set is written. */
		snprintf(members, sizeof(members), "\"rules\":[%s," GOOD("k") "]", wrong[i]);
		if (ask(w, "replace", members, &answer) != OPERATION_VALIDATION)
			fail_msg("%s: %s", wrong[i], answer);
		assert_null(strstr(answer, "beta"));
	}
	assert_int_equal(ask(w, "replace", "\"rules\":{}", &answer), OPERATION_VALIDATION);
	assert_int_equal(w->applied, 0);
	assert_int_equal(count_rules(w), 0);
}

static void
add_many(struct buf *text, const char *prefix, size_t count)
{
	buf_add_str(text, "\"rules\":[");
	for (size_t i = 0; i < count; i++)
		buf_add_fmt(text,
		    "%s{\"rule\":\"%s%zu\",\"kind\":\"domain\",\"subject\":\"d%zu.example\","
		    "\"domain\":\"example.org\"}",
		    i == 0 ? "" : ",", prefix, i, i);
	buf_add_char(text, ']');
}

static void
test_many(void **state)
{
	struct operation_world *w = *state;
	const char *answer;
	struct buf text;

	buf_init(&text, 1U << 20);
	add_many(&text, "r", KEYSTORE_RULES_MAX + 1);
	assert_int_equal(ask(w, "replace", buf_text(&text), &answer), OPERATION_VALIDATION);
	buf_reset(&text);
	add_many(&text, "r", 900);
	assert_int_equal(ask(w, "replace", buf_text(&text), &answer), OPERATION_OK);
	assert_int_equal(count_rules(w), 900);
	/* Too many changes for one transaction: nothing is done. */
	buf_reset(&text);
	add_many(&text, "s", 900);
	assert_int_equal(ask(w, "replace", buf_text(&text), &answer), OPERATION_VALIDATION);
	assert_non_null(strstr(answer, "two steps"));
	assert_int_equal(count_rules(w), 900);
	buf_free(&text);
}

static void
test_versions_and_callers(void **state)
{
	struct operation_world *w = *state;
	const char *answer;
	char version[40];

	assert_int_equal(ask(w, "replace", "\"rules\":[" GOOD("a") "]", &answer), OPERATION_OK);
	snprintf(version, sizeof(version), "%.17s", strstr(answer, "\"version\":\"") + 11);
	w->caller.version = span_str(version);
	assert_int_equal(ask(w, "change", "\"rules\":[" GOOD("b") "]", &answer), OPERATION_OK);
	assert_int_equal(
	    ask(w, "change", "\"rules\":[" GOOD("c") "]", &answer), OPERATION_PRECONDITION_FAILED);
	w->caller.version = SPAN_EMPTY;
	w->deny = 1;
	assert_int_equal(
	    ask(w, "change", "\"rules\":[" GOOD("c") "]", &answer), OPERATION_PRECONDITION_FAILED);
	assert_int_equal(count_rules(w), 2);
	w->caller.domains = SPAN_LIT("*.example.com");
	assert_int_equal(count_rules(w), 0);
	assert_int_equal(
	    ask(w, "change", "\"rules\":[" GOOD("c") "]", &answer), OPERATION_FORBIDDEN);
	w->caller.domains = SPAN_EMPTY;
	w->caller.tenant = SPAN_LIT("beta");
	assert_int_equal(operation_world_ask(w, SHOW, &answer), OPERATION_NOT_FOUND);
	assert_int_equal(
	    ask(w, "change", "\"rules\":[" GOOD("c") "]", &answer), OPERATION_NOT_FOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_set_is_replaced, begin, end),
	    cmocka_unit_test_setup_teardown(test_some_are_changed, begin, end),
	    cmocka_unit_test_setup_teardown(test_rules_that_cannot_be, begin, end),
	    cmocka_unit_test_setup_teardown(test_many, begin, end),
	    cmocka_unit_test_setup_teardown(test_versions_and_callers, begin, end),
	};

	operations_begin();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
