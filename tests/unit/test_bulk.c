/*
 * test_bulk.c - bulk.h: lines that come in pieces, results, what is done twice, a store that does
 * not answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin-api/bulk.h"
#include "admin-api/operation_call.h"
#include "lib/base/mem.h"
#include "tests/lib/operation_world.h"

#define ADD(name)                                                                                  \
	"{\"operation\":\"domain.add\",\"arguments\":{\"domain\":\"" name                          \
	"\",\"tenant\":\"acme\"}}\n"
#define ROTATE                                                                                     \
	"{\"operation\":\"rotate\",\"arguments\":{\"domain\":\"example.org\",\"reason\":\"r\"}}\n"
#define SUMMARY "{\"summary\":{\"lines\":%d,\"done\":%d,\"replayed\":%d,\"failed\":%d,"

static int
begin(void **state)
{
	struct operation_world *world = operation_world_begin();

	world->admin.records = true;
	*state = world;
	return 0;
}

static int
end(void **state)
{
	operation_world_end(*state);
	return 0;
}

/* The results of a text that comes in pieces of so many octets. */
static const char *
run(struct operation_world *world, const char *text, size_t piece, const char *key, bool dry_run)
{
	static char out[1 << 20];
	struct bulk *bulk = bulk_new(&world->admin, SPAN_LIT("test"), span_str(key), dry_run);
	struct span rest = span_str(text);
	struct buf buf;

	while (rest.n > 0) {
		struct span now = span_sub(rest, 0, piece);

		bulk_take(bulk, &world->caller, now);
		rest = span_from(rest, now.n);
	}
	bulk_end(bulk, &world->caller);
	buf_init(&buf, sizeof(out) - 1);
	bulk_results(bulk, &buf);
	assert_int_equal(buf_status(&buf), ST_OK);
	memcpy(out, buf_text(&buf), buf.n + 1);
	buf_free(&buf);
	bulk_free(bulk);
	return out;
}

static void
assert_sum(const char *results, int lines, int done, int replayed, int failed)
{
	char want[200];

	snprintf(want, sizeof(want), SUMMARY, lines, done, replayed, failed);
	if (strstr(results, want) == NULL)
		fail_msg("not %s in %s", want, results);
}

static void
test_pieces(void **state)
{
	static const size_t pieces[] = {1, 2, 7, 64, 1000};
	struct operation_world *world = *state;

	assert_string_equal(run(world, "", 1, "k", false),
	    "{\"summary\":{\"lines\":0,\"done\":0,\"replayed\":0,\"failed\":0,\"not_run\":0,"
	    "\"results_left\":0,\"complete\":true,\"dry_run\":false}}\n");
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		const char *out =
		    run(world, ADD("a.test") ADD("b.test") "\n" ADD("A.test") ADD("c.test"),
			pieces[i], "k", false);

		assert_sum(out, 5, i == 0 ? 3 : 0, i == 0 ? 1 : 4, 1);
		assert_non_null(strstr(out, "{\"line\":3,\"count\":1,\"ok\":false,\"code\":"
					    "\"validation\",\"detail\":\"the line is no JSON"));
	}
}

/* The rows are added, and their first look is due, in two transactions for all of them. */
static void
test_batches(void **state)
{
	struct operation_world *world = *state;
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	struct buf text;

	buf_init(&text, 1U << 20);
	for (int i = 0; i < 800; i++)
		buf_add_fmt(&text,
		    "{\"operation\":\"domain.add\",\"arguments\":{\"domain\":\"d%d.test\","
		    "\"tenant\":\"acme\",\"policy\":\"std\"}}\n",
		    i);
	assert_sum(run(world, buf_text(&text), 65536, "k", true), 800, 800, 0, 0);
	assert_int_equal(world->applied, 0);
	assert_sum(run(world, buf_text(&text), 65536, "k", false), 800, 800, 0, 0);
	assert_int_equal(world->applied, 4);
	assert_int_equal(
	    world->admin.store->ops->due(world->admin.store, INT64_MAX, 1000, &rows, &err), ST_OK);
	assert_int_equal(rows->domain_count, 800);
	keystore_rows_release(rows);
	assert_string_equal(run(world, buf_text(&text), 65536, "k", false),
	    "{\"line\":1,\"count\":800,\"ok\":true,\"code\":\"ok\",\"replayed\":true}\n"
	    "{\"summary\":{\"lines\":800,\"done\":0,\"replayed\":800,\"failed\":0,\"not_run\":0,"
	    "\"results_left\":0,\"complete\":true,\"dry_run\":false}}\n");
	assert_int_equal(world->applied, 4);
	buf_free(&text);
}

