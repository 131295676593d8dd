/*
 * test_authres.c - Authentication-Results: what we write, octet by octet, and which fields of
 * others must go because they claim to be ours. Results and reasons have words of this test's own,
 * so that the layout is tested apart from them. Called by make check; pure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dkim/authres.h"

/* In place of verify.c. */
struct verify {
	const struct verify_signature *signatures;
	size_t count;
};

size_t
verify_count(const struct verify *verify)
{
	return verify->count;
}

const struct verify_signature *
verify_signature(const struct verify *verify, size_t index)
{
	return &verify->signatures[index];
}

const char *
verify_result_name(enum verify_result result)
{
	static const char *const names[] = {
	    "none", "pass", "fail", "neutral", "policy", "temperror", "permerror"};

	return names[result];
}

const char *
verify_reason_text(enum verify_reason reason)
{
	return reason == VERIFY_SIGNATURE_BAD ? "the signature does not verify" : "it is so";
}

static struct verify_signature
signature_good(void)
{
	struct verify_signature s;

	memset(&s, 0, sizeof(s));
	s.field.algorithm_text = SPAN_LIT("rsa-sha256");
	s.field.domain = SPAN_LIT("example.com");
	s.field.i_domain = SPAN_LIT("example.com");
	s.field.identity = SPAN_LIT("@example.com");
	s.field.selector = SPAN_LIT("sel");
	s.field.b_text = SPAN_LIT("AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIj==");
	s.result = VERIFY_PASS;
	s.chosen = s.key_known = true;
	s.key_bits = 2048;
	s.dnssec = VERIFY_DNSSEC_INSECURE;
	return s;
}

static const struct authres_style style_plain = {SPAN_LIT("mx.example.net"), {NULL, 0}, false};

static void
expect_written(const struct authres_style *style, const struct verify_signature *signatures,
    size_t count, const char *expected)
{
	struct verify verify = {signatures, count};
	struct buf out;

	buf_init(&out, AUTHRES_VALUE_MAX);
	assert_int_equal(authres_write(style, &verify, &out), ST_OK);
	assert_string_equal(buf_text(&out), expected);
	buf_free(&out);
}

static void
writes_pass(void **state)
{
	struct verify_signature s = signature_good();

	(void)state;
	expect_written(&style_plain, &s, 1,
	    " mx.example.net; dkim=pass\n"
	    "\t(2048-bit key; unprotected) header.d=example.com\n"
	    "\theader.i=@example.com header.a=rsa-sha256 header.s=sel\n"
	    "\theader.b=AbCdEfGh");
}

