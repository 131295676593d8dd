/*
 * test_operation_resolve.c - what would sign for a sender, and that nobody learns from it what
 * another tenant has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/operation_world.h"

static int
begin(void **state)
{
	struct operation_world *w = operation_world_begin();
	struct keystore_write write = {.what = STORE_BINDING,
	    .how = WRITE_ADD,
	    .row.binding = {
		.subject = SPAN_LIT("client:192.0.2.0/24"), .tenant = SPAN_LIT("beta")}};
	struct err err = ERR_NONE;
	size_t at;

	*state = w;
	w->admin.canonicalization = "relaxed/simple";
	return w->admin.store->ops->apply(w->admin.store, &write, 1, &at, &err) == ST_OK ? 0 : 1;
}

static int
end(void **state)
{
	operation_world_end(*state);
	return 0;
}

static enum operation_code
ask(struct operation_world *w, const char *members, const char **answer)
{
	char request[600];

	snprintf(
	    request, sizeof(request), "{\"operation\":\"resolve\",\"arguments\":{%s}}", members);
	return operation_world_ask(w, request, answer);
}

static void
expect(struct operation_world *w, const char *members, const char *has)
{
	const char *answer;

	assert_int_equal(ask(w, members, &answer), OPERATION_OK);
	if (strstr(answer, has) == NULL)
		fail_msg("%s: %s is not in %s", members, has, answer);
}

static void
test_what_signs(void **state)
{
	struct operation_world *w = *state;

	expect(w, "\"from\":\"Me <me@EXAMPLE.org>\"", "\"sender\":\"me@example.org\"");
	expect(w, "\"from\":\"me@example.org\"",
	    "\"answer\":\"sign\",\"why\":\"the domain itself: signs as example.org with s1\"");
	expect(w, "\"mail_from\":\"me@example.org\"", "\"used\":\"mail_from\"");
	expect(w, "\"from\":\"me@example.org\",\"mail_from\":\"x@other.example\"",
	    "\"row\":\"example.org\",\"domain\":\"example.org\"");
	expect(w, "\"from\":\"me@example.org\"",
	    "\"keys\":[{\"selector\":\"s1\",\"algorithm\":\"ed25519-sha256\",\"bits\":256,"
	    "\"state\":"
	    "\"ACTIVE\"}]");
	expect(w, "\"from\":\"me@example.org\"", "\"canonicalization\":\"relaxed/simple\"");
}

static void
test_why_not(void **state)
{
	struct operation_world *w = *state;

	expect(w, "\"from\":\"me@nowhere.example\"", "\"answer\":\"no-rule\"");
	expect(w, "\"from\":\"me@other.example\"", "\"answer\":\"no-key\"");
	expect(w, "\"from\":\"me@example.org\",\"client\":\"192.0.2.9\"",
	    "\"session_tenant\":\"beta\",\"answer\":\"tenant\"");
	expect(w, "\"from\":\"me@example.org\",\"macros\":{\"{client_addr}\":\"192.0.2.9\"}",
	    "\"answer\":\"tenant\"");
	/* Who has logged in speaks for himself. */
	expect(w,
	    "\"from\":\"me@example.org\",\"client\":\"192.0.2.9\",\"macros\":{\"auth_authen\":"
	    "\"me\"}",
	    "\"session_tenant\":null,\"answer\":\"sign\"");
	expect(w, "\"from\":\"me@other.example\",\"tenant\":\"acme\"", "\"answer\":\"tenant\"");
	w->admin.require_tenant = true;
	expect(w, "\"from\":\"me@example.org\"", "\"answer\":\"sign\"");
	expect(
	    w, "\"from\":\"me@example.org\",\"client\":\"198.51.100.1\"", "\"answer\":\"tenant\"");
}

static void
test_a_rule(void **state)
{
	struct operation_world *w = *state;
	const char *answer;

	assert_int_equal(
	    operation_world_ask(w,
		"{\"operation\":\"rules.replace\",\"arguments\":{\"tenant\":\"acme\","
		"\"rules\":[{\"rule\":\"r1\",\"kind\":\"suffix\",\"subject\":\".a.example\","
		"\"domain\":\"example.org\"}]}}",
		&answer),
	    OPERATION_OK);
	expect(w, "\"from\":\"me@b.a.example\"", "\"rule\":{\"rule\":\"r1\",\"kind\":\"suffix\"");
	expect(w, "\"from\":\"me@b.a.example\"", "\"row\":null,\"domain\":\"example.org\"");
}

static void
test_questions_that_are_none(void **state)
{
	static const char *const wrong[] = {"", "\"from\":\"\"", "\"from\":\"nobody\"",
	    "\"from\":\"a@b.example, c@d.example\"",
	    "\"from\":\"a@b.example\",\"macros\":{\"auth_autehn\":\"x\"}",
	    "\"from\":\"a@b.example\",\"macros\":{\"{auth_authen\":\"x\"}",
	    "\"from\":\"a@b.example\",\"macros\":{\"auth_authen\":1}",
	    "\"from\":\"a@b.example\",\"macros\":[]", "\"from\":\"a@b.example\",\"x\":1"};
	struct operation_world *w = *state;
	const char *answer;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(ask(w, wrong[i], &answer), OPERATION_VALIDATION);
	w->caller.scopes = SCOPES_ALL & ~(uint32_t)SCOPE_MAIL_CHECK;
	assert_int_equal(ask(w, "\"from\":\"a@example.org\"", &answer), OPERATION_FORBIDDEN);
}

/* What does not exist, and what another tenant has, is told in the same words. */
static void
test_of_another_tenant(void **state)
{
	static const char *const others[] = {"\"from\":\"me@example.org\"",
	    "\"from\":\"me@nowhere.example\"",
	    "\"from\":\"me@example.org\",\"client\":\"192.0.2.9\""};
	struct operation_world *w = *state;
	const char *answer;

	w->caller.tenant = SPAN_LIT("beta");
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(ask(w, others[i], &answer), OPERATION_OK);
		assert_non_null(
		    strstr(answer, "\"answer\":\"no-rule\",\"why\":\"nothing of the tenant is "
				   "about this sender and this client\",\"tenant\":null"));
		assert_null(strstr(answer, "acme"));
	}
	expect(w, "\"from\":\"me@other.example\"", "\"answer\":\"no-key\"");
	assert_int_equal(ask(w, "\"from\":\"me@example.org\",\"tenant\":\"acme\"", &answer),
	    OPERATION_NOT_FOUND);
	w->caller.tenant = SPAN_LIT("acme");
	assert_int_equal(
	    ask(w, "\"from\":\"me@example.org\",\"client\":\"192.0.2.9\"", &answer), OPERATION_OK);
	assert_null(strstr(answer, "beta"));
	assert_non_null(strstr(answer, "\"session_tenant\":null,\"answer\":\"no-rule\""));
	expect(w, "\"from\":\"me@example.org\"", "\"answer\":\"sign\"");
	w->caller.domains = SPAN_LIT("*.example.org");
	expect(w, "\"from\":\"me@example.org\"", "\"answer\":\"no-rule\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_what_signs, begin, end),
	    cmocka_unit_test_setup_teardown(test_why_not, begin, end),
	    cmocka_unit_test_setup_teardown(test_a_rule, begin, end),
	    cmocka_unit_test_setup_teardown(test_questions_that_are_none, begin, end),
	    cmocka_unit_test_setup_teardown(test_of_another_tenant, begin, end),
	};

	operations_begin();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
