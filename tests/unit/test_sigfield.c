/*
 * test_sigfield.c - DKIM-Signature fields of strangers: what they say, what is refused, and that
 * no name gets out that is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/dkim/address.h"
#include "lib/dkim/sigfield.h"

#define BH "bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define GOOD "v=1; a=rsa-sha256; d=example.org; s=sel; h=From; " BH "; b=QUJD"

static struct arena arena;

static enum status
parse(const char *text, struct sigfield *out, struct err *err)
{
	return sigfield_parse(span_str(text), &arena, out, err);
}

static void
test_sigfield_all(void **state)
{
	static const char text[] =
	    " v=1; a=Ed25519-SHA256; c=Relaxed/simple; d=Example.ORG;\r\n s=2024.Sel; "
	    "q=x/y:dns/txt;"
	    "\r\n t=1; x=999; l=42; i=a=3Db@Sub.example.org; z=From:x|To:y; r=y;\r\n"
	    " h=From : to:\r\n\tX-a!b : From; " BH ";\r\n b = QU\r\n JD ;";
	struct sigfield f;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(parse(text, &f, &err), ST_OK);
	assert_int_equal(f.algorithm, SIGFIELD_ED25519_SHA256);
	assert_true(span_eq_str(f.algorithm_text, "ed25519-sha256"));
	assert_int_equal(f.header_canon, CANON_RELAXED);
	assert_int_equal(f.body_canon, CANON_SIMPLE);
	assert_true(span_eq_str(f.domain, "example.org"));
	assert_true(span_eq_str(f.selector, "2024.sel"));
	assert_true(span_eq_str(f.query, "2024.sel._domainkey.example.org"));
	assert_true(span_eq_str(f.identity, "a=b@Sub.example.org"));
	assert_true(span_eq_str(f.i_domain, "sub.example.org"));
	assert_int_equal(f.time_utc, 1);
	assert_int_equal(f.expires_utc, 999);
	assert_int_equal(f.body_length, 42);
	assert_int_equal(f.name_count, 4);
	assert_true(span_eq_str(f.names[0], "From") && span_eq_str(f.names[1], "to"));
	assert_true(span_eq_str(f.names[2], "X-a!b") && span_eq_str(f.names[3], "From"));
	assert_int_equal(f.body_hash_bytes, 32);
	assert_true(span_eq_str(f.signature, "ABC") && span_eq_str(f.b_text, "QUJD"));
	assert_true(span_eq_str(span_sub(span_str(text), f.b_at, f.b_bytes), " QU\r\n JD "));
}

static void
test_sigfield_defaults(void **state)
{
	struct sigfield f;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(parse(GOOD, &f, &err), ST_OK);
	assert_int_equal(f.header_canon, CANON_SIMPLE);
	assert_int_equal(f.body_canon, CANON_SIMPLE);
	assert_true(span_eq_str(f.identity, "@example.org"));
	assert_true(f.time_utc == -1 && f.expires_utc == -1 && f.body_length == -1);
	assert_int_equal(f.b_at + f.b_bytes, strlen(GOOD));
	/* tags in another order */
	assert_int_equal(
	    parse("b=QUJD;s=s;" BH ";h=from;d=a.b;a=rsa-sha256;c=relaxed;v=1", &f, &err), ST_OK);
	assert_int_equal(f.header_canon, CANON_RELAXED);
	assert_int_equal(f.body_canon, CANON_SIMPLE);
	assert_true(f.b_at == 2 && f.b_bytes == 4);
}

