/*
 * http_driver.c - a server of http.h that answers what it was asked, for
 * tests/integration/test_http.py and the benchmark:
 *
 *   http_driver [unix=PATH] [listen=ADDRESSES] [certificate=F] [key=F] [client_ca=F] [threads=N]
 *               [request_s=N] [idle_s=N]
 *
 * It prints "ready PORT". Lines on its standard input: "reload", "counts"; their end, or SIGTERM,
 * ends it, and "stopped" is printed. What its paths do is said in the table at the end.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "admin-api/http.h"
#include "lib/base/mem.h"

/* Of one request that has a body which is streamed. */
struct stream {
	uint64_t octets, pieces, sum, stop_at;
};

/* Of one that reads events. */
struct events {
	uint64_t left, every_ms, number;
};

static atomic_int begun, ended, sources_begun, sources_ended;

static uint64_t
number_in(struct span query, const char *name, uint64_t otherwise)
{
	struct span rest = query, pair, key;
	uint64_t value;

	while (span_cut(&rest, '&', &pair) || pair.n > 0) {
		if (span_cut(&pair, '=', &key) && span_eq_str(key, name) &&
		    span_number(pair, UINT64_MAX - 1, &value))
			return value;
		if (rest.n == 0)
			break;
		pair = SPAN_EMPTY;
	}
	return otherwise;
}

static void
text(struct http_response *response, int status)
{
	response->status = status;
	buf_add_str(&response->fields, "Content-Type: text/plain\r\n");
}

/* ---- what is answered ---- */

static void
answer_echo(struct http_request *request, struct http_response *response)
{
	text(response, 200);
	buf_add_fmt(&response->fields, "X-Method: %.*s\r\n", SPAN_ARG(request->method));
	buf_add_fmt(&response->fields, "X-Path: %.*s\r\n", SPAN_ARG(request->path));
	buf_add_fmt(&response->fields, "X-Query: %.*s\r\n", SPAN_ARG(request->query));
	buf_add_fmt(&response->fields, "X-Peer: %s\r\n", request->peer->address);
	buf_add_fmt(&response->fields, "X-Certificate: %s\r\n", request->peer->certificate);
	buf_add_fmt(&response->fields, "X-Fields: %zu\r\n", request->field_count);
	buf_add_fmt(&response->fields, "X-Tls: %d\r\n", request->peer->tls);
	if (request->peer->local)
		buf_add_fmt(&response->fields, "X-User: %lu\r\nX-Process: %ld\r\n",
		    (unsigned long)request->peer->uid, (long)request->peer->pid);
	buf_add(&response->body, request->body);
}

static void
answer_slow(struct http_request *request, struct http_response *response)
{
	usleep((useconds_t)number_in(request->query, "ms", 100) * 1000);
	text(response, 200);
	buf_add_str(&response->body, "at last\n");
}

static void
answer_big(struct http_request *request, struct http_response *response)
{
	uint64_t n = number_in(request->query, "n", 1000);

	text(response, 200);
	for (uint64_t i = 0; i < n && buf_status(&response->body) == ST_OK; i++)
		buf_add_char(&response->body, (char)('a' + i % 26));
}

static void
answer_hello(struct http_request *request, struct http_response *response)
{
	(void)request;
	text(response, 200);
	buf_add_str(&response->body, "hello\n");
}

static void
answer_stream(struct http_request *request, struct http_response *response)
{
	struct stream *stream = request->stream;

	text(response, 200);
	buf_add_fmt(&response->body, "%llu octets, %llu pieces, sum %llu\n",
	    (unsigned long long)stream->octets, (unsigned long long)stream->pieces,
	    (unsigned long long)stream->sum);
}

static bool
next_event(void *context, int wait_ms, struct buf *out)
{
	struct events *events = context;
	uint64_t ms = events->every_ms;

	if (events->left == 0)
		return false;
	if (ms > (uint64_t)wait_ms)
		ms = (uint64_t)wait_ms;
	usleep((useconds_t)ms * 1000);
	if (events->number == 0 || events->every_ms <= (uint64_t)wait_ms) {
		buf_add_fmt(out, "data: %llu\n\n", (unsigned long long)events->number++);
		events->left--;
	}
	return true;
}

static void
end_events(void *context)
{
	mem_free(context);
	atomic_fetch_add(&sources_ended, 1);
}

static void
answer_events(struct http_request *request, struct http_response *response)
{
	struct events *events = mem_zalloc(1, sizeof(*events));

	events->left = number_in(request->query, "n", UINT64_MAX);
	events->every_ms = number_in(request->query, "ms", 20);
	response->status = 200;
	buf_add_str(&response->fields, "Content-Type: text/event-stream\r\n");
	response->source = next_event;
	response->source_end = end_events;
	response->source_context = events;
	atomic_fetch_add(&sources_begun, 1);
}

static const struct {
	const char *path;
	enum http_begin begin;
	void (*answer)(struct http_request *request, struct http_response *response);
} paths[] = {
    {"/echo", HTTP_WHOLE, answer_echo},        /* fields say what was asked; the body */
    {"/slow", HTTP_WHOLE, answer_slow},        /* ?ms= */
    {"/big", HTTP_WHOLE, answer_big},          /* ?n= octets */
    {"/hello", HTTP_WHOLE, answer_hello},      /* "hello" */
    {"/stream", HTTP_STREAMED, answer_stream}, /* counts its octets; ?stop= so many: enough */
    {"/events", HTTP_WHOLE, answer_events},    /* ?n= events, one each ?ms= */
    {"/refused", HTTP_REFUSED, answer_hello},  /* 401 from the head on */
};

