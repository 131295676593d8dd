/*
 * test_session_verify.c - one milter connection whose messages are verified: who is asked what and
 * when, and what becomes of the message.
 */
#include "tests/unit/verify_world.h"

/* ---- the way through ---- */

static void
test_verify_only(void **state)
{
	struct vworld v;

	(void)state;
	vbegin(&v, "Mode v\nSyslogSuccess yes\n", ZONE);
	VHEADERS(&v, "example.com");
	body_and_end(&v, BODY);
	assert_int_equal(v.w.sent, 0); /* the keeper has nothing to say */
	assert_string_equal(replies(&v.w), "ia");
	assert_inserted(&v, 0, "Authentication-Results", "mx.Example.NET; dkim=pass");
	assert_inserted(&v, 0, "Authentication-Results", "header.d=example.com");
	assert_true(scratch_log_has(&v.w.scratch, "DKIM verification successful"));
	vend(&v);
}

/* A message with a signature is asked about before its body; one that is not ours is verified. */
static void
test_sign_and_verify(void **state)
{
	struct vworld v;
	struct span rest, signer;

	(void)state;
	vbegin(&v, "Mode sv\n", ZONE);
	VHEADERS(&v, "example.com", "example.org");
	assert_int_equal(v.w.session.question, QUESTION_ROUTE);
	rest = v.w.request.signers;
	assert_true(frame_list_next(&rest, &signer));
	assert_text(signer, "example.com");
	assert_true(frame_list_next(&rest, &signer));
	assert_text(signer, "example.org");
	answer(&v.w, VERDICT_VERIFY, 0);
	body_and_end(&v, BODY);
	assert_string_equal(replies(&v.w), "ia");
	assert_inserted(&v, 0, "Authentication-Results", "dkim=pass");
	vend(&v);
}

/* The same message from one of ours is signed. */
static void
test_signed_already(void **state)
{
	struct vworld v;

	(void)state;
	vbegin(&v, "Mode sv\n", ZONE);
	VHEADERS(&v, "example.com");
	answer(&v.w, VERDICT_SIGN, 0);
	body_and_end(&v, "Hello\r\n");
	assert_int_equal(v.w.session.question, QUESTION_SIGN);
	assert_sign(&v.w, "From", "From: Joe <joe@Example.COM>\r\n", "Hello\r\n");
	answer(&v.w, VERDICT_SIGN, 1);
	assert_string_equal(replies(&v.w), "ic");
	assert_inserted(&v, 0, "DKIM-Signature", "b=first");
	vend(&v);
}

/* Without a signature nothing is asked before the end. */
static void
test_unsigned(void **state)
{
	static const struct {
		const char *conf, *reply, *result;
	} rows[] = {{"Mode sv\n", "a", NULL}, {"AlwaysAddARHeader yes\n", "ia", "dkim=none"},
	    {"On-NoSignature reject\n", "y", NULL},
	    {"On-NoSignature reject\nAlwaysAddARHeader yes\n", "y", NULL},
	    {"On-NoSignature discard\n", "d", NULL}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vworld v;

		vbegin(&v, rows[i].conf, "");
		VHEADERS(&v, NULL);
		assert_int_equal(v.w.session.question, QUESTION_NONE);
		body_and_end(&v, BODY);
		assert_int_equal(v.w.session.question, QUESTION_SIGN);
		answer(&v.w, VERDICT_VERIFY, 0);
		assert_string_equal(replies(&v.w), rows[i].reply);
		if (rows[i].result != NULL)
			assert_inserted(&v, 0, "Authentication-Results", rows[i].result);
		vend(&v);
	}
}

/* What the keeper exempts is let alone, forged results included. */
static void
test_exempt(void **state)
{
	struct vworld v;

	(void)state;
	vbegin(&v, "Mode v\nExemptDomains example.com\nAlwaysAddARHeader yes\n", ZONE);
	VHEADERS(&v, "example.com");
	assert_int_equal(v.w.session.question, QUESTION_ROUTE);
	answer(&v.w, VERDICT_PASS, 0);
	body_and_end(&v, BODY);
	assert_string_equal(replies(&v.w), "a");
	vend(&v);
}