static void
writes_dnssec_words(void **state)
{
	static const struct {
		enum verify_dnssec dnssec;
		const char *comment;
	} rows[] = {
	    {VERIFY_DNSSEC_UNKNOWN, "(2048-bit key)"},
	    {VERIFY_DNSSEC_SECURE, "(2048-bit key; secure)"},
	    {VERIFY_DNSSEC_BOGUS, "(2048-bit key; bogus)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct verify_signature s = signature_good();
		struct verify verify = {&s, 1};
		struct buf out;

		s.dnssec = rows[i].dnssec;
		buf_init(&out, AUTHRES_VALUE_MAX);
		assert_int_equal(authres_write(&style_plain, &verify, &out), ST_OK);
		assert_non_null(strstr(buf_text(&out), rows[i].comment));
		assert_null(strstr(buf_text(&out), "unprotected"));
		buf_free(&out);
	}
}

/* RFC 6376 3.6.1: mail of a signer who is testing is to be treated as if it were not signed; so the
 * reader must be able to tell. */
static void
writes_that_a_key_is_for_testing(void **state)
{
	struct verify_signature s = signature_good();

	(void)state;
	s.testing = true;
	expect_written(&style_plain, &s, 1,
	    " mx.example.net; dkim=pass\n"
	    "\t(2048-bit key; unprotected; testing) header.d=example.com\n"
	    "\theader.i=@example.com header.a=rsa-sha256 header.s=sel\n"
	    "\theader.b=AbCdEfGh");
}

/* RFC 6376 8.2: what stands behind l= may be anybody's, and a pass does not speak of it. */
static void
writes_how_much_of_the_body_is_covered(void **state)
{
	struct verify_signature s = signature_good();

	(void)state;
	s.field.body_length = 100;
	s.body_octets = s.body_covered = 100;
	s.dnssec = VERIFY_DNSSEC_UNKNOWN;
	expect_written(&style_plain, &s, 1,
	    " mx.example.net; dkim=pass (2048-bit key)\n"
	    "\theader.d=example.com header.i=@example.com header.a=rsa-sha256\n"
	    "\theader.s=sel header.b=AbCdEfGh");
	s.body_octets = 250;
	expect_written(&style_plain, &s, 1,
	    " mx.example.net; dkim=pass (2048-bit key;\n"
	    "\tbody hash covers 100 of 250 octets) header.d=example.com\n"
	    "\theader.i=@example.com header.a=rsa-sha256 header.s=sel\n"
	    "\theader.b=AbCdEfGh");
	s.testing = true;
	s.dnssec = VERIFY_DNSSEC_SECURE;
	s.body_covered = 0;
	s.body_octets = UINT64_MAX;
	expect_written(&style_plain, &s, 1,
	    " mx.example.net; dkim=pass\n"
	    "\t(2048-bit key; secure; testing;\n"
	    "\tbody hash covers 0 of 18446744073709551615 octets)\n"
	    "\theader.d=example.com header.i=@example.com header.a=rsa-sha256\n"
	    "\theader.s=sel header.b=AbCdEfGh");
}

/* The order of OpenDKIM: result, reason, comment, properties. */
static void
writes_fail_with_reason(void **state)
{
	struct verify_signature s = signature_good();

	(void)state;
	s.result = VERIFY_FAIL;
	s.reason = VERIFY_SIGNATURE_BAD;
	expect_written(&style_plain, &s, 1,
	    " mx.example.net; dkim=fail\n"
	    "\treason=\"the signature does not verify\" (2048-bit key; unprotected)\n"
	    "\theader.d=example.com header.i=@example.com header.a=rsa-sha256\n"
	    "\theader.s=sel header.b=AbCdEfGh");
	s.key_known = false;
	expect_written(&style_plain, &s, 1,
	    " mx.example.net; dkim=fail\n"
	    "\treason=\"the signature does not verify\" header.d=example.com\n"
	    "\theader.i=@example.com header.a=rsa-sha256 header.s=sel\n"
	    "\theader.b=AbCdEfGh");
}

static void
writes_several(void **state)
{
	struct verify_signature s[3] = {signature_good(), signature_good(), signature_good()};
	struct authres_style style = style_plain;

	(void)state;
	s[1].field.b_text = SPAN_LIT("AbCdEfGhIjXX");
	s[2].field.b_text = SPAN_LIT("a/b+c=d");
	s[0].key_known = s[1].key_known = s[2].key_known = false;
	expect_written(&style, s, 3,
	    " mx.example.net; dkim=pass header.d=example.com\n"
	    "\theader.i=@example.com header.a=rsa-sha256 header.s=sel\n"
	    "\theader.b=AbCdEfGhIjK; dkim=pass header.d=example.com\n"
	    "\theader.i=@example.com header.a=rsa-sha256 header.s=sel\n"
	    "\theader.b=AbCdEfGhIjX; dkim=pass header.d=example.com\n"
	    "\theader.i=@example.com header.a=rsa-sha256 header.s=sel\n"
	    "\theader.b=\"a/b+c=d\"");
	style.no_header_b = true;
	expect_written(&style, s, 2,
	    " mx.example.net; dkim=pass header.d=example.com\n"
	    "\theader.i=@example.com header.a=rsa-sha256 header.s=sel; dkim=pass\n"
	    "\theader.d=example.com header.i=@example.com header.a=rsa-sha256\n"
	    "\theader.s=sel");
}

/* Equal signatures do not make the field grow. */
static void
writes_equal_signatures(void **state)
{
	struct verify_signature s[2] = {signature_good(), signature_good()};
	struct verify verify = {s, 2};
	struct buf out;

	(void)state;
	buf_init(&out, AUTHRES_VALUE_MAX);
	assert_int_equal(authres_write(&style_plain, &verify, &out), ST_OK);
	assert_non_null(strstr(buf_text(&out), "b=AbCdEfGhIjKlMnOpQrStUvWxYz012345;"));
	buf_free(&out);
}

static void
writes_ids(void **state)
{
	static const struct {
		const char *id, *job, *expected;
	} rows[] = {
	    {"mx.example.net", "", " mx.example.net; dkim=none"},
	    {"mx.example.net", "4ZxY1", " mx.example.net/4ZxY1; dkim=none"},
	    {"my host", "", " \"my host\"; dkim=none"},
	    {"my host", "4ZxY1", " \"my host/4ZxY1\"; dkim=none"},
	    {"mx.example.net", "a;b\r\nc", " \"mx.example.net/a;b??c\"; dkim=none"},
	    {"a\"b\\c", "", " \"a\\\"b\\\\c\"; dkim=none"},
	    {"", "", " \"\"; dkim=none"},
	};
	struct buf out;

	(void)state;
	buf_init(&out, AUTHRES_VALUE_MAX);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct authres_style style = {span_str(rows[i].id), span_str(rows[i].job), false};

		buf_reset(&out);
		assert_int_equal(authres_write_plain(&style, "none", NULL, &out), ST_OK);
		assert_string_equal(buf_text(&out), rows[i].expected);
	}
	buf_free(&out);
}

