/*
 * test_compose.c - SPF, DMARC and ADSP records made and merged; records in each notation. Called by
 * make check; pure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/mailauth/compose.h"
#include "lib/mailauth/dmarc_syntax.h"
#include "lib/mailauth/spf_syntax.h"
#include "lib/mailauth/zonerecord.h"

static struct buf out;
static struct err err;

static int
begin(void **state)
{
	(void)state;
	buf_init(&out, 65536);
	err.text[0] = '\0';
	return 0;
}

static int
end(void **state)
{
	(void)state;
	buf_free(&out);
	return 0;
}

static void
assert_has(const char *words)
{
	if (strstr(buf_text(&out), words) == NULL)
		fail_msg("\"%s\" is not in: %s", words, buf_text(&out));
}

/* ---- SPF ---- */

static const struct span hosts[] = {SPAN_LIT("out.example.com")};
static const struct span networks[] = {SPAN_LIT("ip4:192.0.2.0/24"), SPAN_LIT("ip6:2001:db8::1")};
static const struct span includes[] = {SPAN_LIT("_spf.example.net")};

static const struct spf_wanted all_of_it = {.mx = true,
    .hosts = hosts,
    .networks = networks,
    .includes = includes,
    .host_count = 1,
    .network_count = 2,
    .include_count = 1};
static const struct spf_wanted only_mx = {.mx = true};
static const struct spf_wanted mx_fail = {.mx = true, .all = '-'};

struct spf_row {
	const struct spf_wanted *wanted;
	const char *texts[3];
	const char *result; /* NULL: ST_INVALID */
};

static const struct spf_row spf_rows[] = {
    {&all_of_it, {NULL},
	"v=spf1 mx a:out.example.com ip4:192.0.2.0/24 ip6:2001:db8::1 include:_spf.example.net "
	"~all"},
    {&mx_fail, {NULL}, "v=spf1 mx -all"},
    /* RFC 7208 appendix A.1: what is there stays, and is not there twice. */
    {&only_mx, {"v=spf1 a mx -all"}, "v=spf1 a mx -all"},
    {&only_mx, {"v=spf1 +MX -all"}, "v=spf1 +MX -all"},
    {&only_mx, {"v=spf1 a:example.org -all"}, "v=spf1 a:example.org mx -all"},
    {&only_mx, {"v=spf1 ip4:192.0.2.128/28 -all"}, "v=spf1 ip4:192.0.2.128/28 mx -all"},
    {&mx_fail, {"v=spf1 a ?all"}, "v=spf1 a mx -all"},
    {&only_mx, {"v=spf1 -mx ~all"}, "v=spf1 -mx mx ~all"},
    {&only_mx, {"v=spf1 a -all mx ip4:192.0.2.1"}, "v=spf1 a mx -all"},
    {&only_mx, {"v=spf1 redirect=_spf.example.com"}, "v=spf1 mx redirect=_spf.example.com"},
    {&only_mx, {"v=spf1 a exp=why.example.com ~all"}, "v=spf1 a mx ~all exp=why.example.com"},
    {&only_mx, {"v=spf1 a -all", "v=spf1 ip4:192.0.2.1 ~all"}, "v=spf1 a ip4:192.0.2.1 mx -all"},
    {&only_mx, {"v=spf1"}, "v=spf1 mx ~all"},
    {&mx_fail, {"v=spf1 redirect=_spf.example.com"}, NULL},
    {&only_mx, {"v=spf1 redirect=a.example.com", "v=spf1 redirect=b.example.com"}, NULL},
    {&only_mx, {"v=spf1 ipv4:192.0.2.1 -all"}, NULL},
    {&only_mx, {"v=spf1 a +all"}, NULL},
    {&only_mx, {"v=spf1 a all"}, NULL},
};

static void
test_spf(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(spf_rows) / sizeof(spf_rows[0]); i++) {
		const struct spf_row *row = &spf_rows[i];
		struct span texts[3];
		size_t count = 0;
		enum status status;

		for (; count < 3 && row->texts[count] != NULL; count++)
			texts[count] = span_str(row->texts[count]);
		buf_reset(&out);
		status = spf_compose(row->wanted, texts, count, &out, &err);
		assert_int_equal(status, row->result == NULL ? ST_INVALID : ST_OK);
		if (row->result == NULL)
			assert_true(strlen(err.text) > 10);
		else
			assert_string_equal(buf_text(&out), row->result);
	}
}

