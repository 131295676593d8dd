/*
 * admin_operations.c - what was begun and has not ended: rotations of a domain by the names of
 * their operations, and waiting until one has ended.
 * Called by admin.c. It must never take one that cannot be asked for now for one that has ended.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "tools/admin.h"

#define PAUSE_MAX_S 10

/* The exit status of an answer that is no refusal is left to the caller. NULL: said, *exit_code. */
static json_t *
ask_once(struct admin_client *client, const char *program, const struct admin_request *given,
    const json_t *request, int *exit_code)
{
	json_t *answer = admin_ask(client, request);

	if (answer == NULL) {
		*exit_code = EX_UNAVAILABLE;
		return NULL;
	}
	if (json_is_true(json_object_get(answer, "ok")))
		return answer;
	*exit_code = admin_show_refusal(program, answer);
	if (given->json)
		admin_print_json(answer);
	json_decref(answer);
	return NULL;
}

/* ---- list ---- */

/* As admin-api/operation_id.h has the name of a rotation. */
static void
add_operation(json_t *rotation)
{
	const char *domain = json_string_value(json_object_get(rotation, "domain"));
	const char *name = json_string_value(json_object_get(rotation, "rotation"));

	if (domain != NULL && name != NULL)
		json_object_set_new(
		    rotation, "operation", json_sprintf("rotation~%s~%s", domain, name));
}

int
admin_operations_list(struct admin_client *client, const char *program,
    const struct admin_request *given, json_t *request)
{
	int exit_code = EX_OK;
	json_t *answer = ask_once(client, program, given, request, &exit_code), *list, *row;
	size_t i;

	if (answer == NULL)
		return exit_code;
	list = json_object_get(json_object_get(answer, "result"), "rotations");
	json_array_foreach(list, i, row) add_operation(row);
	if (given->json)
		admin_print_json(answer);
	else
		admin_show_list("operations", list, true);
	json_decref(answer);
	return EX_OK;
}

/* ---- wait ---- */

static const char *
state_of(const json_t *answer)
{
	const char *state =
	    json_string_value(json_object_get(json_object_get(answer, "result"), "state"));

	return state == NULL ? "" : state;
}

/* As long as the daemon says, but not so long that an end is noticed late. */
static void
pause_for(const json_t *answer, int64_t left_ms)
{
	json_int_t wait_s =
	    json_integer_value(json_object_get(json_object_get(answer, "result"), "retry_after"));
	int64_t wait_ms = (wait_s < 1 ? 1 : wait_s > PAUSE_MAX_S ? PAUSE_MAX_S : wait_s) * 1000;

	if (wait_ms > left_ms)
		wait_ms = left_ms;
	for (int64_t i = 0; i < wait_ms; i += 500)
		usleep((useconds_t)(wait_ms - i < 500 ? wait_ms - i : 500) * 1000);
}

static int
show_end(const char *program, const struct admin_request *given, const json_t *answer)
{
	const char *state = state_of(answer);

	if (given->json)
		admin_print_json(answer);
	else
		admin_show_result(program, json_object_get(answer, "result"));
	if (strcmp(state, "running") == 0) {
		cli_say(program, "it has not ended yet");
		return EX_TEMPFAIL;
	}
	return strcmp(state, "done") == 0 ? EX_OK : 1;
}

int
admin_operations_wait(struct admin_client *client, const char *program,
    const struct admin_request *given, json_t *request)
{
	json_t *arguments = json_object_get(request, "arguments"), *answer = NULL;
	const json_t *timeout = json_object_get(arguments, "timeout");
	json_int_t wait_s = json_integer_value(timeout);
	int64_t until_ms = INT64_MAX, now_ms = clock_mono_ms();
	int exit_code = EX_OK;

	if (timeout != NULL && wait_s < INT32_MAX)
		until_ms = now_ms + wait_s * 1000;
	json_object_del(arguments, "timeout");
	for (;;) {
		answer = ask_once(client, program, given, request, &exit_code);
		now_ms = clock_mono_ms();
		if (answer == NULL || strcmp(state_of(answer), "running") != 0 ||
		    now_ms >= until_ms)
			break;
		pause_for(answer, until_ms - now_ms);
		json_decref(answer);
	}
	if (answer != NULL)
		exit_code = show_end(program, given, answer);
	json_decref(answer);
	return exit_code;
}
