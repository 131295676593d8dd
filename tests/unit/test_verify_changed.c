/*
 * test_verify_changed.c - the verifier against messages, keys and signatures that were changed, and
 * against fields that are signed or are not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/verify_help.h"

/* b= decoded, to know whether a change of its text changes anything. */
static bool
signature_unchanged(struct span message, struct span before)
{
	struct signed_mail a, b;
	bool same;

	assert_int_equal(signed_mail_open(&a, message, &plain), ST_OK);
	assert_int_equal(signed_mail_open(&b, before, &plain), ST_OK);
	same = span_eq(verify_signature(a.verify, 0)->field.signature,
	    verify_signature(b.verify, 0)->field.signature);
	signed_mail_close(&a);
	signed_mail_close(&b);
	return same;
}

/* May this octet change? Not signed at all: Received, and what says nothing within b=. */
static bool
octet_is_free(struct span message, struct span before, size_t at)
{
	const char *received = memmem(before.p, before.n, "Received:", 9);
	const char *from = memmem(before.p, before.n, "\r\nFrom:", 7);
	const char *b = memmem(before.p, before.n, " b=", 3);

	assert_true(received != NULL && from != NULL && b != NULL);
	if (before.p + at >= received && before.p + at < from + 2)
		return true;
	return before.p + at > b + 2 && before.p + at < received &&
	       signature_unchanged(message, before);
}

static void
check_flips(enum canon canon, unsigned last_bit)
{
	struct signature_params p = params_plain();
	struct buf message, changed, record;
	size_t passes = 0;

	p.header_canon = p.body_canon = canon;
	message_signed(&message, ed25519, &p);
	buf_init(&record, 1000);
	buf_init(&changed, SIGNED_MAIL_MAX);
	signed_mail_record(ed25519, "", &record);
	for (size_t i = 0; i < message.n * last_bit; i++) {
		struct verify_signature result;

		buf_reset(&changed);
		buf_add(&changed, buf_span(&message));
		changed.p[i / last_bit] ^= (char)(1 << i % last_bit);
		result = check_record(buf_span(&changed), &plain, buf_span(&record));
		if (result.result == VERIFY_PASS &&
		    !octet_is_free(buf_span(&changed), buf_span(&message), i / last_bit)) {
			/* relaxed: the case of names, one kind of blank for another */
			assert_int_equal(canon, CANON_RELAXED);
			assert_true(i % last_bit == 5 || (ascii_blank(changed.p[i / last_bit]) &&
							     ascii_blank(message.p[i / last_bit])));
			passes++;
		}
	}
	assert_true(canon == CANON_RELAXED ? passes > 0 && passes < 60 : passes == 0);
	buf_free(&message);
	buf_free(&changed);
	buf_free(&record);
}

static void
test_verify_bit_flips(void **state)
{
	(void)state;
	check_flips(CANON_SIMPLE, 8);
	check_flips(CANON_RELAXED, 8);
}

/* All bits of the raw signature and of the raw key, for RSA too. */
static void
check_key_flips(struct key *key)
{
	struct signature_params p = params_plain();
	struct buf message, record;
	uint8_t octets[400];
	char text[800];
	size_t n, at;

	message_signed(&message, key, &p);
	buf_init(&record, 1000);
	signed_mail_record(key, "", &record);
	at = span_rfind(buf_span(&record), ' ') + 3;
	assert_int_equal(base64_decode(span_from(buf_span(&record), at), octets, &n), ST_OK);
	for (size_t i = 0; i < n * 8; i++) {
		octets[i / 8] ^= (uint8_t)(1 << i % 8);
		base64_encode(octets, n, text);
		octets[i / 8] ^= (uint8_t)(1 << i % 8);
		record.n = at;
		buf_add(&record, span_of(text, (n + 2) / 3 * 4));
		assert_int_not_equal(
		    check_record(buf_span(&message), &plain, buf_span(&record)).result,
		    VERIFY_PASS);
	}
	buf_free(&record);
	buf_free(&message);
}

