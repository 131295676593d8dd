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
	MACROS(&w, SMFIC_MAIL, "{auth_type}", "PLAIN");
	step(&w, MILTER_MAIL);
	step(&w, MILTER_QUIT_NC);
	assert_int_equal(w.session.family, 4); /* 0.0.0.0: nobody */
	assert_memory_equal(w.session.address, "\0\0\0", 4);
	connect_from(&w, SMFIA_INET6, "IPv6:2001:db8::1");
	whole_message(&w);
	assert_int_equal(w.request.family, 6);
	assert_int_equal(w.request.address[0], 0x20);
	assert_text(w.request.daemon_name, "");
	assert_int_equal(w.request.macros.n, 2 * 4 + 1 + 3); /* "i" of this message */
	assert_int_equal(w.request.flags & REQUEST_FLAG_AUTHENTICATED, 0);
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
	MACROS(&w, SMFIC_MAIL, "i", "4Q1", "{auth_type}", "PLAIN");
	step(&w, MILTER_MAIL);
	rcpt(&w, "<a@b>");
	rcpt(&w, "c@d");
	header(&w, "From", FROM);
	step(&w, MILTER_EOH);
	eom(&w, "");
	assert_text(w.request.job_id, "4Q1");
	assert_text(w.request.host, "mx.example.com");
	assert_text(w.request.daemon_name, "MTA");
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
sha256(const char *text, uint8_t out[SHA256_BYTES])
{
	struct digest *digest = digest_new();

	digest_start(digest);
	digest_add(digest, span_str(text));
	digest_finish(digest, out);
	digest_free(digest);
}

static void
assert_sign(struct world *w, const char *names, const char *canonical, const char *canonical_body)
{
	uint8_t hash[SHA256_BYTES];

	sha256(canonical_body, hash);
	assert_text(w->request.header_names, names);
	assert_text(w->request.canonical, canonical);
	assert_memory_equal(w->request.body_hash, hash, SHA256_BYTES);
	assert_int_equal(w->request.body_length, -1);
}

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
	begin(&w, "RemoveOldSignatures yes\nSoftwareHeader yes\n");
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
	    {"SenderHeaders Resent-From,Sender\n", "Sender", " a@b <", "can't parse Sender:", "a"},
	    {"SenderHeaders Sender,From\n", "Sender", " a@b.example", "there is no From:", "a"},
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
	} rows[] = {{"accept", "a"}, {"tempfail", "y"}, {"reject", "y"}, {"discard", "d"},
	    {"quarantine", "qc"}};
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
	reply.fields[0] = (struct reply_field){SPAN_LIT("DKIM-Signature"), SPAN_LIT(" a\nBcc: x")};
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
	assert_text(list, "i {daemon_name} x {y} z");
	assert_true(mta_symlist_next(&lists, &stage, &list));
	assert_int_equal(stage, SMFIM_ENVFROM);
	assert_text(list, "i {daemon_name} {auth_type} x {y} z");
	assert_false(mta_symlist_next(&lists, &stage, &list));
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

	return cmocka_run_group_tests_name("daemon/session", tests, NULL, NULL);
}