#define ZEROS_33 "000000000000000000000000000000000"
/* One tag of GOOD in another spelling, or a tag more. */
static void
test_sigfield_spellings(void **state)
{
	static const struct {
		const char *tag, *spelling;
		enum status status;
	} rows[] = {
	    {"v=1", "v=2", ST_INVALID},
	    {"v=1", "v=01", ST_INVALID},
	    {"v=1", "v=", ST_INVALID},
	    {"v=1", "V=1", ST_INVALID},
	    {"v=1", "v=1; v=1", ST_INVALID},
	    {"v=1", "v=1; y", ST_INVALID},
	    {"v=1", "v=1; y=\r\n z", ST_OK},
	    {"a=rsa-sha256", "a=RSA-sha256", ST_OK},
	    {"a=rsa-sha256", "a=rsa-\r\n sha256", ST_INVALID},
	    {"a=rsa-sha256", "a=rsa-sha\"256", ST_INVALID},
	    {"a=rsa-sha256", "a=rsa-sha512", ST_OK},
	    {"a=rsa-sha256", "a=rsa-sha1", ST_INVALID}, /* bh= has another size */
	    {"a=rsa-sha256", "a=", ST_INVALID},
	    {"v=1", "v=1;c=relaxed/relaxed", ST_OK},
	    {"v=1", "v=1;c=relaxed/", ST_INVALID},
	    {"v=1", "v=1;c=relaxed/simple/x", ST_INVALID},
	    {"v=1", "v=1;c=nofws", ST_INVALID},
	    {"v=1", "v=1;c=", ST_INVALID},
	    {"d=example.org", "d=example.net(.example.com", ST_INVALID},
	    {"d=example.org", "d=(x)example.org", ST_INVALID},
	    {"d=example.org", "d=example.org (x)", ST_INVALID},
	    {"d=example.org", "d=example.org.", ST_INVALID},
	    {"d=example.org", "d=.example.org", ST_INVALID},
	    {"d=example.org", "d=example..org", ST_INVALID},
	    {"d=example.org", "d=exam ple.org", ST_INVALID},
	    {"d=example.org", "d=example.org\tx", ST_INVALID},
	    {"d=example.org", "d=example.org\"", ST_INVALID},
	    {"d=example.org", "d=*.example.org", ST_INVALID},
	    {"d=example.org", "d=example.org/x", ST_INVALID},
	    {"d=example.org",
		"d=b\xc3\xbc"
		"cher.example",
		ST_OK},
	    {"d=example.org", "d=b\xc3.example", ST_INVALID},
	    {"d=example.org", "d=\xef\xbc\x8e.example", ST_INVALID}, /* a full stop, full width */
	    {"d=example.org", "d=", ST_INVALID},
	    {"s=sel", "s=a.b_c-d.2", ST_OK},
	    {"s=sel", "s=\xc3\xbc", ST_OK},
	    {"s=sel", "s=a b", ST_INVALID},
	    {"s=sel", "s=a..b", ST_INVALID},
	    {"s=sel", "s=sel.", ST_INVALID},
	    {"s=sel", "s=", ST_INVALID},
	    {"s=sel", "s=sel; i=@example.org", ST_OK},
	    {"s=sel", "s=sel; i=x@a.b.example.org", ST_OK},
	    {"s=sel", "s=sel; i=\"x(y)\"@example.org", ST_OK},
	    {"s=sel", "s=sel; i=j=C3=BCrgen@example.org", ST_OK},
	    {"s=sel", "s=sel; i=j\xc3\xbcrgen@example.org", ST_OK},
	    {"s=sel", "s=sel; i=j=FCrgen@example.org", ST_INVALID},
	    {"s=sel", "s=sel; i=a=C2=85b@example.org", ST_INVALID},
	    {"s=sel", "s=sel; i=a=ED=A0=80@example.org", ST_INVALID},
	    {"s=sel", "s=sel; i=example.org", ST_INVALID},
	    {"s=sel", "s=sel; i=", ST_INVALID},
	    {"s=sel", "s=sel; i=@", ST_INVALID},
	    {"s=sel", "s=sel; i=x@example.com", ST_INVALID},
	    {"s=sel", "s=sel; i=x@badexample.org", ST_INVALID},
	    {"s=sel", "s=sel; i=x@org", ST_INVALID},
	    {"s=sel", "s=sel; i=x(y)@example.org", ST_INVALID},
	    {"s=sel", "s=sel; i=x=20y@example.org", ST_INVALID},
	    {"s=sel", "s=sel; i=x=0Ay@example.org", ST_INVALID},
	    {"s=sel", "s=sel; i=x=00@example.org", ST_INVALID},
	    {"s=sel", "s=sel; i=x=3By@example.org", ST_INVALID},
	    {"s=sel", "s=sel; i=\"x\"y\"@example.org", ST_INVALID},
	    {"s=sel", "s=sel; i=\"x\\\"@example.org", ST_INVALID},
	    {"s=sel", "s=sel; i=x=4@example.org", ST_INVALID},
	    {"s=sel", "s=sel; i=x@example.org=20", ST_INVALID},
	    {"s=sel", "s=sel; i=x@y@example.org", ST_INVALID},
	    {"s=sel", "s=sel; q=dns/txt", ST_OK},
	    {"s=sel", "s=sel; q=dns", ST_OK},
	    {"s=sel", "s=sel; q=x:y : DNS/TXT", ST_OK},
	    {"s=sel", "s=sel; q=x", ST_INVALID},
	    {"s=sel", "s=sel; q=", ST_INVALID},
	    {"s=sel", "s=sel; l=0", ST_OK},
	    {"s=sel", "s=sel; l=9223372036854775807", ST_OK},
	    {"s=sel", "s=sel; l=9223372036854775808", ST_INVALID},
	    {"s=sel", "s=sel; l=18446744073709551616", ST_INVALID},
	    {"s=sel", "s=sel; l=0000000000" ZEROS_33 ZEROS_33, ST_OK},
	    {"s=sel", "s=sel; l=00000000000" ZEROS_33 ZEROS_33, ST_INVALID}, /* 77 digits */
	    {"s=sel", "s=sel; l=-1", ST_INVALID},
	    {"s=sel", "s=sel; l=+1", ST_INVALID},
	    {"s=sel", "s=sel; l=1 2", ST_INVALID},
	    {"s=sel", "s=sel; l=0x1", ST_INVALID},
	    {"s=sel", "s=sel; l=", ST_INVALID},
	    {"s=sel", "s=sel; x=1000000000000000000000000000000", ST_INVALID},
	    {"s=sel", "s=sel; t=1000000000000000000000000000000", ST_INVALID},
	    {"s=sel", "s=sel; t=5; x=5", ST_INVALID},
	    {"s=sel", "s=sel; t=5; x=6", ST_OK},
	    {"s=sel", "s=sel; t=6; x=5", ST_INVALID},
	    {"s=sel", "s=sel; x=0", ST_OK},
	    {"h=From", "h=fROM", ST_OK},
	    {"h=From", "h=To : From : To", ST_OK},
	    {"h=From", "h=To", ST_INVALID},
	    {"h=From", "h=Fromage", ST_INVALID},
	    {"h=From", "h=", ST_INVALID},
	    {"h=From", "h=From:", ST_INVALID},
	    {"h=From", "h=From::To", ST_INVALID},
	    {"h=From", "h=From:T o", ST_INVALID},
	    {"h=From", "h=From:T\xc3\xb6", ST_INVALID},
	    {BH, "bh=AAAA", ST_INVALID},
	    {BH, "bh=", ST_INVALID},
	    {BH, BH "=", ST_INVALID},
	    {BH, "bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", ST_INVALID},
	    {BH, "bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", ST_INVALID},
	    {BH, BH "AAAA", ST_INVALID},
	    {"b=QUJD", "b=", ST_INVALID},
	    {"b=QUJD", "b=Q", ST_INVALID},
	    {"b=QUJD", "b=QU=D", ST_INVALID},
	    {"b=QUJD", "b=====", ST_INVALID},
	    {"b=QUJD", "b=QUJD;", ST_OK},
	    {"b=QUJD", "b=QUJD;;", ST_INVALID},
	    {"b=QUJD", "b=QUJD\r\n", ST_OK},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *at = strstr(GOOD, rows[i].tag);
		struct err err = ERR_NONE;
		struct sigfield f;
		char text[2000];
		enum status st;

		assert_non_null(at);
		snprintf(text, sizeof text, "%.*s%s%s", (int)(at - GOOD), GOOD, rows[i].spelling,
		    at + strlen(rows[i].tag));
		st = parse(text, &f, &err);
		if (st != rows[i].status)
			fail_msg("%s: %s %s", rows[i].spelling, status_name(st), err.text);
		assert_int_equal(st == ST_OK, err.text[0] == '\0');
		assert_true(f.domain.n == 0 || domain_is_valid(f.domain));
	}
}