static void
writes_plain(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, AUTHRES_VALUE_MAX);
	assert_int_equal(
	    authres_write_plain(&style_plain, "permerror", "bad message/signature format", &out),
	    ST_OK);
	assert_string_equal(
	    buf_text(&out), " mx.example.net; dkim=permerror\n\t(bad message/signature format)");
	buf_free(&out);
	expect_written(&style_plain, NULL, 0, " mx.example.net; dkim=none");
	buf_init(&out, 8);
	assert_int_equal(authres_write_plain(&style_plain, "none", NULL, &out), ST_TOO_BIG);
	buf_free(&out);
}

/* What is not valid is not written; the rest is. */
static void
leaves_out_what_is_not_valid(void **state)
{
	struct verify_signature s = signature_good();

	(void)state;
	s.key_known = false;
	s.field.domain = SPAN_LIT("example.net(.example.com");
	s.field.identity = SPAN_LIT("joe\r\nX: y@example.com");
	s.field.selector = SPAN_LIT("s; dkim=pass");
	s.field.algorithm_text = SPAN_LIT("rsa (x");
	s.field.b_text = SPAN_LIT("a;b");
	expect_written(&style_plain, &s, 1, " mx.example.net; dkim=pass");
	s.field.domain = s.field.identity = s.field.i_domain = SPAN_EMPTY;
	s.field.selector = s.field.algorithm_text = s.field.b_text = SPAN_EMPTY;
	s.result = VERIFY_PERMERROR;
	expect_written(&style_plain, &s, 1, " mx.example.net; dkim=permerror reason=\"it is so\"");
}

static void
writes_identities(void **state)
{
	static const struct {
		const char *identity, *expected; /* NULL: left out */
	} rows[] = {
	    {"joe@example.com", "header.i=joe@example.com "},
	    {"Joe+x@Sub.Example.COM", "header.i=Joe+x@Sub.Example.COM "},
	    {"a;b@example.com", "header.i=\"a;b@example.com\" "},
	    {"a(b@example.com", "header.i=\"a(b@example.com\" "},
	    {"a=b/c?d@example.com", "header.i=a=b/c?d@example.com "},
	    {"=a@example.com", "header.i=\"=a@example.com\" "},
	    {"\"a\"@example.com", NULL},
	    {"a\\b@example.com", NULL},
	    {"a@b@example.com", "header.i=\"a@b@example.com\" "},
	    {"joe@b\xc3\xbc"
	     "cher.example",
		"header.i=joe@example.com "},
	    {"j\xc3\xb6@example.com", NULL},
	    {"joe six@example.com", NULL},
	    {"joe\n@example.com", NULL},
	    {"joe\x7f@example.com", NULL},
	    {"example.com", NULL},
	};
	struct buf out;

	(void)state;
	buf_init(&out, AUTHRES_VALUE_MAX);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct verify_signature s = signature_good();
		const struct verify_signature *list[] = {&s};

		s.field.identity = span_str(rows[i].identity);
		s.key_known = false;
		buf_reset(&out);
		assert_int_equal(authres_write_list(&style_plain, list, 1, &out), ST_OK);
		for (size_t n = 0; n < out.n; n++)
			out.p[n] = out.p[n] == '\n' ? ' ' : out.p[n];
		if (rows[i].expected == NULL)
			assert_null(strstr(buf_text(&out), "header.i"));
		else if (strstr(buf_text(&out), rows[i].expected) == NULL)
			fail_msg("%s: %s", rows[i].expected, buf_text(&out));
	}
	buf_free(&out);
}

