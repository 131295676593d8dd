/*
 * test_session.c - one milter connection driven event by event, with a keeper that is a table of
 * answers: what is allowed when, who is answered how often, what the keeper is told.
 */
#include "tests/unit/session_world.h"

/* ---- which command when ---- */

static const char letters[] = "ODCHMRTLNBEAQKU";
static const enum milter_event_type types[] = {MILTER_OPTNEG, MILTER_MACRO, MILTER_CONNECT,
    MILTER_HELO, MILTER_MAIL, MILTER_RCPT, MILTER_DATA, MILTER_HEADER, MILTER_EOH, MILTER_BODY,
    MILTER_EOM, MILTER_ABORT, MILTER_QUIT, MILTER_QUIT_NC, MILTER_UNKNOWN};

static const struct {
	const char *way; /* letters of the commands that lead there */
	enum session_state state;
	const char *allowed;
} points[] = {
    {"", SESSION_FRESH, "OQ"},
    {"O", SESSION_NEGOTIATED, "DCHMAQKU"},
    {"OC", SESSION_CONNECTED, "DCHMAQKU"},
    {"OCM", SESSION_ENVELOPE, "DHMRTLNAQKU"},
    {"OCML", SESSION_HEADERS, "DHMLNAQKU"},
    {"OCMLN", SESSION_BODY, "DHMBEAQKU"},
    {"OCMLNB", SESSION_BODY, "DHMBEAQKU"},
    {"OCMLNE", SESSION_CONNECTED, "DCHMAQKU"},
    {"OCMLA", SESSION_CONNECTED, "DCHMAQKU"},
    {"OCMLK", SESSION_NEGOTIATED, "DCHMAQKU"},
};

static enum milter_event_type
type_of(char letter)
{
	return types[strchr(letters, letter) - letters];
}

static void
test_order(void **state)
{
	(void)state;
	for (size_t p = 0; p < sizeof(points) / sizeof(points[0]); p++)
		for (const char *c = letters; *c != '\0'; c++) {
			bool allowed = strchr(points[p].allowed, *c) != NULL;
			struct world w;

			begin(&w, "Mode s\n");
			for (const char *way = points[p].way; *way != '\0'; way++)
				step(&w, type_of(*way));
			assert_int_equal(w.session.state, points[p].state);
			step(&w, type_of(*c));
			assert_int_equal(w.session.state == SESSION_DONE, !allowed || *c == 'Q');
			assert_int_equal(scratch_log_has(&w.scratch, "out of order"), !allowed);
			end(&w);
		}
}

/* ---- each step is answered once ---- */

static void
test_replies_none(void **state)
{
	static const enum milter_event_type quiet[] = {MILTER_HELO, MILTER_MAIL, MILTER_RCPT,
	    MILTER_DATA, MILTER_UNKNOWN, MILTER_HEADER, MILTER_EOH, MILTER_BODY, MILTER_ABORT,
	    MILTER_MACRO};
	struct world w;

	(void)state;
	greet(&w, "DontSignMailTo a@b\n");
	for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++) {
		step(&w, quiet[i]);
		assert_string_equal(replies(&w), "");
		assert_int_equal(w.session.question, QUESTION_NONE);
	}
	whole_message(&w);
	assert_string_equal(replies(&w), "");
	answer(&w, VERDICT_SIGN, 1);
	assert_string_equal(replies(&w), "ic");
	end(&w);
}

static void
test_replies_all(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "DontSignMailTo a@b\n");
	negotiate(&w, 6, NR_NONE);
	for (const char *c = "CHMRRTLL"; *c != '\0'; c++) {
		step(&w, type_of(*c));
		assert_string_equal(replies(&w), "c");
	}
	header(&w, "From", FROM);
	assert_string_equal(replies(&w), "c");
	step(&w, MILTER_EOH);
	assert_string_equal(replies(&w), "");
	assert_int_equal(w.request.type, REQUEST_ROUTE);
	answer(&w, VERDICT_SIGN, 0);
	assert_string_equal(replies(&w), "c");
	body(&w, SPAN_LIT("a"), true);
	assert_string_equal(replies(&w), "");
	body(&w, SPAN_LIT("b"), false);
	assert_string_equal(replies(&w), "c");
	eom(&w, "");
	assert_string_equal(replies(&w), "");
	assert_true((w.request.flags & REQUEST_FLAG_ROUTED) != 0);
	answer(&w, VERDICT_SIGN, 2);
	assert_string_equal(replies(&w), "iic");
	end(&w);
}

