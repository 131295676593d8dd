/*
 * test_conf_verifying.c - the parameters of verification: for each a value that is good and one
 * that is not, with what is said about it, and what the values mean. Called by make check.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/conf/check.h"
#include "lib/conf/values.h"

#define BOOL_BAD "yes or no is needed"
#define ACTION_BAD "accept, discard, quarantine, reject or tempfail is needed"
#define INT_BAD "an integer is needed"

/* bad NULL: every text is good. warned: good, with a warning that has this in it. */
static const struct {
	const char *name, *good, *bad, *says, *warned;
} parameters[] = {
    {"AlwaysAddARHeader", "yes", "on", BOOL_BAD, NULL},
    {"AuthservID", "mx.example.net", NULL, NULL, NULL},
    {"AuthservID", "HOSTNAME", NULL, NULL, NULL},
    {"AuthservIDWithJobID", "yes", "on", BOOL_BAD, NULL},
    {"BogusKey", "Neutral", "reject", "neutral, none or fail is needed", NULL},
    {"CaptureUnknownErrors", "yes", "on", BOOL_BAD, NULL},
    {"ClockDrift", "0", "-1", "it must be 0 to 2147483647", NULL},
    {"DNSCacheSize", "65536", "8M", INT_BAD, NULL},
    {"DNSCacheSize", "1073741824", "1024", "it must be 65536 to 1073741824", NULL},
    {"DNSConnect", "yes", "tcp", NULL, NULL},
    {"DNSTimeout", "120", "-1", "it must be 0 to 2147483647", NULL},
    {"DNSTimeout", "1", "5s", INT_BAD, NULL},
    {"DNSTimeout", "121", NULL, NULL, "DNSTimeout 121 is 120 seconds here"},
    {"DNSTimeout", "0", NULL, NULL, "DNSTimeout 0 is 120 seconds here"},
    {"IgnoreMalformedMail", "yes", "on", BOOL_BAD, NULL},
    {"KeepAuthResults", "yes", "on", BOOL_BAD, NULL},
    {"LogResults", "yes", "on", BOOL_BAD, NULL},
    {"MaximumSignaturesToVerify", "0", "-1", "it must be 0 to 2147483647", NULL},
    {"MaximumSignaturesToVerify", "20", "all", INT_BAD, NULL},
    {"MaximumSignaturesToVerify", "21", NULL, NULL, "above 20 is 20 here"},
    {"MetricsFile", "/run/signpost/a.prom", "/run/signpost/", "the name of a file is needed", NULL},
    {"MetricsInterval", "1", "0", "it must be 1 to 86400", NULL},
    {"Minimum", "0", "half", "octets (1000), a part of the body (50%)", NULL},
    {"Minimum", "100%", "101%", "octets (1000), a part of the body (50%)", NULL},
    {"Minimum", "100+", "+", "octets (1000), a part of the body (50%)", NULL},
    {"MinimumKeyBits", "0", "-1", "it must be 0 to 2147483647", NULL},
    {"MinimumKeyBits", "2048", "2k", INT_BAD, NULL},
    {"MinimumKeyBits", "512", NULL, NULL, "MinimumKeyBits 512 is 1024 here"},
    {"MustBeSigned", "From,Subject", "refile:/etc/names", "write csl: or file:", NULL},
    {"Nameservers", "192.0.2.1,2001:db8::1", "ns.example.net", "look at \"ns.example.net\"", NULL},
    {"Nameservers", "192.0.2.1 192.0.2.2@5353", "192.0.2.1,x,192.0.2.2", "look at \"x\"", NULL},
    {"Nameservers", "[2001:db8::1]:53", ",", "an address is needed", NULL},
    {"NoHeaderB", "yes", "on", BOOL_BAD, NULL},
    {"On-BadSignature", "reject", "rejekt", ACTION_BAD, NULL},
    {"On-DNSError", "a", "defer", ACTION_BAD, NULL},
    {"On-KeyNotFound", "Discard", "drop", ACTION_BAD, NULL},
    {"On-NoSignature", "q", "none", ACTION_BAD, NULL},
    {"RemoveARAll", "yes", "on", BOOL_BAD, NULL},
    {"RemoveARFrom", "mx.example.net,mx2.example.net", NULL, NULL, NULL},
    {"ResolverConfiguration", "/dev/null", "/nonexistent/u.conf",
	"ResolverConfiguration /nonexistent/u.conf cannot be read: No such file", NULL},
    {"StrictHeaders", "yes", "on", BOOL_BAD, NULL},
    {"TestDNSData", "file:/etc/answers", NULL, NULL, NULL},
    {"TestPublicKeys", "/dev/null", "/nonexistent/keys",
	"TestPublicKeys /nonexistent/keys cannot be read: No such file", NULL},
    {"TrustAnchorFile", "/dev/null", "/nonexistent/root.key",
	"TrustAnchorFile /nonexistent/root.key cannot be read: No such file", NULL},
    {"TrustSignaturesFrom", "example.org", NULL, NULL, NULL},
    {"UnprotectedKey", "fail", "yes", "neutral, none or fail is needed", NULL},
    {"WeakSyntaxChecks", "yes", "on", BOOL_BAD, NULL},
};

