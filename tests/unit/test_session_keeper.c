/*
 * test_session_keeper.c - one milter connection where something is missing, too much or refused:
 * messages without a sender, limits and rules of the header, what the keeper answers or does not.
 */
#include "tests/unit/session_world.h"

/* ---- no sender ---- */

static void
test_no_sender(void **state)
{
	static const struct {
		const char *conf, *name, *value, *log, *reply;
	} rows[] = {
	    {"Mode s\n", "Subject", " x", "can't determine message sender; accepting", "a"},
	    {"Mode s\n", "From", " not an address", "can't parse From: header value", "a"},
	    {"Mode s\n", "From", " undisclosed:;", "can't parse From: header value", "a"},
	    {"Mode v\n", "From", FROM, "", "a"},
	    {"Mode s\nSenderHeaders Resent-From,Sender\n", "Sender", " a@b <",
		"can't parse Sender:", "a"},
	    {"Mode s\nSenderHeaders Sender,From\n", "Sender", " a@b.example",
		"there is no From:", "a"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;

		greet(&w, rows[i].conf);
		step(&w, MILTER_MAIL);
		header(&w, rows[i].name, rows[i].value);
		step(&w, MILTER_EOH);
		eom(&w, "x");
		assert_int_equal(w.sent, 0);
		assert_string_equal(replies(&w), rows[i].reply);
		assert_true(scratch_log_has(&w.scratch, rows[i].log));
		end(&w);
	}
}

static void
test_sender_headers(void **state)
{
	static const struct {
		const char *conf, *extra, *expected;
	} rows[] = {{"Mode s\n", "Sender", "From"},
	    {"SenderHeaders Sender,From\n", "Sender", "Sender"},
	    {"SenderHeaders Sender\n", "X", "From"},
	    {"SenderHeaders Resent-Sender,Sender\n", "sender", "Sender"}};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct world w;

		greet(&w, rows[i].conf);
		step(&w, MILTER_MAIL);
		header(&w, "From", FROM);
		header(&w, rows[i].extra, " list@lists.example.net");
		step(&w, MILTER_EOH);
		eom(&w, "");
		assert_int_equal(w.request.type, REQUEST_SIGN);
		assert_text(w.request.sender_header, rows[i].expected);
		assert_text(w.request.domain,
		    strcmp(rows[i].expected, "From") == 0 ? "example.com" : "lists.example.net");
		end(&w);
	}
}

/* ---- limits and rules of the header ---- */

static void
test_header_too_big(void **state)
{
	static const struct {
		const char *action, *reply;
	} rows[] = {{"accept", "ia"}, {"tempfail", "y"}, {"reject", "y"}, {"discard", "d"},
	    {"quarantine", "iqc"}};
	char conf[128];

	(void)state;
	for (size_t i = 0; i < 10; i++) {
		struct world w;

		snprintf(
		    conf, sizeof(conf), "MaximumHeaders 100\nOn-Security %s\n", rows[i / 2].action);
		greet(&w, conf);
		step(&w, MILTER_MAIL);
		header(&w, "From", FROM);
		if (i % 2 == 0) {
			for (int n = 0; n < 20; n++)
				header(&w, "Received", " from here");
		} else {
			give(&w, &(struct milter_event){
				     .type = MILTER_HEADER, .u.header.too_big = true});
		}
		step(&w, MILTER_EOH);
		body(&w, SPAN_LIT("x"), false);
		eom(&w, "");
		assert_int_equal(w.sent, 0);
		assert_string_equal(replies(&w), rows[i / 2].reply);
		assert_true(scratch_log_has(&w.scratch, "too much header data"));
		end(&w);
	}
}