/* ROUTE is answered with another verdict than SIGN: that is the reply of EOH. */
static void
test_route_refusals(void **state)
{
	static const struct {
		enum verdict verdict;
		const char *reply;
	} rows[] = {{VERDICT_PASS, "a"}, {VERDICT_TEMPFAIL, "y"}, {VERDICT_REJECT, "y"},
	    {VERDICT_DISCARD, "d"}};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct world w;

		begin(&w, "Mode s\n");
		negotiate(&w, 6, NR_NONE);
		connect_from(&w, SMFIA_INET, "192.0.2.9");
		headers_of(&w);
		(void)replies(&w);
		answer(&w, rows[i].verdict, 0);
		assert_string_equal(replies(&w), rows[i].reply);
		/* Most MTAs begin the next message without another word. */
		headers_of(&w);
		assert_string_equal(replies(&w), "cccc");
		assert_string_equal(w.session.message.job_id, "4Q1");
		assert_text(w.request.job_id, "4Q1");
		end(&w);
	}
}

static void
test_several_messages(void **state)
{
	struct world w;

	(void)state;
	greet(&w, "Mode s\n");
	for (int i = 0; i < 5; i++) {
		whole_message(&w);
		answer(&w, i == 3 ? VERDICT_PASS : VERDICT_SIGN, i == 3 ? 0 : 1);
		assert_string_equal(replies(&w), i == 3 ? "a" : "ic");
		assert_int_equal(w.session.state, SESSION_CONNECTED);
		assert_true(w.session.message.job_id[0] == '\0');
	}
	assert_int_equal(w.sent, 5);
	end(&w);
}

static void
test_abort(void **state)
{
	static const char *const ways[] = {"", "D", "M", "ML", "MLN", "MLNB", "MRTL", "H"};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct world w;

		greet(&w, "DontSignMailTo a@b\n");
		for (const char *c = ways[i]; *c != '\0'; c++)
			step(&w, type_of(*c));
		step(&w, MILTER_ABORT);
		assert_int_equal(w.session.state, SESSION_CONNECTED);
		whole_message(&w);
		assert_text(w.request.header_names, "From:Subject");
		answer(&w, VERDICT_SIGN, 1);
		assert_string_equal(replies(&w), "ic");
		end(&w);
	}
}

static void
test_quit_nc(void **state)
{
	struct world w;

	(void)state;
	greet(&w, "MacroList x\n");
	MACROS(&w, SMFIC_CONNECT, "{daemon_name}", "MTA", "{x}", "1");
	MACROS(&w, SMFIC_MAIL, "{auth_type}", "PLAIN", "{auth_authen}", "ann");
	step(&w, MILTER_MAIL);
	step(&w, MILTER_QUIT_NC);
	assert_int_equal(w.session.family, 4); /* 0.0.0.0: nobody */
	assert_memory_equal(w.session.address, "\0\0\0", 4);
	connect_from(&w, SMFIA_INET6, "IPv6:2001:db8::1");
	whole_message(&w);
	assert_int_equal(w.request.family, 6);
	assert_int_equal(w.request.address[0], 0x20);
	assert_text(w.request.daemon_name, "");
	assert_text(w.request.login, "");
	assert_int_equal(w.request.macros.n, 2 * 4 + 1 + 3); /* "i" of this message */
	assert_int_equal(w.request.flags & REQUEST_FLAG_AUTHENTICATED, 0);
	end(&w);
}

/* A login counts for one MAIL, needs {auth_type}, and one that does not fit is not taken for
 * another: the message waits. */
static void
test_logins(void **state)
{
	char too_long[FRAME_LOGIN_MAX + 2], fits[FRAME_LOGIN_MAX + 1];
	struct world w;

	(void)state;
	memset(too_long, 'x', sizeof(too_long));
	memset(fits, 'x', sizeof(fits));
	too_long[sizeof(too_long) - 1] = fits[sizeof(fits) - 1] = '\0';
	greet(&w, "");
	MACROS(&w, SMFIC_MAIL, "{auth_authen}", "joe");
	MACROS(&w, SMFIC_RCPT, "r", "1");
	step(&w, MILTER_MAIL);
	header(&w, "From", FROM);
	step(&w, MILTER_EOH);
	eom(&w, "");
	assert_text(w.request.login, "");
	answer(&w, VERDICT_PASS, 0);
	MACROS(&w, SMFIC_MAIL, "{auth_type}", "PLAIN", "{auth_authen}", fits);
	step(&w, MILTER_MAIL);
	header(&w, "From", FROM);
	step(&w, MILTER_EOH);
	eom(&w, "");
	assert_text(w.request.login, fits);
	answer(&w, VERDICT_PASS, 0);
	(void)replies(&w);
	MACROS(&w, SMFIC_MAIL, "{auth_type}", "PLAIN", "{auth_authen}", too_long);
	step(&w, MILTER_MAIL);
	header(&w, "From", FROM);
	step(&w, MILTER_EOH);
	eom(&w, "");
	assert_string_equal(replies(&w), "y");
	whole_message(&w);
	assert_text(w.request.login, "");
	end(&w);
}

