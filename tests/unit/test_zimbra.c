/*
 * test_zimbra.c - signpost zimbra without servers: localconfig.xml, which options go together, the
 * texts that it makes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "backends/ldap_url.h"
#include "lib/base/secret.h"
#include "tools/zimbra.h"
#include "tools/zimbra_localconfig.h"

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\n<localconfig>\n"
#define TAIL "</localconfig>\n"
#define PASSWORD(value)                                                                            \
	HEAD "  <key name=\"zimbra_ldap_password\">\n    <value>" value "</value>\n  "             \
	     "</key>\n" TAIL

/* ---- localconfig.xml ---- */

static enum status
parse(const char *text, struct localconfig *out, struct err *err)
{
	return localconfig_parse(span_str(text), out, err);
}

static void
localconfig_is_read(void **state)
{
	static const char text[] = HEAD
	    "<!-- made by <zmlocalconfig> -->\n"
	    "  <key name=\"ldap_master_url\">\n    <value>ldap://a:389 ldap://b:389</value>\n"
	    "  </key>\n"
	    "  <key name='ldap_url'><value/></key>\n"
	    "  <key name=\"other\">\n    <value>ldap_url</value>\n  </key>\n"
	    "  <key  name = \"ldap_starttls_supported\" >\n    <value>\n1\n</value>\n  </key>\n"
	    "  <key name=\"zimbra_ldap_userdn\"><value>uid=zimbra,cn=a</value></key>\n" TAIL;
	struct localconfig config;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(parse(text, &config, &err), ST_OK);
	assert_string_equal(config.values[LOCALCONFIG_MASTER_URL], "ldap://a:389 ldap://b:389");
	assert_string_equal(config.values[LOCALCONFIG_URL], "");
	assert_string_equal(config.values[LOCALCONFIG_START_TLS], "1");
	assert_string_equal(config.values[LOCALCONFIG_USER_DN], "uid=zimbra,cn=a");
	assert_null(config.values[LOCALCONFIG_PASSWORD]);
	localconfig_free(&config);
	localconfig_free(&config);
}

static void
values_are_decoded(void **state)
{
	static const struct {
		const char *text, *is;
	} cases[] = {
	    {PASSWORD("p&amp;&lt;&gt;&quot;&apos;w"), "p&<>\"'w"},
	    {PASSWORD("&#65;&#x42;&#xe9;&#x20AC;&#x1F511;"),
		"AB\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\x91"},
	    {PASSWORD("&amp;amp;"), "&amp;"},
	    {"\xef\xbb\xbf" PASSWORD("x"), "x"},
	};
	struct localconfig config;
	struct err err = ERR_NONE;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(cases[i].text, &config, &err), ST_OK);
		assert_string_equal(config.values[LOCALCONFIG_PASSWORD], cases[i].is);
		localconfig_free(&config);
	}
}

static void
what_is_none_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *text, *line;
	} cases[] = {
	    {"", "line 1:"},
	    {"<html>", "line 1:"},
	    {HEAD, "line 4:"},
	    {HEAD "text" TAIL, "line 4:"},
	    {HEAD TAIL "<more>", "line 5:"},
	    {HEAD "<key>\n<value>s3cret</value></key>" TAIL, "line 4:"},
	    {HEAD "<key name=a>\n<value>s3cret</value></key>" TAIL, "line 4:"},
	    {HEAD "<key name=\"\">\n<value>s3cret</value></key>" TAIL, "line 4:"},
	    {HEAD "<keys name=\"a\"><value>s3cret</value></keys>" TAIL, "line 4:"},
	    {HEAD "<key name=\"a\">\n<value>s3cret</key>" TAIL, "line 5:"},
	    {HEAD "<key name=\"a\">\ns3cret</key>" TAIL, "line 5:"},
	    {HEAD "<key name=\"a\">\n<value>s3cret</value>\n<value>b</value></key>" TAIL,
		"line 6:"},
	    {HEAD "<!-- s3cret" TAIL, "line 4:"},
	    {"<?xml s3cret", "line 1:"},
	    {"<!DOCTYPE x [<!ENTITY a \"s3cret\">]>" HEAD TAIL, "line 1:"},
	    {PASSWORD("s3cret&nbsp;"), "line 5:"},
	    {PASSWORD("s3cret&amp"), "line 5:"},
	    {PASSWORD("s3cret&#0;"), "line 5:"},
	    {PASSWORD("s3cret&#xd800;"), "line 5:"},
	    {PASSWORD("s3cret&#x110000;"), "line 5:"},
	    {PASSWORD("s3cret&#;"), "line 5:"},
	    {PASSWORD("<b>s3cret</b>"), "line 5:"},
	    {PASSWORD("<![CDATA[s3cret]]>"), "line 5:"},
	    {HEAD "<key name=\"ldap_url\"><value>a</value></key>\n"
		  "<key name=\"ldap_url\"><value>s3cret</value></key>" TAIL,
		"line 5:"},
	};
	struct localconfig config;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_NONE;

		if (parse(cases[i].text, &config, &err) != ST_INVALID ||
		    strncmp(err.text, cases[i].line, strlen(cases[i].line)) != 0 ||
		    strstr(err.text, "s3cret") != NULL)
			fail_msg("case %zu: %s", i, err.text);
		for (size_t j = 0; j < LOCALCONFIG_KEY_COUNT; j++)
			assert_null(config.values[j]);
	}
}

