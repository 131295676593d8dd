/*
 * api_stream.c - answers of lines (application/x-ndjson): {"progress":{...}} while an operation
 * runs, and at the end its answer, or a problem.
 * Called by api.c for those that take long. The operation has a thread of its own, whose stack is
 * secret; http_source.c's thread asks for what it has said. It must never run an operation that
 * nobody wants to know of any more longer than to its next step, nor use anything of the request,
 * which may be gone.
 */
#include "config.h"

#include <string.h>

#include "admin-api/api_private.h"
#include "lib/base/mem.h"
#include "lib/base/secretthread.h"

#define STACK_BYTES (1U << 20)
#define PIECE_BYTES (32U * 1024U) /* that a source gives at once; it has room for 64 kB */
#define WAITING_MAX (64U * 1024U) /* progress that nobody has read yet; more is not told */

struct stream {
	struct api_call call;
	struct http_request request;   /* what is used of it after it is gone */
	struct http_response response; /* of the operation: becomes the last line */
	char *path, *query, *key;
	bool started;
	struct secret_thread thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	struct buf lines;
	size_t given; /* octets of them */
	bool ended, unwanted;
};

/* ---- the operation's thread ---- */

static bool
tell(void *context, const json_t *report)
{
	struct stream *s = context;
	json_t *line = json_pack("{s:O}", "progress", (json_t *)report);
	bool wanted;

	pthread_mutex_lock(&s->lock);
	wanted = !s->unwanted;
	if (wanted && s->lines.n < WAITING_MAX && json_write(line, &s->lines) == ST_OK)
		buf_add_char(&s->lines, '\n');
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	json_decref(line);
	return wanted;
}

static void *
run(void *context)
{
	struct stream *s = context;
	struct span body;

	api_run(&s->call);
	body = span_trim(buf_span(&s->response.body));
	pthread_mutex_lock(&s->lock);
	buf_add(&s->lines, body);
	buf_add_char(&s->lines, '\n');
	s->ended = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* ---- the source ---- */

static void
begin(struct stream *s)
{
	s->started = secret_thread_start(&s->thread, STACK_BYTES, run, s);
	if (s->started)
		return;
	api_problem(&s->call, 503, "busy", "no thread can be made; try again", NULL);
	buf_add(&s->lines, buf_span(&s->response.body));
	buf_add_char(&s->lines, '\n');
	s->ended = true;
}

static void
wait_for_line(struct stream *s, int wait_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += wait_ms / 1000;
	until.tv_nsec += wait_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	(void)pthread_cond_timedwait(&s->changed, &s->lock, &until);
}

static bool
source(void *context, int wait_ms, struct buf *out)
{
	struct stream *s = context;
	size_t n;
	bool more;

	if (!s->started && !s->ended)
		begin(s);
	pthread_mutex_lock(&s->lock);
	if (s->lines.n == 0 && !s->ended)
		wait_for_line(s, wait_ms);
	n = s->lines.n - s->given < PIECE_BYTES ? s->lines.n - s->given : PIECE_BYTES;
	buf_add(out, span_sub(buf_span(&s->lines), s->given, n));
	s->given += n;
	if (s->given == s->lines.n) {
		buf_reset(&s->lines);
		s->given = 0;
	}
	more = !s->ended || s->lines.n > 0;
	pthread_mutex_unlock(&s->lock);
	return more;
}

/* The operation ends soon when it hears that nobody listens. */
static void
source_end(void *context)
{
	struct stream *s = context;

	pthread_mutex_lock(&s->lock);
	s->unwanted = true;
	pthread_mutex_unlock(&s->lock);
	if (s->started)
		secret_thread_join(&s->thread);
	json_decref(s->call.arguments);
	json_decref(s->call.errors);
	http_response_free(&s->response);
	buf_free(&s->lines);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	mem_free(s->path);
	mem_free(s->query);
	mem_free(s->key);
	mem_free(s);
}

/* ---- beginning ---- */

/* All that is used later, and lies in the request. */
static void
keep_request(struct stream *s, const struct http_request *request)
{
	s->path = mem_strndup(request->path.p, request->path.n);
	s->query = mem_strndup(request->query.n > 0 ? request->query.p : "", request->query.n);
	s->key = mem_strndup(s->call.key.n > 0 ? s->call.key.p : "", s->call.key.n);
	s->request = (struct http_request){
	    .method = SPAN_LIT("POST"), .path = span_str(s->path), .query = span_str(s->query)};
	memcpy(s->request.id, request->id, sizeof(s->request.id));
	s->call.key = span_str(s->key);
	s->call.request = &s->request;
}

void
api_stream(struct api_call *call)
{
	struct stream *s = mem_zalloc(1, sizeof(*s));
	struct http_response *response = call->response;

	api_name_request(call);
	s->call = *call;
	json_incref(s->call.arguments);
	json_incref(s->call.errors);
	keep_request(s, call->request);
	http_response_init(&s->response);
	s->call.response = &s->response;
	s->call.progress = tell;
	s->call.progress_context = s;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	buf_init(&s->lines, HTTP_ANSWER_MAX + WAITING_MAX + 2 * PIECE_BYTES);
	response->status = call->dry_run ? 200 : call->match.route->status;
	buf_add_str(&response->fields, "Content-Type: application/x-ndjson\r\n");
	response->source = source;
	response->source_end = source_end;
	response->source_context = s;
}
