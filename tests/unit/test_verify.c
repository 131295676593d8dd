/*
 * test_verify.c - the verifier: published messages, messages of our own signing half, and every
 * reason that there is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dkim/keyrecord.h"
#include "lib/dkim/verify_private.h"
#include "tests/unit/verify_help.h"

#define RFC6376_RECORD                                                                             \
	"v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7"  \
	"/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfV" \
	"jH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
#define RFC8463_RSA_RECORD                                                                         \
	"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08"   \
	"a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3" \
	"rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
#define RFC8463_ED25519_RECORD "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static void
load(const char *name, struct buf *out)
{
	const char *top = getenv("SRCDIR");
	char path[1000], line[1000];
	FILE *f;

	snprintf(path, sizeof path, "%s/tests/vectors/%s", top == NULL ? TOP_SRCDIR : top, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	buf_init(out, 10000);
	while (fgets(line, sizeof line, f) != NULL) {
		buf_add(out, span_sub(span_str(line), 0, strcspn(line, "\r\n")));
		buf_add_str(out, "\r\n");
	}
	fclose(f);
}

static void
test_verify_published(void **state)
{
	struct span records[] = {SPAN_LIT(RFC8463_ED25519_RECORD), SPAN_LIT(RFC8463_RSA_RECORD)};
	struct signed_mail mail;
	struct buf text;

	(void)state;
	load("rfc6376-a.eml", &text);
	assert_int_equal(
	    check_record(buf_span(&text), &plain, SPAN_LIT(RFC6376_RECORD)).result, VERIFY_PASS);
	buf_free(&text);
	load("rfc8463-a.eml", &text);
	assert_int_equal(signed_mail_open(&mail, buf_span(&text), &plain), ST_OK);
	assert_int_equal(verify_count(mail.verify), 2);
	verify_body(mail.verify, mail.body);
	for (size_t i = 0; i < 2; i++) {
		struct verify_key answer = {.status = ST_OK, .texts = &records[i], .count = 1};

		assert_true(verify_query(mail.verify, i, NULL).n > 0);
		verify_key(mail.verify, i, &answer);
		assert_int_equal(verify_query(mail.verify, i, NULL).n, 0);
	}
	verify_finish(mail.verify);
	assert_int_equal(verify_signature(mail.verify, 0)->result, VERIFY_PASS);
	assert_int_equal(verify_signature(mail.verify, 1)->result, VERIFY_PASS);
	assert_int_equal(verify_signature(mail.verify, 0)->key_bits, 256);
	assert_int_equal(verify_signature(mail.verify, 1)->key_bits, 1024);
	signed_mail_close(&mail);
	buf_free(&text);
}

static void
test_verify_own(void **state)
{
	struct key *keys[] = {ed25519, rsa, rsa2048};

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		struct signature_params p = params_plain();

		p.header_canon = i & 1 ? CANON_RELAXED : CANON_SIMPLE;
		p.body_canon = i & 2 ? CANON_RELAXED : CANON_SIMPLE;
		assert_int_equal(sign_and_check(&p, &plain, keys[i / 4], ""), VERIFY_OK);
		p.body_length = i == 3 ? 0 : 10;
		p.identity = SPAN_LIT("al=ice;+x@sub.example.org");
		p.expires_utc = NOW + 1;
		assert_int_equal(sign_and_check(&p, &plain, keys[i / 4], ""), VERIFY_SYNTAX);
		p.identity = SPAN_LIT("al=ice+x@sub.example.org");
		assert_int_equal(sign_and_check(&p, &plain, keys[i / 4], ""), VERIFY_OK);
	}
}

/* Chunks of every size, and a cut at every offset. */
static void
test_verify_chunks(void **state)
{
	struct signature_params p = params_plain();
	struct buf message, text;
	struct signed_mail mail;
	struct verify_key answer = {.status = ST_OK, .count = 1};
	struct span record;

	(void)state;
	p.body_canon = CANON_RELAXED;
	message_signed(&message, ed25519, &p);
	buf_init(&text, 1000);
	signed_mail_record(ed25519, "", &text);
	record = buf_span(&text);
	answer.texts = &record;
	for (size_t at = 1; at < 80; at++) {
		assert_int_equal(signed_mail_open(&mail, buf_span(&message), &plain), ST_OK);
		signed_mail_finish(&mail, at, &answer);
		assert_int_equal(verify_signature(mail.verify, 0)->result, VERIFY_PASS);
		signed_mail_close(&mail);
		assert_int_equal(signed_mail_open(&mail, buf_span(&message), &plain), ST_OK);
		verify_body(mail.verify, span_sub(mail.body, 0, at));
		mail.body = span_from(mail.body, at < mail.body.n ? at : mail.body.n);
		signed_mail_finish(&mail, 0, &answer);
		assert_int_equal(verify_signature(mail.verify, 0)->result, VERIFY_PASS);
		signed_mail_close(&mail);
	}
	buf_free(&message);
	buf_free(&text);
}

