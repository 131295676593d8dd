/*
 * test_session_verify.c - one milter connection whose messages are verified: who is asked what and
 * when, what becomes of the message, what is written into it and taken out of it.
 */
#include "tests/unit/verify_world.h"

#define ZONE "s._domainkey.example.com $K\n"

static void
body_and_end(struct vworld *v, const char *text)
{
	body(&v->w, span_str(text), false);
	eom(&v->w, "");
}

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
#define TESTING "s._domainkey.example.com t=y; $K\n"
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
	struct buf zone;

	(void)state;
	buf_init(&zone, 1024);
	vbegin(&v, "Mode v\nOn-BadSignature reject\n", "s._domainkey.example.com $K; t=y\n");
	VHEADERS(&v, "example.com");
	body_and_end(&v, "other\r\n");
	assert_string_equal(replies(&v.w), "ia");
	assert_inserted(&v, 0, "Authentication-Results", "dkim=fail");
	vend(&v);
	buf_free(&zone);
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
	assert_inserted(&v, 0, "Authentication-Results", "dkim=neutral");
	assert_inserted(&v, 0, "Authentication-Results", "header.d=b.example");
	vend(&v);
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

/* ---- forged results ---- */

#define OURS " mx.example.net; dkim=pass header.d=bank.example"
#define THEIRS " other.example; dkim=pass header.d=bank.example"

static void
message_with_results(struct vworld *v)
{
	static const char *const values[] = {OURS, THEIRS, " MX.example.NET.; dkim=pass",
	    " \"mx.example.net\"; dkim=pass", " mx.example.net; spf=pass", THEIRS,
	    " mx.example.net; dkim=\"unterminated", OURS};

	step(&v->w, MILTER_MAIL);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		header(&v->w, i % 2 == 0 ? "Authentication-Results" : "AUTHENTICATION-results",
		    values[i]);
		header(&v->w, "X-Between", " x");
	}
	header(&v->w, "From", FROM);
	step(&v->w, MILTER_EOH);
	body_and_end(v, BODY);
}

/* The indices of the fields deleted, in the order of the replies. */
static void
test_forged_results(void **state)
{
	static const struct {
		const char *conf;
		uint32_t deleted[8];
	} rows[] = {{"", {8, 7, 4, 3, 1}}, {"RemoveARAll yes\n", {8, 7, 5, 4, 3, 1}},
	    {"RemoveARFrom other.example\n", {8, 7, 6, 4, 3, 2, 1}}, {"KeepAuthResults yes\n", {0}},
	    {"AuthservID elsewhere.example\n", {0}}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vworld v;
		char conf[128];
		size_t n;

		snprintf(conf, sizeof(conf), "Mode v\nAlwaysAddARHeader yes\n%s", rows[i].conf);
		vbegin(&v, conf, "");
		message_with_results(&v);
		replies(&v.w);
		for (n = 0; rows[i].deleted[n] != 0; n++) {
			struct mta_reply reply = reply_at(&v.w, n);

			assert_int_equal(reply.code, SMFIR_CHGHEADER);
			assert_int_equal(reply.index, rows[i].deleted[n]);
			assert_text(reply.value, "");
		}
		assert_inserted(&v, n, "Authentication-Results", "dkim=none");
		assert_string_equal(v.w.codes + n, "ia");
		vend(&v);
	}
}

/* What is beyond MaximumHeaders nobody looks at; no result in it may be believed for that. */
static void
test_forged_results_beyond_the_limit(void **state)
{
	static const struct {
		const char *conf, *replies;
	} rows[] = {{"Mode v\nOn-Security accept\n", "mmmmia"},
	    {"Mode sv\nDomain x.example\nOn-Security accept\n", "mmmmia"},
	    {"Mode v\nOn-Security quarantine\n", "mmmmiqc"},
	    {"Mode v\nOn-Security accept\nKeepAuthResults yes\n", "a"}, {"Mode v\n", "y"},
	    {"Mode v\nOn-Security reject\n", "y"}};
	static const uint32_t deleted[] = {5, 4, 3, 1};
	const struct milter_event big = {.type = MILTER_HEADER,
	    .u.header = {.name = SPAN_LIT("AUTHENTICATION-Results "), .too_big = true}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vworld v;
		char conf[160], filler[201];

		snprintf(conf, sizeof(conf), "MaximumHeaders 400\n%s", rows[i].conf);
		snprintf(filler, sizeof(filler), "%200s", "x");
		vbegin(&v, conf, "");
		step(&v.w, MILTER_MAIL);
		header(&v.w, "Authentication-Results", OURS);
		header(&v.w, "Authentication-Results", THEIRS);
		header(&v.w, "From", FROM);
		header(&v.w, "X-Long", filler);
		header(&v.w, "X-Long", filler);
		header(&v.w, "Authentication-Results", OURS);
		header(&v.w, "X-Long", "x");
		header(&v.w, "authentication-results", THEIRS);
		give(&v.w, &big);
		step(&v.w, MILTER_EOH);
		body(&v.w, SPAN_LIT(BODY), false);
		eom(&v.w, "");
		assert_string_equal(replies(&v.w), rows[i].replies);
		for (size_t n = 0; rows[i].replies[n] == 'm'; n++) {
			assert_int_equal(reply_at(&v.w, n).index, deleted[n]);
			assert_text(reply_at(&v.w, n).value, "");
		}
		vend(&v);
	}
}

static void
test_authserv_id(void **state)
{
	static const struct {
		const char *conf, *text;
	} rows[] = {{"", " mx.Example.NET; dkim=none"}, {"AuthservID a.example\n", " a.example; "},
	    {"AuthservIDWithJobID yes\n", " mx.Example.NET/4Q1; dkim=none"}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vworld v;
		char conf[128];

		snprintf(conf, sizeof(conf), "Mode v\nAlwaysAddARHeader yes\n%s", rows[i].conf);
		vbegin(&v, conf, "");
		VHEADERS(&v, NULL);
		body_and_end(&v, BODY);
		assert_string_equal(replies(&v.w), "ia");
		assert_inserted(&v, 0, "Authentication-Results", rows[i].text);
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
	    cmocka_unit_test(test_waits_for_keys),
	    cmocka_unit_test(test_keys_come_early),
	    cmocka_unit_test(test_given_up),
	    cmocka_unit_test(test_asked_once),
	    cmocka_unit_test(test_most_signatures),
	    cmocka_unit_test(test_trusted_first),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_forged_results),
	    cmocka_unit_test(test_forged_results_beyond_the_limit),
	    cmocka_unit_test(test_authserv_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
