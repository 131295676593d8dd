/*
 * admin_bulk.c - sends a file with an operation in each line to POST /v1/bulk, and says what came
 * of each.
 * Called by admin.c. It must never hold the file, which may be of any size and have private keys in
 * it, nor send it again under another Idempotency-Key: what was done would be done twice.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "tools/admin_transport.h"

#define ANSWER_MAX (64U << 20) /* octets; bulk.h bounds it far below */
#define TELL_EVERY_MS 1000
#define PAUSE_MS 250
#define RETURN_MS 15000 /* for so long a daemon that went away is waited for */
#define BUSY_MS 60000   /* for so long one that has no time is asked again */
#define LOSSES_MAX 5U

struct sending {
	const char *program, *name;
	const struct admin_request *given;
	struct admin_http http;
	int from;
	bool again; /* it can be read from its beginning again */
	uint64_t lines, octets;
	int64_t told_ms;
	struct buf answer;
	json_t *summary; /* of the answer; owned */
};

/* ---- what is sent ---- */

static void
count(struct sending *sending, const char *p, size_t n)
{
	int64_t now_ms = clock_mono_ms();

	for (size_t i = 0; i < n; i++)
		sending->lines += p[i] == '\n' ? 1 : 0;
	sending->octets += n;
	if (now_ms - sending->told_ms < TELL_EVERY_MS)
		return;
	sending->told_ms = now_ms;
	cli_say(sending->program, "%s: %llu lines sent, %llu octets ...", sending->name,
	    (unsigned long long)sending->lines, (unsigned long long)sending->octets);
}

static size_t
read_piece(void *context, char *out, size_t room)
{
	struct sending *sending = context;
	ssize_t n;

	do
		n = read(sending->from, out, room);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		cli_say(sending->program, "%s: cannot be read: %s", sending->name, strerror(errno));
		return ADMIN_READ_FAILED;
	}
	count(sending, out, (size_t)n);
	return (size_t)n;
}

static bool
take_piece(void *context, struct span piece)
{
	struct sending *sending = context;

	buf_add(&sending->answer, piece);
	return buf_status(&sending->answer) == ST_OK;
}

/* ---- what came of it ---- */

static void
add_errors(struct buf *out, const json_t *row)
{
	size_t i;
	const json_t *error;

	json_array_foreach(json_object_get(row, "errors"), i, error)
	{
		const char *pointer = json_string_value(json_object_get(error, "pointer"));
		const char *why = json_string_value(json_object_get(error, "detail"));

		buf_add_fmt(
		    out, "; %s: %s", pointer == NULL ? "" : pointer, why == NULL ? "" : why);
	}
}

/* "FILE: line 7: exists: ...". */
static void
tell_failure(const struct sending *sending, const json_t *row)
{
	long long line = json_integer_value(json_object_get(row, "line"));
	long long rows = json_integer_value(json_object_get(row, "count"));
	const char *code = json_string_value(json_object_get(row, "code"));
	const char *detail = json_string_value(json_object_get(row, "detail"));
	struct buf text;

	buf_init(&text, 1U << 20);
	if (rows > 1)
		buf_add_fmt(&text, "lines %lld to %lld: ", line, line + rows - 1);
	else
		buf_add_fmt(&text, "line %lld: ", line);
	buf_add_str(&text, code == NULL ? "refused" : code);
	if (detail != NULL)
		buf_add_fmt(&text, ": %s", detail);
	add_errors(&text, row);
	cli_tell(sending->program, "%s: %s", sending->name, buf_text(&text));
	buf_free(&text);
}

/* A line of the answer. */
static bool
take_row(struct sending *sending, struct span text)
{
	json_t *row = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	json_t *summary = json_object_get(row, "summary");
	bool good = sending->summary == NULL &&
		    (json_is_object(summary) || json_is_integer(json_object_get(row, "line")));

	if (good && json_is_object(summary))
		sending->summary = json_incref(summary);
	if (good && sending->given->json)
		admin_print_json(row);
	else if (good && json_is_false(json_object_get(row, "ok")))
		tell_failure(sending, row);
	json_decref(row);
	return good;
}

static bool
take_answer(struct sending *sending)
{
	struct span rest = buf_span(&sending->answer), line;

	while (rest.n > 0) {
		(void)span_cut(&rest, '\n', &line);
		if (!take_row(sending, line))
			return false;
	}
	return sending->summary != NULL;
}

static long long
figure(const struct sending *sending, const char *name)
{
	return json_integer_value(json_object_get(sending->summary, name));
}

static int
tell_summary(const struct sending *sending)
{
	const char *code = json_string_value(json_object_get(sending->summary, "code"));
	const char *detail = json_string_value(json_object_get(sending->summary, "detail"));
	bool dry_run = sending->given->dry_run;

	if (!sending->given->json)
		cli_tell(sending->program,
		    "%s: %lld lines: %lld %s, %lld done before, %lld failed, %lld not run",
		    sending->name, figure(sending, "lines"), figure(sending, "done"),
		    dry_run ? "would be done" : "done", figure(sending, "replayed"),
		    figure(sending, "failed"), figure(sending, "not_run"));
	if (figure(sending, "results_left") > 0)
		cli_say(sending->program, "%lld lines have no result: there were too many",
		    figure(sending, "results_left"));
	if (json_is_true(json_object_get(sending->summary, "complete")))
		return figure(sending, "failed") > 0 ? 1 : EX_OK;
	cli_say(sending->program, "%s: %s; not all lines were run%s%s", code == NULL ? "" : code,
	    detail == NULL ? "" : detail,
	    dry_run ? "" : "; send all of it again with --idempotency-key=",
	    dry_run ? "" : sending->http.key);
	return EX_TEMPFAIL;
}