static void
test_verify_key_rules(void **state)
{
	static const struct {
		const char *extra;
		enum verify_reason reason;
	} rows[] = {
	    {"", VERIFY_OK},
	    {"t=y; ", VERIFY_OK},
	    {"t=s; ", VERIFY_KEY_SUBDOMAIN},
	    {"t=y : s; ", VERIFY_KEY_SUBDOMAIN},
	    {"h=sha256; ", VERIFY_OK},
	    {"h=sha1 : sha256; ", VERIFY_OK},
	    {"h=sha1; ", VERIFY_KEY_HASH},
	    {"s=*; ", VERIFY_OK},
	    {"s=tlsrpt:email; ", VERIFY_OK},
	    {"s=tlsrpt; ", VERIFY_KEY_SERVICE},
	    {"x=unknown; n=a note; ", VERIFY_OK},
	    {"k=rsa; ", VERIFY_KEY_SYNTAX}, /* twice */
	    {"bad tag; ", VERIFY_KEY_SYNTAX},
	};
	struct signature_params p = params_plain();

	(void)state;
	p.identity = SPAN_LIT("@sub.example.org");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(
		    sign_and_check(&p, &plain, ed25519, rows[i].extra), rows[i].reason);
	p.identity = SPAN_LIT("a@example.org");
	assert_int_equal(sign_and_check(&p, &plain, ed25519, "t=s; "), VERIFY_OK);
}

static void
test_verify_answers(void **state)
{
	struct signature_params p = params_plain();
	struct span good, rsa_record;
	struct buf message, text, rsa_text;

	(void)state;
	message_signed(&message, ed25519, &p);
	buf_init(&text, 1000);
	buf_init(&rsa_text, 1000);
	signed_mail_record(ed25519, "", &text);
	signed_mail_record(rsa, "", &rsa_text);
	good = buf_span(&text);
	rsa_record = buf_span(&rsa_text);
	{
		const struct span spf = SPAN_LIT("v=spf1 -all"), none = SPAN_EMPTY;
		const struct span many[] = {good, good}, beside[] = {spf, none, good},
				  noise[] = {spf, none}, two[] = {spf, rsa_record, good},
				  revoked[] = {SPAN_LIT("v=DKIM1; k=ed25519; p=")};
		const struct {
			struct verify_key answer;
			enum verify_reason reason;
			enum verify_result result;
		} rows[] = {
		    {{ST_OK, &good, 1, VERIFY_DNSSEC_UNKNOWN}, VERIFY_OK, VERIFY_PASS},
		    {{ST_OK, many, 2, VERIFY_DNSSEC_UNKNOWN}, VERIFY_KEY_MANY, VERIFY_TEMPERROR},
		    {{ST_OK, two, 3, VERIFY_DNSSEC_UNKNOWN}, VERIFY_KEY_MANY, VERIFY_TEMPERROR},
		    {{ST_OK, beside, 3, VERIFY_DNSSEC_UNKNOWN}, VERIFY_OK, VERIFY_PASS},
		    {{ST_OK, noise, 2, VERIFY_DNSSEC_UNKNOWN}, VERIFY_KEY_SYNTAX, VERIFY_PERMERROR},
		    {{ST_OK, NULL, 0, VERIFY_DNSSEC_UNKNOWN}, VERIFY_KEY_ABSENT, VERIFY_PERMERROR},
		    {{ST_OK, revoked, 1, VERIFY_DNSSEC_UNKNOWN}, VERIFY_KEY_REVOKED, VERIFY_FAIL},
		    {{ST_OK, &rsa_record, 1, VERIFY_DNSSEC_UNKNOWN}, VERIFY_KEY_TYPE,
			VERIFY_PERMERROR},
		    {{ST_ABSENT, NULL, 0, VERIFY_DNSSEC_SECURE}, VERIFY_KEY_ABSENT,
			VERIFY_PERMERROR},
		    {{ST_UNAVAILABLE, NULL, 0, VERIFY_DNSSEC_UNKNOWN}, VERIFY_DNS_UNAVAILABLE,
			VERIFY_TEMPERROR},
		    {{ST_INVALID, NULL, 0, VERIFY_DNSSEC_UNKNOWN}, VERIFY_DNS_SYNTAX,
			VERIFY_TEMPERROR},
		    {{ST_TOO_BIG, NULL, 0, VERIFY_DNSSEC_UNKNOWN}, VERIFY_DNS_SYNTAX,
			VERIFY_TEMPERROR},
		    {{ST_FAILED, NULL, 0, VERIFY_DNSSEC_UNKNOWN}, VERIFY_DNS_UNAVAILABLE,
			VERIFY_TEMPERROR},
		    {{ST_OK, &good, 1, VERIFY_DNSSEC_BOGUS}, VERIFY_OK, VERIFY_PASS},
		};

		for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
			struct signed_mail mail;

			assert_int_equal(
			    signed_mail_open(&mail, buf_span(&message), &plain), ST_OK);
			signed_mail_finish(&mail, 7, &rows[i].answer);
			assert_int_equal(verify_signature(mail.verify, 0)->reason, rows[i].reason);
			assert_int_equal(verify_signature(mail.verify, 0)->result, rows[i].result);
			signed_mail_close(&mail);
		}
	}
	buf_free(&message);
	buf_free(&text);
	buf_free(&rsa_text);
}

