/*
 * test_diagnose.c - messages that were changed on their way, and what is said to have happened to
 * them; and hostile ones, for which there is an end.
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
#include "lib/dkim/diagnose.h"
#include "tests/unit/verify_help.h"

#define LINES                                                                                      \
	"From: Alice <alice@example.org>\r\n"                                                      \
	"To: bob@example.net\r\n"                                                                  \
	"Subject: Minutes of the meeting\r\n"                                                      \
	"Content-Transfer-Encoding: 8bit\r\n"                                                      \
	"\r\n"                                                                                     \
	"Hello,\r\n"                                                                               \
	"\r\n"                                                                                     \
	"From here on  it is short.\r\n"                                                           \
	".dot\r\n"                                                                                 \
	"Bye\r\n"
#define SIGNED_NAMES "From:To:Subject:Cc:Content-Transfer-Encoding:From"

static struct diagnose found;

static bool
has(const char *what, bool certain)
{
	for (size_t i = 0; i < found.count; i++)
		if (strcmp(found.findings[i].what, what) == 0 &&
		    found.findings[i].certain == certain)
			return true;
	return false;
}

static void
expect(const char *name, const char *what, bool certain)
{
	if (has(what, certain))
		return;
	for (size_t i = 0; i < found.count; i++)
		print_message("  %s %d %zu: %s\n", found.findings[i].what,
		    (int)found.findings[i].certain, found.findings[i].line,
		    found.findings[i].detail);
	fail_msg("%s: %s is not among %zu findings", name, what, found.count);
}

/* The answer about signature index of the message. */
static enum verify_reason
look(struct span message, size_t index, const struct verify_key *key)
{
	struct diagnose_case given = {.header_line = 1, .options = &plain, .key = key};
	enum verify_reason reason;
	struct signed_mail mail;

	assert_int_equal(signed_mail_open(&mail, message, &plain), ST_OK);
	signed_mail_finish(&mail, 0, key);
	assert_true(index < verify_count(mail.verify));
	given.list = &mail.list;
	given.body = mail.body;
	given.signature = verify_signature(mail.verify, index);
	given.body_line = 1 + diagnose_field_line(&mail.list, 1, mail.list.count);
	diagnose_signature(&found, &given);
	reason = given.signature->reason;
	signed_mail_close(&mail);
	return reason;
}

static enum verify_reason
look_with(struct span message, struct key *key)
{
	struct verify_key answer = {.status = ST_OK, .count = 1};
	enum verify_reason reason;
	struct buf record;
	struct span text;

	buf_init(&record, 2000);
	signed_mail_record(key, "", &record);
	text = buf_span(&record);
	answer.texts = &text;
	diagnose_begin(&found);
	reason = look(message, 0, &answer);
	buf_free(&record);
	return reason;
}

/* The first "from" below the signature becomes "to". */
static void
change(struct buf *message, const char *from, const char *to)
{
	struct span all = buf_span(message);
	const char *start = memmem(all.p, all.n, "\r\nFrom: ", 8), *at;
	struct buf out;

	assert_non_null(start);
	at = memmem(start, (size_t)(all.p + all.n - start), from, strlen(from));
	if (at == NULL)
		fail_msg("%s is not there", from);
	buf_init(&out, SIGNED_MAIL_MAX);
	buf_add(&out, span_sub(all, 0, (size_t)(at - all.p)));
	buf_add_str(&out, to);
	buf_add(&out, span_from(all, (size_t)(at - all.p) + strlen(from)));
	buf_free(message);
	*message = out;
}

struct change_case {
	const char *name;
	enum canon header, body;
	const char *from, *to;   /* a change */
	const char *from2, *to2; /* another one; NULL: none */
	enum verify_reason reason;
	const char *what, *what2;
	bool certain;
};