static void
test_networks(void **state)
{
	static const struct {
		const char *text, *term; /* NULL: wrong */
	} rows[] = {{"192.0.2.1", "ip4:192.0.2.1"}, {"192.0.2.0/24", "ip4:192.0.2.0/24"},
	    {"192.0.2.1/32", "ip4:192.0.2.1"}, {"2001:DB8:0::1", "ip6:2001:db8::1"},
	    {"2001:db8::/32", "ip6:2001:db8::/32"}, {"192.0.2.1/24", NULL},
	    {"2001:db8::1/64", NULL}, {"192.0.2", NULL}, {"192.0.2.0/33", NULL},
	    {"192.0.2.0/", NULL}, {"", NULL}, {"0.0.0.0/0", NULL}, {"::/0", NULL},
	    {"example.com", NULL}, {"192.0.2.1 -all", NULL}, {"2001:db8::/-1", NULL},
	    {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc", NULL}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum status status;

		buf_reset(&out);
		status = spf_network(span_str(rows[i].text), &out, &err);
		assert_int_equal(status, rows[i].term == NULL ? ST_INVALID : ST_OK);
		assert_string_equal(buf_text(&out), rows[i].term == NULL ? "" : rows[i].term);
	}
	(void)!spf_network(SPAN_LIT("192.0.2.77/28"), &out, &err);
	assert_non_null(strstr(err.text, "192.0.2.64/28"));
}

/* ---- DMARC, ADSP ---- */

static void
test_dmarc(void **state)
{
	/* The first and the third are records of RFC 7489 appendix B.2. */
	static const struct {
		struct dmarc_wanted wanted;
		const char *result;
	} rows[] = {{{.rua = "dmarc-feedback@example.com"},
			"v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com"},
	    {{.policy = NULL}, "v=DMARC1; p=none"},
	    {{.rua = "mailto:dmarc-feedback@example.com", .ruf = "auth-reports@example.com"},
		"v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com; "
		"ruf=mailto:auth-reports@example.com"},
	    {{.policy = "reject", .subdomain_policy = "quarantine", .adkim = "s", .aspf = "r"},
		"v=DMARC1; p=reject; sp=quarantine; adkim=s; aspf=r"},
	    {{.policy = "quarantine", .rua = "a@example.com, mailto:b@example.net!10m"},
		"v=DMARC1; p=quarantine; rua=mailto:a@example.com,mailto:b@example.net!10m"},
	    {{.policy = "discard"}, NULL}, {{.adkim = "x"}, NULL}, {{.aspf = ""}, NULL},
	    {{.rua = "nobody"}, NULL}, {{.rua = "a@example.com; p=none"}, NULL},
	    {{.rua = "a@example.com,"}, NULL}, {{.ruf = "https://example.com/"}, NULL},
	    {{.rua = "a@b@c"}, NULL}, {{.rua = "a\n@example.com"}, NULL}, {{.rua = ""}, NULL}};
	struct dmarc_record record;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum status status;

		buf_reset(&out);
		status = dmarc_compose(&rows[i].wanted, &out, &err);
		if (status != (rows[i].result == NULL ? ST_INVALID : ST_OK))
			fail_msg("%zu: %s %s", i, status_name(status), buf_text(&out));
		if (rows[i].result == NULL)
			continue;
		assert_string_equal(buf_text(&out), rows[i].result);
		assert_int_equal(dmarc_parse(buf_span(&out), &record, &err), ST_OK);
		assert_int_equal(record.fault_count, 0);
	}
	assert_true(dmarc_wanted_is_empty(&rows[1].wanted));
	assert_false(dmarc_wanted_is_empty(&rows[0].wanted));
}

static void
test_adsp(void **state)
{
	(void)state;
	assert_int_equal(adsp_compose("discardable", &out, &err), ST_OK);
	assert_string_equal(buf_text(&out), "dkim=discardable");
	assert_int_equal(adsp_compose("some", &out, &err), ST_INVALID);
}

