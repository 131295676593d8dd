/*
 * test_memcached.c - the list of memcached servers, and what a server answers to "get", in any
 * number of pieces.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "backends/memcached_answer.h"
#include "backends/memcached_spec.h"
#include "lib/base/buf.h"
#include "lib/base/mem.h"

#define V6 "2001:db8::1"

static void
accepted(void **state)
{
	/* Each server as "host|port|text ". */
	static const struct {
		const char *text, *servers;
	} cases[] = {
	    {"cache", "cache|11211|cache:11211 "},
	    {"Cache1.Example:1,cache2.example:65535",
		"cache1.example|1|Cache1.Example:1 cache2.example|65535|cache2.example:65535 "},
	    {" 127.0.0.1:11212\t, 127.0.0.2\n",
		"127.0.0.1|11212|127.0.0.1:11212 127.0.0.2|11211|127.0.0.2:11211 "},
	    {"[" V6 "]", V6 "|11211|[" V6 "]:11211 "},
	    {"[::1]:7", "::1|7|[::1]:7 "},
	    {"/run/memcached.sock", "/run/memcached.sock|0|/run/memcached.sock "},
	    {"unix:/run/a:b,h", "/run/a:b|0|/run/a:b h|11211|h:11211 "},
	    {",,h,,", "h|11211|h:11211 "},
	    {"h:1 h:2", "h|1|h:1 h|2|h:2 "},
	    {"under_score", "under_score|11211|under_score:11211 "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_NONE;
		struct mcspec spec;
		struct buf got;

		if (mcspec_read(span_str(cases[i].text), &spec, &err) != ST_OK)
			fail_msg("%s: %s", cases[i].text, err.text);
		buf_init(&got, 4096);
		for (size_t s = 0; s < spec.count; s++)
			buf_add_fmt(&got, "%s|%u|%s ", spec.servers[s].host,
			    (unsigned)spec.servers[s].port, spec.servers[s].text);
		assert_string_equal(buf_text(&got), cases[i].servers);
		buf_free(&got);
		mcspec_free(&spec);
	}
}

