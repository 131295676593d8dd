/*
 * fuzz_bulk.c - lines of POST /v1/bulk, on a store of a few rows into which nothing is written: the
 * first octet says in which pieces they come, which must not matter; each line has one result, in
 * its order, and the summary counts them.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "admin-api/bulk.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "tests/lib/operation_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct operation_world *world;

static void
end(void)
{
	operation_world_end(world);
}

static void
begin(void)
{
	log_threshold(LOG_LEVEL_ERROR);
	world = operation_world_begin();
	world->pretend = true;
	world->admin.records = true;
	world->admin.authority.resolvers = "/dev/null";
	atexit(end);
}

/* An empty rest behind the last newline is no line. */
static json_int_t
lines_of(struct span text)
{
	json_int_t count = 0;

	for (size_t i = 0; i < text.n; i++)
		count += text.p[i] == '\n';
	return count + (text.n > 0 && text.p[text.n - 1] != '\n');
}

static void
run(struct span text, size_t piece, struct buf *out)
{
	const struct operation_caller caller = {
	    .actor = "fuzz", .method = "peer", .source = "", .scopes = SCOPES_ALL};
	struct bulk *bulk = bulk_new(&world->admin, SPAN_LIT("fuzz"), SPAN_LIT("key"), false);

	while (text.n > 0) {
		struct span now = span_sub(text, 0, piece);

		bulk_take(bulk, &caller, now);
		text = span_from(text, now.n);
	}
	bulk_end(bulk, &caller);
	buf_init(out, 1U << 26);
	bulk_results(bulk, out);
	bulk_free(bulk);
}

static json_int_t
number(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		abort();
	return json_integer_value(value);
}

static void
check_summary(const json_t *summary, json_int_t lines, json_int_t told)
{
	json_int_t left = number(summary, "results_left"), not_run = number(summary, "not_run");

	if (number(summary, "lines") != lines || told + left + not_run != lines)
		abort();
	if (number(summary, "done") + number(summary, "replayed") + number(summary, "failed") +
		not_run !=
	    lines)
		abort();
}

/* Results stand for the lines 1, 2, ... without a gap; the summary is the last one. */
static void
check(struct span results, json_int_t lines)
{
	json_int_t told = 0;
	bool ended = false;
	struct span line;

	while (results.n > 0) {
		size_t at = span_find(results, '\n');
		json_t *object, *summary;

		if (at == SIZE_MAX || ended)
			abort();
		line = span_of(results.p, at);
		results = span_from(results, at + 1);
		object = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, NULL);
		summary = json_object_get(object, "summary");
		ended = summary != NULL;
		if (ended) {
			check_summary(summary, lines, told);
		} else {
			if (number(object, "line") != told + 1 || number(object, "count") < 1)
				abort();
			told += number(object, "count");
		}
		json_decref(object);
	}
	if (!ended)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = {1, 2, 3, 7, 64, 1000, 4096, 65536};
	struct buf whole, cut;
	struct span text;

	if (size == 0)
		return 0;
	if (world == NULL)
		begin();
	text = span_of(data + 1, size - 1);
	run(text, SIZE_MAX, &whole);
	check(buf_span(&whole), lines_of(text));
	run(text, pieces[data[0] % (sizeof(pieces) / sizeof(pieces[0]))], &cut);
	if (!span_eq(buf_span(&whole), buf_span(&cut)))
		abort();
	buf_free(&whole);
	buf_free(&cut);
	return 0;
}