/* The longest of everything, as often as there may be signatures, fits; no line is longer than one
 * word makes it. */
static void
fits_at_its_longest(void **state)
{
	struct verify_signature s[VERIFY_SIGNATURES_MAX];
	char domain[253], local[66];
	struct verify verify = {s, VERIFY_SIGNATURES_MAX};
	struct span identity;
	struct buf out, text;
	size_t column = 24;

	(void)state;
	memset(domain, 'a', sizeof(domain));
	for (size_t i = 63; i < sizeof(domain); i += 64)
		domain[i] = '.';
	memset(local, ';', sizeof(local));
	buf_init(&text, 1024);
	buf_add(&text, span_of(local, sizeof(local)));
	buf_add_char(&text, '@');
	buf_add(&text, span_of(domain, sizeof(domain)));
	identity = buf_span(&text);
	assert_int_equal(identity.n, AUTHRES_IDENTITY_MAX);
	for (size_t i = 0; i < VERIFY_SIGNATURES_MAX; i++) {
		s[i] = signature_good();
		s[i].result = VERIFY_PERMERROR;
		s[i].field.domain = s[i].field.i_domain = span_of(domain, sizeof(domain));
		s[i].field.selector = s[i].field.domain;
		s[i].field.identity = identity;
		s[i].body_octets = UINT64_MAX;
		s[i].testing = true;
	}
	buf_init(&out, AUTHRES_VALUE_MAX);
	assert_int_equal(authres_write(&style_plain, &verify, &out), ST_OK);
	for (size_t i = 0; i < out.n; i++) {
		column = out.p[i] == '\n' ? 0 : column + 1;
		assert_true(column < 900);
	}
	buf_free(&out);
	buf_free(&text);
}

/* Whatever octets the spans have: a field of ours that can be read back, one result. */
static void
writes_nothing_hostile(void **state)
{
	static const char octets[] = "a.@;(\")\\\r\n =/\xc3\xb6\x01:,<>0+";
	uint32_t seed = 12345;
	struct arena arena;
	struct buf out;

	(void)state;
	arena_init(&arena, 1u << 20);
	buf_init(&out, AUTHRES_VALUE_MAX);
	for (int round = 0; round < 20000; round++) {
		struct verify_signature s = signature_good();
		const struct verify_signature *list[] = {&s};
		struct span *spans[] = {&s.field.domain, &s.field.identity, &s.field.selector,
		    &s.field.algorithm_text, &s.field.b_text, &s.field.i_domain};
		struct authres_claim claim;
		char text[6][12];

		for (size_t i = 0; i < 6; i++) {
			size_t n = (seed >> 20) % sizeof(text[0]);

			for (size_t k = 0; k < n; k++) {
				seed = seed * 1103515245u + 12345u;
				text[i][k] = octets[(seed >> 16) % (sizeof(octets) - 1)];
			}
			if ((seed >> 18) % 3 != 0)
				*spans[i] = span_of(text[i], n);
		}
		buf_reset(&out);
		arena_reset(&arena);
		assert_int_equal(authres_write_list(&style_plain, list, 1, &out), ST_OK);
		claim = authres_read(buf_span(&out), &arena);
		assert_true(span_eq_str(claim.id, "mx.example.net"));
		assert_false(claim.malformed);
		assert_true(claim.has_dkim);
		for (size_t i = 0; i < out.n; i++) {
			assert_true(out.p[i] != '\r');
			assert_true(out.p[i] != '\n' || (i + 1 < out.n && out.p[i + 1] == '\t'));
		}
	}
	buf_free(&out);
	arena_free(&arena);
}

enum {
	OK = 0,
	BAD = 1,  /* malformed */
	DKIM = 2, /* has_dkim */
	GONE = 4, /* forged: "mx.example.net", "xn--bcher-kva.example" and "my host" are ours */
	ALL = 8   /* forged with remove_all, not without */
};

struct row {
	const char *value, *id;
	int flags;
};

#define U_BUECHER                                                                                  \
	"b\xc3\xbc"                                                                                \
	"cher.example"