#define R CANON_RELAXED
#define S CANON_SIMPLE
#define BODY VERIFY_BODY_MISMATCH
#define HEAD VERIFY_SIGNATURE_BAD
static const struct change_case cases[] = {
    {"footer", R, R, "Bye\r\n", "Bye\r\n-- \r\na list\r\n", NULL, NULL, BODY, "body-footer", NULL,
	true},
    {"footer behind blank lines", R, S, "Bye\r\n", "Bye\r\n\r\n\r\n___\r\nlist\r\n", NULL, NULL,
	BODY, "body-footer", NULL, true},
    {"banner", R, S, "\r\n\r\n", "\r\n\r\n[EXTERNAL]\r\n\r\n", NULL, NULL, BODY, "body-banner",
	NULL, true},
    {"blanks within", R, S, "on  it", "on it", NULL, NULL, BODY, "body-changed", NULL, false},
    {"blanks at an end", R, S, "Bye", "Bye ", NULL, NULL, BODY, "body-trailing-blanks", NULL, true},
    {"mbox", R, R, "\r\nFrom here", "\r\n>From here", NULL, NULL, BODY, "body-mbox-from", NULL,
	true},
    {"dots", R, R, "\r\n.dot", "\r\n..dot", NULL, NULL, BODY, "body-dots", NULL, true},
    {"mbox and footer", R, R, "\r\nFrom here", "\r\n>From here", "Bye\r\n", "Bye\r\nfoot\r\n", BODY,
	"body-mbox-from", "body-footer", true},
    {"a word", R, R, "short", "long", NULL, NULL, BODY, "body-changed", NULL, false},
    {"eight bits", R, R, "short", "sh\xc3\xb6rt", NULL, NULL, BODY, "body-charset", NULL, false},
    {"subject", R, R, "Subject: ", "Subject: [list] ", NULL, NULL, HEAD, "header-subject", NULL,
	true},
    {"subject, simple", S, S, "Subject: ", "Subject: [list] ", NULL, NULL, HEAD, "header-subject",
	NULL, true},
    {"from", R, R, "From: Alice <alice@example.org>",
	"From: Alice via list <list@example.com>\r\nX-Original-From: Alice <alice@example.org>",
	NULL, NULL, HEAD, "header-from", NULL, true},
    {"from and subject", R, R, "From: Alice <alice@example.org>",
	"From: Alice via list <list@example.com>\r\nX-Original-From: Alice <alice@example.org>",
	"Subject: ", "Subject: [list] ", HEAD, "header-from", "header-subject", true},
    {"subject and footer", R, R, "Subject: ", "Subject: [list] ", "Bye\r\n", "Bye\r\nfoot\r\n",
	BODY, "body-footer", "header-subject", true},
    {"second from", R, R, "To: bob", "From: eve@example.com\r\nTo: bob", NULL, NULL, HEAD,
	"header-added", NULL, true},
    {"cc was not there", R, R, "To: bob", "Cc: eve@example.com\r\nTo: bob", NULL, NULL, HEAD,
	"header-added", NULL, true},
    {"fold", S, R, "Minutes of", "Minutes\r\n of", NULL, NULL, HEAD, "header-folding", NULL, true},
    {"blanks in a header", S, R, "Minutes of", "Minutes  of", NULL, NULL, HEAD, "header-folding",
	NULL, true},
    {"encoding", R, R, "Encoding: 8bit", "Encoding: base64", NULL, NULL, HEAD,
	"header-transfer-encoding", NULL, true},
    {"to", R, R, "bob@", "rob@", NULL, NULL, HEAD, "header-changed", NULL, false},
    {"no subject", R, R, "Subject: Minutes of the meeting\r\n", "", NULL, NULL, HEAD,
	"header-removed", NULL, false},
    {"nothing", R, R, "Bye", "Bye", NULL, NULL, VERIFY_OK, NULL, NULL, true},
};

static void
test_changes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct change_case *c = &cases[i];
		struct signature_params p = params_plain();
		struct buf message;

		p.header_canon = c->header;
		p.body_canon = c->body;
		p.header_names = SPAN_LIT(SIGNED_NAMES);
		buf_init(&message, SIGNED_MAIL_MAX);
		buf_add_str(&message, LINES);
		signed_mail_sign(&message, rsa2048, &p);
		change(&message, c->from, c->to);
		if (c->from2 != NULL)
			change(&message, c->from2, c->to2);
		if (look_with(buf_span(&message), rsa2048) != c->reason)
			fail_msg("%s: another reason", c->name);
		if (c->what == NULL)
			assert_int_equal(found.count, 0);
		else
			expect(c->name, c->what, c->certain);
		if (c->what2 != NULL)
			expect(c->name, c->what2, c->certain);
		assert_false(found.exhausted);
		buf_free(&message);
	}
}

/* The line is one that an editor would show. */
static void
test_lines(void **state)
{
	struct signature_params p = params_plain();
	struct span head;
	struct buf message;
	size_t lines = 0;
	const char *foot;

	(void)state;
	buf_init(&message, SIGNED_MAIL_MAX);
	buf_add_str(&message, LINES);
	signed_mail_sign(&message, ed25519, &p);
	change(&message, "Bye\r\n", "Bye\r\nFOOT\r\n");
	change(&message, "Subject: ", "Subject: [x] ");
	assert_int_equal(look_with(buf_span(&message), ed25519), VERIFY_BODY_MISMATCH);
	assert_int_equal(found.count, 2);
	foot = memmem(message.p, message.n, "FOOT", 4);
	head = span_of(message.p, (size_t)(foot - message.p));
	for (size_t i = 0; i < head.n; i++)
		lines += head.p[i] == '\n' ? 1 : 0;
	assert_string_equal(found.findings[0].what, "body-footer");
	assert_int_equal(found.findings[0].line, lines + 1);
	foot = memmem(message.p, message.n, "Subject: [", 10);
	head = span_of(message.p, (size_t)(foot - message.p));
	lines = 0;
	for (size_t i = 0; i < head.n; i++)
		lines += head.p[i] == '\n' ? 1 : 0;
	assert_string_equal(found.findings[1].what, "header-subject");
	assert_int_equal(found.findings[1].line, lines + 1);
	buf_free(&message);
}