/* ---- facts ---- */

static void
test_facts(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "DontSignMailTo a@b\n");
	negotiate(&w, 6, SMFIP_V6);
	MACROS(&w, SMFIC_CONNECT, "{daemon_name}", "MTA", "j", "mx");
	connect_from(&w, SMFIA_INET, "192.0.2.9");
	MACROS(
	    &w, SMFIC_MAIL, "i", "4Q1", "{auth_type}", "PLAIN", "{auth_authen}", "Joe@Example.com");
	step(&w, MILTER_MAIL);
	rcpt(&w, "<a@b>");
	rcpt(&w, "c@d");
	header(&w, "From", FROM);
	step(&w, MILTER_EOH);
	eom(&w, "");
	assert_text(w.request.job_id, "4Q1");
	assert_text(w.request.host, "mx.example.com");
	assert_text(w.request.daemon_name, "MTA");
	assert_text(w.request.login, "Joe@Example.com");
	assert_text(w.request.sender_header, "From");
	assert_text(w.request.user, "joe");
	assert_text(w.request.domain, "example.com");
	assert_int_equal(w.request.family, 4);
	assert_memory_equal(w.request.address, "\xc0\0\2\x9", 4);
	assert_int_equal(w.request.frontend, 3);
	assert_int_equal(w.request.flags, REQUEST_FLAG_AUTHENTICATED);
	assert_int_equal(w.request.recipients.n, 14);
	assert_memory_equal(w.request.recipients.p, "\3\0\0\0a@b\3\0\0\0c@d", 14);
	answer(&w, VERDICT_SIGN, 1);
	/* The next MAIL has not logged in, and has no queue id yet. */
	MACROS(&w, SMFIC_MAIL, "{mail_addr}", "x");
	step(&w, MILTER_MAIL);
	header(&w, "From", FROM);
	step(&w, MILTER_EOH);
	eom(&w, "");
	assert_int_equal(w.request.flags & REQUEST_FLAG_AUTHENTICATED, 0);
	assert_text(w.request.job_id, "(unknown-jobid)");
	assert_text(w.request.daemon_name, "MTA");
	assert_int_equal(w.request.recipients.n, 0);
	end(&w);
}

static bool
has_macro(const struct world *w, const char *name, const char *value)
{
	struct span rest = w->request.macros, n, v;
	size_t found = 0, right = 0;

	while (frame_list_next(&rest, &n) && frame_list_next(&rest, &v))
		if (span_eq_str(n, name)) {
			found++;
			right += span_eq_str(v, value);
		}
	assert_int_equal(rest.n, 0);
	assert_true(found <= 1);
	return right == 1;
}

/* Macros of CONNECT and HELO live as long as the connection, the others as long as the message. */
static void
test_macro_life(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "MacroList x,y,z\n");
	negotiate(&w, 6, SMFIP_V6);
	MACROS(&w, SMFIC_CONNECT, "{x}", "connect", "{y}", "connect");
	connect_from(&w, SMFIA_INET, "192.0.2.9");
	MACROS(&w, SMFIC_HELO, "{tls_version}", "TLSv1.3");
	step(&w, MILTER_HELO);
	for (int i = 0; i < 2; i++) {
		MACROS(&w, SMFIC_MAIL, "i", "4Q1", "{y}", i == 0 ? "first" : "second");
		step(&w, MILTER_MAIL);
		if (i == 0)
			MACROS(&w, SMFIC_DATA, "{z}", "1");
		header(&w, "From", FROM);
		step(&w, MILTER_EOH);
		eom(&w, "");
		assert_true(has_macro(&w, "x", "connect"));
		assert_true(has_macro(&w, "y", i == 0 ? "first" : "second"));
		assert_true(has_macro(&w, "tls_version", "TLSv1.3"));
		assert_int_equal(has_macro(&w, "z", "1"), i == 0);
		answer(&w, VERDICT_SIGN, 1);
	}
	end(&w);
}