static const struct row rows[] = {
    /* as it should be */
    {" mx.example.net; dkim=pass", "mx.example.net", DKIM | GONE},
    {"mx.example.net;dkim=pass", "mx.example.net", DKIM | GONE},
    {" mx.example.net; none", "mx.example.net", ALL},
    {" mx.example.net; spf=pass smtp.mailfrom=x@a.example", "mx.example.net", ALL},
    {" mx.example.net; spf=pass; dkim=fail reason=\"x; y\" (c) header.d=a.example",
	"mx.example.net", DKIM | GONE},
    {" mx.example.net; dkim=pass (2048-bit key; unprotected) header.d=a.example\r\n"
     "\theader.i=@a.example header.b=\"a/b+c=d\"; dkim=none",
	"mx.example.net", DKIM | GONE},
    {" mx.example.net; domainkeys=pass", "mx.example.net", DKIM | GONE},
    {" mx.example.net; dkim-adsp=pass", "mx.example.net", DKIM | GONE},
    {" mx.example.net; dkim-atps=neutral", "mx.example.net", DKIM | GONE},
    {" mx.example.net; dkim-other=neutral", "mx.example.net", ALL},
    {" mx.example.net; dmarc=pass (p=none dis=none) header.from=a.example", "mx.example.net", ALL},
    {" other.example; dkim=pass header.d=mx.example.net", "other.example", DKIM},
    {" other.example (for mx.example.net); dkim=pass", "other.example", DKIM},
    /* what others write is well-formed for us */
    {" other.example; spf=pass (sender IP is 2001:db8::1) smtp.remote-ip=2001:db8::1 "
     "smtp.helo=[192.0.2.1] smtp.mailfrom=<>",
	"other.example", OK},
    {" other.example; x-tls.subject=\"/C=US/O=a b\"; auth=pass smtp.auth=a=b,c:d@e;",
	"other.example", OK},
    {" spf=pass (x) smtp.mailfrom=a.example; dkim=pass header.d=a.example", "spf=pass", BAD | DKIM},
    /* the id in all its forms */
    {" MX.Example.NET; dkim=pass", "mx.example.net", DKIM | GONE},
    {" mx.example.net.; dkim=pass", "mx.example.net", DKIM | GONE},
    {" mx.example.net...; dkim=pass", "mx.example.net", DKIM | GONE},
    {" \"mx.example.net\"; dkim=pass", "mx.example.net", DKIM | GONE},
    {" \"MX.example.net.\"; dkim=pass", "mx.example.net", DKIM | GONE},
    {" \"mx\\.exam\\ple.net\"; dkim=pass", "mx.example.net", DKIM | GONE},
    {" \" mx.example.net \"; dkim=pass", "mx.example.net", DKIM | GONE},
    {" \"mx.exa\r\nmple.net\"; dkim=pass", "mx.example.net", DKIM | GONE},
    {" \"mx\".\"example\".\"net\"; dkim=pass", "mx.example.net", DKIM | GONE},
    {" mx.\"example\".net; dkim=pass", "mx.example.net", DKIM | GONE},
    {" (c) mx.example.net; dkim=pass", "mx.example.net", DKIM | GONE},
    {" (a(b(c)d)\\)e;) mx.example.net (f;); dkim=pass", "mx.example.net", DKIM | GONE},
    {" (c)mx.example.net(d);(e)dkim(f)=(g)pass(h)", "mx.example.net", DKIM | GONE},
    {"\r\n\tmx.example.net\r\n ;\r\n dkim=pass", "mx.example.net", DKIM | GONE},
    {"\n\tmx.example.net\n\t; dkim=pass", "mx.example.net", DKIM | GONE},
    {" mx . example . net; dkim=pass", "mx.example.net", DKIM | GONE},
    {" mx(a).(b)example.net; dkim=pass", "mx.example.net", DKIM | GONE},
    {" mx.ex(c)ample.net; dkim=pass", "mx.ex", BAD | DKIM | GONE},
    {" mx.ex ample.net; dkim=pass", "mx.ex", BAD | DKIM | GONE},
    {" mx.example.net 1; dkim=pass", "mx.example.net", DKIM | GONE},
    {" mx.example.net(c)1(d); dkim=pass", "mx.example.net", DKIM | GONE},
    {" mx.example.net 1 (c); spf=pass", "mx.example.net", ALL},
    {" mx.example.net 1x; spf=pass", "mx.example.net", BAD | GONE},
    {" mx.example.net/4ZxY1; dkim=pass", "mx.example.net", DKIM | GONE},
    {" mx.example.net / 4ZxY1; dkim=pass", "mx.example.net", DKIM | GONE},
    {" mx.example.net./4ZxY1 1; dkim=pass", "mx.example.net", DKIM | GONE},
    {" \"mx.example.net/4ZxY1\"; dkim=pass", "mx.example.net", DKIM | GONE},
    {" " U_BUECHER "; dkim=pass", "xn--bcher-kva.example", DKIM | GONE},
    {" B\xc3\x9c"
     "CHER.example.; dkim=pass",
	"xn--bcher-kva.example", DKIM | GONE},
    {" xn--bcher-kva.example; dkim=pass", "xn--bcher-kva.example", DKIM | GONE},
    /* full-width letters and an ideographic full stop mean the same name */
    {" \xef\xbd\x8d\xef\xbd\x98\xe3\x80\x82"
     "example.net; dkim=pass",
	"mx.example.net", DKIM | GONE},
    {" \"my host\"; dkim=pass", "my host", DKIM | GONE},
    {" \"My Host/17\"; dkim=pass", "my host", DKIM | GONE},
    {" a.mx.example.net; dkim=pass", "a.mx.example.net", DKIM},
    {" mx.example.net.evil.example; dkim=pass", "mx.example.net.evil.example", DKIM},
    {" mx.example.network; dkim=pass", "mx.example.network", DKIM},
    /* other readers drop, cut at or pass over octets that a name has not */
    {" mx\\.example.net; dkim=pass", "mx\\.example.net", DKIM | GONE},
    {" mx.example).net; dkim=pass", "mx.example).net", DKIM | GONE},
    {" mx.example .\\net; dkim=pass", "mx.example.\\net", DKIM | GONE},
    {" \"mx.example.net\"1; dkim=pass", "mx.example.net1", DKIM | GONE},
    {" \"mx.example.net\"x; dkim=pass", "mx.example.netx", DKIM | GONE},
    {" mx.example.net. net; dkim=pass", "mx.example.net.net", DKIM | GONE},
    {" x mx.example.net; dkim=pass", "x", BAD | DKIM | GONE},
    /* a method in all its forms */
    {" mx.example.net; DKIM=pass", "mx.example.net", DKIM | GONE},
    {" mx.example.net; dkim/1=pass", "mx.example.net", DKIM | GONE},
    {" mx.example.net; dkim / 1 = pass", "mx.example.net", DKIM | GONE},
    {" mx.example.net; dkim =\r\n pass", "mx.example.net", DKIM | GONE},
    {" mx.example.net; dkim=\"pass\"", "mx.example.net", DKIM | GONE},
    {" mx.example.net; spf=pass dkim=pass", "mx.example.net", DKIM | GONE},
    {" mx.example.net; spf= dkim=pass", "mx.example.net", DKIM | GONE},
    {" mx.example.net; header . d=x", "mx.example.net", ALL},
    {" mx.example.net; spf=pass reason=\"dkim=pass\"", "mx.example.net", ALL},
    /* ours and malformed */
    {" mx.example.net", "mx.example.net", BAD | GONE},
    {" mx.example.net;", "mx.example.net", BAD | GONE},
    {" mx.example.net;;;", "mx.example.net", BAD | GONE},
    {" mx.example.net dkim=pass", "mx.example.net", BAD | GONE},
    {" mx.example.net; pass", "mx.example.net", BAD | GONE},
    {" mx.example.net; spf=", "mx.example.net", BAD | GONE},
    {" mx.example.net; =pass", "mx.example.net", BAD | GONE},
    {" mx.example.net; ,dkim=pass", "mx.example.net", BAD | GONE},
    {" mx.example.net; dkim,=pass", "mx.example.net", BAD | GONE},
    {" mx.example.net; )dkim)=pass", "mx.example.net", BAD | GONE},
    {" mx.example.net; dkim,spf=pass", "mx.example.net", BAD | GONE},
    {" mx.example.net; none x", "mx.example.net", BAD | GONE},
    {" mx.example.net; \"dkim\"=pass", "mx.example.net", BAD | GONE},
    {" mx.example.net; dk(x)im=pass", "mx.example.net", BAD | GONE},
    {" mx.example.net; spf=pass (x", "mx.example.net", BAD | GONE},
    {" mx.example.net; spf=pass (x\\", "mx.example.net", BAD | GONE},
    {" mx.example.net; spf=\"pass", "mx.example.net", BAD | GONE},
    {" mx.example.net; spf=\"pass\\", "mx.example.net", BAD | GONE},
    {" mx.example.net; spf=pa\x01ss", "mx.example.net", BAD | GONE},
    {" mx.example.net; x dkim=pass", "mx.example.net", BAD | DKIM | GONE},
    /* malformed, and not ours */
    {" other.example; pass", "other.example", BAD},
    {" other.example; mx.example.net; dkim=pass", "other.example", BAD | DKIM},
    {" other.example", "other.example", BAD},
    /* no id, or none that is a name */
    {"", "", BAD},
    {" ", "", BAD},
    {";", "", BAD},
    {" ; dkim=pass", "", BAD | DKIM},
    {" ; mx.example.net; dkim=pass", "", BAD | DKIM | GONE},
    {" (mx.example.net; dkim=pass", "", BAD | GONE},
    {" (a(b) mx.example.net; dkim=pass", "", BAD | GONE},
    {" (other.example; dkim=pass", "", BAD},
    {" \"mx.example.net; dkim=pass", "mx.example.net; dkim=pass", BAD | GONE},
    {" \"mx.example.net;\"; dkim=pass", "mx.example.net;", DKIM | GONE},
    {" \"mx.example.net;\"; spf=pass", "mx.example.net;", ALL},
    {" <mx.example.net>; dkim=pass", "<mx.example.net>", DKIM | GONE},
    {" mx.example.net:25; dkim=pass", "mx.example.net:25", DKIM | GONE},
    {" @MX.example.net; dkim=pass", "@mx.example.net", DKIM | GONE},
    {" .mx.example.net; dkim=pass", ".mx.example.net", DKIM | GONE},
    {" mx.example.net,; dkim=pass", "mx.example.net,", DKIM | GONE},
    {" mx.example.net\x01; dkim=pass", "mx.example.net\x01", BAD | DKIM | GONE},
    {" mx.example.net\xff; dkim=pass", "mx.example.net\xff", DKIM | GONE},
    {" mx.example.net\xc2\xa0; dkim=pass", "mx.example.net\xc2\xa0", DKIM | GONE},
    {" dkim=pass header.d=mx.example.net.evil.example", "dkim=pass", BAD},
    {" <a.mx.example.net>; dkim=pass", "<a.mx.example.net>", DKIM},
    {" <mx.example.net-a>; dkim=pass", "<mx.example.net-a>", DKIM},
};