/* Each tag that must be there, taken out. */
static void
test_sigfield_missing(void **state)
{
	static const char *const tags[] = {"v=1; ", "a=rsa-sha256; ", "d=example.org; ", "s=sel; ",
	    "h=From; ", BH "; ", "; b=QUJD"};

	(void)state;
	for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
		const char *at = strstr(GOOD, tags[i]);
		struct err err = ERR_NONE;
		struct sigfield f;
		char text[1000];

		snprintf(text, sizeof text, "%.*s%s", (int)(at - GOOD), GOOD, at + strlen(tags[i]));
		assert_int_equal(parse(text, &f, &err), ST_INVALID);
		assert_true(strncmp(err.text, "there is no ", 12) == 0);
		assert_int_equal(span_eq_str(f.domain, "example.org"), i != 2);
		assert_int_equal(span_eq_str(f.b_text, "QUJD"), i != 6);
		assert_int_equal(span_eq_str(f.selector, "sel"), i != 3);
		assert_int_equal(f.identity.n > 0, i != 2);
	}
}

static void
test_sigfield_international(void **state)
{
	struct err err = ERR_NONE;
	struct sigfield f;

	(void)state;
	assert_int_equal(parse("v=1; a=rsa-sha256; d=B\xc3\x9c"
			       "cher.example; s=s\xc3\xb6; i=j\xc3\xb6@Mail.b\xc3\xbc"
			       "cher.example; h=From; " BH "; b=QUJD",
			     &f, &err),
	    ST_OK);
	assert_true(span_eq_str(f.domain, "xn--bcher-kva.example"));
	assert_true(span_eq_str(f.query, "xn--s-1ga._domainkey.xn--bcher-kva.example"));
	assert_true(span_eq_str(f.i_domain, "mail.xn--bcher-kva.example"));
	assert_true(span_eq_str(f.identity, "j\xc3\xb6@Mail.b\xc3\xbc"
					    "cher.example"));
}

