/*
 * test_api_route.c - the paths of the HTTP API: which request is which route, and what only looks
 * like one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin-api/operations.h"
#include "admin-api/route.h"

static enum route_found
find(const char *method, const char *path, struct route_match *match)
{
	return route_of_path(span_str(method), span_str(path), match);
}

/* The path of a route with "x" in the place of each name. */
static void
filled(const struct route *route, char *out)
{
	size_t n = 0;

	for (const char *p = route->path; *p != '\0'; p++) {
		if (*p == '{') {
			out[n++] = 'x';
			p = strchr(p, '}');
		} else {
			out[n++] = *p;
		}
	}
	out[n] = '\0';
}

static void
test_each_route_is_found(void **state)
{
	size_t count;
	const struct route *routes = routes_all(&count);

	(void)state;
	assert_true(count > 40);
	for (size_t i = 0; i < count; i++) {
		struct route_match match;
		char path[200];

		filled(&routes[i], path);
		assert_int_equal(find(routes[i].method, path, &match), ROUTE_FOUND);
		assert_ptr_equal(match.route, &routes[i]);
		for (size_t k = 0; k < match.count; k++)
			assert_string_equal(match.values[k], "x");
		assert_int_equal(find("BREW", path, &match), ROUTE_METHOD);
		assert_non_null(match.allowed[0]);
		strcat(path, "/");
		assert_int_equal(find(routes[i].method, path, &match), ROUTE_NONE);
	}
}

/* What a table says of an operation has to be so. */
static void
test_each_route_fits_its_operation(void **state)
{
	size_t count;
	const struct route *routes = routes_all(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct operation *operation;

		if (routes[i].operation == NULL)
			continue;
		operation = operation_find(span_str(routes[i].operation));
		assert_non_null(operation);
		/* A GET changes nothing; what comes with a condition or once does. */
		assert_true(strcmp(routes[i].method, "GET") != 0 || !operation->changes);
		assert_true((routes[i].flags & (ROUTE_IF_MATCH | ROUTE_ONCE | ROUTE_PUT)) == 0 ||
			    operation->changes);
	}
}