static void
test_required_headers(void **state)
{
	static const struct {
		const char *extra; /* a field besides From */
		enum verdict verdict;
		enum request_type asked;
		const char *reply, *text;
	} rows[] = {
	    {"Date", VERDICT_SIGN, REQUEST_SIGN, "ic", NULL},
	    {"Subject", VERDICT_SIGN, REQUEST_ROUTE, "y", "550 5.0.0 not RFC 5322 compliant"},
	    {"From", VERDICT_SIGN, REQUEST_ROUTE, "y", "550 5.0.0 not RFC 5322 compliant"},
	    {"Subject", VERDICT_PASS, REQUEST_ROUTE, "a", NULL},
	    {"Subject", VERDICT_TEMPFAIL, REQUEST_ROUTE, "y",
		"451 4.7.0 DKIM signing is not available, try again later"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;

		greet(&w, "RequiredHeaders yes\n");
		step(&w, MILTER_MAIL);
		header(&w, "From", FROM);
		header(&w, rows[i].extra, FROM);
		step(&w, MILTER_EOH);
		eom(&w, "");
		assert_int_equal(w.request.type, rows[i].asked);
		answer(&w, rows[i].verdict, rows[i].asked == REQUEST_SIGN ? 1 : 0);
		assert_string_equal(replies(&w), rows[i].reply);
		if (rows[i].text != NULL)
			assert_text(reply_at(&w, 0).text, rows[i].text);
		assert_int_equal(w.session.state, SESSION_CONNECTED);
		end(&w);
	}
}

/* ---- the keeper ---- */

static void
test_peer(void **state)
{
	static const enum verdict verdicts[] = {VERDICT_PASS, VERDICT_PEER};
	struct world w;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		begin(&w, "PeerList 192.0.2.9\n");
		negotiate(&w, 6, SMFIP_V6);
		connect_from(&w, SMFIA_INET, "192.0.2.9");
		assert_int_equal(w.request.type, REQUEST_PEER);
		assert_int_equal(w.request.family, 4);
		assert_string_equal(replies(&w), "");
		answer(&w, verdicts[i], 0);
		assert_string_equal(replies(&w), i == 0 ? "c" : "a");
		headers_of(&w);
		eom(&w, "");
		assert_int_equal(w.sent, i == 0 ? 2 : 1);
		assert_string_equal(replies(&w), i == 0 ? "" : "a");
		end(&w);
	}
	/* A keeper that is lost makes nobody a peer, and costs no message. */
	begin(&w, "PeerList 192.0.2.9\n");
	negotiate(&w, 6, SMFIP_V6);
	connect_from(&w, SMFIA_INET, "192.0.2.9");
	session_keeper_lost(&w.session, "it died");
	assert_string_equal(replies(&w), "c");
	assert_false(w.session.peer);
	assert_false(scratch_log_has(&w.scratch, "tempfailed"));
	end(&w);
}

static void
test_route_of_long_body(void **state)
{
	char *chunk = mem_zalloc(1, 65536);
	struct world w;

	(void)state;
	memset(chunk, 'a', 65536);
	greet(&w, "Mode s\n");
	headers_of(&w);
	body(&w, span_of(chunk, 65536), false);
	assert_int_equal(w.session.question, QUESTION_NONE);
	body(&w, SPAN_LIT("a"), false);
	assert_int_equal(w.session.question, QUESTION_ROUTE);
	answer(&w, VERDICT_SIGN, 0);
	body(&w, span_of(chunk, 65536), false);
	eom(&w, "");
	assert_int_equal(w.request.type, REQUEST_SIGN);
	assert_true((w.request.flags & REQUEST_FLAG_ROUTED) != 0);
	assert_int_equal(w.sent, 2);
	end(&w);
	/* Not to be signed: no more is hashed, and the verdict is given at the end. */
	greet(&w, "Mode s\n");
	headers_of(&w);
	body(&w, span_of(chunk, 65536), false);
	body(&w, SPAN_LIT("a"), false);
	answer(&w, VERDICT_PASS, 0);
	assert_false(w.session.message.hashing);
	assert_string_equal(replies(&w), "");
	body(&w, span_of(chunk, 65536), false);
	eom(&w, "a");
	assert_string_equal(replies(&w), "a");
	assert_int_equal(w.sent, 1);
	end(&w);
	mem_free(chunk);
}

/* With SKIP, an MTA that waits after each chunk is told to leave the rest out. */
static void
test_skip(void **state)
{
	char *chunk = mem_zalloc(1, 65537);
	struct world w;

	(void)state;
	begin(&w, "Mode s\n");
	negotiate(&w, 6, SMFIP_V6 & ~SMFIP_NR_BODY);
	connect_from(&w, SMFIA_INET, "192.0.2.9");
	headers_of(&w);
	body(&w, span_of(chunk, 65537), false);
	assert_string_equal(replies(&w), "c");
	answer(&w, VERDICT_DISCARD, 0);
	assert_string_equal(replies(&w), "");
	body(&w, SPAN_LIT("x"), false);
	assert_string_equal(replies(&w), "s");
	eom(&w, "");
	assert_string_equal(replies(&w), "d");
	end(&w);
	mem_free(chunk);
}