static void
test_sigfield_limits(void **state)
{
	struct err err = ERR_NONE;
	struct sigfield f;
	struct arena tiny;
	struct buf text;

	(void)state;
	buf_init(&text, 200000);
	buf_add_str(&text, GOOD "; z=");
	while (text.n < SIGFIELD_BYTES_MAX)
		buf_add_char(&text, 'z');
	assert_int_equal(sigfield_parse(buf_span(&text), &arena, &f, &err), ST_OK);
	buf_add_char(&text, 'z');
	assert_int_equal(sigfield_parse(buf_span(&text), &arena, &f, &err), ST_TOO_BIG);
	for (unsigned names = 999; names <= 1000; names++) {
		buf_reset(&text);
		buf_add_str(
		    &text, "v=1; a=rsa-sha256; d=example.org; s=sel; " BH "; b=QUJD; h=From");
		for (unsigned i = 0; i < names; i++)
			buf_add_str(&text, ":To");
		assert_int_equal(sigfield_parse(buf_span(&text), &arena, &f, &err),
		    names == 999 ? ST_OK : ST_TOO_BIG);
	}
	buf_reset(&text);
	buf_add_str(&text, GOOD);
	for (unsigned i = 0; i < 1400; i++)
		buf_add_str(&text, "QUJD");
	assert_int_equal(sigfield_parse(buf_span(&text), &arena, &f, &err), ST_INVALID);
	/* a signature of the longest kind, folded beyond need, and longer */
	for (size_t n = 8000; n <= 10000; n += 1000) {
		buf_reset(&text);
		buf_add_str(&text, GOOD);
		while (text.n < n)
			buf_add_str(&text, "\r\n ");
		buf_add_str(&text, "QUJD");
		assert_int_equal(sigfield_parse(buf_span(&text), &arena, &f, &err),
		    n == 8000 ? ST_OK : ST_INVALID);
	}
	/* labels and names as long as the DNS has them, and one longer */
	for (int n = 59; n <= 64; n++) {
		char long_name[1000];
		const char *l = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

		snprintf(long_name, sizeof long_name,
		    "v=1; a=rsa-sha256; d=%.63s.%.63s.%.*s; s=%.48s; h=From; " BH "; b=QUJD", l, l,
		    n, l, l);
		/* 48 + 12 + 128 + n <= 253 */
		assert_int_equal(parse(long_name, &f, &err), n <= 63 ? ST_OK : ST_INVALID);
		snprintf(long_name, sizeof long_name,
		    "v=1; a=rsa-sha256; d=%.63s.%.63s.%.*s; s=%.53s; h=From; " BH "; b=QUJD", l, l,
		    n, l, l);
		assert_int_equal(parse(long_name, &f, &err), n <= 60 ? ST_OK : ST_INVALID);
	}
	for (size_t max = 0; max < 1000; max += 8) {
		arena_init(&tiny, max);
		assert_int_not_equal(sigfield_parse(SPAN_LIT(GOOD), &tiny, &f, &err),
		    max < 100 ? ST_OK : ST_INVALID);
		arena_free(&tiny);
	}
	buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sigfield_all),
	    cmocka_unit_test(test_sigfield_defaults),
	    cmocka_unit_test(test_sigfield_spellings),
	    cmocka_unit_test(test_sigfield_missing),
	    cmocka_unit_test(test_sigfield_international),
	    cmocka_unit_test(test_sigfield_limits),
	};
	int failed;

	arena_init(&arena, 10000000);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(&arena);
	return failed;
}