/* ---- sending ---- */

static bool
begin_again(struct sending *sending)
{
	sending->lines = sending->octets = 0;
	buf_reset(&sending->answer);
	return !sending->again || lseek(sending->from, 0, SEEK_SET) == 0;
}

/* Until it was answered: a file is sent again after a lost connection, a pipe cannot be. */
static enum admin_fate
send_all(struct admin_client *client, struct sending *sending, json_t **refusal)
{
	const struct admin_stream stream = {"application/x-ndjson", take_piece, sending};
	int64_t until_ms = clock_mono_ms() + BUSY_MS;
	unsigned losses = 0;

	for (;;) {
		enum admin_fate fate = admin_ask_stream(client, &sending->http, &stream, refusal);

		if (fate == ADMIN_LOST && losses++ < LOSSES_MAX) {
			until_ms = clock_mono_ms() + RETURN_MS;
			if (sending->again)
				cli_say(sending->program,
				    "the connection was lost; sending all of it again ...");
		} else if (fate != ADMIN_LOST && !(fate == ADMIN_UNREACHABLE && losses > 0) &&
			   !(*refusal != NULL && admin_is_busy(*refusal))) {
			return fate;
		}
		if (!sending->again || losses > LOSSES_MAX || clock_mono_ms() >= until_ms)
			return fate == ADMIN_UNREACHABLE && losses > 0 ? ADMIN_LOST : fate;
		json_decref(*refusal);
		*refusal = NULL;
		usleep(PAUSE_MS * 1000);
		if (!begin_again(sending))
			return ADMIN_LOST;
	}
}

static int
send_and_tell(struct admin_client *client, struct sending *sending)
{
	json_t *refusal = NULL;
	enum admin_fate fate;
	char lost[ADMIN_KEY_MAX + 200] = "";
	int exit_code = EX_UNAVAILABLE;

	if (!sending->given->dry_run)
		snprintf(lost, sizeof(lost),
		    "what was sent may have been done: all of it again with --idempotency-key=%s "
		    "does nothing twice",
		    sending->http.key);
	fate = send_all(client, sending, &refusal);
	if (refusal != NULL) {
		exit_code = admin_show_refusal(sending->program, refusal);
		if (sending->given->json)
			admin_print_json(refusal);
	} else if (fate == ADMIN_ANSWERED && take_answer(sending)) {
		exit_code = tell_summary(sending);
	} else if (fate == ADMIN_UNSENT) {
		exit_code = EX_NOINPUT;
		if (lost[0] != '\0')
			cli_say(sending->program, "%s", lost);
	} else {
		admin_say_fate(client, fate == ADMIN_ANSWERED ? ADMIN_STRANGE : fate, lost);
	}
	json_decref(refusal);
	return exit_code;
}

/* ---- beginning ---- */

/* It becomes a field of a head. */
static bool
take_key(struct sending *sending, const char *key)
{
	size_t n = key == NULL ? 0 : strlen(key);
	bool good = key == NULL || (n > 0 && n <= ADMIN_KEY_MAX);

	for (size_t i = 0; good && i < n; i++)
		good = key[i] >= '!' && key[i] <= '~';
	if (!good)
		cli_say(sending->program,
		    "--idempotency-key: up to %u letters, digits and signs are needed",
		    ADMIN_KEY_MAX);
	else if (n > 0)
		memcpy(sending->http.key, key, n + 1);
	else if (!sending->given->dry_run)
		cli_say(sending->program, "if this is cut off, go on with --idempotency-key=%s",
		    sending->http.key);
	return good;
}

static bool
open_file(struct sending *sending)
{
	struct stat info;

	sending->from = strcmp(sending->name, "-") == 0 ? STDIN_FILENO
							: open(sending->name, O_RDONLY | O_CLOEXEC);
	if (sending->from < 0 || fstat(sending->from, &info) != 0) {
		cli_say(sending->program, "%s: cannot be read: %s", sending->name, strerror(errno));
		return false;
	}
	sending->again = sending->from != STDIN_FILENO && S_ISREG(info.st_mode);
	return true;
}

int
admin_bulk(struct admin_client *client, const char *program, const struct admin_request *given,
    json_t *request)
{
	const json_t *arguments = json_object_get(request, "arguments");
	struct sending sending = {.program = program,
	    .name = json_string_value(json_object_get(arguments, "file")),
	    .given = given,
	    .from = -1,
	    .told_ms = clock_mono_ms()};
	int exit_code = EX_USAGE;

	admin_http_init(&sending.http, "POST", "/v1/bulk");
	buf_init(&sending.answer, ANSWER_MAX);
	sending.http.type = "application/x-ndjson";
	sending.http.has_body = true;
	sending.http.once = !given->dry_run;
	sending.http.read = read_piece;
	sending.http.read_context = &sending;
	if (given->dry_run)
		admin_http_parameter(&sending.http, "dry_run", json_true());
	if (!open_file(&sending))
		exit_code = EX_NOINPUT;
	else if (take_key(
		     &sending, json_string_value(json_object_get(arguments, "idempotency_key"))))
		exit_code = send_and_tell(client, &sending);
	if (sending.from > STDERR_FILENO)
		close(sending.from);
	json_decref(sending.summary);
	buf_free(&sending.answer);
	admin_http_free(&sending.http);
	return exit_code;
}
