/*
 * test_decision_store.c - the decision with a KeyStore: whose session it is, what signs, and what
 * each failure does under each policy. The store is in memory, honest or with faults.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/decision.h"
#include "lib/base/clock.h"
#include "tests/lib/memstore.h"
#include "tests/lib/scratch.h"

#define NOW 1800000000
#define PAST (NOW - 1000)

struct world {
	struct scratch scratch;
	struct rules *rules;
	struct decision decision;
};

/* acme: a.test (with those below it), alias.test, empty.test (no key), old.test (lease over).
 * bolt: b.test, with a policy of its own. */
static void
fill(struct keystore *store)
{
	memstore_tenant(store, "acme");
	memstore_domain(store, "a.test", "acme", true);
	memstore_domain(store, "empty.test", "acme", false);
	memstore_domain(store, "old.test", "acme", false);
	memstore_key(store, "acme", "a.test", "s1", PAST);
	memstore_key(store, "acme", "old.test", "o1", PAST)->times.sign_until = NOW - 1;
	memstore_rule(store, STORE_RULE_ADDRESS, "r1", "acme", "news@else.test", "a.test");
	memstore_tenant(store, "bolt");
	memstore_domain(store, "b.test", "bolt", false)->signature_ttl_s = 3600;
	memstore_key(store, "bolt", "b.test", "b1", PAST);
	memstore_binding(store, "client:127.0.0.1/32", "acme");
	memstore_binding(store, "login:bob@b.test", "bolt");
	memstore_binding(store, "listener:submission", "bolt");
}

static void
begin(struct world *w, const char *text)
{
	struct conf *conf = conf_new();
	struct err err = ERR_NONE;
	struct buf whole;
	const char *at;

	memset(w, 0, sizeof(*w));
	scratch_begin(&w->scratch);
	scratch_log_begin(&w->scratch);
	scratch_write(&w->scratch, "keys",
	    "spare %:sp:/keys/spare\nacme/own %:ow:/keys/own\nk1 t.test:k1:/keys/k1\n");
	scratch_write(&w->scratch, "signing", "t.test k1\nbad.test nobody\n");
	buf_init(&whole, 4096);
	buf_add_str(&whole, "LogWhy yes\n");
	for (; (at = strstr(text, "@DIR@")) != NULL; text = at + 5) {
		buf_add(&whole, span_of(text, (size_t)(at - text)));
		buf_add_str(&whole, w->scratch.dir);
	}
	buf_add_str(&whole, text);
	assert_int_equal(conf_parse_text(conf, "test", buf_span(&whole), NULL), ST_OK);
	if (rules_open(conf, NULL, &w->rules, &err) != ST_OK)
		fail_msg("%s", err.text);
	w->rules->store = memstore_new();
	w->rules->fixed_time_utc = NOW;
	fill(w->rules->store);
	conf_free(conf);
	buf_free(&whole);
	scratch_log_begin(&w->scratch);
}

static void
end(struct world *w)
{
	decision_release(&w->decision);
	rules_close(w->rules);
	scratch_end(&w->scratch);
}

/* client, daemon_name, login: NULL for 127.0.0.1 and none. */
static struct request
request_from(const char *client, const char *listener, const char *login, const char *sender)
{
	const char *at = strchr(sender, '@');
	struct request request = {.type = REQUEST_SIGN,
	    .family = 4,
	    .job_id = SPAN_LIT("4Q1"),
	    .host = SPAN_LIT("mx.example.org"),
	    .daemon_name = span_str(listener),
	    .login = span_str(login),
	    .user = span_of(sender, (size_t)(at - sender)),
	    .domain = span_str(at + 1)};

	if (login != NULL)
		request.flags |= REQUEST_FLAG_AUTHENTICATED;
	assert_int_equal(
	    inet_pton(AF_INET, client == NULL ? "127.0.0.1" : client, request.address), 1);
	return request;
}

