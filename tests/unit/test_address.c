/*
 * test_address.c - the sender of a message from its From field: forms of addresses,
 * internationalized domains, and what must be refused. Called by make check; pure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dkim/address.h"

struct row {
	const char *value;
	enum status st;
	size_t count; /* for ST_OK */
	const char *user, *domain;
};

static const struct row table[] = {
    /* plain */
    {"joe@example.com", ST_OK, 1, "joe", "example.com"},
    {" joe@example.com", ST_OK, 1, "joe", "example.com"},
    {" Joe SixPack <joe@Example.COM>", ST_OK, 1, "joe", "example.com"},
    {"<joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"<joe@example.com>\r\n", ST_OK, 1, "joe", "example.com"},
    {"JOE.User+tag@example.com", ST_OK, 1, "JOE.User+tag", "example.com"},
    {"joe@example.com.", ST_OK, 1, "joe", "example.com"},
    {"joe@localhost", ST_OK, 1, "joe", "localhost"},
    {"joe@_dmarc.example.com", ST_OK, 1, "joe", "_dmarc.example.com"},
    {"joe!bang%relay=x{y}/z'~^`|$&?*-_#@example.com", ST_OK, 1, "joe!bang%relay=x{y}/z'~^`|$&?*-_#",
	"example.com"},
    {".joe..x.@example.com", ST_OK, 1, ".joe..x.", "example.com"},
    /* display names */
    {"\"Six, Joe\" <joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"\"a@evil.example\" <joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"\"quote \\\" <x@evil.example>\" <joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"joe@other.example <joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"=?utf-8?B?SsO2?= <joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"J\xc3\xb6 <joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"Dr. Joe S. Pack <joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"Joe [sales] <joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"Joe :-) <joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"Pack, Joe <joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"\"\" <joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"Joe<joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"Re: Joe <joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"<joe@example.com> Joe", ST_OK, 1, "joe", "example.com"},
    {"<joe@example.com> \"x@evil.example\"", ST_OK, 1, "joe", "example.com"},
    /* comments */
    {"joe@example.com (Joe)", ST_OK, 1, "joe", "example.com"},
    {"(Joe) joe@example.com", ST_OK, 1, "joe", "example.com"},
    {"joe(a)@(b)example(c).(d)com", ST_OK, 1, "joe", "example.com"},
    {"(a(b(c)d)\\)x@evil.example)joe@example.com", ST_OK, 1, "joe", "example.com"},
    {"(<x@evil.example>) <joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"<joe@example.com(x@evil.example)>", ST_OK, 1, "joe", "example.com"},
    {"joe@example.com (", ST_INVALID, 0, NULL, NULL},
    {"joe@example.com (a\\)", ST_INVALID, 0, NULL, NULL},
    {"joe@example.com )", ST_INVALID, 0, NULL, NULL},
    /* quoted local parts */
    {"\"joe six\"@example.com", ST_OK, 1, "\"joe six\"", "example.com"},
    {"<\"joe@six\"@example.com>", ST_OK, 1, "\"joe@six\"", "example.com"},
    {"\"a\\\"b\"@example.com", ST_OK, 1, "\"a\\\"b\"", "example.com"},
    {"\"a,b;c:d<e>\"@example.com", ST_OK, 1, "\"a,b;c:d<e>\"", "example.com"},
    {"\"a\".b.\"c\"@example.com", ST_OK, 1, "\"a\".b.\"c\"", "example.com"},
    {"\"joe\r\n six\"@example.com", ST_OK, 1, "\"joe six\"", "example.com"},
    /* a backslash makes no control character harmless */
    {"\"joe\\\n\"@example.com", ST_INVALID, 0, NULL, NULL},
    {"\"joe\\\r\n six\"@example.com", ST_INVALID, 0, NULL, NULL},
    {"\"joe\\\x01\"@example.com", ST_INVALID, 0, NULL, NULL},
    {"\"joe\\\x7f\"@example.com", ST_INVALID, 0, NULL, NULL},
    {"\"joe\\\x01\" <joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"\"joe@example.com", ST_INVALID, 0, NULL, NULL},
    {"\"joe@example.com\\", ST_INVALID, 0, NULL, NULL},
    /* folding and obsolete blanks */
    {" Joe\r\n\t<joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"joe @ example . com", ST_OK, 1, "joe", "example.com"},
    {"joe . six @ example.com", ST_OK, 1, "joe.six", "example.com"},
    {"< joe@example.com >", ST_OK, 1, "joe", "example.com"},
    {"<@a.example,@b.example:joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"<@a.example:joe@example.com>", ST_OK, 1, "joe", "example.com"},
    {"<<joe@example.com>>", ST_OK, 1, "joe", "example.com"},
    {"Joe <joe@example.com", ST_OK, 1, "joe", "example.com"},
    /* lists and groups */
    {"joe@example.com, ann@example.org", ST_OK, 2, "joe", "example.com"},
    {"A <joe@example.com>, B <b@x.example>, c@y.example", ST_OK, 3, "joe", "example.com"},
    {",, joe@example.com ,,", ST_OK, 1, "joe", "example.com"},
    {"friends: joe@example.com, Ann <ann@example.org>;", ST_OK, 2, "joe", "example.com"},
    {"\"my friends\": joe@example.com;, z@example.net", ST_OK, 2, "joe", "example.com"},
    {"joe@example.com; ann@example.org", ST_OK, 2, "joe", "example.com"},
    {"<>, joe@example.com", ST_OK, 1, "joe", "example.com"},
    {"undisclosed-recipients:;", ST_ABSENT, 0, NULL, NULL},
    {"Bounce <>", ST_ABSENT, 0, NULL, NULL},
    {"<>", ST_ABSENT, 0, NULL, NULL},
    {"", ST_ABSENT, 0, NULL, NULL},
    {" \r\n ", ST_ABSENT, 0, NULL, NULL},
    {"(only a comment)", ST_ABSENT, 0, NULL, NULL},
    /* literals and domains */
    {"joe@[192.0.2.1]", ST_OK, 1, "joe", "[192.0.2.1]"},
    {"<joe@[IPv6:2001:db8::1]>", ST_OK, 1, "joe", "[IPv6:2001:db8::1]"},
    {"joe@[192.0.2.1", ST_INVALID, 0, NULL, NULL},
    {"joe@[]", ST_INVALID, 0, NULL, NULL},
    {"joe@[a]b", ST_INVALID, 0, NULL, NULL},
    {"joe@b\xc3\xbc"
     "cher.example",
	ST_OK, 1, "joe", "xn--bcher-kva.example"},
    {"joe@stra\xc3\x9f"
     "e.example",
	ST_OK, 1, "joe", "xn--strae-oqa.example"},
    {"j\xc3\xb6@B\xc3\x9c"
     "CHER.example",
	ST_OK, 1, "j\xc3\xb6", "xn--bcher-kva.example"},
    {"joe@exa\xff.example", ST_INVALID, 0, NULL, NULL},
    {"joe@example..com", ST_INVALID, 0, NULL, NULL},
    {"joe@.example.com", ST_INVALID, 0, NULL, NULL},
    {"joe@example.com..", ST_INVALID, 0, NULL, NULL},
    {"joe@", ST_INVALID, 0, NULL, NULL},
    {"joe@exa mple.com", ST_INVALID, 0, NULL, NULL},
    {"joe@example.net/x", ST_INVALID, 0, NULL, NULL},
    /* what readers would not agree about */
    {"a@evil.example@example.com", ST_INVALID, 0, NULL, NULL},
    {"<a@evil.example>@example.com", ST_INVALID, 0, NULL, NULL},
    {"<a@evil.example> <joe@example.com>", ST_INVALID, 0, NULL, NULL},
    {"<a@evil.example> joe@example.com", ST_INVALID, 0, NULL, NULL},
    {"<a@evil.example<joe@example.com>", ST_INVALID, 0, NULL, NULL},
    {"joe six@example.com", ST_INVALID, 0, NULL, NULL},
    {"<joe six@example.com>", ST_INVALID, 0, NULL, NULL},
    {"<a@evil.example, joe@example.com>", ST_INVALID, 0, NULL, NULL},
    {"a@evil.example: joe@example.com;", ST_INVALID, 0, NULL, NULL},
    {"joe\x01@example.com", ST_INVALID, 0, NULL, NULL},
    {"@example.com", ST_INVALID, 0, NULL, NULL},
    {"<@example.com>", ST_INVALID, 0, NULL, NULL},
    {"joe", ST_INVALID, 0, NULL, NULL},
    {"<joe>", ST_INVALID, 0, NULL, NULL},
    {"Joe SixPack", ST_INVALID, 0, NULL, NULL},
};

static void
check_row(const struct row *row)
{
	struct arena arena;
	struct address first;
	struct err err = ERR_NONE;
	size_t count;
	enum status st;

	arena_init(&arena, 10000);
	st = address_parse(span_str(row->value), &arena, &first, &count, &err);
	if (st != row->st)
		fail_msg("\"%s\": %s (%s), not %s", row->value, status_name(st), err.text,
		    status_name(row->st));
	if (st == ST_OK) {
		if (!span_eq_str(first.user, row->user) || !span_eq_str(first.domain, row->domain))
			fail_msg("\"%s\": %.*s at %.*s", row->value, (int)first.user.n,
			    first.user.p, (int)first.domain.n, first.domain.p);
		assert_int_equal(count, row->count);
	}
	if (st == ST_INVALID)
		assert_true(err.text[0] != '\0');
	arena_free(&arena);
}

static void
test_table(void **state)
{
	(void)state;
	assert_true(sizeof table / sizeof *table >= 60);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		check_row(&table[i]);
}

static void
test_limits(void **state)
{
	static char text[ADDRESS_VALUE_MAX + 1];
	struct arena arena;
	struct address first;
	size_t count;

	(void)state;
	arena_init(&arena, 1000000);
	memset(text, '(', sizeof text);
	assert_int_equal(
	    address_parse(span_of(text, 1000), &arena, &first, &count, NULL), ST_INVALID);
	assert_int_equal(
	    address_parse(span_of(text, sizeof text), &arena, &first, &count, NULL), ST_TOO_BIG);
	memset(text, 'a', sizeof text);
	memcpy(text + ADDRESS_USER_MAX, "@b.example", 10);
	assert_int_equal(
	    address_parse(span_of(text, ADDRESS_USER_MAX + 10), &arena, &first, &count, NULL),
	    ST_OK);
	memcpy(text + ADDRESS_USER_MAX, "a@b.example", 11);
	assert_int_equal(
	    address_parse(span_of(text, ADDRESS_USER_MAX + 11), &arena, &first, &count, NULL),
	    ST_TOO_BIG);
	assert_int_equal(
	    address_parse(SPAN_LIT("a\0b@x.example"), &arena, &first, &count, NULL), ST_INVALID);
	assert_int_equal(
	    address_parse(SPAN_LIT("ab@x\0.example"), &arena, &first, &count, NULL), ST_INVALID);
	assert_int_equal(
	    address_parse(SPAN_LIT("ab@\xc3\xa4\0.example"), &arena, &first, &count, NULL),
	    ST_INVALID);
	arena_free(&arena);
	arena_init(&arena, 10);
	assert_int_equal(
	    address_parse(SPAN_LIT("joe@example.com"), &arena, &first, &count, NULL), ST_TOO_BIG);
	arena_free(&arena);
}

static void
test_domains(void **state)
{
	char text[300];

	(void)state;
	memset(text, 'a', sizeof text);
	assert_true(domain_is_valid(span_of(text, 63)));
	assert_false(domain_is_valid(span_of(text, 64)));
	for (size_t i = 50; i < sizeof text; i += 51)
		text[i] = '.';
	assert_true(domain_is_valid(span_of(text, 253)));
	assert_false(domain_is_valid(span_of(text, 254)));
	assert_false(domain_is_valid(SPAN_EMPTY));
	assert_false(domain_is_valid(SPAN_LIT("a.")));
	assert_false(domain_is_valid(SPAN_LIT(".a")));
	assert_false(domain_is_valid(SPAN_LIT("example.net(.example.com")));
	assert_false(domain_is_valid(SPAN_LIT("a b")));
	assert_false(domain_is_valid(SPAN_LIT("b\xc3\xbc.example")));
	assert_true(selector_is_valid(SPAN_LIT("2026-01._x.y")));
	assert_false(selector_is_valid(SPAN_LIT("a;b")));
	assert_true(domain_is_within(SPAN_LIT("a.example.com"), SPAN_LIT("example.com")));
	assert_true(domain_is_within(SPAN_LIT("EXAMPLE.com"), SPAN_LIT("example.com")));
	assert_false(domain_is_within(SPAN_LIT("aexample.com"), SPAN_LIT("example.com")));
	assert_false(domain_is_within(SPAN_LIT("com"), SPAN_LIT("example.com")));
	assert_false(domain_is_within(SPAN_LIT("a."), SPAN_EMPTY));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_domains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