static const char *const ours[] = {"mx.example.net", "xn--bcher-kva.example", "my host", NULL};

static void
expect_row(const struct row *row, struct span value, const char *const *ids)
{
	struct arena arena;
	struct authres_claim claim;
	bool gone, all;

	arena_init(&arena, 1u << 20);
	claim = authres_read(value, &arena);
	gone = authres_is_forged(value, ids, false, &arena);
	all = authres_is_forged(value, ids, true, &arena);
	if (!span_eq_str(claim.id, row->id) || claim.malformed != ((row->flags & BAD) != 0) ||
	    claim.has_dkim != ((row->flags & DKIM) != 0) || gone != ((row->flags & GONE) != 0) ||
	    all != ((row->flags & (GONE | ALL)) != 0))
		fail_msg("%s: id \"%.*s\" malformed %d dkim %d forged %d all %d", row->value,
		    SPAN_ARG(claim.id), claim.malformed, claim.has_dkim, gone, all);
	arena_free(&arena);
}

static void
reads_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_row(&rows[i], span_str(rows[i].value), ours);
}

/* AuthservID may be written with U-labels, a dot, a job id. */
static void
ids_may_be_odd(void **state)
{
	static const char *const odd[] = {"MX.example.net./x", U_BUECHER, "my host", NULL};

	(void)state;
	for (size_t i = 0; i < 64; i++) {
		if (rows[i].flags & GONE && rows[i].flags & DKIM)
			expect_row(&rows[i], span_str(rows[i].value), odd);
	}
}

