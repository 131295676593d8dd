/*
 * test_mailauth.c - SPF, DMARC and key records: what is well-formed, and what an audit says about
 * each mistake that people make. Called by make check; pure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/mailauth/dmarc_syntax.h"
#include "lib/mailauth/key_audit.h"
#include "lib/mailauth/spf_syntax.h"

/* ---- one term ---- */

struct term_row {
	const char *text;
	enum spf_kind kind;
	bool good;
	const char *argument;
	int prefix4, prefix6;
};

static const struct term_row terms[] = {
    {"all", SPF_ALL, true, "", -1, -1},
    {"-ALL", SPF_ALL, true, "", -1, -1},
    {"all:example.com", SPF_ALL, false, "example.com", -1, -1},
    {"all/24", SPF_ALL, false, "", -1, -1},
    {"--all", SPF_UNKNOWN, false, "", -1, -1},
    {"", SPF_UNKNOWN, false, "", -1, -1},
    {"include:example.com", SPF_INCLUDE, true, "example.com", -1, -1},
    {"include:_spf.example.com.", SPF_INCLUDE, true, "_spf.example.com.", -1, -1},
    {"include", SPF_INCLUDE, false, "", -1, -1},
    {"include:", SPF_INCLUDE, false, "", -1, -1},
    {"include=example.com", SPF_OTHER, true, "example.com", -1, -1},
    {"include:example.123", SPF_INCLUDE, false, "example.123", -1, -1},
    {"include:foo..example.com", SPF_INCLUDE, false, "foo..example.com", -1, -1},
    {"include:joe@example.com", SPF_INCLUDE, false, "joe@example.com", -1, -1},
    {"include:.example.com", SPF_INCLUDE, false, ".example.com", -1, -1},
    {"redirect=a..example.com", SPF_REDIRECT, false, "a..example.com", -1, -1},
    {"a:foo..example.com", SPF_A, true, "foo..example.com", -1, -1},
    {"include:localhost", SPF_INCLUDE, false, "localhost", -1, -1},
    {"include:example.-com", SPF_INCLUDE, false, "example.-com", -1, -1},
    {"a", SPF_A, true, "", -1, -1},
    {"a/24", SPF_A, true, "", 24, -1},
    {"a//64", SPF_A, true, "", -1, 64},
    {"a/24//64", SPF_A, true, "", 24, 64},
    {"a:example.com/0//0", SPF_A, true, "example.com", 0, 0},
    {"a/33", SPF_A, false, "", -1, -1},
    {"a/024", SPF_A, false, "", -1, -1},
    {"a//129", SPF_A, false, "", -1, -1},
    {"a/24/64", SPF_A, false, "", 24, -1},
    {"a/", SPF_A, false, "", -1, -1},
    {"a:", SPF_A, false, "", -1, -1},
    {"mx:mail.example.com", SPF_MX, true, "mail.example.com", -1, -1},
    {"?mx/30", SPF_MX, true, "", 30, -1},
    {"ptr", SPF_PTR, true, "", -1, -1},
    {"ptr:example.com", SPF_PTR, true, "example.com", -1, -1},
    {"ptr/24", SPF_PTR, false, "", -1, -1},
    {"ip4:192.0.2.1", SPF_IP4, true, "192.0.2.1", -1, -1},
    {"ip4:192.0.2.0/24", SPF_IP4, true, "192.0.2.0", 24, -1},
    {"ip4:192.0.2.0/33", SPF_IP4, false, "192.0.2.0", 33, -1},
    {"ip4:192.0.2.0/-1", SPF_IP4, false, "192.0.2.0", -1, -1},
    {"ip4:192.0.2", SPF_IP4, false, "192.0.2", -1, -1},
    {"ip4:192.0.2.256", SPF_IP4, false, "192.0.2.256", -1, -1},
    {"ip4:192.0.02.1", SPF_IP4, false, "192.0.02.1", -1, -1},
    {"ip4:192.0.2.1//24", SPF_IP4, false, "192.0.2.1", -1, -1},
    {"ip4=192.0.2.1", SPF_OTHER, true, "192.0.2.1", -1, -1},
    {"ip4", SPF_IP4, false, "", -1, -1},
    {"ip4:example.com", SPF_IP4, false, "example.com", -1, -1},
    {"ip6:2001:db8::/32", SPF_IP6, true, "2001:db8::", -1, 32},
    {"ip6:::1", SPF_IP6, true, "::1", -1, -1},
    {"ip6:::ffff:192.0.2.1/128", SPF_IP6, true, "::ffff:192.0.2.1", -1, 128},
    {"ip6:2001:db8::/129", SPF_IP6, false, "2001:db8::", -1, -1},
    {"ip6:1::2:", SPF_IP6, false, "1::2:", -1, -1},
    {"ip6:192.0.2.1", SPF_IP6, false, "192.0.2.1", -1, -1},
    {"exists:%{ir}.%{v}._spf.%{d2}", SPF_EXISTS, true, "%{ir}.%{v}._spf.%{d2}", -1, -1},
    {"exists:%{l1r-}.example.com", SPF_EXISTS, true, "%{l1r-}.example.com", -1, -1},
    {"exists:%{c}.example.com", SPF_EXISTS, false, "%{c}.example.com", -1, -1},
    {"exists:%{x}.example.com", SPF_EXISTS, false, "%{x}.example.com", -1, -1},
    {"a:%{s0}", SPF_A, false, "%{s0}", -1, -1},
    {"a:%{s00r}", SPF_A, false, "%{s00r}", -1, -1},
    {"a:%{s10}", SPF_A, true, "%{s10}", -1, -1},
    {"exists:%{i", SPF_EXISTS, false, "%{i", -1, -1},
    {"exists:%", SPF_EXISTS, false, "%", -1, -1},
    {"exists:%%.example.com", SPF_EXISTS, true, "%%.example.com", -1, -1},
    {"a:%{d/}/24", SPF_A, true, "%{d/}", 24, -1},
    {"redirect=_spf.example.com", SPF_REDIRECT, true, "_spf.example.com", -1, -1},
    {"redirect=", SPF_REDIRECT, false, "", -1, -1},
    {"redirect:example.com", SPF_UNKNOWN, false, "", -1, -1},
    {"exp=explain.example.com", SPF_EXP, true, "explain.example.com", -1, -1},
    {"moo=anything", SPF_OTHER, true, "anything", -1, -1},
    {"1moo=x", SPF_UNKNOWN, false, "", -1, -1},
    {"ipv4:192.0.2.1", SPF_UNKNOWN, false, "", -1, -1},
    {"mail.example.com", SPF_UNKNOWN, false, "", -1, -1},
    {"a\tmx", SPF_UNKNOWN, false, "", -1, -1},
};