static void
test_keeper_full(void **state)
{
	uint8_t hash[SHA256_BYTES];
	struct world w;
	size_t used;

	(void)state;
	greet(&w, "Mode s\n");
	w.send_answer = ST_UNAVAILABLE;
	headers_of(&w);
	body(&w, SPAN_LIT("Hello \r\n"), false);
	eom(&w, "world\r\n\r\n");
	assert_int_equal(w.session.question, QUESTION_SIGN);
	assert_false(w.session.question_sent);
	memcpy(hash, w.request.body_hash, sizeof(hash));
	used = w.session.message.arena.used;
	for (int i = 0; i < 10000; i++)
		assert_false(session_ask(&w.session));
	assert_int_equal(w.session.message.arena.used, used);
	w.send_answer = ST_OK;
	assert_true(session_ask(&w.session));
	assert_true(w.session.question_sent);
	assert_memory_equal(w.request.body_hash, hash, sizeof(hash));
	assert_sign(
	    &w, "From:Subject", "From:" FROM "\r\nSubject: a\r\n\tb \r\n", "Hello \r\nworld\r\n");
	assert_true(w.request.id == w.session.question_id);
	answer(&w, VERDICT_SIGN, 1);
	assert_string_equal(replies(&w), "ic");
	end(&w);
}

static void
assert_tempfailed(struct world *w)
{
	assert_string_equal(replies(w), "y");
	assert_text(
	    reply_at(w, 0).text, "451 4.7.0 DKIM signing is not available, try again later");
	assert_true(scratch_log_has(&w->scratch, "tempfailed"));
}

static void
test_keeper_lost(void **state)
{
	struct world w;

	(void)state;
	greet(&w, "Mode s\n");
	whole_message(&w);
	session_keeper_lost(&w.session, "it died");
	assert_tempfailed(&w);
	whole_message(&w);
	answer(&w, VERDICT_SIGN, 1);
	assert_string_equal(replies(&w), "ic");
	w.send_answer = ST_FAILED;
	headers_of(&w);
	eom(&w, "");
	assert_tempfailed(&w);
	assert_int_equal(w.session.state, SESSION_CONNECTED);
	end(&w);
	/* At the end of the headers, when the MTA waits there. */
	begin(&w, "Mode s\n");
	negotiate(&w, 6, SMFIP_V6 & ~SMFIP_NR_EOH);
	connect_from(&w, SMFIA_INET, "192.0.2.9");
	headers_of(&w);
	session_keeper_lost(&w.session, "it died");
	assert_tempfailed(&w);
	end(&w);
}

/* Only at the end, and only if the MTA has one; until then the message goes on. */
static void
test_quarantine(void **state)
{
	struct world w;

	(void)state;
	greet(&w, "Mode s\n");
	whole_message(&w);
	answer(&w, VERDICT_QUARANTINE, 0);
	assert_string_equal(replies(&w), "qc");
	end(&w);
	begin(&w, "Mode s\n");
	negotiate(&w, 6, SMFIP_V6 & ~SMFIP_NR_EOH);
	connect_from(&w, SMFIA_INET, "192.0.2.9");
	headers_of(&w);
	answer(&w, VERDICT_QUARANTINE, 0);
	assert_string_equal(replies(&w), "c");
	eom(&w, "x");
	assert_string_equal(replies(&w), "qc");
	assert_int_equal(w.sent, 1);
	end(&w);
	begin(&w, "Mode s\n");
	give(&w, &(struct milter_event){
		     .type = MILTER_OPTNEG, .u.optneg = {6, SMFIF_ADDHDRS, SMFIP_V6}});
	connect_from(&w, SMFIA_INET, "192.0.2.9");
	(void)replies(&w);
	whole_message(&w);
	answer(&w, VERDICT_QUARANTINE, 0);
	assert_string_equal(replies(&w), "c");
	assert_true(scratch_log_has(&w.scratch, "the message goes unsigned"));
	end(&w);
}