static void
a_value_has_a_limit(void **state)
{
	static char text[LOCALCONFIG_VALUE_MAX + 1024];
	struct localconfig config;
	struct err err = ERR_NONE;
	struct buf out;

	(void)state;
	memset(text, 'a', sizeof(text));
	for (size_t more = 0; more < 2; more++) {
		buf_init(&out, sizeof(text) * 2);
		buf_add_str(&out, HEAD "<key name=\"ldap_url\"><value>");
		buf_add(&out, span_of(text, LOCALCONFIG_VALUE_MAX + more));
		buf_add_str(&out, "</value></key>" TAIL);
		assert_int_equal(localconfig_parse(buf_span(&out), &config, &err),
		    more == 0 ? ST_OK : ST_INVALID);
		localconfig_free(&config);
		buf_free(&out);
	}
}

/* A NUL, and a file that ends anywhere. */
static void
no_octet_is_believed(void **state)
{
	static const char whole[] = PASSWORD("a&amp;b");
	char broken[sizeof(whole)];
	struct localconfig config;
	struct err err = ERR_NONE;

	(void)state;
	for (size_t n = 0; n < sizeof(whole) - 2; n++) {
		assert_int_equal(localconfig_parse(span_of(whole, n), &config, &err), ST_INVALID);
		memcpy(broken, whole, sizeof(whole));
		broken[n] = '\0';
		assert_int_equal(
		    localconfig_parse(span_of(broken, sizeof(whole) - 1), &config, &err),
		    ST_INVALID);
	}
	assert_int_equal(secret_used_bytes(), 0);
}

/* ---- options ---- */

static void
options_that_go_together(void **state)
{
	static const struct {
		struct zimbra_request request;
		enum zimbra_mode mode;
	} good[] = {
	    {{.add = true, .domain = "a"}, ZIMBRA_ADD},
	    {{.update = true, .domain = "a", .selector = "s", .wait = true}, ZIMBRA_UPDATE},
	    {{.remove = true, .domain = "a", .aliases = true, .dry_run = true}, ZIMBRA_REMOVE},
	    {{.query = true, .selector = "s", .show_key = true}, ZIMBRA_QUERY},
	    {{.query = true, .domain = "a", .no_subdomains = true}, ZIMBRA_QUERY},
	    {{.all = true}, ZIMBRA_ALL},
	    {{.all = true, .query = true, .json = true}, ZIMBRA_ALL},
	};
	struct err err = ERR_NONE;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct zimbra_request request = good[i].request;

		assert_int_equal(zimbra_request_check(&request, &err), ST_OK);
		assert_int_equal(request.mode, good[i].mode);
		assert_int_equal(request.bits, 0);
		assert_string_equal(request.policy, "zimbra");
		assert_string_equal(request.localconfig, ZIMBRA_LOCALCONFIG);
	}
}

