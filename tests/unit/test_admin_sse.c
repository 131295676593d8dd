/*
 * test_admin_sse.c - text/event-stream in any pieces: what is an event, and up to where all was
 * taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants those first. */
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tools/admin_sse.h"

struct heard {
	char text[2000];
	bool full; /* nothing more is wanted */
};

static bool
take(void *context, struct span data, const char *id)
{
	struct heard *heard = context;
	size_t n = strlen(heard->text);

	if (heard->full)
		return false;
	snprintf(heard->text + n, sizeof(heard->text) - n, "[%s %.*s]", id, SPAN_ARG(data));
	return true;
}

static bool
hear(const char *text, size_t piece, const char *events, const char *id)
{
	struct heard heard = {.full = false};
	struct span rest = span_str(text);
	struct admin_sse sse;
	bool good = true;

	admin_sse_init(&sse, take, &heard);
	while (good && rest.n > 0) {
		size_t n = rest.n < piece ? rest.n : piece;

		good = admin_sse_take(&sse, span_of(rest.p, n));
		rest = span_from(rest, n);
	}
	assert_string_equal(heard.text, events);
	assert_string_equal(sse.id, id);
	admin_sse_free(&sse);
	return good;
}

static void
test_events(void **state)
{
	static const struct {
		const char *text, *events, *id;
	} cases[] = {
	    {"event: a\nid: 1.0\ndata: {}\n\n", "[1.0 {}]", "1.0"},
	    {"data: a\r\nid: 2\r\n\r\n", "[2 a]", "2"},
	    {"data: a\ndata:b\ndata\n\n", "[ a\nb\n]", ""},
	    {": \nid: 7\n\ndata: x\n\n", "[ x]", "7"},
	    {"id: 1\ndata: a\n\nid: 2\ndata: b\n", "[1 a]", "1"},
	    {"id: 1\ndata: a\n\nid: 2\n", "[1 a]", "1"},
	    {"retry: 1\nfrob: 2\nfrob\n\n\n\n", "", ""},
	    {"", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t piece = 1; piece < 40; piece++)
			assert_true(hear(cases[i].text, piece, cases[i].events, cases[i].id));
}

static void
test_what_is_none(void **state)
{
	static char large[ADMIN_EVENT_DATA_MAX + 100];
	char id[ADMIN_EVENT_ID_MAX + 20];

	(void)state;
	assert_false(hear("id: a b\n\n", 100, "", ""));
	assert_false(hear("id: \x1b\n\n", 100, "", ""));
	snprintf(id, sizeof(id), "id: %0*d\n", (int)ADMIN_EVENT_ID_MAX + 1, 0);
	assert_false(hear(id, 100, "", ""));
	memset(large, 'x', sizeof(large) - 1);
	assert_false(hear(large, 4096, "", ""));
}

/* What take did not take is not behind whoever comes back. */
static void
test_what_was_not_taken(void **state)
{
	struct heard heard = {.full = false};
	struct admin_sse sse;

	(void)state;
	admin_sse_init(&sse, take, &heard);
	assert_true(admin_sse_take(&sse, SPAN_LIT("id: 1\ndata: a\n\nid: 2\ndata: b")));
	heard.full = true;
	assert_false(admin_sse_take(&sse, SPAN_LIT("\n\n")));
	assert_string_equal(sse.id, "1");
	admin_sse_again(&sse);
	heard.full = false;
	assert_true(admin_sse_take(&sse, SPAN_LIT("id: 2\ndata: b\n\n")));
	assert_string_equal(heard.text, "[1 a][2 b]");
	assert_string_equal(sse.id, "2");
	admin_sse_free(&sse);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_events),
	    cmocka_unit_test(test_what_is_none),
	    cmocka_unit_test(test_what_was_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
