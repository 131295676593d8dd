/*
 * test_store_ldap.c - LDAP URLs, what becomes of a query in them, and when a server that is away is
 * tried again. No server is asked; tests/integration/test_ldap.py has one.
 */
#include "tests/unit/store_help.h"

#include "backends/breaker.h"
#include "backends/ldap_url.h"

static void
parse(const char *type, const char *value, struct ldapurl *out)
{
	struct err err = ERR_NONE;

	if (ldapurl_parse(type, span_str(value), out, &err) != ST_OK)
		fail_msg("%s: %s", value, err.text);
}

static void
one_url_taken_apart(void **state)
{
	struct ldapurl url;

	(void)state;
	parse("ldap", "//h:389/dc=a%20b?X,y;lang-de,?sub?(a=$d)?bindname=x", &url);
	assert_int_equal(url.server_count, 1);
	assert_string_equal(url.servers[0].uri, "ldap://h:389");
	assert_string_equal(url.base, "dc=a b");
	assert_string_equal(url.filter, "(a=$d)");
	assert_int_equal(url.attribute_count, 2);
	assert_string_equal(url.attributes[0], "X");
	assert_string_equal(url.attributes[1], "y;lang-de");
	assert_null(url.attributes[2]);
	assert_int_equal(url.scope, LDAPURL_SUB);
	assert_true(url.asks && !url.base_varies && !url.servers[0].tls);
	ldapurl_free(&url);
	ldapurl_free(&url);
	parse("ldapi", "//%2Frun%2Fldapi/$D?x", &url);
	assert_string_equal(url.servers[0].uri, "ldapi://%2Frun%2Fldapi");
	assert_string_equal(url.filter, "(objectClass=*)");
	assert_int_equal(url.scope, LDAPURL_BASE);
	assert_true(url.base_varies && url.servers[0].local);
	ldapurl_free(&url);
}

static void
several_urls(void **state)
{
	struct ldapurl url;

	(void)state;
	parse("ldaps", "//[::1]:636/?a,b?one?(c=$d)  LDAP://other/?ignored?base \t ldapi://", &url);
	assert_int_equal(url.server_count, 3);
	assert_string_equal(url.servers[0].uri, "ldaps://[::1]:636");
	assert_string_equal(url.servers[1].uri, "ldap://other");
	assert_string_equal(url.servers[2].uri, "ldapi://");
	assert_true(url.servers[0].tls && !url.servers[1].tls && url.servers[2].local);
	assert_int_equal(url.attribute_count, 2);
	assert_int_equal(url.scope, LDAPURL_ONE);
	ldapurl_free(&url);
}

