/*
 * admin_client.c - asks signpost-admind by HTTP: over its unix socket, or over TLS with a token.
 * Called by admin.c. It must never keep a request, which may have a private key in it, or a token
 * in ordinary memory, send either over a network in clear, or ask twice what could be done twice.
 */
#include "config.h"

#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "tools/admin.h"
#include "tools/admin_http.h"

#define PROGRESS_EVERY_MS 1000
#define CONNECT_MS 20000L
#define RETURN_MS 15000 /* for so long a daemon that went away is waited for */
#define BUSY_MS 60000   /* for so long one that has no time is asked again */
#define PAUSE_MS 250

struct admin_client {
	const char *program;
	const struct admin_target *target; /* borrowed */
	CURL *curl;
	char *bearer; /* "Authorization: Bearer ...", secret; NULL: none */
	char trouble[CURL_ERROR_SIZE];
	struct admin_reader reader;
	bool rows; /* the answer is nothing but lines */
	int64_t told_ms;
};

/* ---- memory of libcurl and of what it uses: a request is in it ---- */

static void *
zeroed(size_t count, size_t bytes)
{
	size_t all;
	void *p;

	if (__builtin_mul_overflow(count, bytes, &all))
		return NULL;
	p = secret_malloc(all > 0 ? all : 1);
	return p == NULL ? NULL : memset(p, 0, all);
}

static char *
copied(const char *text)
{
	size_t n = strlen(text) + 1;
	char *p = secret_malloc(n);

	return p == NULL ? NULL : memcpy(p, text, n);
}

/* ---- beginning and end ---- */

struct admin_client *
admin_connect(const char *program, const struct admin_target *target)
{
	struct admin_client *client = mem_zalloc(1, sizeof(*client));
	size_t n = strlen(target->token);

	client->program = program;
	client->target = target;
	if (n > 0) {
		client->bearer = secret_malloc(n + 32);
		if (client->bearer != NULL)
			snprintf(client->bearer, n + 32, "Authorization: Bearer %s", target->token);
	}
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, secret_malloc, secret_free, secret_realloc,
		copied, zeroed) == CURLE_OK)
		client->curl = curl_easy_init();
	if (client->curl != NULL && (n == 0 || client->bearer != NULL))
		return client;
	cli_say(program, "libcurl cannot be set up");
	admin_disconnect(client);
	return NULL;
}

void
admin_disconnect(struct admin_client *client)
{
	if (client == NULL)
		return;
	if (client->curl != NULL)
		curl_easy_cleanup(client->curl);
	curl_global_cleanup();
	secret_free(client->bearer);
	mem_free(client);
}

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

static bool
has_lines(CURL *curl)
{
	static const char lines[] = "application/x-ndjson";
	const char *type = NULL;

	(void)curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
	return type != NULL && strncasecmp(type, lines, sizeof(lines) - 1) == 0;
}

static size_t
take_piece(char *p, size_t size, size_t n, void *context)
{
	struct admin_client *client = context;
	struct span piece = span_of(p, size * n);

	return admin_reader_take(&client->reader, piece, has_lines(client->curl)) ? piece.n : 0;
}

/* ---- asking once ---- */

static void
set_transport(struct admin_client *client)
{
	const struct admin_target *target = client->target;
	CURL *curl = client->curl;

	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->trouble);
	if (target->url == NULL)
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, target->socket);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	if (target->ca != NULL)
		curl_easy_setopt(curl, CURLOPT_CAINFO, target->ca);
	if (target->certificate != NULL)
		curl_easy_setopt(curl, CURLOPT_SSLCERT, target->certificate);
	if (target->key != NULL)
		curl_easy_setopt(curl, CURLOPT_SSLKEY, target->key);
}

static void
set_request(struct admin_client *client, struct admin_http *http, const char *url)
{
	CURL *curl = client->curl;

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_piece);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
	if (http->has_body) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)http->body.n);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, http->body.p);
	}
	if (http->has_body || strcmp(http->method, "GET") != 0)
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, http->method);
}