static void
nul_is_no_end(void **state)
{
	static const struct row in_result = {"NUL in result", "mx.example.net", BAD | GONE};
	struct span value = SPAN_LIT(" mx.example.net\0.evil.example; dkim=pass");
	struct arena arena;

	(void)state;
	arena_init(&arena, 1u << 16);
	assert_true(authres_read(value, &arena).malformed);
	assert_true(authres_is_forged(value, ours, false, &arena));
	arena_free(&arena);
	expect_row(&in_result, SPAN_LIT(" mx.example.net; spf=pass\0"), ours);
}

/* More than any buffer that a reader may have: before the id, in it, behind it. */
static void
size_is_no_hiding_place(void **state)
{
	enum { BIG = 70000 };
	static const struct row before = {"before", "mx.example.net", BAD | DKIM | GONE};
	static const struct row behind = {"behind", "mx.example.net", BAD | DKIM | GONE};
	static const struct row deep = {"deep", "", BAD | GONE};
	static const struct row inside = {"inside", "", DKIM | BAD};
	char *fill = mem_alloc(BIG);
	struct buf text;

	(void)state;
	buf_init(&text, 4 * BIG);
	memset(fill, 'a', BIG);
	buf_add_str(&text, " (");
	buf_add(&text, span_of(fill, BIG));
	buf_add_str(&text, ") mx.example.net; dkim=pass");
	expect_row(&before, buf_span(&text), ours);
	buf_reset(&text);
	buf_add_str(&text, " mx.example.net; spf=");
	buf_add(&text, span_of(fill, BIG));
	buf_add_str(&text, "; dkim=pass");
	expect_row(&behind, buf_span(&text), ours);
	buf_reset(&text);
	buf_add(&text, span_of(fill, 2000));
	buf_add_str(&text, "; dkim=pass");
	expect_row(&inside, buf_span(&text), ours);
	memset(fill, '(', BIG);
	buf_reset(&text);
	buf_add(&text, span_of(fill, BIG));
	buf_add_str(&text, " mx.example.net; dkim=pass");
	expect_row(&deep, buf_span(&text), ours);
	buf_free(&text);
	mem_free(fill);
}