static void
check_signature_flips(struct key *key)
{
	struct signature_params p = params_plain();
	struct buf message, record;
	struct signed_mail mail;
	struct span text;
	size_t bits = 1;

	message_signed(&message, key, &p);
	buf_init(&record, 1000);
	signed_mail_record(key, "", &record);
	text = buf_span(&record);
	for (size_t i = 0; i <= bits; i++) {
		struct verify_key answer = {.status = ST_OK, .texts = &text, .count = 1};
		struct span signature;

		assert_int_equal(signed_mail_open(&mail, buf_span(&message), &plain), ST_OK);
		signature = verify_signature(mail.verify, 0)->field.signature;
		bits = signature.n * 8;
		if (i < bits)
			((char *)(uintptr_t)signature.p)[i / 8] ^= (char)(1 << i % 8);
		signed_mail_finish(&mail, 0, &answer);
		assert_int_equal(
		    verify_signature(mail.verify, 0)->result, i < bits ? VERIFY_FAIL : VERIFY_PASS);
		signed_mail_close(&mail);
	}
	buf_free(&record);
	buf_free(&message);
}

static void
test_verify_key_and_signature_flips(void **state)
{
	(void)state;
	check_key_flips(ed25519);
	check_key_flips(rsa);
	check_signature_flips(ed25519);
	check_signature_flips(rsa);
}

/* h= of 1,000 names over 1,900 fields. */
static void
test_verify_many_names(void **state)
{
	struct signature_params p = params_plain();
	struct buf message, names;

	(void)state;
	buf_init(&message, SIGNED_MAIL_MAX);
	buf_init(&names, SIGNATURE_NAMES_MAX);
	for (int i = 0; i < 1890; i++)
		buf_add_fmt(&message, "X-%d: %d\r\n", i % 700, i);
	buf_add_str(&message, MESSAGE);
	buf_add_str(&names, "From");
	for (int i = 0; i < 999; i++)
		buf_add_fmt(&names, ":x-%d", i % 750);
	p.header_names = buf_span(&names);
	signed_mail_sign(&message, ed25519, &p);
	assert_int_equal(check_key(buf_span(&message), &plain, ed25519, ""), VERIFY_OK);
	buf_free(&message);
	buf_free(&names);
}

/* Fields moved, doubled or taken out; folds of every kind under relaxed. */
static void
test_verify_changed_messages(void **state)
{
	static const struct {
		const char *out, *in;
		bool relaxed, simple;
	} rows[] = {
	    {"To: bob", "to:  bob", true, false},
	    {"To: bob@example.net\r\n", "To: bob@example.net\r\n \r\n", true, false},
	    {"subject \r\n", "subject\r\n", true, false},
	    {"\r\n\t subject", " subject", true, false},
	    {"Received: from", "Received: via", true, true},
	    {"To: bob@example.net\r\n", "", false, false},
	    {"To: bob@example.net\r\n", "To: bob@example.net\r\nX: y\r\n", true, true},
	    {"To: bob@example.net\r\n", "To: bob@example.net\r\nTo: eve@example.net\r\n", false,
		false},
	    {"Two  blanks", "Two blanks", true, false},
	    {"there \r\n", "there\r\n", true, false},
	    {"last\r\n", "last", true, true},
	    {"last\r\n", "last\r\nlater\r\n", false, false},
	    {"second", "  second", false, false},
	    {"s=sel;", "s=sel ;", false, false},
	    {"s=sel;", "", false, false},
	    {"s=sel;", "s=sel; s=sel;", false, false},
	    {" v=1;", " v=2;", false, false},
	    {" v=1;", "", false, false},
	    {"d=example.org", "d=example.net(.example.org", false, false},
	    {"d=example.org", "d=org", false, false},
	};
	struct verify_signature result;
	struct buf record;

	(void)state;
	buf_init(&record, 1000);
	signed_mail_record(ed25519, "", &record);
	for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
		struct signature_params p = params_plain();
		struct buf message, changed;
		size_t at, row = i / 2;
		bool want = i % 2 != 0 ? rows[row].simple : rows[row].relaxed;
		const char *found;

		p.header_canon = p.body_canon = i % 2 != 0 ? CANON_SIMPLE : CANON_RELAXED;
		message_signed(&message, ed25519, &p);
		found = memmem(message.p, message.n, rows[row].out, strlen(rows[row].out));
		assert_non_null(found);
		at = (size_t)(found - message.p);
		buf_init(&changed, SIGNED_MAIL_MAX);
		buf_add(&changed, span_sub(buf_span(&message), 0, at));
		buf_add_str(&changed, rows[row].in);
		buf_add(&changed, span_from(buf_span(&message), at + strlen(rows[row].out)));
		result = check_record(buf_span(&changed), &plain, buf_span(&record));
		if ((result.result == VERIFY_PASS) != want)
			fail_msg("row %zu: %s", i, verify_reason_text(result.reason));
		buf_free(&changed);
		buf_free(&message);
	}
	buf_free(&record);
}