static void
ask(struct world *w, const char *client, const char *listener, const char *login,
    const char *sender)
{
	struct request request = request_from(client, listener, login, sender);

	decision_release(&w->decision);
	decision_make(w->rules, &request, &w->decision);
}

static void
assert_text(struct span s, const char *text)
{
	assert_int_equal(s.n, strlen(text));
	if (s.n > 0)
		assert_memory_equal(s.p, text, s.n);
}

static void
test_sessions(void **state)
{
	static const struct {
		const char *client, *listener, *login, *sender;
		enum verdict verdict;
		const char *domain, *selector;
		enum metric_unsigned_reason reason;
	} rows[] = {
	    {NULL, NULL, NULL, "x@a.test", VERDICT_SIGN, "a.test", "s1", 0},
	    {NULL, NULL, NULL, "x@deep.a.test", VERDICT_SIGN, "a.test", "s1", 0},
	    {NULL, NULL, NULL, "News@else.test", VERDICT_SIGN, "a.test", "s1", 0},
	    {NULL, NULL, NULL, "x@b.test", VERDICT_PASS, NULL, NULL, METRIC_UNSIGNED_TENANT},
	    {NULL, NULL, NULL, "x@else.test", VERDICT_PASS, NULL, NULL, METRIC_UNSIGNED_NO_RULE},
	    {NULL, NULL, "bob@b.test", "x@b.test", VERDICT_SIGN, "b.test", "b1", 0},
	    {NULL, NULL, "BOB@B.test", "x@b.test", VERDICT_SIGN, "b.test", "b1", 0},
	    {NULL, NULL, "bob@b.test", "x@a.test", VERDICT_PASS, NULL, NULL,
		METRIC_UNSIGNED_TENANT},
	    {NULL, NULL, "eve@x.test", "x@a.test", VERDICT_PASS, NULL, NULL,
		METRIC_UNSIGNED_TENANT},
	    {NULL, "submission", NULL, "x@b.test", VERDICT_SIGN, "b.test", "b1", 0},
	    {NULL, "submission", NULL, "x@a.test", VERDICT_PASS, NULL, NULL,
		METRIC_UNSIGNED_TENANT},
	    {"192.0.2.9", NULL, NULL, "x@a.test", VERDICT_PASS, NULL, NULL,
		METRIC_UNSIGNED_NOT_OURS},
	    {"10.0.0.9", NULL, NULL, "x@a.test", VERDICT_PASS, NULL, NULL, METRIC_UNSIGNED_TENANT},
	    {"10.0.0.9", NULL, NULL, "x@else.test", VERDICT_PASS, NULL, NULL,
		METRIC_UNSIGNED_NO_RULE},
	};
	struct world w;

	(void)state;
	begin(&w, "Mode s\nInternalHosts 127.0.0.1,10.0.0.0/8\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask(&w, rows[i].client, rows[i].listener, rows[i].login, rows[i].sender);
		if (w.decision.verdict != rows[i].verdict)
			fail_msg("row %zu: verdict %d", i, (int)w.decision.verdict);
		if (rows[i].verdict != VERDICT_SIGN) {
			assert_int_equal(w.decision.reason, rows[i].reason);
			assert_int_equal(w.decision.key_count, 0);
			continue;
		}
		assert_text(w.decision.keys[0].domain, rows[i].domain);
		assert_text(w.decision.keys[0].selector, rows[i].selector);
		assert_non_null(w.decision.keys[0].stored);
	}
	assert_true(scratch_log_has(&w.scratch, "tenant 'acme' may not send as x@b.test"));
	end(&w);
}

static void
test_open_sessions(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "Mode s\nRequireTenant no\nInternalHosts 10.0.0.0/8\n");
	ask(&w, "10.0.0.9", NULL, NULL, "x@b.test");
	assert_int_equal(w.decision.verdict, VERDICT_SIGN);
	assert_int_equal(w.decision.signature_ttl_s, 3600);
	ask(&w, "10.0.0.9", NULL, NULL, "x@a.test");
	assert_int_equal(w.decision.verdict, VERDICT_SIGN);
	assert_int_equal(w.decision.signature_ttl_s, -1);
	end(&w);
}