static void
test_spf_terms(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++) {
		const struct term_row *row = &terms[i];
		struct spf_record record;
		char text[200];

		snprintf(text, sizeof(text), "v=spf1 %s -all", row->text);
		assert_int_equal(spf_parse(span_str(text), &record, NULL), ST_OK);
		if (row->text[0] == '\0') {
			assert_int_equal(record.count, 1);
			continue;
		}
		if (record.terms[0].kind != row->kind ||
		    (record.terms[0].fault == NULL) != row->good ||
		    record.terms[0].prefix4 != row->prefix4 ||
		    record.terms[0].prefix6 != row->prefix6 ||
		    !span_eq_str(record.terms[0].argument, row->argument))
			fail_msg("%s: kind %d, fault %s, argument \"%.*s\", /%d //%d", row->text,
			    (int)record.terms[0].kind,
			    record.terms[0].fault == NULL ? "none" : record.terms[0].fault,
			    SPAN_ARG(record.terms[0].argument), record.terms[0].prefix4,
			    record.terms[0].prefix6);
	}
}

static void
test_spf_versions(void **state)
{
	static const struct {
		const char *text;
		bool is;
	} rows[] = {
	    {"v=spf1", true},
	    {"V=SPF1 -all", true},
	    {"v=spf10 -all", false},
	    {"v=spf1;-all", false},
	    {" v=spf1 -all", false},
	    {"spf1 -all", false},
	    {"", false},
	    {"v=spf2.0/pra", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct spf_record record;

		assert_int_equal(spf_is_record(span_str(rows[i].text)), rows[i].is);
		assert_int_equal(spf_parse(span_str(rows[i].text), &record, NULL),
		    rows[i].is ? ST_OK : ST_ABSENT);
	}
}

static void
test_spf_too_many_terms(void **state)
{
	struct spf_record record;
	struct buf text;

	(void)state;
	buf_init(&text, 10000);
	buf_add_str(&text, "v=spf1");
	for (unsigned i = 0; i < SPF_TERMS_MAX; i++)
		buf_add_str(&text, "  a");
	assert_int_equal(spf_parse(buf_span(&text), &record, NULL), ST_OK);
	assert_int_equal(record.count, SPF_TERMS_MAX);
	assert_int_equal(spf_lookups(&record), SPF_TERMS_MAX);
	buf_add_str(&text, " a");
	assert_int_equal(spf_parse(buf_span(&text), &record, NULL), ST_TOO_BIG);
	buf_free(&text);
}

/* ---- audits: the worst severity, and words that must be in a sentence of that severity ---- */

struct audit_row {
	const char *text;
	enum severity worst;
	const char *words;
};

static enum severity
worst_of(const struct findings *findings)
{
	enum severity worst = SEVERITY_OK;

	for (size_t i = 0; i < findings->count; i++)
		if (findings->items[i].severity > worst)
			worst = findings->items[i].severity;
	return worst;
}

static bool
says(const struct findings *findings, enum severity severity, const char *words)
{
	for (size_t i = 0; i < findings->count; i++)
		if (findings->items[i].severity == severity &&
		    strstr(findings->items[i].text, words) != NULL)
			return true;
	return false;
}

static void
check_audit(const struct audit_row *row, struct findings *findings)
{
	size_t errors = 0;

	for (size_t i = 0; i < findings->count; i++)
		errors += findings->items[i].severity == SEVERITY_ERROR;
	assert_int_equal(errors, findings->errors);
	if (worst_of(findings) != row->worst || !says(findings, row->worst, row->words)) {
		for (size_t i = 0; i < findings->count; i++)
			print_message("# %s: %s\n", severity_name(findings->items[i].severity),
			    findings->items[i].text);
		fail_msg(
		    "%s: not %s with \"%s\"", row->text, severity_name(row->worst), row->words);
	}
	findings_free(findings);
}

static const struct audit_row spf_rows[] = {
    {"v=spf1 -all", SEVERITY_OK, "well-formed"},
    {"v=spf1 mx a ip4:192.0.2.0/24 include:_spf.example.net ~all", SEVERITY_OK, "3 of 10"},
    {"v=spf1 redirect=_spf.example.net", SEVERITY_OK, "1 of 10"},
    {"v=spf1 +all", SEVERITY_ERROR, "every host"},
    {"v=spf1 all", SEVERITY_ERROR, "every host"},
    {"v=spf1 ?all", SEVERITY_WARNING, "says nothing"},
    {"v=spf1 mx", SEVERITY_WARNING, "end it in -all"},
    {"v=spf1 ptr -all", SEVERITY_WARNING, "5.5"},
    {"v=spf1 a a a a a a a a a a mx -all", SEVERITY_ERROR, "11 look-ups"},
    {"v=spf1 a a a a a a a a a a -all", SEVERITY_OK, "10 of 10"},
    {"v=spf1 redirect=a.example redirect=b.example", SEVERITY_ERROR, "redirect= stands 2"},
    {"v=spf1 exp=a.example exp=b.example -all", SEVERITY_ERROR, "exp= stands 2"},
    {"v=spf1 redirect=a.example -all", SEVERITY_WARNING, "never used"},
    {"v=spf1 -all a", SEVERITY_WARNING, "never looked at"},
    {"v=spf1 ip4:0.0.0.0/0 -all", SEVERITY_ERROR, "every host"},
    {"v=spf1 ip4:10.0.0.0/7 -all", SEVERITY_WARNING, "millions"},
    {"v=spf1 -ip4:10.0.0.0/7 -all", SEVERITY_OK, "well-formed"},
    {"v=spf1 ipv4:192.0.2.1 -all", SEVERITY_ERROR, "no mechanism of that name"},
    {"v=spf1 include:a.exampleinclude:b.example -all", SEVERITY_ERROR, "blank missing"},
    {"v=spf1 moo=x -all", SEVERITY_NOTE, "ignored"},
    {"v=spf1 include=_spf.example.net -all", SEVERITY_ERROR, "write include:_spf.example.net"},
    {"v=spf1 ip4=192.0.2.1 -all", SEVERITY_ERROR, "write ip4:192.0.2.1"},
    {"v=spf1 redirect:_spf.example.net", SEVERITY_ERROR, "takes '='"},
    {"v=spf1 exp:a.example -all", SEVERITY_ERROR, "takes '='"},
    {"v=spf1 mx v=spf1 a -all", SEVERITY_WARNING, "begins twice"},
    {"v=spf1 mx -all v=spf1 a -all", SEVERITY_WARNING, "begins twice"},
    {"v=spf1 a:foo..example.com -all", SEVERITY_ERROR, "is no name"},
    {"v=spf1 mx:http://example.com -all", SEVERITY_ERROR, "no URL"},
    {"v=spf1 a a a a a a a a a a -all mx", SEVERITY_WARNING, "never looked at"},
    {"v=spf1 a a a a a a a a a a redirect=a.example -all", SEVERITY_WARNING, "never used"},
    {"v=spf1 mx -all;", SEVERITY_ERROR, "no mechanism of that name"},
    {"v=spf1 \\\"a\\\" -all", SEVERITY_ERROR, "quotes"},
    {"v=spf1 a\x01 -all", SEVERITY_ERROR, "a\\x01"},
    {"v=DKIM1", SEVERITY_ERROR, "v=spf1"},
};

static void
test_spf_audit(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(spf_rows) / sizeof(spf_rows[0]); i++) {
		struct findings findings = FINDINGS_NONE;

		spf_audit(span_str(spf_rows[i].text), 1, SPAN_LIT("example.com"), &findings);
		check_audit(&spf_rows[i], &findings);
	}
}