/* The white space around the value of b= goes with it, RFC 6376 3.7. */
static void
test_verify_b_in_the_middle(void **state)
{
	static const char *const spellings[] = {"b=%s", " b = \r\n\t%s \r\n ;", "b=%s;"};
	struct span rest = SPAN_LIT("To: x@example.org\r\nFrom: a@example.org\r\n");

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		bool simple = i % 2 != 0;
		const char *spelling = spellings[i / 2];
		bool semicolon = strchr(spelling, ';') != NULL;
		char value[700], hashed[1000], field[1500], b[100], message[2000];
		uint8_t hash[SHA256_BYTES], body[SHA256_BYTES], raw[KEY_SIGNATURE_MAX];
		struct header_field fields[2] = {{SPAN_LIT("From"), SPAN_LIT(" a@example.org")}};
		struct buf canonical;
		size_t n, head = strcspn(spelling, "%");

		/* the empty body */
		digest_start(digest);
		digest_add(digest, simple ? SPAN_LIT("\r\n") : SPAN_EMPTY);
		digest_finish(digest, body);
		base64_encode(body, sizeof body, b);
		snprintf(value, sizeof value,
		    " v=1; a=ed25519-sha256; c=%s; d=example.org; h=From; bh=%.44s; s=sel ; ",
		    simple ? "simple/simple" : "relaxed/relaxed", b);
		/* what is hashed: up to '=', and from ';' */
		n = (size_t)(strchr(spelling, '=') - spelling) + 1;
		snprintf(hashed, sizeof hashed, "%s%.*s%s", value, (int)n, spelling,
		    semicolon ? ";" : "");
		buf_init(&canonical, 5000);
		fields[1] = (struct header_field){SPAN_LIT("DKIM-Signature"), span_str(hashed)};
		for (int j = 0; j < 2; j++)
			canon_header(simple ? CANON_SIMPLE : CANON_RELAXED, &fields[j], &canonical);
		digest_start(digest);
		digest_add(digest, span_sub(buf_span(&canonical), 0, canonical.n - 2));
		digest_finish(digest, hash);
		assert_int_equal(key_sign(ed25519, hash, raw, &n, NULL), ST_OK);
		base64_encode(raw, n, b);
		snprintf(field, sizeof field, "%s%.*s%.88s%s", value, (int)head, spelling, b,
		    spelling + head + 2);
		snprintf(message, sizeof message, "%.*sDKIM-Signature:%s\r\n\r\n", SPAN_ARG(rest),
		    field);
		assert_int_equal(check_key(span_str(message), &plain, ed25519, ""), VERIFY_OK);
		buf_free(&canonical);
	}
}

