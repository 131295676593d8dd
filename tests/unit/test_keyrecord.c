/*
 * test_keyrecord.c - key records: what they say, and what is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "lib/dkim/keyrecord.h"

static struct arena arena;

static void
test_keyrecord_fields(void **state)
{
	struct keyrecord r;

	(void)state;
	assert_int_equal(keyrecord_parse(SPAN_LIT("v=DKIM1; k=Ed25519; h=sha1:sha256; s=email; "
						  "t=y : s; n=a note; zz=?; p=QU\r\n JD"),
			     &arena, &r, NULL),
	    ST_OK);
	assert_true(r.version && r.known_type && r.testing && r.same_domain && r.email && r.sha256);
	assert_false(r.revoked);
	assert_int_equal(r.algorithm, KEY_ED25519_SHA256);
	assert_true(span_eq_str(r.key, "ABC"));
	assert_true(span_eq_str(r.type, "Ed25519"));
	assert_true(span_eq_str(r.note, "a note"));
	assert_int_equal(keyrecord_parse(SPAN_LIT("p=QUJD"), &arena, &r, NULL), ST_OK);
	assert_true(!r.version && r.known_type && !r.testing && !r.same_domain && r.email);
	assert_true(r.sha256 && r.type.n == 0 && r.note.n == 0);
	assert_int_equal(r.algorithm, KEY_RSA_SHA256);
	assert_int_equal(keyrecord_parse(SPAN_LIT("v=DKIM1; k=dsa; p= ;h=sha1;s=tlsrpt; t=ys;"),
			     &arena, &r, NULL),
	    ST_OK);
	assert_true(r.revoked && !r.known_type && !r.sha256 && !r.email);
	assert_true(!r.testing && !r.same_domain && r.key.n == 0);
}

static void
test_keyrecord_verdicts(void **state)
{
	static const struct {
		const char *text;
		enum status status;
	} rows[] = {
	    {"v=DKIM1; p=QUJD", ST_OK},
	    {"v=DKIM1;p=QUJD;", ST_OK},
	    {" v = DKIM1 ; p = Q U J D ; ", ST_OK},
	    {"k=rsa; p=QUJD", ST_OK},
	    {"p=QUJD; g=*", ST_OK},
	    {"v=DKIM1; p=", ST_OK},
	    {"", ST_INVALID},
	    {";", ST_INVALID},
	    {" ", ST_INVALID},
	    {"v=DKIM1", ST_INVALID},
	    {"v=DKIM1; P=QUJD", ST_INVALID},
	    {"v=DKIM2; p=QUJD", ST_INVALID},
	    {"v=dkim1; p=QUJD", ST_INVALID},
	    {"v=; p=QUJD", ST_INVALID},
	    {"k=rsa; v=DKIM1; p=QUJD", ST_INVALID},
	    {"v=DKIM1; p=QUJD; p=QUJD", ST_INVALID},
	    {"v=DKIM1; p=QUJD; k=rsa; k=rsa", ST_INVALID},
	    {"v=DKIM1; p=QU*D", ST_INVALID},
	    {"v=DKIM1; p=QUJ", ST_INVALID},
	    {"v=DKIM1; p==", ST_INVALID},
	    {"v=DKIM1; p", ST_INVALID},
	    {"v=DKIM1;; p=QUJD", ST_INVALID},
	    {"v=DKIM1\\; p=QUJD", ST_INVALID},
	    {"v=spf1 include:example.org -all", ST_INVALID},
	    {"google-site-verification=abc", ST_INVALID},
	    {"v=DKIM1; p=QUJD; n=\x01", ST_INVALID},
	};
	struct keyrecord r;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct err err = ERR_NONE;
		enum status st = keyrecord_parse(span_str(rows[i].text), &arena, &r, &err);

		if (st != rows[i].status)
			fail_msg("%s: %s %s", rows[i].text, status_name(st), err.text);
		assert_int_equal(st == ST_OK, err.text[0] == '\0');
	}
	assert_int_equal(keyrecord_parse(SPAN_EMPTY, &arena, &r, NULL), ST_INVALID);
}

static void
test_keyrecord_limits(void **state)
{
	char text[KEYRECORD_BYTES_MAX + 2];
	struct arena tiny;
	struct keyrecord r;

	(void)state;
	memset(text, 'A', sizeof text);
	memcpy(text, "p=", 2);
	assert_int_equal(keyrecord_parse(span_of(text, 8190), &arena, &r, NULL), ST_OK);
	assert_int_equal(r.key.n, 8188 / 4 * 3);
	assert_int_equal(keyrecord_parse(span_of(text, 8193), &arena, &r, NULL), ST_TOO_BIG);
	for (size_t i = 2; i < 8000; i += 3)
		memcpy(text + i - 2, "a=;", 3);
	assert_int_equal(keyrecord_parse(span_of(text, 8000), &arena, &r, NULL), ST_INVALID);
	arena_init(&tiny, 100);
	memset(text + 2, 'A', 400);
	memcpy(text, "p=", 2);
	assert_int_equal(keyrecord_parse(span_of(text, 402), &tiny, &r, NULL), ST_TOO_BIG);
	arena_free(&tiny);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_keyrecord_fields),
	    cmocka_unit_test(test_keyrecord_verdicts),
	    cmocka_unit_test(test_keyrecord_limits),
	};
	int failed;

	arena_init(&arena, 1000000);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(&arena);
	return failed;
}
