/*
 * test_canon.c - canonicalization of headers and bodies, whole and in every split, against the slow
 * and plain way of naive_canon.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "lib/dkim/canon_scan.h"
#include "tests/unit/naive_canon.h"

static struct digest *digest;

static int
setup(void **state)
{
	(void)state;
	digest = digest_new();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	digest_free(digest);
	return 0;
}

static void
sha256(struct span s, uint8_t out[SHA256_BYTES])
{
	digest_start(digest);
	digest_add(digest, s);
	digest_finish(digest, out);
}

/* Feeds body in the pieces that cut tells (0: octet by octet) and expects the canonical text. */
static void
check_split(
    enum canon canon, bool fix, int64_t limit, struct span body, size_t cut, struct span canonical)
{
	struct canon_body c;
	uint8_t got[SHA256_BYTES], want[SHA256_BYTES];
	uint64_t octets;

	canon_body_init(&c, canon, digest, limit, fix);
	if (cut > 0) {
		canon_body_update(&c, span_sub(body, 0, cut));
		canon_body_update(&c, span_from(body, cut));
	} else {
		for (size_t i = 0; i < body.n; i++)
			canon_body_update(&c, span_sub(body, i, 1));
	}
	canon_body_finish(&c, got, &octets);
	assert_int_equal(canon_body_total(&c), canonical.n);
	if (limit >= 0 && (uint64_t)limit < canonical.n)
		canonical.n = (size_t)limit;
	assert_int_equal(octets, canonical.n);
	sha256(canonical, want);
	assert_memory_equal(got, want, SHA256_BYTES);
}

static void
check_all_splits(enum canon canon, bool fix, struct span body, struct span canonical)
{
	for (size_t cut = 0; cut <= body.n; cut++)
		check_split(canon, fix, -1, body, cut, canonical);
	for (int64_t limit = 0; limit < (int64_t)canonical.n + 3; limit++) {
		check_split(canon, fix, limit, body, 0, canonical);
		check_split(canon, fix, limit, body, body.n, canonical);
	}
}