/* "Mode v", the line, and what is reported about both. */
static enum status
report_of(const char *name, const char *value, struct buf *text_out)
{
	struct conf_report report = CONF_REPORT_NONE;
	struct conf *conf = conf_new();
	enum status status, checked;
	char *text = NULL;
	size_t size = 0;
	struct buf line;
	FILE *out;

	buf_init(&line, 1u << 16);
	buf_add_fmt(&line, "Mode v\n%s %s", name, value);
	status = conf_parse_text(conf, "f.conf", buf_span(&line), &report);
	checked = conf_check(conf, &report);
	out = open_memstream(&text, &size);
	conf_report_print(&report, "signpostd", out);
	fclose(out);
	buf_init(text_out, 1u << 16);
	buf_add_str(text_out, text);
	free(text);
	buf_free(&line);
	conf_report_free(&report);
	conf_free(conf);
	return status == ST_OK ? checked : status;
}

static void
test_good_and_bad(void **state)
{
	struct buf text;

	(void)state;
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
		const char *name = parameters[i].name;
		enum conf_parameter p = conf_by_name(span_str(name));

		assert_int_not_equal(p, CONF_COUNT);
		assert_int_equal(conf_class_of(p), CONF_CLASS_NOW);
		if (report_of(name, parameters[i].good, &text) != ST_OK)
			fail_msg("%s", buf_text(&text));
		if (parameters[i].warned == NULL)
			assert_string_equal(buf_text(&text), "");
		else if (strstr(buf_text(&text), parameters[i].warned) == NULL ||
			 strstr(buf_text(&text), "signpostd: f.conf: warning at line 2: ") == NULL)
			fail_msg("%s: %s", parameters[i].warned, buf_text(&text));
		buf_free(&text);
		if (parameters[i].says == NULL)
			continue;
		assert_int_equal(report_of(name, parameters[i].bad, &text), ST_INVALID);
		if (strstr(buf_text(&text), parameters[i].says) == NULL ||
		    strstr(buf_text(&text), name) == NULL ||
		    strstr(buf_text(&text), "signpostd: f.conf: configuration error at line 2: ") ==
			NULL)
			fail_msg("%s: %s", parameters[i].says, buf_text(&text));
		buf_free(&text);
	}
}

static void
test_authserv_id_is_bounded(void **state)
{
	char name[CONF_AUTHSERV_ID_MAX + 2];
	struct buf text;

	(void)state;
	memset(name, 'a', sizeof(name));
	name[CONF_AUTHSERV_ID_MAX + 1] = '\0';
	assert_int_equal(report_of("AuthservID", name, &text), ST_INVALID);
	assert_non_null(strstr(buf_text(&text), "a name of 1 to 255 octets is needed"));
	buf_free(&text);
	assert_int_equal(report_of("AuthservID", name + 1, &text), ST_OK);
	buf_free(&text);
	assert_int_equal(conf_authserv_id("", NULL), ST_INVALID);
}

static void
test_files_begin_at_the_base_directory(void **state)
{
	struct buf text;

	(void)state;
	assert_int_equal(report_of("BaseDirectory", "/dev\nTestPublicKeys null", &text), ST_OK);
	buf_free(&text);
	assert_int_equal(
	    report_of("BaseDirectory", "/dev\nTestPublicKeys nonexistent", &text), ST_INVALID);
	buf_free(&text);
}