static CURLcode
perform(struct admin_client *client, struct admin_http *http)
{
	char line[64], type[80];
	/* By hand: the one of the token stays in secret memory. */
	union {
		const char *given;
		char *ours;
	} fixed[] = {{"Accept: application/x-ndjson"}, {"Expect:"}, {type}, {"If-Match: *"},
	    {"If-None-Match: *"}, {line}, {client->bearer}};
	const bool wanted[] = {true, true, http->has_body, http->if_match, http->if_new, http->once,
	    client->bearer != NULL};
	struct curl_slist fields[7], *last = NULL;
	void (*before)(int);
	struct buf url;
	CURLcode code;

	snprintf(line, sizeof(line), "Idempotency-Key: %s", http->key);
	snprintf(type, sizeof(type), "Content-Type: %s",
	    http->type == NULL ? "application/json" : http->type);
	for (size_t i = 0; i < 7; i++) {
		fields[i] = (struct curl_slist){.data = fixed[i].ours};
		if (!wanted[i])
			continue;
		if (last != NULL)
			last->next = &fields[i];
		last = &fields[i];
	}
	buf_init(&url, SIZE_MAX / 2);
	buf_add_str(&url, client->target->url == NULL ? "http://localhost" : client->target->url);
	buf_add(&url, buf_span(&http->target));
	curl_easy_reset(client->curl);
	set_transport(client);
	set_request(client, http, buf_text(&url));
	curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, &fields[0]);
	client->trouble[0] = '\0';
	before = signal(SIGPIPE, SIG_IGN);
	code = curl_easy_perform(client->curl);
	(void)signal(SIGPIPE, before);
	buf_free(&url);
	return code;
}

/* ---- what went wrong ---- */

enum fate {
	FATE_ANSWERED,
	FATE_UNREACHABLE, /* nothing was asked */
	FATE_LOST,        /* something may have been done */
	FATE_STRANGE      /* somebody else listens there */
};

static enum fate
fate_of(const struct admin_client *client, CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return FATE_ANSWERED;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_OPERATION_TIMEDOUT:
		return client->reader.strange ? FATE_STRANGE : FATE_LOST;
	case CURLE_WRITE_ERROR:
	case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9 */
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_OUT_OF_MEMORY: /* a head without end */
		return FATE_STRANGE;
	default:
		return FATE_UNREACHABLE;
	}
}

static void
say_unreachable(const struct admin_client *client, CURLcode code)
{
	const struct admin_target *target = client->target;
	const char *why = client->trouble[0] != '\0' ? client->trouble : curl_easy_strerror(code);
	long failed = 0;

	(void)curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &failed);
	if (target->url == NULL)
		cli_say(client->program,
		    "%s: signpost-admind cannot be reached: %s (AdminSocket, or --socket=PATH)",
		    target->socket, failed != 0 ? strerror((int)failed) : why);
	else
		cli_say(
		    client->program, "%s: signpost-admind cannot be reached: %s", target->url, why);
}