static void
options_that_do_not(void **state)
{
	static const struct zimbra_request bad[] = {
	    {.add = false},
	    {.domain = "a"},
	    {.add = true},
	    {.add = true, .domain = ""},
	    {.add = true, .domain = "a", .selector = ""},
	    {.add = true, .update = true, .domain = "a"},
	    {.query = true, .remove = true, .domain = "a"},
	    {.query = true},
	    {.all = true, .add = true},
	    {.all = true, .domain = "a"},
	    {.all = true, .aliases = true},
	    {.all = true, .show_key = true},
	    {.remove = true, .domain = "a", .selector = "s"},
	    {.remove = true, .domain = "a", .wait = true},
	    {.add = true, .domain = "a", .selector = "s", .aliases = true},
	    {.query = true, .selector = "s", .aliases = true},
	    {.query = true, .domain = "a", .dry_run = true},
	    {.add = true, .domain = "a", .show_key = true},
	    {.add = true, .domain = "a", .no_subdomains = true},
	    {.update = true, .domain = "a", .no_subdomains = true},
	    {.query = true, .domain = "a", .password_file = "f"},
	    {.add = true, .domain = "a", .bits_text = "2048k"},
	    {.add = true, .domain = "a", .bits_text = "65536"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct zimbra_request request = bad[i];
		struct err err = ERR_NONE;

		if (zimbra_request_check(&request, &err) != ST_INVALID || err.text[0] == '\0')
			fail_msg("case %zu is taken", i);
	}
}

static void
short_keys_are_refused_in_the_words_of_the_stock_tool(void **state)
{
	struct zimbra_request request = {.add = true, .domain = "a", .bits_text = "2047"};
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(zimbra_request_check(&request, &err), ST_DENIED);
	assert_string_equal(err.text, "Bit size less than 2048 is not allowed, as it is insecure.");
	request.bits_text = "4096";
	assert_int_equal(zimbra_request_check(&request, &err), ST_OK);
	assert_int_equal(request.bits, 4096);
}

/* ---- texts ---- */

static void
record_of_a_short_key(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	zimbra_record_text(
	    SPAN_LIT("s"), SPAN_LIT("a.example"), SPAN_LIT("v=DKIM1; k=rsa; p=AAAA"), &out);
	assert_string_equal(buf_text(&out), "s._domainkey\tIN\tTXT\t( \"v=DKIM1; k=rsa; \"\n\t  "
					    "\"p=AAAA\" )  ; ----- DKIM key s for a.example\n");
	buf_free(&out);
}

/* No string of it is longer than DNS allows, and all of them are the value. */
static void
record_of_a_long_key(void **state)
{
	char value[1500] = "v=DKIM1; k=rsa; p=";
	struct buf out, joined;
	struct span rest, before, string;

	(void)state;
	buf_init(&out, 8192);
	buf_init(&joined, 8192);
	for (size_t n = strlen(value); n < sizeof(value) - 1; n += 7) {
		memset(value + strlen("v=DKIM1; k=rsa; p="), 'A', n - strlen("v=DKIM1; k=rsa; p="));
		value[n] = '\0';
		buf_reset(&out);
		buf_reset(&joined);
		zimbra_record_text(SPAN_LIT("s"), SPAN_LIT("a"), span_str(value), &out);
		rest = buf_span(&out);
		while (span_cut(&rest, '"', &before) && span_cut(&rest, '"', &string)) {
			assert_in_range(string.n, 1, 255);
			buf_add(&joined, string);
		}
		assert_string_equal(buf_text(&joined), value);
	}
	buf_free(&out);
	buf_free(&joined);
}

static void
nothing_moves_a_cursor(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	zimbra_safe(&out, SPAN_LIT("a\tb\n\x1b[2J\x9b\xc3\xa9\r\x7f"));
	assert_string_equal(buf_text(&out), "a\tb\n\\x1b[2J\\x9b\\xc3\\xa9\\x0d\\x7f");
	buf_free(&out);
}

static void
urls_become_a_specification(void **state)
{
	struct ldapurl url;
	struct err err = ERR_NONE;
	struct buf out;
	struct span rest, type;

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(
	    zimbra_ldap_spec(SPAN_LIT("  ldap://a:389/dc=x  ldaps://b "), &out, &err), ST_OK);
	rest = buf_span(&out);
	assert_true(span_cut(&rest, ':', &type));
	assert_int_equal(ldapurl_parse("ldap", rest, &url, &err), ST_OK);
	assert_int_equal(url.server_count, 2);
	assert_string_equal(url.servers[0].uri, "ldap://a:389");
	assert_string_equal(url.servers[1].uri, "ldaps://b");
	assert_true(url.servers[1].tls);
	assert_string_equal(url.base, "dc=x");
	ldapurl_free(&url);
	buf_reset(&out);
	assert_int_equal(zimbra_ldap_spec(SPAN_LIT(" "), &out, &err), ST_INVALID);
	assert_int_equal(zimbra_ldap_spec(SPAN_LIT("ldap://a/?b"), &out, &err), ST_INVALID);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(localconfig_is_read),
	    cmocka_unit_test(values_are_decoded),
	    cmocka_unit_test(what_is_none_is_refused_with_its_line),
	    cmocka_unit_test(a_value_has_a_limit),
	    cmocka_unit_test(no_octet_is_believed),
	    cmocka_unit_test(options_that_go_together),
	    cmocka_unit_test(options_that_do_not),
	    cmocka_unit_test(short_keys_are_refused_in_the_words_of_the_stock_tool),
	    cmocka_unit_test(record_of_a_short_key),
	    cmocka_unit_test(record_of_a_long_key),
	    cmocka_unit_test(nothing_moves_a_cursor),
	    cmocka_unit_test(urls_become_a_specification),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
