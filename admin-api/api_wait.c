/*
 * api_wait.c - "Prefer: wait=10" (RFC 7240): an answer about something that runs is held until it
 * ends.
 * Called by api.c when all else is done. It must never hold more threads than API_WAITS_MAX, nor
 * one that is to stop: an answer without the preference is as good.
 */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "admin-api/api_private.h"
#include "lib/base/clock.h"

#define LOOK_MS 200 /* from one look to the next, and LOOK_TIMES what it took */
#define LOOK_TIMES 9

/* "wait=10" among preferences with commas between them, of which the first one counts. */
unsigned
api_prefer_wait(struct span value)
{
	struct span part, name, rest;
	uint64_t seconds;

	while (value.n > 0) {
		(void)span_cut(&value, ',', &part);
		(void)span_cut(&part, ';', &rest);
		if (!span_cut(&rest, '=', &name) || !span_ieq_str(span_trim(name), "wait"))
			continue;
		rest = span_trim(rest);
		if (rest.n >= 2 && rest.p[0] == '"' && rest.p[rest.n - 1] == '"')
			rest = span_sub(rest, 1, rest.n - 2);
		if (!span_number(rest, INT32_MAX, &seconds))
			return 0;
		return seconds < API_WAIT_MAX_S ? (unsigned)seconds : API_WAIT_MAX_S;
	}
	return 0;
}

/* The operation that the answer is about: of 202 its Location, of a GET the path. "": none. */
static void
find_operation(const struct api_call *call, char *out, size_t room)
{
	static const char field[] = "Location: " API_OPERATIONS;
	struct span rest = buf_span(&call->response->fields), line;

	out[0] = '\0';
	if (call->response->status == 200 && call->operation != NULL &&
	    strcmp(call->operation, "operation.show") == 0)
		snprintf(out, room, "%s", call->match.values[0]);
	while (call->response->status == 202 && out[0] == '\0' && rest.n > 0) {
		(void)span_cut(&rest, '\n', &line);
		line = span_trim(line);
		if (span_starts(line, span_str(field)))
			snprintf(out, room, "%.*s", SPAN_ARG(span_from(line, sizeof(field) - 1)));
	}
}

static void
rest(int64_t ms, int64_t until_ms)
{
	int64_t left_ms = until_ms - clock_mono_ms();

	if (ms > left_ms)
		ms = left_ms;
	if (ms > 0)
		poll(NULL, 0, (int)ms);
}

/* Looks until it has ended: true, and *answer_out; or until there is no time. */
static bool
wait_for_end(struct api_call *call, const char *operation, int64_t until_ms, json_t **answer_out)
{
	bool ended = false, again = true;

	*answer_out = NULL;
	while (again && !ended) {
		json_t *arguments = json_pack("{s:s}", "operation", operation);
		int64_t began_ms = clock_mono_ms();
		enum operation_code code;

		json_decref(*answer_out);
		code = api_run_again(call, "operation.show", arguments, answer_out);
		ended = code == OPERATION_OK &&
			!json_is_integer(
			    json_object_get(json_object_get(*answer_out, "result"), "retry_after"));
		again = code == OPERATION_OK && clock_mono_ms() < until_ms &&
			!http_server_stops(atomic_load(&call->api->server));
		if (again && !ended)
			rest(LOOK_MS + LOOK_TIMES * (clock_mono_ms() - began_ms), until_ms);
	}
	return ended;
}

static void
answer_ended(struct api_call *call, const char *operation, json_t *answer)
{
	struct buf *fields = &call->response->fields;

	buf_reset(fields);
	buf_reset(&call->response->body);
	api_answer(call, OPERATION_OK, answer, 200, false);
	if (call->operation != NULL && strcmp(call->operation, "operation.show") != 0)
		buf_add_fmt(fields, "Content-Location: " API_OPERATIONS "%s\r\n", operation);
}

void
api_wait(struct api_call *call)
{
	bool found;
	unsigned wait_s = api_prefer_wait(http_field_find(call->request, "Prefer", &found));
	char operation[ROUTE_PART_MAX + 1];
	json_t *answer = NULL;

	if (wait_s == 0 || call->dry_run || call->lines || call->response->source != NULL)
		return;
	find_operation(call, operation, sizeof(operation));
	if (operation[0] == '\0')
		return;
	if (atomic_fetch_add(&call->api->waits, 1) < API_WAITS_MAX) {
		if (wait_for_end(
			call, operation, clock_mono_ms() + wait_s * INT64_C(1000), &answer))
			answer_ended(call, operation, answer);
		buf_add_fmt(&call->response->fields, "Preference-Applied: wait=%u\r\n", wait_s);
		json_decref(answer);
	}
	atomic_fetch_sub(&call->api->waits, 1);
}