/* ---- notations ---- */

static struct zone_records records;
static char long_value[400];

static int
begin_records(void **state)
{
	struct zone_record *record;

	memset(long_value, 'A', sizeof(long_value) - 1);
	memcpy(long_value, "v=DKIM1; k=rsa; p=", 18);
	zone_records_begin(&records, SPAN_LIT("Sub.Example.com"), SPAN_LIT("example.com"));
	record = zone_records_add(&records, ZONE_TXT, SPAN_LIT("s1._domainkey.sub.example.com"),
	    span_str(long_value), 300, "DKIM key s1");
	record->seen = ZONE_ABSENT;
	record = zone_records_add(&records, ZONE_TXT, SPAN_LIT("sub.example.com"),
	    SPAN_LIT("v=spf1 mx -all"), 3600, "SPF");
	zone_record_add_text(record, SPAN_LIT("v=spf1 a -all"), true);
	zone_record_add_text(record, SPAN_LIT("it's \"\xff\\"), false);
	record->seen = ZONE_OTHER;
	record = zone_records_add(&records, ZONE_CNAME, SPAN_LIT("s2._domainkey.sub.example.com"),
	    SPAN_LIT("s2.keys.example.net"), 60, "DKIM key s2");
	record->seen = ZONE_ABSENT;
	record = zone_records_add(&records, ZONE_TXT, SPAN_LIT("_dmarc.sub.example.com"),
	    SPAN_LIT("v=DMARC1; p=none"), 3600, "DMARC");
	zone_record_add_text(record, SPAN_LIT("v=DMARC1; p=none"), true);
	record->seen = ZONE_THERE;
	return begin(state);
}

static int
end_records(void **state)
{
	zone_records_free(&records);
	return end(state);
}

static void
write_as(enum zone_notation notation)
{
	assert_int_equal(zone_records_write(&records, notation, &out, &err), ST_OK);
}

static void
test_bind(void **state)
{
	(void)state;
	write_as(ZONE_BIND);
	assert_has("s1._domainkey.sub.example.com.\t300\tIN\tTXT\t( \"v=DKIM1");
	assert_has("A\"\n\t\t\"A");
	assert_has("; take this one out: sub.example.com. TXT \"v=spf1 a -all\"\n");
	assert_has("\nsub.example.com.\t3600\tIN\tTXT\t\"v=spf1 mx -all\"\n");
	assert_has("s2._domainkey.sub.example.com.\t60\tIN\tCNAME\ts2.keys.example.net.\n");
	assert_has("; is there already: _dmarc");
	assert_null(strstr(buf_text(&out), "it's")); /* of others: no business of ours */
}

static void
test_nsupdate(void **state)
{
	(void)state;
	write_as(ZONE_NSUPDATE);
	assert_has("zone example.com.\nprereq nxrrset s1._domainkey.sub.example.com. IN TXT\n");
	assert_has("prereq yxrrset sub.example.com. IN TXT \"v=spf1 a -all\"\n"
		   "prereq yxrrset sub.example.com. IN TXT \"it's \\\"\\255\\\\\"\n");
	assert_has("update delete sub.example.com. IN TXT \"v=spf1 a -all\"\n"
		   "update add sub.example.com. 3600 IN TXT \"v=spf1 mx -all\"\n");
	assert_has("; is there already: _dmarc.sub.example.com\n");
}

static void
test_nsupdate_of_records_in_several_strings(void **state)
{
	(void)state;
	records.items[1].exact = false;
	write_as(ZONE_NSUPDATE);
	assert_has("prereq yxrrset sub.example.com. IN TXT\n");
	assert_has("update delete sub.example.com. IN TXT\n"
		   "update add sub.example.com. 3600 IN TXT \"it's \\\"\\255\\\\\"\n"
		   "update add sub.example.com. 3600 IN TXT \"v=spf1 mx -all\"\n");
}