static json_t *
say_fate(const struct admin_client *client, enum fate fate, CURLcode code, bool harmless)
{
	long status = 0;

	(void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
	if (fate == FATE_UNREACHABLE)
		say_unreachable(client, code);
	else if (fate == FATE_STRANGE && status >= 400)
		cli_say(client->program,
		    "what answers there is not signpost-admind: HTTP status %ld", status);
	else if (fate == FATE_STRANGE)
		cli_say(client->program, "what answers there is not signpost-admind");
	else if (harmless)
		cli_say(client->program,
		    "signpost-admind ended, or cut the connection, before it answered");
	else
		cli_say(client->program,
		    "signpost-admind ended, or cut the connection, before it answered; what was "
		    "asked may have been done: look before you ask again");
	return NULL;
}

/* ---- asking ---- */

/* One try. *answer_out: of FATE_ANSWERED. */
static enum fate
ask_once(struct admin_client *client, struct admin_http *http, CURLcode *code, json_t **answer_out)
{
	enum fate fate;
	long status = 0;

	admin_reader_init(&client->reader, tell_progress, client);
	client->reader.rows = client->rows ? json_array() : NULL;
	*code = perform(client, http);
	fate = fate_of(client, *code);
	*answer_out = NULL;
	if (fate == FATE_ANSWERED) {
		(void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
		*answer_out = admin_reader_end(&client->reader, status, has_lines(client->curl));
		fate = *answer_out != NULL ? FATE_ANSWERED
		       : client->reader.strange || status >= 400 || !has_lines(client->curl)
			   ? FATE_STRANGE
			   : FATE_LOST;
	}
	admin_reader_free(&client->reader);
	return fate;
}

/* Nothing was begun: it has no time, or the same request, whose connection was lost, still runs. */
static bool
is_busy(const json_t *answer)
{
	const char *code = json_string_value(json_object_get(answer, "code"));

	return code != NULL &&
	       (strcmp(code, "busy") == 0 || strcmp(code, "request-in-progress") == 0);
}

static void
pause_a_while(void)
{
	usleep(PAUSE_MS * 1000);
}

/* Until it has time. */
static enum fate
ask_in_turn(
    struct admin_client *client, struct admin_http *http, CURLcode *code, json_t **answer_out)
{
	int64_t until_ms = clock_mono_ms() + BUSY_MS;
	enum fate fate = ask_once(client, http, code, answer_out);

	while (fate == FATE_ANSWERED && is_busy(*answer_out) && clock_mono_ms() < until_ms) {
		json_decref(*answer_out);
		pause_a_while();
		fate = ask_once(client, http, code, answer_out);
	}
	return fate;
}

/* The connection was lost: once more, when the daemon is there again. One that does not come back
 * soon is as lost as before. */
static enum fate
ask_again(struct admin_client *client, struct admin_http *http, CURLcode *code, json_t **answer_out)
{
	int64_t until_ms = clock_mono_ms() + RETURN_MS;
	enum fate fate;

	cli_say(client->program, "the connection was lost; asking once more ...");
	do {
		pause_a_while();
		fate = ask_in_turn(client, http, code, answer_out);
	} while (fate == FATE_UNREACHABLE && clock_mono_ms() < until_ms);
	return fate == FATE_UNREACHABLE ? FATE_LOST : fate;
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
	enum fate fate;
	CURLcode code;

	if (!admin_http_make(request, &http)) {
		admin_http_free(&http);
		return nowhere();
	}
	fate = ask_in_turn(client, &http, &code, &answer);
	if (fate == FATE_ANSWERED && http.may_be_new && is_absent(answer)) {
		json_decref(answer);
		http.if_match = false;
		http.if_new = true;
		fate = ask_in_turn(client, &http, &code, &answer);
	}
	if (fate == FATE_LOST && http.repeatable)
		fate = ask_again(client, &http, &code, &answer);
	if (fate != FATE_ANSWERED)
		answer = say_fate(client, fate, code, http.repeatable && !http.once);
	admin_http_free(&http);
	return answer;
}

json_t *
admin_post_lines(struct admin_client *client, const char *path, const char *type, struct buf *body)
{
	struct admin_http http;
	json_t *answer = NULL;
	enum fate fate;
	CURLcode code;

	admin_http_raw(path, type, body, &http);
	client->rows = true;
	fate = ask_in_turn(client, &http, &code, &answer);
	if (fate == FATE_LOST)
		fate = ask_again(client, &http, &code, &answer);
	client->rows = false;
	if (fate != FATE_ANSWERED)
		answer = say_fate(client, fate, code, false);
	admin_http_free(&http);
	return answer;
}
