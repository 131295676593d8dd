/*
 * test_session_results.c - one milter connection whose messages are verified: what is written into
 * the message and taken out of it, what the log and the counters say.
 */
#include "tests/unit/verify_world.h"

#include "lib/base/metrics.h"

/* ---- the log ---- */

/* Each message leaves lines that say what was wrong and what became of it. */
static void
test_log(void **state)
{
	static const struct {
		const char *conf, *zone, *body, *has, *has_not;
	} rows[] = {
	    {"LogResults yes\n", ZONE, BODY, "domain=example.com selector=s result=\"pass\"",
		"successful"},
	    {"SyslogSuccess yes\n", ZONE, BODY,
		"DKIM verification successful (s=s, d=example.com, 256-bit key)", "result="},
	    {"", ZONE, "other\r\n", "4Q1: s=s d=example.com a=ed25519-sha256: body hash mismatch\n",
		"message "},
	    {"", ZONE, "other\r\n", "4Q1: bad signature data\n", "(t=y)"},
	    {"On-BadSignature reject\n", ZONE, "other\r\n",
		"4Q1: bad signature data; message rejected", NULL},
	    {"", "s._domainkey.example.com !SERVFAIL\n", BODY,
		"4Q1: key retrieval failed; message tempfailed", NULL},
	    {"", "s._domainkey.example.com $K; t=y\n", "other\r\n",
		"body hash mismatch; the key is for testing (t=y)", "bad signature data"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vworld v;
		char conf[128];

		snprintf(conf, sizeof(conf), "Mode v\n%s", rows[i].conf);
		vbegin(&v, conf, rows[i].zone);
		VHEADERS(&v, "example.com");
		body_and_end(&v, rows[i].body);
		(void)replies(&v.w);
		assert_true(scratch_log_has(&v.w.scratch, rows[i].has));
		if (rows[i].has_not != NULL)
			assert_false(scratch_log_has(&v.w.scratch, rows[i].has_not));
		vend(&v);
	}
}

static void
test_log_why(void **state)
{
	static const char *const confs[] = {"Mode v\n", "Mode v\nLogWhy yes\n"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct vworld v;

		vbegin(&v, confs[i], "");
		VHEADERS(&v, NULL);
		body_and_end(&v, BODY);
		assert_string_equal(replies(&v.w), "a");
		assert_int_equal(scratch_log_has(&v.w.scratch, "4Q1: no signature data"), i == 1);
		vend(&v);
	}
}

/* The log names the signature that decided, not the one that stands first. */
static void
test_log_names_the_cause(void **state)
{
	struct vworld v;

	(void)state;
	vbegin(&v, "Mode v\n", "s._domainkey.example.com v=DKIM1; p=\n");
	VHEADERS(&v, "example.org", "example.com", "example.net");
	body_and_end(&v, BODY);
	(void)replies(&v.w);
	assert_true(scratch_log_has(&v.w.scratch, "s=s d=example.com a=ed25519-sha256: key rev"));
	assert_false(scratch_log_has(&v.w.scratch, "d=example.org a="));
	vend(&v);
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
	    {"RemoveARFrom other.example\n", {8, 7, 6, 4, 3, 2, 1}},
	    {"RemoveARFrom Other.EXAMPLE.\n", {8, 7, 6, 4, 3, 2, 1}},
	    {"AuthservID MX.Example.NET.\n", {8, 7, 4, 3, 1}}, {"KeepAuthResults yes\n", {0}},
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

/* However little memory is left: what claims to be ours goes, or the message does not go on; the
 * connection is not given up, which an MTA may take for leave. */
static void
run_without_memory(struct vworld *v, size_t spare, const char *const *letters, const char *refusal)
{
	char *value = vsign(v, "example.com", BODY);
	struct arena *arena = &v->w.session.message.arena;
	size_t max = arena->max;
	const char *codes;

	step(&v->w, MILTER_MAIL);
	header(&v->w, "DKIM-Signature", value);
	header(&v->w, "Authentication-Results", OURS);
	header(&v->w, "From", FROM);
	arena->max = arena->used + spare;
	step(&v->w, MILTER_EOH);
	body_and_end(v, BODY);
	codes = replies(&v->w);
	assert_int_not_equal(v->w.session.state, SESSION_DONE);
	assert_true(strcmp(codes, letters[0]) == 0 || strcmp(codes, letters[1]) == 0);
	if (codes[0] == 'm') {
		char *result = span_dup(reply_at(&v->w, 1).value);

		assert_int_equal(reply_at(&v->w, 0).index, 1);
		assert_null(strstr(result, "dkim=none")); /* there is a signature */
		mem_free(result);
	} else
		assert_text(reply_at(&v->w, 0).text, refusal);
	arena->max = max;
	mem_free(value);
}

static void
test_forged_results_without_memory(void **state)
{
	static const struct {
		const char *conf, *letters[2], *refusal, *log;
	} rows[] = {
	    {"On-InternalError accept\n", {"mia", "y"}, "451 4.7.0 too much DKIM signature data",
		"too much DKIM signature data (On-Security); message tempfailed"},
	    {"On-InternalError accept\nOn-Security accept\n", {"mia", "mia"}, NULL,
		"too much DKIM signature data (On-Security); message accepted"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vworld v;
		char conf[128];

		snprintf(
		    conf, sizeof(conf), "Mode v\nRemoveARFrom other.example\n%s", rows[i].conf);
		vbegin(&v, conf, ZONE);
		for (size_t spare = 0; spare < 24000; spare += 48)
			run_without_memory(&v, spare, rows[i].letters, rows[i].refusal);
		assert_true(scratch_log_has(&v.w.scratch, rows[i].log));
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

/* HOSTNAME is this host's; an MTA that does not say its name has none. */
static void
test_authserv_id_of_nobody(void **state)
{
	struct vworld v;
	char expected[300];

	(void)state;
	vbegin(&v, "Mode v\nAlwaysAddARHeader yes\nAuthservID HOSTNAME\n", "");
	VHEADERS(&v, NULL);
	body_and_end(&v, BODY);
	assert_string_equal(replies(&v.w), "ia");
	snprintf(expected, sizeof(expected), " %s; dkim=none", v.w.settings->host_name);
	assert_inserted(&v, 0, "Authentication-Results", expected);
	vend(&v);
	vbegin(&v, "Mode v\nAlwaysAddARHeader yes\n", "");
	v.w.session.mta_name[0] = '\0';
	VHEADERS(&v, NULL);
	body_and_end(&v, BODY);
	assert_string_equal(replies(&v.w), "ia");
	assert_inserted(&v, 0, "Authentication-Results", " unknown-host; dkim=none");
	vend(&v);
}

static void
test_no_header_b(void **state)
{
	static const char *const confs[] = {"Mode v\n", "Mode v\nNoHeaderB yes\n"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct vworld v;
		char *value;

		vbegin(&v, confs[i], ZONE);
		VHEADERS(&v, "example.com");
		body_and_end(&v, BODY);
		assert_string_equal(replies(&v.w), "ia");
		value = span_dup(reply_at(&v.w, 0).value);
		assert_int_equal(strstr(value, "header.b=") != NULL, i == 0);
		mem_free(value);
		vend(&v);
	}
}

/* Results are written, and forged ones go, also where the message is malformed or quarantined. */
static void
test_forged_results_of_odd_messages(void **state)
{
	static const struct {
		const char *conf, *second, *replies, *result;
	} rows[] = {
	    {"", "From", "mia", "dkim=permerror (bad message/signature format)"},
	    {"IgnoreMalformedMail yes\n", "From", "ma", NULL},
	    {"On-NoSignature quarantine\nAlwaysAddARHeader yes\n", "X-From", "miqc", "dkim=none"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vworld v;
		char conf[128];

		snprintf(conf, sizeof(conf), "Mode v\n%s", rows[i].conf);
		vbegin(&v, conf, "");
		step(&v.w, MILTER_MAIL);
		header(&v.w, "Authentication-Results", OURS);
		header(&v.w, "From", FROM);
		header(&v.w, rows[i].second, FROM);
		step(&v.w, MILTER_EOH);
		body_and_end(&v, BODY);
		assert_string_equal(replies(&v.w), rows[i].replies);
		assert_int_equal(reply_at(&v.w, 0).index, 1);
		if (rows[i].result != NULL)
			assert_inserted(&v, 1, "Authentication-Results", rows[i].result);
		vend(&v);
	}
}

/* Each result is counted once, those that are not even looked at as ignored. */
static void
test_counters(void **state)
{
	static const char *const lines[] = {"\nsignpost_verify_total{result=\"pass\"} 3\n",
	    "\nsignpost_verify_total{result=\"neutral\"} 17\n",
	    "\nsignpost_verify_total{result=\"permerror\"} 1\n",
	    "\nsignpost_signatures_ignored_total 19\n", "\nsignpost_authres_removed_total 1\n",
	    "\nsignpost_tempfail_total{reason=\"verify\"} 1\n"};
	struct err err = ERR_NONE;
	struct vworld v;
	struct buf text;
	char *value;

	(void)state;
	assert_int_equal(metrics_open(&err), ST_OK);
	vbegin(&v, "Mode v\nOn-BadSignature tempfail\n", ZONE);
	value = vsign(&v, "example.com", BODY);
	step(&v.w, MILTER_MAIL);
	for (size_t i = 0; i < VERIFY_SIGNATURES_MAX + 2; i++)
		header(&v.w, "DKIM-Signature", value);
	header(&v.w, "Authentication-Results", OURS);
	header(&v.w, "From", FROM);
	step(&v.w, MILTER_EOH);
	body_and_end(&v, BODY);
	assert_string_equal(replies(&v.w), "mia");
	step(&v.w, MILTER_MAIL);
	header(&v.w, "DKIM-Signature", value);
	header(&v.w, "From", FROM);
	header(&v.w, "From", FROM);
	step(&v.w, MILTER_EOH);
	body_and_end(&v, BODY);
	assert_string_equal(replies(&v.w), "y");
	mem_free(value);
	vend(&v);
	buf_init(&text, METRICS_TEXT_MAX);
	assert_int_equal(metrics_write(&text), ST_OK);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (strstr(buf_text(&text), lines[i]) == NULL)
			fail_msg("no %s in %s", lines[i], buf_text(&text));
	buf_free(&text);
	metrics_close();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_log),
	    cmocka_unit_test(test_log_why),
	    cmocka_unit_test(test_log_names_the_cause),
	    cmocka_unit_test(test_forged_results),
	    cmocka_unit_test(test_forged_results_without_memory),
	    cmocka_unit_test(test_forged_results_beyond_the_limit),
	    cmocka_unit_test(test_forged_results_of_odd_messages),
	    cmocka_unit_test(test_no_header_b),
	    cmocka_unit_test(test_authserv_id),
	    cmocka_unit_test(test_authserv_id_of_nobody),
	    cmocka_unit_test(test_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