static void
test_powerdns(void **state)
{
	(void)state;
	write_as(ZONE_POWERDNS);
	assert_has("pdnsutil replace-rrset 'example.com' 'sub' TXT 3600 '\"it'\\''s "
		   "\\\"\\255\\\\\"' '\"v=spf1 mx -all\"'\n");
	assert_has("pdnsutil replace-rrset 'example.com' 's2._domainkey.sub' CNAME 60 "
		   "'s2.keys.example.net.'\n");
	assert_has("# is there already: _dmarc");
	buf_reset(&out);
	write_as(ZONE_POWERDNS_JSON);
	assert_has("\"changetype\": \"REPLACE\", \"records\": [{\"content\": \"\\\"it's "
		   "\\\\\\\"\\\\255\\\\\\\\\\\"\"");
}

static void
test_route53(void **state)
{
	(void)state;
	write_as(ZONE_ROUTE53);
	assert_has("{\"Action\": \"UPSERT\", \"ResourceRecordSet\": {\"Name\": "
		   "\"s2._domainkey.sub.example.com.\", \"Type\": \"CNAME\", \"TTL\": 60, "
		   "\"ResourceRecords\": [{\"Value\": \"s2.keys.example.net.\"}]}}");
	/* There an octet is three octal digits. */
	assert_has("\"\\\"it's \\\\\\\"\\\\377\\\\\\\\\\\"\"");
	assert_has("A\\\" \\\"A");
}

static void
test_form(void **state)
{
	(void)state;
	write_as(ZONE_FORM);
	assert_has("Name      s1._domainkey.sub\n");
	assert_has("   or, whole sub.example.com\n");
	assert_has("   In place of  \"v=spf1 a -all\"\n");
	assert_has("The value has 399 octets. If the form takes 255 only");
	assert_has("   Value     s2.keys.example.net\n");
}

static void
test_json(void **state)
{
	(void)state;
	write_as(ZONE_JSON);
	assert_has("\"zone\": \"example.com\"");
	assert_has("\"published\": \"different\", \"replaces\": [\"v=spf1 a -all\"], \"beside\": "
		   "[\"it's \\\"\\u00ff\\\\\"]");
}

static void
test_what_is_not_known_is_not_replaced(void **state)
{
	(void)state;
	records.items[1].seen = ZONE_UNKNOWN;
	assert_int_equal(zone_records_write(&records, ZONE_ROUTE53, &out, &err), ST_DENIED);
	assert_int_equal(zone_records_write(&records, ZONE_POWERDNS, &out, &err), ST_DENIED);
	assert_int_equal(out.n, 0);
	assert_non_null(strstr(err.text, "sub.example.com"));
	write_as(ZONE_NSUPDATE);
	records.items[1].seen = ZONE_OTHER;
	records.items[0].seen = ZONE_UNKNOWN; /* a name for one record alone */
	write_as(ZONE_ROUTE53);
}

static void
test_output_has_an_end(void **state)
{
	struct buf small;

	(void)state;
	buf_init(&small, 100);
	assert_int_equal(zone_records_write(&records, ZONE_BIND, &small, &err), ST_TOO_BIG);
	buf_free(&small);
}

static void
test_names_of_notations(void **state)
{
	enum zone_notation notation;

	(void)state;
	assert_int_equal(zone_notation_by_name(SPAN_LIT("route53"), &notation), ST_OK);
	assert_int_equal(notation, ZONE_ROUTE53);
	assert_int_equal(zone_notation_by_name(SPAN_LIT("Bind"), &notation), ST_ABSENT);
}

#define RECORDS(test) cmocka_unit_test_setup_teardown(test, begin_records, end_records)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_spf, begin, end),
	    cmocka_unit_test_setup_teardown(test_networks, begin, end),
	    cmocka_unit_test_setup_teardown(test_dmarc, begin, end),
	    cmocka_unit_test_setup_teardown(test_adsp, begin, end),
	    RECORDS(test_bind),
	    RECORDS(test_nsupdate),
	    RECORDS(test_nsupdate_of_records_in_several_strings),
	    RECORDS(test_powerdns),
	    RECORDS(test_route53),
	    RECORDS(test_form),
	    RECORDS(test_json),
	    RECORDS(test_what_is_not_known_is_not_replaced),
	    RECORDS(test_output_has_an_end),
	    cmocka_unit_test(test_names_of_notations),
	};

	return cmocka_run_group_tests_name("compose", tests, NULL, NULL);
}