/* What a cause does under each action. */
static void
test_policies(void **state)
{
	static const struct {
		const char *policy, *sender;
		enum status store; /* of every question but that for bindings */
		enum verdict verdict;
		enum metric_unsigned_reason reason; /* with VERDICT_PASS */
		const char *log;
	} rows[] = {
	    {"", "x@empty.test", ST_OK, VERDICT_TEMPFAIL, 0, "message tempfailed"},
	    {"no-key=unsigned", "x@empty.test", ST_OK, VERDICT_PASS, METRIC_UNSIGNED_NO_KEY,
		"message goes unsigned"},
	    {"no-key=reject", "x@empty.test", ST_OK, VERDICT_REJECT, 0, "message rejected"},
	    {"no-key=fallback:spare", "x@empty.test", ST_OK, VERDICT_SIGN, 0, "with key 'spare'"},
	    {"no-key=fallback:none", "x@empty.test", ST_OK, VERDICT_TEMPFAIL, 0,
		"'none' cannot be"},
	    {"", "x@old.test", ST_OK, VERDICT_TEMPFAIL, 0, "sign_until"},
	    {"lease=unsigned", "x@old.test", ST_OK, VERDICT_PASS, METRIC_UNSIGNED_LEASE,
		"unsigned"},
	    {"", "x@a.test", ST_UNAVAILABLE, VERDICT_TEMPFAIL, 0, "error reading KeyStore"},
	    {"store=stale", "x@a.test", ST_UNAVAILABLE, VERDICT_TEMPFAIL, 0, "tempfailed"},
	    {"store=unsigned", "x@a.test", ST_UNAVAILABLE, VERDICT_PASS, METRIC_UNSIGNED_STORE,
		"goes unsigned"},
	    {"store=fallback:spare", "x@a.test", ST_UNAVAILABLE, VERDICT_SIGN, 0,
		"'spare' instead"},
	    {"store=reject", "x@a.test", ST_INVALID, VERDICT_REJECT, 0, "rejected"},
	    {"tenant=reject", "x@b.test", ST_OK, VERDICT_REJECT, 0, "may not send as"},
	    {"tenant=tempfail", "x@b.test", ST_OK, VERDICT_TEMPFAIL, 0, "may not send as"},
	    {"no-rule=reject", "x@else.test", ST_OK, VERDICT_REJECT, 0, "rejected"},
	    {"no-rule=fallback:spare", "x@else.test", ST_OK, VERDICT_SIGN, 0, "'spare' instead"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char conf[200];
		struct world w;

		snprintf(conf, sizeof(conf), "Mode s\nKeyTable file:@DIR@/keys\n%s%s\n",
		    rows[i].policy[0] == '\0' ? "" : "FailurePolicy ", rows[i].policy);
		begin(&w, conf);
		memstore_fail(w.rules->store, rows[i].store);
		memstore_of(w.rules->store)->status[MEMSTORE_BINDINGS] = ST_OK;
		ask(&w, NULL, NULL, NULL, rows[i].sender);
		if (w.decision.verdict != rows[i].verdict)
			fail_msg("row %zu: verdict %d", i, (int)w.decision.verdict);
		if (w.decision.verdict == VERDICT_PASS)
			assert_int_equal(w.decision.reason, rows[i].reason);
		assert_int_equal(w.decision.key_count, rows[i].verdict == VERDICT_SIGN ? 1 : 0);
		if (!scratch_log_has(&w.scratch, rows[i].log))
			fail_msg("row %zu: no \"%s\" in the log", i, rows[i].log);
		end(&w);
	}
}

/* The tenant's word over the configuration's. */
static void
test_policy_of_a_tenant(void **state)
{
	struct world w;
	struct store_tenant *tenant;

	(void)state;
	begin(&w, "Mode s\nKeyTable file:@DIR@/keys\nFailurePolicy no-key=reject\n");
	tenant = &memstore_of(w.rules->store)->all->tenants[0];
	tenant->failure = SPAN_LIT("no-key=unsigned");
	ask(&w, NULL, NULL, NULL, "x@empty.test");
	assert_int_equal(w.decision.verdict, VERDICT_PASS);
	/* of its own keys only */
	tenant->failure = SPAN_LIT("no-key=fallback:spare");
	ask(&w, NULL, NULL, NULL, "x@empty.test");
	assert_int_equal(w.decision.verdict, VERDICT_TEMPFAIL);
	tenant->failure = SPAN_LIT("no-key=fallback:own");
	ask(&w, NULL, NULL, NULL, "x@empty.test");
	assert_int_equal(w.decision.verdict, VERDICT_SIGN);
	assert_text(w.decision.keys[0].selector, "ow");
	tenant->failure = SPAN_LIT("lease=unsigned");
	ask(&w, NULL, NULL, NULL, "x@empty.test");
	assert_int_equal(w.decision.verdict, VERDICT_REJECT);
	end(&w);
}

/* Nothing signs mail of which nobody knows whose it is. */
static void
test_no_fallback_before_the_origin_is_known(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "Mode s\nKeyTable file:@DIR@/keys\nFailurePolicy store=fallback:spare\n");
	w.rules->exempt = table_open_refusing("ExemptDomains", 0, "it is broken");
	ask(&w, NULL, NULL, NULL, "x@a.test");
	assert_int_equal(w.decision.verdict, VERDICT_TEMPFAIL);
	assert_int_equal(w.decision.key_count, 0);
	end(&w);
}