static void
test_verify_dnssec(void **state)
{
	static const struct {
		enum verify_dnssec dnssec;
		enum verify_dnssec_rule unprotected, bogus;
		enum verify_result result;
		enum verify_reason reason;
	} rows[] = {
	    {VERIFY_DNSSEC_SECURE, VERIFY_DNSSEC_FAIL, VERIFY_DNSSEC_FAIL, VERIFY_PASS, VERIFY_OK},
	    {VERIFY_DNSSEC_INSECURE, VERIFY_DNSSEC_FAIL, VERIFY_DNSSEC_FAIL, VERIFY_POLICY,
		VERIFY_KEY_UNPROTECTED},
	    {VERIFY_DNSSEC_UNKNOWN, VERIFY_DNSSEC_NEUTRAL, VERIFY_DNSSEC_FAIL, VERIFY_NEUTRAL,
		VERIFY_KEY_UNPROTECTED},
	    {VERIFY_DNSSEC_INSECURE, VERIFY_DNSSEC_ACCEPT, VERIFY_DNSSEC_FAIL, VERIFY_PASS,
		VERIFY_OK},
	    {VERIFY_DNSSEC_BOGUS, VERIFY_DNSSEC_ACCEPT, VERIFY_DNSSEC_FAIL, VERIFY_FAIL,
		VERIFY_KEY_BOGUS},
	    {VERIFY_DNSSEC_BOGUS, VERIFY_DNSSEC_ACCEPT, VERIFY_DNSSEC_NEUTRAL, VERIFY_NEUTRAL,
		VERIFY_KEY_BOGUS},
	    {VERIFY_DNSSEC_BOGUS, VERIFY_DNSSEC_ACCEPT, VERIFY_DNSSEC_ACCEPT, VERIFY_PASS,
		VERIFY_OK},
	};
	struct signature_params p = params_plain();
	struct buf message, text;
	struct span record;

	(void)state;
	message_signed(&message, ed25519, &p);
	buf_init(&text, 1000);
	signed_mail_record(ed25519, "", &text);
	record = buf_span(&text);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct verify_options options = plain;
		struct verify_key answer = {ST_OK, &record, 1, rows[i].dnssec};
		struct signed_mail mail;

		options.unprotected = rows[i].unprotected;
		options.bogus = rows[i].bogus;
		assert_int_equal(signed_mail_open(&mail, buf_span(&message), &options), ST_OK);
		signed_mail_finish(&mail, 0, &answer);
		assert_int_equal(verify_signature(mail.verify, 0)->result, rows[i].result);
		assert_int_equal(verify_signature(mail.verify, 0)->reason, rows[i].reason);
		assert_int_equal(verify_signature(mail.verify, 0)->dnssec, rows[i].dnssec);
		signed_mail_close(&mail);
	}
	buf_free(&message);
	buf_free(&text);
}