static void
test_paths(void **state)
{
	static const struct {
		const char *path;
		enum route_found found;
		const char *last; /* value of the last name */
	} cases[] = {
	    {"/v1/tenants/acme", ROUTE_FOUND, "acme"},
	    {"/v1/tenants/%61cme", ROUTE_FOUND, "acme"},
	    {"/v1/tenants/a%2Fb", ROUTE_FOUND, "a/b"},
	    {"/v1/tenants/a%3Ab", ROUTE_FOUND, "a:b"},
	    {"/v1/tenants/..", ROUTE_FOUND, ".."},
	    {"/v1/tenants/a:b", ROUTE_NONE, NULL},
	    {"/v1/tenants/", ROUTE_NONE, NULL},
	    {"/v1//tenants", ROUTE_NONE, NULL},
	    {"/v1/tenants//domains", ROUTE_NONE, NULL},
	    {"/V1/tenants", ROUTE_NONE, NULL},
	    {"/v1/%74enants", ROUTE_NONE, NULL},
	    {"/v1/tenants/acme/../beta", ROUTE_NONE, NULL},
	    {"/", ROUTE_NONE, NULL},
	    {"", ROUTE_MALFORMED, NULL},
	    {"v1/tenants", ROUTE_MALFORMED, NULL},
	    {"/v1/tenants/%", ROUTE_MALFORMED, NULL},
	    {"/v1/tenants/%4", ROUTE_MALFORMED, NULL},
	    {"/v1/tenants/%zz", ROUTE_MALFORMED, NULL},
	    {"/v1/tenants/a%00", ROUTE_MALFORMED, NULL},
	    {"/1/2/3/4/5/6/7/8/9/10/11/12", ROUTE_NONE, NULL},
	    {"/1/2/3/4/5/6/7/8/9/10/11/12/13", ROUTE_NONE, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct route_match match;

		print_message("# %s\n", cases[i].path);
		assert_int_equal(find("GET", cases[i].path, &match), cases[i].found);
		if (cases[i].last != NULL)
			assert_string_equal(match.values[match.count - 1], cases[i].last);
	}
}

static void
test_actions(void **state)
{
	static const struct {
		const char *path, *operation, *selector;
	} cases[] = {
	    {"/v1/tenants/t/domains/d/keys/s1:hold", "key.hold", "s1"},
	    {"/v1/tenants/t/domains/d/keys/s1%3Ahold:hold", "key.hold", "s1:hold"},
	    {"/v1/tenants/t/domains/d:emergency-revoke", "emergency", NULL},
	    {"/v1/tenants/t/domains/d/keys/s1:verify:hold", NULL, NULL},
	    {"/v1/tenants/t/domains/d/keys/:hold", NULL, NULL},
	    {"/v1/tenants/t/domains/d/keys/s1:hol", NULL, NULL},
	    {"/v1/tenants/t/domains/d/keys/s1:", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct route_match match;
		enum route_found found = find("POST", cases[i].path, &match);

		print_message("# %s\n", cases[i].path);
		assert_true((found == ROUTE_FOUND) == (cases[i].operation != NULL));
		if (found == ROUTE_FOUND)
			assert_string_equal(match.route->operation, cases[i].operation);
		if (cases[i].selector != NULL)
			assert_string_equal(match.values[match.count - 1], cases[i].selector);
	}
}

static void
test_long_values(void **state)
{
	char path[2 * ROUTE_PART_MAX];
	struct route_match match;

	(void)state;
	for (size_t n = ROUTE_PART_MAX - 1; n <= ROUTE_PART_MAX + 1; n++) {
		int at = snprintf(path, sizeof(path), "/v1/tenants/");

		memset(path + at, 'a', n);
		path[(size_t)at + n] = '\0';
		assert_int_equal(
		    find("GET", path, &match), n <= ROUTE_PART_MAX ? ROUTE_FOUND : ROUTE_MALFORMED);
	}
}

static void
test_percent_decode(void **state)
{
	static const struct {
		const char *text;
		bool plus;
		const char *out; /* NULL: malformed */
	} cases[] = {{"", false, ""}, {"a+b", false, "a+b"}, {"a+b", true, "a b"},
	    {"%2B", true, "+"}, {"%41%42", false, "AB"}, {"%e4%F6", false, "\xe4\xf6"},
	    {"%2541", false, "%41"}, {"%", false, NULL}, {"%4", false, NULL}, {"%4g", false, NULL},
	    {"%00", false, NULL}, {"12345678", false, NULL}, {"1234567", false, "1234567"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char out[8];
		bool good =
		    percent_decode(span_str(cases[i].text), cases[i].plus, out, sizeof(out));

		assert_true(good == (cases[i].out != NULL));
		if (good)
			assert_string_equal(out, cases[i].out);
	}
}

/* ---- the other way round ---- */

static bool
is_one_of(const void *context, struct span name)
{
	for (const char *const *p = context; *p != NULL; p++)
		if (span_eq_str(name, *p))
			return true;
	return false;
}

static void
test_route_of_operation(void **state)
{
	static const char *const none[] = {NULL}, *const tenant[] = {"tenant", NULL},
				 *const both[] = {"tenant", "domain", NULL};

	(void)state;
	assert_string_equal(route_of_operation("status", is_one_of, none)->path, "/v1/status");
	assert_string_equal(
	    route_of_operation("status", is_one_of, tenant)->path, "/v1/tenants/{tenant}/status");
	assert_string_equal(route_of_operation("status", is_one_of, both)->path,
	    "/v1/tenants/{tenant}/domains/{domain}/status");
	assert_null(route_of_operation("domain.show", is_one_of, tenant));
	assert_null(route_of_operation("nothing", is_one_of, both));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_route_is_found),
	    cmocka_unit_test(test_each_route_fits_its_operation),
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_actions),
	    cmocka_unit_test(test_long_values),
	    cmocka_unit_test(test_percent_decode),
	    cmocka_unit_test(test_route_of_operation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
