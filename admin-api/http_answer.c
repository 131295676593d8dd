/*
 * http_answer.c - answers: problems, the fields that all have, and how they get to the peer.
 * http_problem() and http_field_find() are for every file that answers requests, in any thread;
 * the rest is called in libmicrohttpd's. It must never send a field or an octet that a peer chose
 * without its form having been looked at, nor wait for a peer.
 */
#include "config.h"

#include <gnutls/gnutls.h>
#include <time.h>

#include "admin-api/http_private.h"
#include "lib/base/clock.h"
#include "lib/base/secret.h"

#define FIELDS_MAX 32768U
#define PACE 64 /* octets in a millisecond that a peer reads at least */

/* ---- what requests and answers are made of ---- */

struct span
http_field_find(const struct http_request *request, const char *name, bool *found)
{
	struct span value = SPAN_EMPTY;
	size_t times = 0;

	for (size_t i = 0; i < request->field_count; i++)
		if (span_ieq_str(request->fields[i].name, name)) {
			value = request->fields[i].value;
			times++;
		}
	*found = times == 1;
	return *found ? value : SPAN_EMPTY;
}

void
http_response_init(struct http_response *response)
{
	*response = (struct http_response){.status = 500};
	buf_init(&response->fields, FIELDS_MAX);
	buf_init_secret(&response->body, HTTP_ANSWER_MAX);
}

void
http_response_free(struct http_response *response)
{
	if (response->source != NULL && response->source_end != NULL)
		response->source_end(response->source_context);
	response->source = NULL;
	buf_free(&response->fields);
	buf_free(&response->body);
}

/* ---- problems ---- */

