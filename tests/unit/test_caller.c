/*
 * test_caller.c - who may ask what of signpost-admind: scopes, patterns of domains, other tenants'
 * rows, which do not exist, and versions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin-api/scope.h"
#include "tests/lib/operation_world.h"

#define HOLD_S2                                                                                    \
	"{\"operation\":\"key.hold\",\"arguments\":{\"domain\":\"example.org\",\"selector\":"      \
	"\"s2\"}}"

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

/* ---- scopes ---- */

static void
test_scopes_are_read_back(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < SCOPES_COUNT; i++) {
		uint32_t scopes, again;
		struct err err = ERR_NONE;
		struct buf text;

		buf_init(&text, SCOPES_TEXT_MAX);
		scopes = 1U << i | 1U;
		scopes_write(scopes, &text);
		assert_int_equal(scopes_parse(buf_span(&text), &again, &err), ST_OK);
		assert_int_equal(again, scopes);
		assert_true(strlen(scope_name((enum scope)(1U << i))) > 3);
		buf_free(&text);
	}
}

static void
test_words_of_scopes(void **state)
{
	static const struct {
		const char *text;
		uint32_t scopes; /* 0: refused */
	} cases[] = {{"keys:read", SCOPE_KEYS_READ},
	    {" keys:read  dns:test ", SCOPE_KEYS_READ | SCOPE_DNS_TEST},
	    {"nodes:*", SCOPE_NODES_READ | SCOPE_NODES_WRITE}, {"*", SCOPES_ALL},
	    {"role:publisher",
		SCOPE_DOMAINS_READ | SCOPE_KEYS_READ | SCOPE_DNS_READ | SCOPE_DNS_TEST},
	    {"role:monitor keys:read", SCOPE_METRICS_READ | SCOPE_NODES_READ | SCOPE_KEYS_READ},
	    {"", 0}, {" ", 0}, {"keys", 0}, {"keys:", 0}, {"keys:reads", 0}, {"keys*", 0},
	    {":*", 0}, {"Keys:read", 0}, {"role:", 0}, {"role:root", 0}, {"role:*", 0},
	    {"none:*", 0}, {"keys:read,dns:test", 0}, {"keys:read bogus", 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_NONE;
		uint32_t scopes = 1;
		enum status status = scopes_parse(span_str(cases[i].text), &scopes, &err);

		if (status != (cases[i].scopes == 0 ? ST_INVALID : ST_OK) ||
		    (status == ST_OK && scopes != cases[i].scopes))
			fail_msg("\"%s\": %s, %x", cases[i].text, status_name(status), scopes);
		assert_true(status == ST_OK || err.text[0] != '\0');
	}
}

static void
test_patterns_of_domains(void **state)
{
	static const struct {
		const char *patterns, *domain;
		bool fits;
	} cases[] = {{"", "example.org", true}, {"*", "example.org", true},
	    {"example.org", "example.org", true}, {"example.org", "a.example.org", false},
	    {"example.org", "badexample.org", false}, {"*.example.org", "a.example.org", true},
	    {"*.example.org", "a.b.example.org", true}, {"*.example.org", "example.org", false},
	    {"*.example.org", ".example.org", false}, {"*.example.org", "badexample.org", false},
	    {"a.example b.example", "b.example", true},
	    {"a.example b.example", "c.example", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (scope_domain_fits(span_str(cases[i].patterns), span_str(cases[i].domain)) !=
		    cases[i].fits)
			fail_msg("\"%s\", %s", cases[i].patterns, cases[i].domain);
}

static void
test_what_is_no_pattern(void **state)
{
	static const char *const good[] = {"", "*", "example.org", "*.example.org a.example"};
	static const char *const bad[] = {
	    "*.", "*example.org", "a.*.org", "Example.org", "a b*", "."};
	struct err err = ERR_NONE;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(scope_domains_check(span_str(good[i]), &err), ST_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (scope_domains_check(span_str(bad[i]), &err) != ST_INVALID)
			fail_msg("%s", bad[i]);
}

/* ---- operations ---- */

static const char *
ask(struct operation_world *world, const char *request, enum operation_code wanted)
{
	const char *answer;
	enum operation_code code = operation_world_ask(world, request, &answer);

	if (code != wanted)
		fail_msg("%s: %s instead of %s: %s", request, operation_code_name(code),
		    operation_code_name(wanted), answer);
	return answer;
}

/* Whatever a tenant asks about what is not its own: it hears what it hears of what is not there. */
static void
test_another_tenants_rows_are_not_there(void **state)
{
	static const char *const about[] = {"domain.show", "domain.set", "domain.remove",
	    "key.list", "key.generate", "emergency", "rotate", "status", "drift"};
	struct operation_world *world = *state;

	world->caller.tenant = SPAN_LIT("beta");
	for (size_t i = 0; i < sizeof(about) / sizeof(about[0]); i++) {
		char request[300], theirs[1000];
		const char *reason =
		    strcmp(about[i], "rotate") == 0 || strcmp(about[i], "emergency") == 0
			? ",\"reason\":\"x\""
			: "";

		snprintf(request, sizeof(request),
		    "{\"operation\":\"%s\",\"arguments\":{\"domain\":\"example.org\"%s}}", about[i],
		    reason);
		snprintf(theirs, sizeof(theirs), "%s", ask(world, request, OPERATION_NOT_FOUND));
		snprintf(request, sizeof(request),
		    "{\"operation\":\"%s\",\"arguments\":{\"domain\":\"example.xyz\"%s}}", about[i],
		    reason);
		/* Letter by letter, but for the name. */
		for (char *p; (p = strstr(theirs, "example.org")) != NULL;)
			memcpy(p, "example.xyz", 11);
		assert_string_equal(theirs, ask(world, request, OPERATION_NOT_FOUND));
	}
}

static void
test_lists_have_ones_own(void **state)
{
	struct operation_world *world = *state;
	const char *answer;

	answer = ask(world, "{\"operation\":\"domain.list\"}", OPERATION_OK);
	assert_non_null(strstr(answer, "example.org"));
	assert_non_null(strstr(answer, "other.example"));
	world->caller.tenant = SPAN_LIT("beta");
	answer = ask(world, "{\"operation\":\"domain.list\"}", OPERATION_OK);
	assert_null(strstr(answer, "\"example.org\","));
	assert_non_null(strstr(answer, "other.example"));
	answer = ask(world, "{\"operation\":\"tenant.list\"}", OPERATION_OK);
	assert_null(strstr(answer, "\"tenant\":\"acme\""));
	answer = ask(world, "{\"operation\":\"policy.list\"}", OPERATION_OK);
	assert_null(strstr(answer, "\"tenant\":\"acme\""));
	answer = ask(world, "{\"operation\":\"status\"}", OPERATION_OK);
	assert_non_null(strstr(answer, "\"keys\":0"));
	assert_null(strstr(answer, "\"store\""));
	ask(world, "{\"operation\":\"tenant.show\",\"arguments\":{\"tenant\":\"acme\"}}",
	    OPERATION_NOT_FOUND);
	ask(world, "{\"operation\":\"domain.list\",\"arguments\":{\"tenant\":\"acme\"}}",
	    OPERATION_OK);
}

static void
test_a_domain_that_others_have(void **state)
{
	struct operation_world *world = *state;
	const char *answer;

	world->caller.tenant = SPAN_LIT("beta");
	answer = ask(world,
	    "{\"operation\":\"domain.add\",\"arguments\":{\"domain\":\"example.org\",\"tenant\":"
	    "\"beta\"}}",
	    OPERATION_OWNED_ELSEWHERE);
	assert_null(strstr(answer, "acme"));
	world->caller.domains = SPAN_LIT("*.beta.example");
	ask(world,
	    "{\"operation\":\"domain.add\",\"arguments\":{\"domain\":\"new.example\",\"tenant\":"
	    "\"beta\"}}",
	    OPERATION_FORBIDDEN);
	ask(world, "{\"operation\":\"domain.show\",\"arguments\":{\"domain\":\"other.example\"}}",
	    OPERATION_NOT_FOUND);
	ask(world,
	    "{\"operation\":\"domain.add\",\"arguments\":{\"domain\":\"a.beta.example\","
	    "\"tenant\":\"beta\"}}",
	    OPERATION_OK);
}

/* With all arguments that it needs. */
static void
write_request(const struct operation *operation, char *out, size_t room)
{
	static const char *const values[][2] = {{"tenant", "acme"}, {"policy", "std"},
	    {"domain", "example.org"}, {"selector", "s2"}, {"reason", "x"}, {"pem", "x"},
	    {"gateway", "g1"}, {"rotation", "r1"}, {"token", "t_1"}, {"scopes", "keys:read"},
	    {"operation", "hold~example.org~s2"}, {"provider", "own"}, {"kind", "manual"},
	    {"zone", "example.org"}};
	int n = snprintf(out, room, "{\"operation\":\"%s\",\"arguments\":{", operation->name);
	const char *comma = "";

	for (size_t i = 0; i < operation->argument_count; i++) {
		if (operation->arguments[i].needed &&
		    operation->arguments[i].type == OPERATION_LIST) {
			n += snprintf(out + n, room - (size_t)n, "%s\"%s\":[]", comma,
			    operation->arguments[i].name);
			comma = ",";
		}
		for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++)
			if (operation->arguments[i].needed &&
			    strcmp(values[k][0], operation->arguments[i].name) == 0) {
				n += snprintf(out + n, room - (size_t)n, "%s\"%s\":\"%s\"", comma,
				    values[k][0], values[k][1]);
				comma = ",";
			}
	}
	snprintf(out + n, room - (size_t)n, "}}");
}

static void
test_without_the_scope(void **state)
{
	struct operation_world *world = *state;
	size_t count;
	const struct operation *all = operations_all(&count);

	for (size_t i = 0; i < count; i++) {
		char request[400];

		assert_true(scope_name(all[i].scope)[0] != '\0');
		write_request(&all[i], request, sizeof(request));
		world->caller.scopes = SCOPES_ALL & ~(uint32_t)all[i].scope;
		ask(world, request, OPERATION_FORBIDDEN);
	}
	assert_int_equal(world->applied, 0);
}

static void
test_versions(void **state)
{
	static const char show[] =
	    "{\"operation\":\"key.show\",\"arguments\":{\"domain\":\"example.org\",\"selector\":"
	    "\"s2\"}}";
	struct operation_world *world = *state;
	char version[200];
	const char *p;

	p = strstr(ask(world, show, OPERATION_OK), "\"version\":\"");
	assert_non_null(p);
	p += strlen("\"version\":\"");
	snprintf(version, sizeof(version), "%.*s", (int)strcspn(p, "\""), p);
	/* The number behind the dot is the row's: it may have grown. */
	strcat(version, "7");
	world->caller.version = span_str(version);
	ask(world, HOLD_S2, OPERATION_OK);
	ask(world, HOLD_S2, OPERATION_PRECONDITION_FAILED);
	world->caller.version = SPAN_LIT("*");
	ask(world,
	    "{\"operation\":\"key.release\",\"arguments\":{\"domain\":\"example.org\",\"selector\":"
	    "\"s2\"}}",
	    OPERATION_OK);
	world->caller.version = SPAN_LIT("d0000000000000000.1");
	ask(world,
	    "{\"operation\":\"domain.set\",\"arguments\":{\"domain\":\"example.org\",\"enabled\":"
	    "false}}",
	    OPERATION_PRECONDITION_FAILED);
	ask(world,
	    "{\"operation\":\"rotate\",\"arguments\":{\"domain\":\"example.org\",\"reason\":\"x\"}"
	    "}",
	    OPERATION_PRECONDITION_FAILED);
	ask(world, "{\"operation\":\"tenant.set\",\"arguments\":{\"tenant\":\"acme\"}}",
	    OPERATION_PRECONDITION_FAILED);
	ask(world,
	    "{\"operation\":\"policy.set\",\"arguments\":{\"tenant\":\"acme\",\"policy\":\"std\"}}",
	    OPERATION_PRECONDITION_FAILED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_scopes_are_read_back),
	    cmocka_unit_test(test_words_of_scopes),
	    cmocka_unit_test(test_patterns_of_domains),
	    cmocka_unit_test(test_what_is_no_pattern),
	    cmocka_unit_test_setup_teardown(test_another_tenants_rows_are_not_there, begin, end),
	    cmocka_unit_test_setup_teardown(test_lists_have_ones_own, begin, end),
	    cmocka_unit_test_setup_teardown(test_a_domain_that_others_have, begin, end),
	    cmocka_unit_test_setup_teardown(test_without_the_scope, begin, end),
	    cmocka_unit_test_setup_teardown(test_versions, begin, end),
	};

	return cmocka_run_group_tests_name("caller", tests, NULL, NULL);
}