static void
test_bindings_unavailable(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "Mode s\nRequireTenant no\n");
	memstore_of(w.rules->store)->status[MEMSTORE_BINDINGS] = ST_UNAVAILABLE;
	ask(&w, NULL, NULL, NULL, "x@a.test");
	assert_int_equal(w.decision.verdict, VERDICT_TEMPFAIL);
	assert_true(scratch_log_has(&w.scratch, "error finding the session's tenant"));
	end(&w);
}

/* The store first, and then the tables about whom it says nothing. */
static void
test_tables_behind_the_store(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "Mode sv\nKeyTable file:@DIR@/keys\nSigningTable file:@DIR@/signing\n");
	ask(&w, NULL, NULL, NULL, "x@a.test");
	assert_text(w.decision.keys[0].selector, "s1");
	ask(&w, NULL, NULL, NULL, "x@t.test");
	assert_int_equal(w.decision.verdict, VERDICT_SIGN);
	assert_text(w.decision.keys[0].selector, "k1");
	assert_null(w.decision.keys[0].stored);
	ask(&w, NULL, NULL, NULL, "x@b.test");
	assert_int_equal(w.decision.verdict, VERDICT_PASS); /* another tenant's: no table helps */
	ask(&w, NULL, NULL, NULL, "x@else.test");
	assert_int_equal(w.decision.verdict, VERDICT_VERIFY);
	memstore_fail(w.rules->store, ST_UNAVAILABLE);
	ask(&w, NULL, NULL, NULL, "x@t.test");
	assert_int_equal(w.decision.verdict, VERDICT_TEMPFAIL);
	end(&w);
}

