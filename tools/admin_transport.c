/*
 * admin_transport.c - one request of HTTP to signpost-admind, over its unix socket or over TLS with
 * a token, and what became of it.
 * Called by admin_client.c. It must never keep a request, which may have a private key in it, or a
 * token in ordinary memory, nor send either over a network in clear.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "tools/admin_transport.h"

#define CONNECT_MS 20000L

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

bool
admin_has_type(const struct admin_client *client, const char *wanted)
{
	const char *type = NULL;
	size_t n = strlen(wanted);

	(void)curl_easy_getinfo(client->curl, CURLINFO_CONTENT_TYPE, &type);
	return type != NULL && strncasecmp(type, wanted, n) == 0 &&
	       (type[n] == '\0' || type[n] == ';' || type[n] == ' ');
}

long
admin_status(const struct admin_client *client)
{
	long status = 0;

	(void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/* Of what is no refusal; a type that nobody expects comes from somebody else. */
static bool
take_stream(struct admin_client *client, struct span piece)
{
	const struct admin_stream *stream = client->stream;

	if (!admin_has_type(client, stream->type) || !stream->take(stream->context, piece))
		client->reader.strange = true;
	return !client->reader.strange;
}

static size_t
take_piece(char *p, size_t size, size_t n, void *context)
{
	struct admin_client *client = context;
	struct span piece = span_of(p, size * n);
	bool good;

	if (client->stream != NULL && admin_status(client) < 400)
		good = take_stream(client, piece);
	else
		good = admin_reader_take(
		    &client->reader, piece, admin_has_type(client, "application/x-ndjson"));
	return good ? piece.n : 0;
}

/* ---- what is sent ---- */

static size_t
give_piece(char *out, size_t size, size_t n, void *context)
{
	const struct admin_http *http = context;
	size_t given = http->read(http->read_context, out, size * n);

	return given == ADMIN_READ_FAILED ? CURL_READFUNC_ABORT : given;
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
	if (http->read != NULL) {
		curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_piece);
		curl_easy_setopt(curl, CURLOPT_READDATA, http);
	} else if (http->has_body) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)http->body.n);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, http->body.p);
	}
	if (http->quiet_s > 0) {
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, http->quiet_s);
	}
	if (http->has_body || strcmp(http->method, "GET") != 0)
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, http->method);
}

enum { FIELD_ACCEPT, FIELD_EXPECT, FIELD_TYPE, FIELD_KEY, FIELD_EVENT, FIELD_ROOM };

struct fields {
	char line[FIELD_ROOM][ADMIN_FIELD_MAX];
	struct curl_slist list[FIELD_ROOM + 3];
	size_t count;
};

/* By hand: the one of the token stays in secret memory. */
static void
add_field(struct fields *fields, bool wanted, const char *text)
{
	/* libcurl reads it only. */
	union {
		const char *given;
		char *taken;
	} line = {text};

	if (!wanted)
		return;
	fields->list[fields->count] = (struct curl_slist){.data = line.taken};
	if (fields->count > 0)
		fields->list[fields->count - 1].next = &fields->list[fields->count];
	fields->count++;
}

static const char *
field(struct fields *fields, size_t at, const char *name, const char *value)
{
	snprintf(
	    fields->line[at], sizeof(fields->line[at]), "%s: %s", name, value == NULL ? "" : value);
	return fields->line[at];
}

static void
make_fields(const struct admin_client *client, const struct admin_http *http, struct fields *fields)
{
	const char *accept = client->stream == NULL ? "application/x-ndjson" : client->stream->type;
	const char *type = http->type == NULL ? "application/json" : http->type;

	fields->count = 0;
	add_field(fields, true, field(fields, FIELD_ACCEPT, "Accept", accept));
	add_field(fields, true, "Expect:");
	add_field(fields, http->has_body, field(fields, FIELD_TYPE, "Content-Type", type));
	add_field(fields, http->if_match, "If-Match: *");
	add_field(fields, http->if_new, "If-None-Match: *");
	add_field(fields, http->once, field(fields, FIELD_KEY, "Idempotency-Key", http->key));
	add_field(fields, http->last_event != NULL,
	    field(fields, FIELD_EVENT, "Last-Event-ID", http->last_event));
	add_field(fields, client->bearer != NULL, client->bearer);
}

static CURLcode
perform(struct admin_client *client, struct admin_http *http)
{
	struct fields fields;
	void (*before)(int);
	struct buf url;
	CURLcode code;

	make_fields(client, http, &fields);
	buf_init(&url, SIZE_MAX / 2);
	buf_add_str(&url, client->target->url == NULL ? "http://localhost" : client->target->url);
	buf_add(&url, buf_span(&http->target));
	curl_easy_reset(client->curl);
	set_transport(client);
	set_request(client, http, buf_text(&url));
	curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, &fields.list[0]);
	client->trouble[0] = '\0';
	before = signal(SIGPIPE, SIG_IGN);
	code = curl_easy_perform(client->curl);
	(void)signal(SIGPIPE, before);
	buf_free(&url);
	return code;
}

/* ---- what went wrong ---- */

static enum admin_fate
fate_of(const struct admin_client *client, CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return ADMIN_ANSWERED;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_OPERATION_TIMEDOUT:
		return client->reader.strange ? ADMIN_STRANGE : ADMIN_LOST;
	case CURLE_WRITE_ERROR:
	case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9 */
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_OUT_OF_MEMORY: /* a head without end */
		return ADMIN_STRANGE;
	case CURLE_ABORTED_BY_CALLBACK: /* the body cannot be read any more */
		return ADMIN_UNSENT;
	default:
		return ADMIN_UNREACHABLE;
	}
}

static void
say_unreachable(const struct admin_client *client)
{
	const struct admin_target *target = client->target;
	const char *why =
	    client->trouble[0] != '\0' ? client->trouble : curl_easy_strerror(client->code);
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

enum admin_fate
admin_perform(struct admin_client *client, struct admin_http *http)
{
	client->code = perform(client, http);
	return fate_of(client, client->code);
}

void
admin_say_fate(const struct admin_client *client, enum admin_fate fate, const char *lost)
{
	long status = admin_status(client);

	if (fate == ADMIN_UNREACHABLE)
		say_unreachable(client);
	else if (fate == ADMIN_STRANGE && status >= 400)
		cli_say(client->program,
		    "what answers there is not signpost-admind: HTTP status %ld", status);
	else if (fate == ADMIN_STRANGE)
		cli_say(client->program, "what answers there is not signpost-admind");
	else if (fate == ADMIN_LOST)
		cli_say(client->program,
		    "signpost-admind ended, or cut the connection, before it answered%s%s",
		    lost[0] == '\0' ? "" : "; ", lost);
}