/* A message that fills the arena never passes, and nothing breaks. */
static void
test_verify_full_arena(void **state)
{
	struct signature_params p = params_plain();
	struct buf message, text;
	struct span record;
	bool passed = false;

	(void)state;
	/* its header hash is that of no other field at all */
	p.header_names = SPAN_LIT("From:X");
	message_signed(&message, ed25519, &p);
	buf_init(&text, 1000);
	signed_mail_record(ed25519, "", &text);
	record = buf_span(&text);
	for (size_t spare = 0; spare < 20000; spare += 16) {
		struct verify_key answer = {.status = ST_OK, .texts = &record, .count = 1};
		struct signed_mail mail;
		enum verify_result result = VERIFY_NONE;

		assert_int_equal(signed_mail_open(&mail, buf_span(&message), NULL), ST_OK);
		mail.arena.max = mail.arena.used + spare;
		if (verify_new(&mail.list, &plain, &mail.arena, &mail.verify, NULL) == ST_OK) {
			signed_mail_finish(&mail, 0, &answer);
			result = verify_signature(mail.verify, 0)->result;
		}
		assert_true(result == VERIFY_NONE || result == VERIFY_PASS ||
			    result == VERIFY_TEMPERROR || result == VERIFY_PERMERROR);
		passed = passed || result == VERIFY_PASS;
		signed_mail_close(&mail);
	}
	assert_true(passed);
	buf_free(&message);
	buf_free(&text);
}

static void
test_verify_must_be_signed(void **state)
{
	static const char *const subject[] = {"to", "SUBJECT", "reply-to", NULL};
	static const char *const received[] = {"Received", NULL};
	struct signature_params p = params_plain();
	struct verify_options options = plain;
	struct buf message, twice;

	(void)state;
	options.must_be_signed = subject;
	assert_int_equal(sign_and_check(&p, &options, ed25519, ""), VERIFY_OK);
	options.must_be_signed = received;
	assert_int_equal(sign_and_check(&p, &options, ed25519, ""), VERIFY_HEADER_UNSIGNED);
	/* a second Subject that is not signed */
	options.must_be_signed = subject;
	message_signed(&message, ed25519, &p);
	buf_init(&twice, SIGNED_MAIL_MAX);
	buf_add_str(&twice, "Subject: another\r\n");
	buf_add(&twice, buf_span(&message));
	assert_int_equal(check_key(buf_span(&twice), &plain, ed25519, ""), VERIFY_OK);
	assert_int_equal(
	    check_key(buf_span(&twice), &options, ed25519, ""), VERIFY_HEADER_UNSIGNED);
	/* From was signed once more than there was: an added one breaks it */
	buf_reset(&twice);
	buf_add_str(&twice, "From: Mallory <m@example.com>\r\n");
	buf_add(&twice, buf_span(&message));
	assert_int_equal(check_key(buf_span(&twice), &plain, ed25519, ""), VERIFY_SIGNATURE_BAD);
	buf_free(&twice);
	buf_free(&message);
}

/* One that names DKIM-Signature signs those below it, never itself. */
static void
test_verify_signed_signatures(void **state)
{
	struct signature_params p = params_plain();
	struct verify_key answer = {.status = ST_OK, .count = 1};
	struct buf message, text;
	struct signed_mail mail;
	struct span record;

	(void)state;
	message_signed(&message, ed25519, &p);
	p.header_names = SPAN_LIT("From:DKIM-Signature:dkim-signature");
	for (int more = 0; more < 3; more++)
		signed_mail_sign(&message, ed25519, &p);
	buf_init(&text, 1000);
	signed_mail_record(ed25519, "", &text);
	record = buf_span(&text);
	answer.texts = &record;
	assert_int_equal(signed_mail_open(&mail, buf_span(&message), &plain), ST_OK);
	signed_mail_finish(&mail, 0, &answer);
	assert_int_equal(verify_count(mail.verify), 4);
	/* the uppermost three name two each, from the bottom */
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
		    verify_signature(mail.verify, i)->result, i == 2 ? VERIFY_FAIL : VERIFY_PASS);
	signed_mail_close(&mail);
	buf_free(&message);
	buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_verify_bit_flips),
	    cmocka_unit_test(test_verify_key_and_signature_flips),
	    cmocka_unit_test(test_verify_many_names),
	    cmocka_unit_test(test_verify_changed_messages),
	    cmocka_unit_test(test_verify_b_in_the_middle),
	    cmocka_unit_test(test_verify_full_arena),
	    cmocka_unit_test(test_verify_must_be_signed),
	    cmocka_unit_test(test_verify_signed_signatures),
	};

	return cmocka_run_group_tests(tests, keys_make, keys_free);
}
