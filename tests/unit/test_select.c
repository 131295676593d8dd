/*
 * test_select.c - which header fields are signed, in which order: SignHeaders, OmitHeaders,
 * OverSignHeaders, and several fields of one name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dkim/select.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

struct fixture {
	struct arena arena;
	struct header_list list;
	struct header_selection selection;
};

static void
load(struct fixture *f, const char *text)
{
	struct err err = ERR_NONE;
	size_t body;

	arena_init(&f->arena, 4000000);
	assert_int_equal(header_list_init(&f->list, &f->arena, HEADER_BYTES_DEFAULT), ST_OK);
	assert_int_equal(header_block_parse(span_str(text), &f->list, &body, &err), ST_OK);
}

/* Which names, and which fields in hashing order (their values). */
static void
check(const struct header_policy_config *config, const char *text, const char *names,
    const char *canonical)
{
	struct header_policy *policy;
	struct fixture f;
	struct err err = ERR_NONE;
	struct buf out;

	assert_int_equal(header_policy_new(config, &policy, &err), ST_OK);
	load(&f, text);
	assert_int_equal(header_policy_select(policy, &f.list, &f.arena, &f.selection), ST_OK);
	buf_init(&out, 100000);
	header_selection_names(&f.selection, &out);
	assert_string_equal(buf_text(&out), names);
	buf_reset(&out);
	header_selection_canon(&f.selection, &f.list, CANON_RELAXED, &out);
	assert_string_equal(buf_text(&out), canonical);
	buf_free(&out);
	arena_free(&f.arena);
	header_policy_free(policy);
}

static void
test_defaults(void **state)
{
	const struct header_policy_config none = {NULL, NULL, NULL};

	(void)state;
	check(&none,
	    "Received: r\nReturn-Path: p\nDate: d\nFROM: f\nComments: c\nKeywords: k\nMessage-ID: "
	    "m\n"
	    "Subject: s\nTo: t\nCc: c\nReply-To: r\nResent-From: rf\nX-Other: x\nList-Id: l\n"
	    "MIME-Version: 1\nContent-Type: c\nIn-Reply-To: i\nReferences: r\n",
	    "Date:FROM:Subject:To:Cc:Reply-To:Resent-From:List-Id:In-Reply-To:References",
	    "date:d\r\nfrom:f\r\nsubject:s\r\nto:t\r\ncc:c\r\nreply-to:r\r\nresent-from:rf\r\n"
	    "list-id:l\r\nin-reply-to:i\r\nreferences:r\r\n");
	check(&none, "X: y\n", "", "");
}

static void
test_duplicates_bottom_up(void **state)
{
	const struct header_policy_config none = {NULL, NULL, NULL};
	const struct header_policy_config received = {LIST("Received", "To"), LIST("X-None"), NULL};

	(void)state;
	check(&received,
	    "Received: 1\nFrom: f\nreceived: 2\nTo: a\nRECEIVED: 3\nTO: b\nReceived: 4\n",
	    "Received:From:received:To:RECEIVED:TO:Received",
	    "received:4\r\nfrom:f\r\nreceived:3\r\nto:b\r\nreceived:2\r\nto:a\r\nreceived:1\r\n");
	check(&received, "Received: 1\nReceived: 2\nReceived: 3\nFrom: f\n",
	    "Received:Received:Received:From",
	    "received:3\r\nreceived:2\r\nreceived:1\r\nfrom:f\r\n");
	check(&none, "From: 1\nFrom: 2\n", "From:From", "from:2\r\nfrom:1\r\n");
	check(&none, "From : 1\nFrom: 2\n", "From:From", "from:2\r\nfrom:1\r\n");
}

static void
test_oversign(void **state)
{
	const struct header_policy_config over = {
	    NULL, NULL, LIST("From", "X-Extra", "Comments", "subject")};

	(void)state;
	check(&over, "From: f\nTo: t\n", "From:To:From:X-Extra:Comments:subject",
	    "from:f\r\nto:t\r\n");
	/* present n times: once more all the same; present but not listed: signed */
	check(&over, "From: f\nX-Extra: 1\nComments: c\nX-Extra: 2\nTo: t\n",
	    "From:X-Extra:Comments:X-Extra:To:From:X-Extra:Comments:subject",
	    "from:f\r\nx-extra:2\r\ncomments:c\r\nx-extra:1\r\nto:t\r\n");
}

