/*
 * admin_events.c - follows GET /v1/events: each event a line, for as long as somebody listens.
 * Called by admin.c. It must never leave an event out, nor show one twice: after a lost connection
 * it begins behind the last one that was printed.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "tools/admin_sse.h"
#include "tools/admin_transport.h"

#define QUIET_S 60 /* the daemon says that it is there four times in that */
#define PAUSE_MAX_S 30U

struct follower {
	const char *program;
	struct admin_sse sse;
	const json_t *arguments;
	bool json, heard; /* something came over this connection */
	bool closed;      /* nobody reads what is printed */
};

/* ---- one event ---- */

static void
add_member(struct buf *out, const char *name, const json_t *value)
{
	char number[24];

	if (json_is_null(value))
		return;
	buf_add_char(out, ' ');
	admin_add_safe(out, name);
	buf_add_char(out, '=');
	snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
	if (json_is_boolean(value))
		buf_add_str(out, json_is_true(value) ? "yes" : "no");
	else
		admin_add_safe(out, json_is_string(value) ? json_string_value(value) : number);
}

/* "2026-11-23T04:00:00Z key.activated domain=example.org selector=s1 ...". */
static void
print_line(const json_t *event)
{
	const char *at = json_string_value(json_object_get(event, "at")), *name;
	const char *type = json_string_value(json_object_get(event, "type"));
	struct buf text;
	json_t *value;

	buf_init(&text, 4 * ADMIN_EVENT_DATA_MAX + 1000);
	admin_add_safe(&text, at == NULL ? "-" : at);
	buf_add_char(&text, ' ');
	admin_add_safe(&text, type == NULL ? "-" : type);
	json_object_foreach((json_t *)event, name, value)
	{
		if (strcmp(name, "at") != 0 && strcmp(name, "type") != 0)
			add_member(&text, name, value);
	}
	printf("%s\n", buf_text(&text));
	buf_free(&text);
}

static bool
take_event(void *context, struct span data, const char *id)
{
	struct follower *follower = context;
	json_t *event = json_loadb(data.p, data.n, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_object(event)) {
		json_decref(event);
		return false;
	}
	if (id[0] != '\0')
		json_object_set_new(event, "id", json_string(id));
	if (follower->json)
		admin_print_json(event);
	else
		print_line(event);
	json_decref(event);
	follower->closed = fflush(stdout) != 0 || ferror(stdout);
	return !follower->closed;
}

static bool
take_piece(void *context, struct span piece)
{
	struct follower *follower = context;

	follower->heard = true;
	return admin_sse_take(&follower->sse, piece);
}

/* ---- listening ---- */

/* The daemon will be there again. */
static bool
is_passing(const json_t *refusal)
{
	static const char *const codes[] = {
	    "busy", "stopping", "store-unavailable", "rate-limited", "timeout"};
	const char *code = json_string_value(json_object_get(refusal, "code"));

	for (size_t i = 0; code != NULL && i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(codes[i], code) == 0)
			return true;
	return false;
}

static enum admin_fate
listen_once(struct admin_client *client, struct follower *follower, json_t **refusal_out)
{
	const struct admin_stream stream = {"text/event-stream", take_piece, follower};
	const json_t *types = json_object_get(follower->arguments, "types");
	struct admin_http http;
	enum admin_fate fate;

	admin_http_init(&http, "GET", "/v1/events");
	if (types != NULL)
		admin_http_parameter(&http, "types", types);
	if (follower->sse.id[0] != '\0')
		http.last_event = follower->sse.id;
	http.quiet_s = QUIET_S;
	admin_sse_again(&follower->sse);
	follower->heard = false;
	fate = admin_ask_stream(client, &http, &stream, refusal_out);
	admin_http_free(&http);
	return fate;
}

/* One connection after the other. */
static int
follow(struct admin_client *client, struct follower *follower)
{
	bool connected = false;
	unsigned pause_s = 1;

	for (;;) {
		json_t *refusal;
		enum admin_fate fate = listen_once(client, follower, &refusal);
		int exit_code = -1;

		if (follower->closed)
			exit_code = EX_OK; /* cli_end() says what stdout has lost */
		else if (refusal != NULL && !is_passing(refusal))
			exit_code = admin_show_refusal(follower->program, refusal);
		else if (fate == ADMIN_STRANGE || (fate == ADMIN_UNREACHABLE && !connected))
			exit_code = EX_UNAVAILABLE;
		if (exit_code == EX_UNAVAILABLE)
			admin_say_fate(client, fate, "");
		json_decref(refusal);
		if (exit_code >= 0)
			return exit_code;
		if (follower->heard || !connected)
			pause_s = 1;
		if (follower->heard || refusal != NULL)
			cli_say(follower->program, "%s; listening again ...",
			    refusal != NULL ? "signpost-admind has no time now"
					    : "the connection was lost");
		connected = true;
		sleep(pause_s);
		pause_s = pause_s * 2 < PAUSE_MAX_S ? pause_s * 2 : PAUSE_MAX_S;
	}
}

static bool
take_since(struct follower *follower)
{
	const char *since = json_string_value(json_object_get(follower->arguments, "since"));
	size_t n = since == NULL ? 0 : strlen(since);
	bool good = since == NULL || (n > 0 && n <= ADMIN_EVENT_ID_MAX);

	for (size_t i = 0; good && i < n; i++)
		good = since[i] >= '!' && since[i] <= '~';
	if (!good)
		cli_say(follower->program, "--since: this is no id of an event");
	else if (n > 0)
		memcpy(follower->sse.id, since, n + 1);
	return good;
}

int
admin_events(struct admin_client *client, const char *program, const struct admin_request *given,
    json_t *request)
{
	struct follower follower = {.program = program,
	    .json = given->json,
	    .arguments = json_object_get(request, "arguments")};
	int exit_code = EX_USAGE;

	admin_sse_init(&follower.sse, take_event, &follower);
	if (take_since(&follower))
		exit_code = follow(client, &follower);
	admin_sse_free(&follower.sse);
	return exit_code;
}