static void
test_sign_failed(void **state)
{
	struct request request = request_from(NULL, NULL, NULL, "x@a.test");
	struct world w;

	(void)state;
	begin(&w, "Mode s\nKeyTable file:@DIR@/keys\nOn-SignatureError reject\n"
		  "FailurePolicy unreadable=fallback:spare\n");
	decision_make(w.rules, &request, &w.decision);
	assert_true(decision_sign_failed(
	    w.rules, &request, &w.decision, FAILURE_UNREADABLE, "it does not open"));
	assert_text(w.decision.keys[0].selector, "sp");
	/* the spare one, too: no third try */
	assert_false(decision_sign_failed(
	    w.rules, &request, &w.decision, FAILURE_UNREADABLE, "nor does this one"));
	assert_int_equal(w.decision.verdict, VERDICT_TEMPFAIL);
	decision_release(&w.decision);
	decision_make(w.rules, &request, &w.decision);
	assert_false(decision_sign_failed(
	    w.rules, &request, &w.decision, FAILURE_CRYPTO, "the arithmetic failed"));
	assert_int_equal(w.decision.verdict, VERDICT_REJECT);
	end(&w);
}

static void
test_sender_match(void **state)
{
	static const struct {
		const char *match, *login, *sender;
		enum verdict verdict;
	} rows[] = {
	    {"no", "ann@other.test", "x@t.test", VERDICT_SIGN},
	    {"domain", "ann@other.test", "x@t.test", VERDICT_PASS},
	    {"domain", "ann@T.test", "x@t.test", VERDICT_SIGN},
	    {"domain", "ann", "x@t.test", VERDICT_PASS},
	    {"domain", NULL, "x@t.test", VERDICT_SIGN},
	    {"address", "ann@t.test", "x@t.test", VERDICT_PASS},
	    {"address", "X@t.test", "x@t.test", VERDICT_SIGN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char conf[200];
		struct world w;

		snprintf(conf, sizeof(conf),
		    "Mode s\nKeyTable file:@DIR@/keys\nSigningTable file:@DIR@/signing\n"
		    "RequireSenderMatch %s\n",
		    rows[i].match);
		begin(&w, conf);
		keystore_close(w.rules->store);
		w.rules->store = NULL;
		ask(&w, NULL, NULL, rows[i].login, rows[i].sender);
		if (w.decision.verdict != rows[i].verdict)
			fail_msg("row %zu: verdict %d", i, (int)w.decision.verdict);
		if (rows[i].verdict == VERDICT_PASS)
			assert_int_equal(w.decision.reason, METRIC_UNSIGNED_TENANT);
		end(&w);
	}
}

/* Whose mail it is that was not signed: what the session is bound to, else what has the sender;
 * never of whom it is that another one pretends to be. */
static void
test_mail_is_counted_for_its_tenant(void **state)
{
	static const struct {
		const char *client, *conf, *sender, *line;
	} rows[] = {
	    {NULL, "", "x@a.test", ""},
	    {NULL, "FailurePolicy no-key=unsigned\n", "x@empty.test",
		"=! unsigned acme no_key 1\n"},
	    {NULL, "FailurePolicy no-key=tempfail\n", "x@empty.test", "=! deferred acme key 1\n"},
	    {NULL, "FailurePolicy lease=tempfail\n", "x@old.test", "=! deferred acme lease 1\n"},
	    {NULL, "FailurePolicy tenant=unsigned\n", "x@b.test", "=! unsigned acme tenant 1\n"},
	    {NULL, "", "x@elsewhere.test", "=! unsigned acme no_rule 1\n"},
	    {"10.0.0.9", "InternalHosts 0.0.0.0/0\n", "x@elsewhere.test",
		"=! unsigned - no_rule 1\n"},
	    {"10.0.0.9", "InternalHosts 0.0.0.0/0\n", "x@a.test", "=! unsigned - tenant 1\n"},
	    {"10.0.0.9", "InternalHosts 127.0.0.1\n", "x@a.test", "=! unsigned - not_ours 1\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;
		struct buf out;

		assert_int_equal(metrics_open(NULL), ST_OK);
		begin(&w, rows[i].conf);
		w.rules->mailhour = mailhour_new(clock_mono_ms() / 1000);
		ask(&w, rows[i].client, NULL, NULL, rows[i].sender);
		buf_init(&out, MAILHOUR_TEXT);
		mailhour_lines(w.rules->mailhour, clock_mono_ms() / 1000, &out);
		if (!span_eq_str(buf_span(&out), rows[i].line))
			fail_msg("row %zu: %.*s", i, SPAN_ARG(buf_span(&out)));
		buf_free(&out);
		mailhour_free(w.rules->mailhour);
		end(&w);
		metrics_close();
	}
}

/* Nothing of what another tenant has, whoever pretends to send it; what the store cannot say is of
 * the sender's domain, once the mail is known to be ours. */
static void
test_mail_is_counted_for_its_domain(void **state)
{
	static const struct {
		const char *client, *conf, *sender, *line;
		bool away;
	} rows[] = {
	    {NULL, "", "x@a.test", "=! domain a.test 1 0 - 0 - 0\n", false},
	    {NULL, "", "x@deep.a.test", "=! domain a.test 1 0 - 0 - 0\n", false},
	    {NULL, "", "news@else.test", "=! domain a.test 1 0 - 0 - 0\n", false},
	    {NULL, "FailurePolicy no-key=unsigned\n", "x@empty.test",
		"=! domain empty.test 0 1 no_key 0 - 0\n", false},
	    {NULL, "FailurePolicy lease=tempfail\n", "x@old.test",
		"=! domain old.test 0 0 - 1 lease 0\n", false},
	    {NULL, "FailurePolicy tenant=unsigned\n", "x@b.test", "", false},
	    {NULL, "", "x@elsewhere.test", "", false},
	    {"10.0.0.9", "InternalHosts 0.0.0.0/0\n", "x@a.test", "", false},
	    {"10.0.0.9", "InternalHosts 127.0.0.1\n", "x@a.test", "", false},
	    {NULL, "", "x@c.test", "=! domain c.test 0 0 - 1 table 0\n", true},
	    {NULL, "", "x@[10.0.0.9]", "", true},
	    {"10.0.0.9", "InternalHosts 127.0.0.1\n", "x@c.test", "", true},
	};
	char wanted[128];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;
		struct buf out;

		assert_int_equal(metrics_open(NULL), ST_OK);
		begin(&w, rows[i].conf);
		w.rules->mailhour = mailhour_new(0);
		w.rules->domainhour = domainhour_new(clock_mono_ms() / 1000);
		memstore_fail(w.rules->store, rows[i].away ? ST_UNAVAILABLE : ST_OK);
		ask(&w, rows[i].client, NULL, NULL, rows[i].sender);
		if (w.decision.verdict == VERDICT_SIGN)
			decision_count_signed(w.rules, &w.decision);
		buf_init(&out, DOMAINHOUR_TEXT);
		domainhour_lines(w.rules->domainhour, clock_mono_ms() / 1000, &out);
		snprintf(wanted, sizeof(wanted), "%s=! counted ", rows[i].line);
		if (!span_starts(buf_span(&out), span_str(wanted)))
			fail_msg("row %zu: %.*s", i, SPAN_ARG(buf_span(&out)));
		buf_free(&out);
		mailhour_free(w.rules->mailhour);
		domainhour_free(w.rules->domainhour);
		end(&w);
		metrics_close();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sessions),
	    cmocka_unit_test(test_open_sessions),
	    cmocka_unit_test(test_policies),
	    cmocka_unit_test(test_policy_of_a_tenant),
	    cmocka_unit_test(test_no_fallback_before_the_origin_is_known),
	    cmocka_unit_test(test_bindings_unavailable),
	    cmocka_unit_test(test_tables_behind_the_store),
	    cmocka_unit_test(test_sign_failed),
	    cmocka_unit_test(test_sender_match),
	    cmocka_unit_test(test_mail_is_counted_for_its_tenant),
	    cmocka_unit_test(test_mail_is_counted_for_its_domain),
	};

	return cmocka_run_group_tests_name("daemon/decision_store", tests, NULL, NULL);
}