static void
bad_urls(void **state)
{
	static const struct {
		const char *type, *value, *says;
	} cases[] = {
	    {"ldap", "", "an LDAP URL is needed"},
	    {"ldap", "h/?a", "an LDAP URL is needed"},
	    {"ldap", "//h", "names no attributes"},
	    {"ldap", "//h/dc=x?,,?sub?(a=$d)", "names no attributes"},
	    {"ldap", "//h/dc=x?*?sub?(a=$d)", "no name of an attribute"},
	    {"ldap", "//h/dc=x?a?below?(a=$d)", "no scope"},
	    {"ldap", "//h/dc=x?a?sub?(a=%4)", "hexadecimal"},
	    {"ldap", "//h/dc=x?a?sub?(a=%00)", "hexadecimal"},
	    {"ldap", "//h/dc=x?a?sub?(a=%", "hexadecimal"},
	    {"ldap", "//h/nothing?a?sub?(a=$d)", "no base"},
	    {"ldapi", "///run/ldapi?a?sub?(a=$d)", "no base"},
	    {"ldapi", "//run/?a?sub?(a=$d)", "the socket's path"},
	    {"ldap", "//h:x/?a?sub?(a=$d)", "names no server"},
	    {"ldap", "//h:0/?a?sub?(a=$d)", "names no server"},
	    {"ldap", "//h:65536/?a?sub?(a=$d)", "names no server"},
	    {"ldap", "//h,i/?a?sub?(a=$d)", "names no server"},
	    {"ldap", "//u@h/?a?sub?(a=$d)", "names a user"},
	    {"ldap", "//h/?a?sub?(a=$d)?!x", "critical extension"},
	    {"ldap", "//h/?a?sub?(a=$d) https://h", "no LDAP URL"},
	    {"ldap", "//h/?a?sub?(a=$d) ldap://:x", "names no server"},
	    {"ldap", "//h/?a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "more than 16 attributes"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_NONE;
		struct ldapurl url;

		assert_int_equal(
		    ldapurl_parse(cases[i].type, span_str(cases[i].value), &url, &err), ST_INVALID);
		if (strstr(err.text, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].value, err.text);
	}
}

static void
queries_are_escaped(void **state)
{
	static const struct {
		const char *query;
		size_t n;
		const char *filter, *base;
	} cases[] = {
	    {"a@b.example", 11, "(x=a@b.example)(y=dc=a@b,dc=example)",
		"u=a@b.example,dc=a@b,dc=example"},
	    {"*()\\", 4, "(x=\\2a\\28\\29\\5c)(y=dc=\\5c2a\\5c28\\5c29\\5c5c)",
		"u=\\2a\\28\\29\\5c,dc=\\2a\\28\\29\\5c"},
	    {"a,+\"", 4, "(x=a\\2c\\2b\\22)(y=dc=a\\5c2c\\5c2b\\5c22)",
		"u=a\\2c\\2b\\22,dc=a\\2c\\2b\\22"},
	    {"\xc3\xa9", 2, "(x=\\c3\\a9)(y=dc=\\5cc3\\5ca9)", "u=\\c3\\a9,dc=\\c3\\a9"},
	    {"$d", 2, "(x=\\24d)(y=dc=\\5c24d)", "u=\\24d,dc=\\24d"},
	};
	struct ldapurl url;
	struct buf text;

	(void)state;
	buf_init(&text, LDAPURL_TEXT_MAX);
	parse("ldap", "//h/u=$d,$D?a?sub?(x=$d)(y=$D)", &url);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span query = span_of(cases[i].query, cases[i].n);

		assert_int_equal(ldapurl_filter(&url, query, &text), ST_OK);
		assert_string_equal(text.p, cases[i].filter);
		assert_int_equal(ldapurl_base(&url, query, &text), ST_OK);
		assert_string_equal(text.p, cases[i].base);
	}
	assert_int_equal(ldapurl_base(&url, SPAN_LIT(".example"), &text), ST_ABSENT);
	assert_int_equal(ldapurl_filter(&url, SPAN_LIT("a..b"), &text), ST_ABSENT);
	assert_int_equal(ldapurl_base(&url, SPAN_EMPTY, &text), ST_ABSENT);
	/* A server would leave these characters out. */
	assert_int_equal(ldapurl_filter(&url, span_of("a.test\0", 7), &text), ST_ABSENT);
	assert_int_equal(ldapurl_base(&url, span_of("\0a", 2), &text), ST_ABSENT);
	assert_int_equal(ldapurl_filter(&url, SPAN_LIT("a\x01"), &text), ST_ABSENT);
	assert_int_equal(ldapurl_filter(&url, SPAN_LIT("a\x7f"), &text), ST_ABSENT);
	assert_int_equal(ldapurl_filter(&url, SPAN_LIT("a\n"), &text), ST_ABSENT);
	ldapurl_free(&url);
	buf_reset(&text);
	ldapurl_escape_filter(&text, span_of("\0", 1));
	assert_true(span_eq_str(buf_span(&text), "\\00"));
	parse("ldap", "//h/c=$x$?a?sub?(x=$$d$", &url);
	assert_int_equal(ldapurl_filter(&url, SPAN_LIT("q"), &text), ST_OK);
	assert_string_equal(text.p, "(x=$q$");
	ldapurl_free(&url);
	buf_free(&text);
}