static void
test_verify_times(void **state)
{
	static const struct {
		int64_t t, x;
		enum verify_reason reason;
	} rows[] = {
	    {NOW + 300, -1, VERIFY_OK},
	    {NOW + 301, -1, VERIFY_FUTURE},
	    {-1, NOW - 300, VERIFY_OK},
	    {-1, NOW - 301, VERIFY_EXPIRED},
	    {0, 1, VERIFY_EXPIRED},
	    {-1, 999999999999, VERIFY_OK},
	    {999999999999, -1, VERIFY_FUTURE},
	};
	struct signature_params p = params_plain();

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		p.time_utc = rows[i].t;
		p.expires_utc = rows[i].x;
		assert_int_equal(sign_and_check(&p, &plain, ed25519, ""), rows[i].reason);
	}
}

/* The body of MESSAGE has 59 octets under relaxed. */
static void
test_verify_body_length(void **state)
{
	static const struct {
		int64_t l;
		enum verify_minimum kind;
		uint64_t minimum;
		enum verify_reason reason;
	} rows[] = {
	    {-1, VERIFY_MINIMUM_BYTES, 1000000, VERIFY_OK},
	    {-1, VERIFY_MINIMUM_PERCENT, 100, VERIFY_OK},
	    {-1, VERIFY_MINIMUM_ALL_BUT, 0, VERIFY_OK},
	    {0, VERIFY_MINIMUM_BYTES, 0, VERIFY_OK},
	    {0, VERIFY_MINIMUM_BYTES, 1, VERIFY_BODY_PART},
	    {20, VERIFY_MINIMUM_BYTES, 20, VERIFY_OK},
	    {20, VERIFY_MINIMUM_BYTES, 21, VERIFY_BODY_PART},
	    {51, VERIFY_MINIMUM_BYTES, 1000, VERIFY_OK},
	    {50, VERIFY_MINIMUM_BYTES, 1000, VERIFY_BODY_PART},
	    {50, VERIFY_MINIMUM_PERCENT, 98, VERIFY_OK},
	    {50, VERIFY_MINIMUM_PERCENT, 99, VERIFY_BODY_PART},
	    {50, VERIFY_MINIMUM_PERCENT, 1000, VERIFY_BODY_PART},
	    {51, VERIFY_MINIMUM_PERCENT, 100, VERIFY_OK},
	    {50, VERIFY_MINIMUM_ALL_BUT, 1, VERIFY_OK},
	    {49, VERIFY_MINIMUM_ALL_BUT, 1, VERIFY_BODY_PART},
	    {0, VERIFY_MINIMUM_ALL_BUT, 51, VERIFY_OK},
	    {0, VERIFY_MINIMUM_ALL_BUT, 5100, VERIFY_OK},
	    {52, VERIFY_MINIMUM_BYTES, 0, VERIFY_BODY_SHORT},
	    {INT64_MAX, VERIFY_MINIMUM_BYTES, 0, VERIFY_BODY_SHORT},
	};
	struct signature_params p = params_plain();

	(void)state;
	p.body_canon = CANON_RELAXED;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct verify_options options = plain;

		p.body_length = rows[i].l;
		options.minimum_kind = rows[i].kind;
		options.minimum = rows[i].minimum;
		assert_int_equal(sign_and_check(&p, &options, ed25519, ""), rows[i].reason);
	}
}

/* RSAPublicKey, 768 bits: of no use, but a key. */
static void
rsa_record_768(struct buf *out)
{
	static const uint8_t head[] = {0x30, 0x68, 0x02, 0x61, 0x00},
			     tail[] = {0x02, 0x03, 0x01, 0x00, 0x01};
	uint8_t der[sizeof head + 96 + sizeof tail];
	char text[200];

	memcpy(der, head, sizeof head);
	memset(der + sizeof head, 0xb7, 96);
	memcpy(der + sizeof head + 96, tail, sizeof tail);
	base64_encode(der, sizeof der, text);
	buf_add_fmt(out, "p=%.*s", (int)(sizeof der + 2) / 3 * 4, text);
}