/* Answers that no keeper of ours gives. */
static void
test_keeper_nonsense(void **state)
{
	struct reply reply = {.verdict = VERDICT_TEMPFAIL, .text = SPAN_LIT("two\nlines")};
	struct world w;

	(void)state;
	greet(&w, "Mode s\n");
	whole_message(&w);
	session_answer(&w.session, &reply);
	assert_int_equal(w.session.state, SESSION_DONE);
	end(&w);
	greet(&w, "Mode s\n");
	whole_message(&w);
	answer(&w, VERDICT_SIGN, 0);
	assert_tempfailed(&w);
	end(&w);
	greet(&w, "Mode s\n");
	whole_message(&w);
	reply = (struct reply){.verdict = VERDICT_SIGN, .field_count = 1};
	reply.fields[0] = (struct reply_field){
	    .name = SPAN_LIT("DKIM-Signature"), .value = SPAN_LIT(" a\nBcc: x")};
	session_answer(&w.session, &reply);
	assert_int_equal(w.session.state, SESSION_DONE);
	assert_false(scratch_log_has(&w.scratch, "added"));
	end(&w);
}

static void
test_negotiation(void **state)
{
	static const struct {
		const char *conf;
		uint32_t actions, protocol; /* of the MTA */
		bool works;
		uint32_t expected; /* of SMFIP_NORCPT, NR_CONN, NR_BODY */
	} rows[] = {
	    {"Mode s\n", SMFIF_V6, SMFIP_V6, true, SMFIP_NORCPT | SMFIP_NR_CONN | SMFIP_NR_BODY},
	    {"DontSignMailTo x\n", SMFIF_V6, SMFIP_V6, true, SMFIP_NR_CONN | SMFIP_NR_BODY},
	    {"PeerList x\n", SMFIF_V6, SMFIP_V6, true, SMFIP_NORCPT | SMFIP_NR_BODY},
	    {"MilterPipelining no\n", SMFIF_V6, SMFIP_V6, true, SMFIP_NORCPT},
	    {"Mode s\n", SMFIF_CHGHDRS, SMFIP_V6, false, 0},
	    {"Mode s\n", SMFIF_ADDHDRS, SMFIP_V6, true,
		SMFIP_NORCPT | SMFIP_NR_CONN | SMFIP_NR_BODY},
	    {"RemoveOldSignatures yes\n", SMFIF_ADDHDRS, SMFIP_V6, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;

		begin(&w, rows[i].conf);
		give(&w, &(struct milter_event){.type = MILTER_OPTNEG,
			     .u.optneg = {6, rows[i].actions, rows[i].protocol}});
		assert_int_equal(w.session.state != SESSION_DONE, rows[i].works);
		assert_string_equal(replies(&w), rows[i].works ? "O" : "");
		assert_int_equal(
		    w.session.protocol & (SMFIP_NORCPT | SMFIP_NR_CONN | SMFIP_NR_BODY),
		    rows[i].expected);
		end(&w);
	}
}

static void
test_asked_macros(void **state)
{
	struct span lists, list;
	struct world w;
	uint32_t stage;

	(void)state;
	begin(&w, "MacroList x=1|2,{y},z=a\n");
	negotiate(&w, 6, SMFIP_V6);
	lists = reply_at(&w, 0).symlists;
	assert_true(mta_symlist_next(&lists, &stage, &list));
	assert_int_equal(stage, SMFIM_CONNECT);
	assert_text(list, "i j {daemon_name} x {y} z");
	assert_true(mta_symlist_next(&lists, &stage, &list));
	assert_int_equal(stage, SMFIM_ENVFROM);
	assert_text(list, "i {daemon_name} {auth_type} {auth_authen} x {y} z");
	assert_false(mta_symlist_next(&lists, &stage, &list));
	end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_sender),
	    cmocka_unit_test(test_sender_headers),
	    cmocka_unit_test(test_header_too_big),
	    cmocka_unit_test(test_required_headers),
	    cmocka_unit_test(test_peer),
	    cmocka_unit_test(test_route_of_long_body),
	    cmocka_unit_test(test_skip),
	    cmocka_unit_test(test_keeper_full),
	    cmocka_unit_test(test_keeper_lost),
	    cmocka_unit_test(test_quarantine),
	    cmocka_unit_test(test_keeper_nonsense),
	    cmocka_unit_test(test_negotiation),
	    cmocka_unit_test(test_asked_macros),
	};

	return cmocka_run_group_tests_name("daemon/session, keeper", tests, NULL, NULL);
}
