/*
 * bulk_results.c - what came of each line, in little room: runs of the same result, and sentences
 * of the first failures.
 * Called by bulk.c. It must never grow with the number of lines beyond its limits, nor say of a
 * line what was another one's.
 */
#include "config.h"

#include "admin-api/bulk_private.h"
#include "lib/base/mem.h"

/* ---- keeping ---- */

static void
keep_detail(struct bulk_results *results, enum operation_code code, const json_t *answer)
{
	struct bulk_detail *detail = &results->details[results->detail_count];
	json_t *line;
	struct buf text;

	if (answer == NULL || results->detail_count == BULK_DETAILS_MAX)
		return;
	line = json_pack("{s:I, s:i, s:b, s:s, s:O*, s:O*}", "line", (json_int_t)results->lines,
	    "count", 1, "ok", 0, "code", operation_code_name(code), "detail",
	    json_object_get(answer, "detail"), "errors", json_object_get(answer, "errors"));
	buf_init(&text, BULK_RESULT_MAX);
	if (line != NULL && json_write(line, &text) == ST_OK) {
		*detail = (struct bulk_detail){
		    results->lines, mem_strndup(text.p == NULL ? "" : text.p, text.n)};
		results->detail_count++;
	}
	buf_free(&text);
	json_decref(line);
}

static void
add_run(struct bulk_results *results, enum operation_code code, bool replayed)
{
	struct bulk_run *last = results->count == 0 ? NULL : &results->runs[results->count - 1];

	/* A line without a result has no result behind it, either: they are told by counting. */
	if (results->left == 0 && last != NULL && last->code == code &&
	    last->replayed == replayed) {
		last->count++;
		return;
	}
	if (results->left > 0 || results->count == BULK_RUNS_MAX) {
		results->left++;
		return;
	}
	if (results->count == results->room) {
		results->room = results->room == 0 ? 64 : results->room * 2;
		results->runs = mem_resize(results->runs, results->room, sizeof(*results->runs));
	}
	results->runs[results->count++] = (struct bulk_run){1, code, replayed};
}

void
bulk_results_add(
    struct bulk_results *results, enum operation_code code, bool replayed, const json_t *answer)
{
	results->lines++;
	if (code != OPERATION_OK)
		results->failed++;
	else if (replayed)
		results->replayed++;
	else
		results->done++;
	if (code != OPERATION_OK)
		keep_detail(results, code, answer);
	add_run(results, code, replayed);
}

void
bulk_results_free(struct bulk_results *results)
{
	for (size_t i = 0; i < results->detail_count; i++)
		mem_free(results->details[i].text);
	mem_free(results->runs);
}

/* ---- telling ---- */

/* Lines of a run up to the next one that has a sentence of its own. */
static uint64_t
write_some(const struct bulk_results *results, const struct bulk_run *run, uint64_t line,
    uint64_t count, size_t *detail_at, struct buf *out)
{
	const struct bulk_detail *detail = &results->details[*detail_at];
	bool more = *detail_at < results->detail_count;

	if (more && detail->line == line) {
		buf_add_fmt(out, "%s\n", detail->text);
		(*detail_at)++;
		return 1;
	}
	if (more && detail->line - line < count)
		count = detail->line - line;
	buf_add_fmt(out, "{\"line\":%llu,\"count\":%llu,\"ok\":%s,\"code\":\"%s\"%s}\n",
	    (unsigned long long)line, (unsigned long long)count,
	    run->code == OPERATION_OK ? "true" : "false", operation_code_name(run->code),
	    run->replayed ? ",\"replayed\":true" : "");
	return count;
}

void
bulk_results_write(const struct bulk_results *results, struct buf *out)
{
	uint64_t line = 1;
	size_t detail_at = 0;

	for (size_t i = 0; i < results->count; i++) {
		const struct bulk_run *run = &results->runs[i];
		uint64_t done = 0;

		while (done < run->count)
			done += write_some(
			    results, run, line + done, run->count - done, &detail_at, out);
		line += run->count;
	}
}