static void
test_verify_small_keys(void **state)
{
	struct signature_params p = params_plain();
	struct verify_options options = plain;
	struct verify_signature result;
	struct buf message, record;

	(void)state;
	assert_int_equal(sign_and_check(&p, &options, rsa, ""), VERIFY_OK);
	options.minimum_key_bits = 1025;
	assert_int_equal(sign_and_check(&p, &options, rsa, ""), VERIFY_KEY_SMALL);
	assert_int_equal(sign_and_check(&p, &options, rsa2048, ""), VERIFY_OK);
	assert_int_equal(sign_and_check(&p, &options, ed25519, ""), VERIFY_OK);
	/* 768 bits: whatever the minimum, before anything is verified */
	options.minimum_key_bits = 1;
	message_signed(&message, rsa, &p);
	buf_init(&record, 1000);
	rsa_record_768(&record);
	result = check_record(buf_span(&message), &options, buf_span(&record));
	assert_int_equal(result.reason, VERIFY_KEY_SMALL);
	assert_int_equal(result.result, VERIFY_POLICY);
	assert_int_equal(result.key_bits, 768);
	buf_free(&message);
	buf_free(&record);
}

/* RSAPublicKey of that many octets in its modulus. */
static void
rsa_record_of(size_t octets, struct buf *out)
{
	uint8_t der[1100];
	size_t n = 0;
	char text[1500];

	der[n++] = 0x30;
	der[n++] = 0x82;
	der[n++] = (uint8_t)((octets + 10) >> 8);
	der[n++] = (uint8_t)(octets + 10);
	der[n++] = 0x02;
	der[n++] = 0x82;
	der[n++] = (uint8_t)((octets + 1) >> 8);
	der[n++] = (uint8_t)(octets + 1);
	der[n++] = 0;
	memset(der + n, 0xb7, octets);
	n += octets;
	memcpy(der + n, "\x02\x03\x01\x00\x01", 5);
	n += 5;
	base64_encode(der, n, text);
	buf_add_fmt(out, "p=%.*s", (int)(n + 2) / 3 * 4, text);
}

/* An upper bound: arithmetic with 16,384 bits is what an attacker would have us do. */
static void
test_verify_big_keys(void **state)
{
	struct signature_params p = params_plain();
	struct buf message, record;
	struct verify_signature result;

	(void)state;
	message_signed(&message, rsa, &p);
	buf_init(&record, 4000);
	rsa_record_of(KEY_RSA_BITS_MAX / 8, &record);
	result = check_record(buf_span(&message), &plain, buf_span(&record));
	assert_int_equal(result.reason, VERIFY_SIGNATURE_BAD);
	assert_int_equal(result.key_bits, KEY_RSA_BITS_MAX);
	buf_reset(&record);
	rsa_record_of(KEY_RSA_BITS_MAX / 8 + 1, &record);
	result = check_record(buf_span(&message), &plain, buf_span(&record));
	assert_int_equal(result.reason, VERIFY_KEY_BIG);
	assert_int_equal(result.result, VERIFY_POLICY);
	assert_false(result.key_known);
	buf_free(&record);
	buf_free(&message);
}

static void
sign_times(struct buf *message, int times, const char *prefix)
{
	struct signature_params p = params_plain();
	char selector[40];

	buf_init(message, SIGNED_MAIL_MAX);
	buf_add_str(message, MESSAGE);
	for (int i = 0; i < times; i++) {
		snprintf(selector, sizeof selector, "%s%d", prefix, i % 3);
		p.selector = span_str(selector);
		p.body_length = i % 2 == 0 ? -1 : i;
		signed_mail_sign(message, ed25519, &p);
	}
}