/* The macros of thousands of recipients take the room of one. */
static void
test_macro_many_recipients(void **state)
{
	struct world w;

	(void)state;
	greet(&w, "MacroList x\n");
	MACROS(&w, SMFIC_MAIL, "i", "4Q1", "{x}", "1");
	step(&w, MILTER_MAIL);
	for (int i = 0; i < 5000; i++) {
		char address[64];

		snprintf(address, sizeof(address), "user%d@example.net", i);
		MACROS(&w, SMFIC_RCPT, "{rcpt_addr}", address, "{rcpt_host}", "mx.example.net");
	}
	MACROS(&w, SMFIC_DATA, "{late}", "2");
	header(&w, "From", FROM);
	step(&w, MILTER_EOH);
	eom(&w, "");
	assert_true(has_macro(&w, "x", "1"));
	assert_true(has_macro(&w, "late", "2"));
	assert_true(has_macro(&w, "rcpt_addr", "user4999@example.net"));
	end(&w);
}

static void
test_facts_too_many(void **state)
{
	char *big = mem_zalloc(1, 17000);
	struct world w;

	(void)state;
	memset(big, 'x', 16999);
	greet(&w, "MacroList x\n");
	MACROS(&w, SMFIC_MAIL, "i", "4Q1", "{x}", big);
	step(&w, MILTER_MAIL);
	header(&w, "From", FROM);
	step(&w, MILTER_EOH);
	eom(&w, "");
	assert_string_equal(replies(&w), "y");
	assert_int_equal(w.sent, 0);
	end(&w);
	greet(&w, "DontSignMailTo a@b\n");
	step(&w, MILTER_MAIL);
	for (int i = 0; i < 20000; i++)
		rcpt(&w, "<somebody@example.net>");
	header(&w, "From", FROM);
	step(&w, MILTER_EOH);
	eom(&w, "");
	assert_string_equal(replies(&w), "y");
	assert_int_equal(w.sent, 0);
	assert_int_equal(w.session.state, SESSION_CONNECTED);
	end(&w);
	mem_free(big);
}

static void
test_families(void **state)
{
	static const struct {
		char family;
		const char *address;
		int expected;
	} rows[] = {{SMFIA_INET, "192.0.2.9", 4}, {SMFIA_INET, "192.0.2.999", 4},
	    {SMFIA_INET6, "IPv6:2001:db8::1", 6}, {SMFIA_INET6, "2001:db8::1", 6},
	    {SMFIA_INET6, "192.0.2.9", 4}, {SMFIA_UNIX, "/s", 'U'}, {SMFIA_UNKNOWN, "", 0},
	    {SMFIA_INET, "", 4}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;

		begin(&w, "Mode s\n");
		negotiate(&w, 6, SMFIP_V6);
		connect_from(&w, rows[i].family, rows[i].address);
		assert_int_equal(w.session.family, rows[i].expected);
		/* One that cannot be read is nobody's, not 127.0.0.1. */
		if (rows[i].expected == 4 && i > 0)
			assert_memory_equal(w.session.address, "\0\0\0\0", 4);
		end(&w);
	}
}

/* ---- what is signed ---- */

static void
test_sign_simple(void **state)
{
	struct world w;

	(void)state;
	greet(&w, "Mode s\n");
	whole_message(&w);
	assert_sign(
	    &w, "From:Subject", "From:" FROM "\r\nSubject: a\r\n\tb \r\n", "Hello \r\nworld\r\n");
	assert_int_equal(w.request.flags, 0);
	end(&w);
}

static void
test_sign_relaxed(void **state)
{
	struct world w;

	(void)state;
	greet(&w, "Canonicalization relaxed/relaxed\nOverSignHeaders From,To\n");
	whole_message(&w);
	assert_sign(&w, "From:Subject:From:To", "from:Joe <joe@Example.COM>\r\nsubject:a b\r\n",
	    "Hello\r\nworld\r\n");
	assert_int_equal(w.request.flags, REQUEST_FLAG_HEADER_RELAXED | REQUEST_FLAG_BODY_RELAXED);
	end(&w);
}