static void
too_long_is_too_big(void **state)
{
	static char value[8000], query[TABLE_KEY_MAX];
	struct ldapurl url;
	struct buf text;

	(void)state;
	memset(query, '*', sizeof(query));
	strcpy(value, "//h/?a?sub?");
	for (size_t i = 0; i < 100; i++)
		strcat(value, "(x=$d)");
	buf_init(&text, LDAPURL_TEXT_MAX);
	parse("ldap", value, &url);
	assert_int_equal(ldapurl_filter(&url, span_of(query, sizeof(query)), &text), ST_TOO_BIG);
	assert_int_equal(ldapurl_filter(&url, span_of(query, 100), &text), ST_OK);
	ldapurl_free(&url);
	buf_free(&text);
}

/* What happens at each time: a thread asks, and what came of it. */
static void
a_server_that_goes_and_comes(void **state)
{
	struct breaker breaker = {.open = false};

	(void)state;
	assert_int_equal(breaker_turn(&breaker, 0), BREAKER_ASK);
	assert_false(breaker_good(&breaker));
	assert_true(breaker_bad(&breaker, BREAKER_ASK, 0, 100));
	assert_false(breaker_bad(&breaker, BREAKER_ASK, 50, 5000)); /* no news */
	assert_int_equal(breaker_turn(&breaker, 1099), BREAKER_REFUSE);
	assert_int_equal(breaker_turn(&breaker, 1100), BREAKER_TRY);
	assert_int_equal(breaker_turn(&breaker, 9000), BREAKER_REFUSE); /* one thread alone */
	assert_false(breaker_bad(&breaker, BREAKER_TRY, 1100, 1101));
	assert_int_equal(breaker_turn(&breaker, 3099), BREAKER_REFUSE);
	assert_int_equal(breaker_turn(&breaker, 3100), BREAKER_TRY);
	/* A try that took as long as it may is not followed by the next at once. */
	assert_false(breaker_bad(&breaker, BREAKER_TRY, 3100, 3100 + BREAKER_MOST_MS));
	assert_int_equal(breaker_turn(&breaker, 3100 + BREAKER_MOST_MS), BREAKER_REFUSE);
	assert_int_equal(
	    breaker_turn(&breaker, 3100 + BREAKER_MOST_MS + BREAKER_PAUSE_MS), BREAKER_TRY);
	assert_true(breaker_good(&breaker));
	assert_int_equal(breaker_turn(&breaker, 7000), BREAKER_ASK);
	assert_true(breaker_bad(&breaker, BREAKER_ASK, 7000, 7000));
	assert_int_equal(breaker_turn(&breaker, 8000), BREAKER_TRY);
}

/* However long it was away, it is tried at least this often. */
static void
never_long_after_it_is_back(void **state)
{
	struct breaker breaker = {.open = false};
	int64_t last = 0;

	(void)state;
	assert_true(breaker_bad(&breaker, BREAKER_ASK, 0, 0));
	for (int64_t now = 0; now < 3600000; now += 10) {
		if (breaker_turn(&breaker, now) != BREAKER_TRY)
			continue;
		assert_true(now - last <= BREAKER_MOST_MS + 10);
		assert_false(breaker_bad(&breaker, BREAKER_TRY, now, now + 1));
		last = now;
	}
	assert_true(last > 3590000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_url_taken_apart),
	    cmocka_unit_test(several_urls),
	    cmocka_unit_test(bad_urls),
	    cmocka_unit_test(queries_are_escaped),
	    cmocka_unit_test(too_long_is_too_big),
	    cmocka_unit_test(a_server_that_goes_and_comes),
	    cmocka_unit_test(never_long_after_it_is_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