static void
test_minimum(void **state)
{
	static const struct {
		const char *text;
		int kind; /* -1: refused */
		uint64_t number;
	} rows[] = {
	    {"0", CONF_MINIMUM_BYTES, 0},
	    {"1000", CONF_MINIMUM_BYTES, 1000},
	    {"9223372036854775807", CONF_MINIMUM_BYTES, INT64_MAX},
	    {"50%", CONF_MINIMUM_PERCENT, 50},
	    {"100%", CONF_MINIMUM_PERCENT, 100},
	    {"0+", CONF_MINIMUM_ALL_BUT, 0},
	    {"100+", CONF_MINIMUM_ALL_BUT, 100},
	    {"", -1, 0},
	    {"%", -1, 0},
	    {"+", -1, 0},
	    {"-1", -1, 0},
	    {"101%", -1, 0},
	    {"50 %", -1, 0},
	    {"50%%", -1, 0},
	    {"50+%", -1, 0},
	    {"0x10", -1, 0},
	    {"9223372036854775808", -1, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum conf_minimum_kind kind = CONF_MINIMUM_BYTES;
		uint64_t number = 4242;
		enum status status = conf_minimum(rows[i].text, &kind, &number, NULL);

		if (status != (rows[i].kind < 0 ? ST_INVALID : ST_OK))
			fail_msg("\"%s\"", rows[i].text);
		if (rows[i].kind < 0) {
			assert_int_equal(number, 4242);
			continue;
		}
		assert_int_equal(kind, rows[i].kind);
		assert_true(number == rows[i].number);
	}
}

static void
test_nameservers(void **state)
{
	static const char *const good[] = {"192.0.2.1", "192.0.2.1:53", "192.0.2.1@53",
	    "2001:db8::1", "2001:db8::1@53", "[2001:db8::1]", "[2001:db8::1]:5353",
	    "[2001:db8::1]@53", " 192.0.2.1 , 192.0.2.2\t::1 ", "::ffff:192.0.2.1"};
	static const char *const bad[] = {"", " ", ",", "ns", "192.0.2", "192.0.2.256",
	    "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1@", "192.0.2.1@x",
	    "192.0.2.1@53@53", "[192.0.2.1]:53", "[2001:db8::1", "[2001:db8::1]53", "[]",
	    "2001:db8::1]:53", "[::1]:", "@53", ":53", "192.0.2.1;192.0.2.2", "192.0.2.1 ns",
	    "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111"};
	struct buf many;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (conf_nameservers(good[i], NULL) != ST_OK)
			fail_msg("\"%s\" was refused", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (conf_nameservers(bad[i], NULL) != ST_INVALID)
			fail_msg("\"%s\" was accepted", bad[i]);
	buf_init(&many, 1024);
	for (int i = 0; i < CONF_NAMESERVERS_MAX; i++)
		buf_add_str(&many, "192.0.2.1,");
	assert_int_equal(conf_nameservers(buf_text(&many), NULL), ST_OK);
	buf_add_str(&many, "192.0.2.1");
	assert_int_equal(conf_nameservers(buf_text(&many), NULL), ST_INVALID);
	buf_free(&many);
}

static void
test_words_and_limits(void **state)
{
	enum conf_key_rule rule = CONF_KEY_RULE_FAIL;

	(void)state;
	assert_int_equal(conf_key_rule("NONE", &rule, NULL), ST_OK);
	assert_int_equal(rule, CONF_KEY_RULE_NONE);
	assert_int_equal(conf_key_rule("neutral", &rule, NULL), ST_OK);
	assert_int_equal(rule, CONF_KEY_RULE_NEUTRAL);
	assert_int_equal(conf_key_rule("n", &rule, NULL), ST_INVALID);
	assert_int_equal(rule, CONF_KEY_RULE_NEUTRAL);
	assert_int_equal(conf_dns_timeout_ms(5), 5000);
	assert_int_equal(conf_dns_timeout_ms(0), 120000);
	assert_int_equal(conf_dns_timeout_ms(120), 120000);
	assert_int_equal(conf_dns_timeout_ms(INT32_MAX), 120000);
	assert_int_equal(conf_clock_drift_s(0), 300);
	assert_int_equal(conf_clock_drift_s(1), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good_and_bad),
	    cmocka_unit_test(test_authserv_id_is_bounded),
	    cmocka_unit_test(test_files_begin_at_the_base_directory),
	    cmocka_unit_test(test_minimum),
	    cmocka_unit_test(test_nameservers),
	    cmocka_unit_test(test_words_and_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