static void
test_lists(void **state)
{
	static const char text[] =
	    "From: f\nX-Spam: 1\nX-Spam-Score: 2\nSubject: s\nTo: t\nDate: d\n";
	const struct header_policy_config only = {LIST("subject"), NULL, NULL};
	const struct header_policy_config wild = {LIST("X-*", "t*"), LIST("*-Score"), NULL};
	const struct header_policy_config delta = {
	    LIST("Ignored", "*", "+X-Spam", "-subject", "-X-Spam"), NULL, NULL};
	const struct header_policy_config omit_delta = {
	    LIST("*", "+Comments", "+Received"), LIST("*", "-comments"), NULL};
	const struct header_policy_config literal = {LIST("+X-Spam", "-Subject"), NULL, NULL};
	const struct header_policy_config empty = {(const char *const[]){NULL}, NULL, NULL};
	const struct header_policy_config no_from = {LIST("To"), LIST("From", "f*"), NULL};

	(void)state;
	check(&only, text, "From:Subject", "from:f\r\nsubject:s\r\n");
	check(&wild, text, "From:X-Spam:To", "from:f\r\nx-spam:1\r\nto:t\r\n");
	check(&delta, text, "From:X-Spam:To:Date", "from:f\r\nx-spam:1\r\nto:t\r\ndate:d\r\n");
	check(&omit_delta, "From: f\nComments: c\nReceived: r\n", "From:Comments",
	    "from:f\r\ncomments:c\r\n");
	check(&literal, text, "From", "from:f\r\n");
	check(&empty, text, "From", "from:f\r\n");
	check(&no_from, text, "From:To", "from:f\r\nto:t\r\n");
}

static void
test_unusable_names(void **state)
{
	const struct header_policy_config all = {LIST("**"), LIST("X-None"), NULL};

	(void)state;
	check(&all, "From: f\nX;y: 1\nX y: 2\nX\x80: 3\nZ: 4\n", "From:Z", "from:f\r\nz:4\r\n");
}

static void
test_bad_lists(void **state)
{
	static const char *const bad[] = {"", "a b", "a:b", "a;b", "a\x01", "\xc3\xa4"};
	struct header_policy *policy;
	struct err err = ERR_NONE;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		for (unsigned which = 0; which < 3; which++) {
			const char *const list[] = {"To", bad[i], NULL};
			struct header_policy_config config = {which == 0 ? list : NULL,
			    which == 1 ? list : NULL, which == 2 ? list : NULL};

			err.text[0] = '\0';
			assert_int_equal(header_policy_new(&config, &policy, &err), ST_INVALID);
			assert_null(policy);
			assert_true(err.text[0] != '\0');
		}
}

static void
test_ignored(void **state)
{
	const struct header_policy_config config = {LIST("*", "Foo", "+Bar", "Baz"), NULL, NULL};
	struct header_policy *policy;

	(void)state;
	assert_int_equal(header_policy_new(&config, &policy, NULL), ST_OK);
	assert_int_equal(header_policy_ignored(policy), 2);
	header_policy_free(policy);
}