/* The sentence names the entry, not the whole list. */
static void
refused(void **state)
{
	static const struct {
		const char *text, *named;
	} cases[] = {
	    {"", "no memcached server"},
	    {" , ", "no memcached server"},
	    {"good,bad:port", "\"bad:port\""},
	    {"h:0", "\"h:0\""},
	    {"h:65536", "\"h:65536\""},
	    {"h:-1", "\"h:-1\""},
	    {"h:", "\"h:\""},
	    {"h:1:2", "\"h:1:2\""},
	    {":11211", "\":11211\""},
	    {"good ::1", "\"::1\""},
	    {V6, "[address]:port"},
	    {"[::1", "\"[::1\""},
	    {"[::1]x", "\"[::1]x\""},
	    {"[127.0.0.1]", "IPv6"},
	    {"[]", "IPv6"},
	    {"unix", "unix:/path"},
	    {"unix:", "\"unix:\""},
	    {"unix:relative", "\"unix:relative\""},
	    {"ho$t", "\"ho$t\""},
	    {"-h", "\"-h\""},
	    {"a,b,A:11211", "already"},
	    {"/x unix:/x", "already"},
	    {"host/path", "\"host/path\""},
	    {"u:secret@h", "without a user"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_NONE;
		struct mcspec spec;

		if (mcspec_read(span_str(cases[i].text), &spec, &err) != ST_INVALID)
			fail_msg("%s: not refused", cases[i].text);
		if (strstr(err.text, cases[i].named) == NULL)
			fail_msg("%s: %s", cases[i].text, err.text);
		assert_int_equal(spec.count, 0);
	}
}

static void
limits(void **state)
{
	char text[16 * (MCSPEC_SERVERS_MAX + 1)];
	char path[MCSPEC_PATH_MAX + 2];
	char host[MCSPEC_HOST_MAX + 2];
	struct mcspec spec;
	int n = 0;

	(void)state;
	for (unsigned i = 1; i <= MCSPEC_SERVERS_MAX; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "h:%u,", i);
	assert_int_equal(mcspec_read(span_str(text), &spec, NULL), ST_OK);
	assert_int_equal(spec.count, MCSPEC_SERVERS_MAX);
	mcspec_free(&spec);
	snprintf(text + n, sizeof(text) - (size_t)n, "h:1000");
	assert_int_equal(mcspec_read(span_str(text), &spec, NULL), ST_INVALID);
	memset(path, '/', sizeof(path));
	memset(host, 'h', sizeof(host));
	assert_int_equal(mcspec_read(span_of(path, MCSPEC_PATH_MAX), &spec, NULL), ST_OK);
	mcspec_free(&spec);
	assert_int_equal(mcspec_read(span_of(path, MCSPEC_PATH_MAX + 1), &spec, NULL), ST_INVALID);
	assert_int_equal(mcspec_read(span_of(host, MCSPEC_HOST_MAX), &spec, NULL), ST_OK);
	mcspec_free(&spec);
	assert_int_equal(mcspec_read(span_of(host, MCSPEC_HOST_MAX + 1), &spec, NULL), ST_INVALID);
}

#define NAMES 3
#define VALUE_MAX 10

static char *
room(size_t octets)
{
	assert_in_range(octets, 1, VALUE_MAX);
	return mem_alloc(octets);
}

/* The answer in pieces of `piece` octets: "done a=... c=..." , "more" or "broken". */
static void
read_answer(struct span text, size_t piece, struct buf *got)
{
	static const struct span names[NAMES] = {{"a", 1}, {"name:b", 6}, {"a", 1}};
	static const char *const states[] = {"more", "done", "broken"};
	struct mcvalue values[NAMES] = {{.found = false}};
	enum mcanswer_state answered = MCANSWER_MORE;
	struct mcanswer answer;

	mcanswer_init(&answer, names, values, NAMES, VALUE_MAX, room);
	for (size_t at = 0; at < text.n && answered == MCANSWER_MORE; at += piece)
		answered = mcanswer_feed(&answer, span_sub(text, at, piece));
	buf_add_str(got, states[answered]);
	for (size_t i = 0; i < NAMES; i++) {
		if (values[i].found && answered == MCANSWER_DONE)
			buf_add_fmt(got, " %zu=%.*s", i, (int)values[i].n,
			    values[i].n == 0 ? "" : values[i].octets);
		mem_free(values[i].octets);
	}
}

#define LONG                                                                                       \
	"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk" \
	"kk"
#define ENDLESS LONG LONG LONG LONG

static void
answers(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
	    {"END\r\n", "done"},
	    {"VALUE a 0 2\r\nhi\r\nEND\r\n", "done 0=hi"},
	    {"VALUE name:b 4294967295 0\r\n\r\nEND\r\n", "done 1="},
	    {"VALUE name:b 0 7\r\n\r\nEND\r\n\r\nEND\r\n", "done 1=\r\nEND\r\n"},
	    {"VALUE a 0 1\r\n1\r\nVALUE name:b 0 1\r\n2\r\nVALUE a 0 1\r\n3\r\nEND\r\n",
		"done 0=1 1=2 2=3"},
	    {"VALUE name:b 0 10\r\n0123456789\r\nEND\r\n", "done 1=0123456789"},
	    /* Too long is as if it were not there; the next one is. */
	    {"VALUE name:b 0 11\r\n0123456789a\r\nVALUE a 0 1\r\nx\r\nEND\r\n", "done 0=x"},
	    /* Not to this question. */
	    {"VALUE other 0 1\r\nx\r\nEND\r\n", "broken"},
	    {"VALUE name:b 0 1\r\n2\r\nVALUE name:b 0 1\r\n2\r\nEND\r\n", "broken"},
	    {"VERSION\r\n", "broken"},
	    {"VERSION 1.6.18\r\n", "broken"},
	    {"STORED\r\n", "broken"},
	    {"OK\r\n", "broken"},
	    {"ERROR\r\n", "broken"},
	    {"SERVER_ERROR out of memory\r\n", "broken"},
	    {"HTTP/1.1 400 Bad Request\r\n", "broken"},
	    {"220 mail.example ESMTP\r\n", "broken"},
	    {"\r\n", "broken"},
	    {"\n", "broken"},
	    {"END\n", "broken"},
	    {"VALUE a 0 2\nhi\r\nEND\r\n", "broken"},
	    {"VALUE a 0 2\r\nhi\nEND\r\n", "broken"},
	    {"VALUE a 0 2\r\nhixEND\r\n", "broken"},
	    {"VALUE a 0 1\r\nhi\r\nEND\r\n", "broken"},
	    {"VALUE a 0 3\r\nhi\r\nEND\r\n", "broken"},
	    /* Numbers that are none. */
	    {"VALUE a 0 -1\r\nhi\r\nEND\r\n", "broken"},
	    {"VALUE a 0 18446744073709551615\r\nhi\r\nEND\r\n", "broken"},
	    {"VALUE a 0 99999999999999999999999\r\nhi\r\nEND\r\n", "broken"},
	    {"VALUE a 0 67108865\r\nhi\r\nEND\r\n", "broken"},
	    {"VALUE a 0 \r\nhi\r\nEND\r\n", "broken"},
	    {"VALUE a 0\r\nhi\r\nEND\r\n", "broken"},
	    {"VALUE a\r\nhi\r\nEND\r\n", "broken"},
	    {"VALUE \r\nhi\r\nEND\r\n", "broken"},
	    {"VALUE a x 2\r\nhi\r\nEND\r\n", "broken"},
	    {"VALUE a 4294967296 2\r\nhi\r\nEND\r\n", "broken"},
	    {"VALUE a  0 2\r\nhi\r\nEND\r\n", "broken"},
	    {"VALUE a 0 2 77\r\nhi\r\nEND\r\n", "broken"},
	    /* Lines without an end. */
	    {"VALUE " ENDLESS " 0 2\r\nhi\r\nEND\r\n", "broken"},
	    {ENDLESS, "broken"},
	    /* The beginning of an answer. */
	    {"VALUE a 0 2\r\nhi\r\nEN", "more"},
	    {"VALUE a 0 2\r\nh", "more"},
	    {"VALUE a 0 67108864\r\nhi\r\n", "more"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span text = span_str(cases[i].text);

		for (size_t piece = 1; piece <= text.n; piece++) {
			struct buf got;

			buf_init(&got, 4096);
			read_answer(text, piece, &got);
			if (strcmp(buf_text(&got), cases[i].expected) != 0)
				fail_msg("%s in pieces of %zu: %s", cases[i].text, piece,
				    buf_text(&got));
			buf_free(&got);
		}
	}
}

/* An octet behind the end is no part of this answer, and would be taken for the next one's. */
static void
more_than_the_answer(void **state)
{
	static const char text[] = "VALUE a 0 1\r\nx\r\nEND\r\nEND\r\n";
	struct buf got;

	(void)state;
	buf_init(&got, 100);
	read_answer(span_of(text, sizeof(text) - 1), sizeof(text), &got);
	assert_string_equal(buf_text(&got), "broken");
	buf_free(&got);
}

static void
names(void **state)
{
	char name[MCNAME_MAX + 1];

	(void)state;
	memset(name, 'n', sizeof(name));
	assert_true(mcname_ok(span_of(name, MCNAME_MAX)));
	assert_false(mcname_ok(span_of(name, MCNAME_MAX + 1)));
	assert_false(mcname_ok(SPAN_EMPTY));
	assert_false(mcname_ok(span_str("a b")));
	assert_false(mcname_ok(span_str("a\r\nflush_all\r\n")));
	assert_false(mcname_ok(span_of("a\0b", 3)));
	assert_false(mcname_ok(span_str("a\x7f")));
	assert_true(mcname_ok(span_str("a:B@%\xc3\xa9!")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(accepted),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(answers),
	    cmocka_unit_test(more_than_the_answer),
	    cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