static const struct audit_row dmarc_rows[] = {
    {"v=DMARC1; p=reject; rua=mailto:d@example.com", SEVERITY_OK, "p=reject"},
    {"v=DMARC1;p=quarantine;rua=mailto:d@example.com!10m,mailto:e@example.net;fo=1:d:s;adkim=s;"
     "aspf=r;ri=86400;rf=afrf;pct=100;sp=reject;np=reject;psd=n;t=n;",
	SEVERITY_OK, "DKIM strict, of SPF relaxed"},
    {"v = DMARC1 ; p = reject ; rua = mailto:d@example.com , mailto:e@example.com", SEVERITY_OK,
	""},
    {"v=DMARC1; P=Reject; rua=MAILTO:d@example.com", SEVERITY_OK, "p=reject"},
    {"v=DMARC1; p=none; rua=mailto:d@example.com", SEVERITY_NOTE, "asks for reports"},
    {"v=DMARC1; p=reject", SEVERITY_NOTE, "without rua="},
    {"v=DMARC1; p=reject; pct=50; rua=mailto:d@example.com", SEVERITY_NOTE, "pct=50"},
    {"v=DMARC1; p=reject; t=y; rua=mailto:d@example.com", SEVERITY_NOTE, "t=y"},
    {"v=DMARC1; p=reject; sp=none; rua=mailto:d@example.com", SEVERITY_WARNING, "sp=none"},
    {"v=DMARC1", SEVERITY_ERROR, "ignore the whole record"},
    {"v=DMARC1; p=rejct", SEVERITY_ERROR, "not none, quarantine or reject"},
    {"v=DMARC1; rua=mailto:d@example.com", SEVERITY_ERROR, "no p="},
    {"v=DMARC1; p=reject; p=none", SEVERITY_ERROR, "twice; verifiers ignore the whole record"},
    {"v=DMARC1; p=reject; sp=x", SEVERITY_ERROR,
	"quarantine or reject; verifiers ignore the whole record"},
    {"v=DMARC1; p=reject; sp=x; rua=d@a.b", SEVERITY_ERROR, "verifiers ignore the whole record"},
    {"v=DMARC1; p=reject; sp=x; rua=mailto:d@example.com", SEVERITY_ERROR, "verifiers take p=none"},
    {"v=DMARC1; p=x; rua=mailto:d@example.com", SEVERITY_ERROR, "verifiers take p=none"},
    {"v=DMARC1; p=x; rua=x, mailto:d@example.com", SEVERITY_ERROR, "verifiers take p=none"},
    {"v=DMARC1; p=x; rua=d@example.com", SEVERITY_ERROR,
	"reject; verifiers ignore the whole record"},
    {"v=DMARC1; rua=mailto:d@example.com", SEVERITY_ERROR, "verifiers take p=none"},
    {"v=DMARC1; p=reject; np=x", SEVERITY_ERROR, "verifiers ignore it"},
    {"v=DMARC1; p=reject; rua=mailto:a@b.c;mailto:d@e.f", SEVERITY_ERROR, "commas"},
    {"v=DMARC1; rua=mailto:d@example.com; p=reject", SEVERITY_NOTE, "behind v=DMARC1"},
    {"v=DMARC1; p=reject sp=reject; rua=mailto:a@b.c", SEVERITY_ERROR, "is a ';' missing"},
    {"v=DMARC1; p=reject; v=DMARC1", SEVERITY_ERROR, "stands first"},
    {"v=DMARC1; p=reject; pct=101", SEVERITY_ERROR, "0 to 100"},
    {"v=DMARC1; p=reject; adkim=x", SEVERITY_ERROR, "r or s"},
    {"v=DMARC1; p=reject; fo=2", SEVERITY_ERROR, "0, 1, d and s"},
    {"v=DMARC1; p=reject; rf=iodef", SEVERITY_ERROR, "afrf"},
    {"v=DMARC1; p=reject; ri=day", SEVERITY_ERROR, "seconds"},
    {"v=DMARC1; p=reject; rua=d@example.com", SEVERITY_ERROR, "write mailto:"},
    {"v=DMARC1; p=reject; rua=mailto:example.com", SEVERITY_ERROR, "no mail address"},
    {"v=DMARC1; p=reject; rua=mailto:d@example.com!x", SEVERITY_ERROR, "no size"},
    {"v=DMARC1; p=reject; rua=mailto:d@exa mple.com", SEVERITY_ERROR, "octet"},
    {"v=DMARC1; p=reject; rua=mailto:d@example.com,", SEVERITY_ERROR, "comma at its end"},
    {"v=DMARC1; p=reject; rua=", SEVERITY_ERROR, "no address"},
    {"v=DMARC1; p=reject; rua=mailto:d@a.b/c", SEVERITY_ERROR, "no domain name"},
    {"v=DMARC1; p=reject rua=mailto:d@example.com", SEVERITY_ERROR, "ignore"},
    {"v=DMARC1; p=reject; moo=x", SEVERITY_WARNING, "no tag of that name"},
    {"v=DMARC1; p=reject; x", SEVERITY_ERROR, "no '='"},
    {"v=DMARC1\\; p=reject", SEVERITY_ERROR, "backslashes"},
    {"v=DMARC2; p=reject", SEVERITY_ERROR, "v=DMARC1"},
};