/* ---- the handler ---- */

static size_t
place_of(const struct http_request *request)
{
	size_t i = 0;

	while (i < sizeof(paths) / sizeof(paths[0]) && !span_eq_str(request->path, paths[i].path))
		i++;
	return i;
}

static enum http_begin
begin(struct http_request *request, struct http_response *response)
{
	size_t i = place_of(request);
	struct stream *stream;

	atomic_fetch_add(&begun, 1);
	if (i == sizeof(paths) / sizeof(paths[0])) {
		http_problem(response, 404, "not-found", "there is no such path", request->id);
		return HTTP_REFUSED;
	}
	if (paths[i].begin == HTTP_REFUSED)
		http_problem(response, 401, "unauthorized", "no \"token\"\n", request->id);
	if (paths[i].begin == HTTP_STREAMED) {
		stream = request->stream = mem_zalloc(1, sizeof(*stream));
		stream->stop_at = number_in(request->query, "stop", UINT64_MAX);
	}
	return paths[i].begin;
}

static bool
piece(struct http_request *request, struct span octets, struct http_response *response)
{
	struct stream *stream = request->stream;

	stream->octets += octets.n;
	stream->pieces++;
	for (size_t i = 0; i < octets.n; i++)
		stream->sum += (unsigned char)octets.p[i];
	if (stream->octets < stream->stop_at)
		return true;
	http_problem(response, 422, "enough", "that was enough", request->id);
	return false;
}

static void
answer(struct http_request *request, struct http_response *response)
{
	paths[place_of(request)].answer(request, response);
}

static void
end(struct http_request *request)
{
	mem_free(request->stream);
	request->stream = NULL;
	atomic_fetch_add(&ended, 1);
}

/* ---- the program ---- */

static bool
take_word(struct http_config *config, const char *word)
{
	const char *value = strchr(word, '=');
	struct span name = span_of(word, value == NULL ? 0 : (size_t)(value - word));

	if (value == NULL)
		return false;
	value++;
	if (span_eq_str(name, "unix"))
		config->unix_path = value;
	else if (span_eq_str(name, "listen"))
		config->listen = value;
	else if (span_eq_str(name, "certificate"))
		config->certificate_file = value;
	else if (span_eq_str(name, "key"))
		config->key_file = value;
	else if (span_eq_str(name, "client_ca"))
		config->client_ca_file = value;
	else if (span_eq_str(name, "threads"))
		config->threads = (unsigned)strtoul(value, NULL, 10);
	else if (span_eq_str(name, "request_s"))
		config->request_s = (int)strtol(value, NULL, 10);
	else if (span_eq_str(name, "idle_s"))
		config->idle_s = (int)strtol(value, NULL, 10);
	else
		return false;
	return true;
}

static void
print_counts(struct http_server *server)
{
	struct http_counts c;

	http_server_counts(server, &c);
	printf(
	    "counts connections=%llu requests=%llu refused=%llu timeouts=%llu too_big=%llu "
	    "open=%u running=%u sources=%u begun=%d ended=%d sources_begun=%d sources_ended=%d\n",
	    (unsigned long long)c.connections, (unsigned long long)c.requests,
	    (unsigned long long)c.refused_connections, (unsigned long long)c.timeouts,
	    (unsigned long long)c.too_big, c.open, c.running, c.sources, atomic_load(&begun),
	    atomic_load(&ended), atomic_load(&sources_begun), atomic_load(&sources_ended));
}

static void
reload(struct http_server *server)
{
	struct err err = ERR_NONE;

	if (http_server_reload(server, &err) == ST_OK)
		printf("reloaded\n");
	else
		printf("not reloaded: %s\n", err.text);
}

static void
serve(struct http_server *server, int term)
{
	struct pollfd wait[2] = {{.fd = 0, .events = POLLIN}, {.fd = term, .events = POLLIN}};
	char line[100];

	for (;;) {
		ssize_t n;

		(void)!poll(wait, 2, -1);
		if (wait[1].revents != 0)
			return;
		n = read(0, line, sizeof(line));
		if (n <= 0)
			return;
		if (line[0] == 'c')
			print_counts(server);
		else
			reload(server);
		fflush(stdout);
	}
}

int
main(int argc, char **argv)
{
	static const struct http_handler handler = {begin, piece, answer, end};
	struct http_config config = {.handler = &handler, .unix_group = (gid_t)-1};
	struct http_server *server;
	struct err err = ERR_NONE;
	sigset_t set;
	int term;

	for (int i = 1; i < argc; i++)
		if (!take_word(&config, argv[i])) {
			fprintf(stderr, "%s: what is that?\n", argv[i]);
			return 2;
		}
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	term = signalfd(-1, &set, SFD_CLOEXEC);
	if (http_server_new(&config, &server, &err) != ST_OK) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	printf("ready %u\n", http_server_port(server));
	fflush(stdout);
	serve(server, term);
	http_server_free(server);
	printf("stopped begun=%d ended=%d sources_begun=%d sources_ended=%d\n", atomic_load(&begun),
	    atomic_load(&ended), atomic_load(&sources_begun), atomic_load(&sources_ended));
	close(term);
	return 0;
}