/* ---- results into verdicts ---- */

struct verdict_row {
	const char *conf, *zone, *body, *replies, *text;
};

static void
run_verdict(const struct verdict_row *row)
{
	struct vworld v;
	char conf[256];

	snprintf(conf, sizeof(conf), "Mode v\nDNSTimeout 1\n%s", row->conf);
	vbegin(&v, conf, row->zone);
	VHEADERS(&v, "example.com");
	body_and_end(&v, row->body);
	vwait(&v);
	assert_string_equal(replies(&v.w), row->replies);
	if (row->replies[0] == 'i')
		assert_inserted(&v, 0, "Authentication-Results", row->text);
	else if (row->replies[0] == 'y')
		assert_text(reply_at(&v.w, 0).text, row->text);
	vend(&v);
}

static void
test_verdicts(void **state)
{
#define SERVFAIL "s._domainkey.example.com !SERVFAIL\n"
#define REVOKED "s._domainkey.example.com v=DKIM1; k=ed25519; p=\n"
#define MANY ZONE ZONE
	static const struct verdict_row rows[] = {
	    {"", ZONE, BODY, "ia", "dkim=pass"},
	    {"On-BadSignature reject\n", ZONE, BODY, "ia", "dkim=pass"},
	    {"", ZONE, "other\r\n", "ia", "dkim=fail"},
	    {"On-BadSignature reject\n", ZONE, "other\r\n", "y",
		"550 5.7.0 bad DKIM signature data"},
	    {"On-BadSignature tempfail\n", ZONE, "other\r\n", "y",
		"451 4.7.0 bad DKIM signature data"},
	    {"On-BadSignature discard\n", ZONE, "other\r\n", "d", NULL},
	    {"On-Default reject\n", ZONE, "other\r\n", "y", "550 5.7.0 bad DKIM signature data"},
	    {"", REVOKED, BODY, "ia", "dkim=fail"},
	    {"On-BadSignature reject\n", REVOKED, BODY, "y", "550 5.7.0 bad DKIM signature data"},
	    {"", "", BODY, "ia", "dkim=permerror"},
	    {"On-KeyNotFound reject\n", "", BODY, "y", "550 5.7.5 DKIM key retrieval failed"},
	    {"On-KeyNotFound tempfail\n", "", BODY, "y", "451 4.7.5 DKIM key retrieval failed"},
	    /* On-DNSError is enforced, tempfail by default. */
	    {"", SERVFAIL, BODY, "y", "451 4.7.5 DKIM key retrieval failed"},
	    {"On-DNSError accept\n", SERVFAIL, BODY, "ia", "dkim=temperror"},
	    {"On-DNSError reject\n", SERVFAIL, BODY, "y", "550 5.7.5 DKIM key retrieval failed"},
	    {"", "s._domainkey.example.com !TIMEOUT\n", BODY, "y",
		"451 4.7.5 DKIM key retrieval failed"},
	    /* Broken for good: waiting would not mend it. */
	    {"On-BadSignature reject\n", MANY, BODY, "y", "550 5.7.0 bad DKIM signature data"},
	    {"", MANY, BODY, "ia", "dkim=temperror"},
	    {"MustBeSigned X-Other\nOn-BadSignature reject\n", ZONE, BODY, "y",
		"550 5.7.0 bad DKIM signature data"},
	    {"MustBeSigned X-Absent\nOn-BadSignature reject\n", ZONE, BODY, "ia", "dkim=pass"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run_verdict(&rows[i]);
}

/* t=y in the record turns a refusal into acceptance, RFC 6376 section 3.6.1. */
static void
test_testing_key(void **state)
{
	struct vworld v;

	(void)state;
	vbegin(&v, "Mode v\nOn-BadSignature reject\n", "s._domainkey.example.com $K; t=y\n");
	VHEADERS(&v, "example.com");
	body_and_end(&v, "other\r\n");
	assert_string_equal(replies(&v.w), "ia");
	assert_inserted(&v, 0, "Authentication-Results", "dkim=fail");
	vend(&v);
}

/* One passing signature outweighs the others. */
static void
test_one_passes(void **state)
{
	struct vworld v;

	(void)state;
	vbegin(&v, "Mode v\nOn-Default reject\n",
	    ZONE "s._domainkey.example.org v=DKIM1; p=\ns._domainkey.example.net !SERVFAIL\n");
	VHEADERS(&v, "example.org", "example.net", "example.com");
	body_and_end(&v, BODY);
	assert_string_equal(replies(&v.w), "ia");
	assert_inserted(&v, 0, "Authentication-Results", "dkim=pass");
	assert_inserted(&v, 0, "Authentication-Results", "dkim=temperror");
	vend(&v);
}

/* RFC 6376 8.2: a pass of a signature with l= speaks of a part of the body only, and both the
 * reader of the header and that of the log are told. */
static void
test_part_of_the_body(void **state)
{
	static const struct {
		const char *conf, *replies, *text;
	} rows[] = {
	    {"", "ia", "dkim=pass (256-bit key; body hash covers 7 of 13 octets)"},
	    {"Minimum 50%\n", "ia", "dkim=pass"},
	    {"Minimum 8\n", "ia", "dkim=policy"},
	    {"Minimum 54%\n", "ia", "dkim=policy"},
	    {"Minimum 5+\nOn-BadSignature reject\n", "y", "550 5.7.0 bad DKIM signature data"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vworld v;
		char conf[128];

		snprintf(conf, sizeof(conf), "Mode v\n%s", rows[i].conf);
		vbegin(&v, conf, ZONE);
		v.covered = sizeof(BODY) - 1;
		VHEADERS(&v, "example.com");
		body_and_end(&v, BODY "more\r\n");
		assert_string_equal(replies(&v.w), rows[i].replies);
		if (rows[i].replies[0] == 'i')
			assert_inserted(&v, 0, "Authentication-Results", rows[i].text);
		else
			assert_text(reply_at(&v.w, 0).text, rows[i].text);
		assert_int_equal(scratch_log_has(&v.w.scratch,
				     "s=s d=example.com: passes, but covers 7 of 13 octets"),
		    i < 2);
		vend(&v);
	}
}

/* What the configuration says of DNSSEC and of clocks reaches the verifier. */
static void
test_rules_of_the_configuration(void **state)
{
	static const struct {
		const char *conf, *zone;
		int64_t later_s;
		const char *text;
	} rows[] = {
	    {"", ZONE, -359, "dkim=pass"},
	    {"", ZONE, -361, "dkim=permerror reason=\"signature made in the future\""},
	    {"ClockDrift 400\n", ZONE, -361, "dkim=pass"},
	    {"ClockDrift 1\n", ZONE, -62, "dkim=permerror"},
	    {"UnprotectedKey fail\n", ZONE, 0, "dkim=policy"},
	    {"UnprotectedKey neutral\n", ZONE, 0, "dkim=neutral"},
	    {"", "s._domainkey.example.com !BOGUS\n", 0, "dkim=fail"},
	    {"BogusKey neutral\n", "s._domainkey.example.com !BOGUS\n", 0, "dkim=neutral"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vworld v;
		char conf[128];

		snprintf(conf, sizeof(conf), "Mode v\n%s", rows[i].conf);
		vbegin(&v, conf, rows[i].zone);
		v.w.host.now_utc = NOW + rows[i].later_s;
		VHEADERS(&v, "example.com");
		body_and_end(&v, BODY);
		assert_string_equal(replies(&v.w), "ia");
		assert_inserted(&v, 0, "Authentication-Results", rows[i].text);
		vend(&v);
	}
}

static void
test_settings_of_the_configuration(void **state)
{
	const struct settings_verify *settings;
	struct vworld v;

	(void)state;
	vbegin(&v,
	    "Mode v\nMinimumKeyBits 3000\nMaximumSignaturesToVerify 100\nFixCRLF yes\n"
	    "Minimum 100+\nDNSTimeout 7\n",
	    "");
	settings = &v.w.settings->verifying;
	assert_int_equal(settings->options.minimum_key_bits, 3000);
	assert_int_equal(settings->signatures_max, VERIFY_SIGNATURES_MAX);
	assert_true(settings->options.fix_crlf);
	assert_int_equal(settings->options.minimum_kind, VERIFY_MINIMUM_ALL_BUT);
	assert_int_equal(settings->options.minimum, 100);
	assert_int_equal(settings->dns_timeout_ms, 7000);
	vend(&v);
}

/* ---- the DNS ---- */

/* Keys are asked for at the end of the headers; the body comes meanwhile; the end waits. */
static void
test_waits_for_keys(void **state)
{
	struct vworld v;

	(void)state;
	vbegin(&v, "Mode v\n", "s._domainkey.example.com !DELAY 20 $K\n");
	VHEADERS(&v, "example.com");
	assert_int_equal(resolver_open_count(v.w.host.resolver), 1);
	assert_int_equal(v.w.session.question, QUESTION_NONE);
	body_and_end(&v, BODY);
	assert_int_equal(v.w.session.question, QUESTION_KEYS);
	assert_string_equal(replies(&v.w), "");
	vwait(&v);
	assert_int_equal(v.resumed, 1);
	assert_string_equal(replies(&v.w), "ia");
	assert_inserted(&v, 0, "Authentication-Results", "dkim=pass");
	vend(&v);
}

/* The answer comes before the end: nobody waits. */
static void
test_keys_come_early(void **state)
{
	struct vworld v;

	(void)state;
	vbegin(&v, "Mode v\n", "s._domainkey.example.com !DELAY 5 $K\n");
	VHEADERS(&v, "example.com");
	while (resolver_open_count(v.w.host.resolver) > 0)
		loop_step(&v.loop);
	body_and_end(&v, BODY);
	assert_int_equal(v.resumed, 0);
	assert_string_equal(replies(&v.w), "ia");
	vend(&v);
}

/* The MTA ends the message, or the connection, while a key is awaited. */
static void
test_given_up(void **state)
{
	struct vworld v;

	(void)state;
	vbegin(&v, "Mode v\n", "s._domainkey.example.com !DELAY 5 $K\n");
	for (int round = 0; round < 3; round++) {
		VHEADERS(&v, "example.com");
		if (round == 2)
			body_and_end(&v, BODY);
		else
			step(&v.w, MILTER_ABORT);
	}
	assert_int_equal(resolver_open_count(v.w.host.resolver), 1);
	session_abandon(&v.w.session, "the test ends it");
	assert_int_equal(resolver_open_count(v.w.host.resolver), 0);
	vend(&v);
}

/* Two signatures with one key: one question. */
static void
test_asked_once(void **state)
{
	struct vworld v;

	(void)state;
	vbegin(&v, "Mode v\n", "s._domainkey.example.com !DELAY 5 $K\n");
	VHEADERS(&v, "example.com", "example.com");
	assert_int_equal(resolver_open_count(v.w.host.resolver), 1);
	body_and_end(&v, BODY);
	vwait(&v);
	assert_string_equal(replies(&v.w), "ia");
	assert_inserted(&v, 0, "Authentication-Results", "; dkim=pass");
	vend(&v);
}

/* ---- which signatures ---- */

static void
test_most_signatures(void **state)
{
	static const struct {
		const char *conf;
		size_t asked;
	} rows[] = {{"MaximumSignaturesToVerify 2\n", 2}, {"MaximumSignaturesToVerify 1\n", 1},
	    {"", 3}, {"MaximumSignaturesToVerify 0\n", 4}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vworld v;
		char conf[128];

		snprintf(conf, sizeof(conf), "Mode v\n%s", rows[i].conf);
		vbegin(&v, conf,
		    "s._domainkey.a.example !TIMEOUT\ns._domainkey.b.example !TIMEOUT\n"
		    "s._domainkey.c.example !TIMEOUT\ns._domainkey.example.com !TIMEOUT\n");
		VHEADERS(&v, "a.example", "b.example", "c.example", "example.com");
		assert_int_equal(resolver_open_count(v.w.host.resolver), rows[i].asked);
		vend(&v);
	}
}

/* That of the author's domain goes first, and those that the keeper trusts. */
static void
test_trusted_first(void **state)
{
	static const char *const results[] = {
	    "reason=\"signature ignored, the message has too many\" header.d=a.example",
	    "dkim=pass (256-bit key) header.d=b.example",
	    "dkim=pass (256-bit key) header.d=example.com"};
	struct vworld v;
	struct reply reply = {.verdict = VERDICT_VERIFY, .trusted = 2};

	(void)state;
	vbegin(&v, "Mode v\nMaximumSignaturesToVerify 2\nTrustSignaturesFrom b.example\n",
	    ZONE "s._domainkey.a.example $K\ns._domainkey.b.example $K\n");
	VHEADERS(&v, "a.example", "b.example", "example.com");
	assert_int_equal(v.w.session.question, QUESTION_ROUTE);
	session_answer(&v.w.session, &reply);
	body_and_end(&v, BODY);
	assert_string_equal(replies(&v.w), "ia");
	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
		assert_inserted(&v, 0, "Authentication-Results", results[i]);
	vend(&v);
}

/* A name that is none is never asked for; what is valid beside it is. RFC 6376 6.1.1, and
 * "d=example.net(.example.com". */
static void
test_no_name_no_question(void **state)
{
	static const char *const changes[][2] = {{"d=example.com", "d=example.com(.a.org"},
	    {"d=example.com", "d=example..com"}, {"d=example.com", "d=a_-.b@c"}, {"s=s;", "s=s s;"},
	    {"s=s;", "s=..;"}, {"s=s;", "s=;"}, {"d=example.com;", "d=example.com; i=@other.org;"},
	    {"d=example.com;", "d=example.com; i=a@sub..example.com;"}};

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct vworld v;
		char *value, changed[2000];
		const char *at;

		vbegin(&v, "Mode v\n", "s._domainkey.example.com !TIMEOUT\n");
		value = vsign(&v, "example.com", BODY);
		at = strstr(value, changes[i][0]);
		assert_non_null(at);
		snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - value), value,
		    changes[i][1], at + strlen(changes[i][0]));
		step(&v.w, MILTER_MAIL);
		header(&v.w, "DKIM-Signature", changed);
		header(&v.w, "From", FROM);
		step(&v.w, MILTER_EOH);
		assert_int_equal(resolver_open_count(v.w.host.resolver), 0);
		body_and_end(&v, BODY);
		assert_string_equal(replies(&v.w), "ia");
		assert_inserted(&v, 0, "Authentication-Results",
		    "dkim=permerror reason=\"signature syntax error\"");
		mem_free(value);
		vend(&v);
	}
}

/* ---- malformed messages ---- */

static void
test_malformed(void **state)
{
	static const struct {
		const char *conf, *first, *second, *replies, *text;
	} rows[] = {
	    {"", "Subject", NULL, "ia", "dkim=permerror (bad message/signature format)"},
	    {"IgnoreMalformedMail yes\n", "Subject", NULL, "a", NULL},
	    {"", "From", "From", "ia", "dkim=permerror (bad message/signature format)"},
	    {"WeakSyntaxChecks yes\nAlwaysAddARHeader yes\n", "From", "From", "ia", "dkim=none"},
	    {"StrictHeaders yes\n", "From", "Subject", "ia", "dkim=permerror"},
	    {"RequiredHeaders yes\n", "From", "Subject", "y", "550 5.0.0 not RFC 5322 compliant"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vworld v;
		char conf[128];

		snprintf(conf, sizeof(conf), "Mode v\n%s", rows[i].conf);
		vbegin(&v, conf, "");
		step(&v.w, MILTER_MAIL);
		header(&v.w, rows[i].first, FROM);
		if (rows[i].second != NULL)
			header(&v.w, rows[i].second, FROM);
		step(&v.w, MILTER_EOH);
		body_and_end(&v, BODY);
		assert_string_equal(replies(&v.w), rows[i].replies);
		if (rows[i].replies[0] == 'i')
			assert_inserted(&v, 0, "Authentication-Results", rows[i].text);
		else if (rows[i].replies[0] == 'y')
			assert_text(reply_at(&v.w, 0).text, rows[i].text);
		vend(&v);
	}
}

/* A second From is no way around On-BadSignature and On-NoSignature; without From nobody is spoken
 * for, and opendkim accepts. */
static void
test_malformed_is_refused(void **state)
{
	static const struct {
		const char *conf, *first, *second, *replies, *text;
		bool is_signed;
	} rows[] = {
	    {"On-NoSignature reject\n", "From", "From", "y", "550 5.7.0 no DKIM signature data",
		false},
	    {"On-NoSignature reject\n", "From", "From", "ia", NULL, true},
	    {"On-BadSignature tempfail\n", "From", "From", "y", "451 4.7.0 bad DKIM signature data",
		true},
	    {"On-BadSignature reject\n", "From", "From", "ia", NULL, false},
	    {"On-BadSignature reject\nStrictHeaders yes\n", "From", "X-Y", "y",
		"550 5.7.0 bad DKIM signature data", true},
	    {"On-Default reject\nIgnoreMalformedMail yes\n", "From", "From", "a", NULL, true},
	    {"On-Default reject\n", "X-Y", "X-Z", "ia", NULL, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vworld v;
		char conf[128], *value;

		snprintf(conf, sizeof(conf), "Mode v\n%s", rows[i].conf);
		vbegin(&v, conf, ZONE);
		value = vsign(&v, "example.com", BODY);
		step(&v.w, MILTER_MAIL);
		if (rows[i].is_signed)
			header(&v.w, "DKIM-Signature", value);
		header(&v.w, rows[i].first, FROM);
		header(&v.w, rows[i].second, FROM);
		step(&v.w, MILTER_EOH);
		body_and_end(&v, BODY);
		assert_string_equal(replies(&v.w), rows[i].replies);
		if (rows[i].text != NULL)
			assert_text(reply_at(&v.w, 0).text, rows[i].text);
		mem_free(value);
		vend(&v);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_verify_only),
	    cmocka_unit_test(test_sign_and_verify),
	    cmocka_unit_test(test_signed_already),
	    cmocka_unit_test(test_unsigned),
	    cmocka_unit_test(test_exempt),
	    cmocka_unit_test(test_verdicts),
	    cmocka_unit_test(test_testing_key),
	    cmocka_unit_test(test_one_passes),
	    cmocka_unit_test(test_part_of_the_body),
	    cmocka_unit_test(test_rules_of_the_configuration),
	    cmocka_unit_test(test_settings_of_the_configuration),
	    cmocka_unit_test(test_waits_for_keys),
	    cmocka_unit_test(test_keys_come_early),
	    cmocka_unit_test(test_given_up),
	    cmocka_unit_test(test_asked_once),
	    cmocka_unit_test(test_most_signatures),
	    cmocka_unit_test(test_trusted_first),
	    cmocka_unit_test(test_no_name_no_question),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_malformed_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