static void
test_header_fields(void **state)
{
	static const struct {
		const char *name, *value, *simple, *relaxed;
	} table[] = {
	    /* RFC 6376 3.4.5 */
	    {"A", " X", "A: X\r\n", "a:X\r\n"},
	    {"B ", " Y\t\r\n\tZ  ", "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},
	    {"SUBJect", " AbC\r\n ", "SUBJect: AbC\r\n \r\n", "subject:AbC\r\n"},
	    {"X", "", "X:\r\n", "x:\r\n"},
	    {"X", " \t \r\n \r\n\t", "X: \t \r\n \r\n\t\r\n", "x:\r\n"},
	    {"X", "a\tb", "X:a\tb\r\n", "x:a b\r\n"},
	    {"X", " a\r\n b\r\n\t c", "X: a\r\n b\r\n\t c\r\n", "x:a b c\r\n"},
	    {"X", " a\rb", "X: a\rb\r\n", "x:a\rb\r\n"},
	    {"X", " \xc3\xa4  \xc3\xb6", "X: \xc3\xa4  \xc3\xb6\r\n", "x:\xc3\xa4 \xc3\xb6\r\n"},
	    {"X-Y", "a:  b : c ", "X-Y:a:  b : c \r\n", "x-y:a: b : c\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct header_field f = {span_str(table[i].name), span_str(table[i].value)};
		struct buf out;

		buf_init(&out, 1000);
		canon_header(CANON_SIMPLE, &f, &out);
		assert_string_equal(buf_text(&out), table[i].simple);
		buf_reset(&out);
		canon_header(CANON_RELAXED, &f, &out);
		assert_string_equal(buf_text(&out), table[i].relaxed);
		buf_free(&out);
	}
}

static void
test_body_table(void **state)
{
	static const struct {
		const char *body, *simple, *relaxed;
	} table[] = {
	    /* RFC 6376 3.4.5 */
	    {" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"},
	    {"", "\r\n", ""},
	    {"\r\n", "\r\n", ""},
	    {"\r\n\r\n\r\n", "\r\n", ""},
	    {"a", "a\r\n", "a\r\n"},
	    {"a\r\n", "a\r\n", "a\r\n"},
	    {"a\r\n\r\n", "a\r\n", "a\r\n"},
	    {" ", " \r\n", ""},
	    {" \r\n", " \r\n", ""},
	    {" \r\n\t\r\n", " \r\n\t\r\n", ""},
	    {"a \t\r\n \r\n", "a \t\r\n \r\n", "a\r\n"},
	    {"\r\n\r\na", "\r\n\r\na\r\n", "\r\n\r\na\r\n"},
	    {"a\r\n \r\nb", "a\r\n \r\nb\r\n", "a\r\n\r\nb\r\n"},
	    {"a\r", "a\r\r\n", "a\r\r\n"},
	    {"a\n", "a\n\r\n", "a\n\r\n"},
	    {"a \r", "a \r\r\n", "a \r\r\n"},
	    {"a \r\r\n", "a \r\r\n", "a \r\r\n"},
	    {"a\r \r\nb", "a\r \r\nb\r\n", "a\r\r\nb\r\n"},
	    {"\r\r\n\r\n", "\r\r\n", "\r\r\n"},
	    {"\n\r\n", "\n\r\n", "\n\r\n"},
	    {"\r\n\r\n\r", "\r\n\r\n\r\r\n", "\r\n\r\n\r\r\n"},
	    {"a \n b", "a \n b\r\n", "a \n b\r\n"},
	    {"a  b\t\tc \td", "a  b\t\tc \td\r\n", "a b c d\r\n"},
	    {"\ta\r\n\tb", "\ta\r\n\tb\r\n", " a\r\n b\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct span body = span_str(table[i].body);

		check_all_splits(CANON_SIMPLE, false, body, span_str(table[i].simple));
		check_all_splits(CANON_RELAXED, false, body, span_str(table[i].relaxed));
	}
}

static void
test_body_fix_crlf(void **state)
{
	static const struct {
		const char *body, *simple, *relaxed;
	} table[] = {
	    {"a\nb\n", "a\r\nb\r\n", "a\r\nb\r\n"},
	    {"a\rb\r", "a\r\nb\r\n", "a\r\nb\r\n"},
	    {"a\r\r\nb", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"},
	    {"a \n\n\n", "a \r\n", "a\r\n"},
	    {"\n\r", "\r\n", ""},
	    {"a\n\r\n\rb", "a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n"},
	    {"0123456789abcdefghij\n0123456789abcdefghij\r\nk",
		"0123456789abcdefghij\r\n0123456789abcdefghij\r\nk\r\n",
		"0123456789abcdefghij\r\n0123456789abcdefghij\r\nk\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct span body = span_str(table[i].body);

		check_all_splits(CANON_SIMPLE, true, body, span_str(table[i].simple));
		check_all_splits(CANON_RELAXED, true, body, span_str(table[i].relaxed));
	}
}

static size_t
random_body(char *to, size_t n, unsigned kind)
{
	static const char rare[] = " \t\r\n\r\n  a\x80";

	for (size_t i = 0; i < n; i++)
		to[i] = kind == 0 || rand() % (int)(kind * kind) == 0
			    ? rare[(size_t)rand() % (sizeof rare - 1)]
			    : (char)('a' + rand() % 26);
	return n;
}

static void
check_random(enum canon canon, bool fix, struct span body)
{
	struct buf naive;

	buf_init(&naive, body.n * 2 + 2);
	naive_body(canon, fix, body, &naive);
	check_split(canon, fix, -1, body, body.n, buf_span(&naive));
	check_split(canon, fix, -1, body, 0, buf_span(&naive));
	for (int i = 0; i < 6 && body.n > 0; i++)
		check_split(canon, fix, -1, body, 1 + (size_t)rand() % body.n, buf_span(&naive));
	buf_free(&naive);
}

static void
test_body_random(void **state)
{
	static char text[40000];

	(void)state;
	srand(20260101);
	for (unsigned round = 0; round < 4000; round++) {
		size_t max = round % 100 == 0 ? sizeof text : round % 10 == 0 ? 700 : 40;
		size_t n = random_body(text, (size_t)rand() % max, round % 7);

		for (unsigned mode = 0; mode < 4; mode++)
			check_random(mode & 1 ? CANON_RELAXED : CANON_SIMPLE, (mode & 2) != 0,
			    span_of(text, n));
	}
}

/* Every text of up to 7 octets over the five that matter. */
static void
test_body_exhaustive(void **state)
{
	static const char octets[] = "a \t\r\n";
	char text[7];

	(void)state;
	for (size_t n = 0, all = 1; n <= 6; n++, all *= 5)
		for (size_t code = 0; code < all; code++) {
			size_t rest = code;
			struct buf naive;

			for (size_t i = 0; i < n; i++, rest /= 5)
				text[i] = octets[rest % 5];
			for (unsigned mode = 0; mode < 4; mode++) {
				enum canon canon = mode & 1 ? CANON_RELAXED : CANON_SIMPLE;

				buf_init(&naive, 100);
				naive_body(canon, (mode & 2) != 0, span_of(text, n), &naive);
				check_split(canon, (mode & 2) != 0, -1, span_of(text, n), 0,
				    buf_span(&naive));
				check_split(canon, (mode & 2) != 0, -1, span_of(text, n), n,
				    buf_span(&naive));
				buf_free(&naive);
			}
		}
}

static void
test_scan_equals_portable(void **state)
{
	static char text[1000];

	(void)state;
	srand(7);
	for (unsigned round = 0; round < 20000; round++) {
		size_t n = random_body(text, (size_t)rand() % 300, 3 + round % 20);
		struct span s = span_of(text, n);
		size_t at = n == 0 ? 0 : (size_t)rand() % (n + 1);
		size_t want = at;

		assert_int_equal(canon_scan(s, at), canon_scan_portable(s, at));
		while (want < n && text[want] != '\r' && text[want] != '\n')
			want++;
		assert_int_equal(canon_scan_line_end(s, at), want);
	}
}

static void
test_names(void **state)
{
	enum canon canon = CANON_SIMPLE;

	(void)state;
	assert_int_equal(canon_by_name(SPAN_LIT("Relaxed"), &canon), ST_OK);
	assert_int_equal(canon, CANON_RELAXED);
	assert_int_equal(canon_by_name(SPAN_LIT("nowsp"), &canon), ST_ABSENT);
	assert_string_equal(canon_name(CANON_SIMPLE), "simple");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_header_fields),
	    cmocka_unit_test(test_body_table),
	    cmocka_unit_test(test_body_fix_crlf),
	    cmocka_unit_test(test_body_random),
	    cmocka_unit_test(test_body_exhaustive),
	    cmocka_unit_test(test_scan_equals_portable),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