static void
test_dmarc_audit(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(dmarc_rows) / sizeof(dmarc_rows[0]); i++) {
		struct findings findings = FINDINGS_NONE;

		dmarc_audit(
		    span_str(dmarc_rows[i].text), SPAN_LIT("_dmarc.example.com"), &findings);
		check_audit(&dmarc_rows[i], &findings);
	}
}

static void
test_dmarc_versions(void **state)
{
	static const struct {
		const char *text;
		bool is;
	} rows[] = {
	    {"v=DMARC1", true},
	    {"v=DMARC1; p=none", true},
	    {" v = DMARC1 ;p=none", true},
	    {"v=dmarc1; p=none", false},
	    {"V=DMARC1; p=none", false},
	    {"v=DMARC10; p=none", false},
	    {"p=none; v=DMARC1", false},
	    {"", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(dmarc_is_record(span_str(rows[i].text)), rows[i].is);
}

static void
test_dmarc_uris(void **state)
{
	struct span list =
	    SPAN_LIT("mailto:a@b.example!5k , https://x.example/y?z,mailto:c@d.example?s=1");
	struct dmarc_uri uri;

	(void)state;
	assert_true(dmarc_uri_next(&list, &uri));
	assert_true(span_eq_str(uri.text, "mailto:a@b.example"));
	assert_true(span_eq_str(uri.domain, "b.example"));
	assert_true(dmarc_uri_next(&list, &uri));
	assert_null(uri.fault);
	assert_int_equal(uri.domain.n, 0);
	assert_true(dmarc_uri_next(&list, &uri));
	assert_true(span_eq_str(uri.domain, "d.example"));
	assert_false(dmarc_uri_next(&list, &uri));
}

/* The example key of RFC 8463 and RSA keys of the sizes that the sentences are about. */
#define ED25519 "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define RSA1024                                                                                    \
	"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC8Hw9xZYEgJwHiIha8iy0JWC4tLpQXqDTyacc5gBBCzJ84y6Gf" \
	"ozfHcXwzbYyVP1GVxvKSRhfc7JXCAU2NCFaxeDgKCH0nOBn2GBSmSbI6ogFNWzBJxyb8Mv3G16moj+Smpn8DvVnp" \
	"IIhsxxbypcTO5KNbSiwJ/JsrQsFIHwhK0wIDAQAB"

static const struct audit_row key_rows[] = {
    {"v=DKIM1; k=rsa; p=" RSA1024, SEVERITY_WARNING, "1024 bits is weak"},
    {"v=DKIM1; k=ed25519; p=" ED25519, SEVERITY_OK, "Ed25519"},
    {"k=ed25519; p=" ED25519, SEVERITY_NOTE, "no v=DKIM1"},
    {"v=DKIM1; k=ed25519; t=s; p=" ED25519, SEVERITY_NOTE, "t=s"},
    {"v=DKIM1; k=ed25519; t=y:s; p=" ED25519, SEVERITY_WARNING, "t=y"},
    {"v=DKIM1; k=ed25519; h=sha1; p=" ED25519, SEVERITY_ERROR, "sha256"},
    {"v=DKIM1; k=ed25519; s=tlsrpt; p=" ED25519, SEVERITY_ERROR, "email"},
    {"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQH Og7hcvPapiMlrwIaaPcHURo=", SEVERITY_WARNING,
	"blanks"},
    {"v=DKIM1; k=ed25519; p=", SEVERITY_WARNING, "revoked"},
    {"v=DKIM1; k=rsa; p=" ED25519, SEVERITY_ERROR, "no RSA key"},
    {"v=DKIM1; k=ed25519; p=" RSA1024, SEVERITY_ERROR, "no Ed25519 key"},
    {"v=DKIM1; k=dsa; p=" ED25519, SEVERITY_ERROR, "k=dsa"},
    {"v=DKIM1\\; k=ed25519\\; p=" ED25519, SEVERITY_ERROR, "backslashes"},
    {"\"v=DKIM1; k=ed25519; p=" ED25519 "\"", SEVERITY_ERROR, "quotes"},
    {"v=DKIM1; k=rsa; p=MIGf\" \"MA0G", SEVERITY_ERROR, "quotes"},
    {"v=DKIM1; k=rsa", SEVERITY_ERROR, "no p="},
    {"v=DKIM1; k=ed25519; n=\"x\"; p=" ED25519, SEVERITY_WARNING, "quotes"},
    {"v=DKIM1; k=rsa; p=MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw", SEVERITY_ERROR, "private key"},
    {"v=DKIM1; k=rsa; p=MIICXAIBAAKBgQC8", SEVERITY_ERROR, "private key"},
    {"v=DKIM1; k=ed25519; p=MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g",
	SEVERITY_ERROR, "private key"},
    {"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKB", SEVERITY_ERROR, "27 of 162 octets"},
    {"v=DKIM1; k=rsa; p=MA==", SEVERITY_ERROR, "no RSA key"},
    {"v=DKIM1; k=rsa; p=MII=", SEVERITY_ERROR, "no RSA key"},
    {"v=spf1 -all", SEVERITY_ERROR, "no key record"},
    {"k=rsa; v=DKIM1; p=" RSA1024, SEVERITY_ERROR, "first tag"},
    {"", SEVERITY_ERROR, "no key record"},
};

static void
test_key_audit(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(key_rows) / sizeof(key_rows[0]); i++) {
		struct findings findings = FINDINGS_NONE;

		key_audit(
		    span_str(key_rows[i].text), SPAN_LIT("s._domainkey.example.com"), &findings);
		check_audit(&key_rows[i], &findings);
	}
}

static void
test_findings_are_bounded(void **state)
{
	struct findings findings = FINDINGS_NONE;
	char text[FINDING_TEXT_MAX * 2];

	(void)state;
	memset(text, '\xff', sizeof(text));
	for (unsigned i = 0; i < FINDINGS_MAX + 7; i++)
		findings_add(
		    &findings, SEVERITY_ERROR, span_of(text, 3), "%.*s", (int)sizeof(text), text);
	assert_int_equal(findings.count, FINDINGS_MAX);
	assert_int_equal(findings.left_out, 7);
	assert_int_equal(findings.errors, FINDINGS_MAX + 7);
	assert_string_equal(findings.items[0].about, "\\xff\\xff\\xff");
	assert_int_equal(strlen(findings.items[0].text), (FINDING_TEXT_MAX - 4) * 4 + 3);
	findings_free(&findings);
	findings_free(&findings);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_spf_terms),
	    cmocka_unit_test(test_spf_versions),
	    cmocka_unit_test(test_spf_too_many_terms),
	    cmocka_unit_test(test_spf_audit),
	    cmocka_unit_test(test_dmarc_audit),
	    cmocka_unit_test(test_dmarc_versions),
	    cmocka_unit_test(test_dmarc_uris),
	    cmocka_unit_test(test_key_audit),
	    cmocka_unit_test(test_findings_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