/* Somebody was faster with one of them: all are looked at again; at last each by itself. */
static void
test_faster(void **state)
{
	struct operation_world *world = *state;

	world->deny = 1;
	assert_sum(run(world, ADD("a.test") ADD("b.test"), 99, "k", false), 2, 2, 0, 0);
	assert_int_equal(world->applied, 3);
	assert_sum(run(world, ADD("a.test") ADD("b.test"), 99, "k", false), 2, 0, 2, 0);
	world->deny = 8;
	assert_sum(run(world, ADD("c.test") ADD("d.test"), 99, "k", false), 2, 2, 0, 0);
	assert_sum(run(world, ADD("a.test") ADD("b.test"), 99, "k", false), 2, 0, 2, 0);
}

static void
test_done_once(void **state)
{
	struct operation_world *world = *state;

	assert_sum(run(world, ADD("a.test") ROTATE, 99, "k", false), 2, 2, 0, 0);
	assert_sum(run(world, ADD("a.test") ROTATE, 99, "k", false), 2, 0, 2, 0);
	assert_non_null(strstr(run(world,
				   ADD("a.test") "{\"operation\":\"rotate\",\"arguments\":{"
						 "\"domain\":\"x\",\"reason\":\"r\"}}\n",
				   99, "k", false),
	    "Idempotency-Key"));
}

static void
test_no_store(void **state)
{
	struct operation_world *world = *state;
	const char *out;

	world->answer = ST_UNAVAILABLE;
	out = run(world, ADD("a.test") ADD("b.test") "{\n" ROTATE, 99, "k", false);
	assert_sum(out, 4, 0, 0, 0);
	assert_non_null(strstr(out, "\"not_run\":4,\"results_left\":0,\"complete\":false"));
	assert_non_null(strstr(out, "\"code\":\"store-unavailable\",\"detail\":\""));
	world->answer = ST_OK;
	assert_sum(run(world, ADD("a.test") ADD("b.test"), 99, "k", false), 2, 2, 0, 0);
}

static void
test_long_lines(void **state)
{
	struct operation_world *world = *state;
	char *text = mem_zalloc(1, 3 * BULK_LINE_MAX);
	const size_t sizes[] = {
	    BULK_LINE_MAX - 1, BULK_LINE_MAX, BULK_LINE_MAX + 1, 2 * BULK_LINE_MAX};

	for (size_t i = 0; i < 4; i++)
		for (size_t piece = 1000; piece <= 1000000; piece *= 1000) {
			const char *out;

			memset(text, ' ', sizes[i]);
			memcpy(text, ADD("a.test"), strlen(ADD("a.test")) - 1);
			strcpy(text + sizes[i], "\n" ADD("b.test"));
			out = run(world, text, piece, "k", true);
			assert_sum(out, 2, i < 2 ? 2 : 1, 0, i < 2 ? 0 : 1);
		}
	mem_free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_pieces, begin, end),
	    cmocka_unit_test_setup_teardown(test_batches, begin, end),
	    cmocka_unit_test_setup_teardown(test_faster, begin, end),
	    cmocka_unit_test_setup_teardown(test_done_once, begin, end),
	    cmocka_unit_test_setup_teardown(test_no_store, begin, end),
	    cmocka_unit_test_setup_teardown(test_long_lines, begin, end),
	};

	operations_begin();
	return cmocka_run_group_tests_name("bulk", tests, NULL, NULL);
}