static void
test_header_list(void **state)
{
	struct arena arena;
	struct header_list list;

	(void)state;
	arena_init(&arena, 100000);
	assert_int_equal(header_list_init(&list, &arena, 50), ST_OK);
	assert_int_equal(
	    header_list_add(&list, SPAN_LIT("A"), SPAN_LIT("x\n y\r\n\tz"), false), ST_OK);
	assert_true(span_eq_str(list.fields[0].value, " x\r\n y\r\n\tz"));
	assert_int_equal(list.bytes, 1 + 10 + 3);
	assert_int_equal(header_list_add(&list, SPAN_LIT("b"), SPAN_LIT("  \n"), true), ST_OK);
	assert_true(span_eq_str(list.fields[1].value, "  \r\n"));
	assert_int_equal(header_list_add(&list, SPAN_LIT("B"), SPAN_EMPTY, true), ST_OK);
	assert_int_equal(list.fields[2].value.n, 0);
	assert_ptr_equal(header_list_find(&list, SPAN_LIT("B")), &list.fields[1]);
	assert_null(header_list_find(&list, SPAN_LIT("C")));
	assert_int_equal(header_list_count(&list, SPAN_LIT("b")), 2);
	assert_int_equal(
	    header_list_add(&list, SPAN_LIT("C"), SPAN_LIT("012345678901234567890123"), true),
	    ST_TOO_BIG);
	assert_int_equal(header_list_add(&list, SPAN_LIT("C:"), SPAN_LIT("x"), true), ST_INVALID);
	assert_int_equal(header_list_add(&list, SPAN_LIT(" A"), SPAN_LIT("x"), true), ST_INVALID);
	assert_int_equal(header_list_add(&list, SPAN_LIT(" "), SPAN_LIT("x"), true), ST_INVALID);
	assert_int_equal(header_list_add(&list, SPAN_LIT("C\n"), SPAN_LIT("x"), true), ST_INVALID);
	assert_int_equal(list.count, 3);
	arena_free(&arena);
}

static void
test_many_fields(void **state)
{
	const struct header_policy_config config = {LIST("X-*"), NULL, NULL};
	struct header_policy *policy;
	struct fixture f;

	(void)state;
	load(&f, "From: x\n");
	for (size_t i = 1; i < HEADER_FIELDS_MAX; i++)
		assert_int_equal(
		    header_list_add(&f.list, SPAN_LIT("X-A"), SPAN_LIT(" v"), true), ST_OK);
	assert_int_equal(
	    header_list_add(&f.list, SPAN_LIT("X-A"), SPAN_LIT(" v"), true), ST_TOO_BIG);
	assert_int_equal(header_policy_new(&config, &policy, NULL), ST_OK);
	assert_int_equal(header_policy_select(policy, &f.list, &f.arena, &f.selection), ST_OK);
	assert_int_equal(f.selection.index_count, HEADER_FIELDS_MAX);
	for (size_t i = 1; i < HEADER_FIELDS_MAX; i++)
		assert_int_equal(f.selection.indices[i], HEADER_FIELDS_MAX - i);
	header_policy_free(policy);
	arena_free(&f.arena);
}

static void
test_block(void **state)
{
	static const struct {
		const char *text;
		enum status st;
		size_t count, body;
	} table[] = {
	    {"", ST_OK, 0, 0},
	    {"\n", ST_OK, 0, 1},
	    {"\r\nb", ST_OK, 0, 2},
	    {"A: b", ST_OK, 1, 4},
	    {"A: b\r\n", ST_OK, 1, 6},
	    {"A: b\r\n\r\nbody", ST_OK, 1, 8},
	    {"A: b\n\nbody", ST_OK, 1, 6},
	    {"A: b\n c\n\td\nE:f\n\nbody", ST_OK, 2, 16},
	    {"From joe Mon\nA: b\n\n", ST_OK, 1, 19},
	    {"A: b\n\r\nx", ST_OK, 1, 7},
	    {"A: b\nno field\n", ST_INVALID, 1, 0},
	    {" A: b\n", ST_INVALID, 0, 0},
	    {": b\n", ST_INVALID, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct arena arena;
		struct header_list list;
		struct err err = ERR_NONE;
		size_t body;

		arena_init(&arena, 100000);
		assert_int_equal(header_list_init(&list, &arena, 1000), ST_OK);
		assert_int_equal(
		    header_block_parse(span_str(table[i].text), &list, &body, &err), table[i].st);
		assert_int_equal(list.count, table[i].count);
		if (table[i].st == ST_OK)
			assert_int_equal(body, table[i].body);
		arena_free(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_duplicates_bottom_up),
	    cmocka_unit_test(test_oversign),
	    cmocka_unit_test(test_lists),
	    cmocka_unit_test(test_unusable_names),
	    cmocka_unit_test(test_bad_lists),
	    cmocka_unit_test(test_ignored),
	    cmocka_unit_test(test_header_list),
	    cmocka_unit_test(test_many_fields),
	    cmocka_unit_test(test_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
