/*
 * admin_client.c - asks signpost-admind, again where that is right, and waits for what it answers.
 * Called by admin.c. It must never ask twice what could be done twice.
 */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "tools/admin_transport.h"

#define PROGRESS_EVERY_MS 1000
#define RETURN_MS 15000 /* for so long a daemon that went away is waited for */
#define BUSY_MS 60000   /* for so long one that has no time is asked again */
#define PAUSE_MS 250
#define MAY_BE_DONE "what was asked may have been done: look before you ask again"

/* ---- what comes back ---- */

static void
tell_progress(void *context, const json_t *report)
{
	struct admin_client *client = context;
	int64_t now_ms = clock_mono_ms();
	struct buf text;
	const char *name;
	json_t *value;

	if (client->told_ms != 0 && now_ms - client->told_ms < PROGRESS_EVERY_MS)
		return;
	client->told_ms = now_ms;
	buf_init(&text, 1000);
	json_object_foreach((json_t *)report, name, value)
	{
		if (text.n > 0)
			buf_add_str(&text, ", ");
		if (json_is_integer(value))
			buf_add_fmt(&text, "%s %lld", name, (long long)json_integer_value(value));
		else if (json_is_string(value))
			buf_add_fmt(&text, "%s %s", name, json_string_value(value));
	}
	cli_say(client->program, "%s ...", buf_text(&text));
	buf_free(&text);
}

/* ---- asking ---- */

/* One try. *answer_out: of ADMIN_ANSWERED. */
static enum admin_fate
ask_once(struct admin_client *client, struct admin_http *http, json_t **answer_out)
{
	enum admin_fate fate;
	bool lines;

	admin_reader_init(&client->reader, tell_progress, client);
	client->reader.rows = client->rows ? json_array() : NULL;
	fate = admin_perform(client, http);
	*answer_out = NULL;
	if (fate == ADMIN_ANSWERED) {
		lines = admin_has_type(client, "application/x-ndjson");
		*answer_out = admin_reader_end(&client->reader, admin_status(client), lines);
		fate = *answer_out != NULL ? ADMIN_ANSWERED
		       : client->reader.strange || admin_status(client) >= 400 || !lines
			   ? ADMIN_STRANGE
			   : ADMIN_LOST;
	}
	admin_reader_free(&client->reader);
	return fate;
}

bool
admin_is_busy(const json_t *answer)
{
	const char *code = json_string_value(json_object_get(answer, "code"));

	return code != NULL &&
	       (strcmp(code, "busy") == 0 || strcmp(code, "request-in-progress") == 0);
}

enum admin_fate
admin_ask_stream(struct admin_client *client, struct admin_http *http,
    const struct admin_stream *stream, json_t **refusal_out)
{
	enum admin_fate fate;

	*refusal_out = NULL;
	admin_reader_init(&client->reader, tell_progress, client);
	client->stream = stream;
	fate = admin_perform(client, http);
	client->stream = NULL;
	if (fate == ADMIN_ANSWERED && admin_status(client) >= 400) {
		*refusal_out = admin_reader_end(&client->reader, admin_status(client), false);
		fate = *refusal_out == NULL ? ADMIN_STRANGE : ADMIN_ANSWERED;
	} else if (fate == ADMIN_ANSWERED && !admin_has_type(client, stream->type)) {
		fate = ADMIN_STRANGE;
	}
	admin_reader_free(&client->reader);
	return fate;
}

static void
pause_a_while(void)
{
	usleep(PAUSE_MS * 1000);
}

/* Until it has time. */
static enum admin_fate
ask_in_turn(struct admin_client *client, struct admin_http *http, json_t **answer_out)
{
	int64_t until_ms = clock_mono_ms() + BUSY_MS;
	enum admin_fate fate = ask_once(client, http, answer_out);

	while (fate == ADMIN_ANSWERED && admin_is_busy(*answer_out) && clock_mono_ms() < until_ms) {
		json_decref(*answer_out);
		pause_a_while();
		fate = ask_once(client, http, answer_out);
	}
	return fate;
}

/* The connection was lost: once more, when the daemon is there again. One that does not come back
 * soon is as lost as before. */
static enum admin_fate
ask_again(struct admin_client *client, struct admin_http *http, json_t **answer_out)
{
	int64_t until_ms = clock_mono_ms() + RETURN_MS;
	enum admin_fate fate;

	cli_say(client->program, "the connection was lost; asking once more ...");
	do {
		pause_a_while();
		fate = ask_in_turn(client, http, answer_out);
	} while (fate == ADMIN_UNREACHABLE && clock_mono_ms() < until_ms);
	return fate == ADMIN_UNREACHABLE ? ADMIN_LOST : fate;
}

/* What was to be changed is not there. */
static bool
is_absent(const json_t *answer)
{
	const char *code = json_string_value(json_object_get(answer, "code"));

	return code != NULL && strcmp(code, "precondition-failed") == 0;
}

static json_t *
nowhere(void)
{
	return json_pack("{s:b, s:s, s:s}", "ok", 0, "code", "validation", "detail",
	    "a name is empty: there is nothing that could be asked");
}

json_t *
admin_ask(struct admin_client *client, const json_t *request)
{
	struct admin_http http;
	json_t *answer = NULL;
	enum admin_fate fate;

	if (!admin_http_make(request, &http)) {
		admin_http_free(&http);
		return nowhere();
	}
	fate = ask_in_turn(client, &http, &answer);
	if (fate == ADMIN_ANSWERED && http.may_be_new && is_absent(answer)) {
		json_decref(answer);
		http.if_match = false;
		http.if_new = true;
		fate = ask_in_turn(client, &http, &answer);
	}
	if (fate == ADMIN_LOST && http.repeatable)
		fate = ask_again(client, &http, &answer);
	if (fate != ADMIN_ANSWERED)
		admin_say_fate(client, fate, http.repeatable && !http.once ? "" : MAY_BE_DONE);
	admin_http_free(&http);
	return answer;
}

json_t *
admin_post_lines(struct admin_client *client, const char *path, const char *type, struct buf *body)
{
	struct admin_http http;
	json_t *answer = NULL;
	enum admin_fate fate;

	admin_http_raw(path, type, body, &http);
	client->rows = true;
	fate = ask_in_turn(client, &http, &answer);
	if (fate == ADMIN_LOST)
		fate = ask_again(client, &http, &answer);
	client->rows = false;
	if (fate != ADMIN_ANSWERED)
		admin_say_fate(client, fate, MAY_BE_DONE);
	admin_http_free(&http);
	return answer;
}