/* Without memory for the id there is none, and the field goes all the same. */
static void
full_arena(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, 0);
	assert_true(authres_read(SPAN_LIT("mx.example.net; spf=pass"), &arena).malformed);
	assert_true(authres_is_forged(SPAN_LIT("mx.example.net; spf=pass"), ours, false, &arena));
	assert_false(authres_is_forged(SPAN_LIT("a.example; dkim=pass"), ours, true, &arena));
	arena_free(&arena);
}

/* Every cut of a good value is answered. */
static void
prefixes(void **state)
{
	struct span value = SPAN_LIT(" (c(d)e) \"mx\\.example\".net / job 1 (f); dkim / 1 (g) = "
				     "fail reason=\"a\\\"b\" (h) header . d = a.example; none");
	struct arena arena;

	(void)state;
	arena_init(&arena, 1u << 16);
	for (size_t n = 0; n <= value.n; n++) {
		char *copy = mem_alloc(n + 1);

		memcpy(copy, value.p, n);
		arena_reset(&arena);
		(void)authres_is_forged(span_of(copy, n), ours, false, &arena);
		mem_free(copy);
	}
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_pass),
	    cmocka_unit_test(writes_dnssec_words),
	    cmocka_unit_test(writes_that_a_key_is_for_testing),
	    cmocka_unit_test(writes_how_much_of_the_body_is_covered),
	    cmocka_unit_test(writes_fail_with_reason),
	    cmocka_unit_test(writes_several),
	    cmocka_unit_test(writes_equal_signatures),
	    cmocka_unit_test(writes_ids),
	    cmocka_unit_test(writes_plain),
	    cmocka_unit_test(leaves_out_what_is_not_valid),
	    cmocka_unit_test(writes_identities),
	    cmocka_unit_test(fits_at_its_longest),
	    cmocka_unit_test(writes_nothing_hostile),
	    cmocka_unit_test(reads_table),
	    cmocka_unit_test(ids_may_be_odd),
	    cmocka_unit_test(nul_is_no_end),
	    cmocka_unit_test(size_is_no_hiding_place),
	    cmocka_unit_test(full_arena),
	    cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