static const struct {
	int status;
	const char *title;
} titles[] = {{400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"},
    {405, "Method Not Allowed"}, {406, "Not Acceptable"}, {408, "Request Timeout"},
    {409, "Conflict"}, {410, "Gone"}, {411, "Length Required"}, {412, "Precondition Failed"},
    {413, "Content Too Large"}, {414, "URI Too Long"}, {415, "Unsupported Media Type"},
    {417, "Expectation Failed"}, {422, "Unprocessable Content"}, {428, "Precondition Required"},
    {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"},
    {503, "Service Unavailable"}, {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"}};

static const char *
title_of(int status)
{
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		if (titles[i].status == status)
			return titles[i].title;
	return status < 400 ? "OK" : "Error";
}

/* A JSON string: what is not ASCII and no UTF-8 either becomes '?'. */
static void
add_string(struct buf *out, struct span text)
{
	bool utf8 = span_is_text(text);

	buf_add_char(out, '"');
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c == '"' || c == '\\')
			buf_add_fmt(out, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			buf_add_fmt(out, "\\u%04x", c);
		else
			buf_add_char(out, c < 0x80 || utf8 ? (char)c : '?');
	}
	buf_add_char(out, '"');
}

void
http_problem(struct http_response *response, int status, const char *code, const char *detail,
    const char *request_id)
{
	struct buf *body = &response->body;

	http_response_free(response);
	response->status = status;
	buf_add_str(&response->fields, "Content-Type: application/problem+json\r\n");
	buf_add_str(body, "{\"type\":\"urn:signpost:problem:");
	buf_add_str(body, code);
	buf_add_fmt(
	    body, "\",\"title\":\"%s\",\"status\":%d,\"detail\":", title_of(status), status);
	add_string(body, span_str(detail));
	buf_add_fmt(body, ",\"code\":\"%s\",\"request_id\":\"%s\"}\n", code, request_id);
}

/* ---- fields ---- */

/* The server's own, whoever says something else. */
static bool
is_ours(struct span name)
{
	static const char *const ours[] = {"Date", "Content-Length", "Connection",
	    "Transfer-Encoding", "X-Request-Id", "X-Content-Type-Options"};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (span_ieq_str(name, ours[i]))
			return true;
	return false;
}

/* The next line "Name: value\r\n"; false: there is none. */
static bool
next_field(struct span *rest, struct http_field *out)
{
	struct span line;

	while (rest->n > 0) {
		(void)span_cut(rest, '\n', &line);
		line = span_trim(line);
		if (span_cut(&line, ':', &out->name) && !is_ours(out->name)) {
			out->value = span_trim(line);
			return true;
		}
	}
	return false;
}

static void
add_field(void (*add)(void *to, struct span name, struct span value), void *to, const char *name,
    const char *value)
{
	add(to, span_str(name), span_str(value));
}

/* All fields but Date, Content-Length and Connection. */
static void
each_field(const struct http_exchange *x,
    void (*add)(void *to, struct span name, struct span value), void *to)
{
	struct span rest = buf_span(&x->response.fields);
	struct http_field field;
	bool kept = false;

	while (next_field(&rest, &field)) {
		add(to, field.name, field.value);
		kept = kept || span_ieq_str(field.name, "Cache-Control");
	}
	if (!kept)
		add_field(add, to, "Cache-Control", "no-store");
	add_field(add, to, "X-Request-Id", x->request.id);
	add_field(add, to, "X-Content-Type-Options", "nosniff");
}

/* ---- by libmicrohttpd ---- */

static void
add_to_response(void *to, struct span name, struct span value)
{
	struct buf text;

	buf_init(&text, FIELDS_MAX);
	buf_add(&text, name);
	buf_add_char(&text, '\0');
	buf_add(&text, value);
	if (buf_status(&text) == ST_OK) {
		const char *both = buf_text(&text);

		(void)MHD_add_response_header(to, both, both + name.n + 1);
	}
	buf_free(&text);
}

/* The memory is libmicrohttpd's until it has been sent. */
static struct MHD_Response *
response_of_body(struct buf *body)
{
	struct MHD_Response *made;

	if (body->n == 0)
		return MHD_create_response_from_buffer(0, (char[1]){0}, MHD_RESPMEM_MUST_COPY);
	made = MHD_create_response_from_buffer_with_free_callback_cls(
	    body->n, body->p, secret_free, body->p);
	if (made != NULL)
		buf_init_secret(body, body->max);
	return made;
}

static struct MHD_Response *
make_response(struct http_exchange *x)
{
	static const struct http_refusal too_many = {
	    503, "busy", "there are too many readers of events; try again"};
	struct MHD_Response *made;

	if (buf_status(&x->response.body) != ST_OK || buf_status(&x->response.fields) != ST_OK)
		http_problem(
		    &x->response, 500, "internal", "the answer is too long", x->request.id);
	if (x->response.source == NULL || x->head_only)
		return response_of_body(&x->response.body);
	made = http_source_make(x);
	if (made != NULL)
		return made;
	http_refuse(x, &too_many);
	return response_of_body(&x->response.body);
}

static void
count_answer(struct http_exchange *x)
{
	int hundreds = x->response.status / 100;

	atomic_fetch_add(&x->server->answers[hundreds >= 1 && hundreds <= 5 ? hundreds : 0], 1);
	if (x->response.status == 413 || x->response.status == 414 || x->response.status == 431)
		atomic_fetch_add(&x->server->too_big, 1);
}

enum MHD_Result
http_answer_queue(struct http_exchange *x)
{
	int64_t octets = (int64_t)x->response.body.n;
	struct MHD_Response *made = make_response(x);
	enum MHD_Result queued;

	if (made == NULL)
		return MHD_NO;
	each_field(x, add_to_response, made);
	if (atomic_load(&x->server->stopping))
		(void)MHD_add_response_header(made, "Connection", "close");
	if (!x->busy) {
		x->busy = true;
		atomic_fetch_add(&x->server->busy, 1);
	}
	count_answer(x);
	http_connection_due(x->connection, x->server->request_ms + octets / PACE);
	x->phase = HTTP_PHASE_QUEUED;
	queued = MHD_queue_response(x->mhd, (unsigned)x->response.status, made);
	MHD_destroy_response(made);
	return queued;
}

/* ---- by hand ---- */

static void
add_to_text(void *to, struct span name, struct span value)
{
	struct buf *text = to;

	buf_add(text, name);
	buf_add_str(text, ": ");
	buf_add(text, value);
	buf_add_str(text, "\r\n");
}

static void
add_start(struct buf *text, const struct http_response *response)
{
	char date[40];
	time_t now = (time_t)clock_utc_s();
	struct tm utc;

	gmtime_r(&now, &utc);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &utc);
	buf_add_fmt(text,
	    "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Length: %zu\r\nConnection: close\r\n",
	    response->status, title_of(response->status), date, response->body.n);
}

/* All or nothing: what does not fit at once into the socket, which was not written to before, is
 * too long for this. */
static bool
send_now(struct http_exchange *x, struct span text)
{
	const union MHD_ConnectionInfo *info = NULL;
	ssize_t sent;

	if (!x->connection->peer.tls) {
		sent = send(x->connection->fd, text.p, text.n, MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)shutdown(x->connection->fd, SHUT_WR);
		return sent == (ssize_t)text.n;
	}
	info = MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (info == NULL || info->tls_session == NULL)
		return false;
	sent = gnutls_record_send(info->tls_session, text.p, text.n);
	(void)gnutls_bye(info->tls_session, GNUTLS_SHUT_WR);
	(void)shutdown(x->connection->fd, SHUT_WR);
	return sent == (ssize_t)text.n;
}

bool
http_answer_raw(struct http_exchange *x)
{
	struct buf text;

	if (x->response.source != NULL || x->response.body.n > HTTP_RAW_MAX)
		return false;
	buf_init_secret(&text, HTTP_RAW_MAX + FIELDS_MAX + 1024);
	add_start(&text, &x->response);
	each_field(x, add_to_text, &text);
	buf_add_str(&text, "\r\n");
	buf_add(&text, buf_span(&x->response.body));
	count_answer(x);
	if (buf_status(&text) == ST_OK)
		(void)send_now(x, buf_span(&text));
	buf_free(&text);
	return true;
}

void
http_answer_unasked(int fd, const struct http_refusal *refusal)
{
	struct http_response response;
	struct buf text;

	http_response_init(&response);
	http_problem(&response, refusal->status, refusal->code, refusal->detail, "");
	buf_init(&text, HTTP_RAW_MAX);
	add_start(&text, &response);
	buf_add(&text, buf_span(&response.fields));
	buf_add_str(&text, "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n");
	buf_add(&text, buf_span(&response.body));
	(void)send(fd, text.p, text.n, MSG_NOSIGNAL | MSG_DONTWAIT);
	buf_free(&text);
	http_response_free(&response);
}