/* z= names the field and what it was, also where nothing else could. */
static void
test_copied(void **state)
{
	struct signature_params p = params_plain();
	struct buf message;

	(void)state;
	p.copied_headers = SPAN_LIT("From:=20Alice=20<alice@example.org>|To:=20bob@example.net|"
				    "Subject:=20Minutes=20of=20the=20meeting");
	buf_init(&message, SIGNED_MAIL_MAX);
	buf_add_str(&message, LINES);
	signed_mail_sign(&message, ed25519, &p);
	change(&message, "bob@", "rob@");
	assert_int_equal(look_with(buf_span(&message), ed25519), VERIFY_SIGNATURE_BAD);
	expect("z=", "header-changed", true);
	assert_non_null(strstr(found.findings[0].detail, "bob@example.net"));
	assert_non_null(strstr(found.findings[0].detail, "rob@example.net"));
	change(&message, "Subject: Minutes of the meeting\r\n", "");
	assert_int_equal(look_with(buf_span(&message), ed25519), VERIFY_SIGNATURE_BAD);
	expect("z= twice", "header-changed", true);
	expect("z= twice", "header-removed", true);
	/* Something that z= does not have was changed, too. */
	change(&message, "rob@", "t\xff\x00ob@");
	assert_int_equal(look_with(buf_span(&message), ed25519), VERIFY_SIGNATURE_BAD);
	buf_free(&message);
}

static void
test_quoted_printable(void **state)
{
	struct signature_params p = params_plain();
	struct buf message;

	(void)state;
	p.header_names = SPAN_LIT("From");
	buf_init(&message, SIGNED_MAIL_MAX);
	buf_add_str(&message, "From: a@example.org\r\nContent-Transfer-Encoding: quoted-printable"
			      "\r\n\r\nK\xc3\xa4se und eine lange Zeile\r\n");
	signed_mail_sign(&message, ed25519, &p);
	change(&message, "K\xc3\xa4se und", "K=C3=A4se =\r\nund");
	assert_int_equal(look_with(buf_span(&message), ed25519), VERIFY_BODY_MISMATCH);
	expect("quoted-printable", "body-transfer-encoding", true);
	buf_free(&message);
}

/* A line end for each octet, signatures and names of h= as many as there may be. */
static void
test_hostile(void **state)
{
	struct signature_params p = params_plain();
	struct verify_key answer = {.status = ST_OK, .count = 1};
	struct buf message, record, names;
	struct span text, signature;

	(void)state;
	buf_init(&message, SIGNED_MAIL_MAX);
	buf_init(&record, 2000);
	buf_init(&names, SIGNED_MAIL_MAX);
	buf_add_str(&names, "From");
	for (int i = 0; i < 900; i++)
		buf_add_fmt(&names, ":X-%d", i);
	p.header_names = buf_span(&names);
	buf_add_str(&message, "Subject: [a] b\r\nFrom: a@example.org\r\n");
	for (int i = 0; i < 900; i++)
		buf_add_fmt(&message, "X-%d: \"%d\"\r\nX-%d: \"%d\"\r\n", i, i, i, i);
	buf_add_str(&message, "\r\n");
	signed_mail_sign(&message, rsa2048, &p);
	signature = buf_span(&message);
	signature.n =
	    (size_t)((const char *)memmem(signature.p, signature.n, "Subject:", 8) - signature.p);
	buf_reset(&names);
	for (int i = 0; i < 20; i++)
		buf_add(&names, signature);
	buf_add(&names, buf_span(&message));
	for (size_t i = 0; i < 262144; i++)
		buf_add_str(&names, i % 2 ? "\n" : ">From x\n");
	signed_mail_record(rsa2048, "", &record);
	text = buf_span(&record);
	answer.texts = &text;
	diagnose_begin(&found);
	for (size_t i = 0; i < VERIFY_SIGNATURES_MAX; i++)
		assert_int_equal(look(buf_span(&names), i, &answer), VERIFY_BODY_MISMATCH);
	buf_free(&message);
	buf_free(&record);
	buf_free(&names);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_changes),
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_copied),
	    cmocka_unit_test(test_quoted_printable),
	    cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, keys_make, keys_free);
}