static void
test_verify_choose(void **state)
{
	const bool trusted[5] = {false, false, false, true, false};
	struct verify_key answer = {.status = ST_ABSENT};
	struct signed_mail mail;
	struct buf message;
	size_t same = 77;

	(void)state;
	sign_times(&message, 5, "s");
	assert_int_equal(signed_mail_open(&mail, buf_span(&message), &plain), ST_OK);
	assert_true(verify_wants_body(mail.verify));
	verify_choose(mail.verify, 3, trusted);
	/* top down: s1 s0 s2 s1 s0; kept: 3, 0, 1 */
	assert_true(span_eq_str(verify_query(mail.verify, 0, &same), "s1._domainkey.example.org"));
	assert_int_equal(same, 0);
	assert_true(verify_query(mail.verify, 1, &same).n > 0);
	assert_int_equal(same, 1);
	assert_int_equal(verify_query(mail.verify, 2, &same).n, 0);
	verify_key(mail.verify, 0, &answer);
	assert_true(verify_query(mail.verify, 3, &same).n > 0);
	assert_int_equal(same, 0);
	assert_int_equal(verify_query(mail.verify, 0, &same).n, 0);
	assert_int_equal(verify_query(mail.verify, 4, &same).n, 0);
	assert_int_equal(verify_query(mail.verify, 5, &same).n, 0);
	signed_mail_finish(&mail, 0, &answer);
	for (size_t i = 0; i < 5; i++) {
		const struct verify_signature *s = verify_signature(mail.verify, i);

		assert_int_equal(s->chosen, i != 2 && i != 4);
		assert_int_equal(s->reason, s->chosen ? VERIFY_KEY_ABSENT : VERIFY_IGNORED);
		assert_int_equal(s->result, s->chosen ? VERIFY_PERMERROR : VERIFY_NEUTRAL);
	}
	assert_null(verify_signature(mail.verify, 5));
	signed_mail_close(&mail);
	assert_int_equal(signed_mail_open(&mail, buf_span(&message), &plain), ST_OK);
	verify_choose(mail.verify, 0, NULL);
	assert_false(verify_wants_body(mail.verify));
	signed_mail_close(&mail);
	/* never asked, never answered */
	assert_int_equal(signed_mail_open(&mail, buf_span(&message), &plain), ST_OK);
	verify_body(mail.verify, mail.body);
	verify_finish(mail.verify);
	assert_int_equal(verify_signature(mail.verify, 0)->result, VERIFY_TEMPERROR);
	signed_mail_close(&mail);
	buf_free(&message);
}

static void
test_verify_many_signatures(void **state)
{
	struct verify_key answer = {.status = ST_OK, .count = 1};
	struct signed_mail mail;
	struct buf message, text, big;
	struct span record, one;

	(void)state;
	sign_times(&message, 20, "m");
	buf_init(&text, 1000);
	signed_mail_record(ed25519, "", &text);
	record = buf_span(&text);
	answer.texts = &record;
	assert_int_equal(signed_mail_open(&mail, buf_span(&message), &plain), ST_OK);
	signed_mail_finish(&mail, 3, &answer);
	assert_int_equal(verify_count(mail.verify), 20);
	/* the body is hashed once for all without l=, and once for each l= (1 to 19, odd) */
	assert_int_equal(mail.verify->group_count, 11);
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(verify_signature(mail.verify, i)->result, VERIFY_PASS);
	signed_mail_close(&mail);
	/* a thousand */
	buf_init(&big, SIGNED_MAIL_MAX);
	one = span_sub(buf_span(&message), 0,
	    (size_t)((char *)memmem(message.p + 1, message.n - 1, "DKIM-Sig", 8) - message.p));
	for (int i = 0; i < 980; i++)
		buf_add(&big, one);
	buf_add(&big, buf_span(&message));
	assert_int_equal(signed_mail_open(&mail, buf_span(&big), &plain), ST_OK);
	assert_int_equal(verify_count(mail.verify), VERIFY_SIGNATURES_MAX);
	assert_int_equal(verify_uncounted(mail.verify), 980);
	signed_mail_finish(&mail, 0, &answer);
	assert_int_equal(verify_signature(mail.verify, 19)->result, VERIFY_PASS);
	signed_mail_close(&mail);
	buf_free(&message);
	buf_free(&text);
	buf_free(&big);
}

/* What strangers publish must not fill the memory of the message: 20 signatures, for each the most
 * and the longest records that the DNS may bring. */