/* Without HDR_LEADSPC the MTA takes the blank away and puts it back. */
static void
test_leading_blank(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "SoftwareHeader yes\n");
	negotiate(&w, 6, SMFIP_V6 & ~SMFIP_HDR_LEADSPC);
	connect_from(&w, SMFIA_INET, "192.0.2.9");
	step(&w, MILTER_MAIL);
	header(&w, "From", "joe@example.com");
	step(&w, MILTER_EOH);
	eom(&w, "x");
	assert_sign(&w, "From", "From: joe@example.com\r\n", "x\r\n");
	answer(&w, VERDICT_SIGN, 1);
	assert_string_equal(replies(&w), "iic");
	assert_true(span_starts(reply_at(&w, 0).value, SPAN_LIT("Signpost v")));
	assert_text(reply_at(&w, 1).value, "v=1;\n\tb=first");
	end(&w);
	greet(&w, "SoftwareHeader yes\n");
	whole_message(&w);
	answer(&w, VERDICT_SIGN, 1);
	assert_string_equal(replies(&w), "iic");
	assert_true(span_starts(reply_at(&w, 0).value, SPAN_LIT(" Signpost v")));
	assert_text(reply_at(&w, 1).value, " v=1;\n\tb=first");
	end(&w);
}

static void
test_canonicalization_field(void **state)
{
	static const struct {
		const char *value;
		unsigned int flags;
	} rows[] = {{" relaxed/simple ", REQUEST_FLAG_HEADER_RELAXED},
	    {" simple/relaxed", REQUEST_FLAG_BODY_RELAXED}, {" nonsense", 0},
	    {" relaxed/simplerelaxed/simplerelaxed/simplerelaxed/simplerelaxed/simple", 0}};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct world w;

		greet(&w, "Canonicalization simple/simple\n");
		step(&w, MILTER_MAIL);
		header(&w, "From", FROM);
		header(&w, "Canonicalization", rows[i].value);
		step(&w, MILTER_EOH);
		eom(&w, "");
		assert_int_equal(w.request.flags, rows[i].flags);
		end(&w);
	}
}

static void
test_order_of_fields(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "Mode s\nRemoveOldSignatures yes\nSoftwareHeader yes\n");
	negotiate(&w, 6, SMFIP_V6);
	connect_from(&w, SMFIA_INET, "192.0.2.9");
	step(&w, MILTER_MAIL);
	for (int i = 0; i < 3; i++)
		header(&w, "dkim-signature", " v=1; b=old");
	header(&w, "From", FROM);
	step(&w, MILTER_EOH);
	eom(&w, "");
	answer(&w, VERDICT_SIGN, 2);
	assert_string_equal(replies(&w), "mmmiiic");
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(reply_at(&w, i).index, 3 - i);
		assert_text(reply_at(&w, i).name, "DKIM-Signature");
		assert_text(reply_at(&w, i).value, "");
	}
	for (size_t i = 3; i < 6; i++)
		assert_int_equal(reply_at(&w, i).index, 0);
	assert_text(reply_at(&w, 3).name, "DKIM-Filter");
	/* The last one put on top is the first of the answer. */
	assert_text(reply_at(&w, 4).value, " v=1;\n\tb=second");
	assert_text(reply_at(&w, 5).value, " v=1;\n\tb=first");
	end(&w);
	greet(&w, "RemoveOldSignatures yes\n");
	whole_message(&w);
	answer(&w, VERDICT_PASS, 0);
	assert_string_equal(replies(&w), "a");
	end(&w);
}

static void
test_version_2(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "Mode s\n");
	negotiate(&w, 2, SMFIP_V2);
	connect_from(&w, SMFIA_INET, "192.0.2.9");
	assert_string_equal(replies(&w), "c");
	step(&w, MILTER_MAIL);
	header(&w, "From", "joe@example.com");
	step(&w, MILTER_EOH);
	assert_string_equal(replies(&w), "cc");
	answer(&w, VERDICT_SIGN, 0);
	eom(&w, "");
	answer(&w, VERDICT_SIGN, 1);
	assert_string_equal(replies(&w), "chc");
	assert_text(reply_at(&w, 1).value, "v=1;\n\tb=first");
	end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_replies_none),
	    cmocka_unit_test(test_replies_all),
	    cmocka_unit_test(test_route_refusals),
	    cmocka_unit_test(test_several_messages),
	    cmocka_unit_test(test_abort),
	    cmocka_unit_test(test_quit_nc),
	    cmocka_unit_test(test_facts),
	    cmocka_unit_test(test_logins),
	    cmocka_unit_test(test_macro_life),
	    cmocka_unit_test(test_macro_many_recipients),
	    cmocka_unit_test(test_facts_too_many),
	    cmocka_unit_test(test_families),
	    cmocka_unit_test(test_sign_simple),
	    cmocka_unit_test(test_sign_relaxed),
	    cmocka_unit_test(test_leading_blank),
	    cmocka_unit_test(test_canonicalization_field),
	    cmocka_unit_test(test_order_of_fields),
	    cmocka_unit_test(test_version_2),
	};

	return cmocka_run_group_tests_name("daemon/session", tests, NULL, NULL);
}