static void
test_verify_big_records(void **state)
{
	struct verify_key answer = {.status = ST_OK, .count = 16};
	struct span texts[16];
	struct signed_mail mail;
	struct buf message, text;
	size_t before;

	(void)state;
	buf_init(&text, KEYRECORD_BYTES_MAX);
	buf_add_str(&text, "p=");
	while (buf_status(&text) == ST_OK)
		buf_add_str(&text, "AAAA");
	text.p[text.n - 1] = '!';
	for (size_t i = 0; i < 16; i++)
		texts[i] = buf_span(&text);
	answer.texts = texts;
	sign_times(&message, 20, "m");
	assert_int_equal(signed_mail_open(&mail, buf_span(&message), &plain), ST_OK);
	before = mail.arena.used;
	signed_mail_finish(&mail, 0, &answer);
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(verify_signature(mail.verify, i)->reason, VERIFY_KEY_SYNTAX);
	assert_true(mail.arena.used - before < 20 * 200);
	signed_mail_close(&mail);
	buf_free(&message);
	buf_free(&text);
}

static void
test_verify_sha1_and_unknown(void **state)
{
	static const struct {
		const char *a, *bh;
		enum verify_reason reason;
	} rows[] = {
	    {"rsa-sha1", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", VERIFY_SHA1},
	    {"RSA-SHA1", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", VERIFY_SHA1},
	    {"rsa-sha512", "AAAA", VERIFY_ALGORITHM},
	    {"rsa sha256", "AAAA", VERIFY_SYNTAX},
	    {"rsa-sha1", "AAAA", VERIFY_SYNTAX},
	};
	char message[1000];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct verify_signature result;

		snprintf(message, sizeof message,
		    "DKIM-Signature: v=1; a=%s; d=a.example; s=s; h=from; bh=%s; b=AAAA\r\n\r\n",
		    rows[i].a, rows[i].bh);
		result = check_record(span_str(message), &plain, SPAN_LIT("p=AAAA"));
		assert_int_equal(result.reason, rows[i].reason);
		assert_int_equal(result.result, VERIFY_PERMERROR);
		assert_true(result.chosen);
	}
}

static void
test_verify_with_cache(void **state)
{
	struct signature_params p = params_plain();
	struct verify_options options = plain;

	(void)state;
	options.keys = public_key_cache_new(2);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(sign_and_check(&p, &options, rsa, ""), VERIFY_OK);
		assert_int_equal(sign_and_check(&p, &options, ed25519, ""), VERIFY_OK);
		assert_int_equal(sign_and_check(&p, &options, rsa2048, ""), VERIFY_OK);
		assert_int_equal(sign_and_check(&p, &options, rsa2048, ""), VERIFY_OK);
	}
	assert_int_equal(public_key_cache_count(options.keys), 2);
	public_key_cache_free(options.keys);
}

static void
test_verify_texts(void **state)
{
	(void)state;
	for (int i = VERIFY_OK; i <= VERIFY_INTERNAL; i++) {
		const char *text = verify_reason_text((enum verify_reason)i);

		assert_non_null(text);
		assert_true(strlen(text) > 3 && strpbrk(text, "\"\\\r\n;") == NULL);
	}
	assert_string_equal(verify_result_name(VERIFY_PERMERROR), "permerror");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_verify_published),
	    cmocka_unit_test(test_verify_own),
	    cmocka_unit_test(test_verify_chunks),
	    cmocka_unit_test(test_verify_key_rules),
	    cmocka_unit_test(test_verify_answers),
	    cmocka_unit_test(test_verify_dnssec),
	    cmocka_unit_test(test_verify_times),
	    cmocka_unit_test(test_verify_body_length),
	    cmocka_unit_test(test_verify_small_keys),
	    cmocka_unit_test(test_verify_big_keys),
	    cmocka_unit_test(test_verify_choose),
	    cmocka_unit_test(test_verify_many_signatures),
	    cmocka_unit_test(test_verify_big_records),
	    cmocka_unit_test(test_verify_sha1_and_unknown),
	    cmocka_unit_test(test_verify_with_cache),
	    cmocka_unit_test(test_verify_texts),
	};

	return cmocka_run_group_tests(tests, keys_make, keys_free);
}
