/*
 * http_source.c - answers that have no end yet: events.
 * Each has a thread that asks its source and one buffer from which libmicrohttpd's thread sends.
 * While there is nothing to send the connection is suspended. It must never hold a thread of the
 * pool, never more than BUFFER_MAX of a reader that does not read, and never a thread for one that
 * is gone.
 */
#include "config.h"

#include <poll.h>
#include <string.h>

#include "admin-api/http_private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define WAIT_MS 250
#define FRESH_MAX (64U * 1024U)
#define BUFFER_MAX (256U * 1024U)
#define BLOCK_BYTES 16384U

struct http_source {
	struct http_server *server;
	struct http_connection
	    *connection; /* while it is suspended, or in libmicrohttpd's thread */
	struct MHD_Connection *mhd;
	bool (*source)(void *source_context, int wait_ms, struct buf *out);
	void (*source_end)(void *source_context);
	void *source_context;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	struct buf pending;
	bool suspended, ended; /* ended: nothing more is added */
	bool gone;             /* libmicrohttpd has no more use for it */
	unsigned users;
};

static void
let_go(struct http_source *s)
{
	struct http_server *server = s->server;
	bool last;

	pthread_mutex_lock(&s->lock);
	last = --s->users == 0;
	pthread_mutex_unlock(&s->lock);
	if (!last)
		return;
	buf_free(&s->pending);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	mem_free(s);
	atomic_fetch_sub(&server->source_count, 1);
}

/* ---- libmicrohttpd's thread ---- */

static ssize_t
read_some(void *context, uint64_t at, char *room, size_t n)
{
	struct http_source *s = context;
	ssize_t got = 0;

	(void)at;
	pthread_mutex_lock(&s->lock);
	if (s->pending.n > 0) {
		if (n > s->pending.n)
			n = s->pending.n;
		memcpy(room, s->pending.p, n);
		buf_drop_front(&s->pending, n);
		got = (ssize_t)n;
		http_connection_due(s->connection, s->server->request_ms);
		pthread_cond_signal(&s->changed);
	} else if (s->ended) {
		got = MHD_CONTENT_READER_END_OF_STREAM;
	} else {
		http_connection_due(s->connection, 0);
		MHD_suspend_connection(s->mhd);
		s->suspended = true;
	}
	pthread_mutex_unlock(&s->lock);
	return got;
}

static void
reader_is_gone(void *context)
{
	struct http_source *s = context;

	pthread_mutex_lock(&s->lock);
	s->gone = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	let_go(s);
}

/* ---- the source's thread ---- */

/* libmicrohttpd does not look at a connection that is suspended, and does not close it. */
static bool
peer_is_gone(const struct http_source *s)
{
	struct pollfd look = {.fd = s->connection->fd, .events = POLLRDHUP};

	return s->suspended && poll(&look, 1, 0) > 0;
}

static bool
has_reader(struct http_source *s)
{
	return !s->gone && !atomic_load(&s->server->stopping) && !peer_is_gone(s);
}

static void
wait_a_while(struct http_source *s)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += WAIT_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	(void)pthread_cond_timedwait(&s->changed, &s->lock, &until);
}

/* Adds what is fresh, when there is room for it, and lets it be sent. ends: there is no more.
 * false: nobody reads any more. */
static bool
hand_over(struct http_source *s, struct span fresh, bool ends)
{
	bool resume, read;

	pthread_mutex_lock(&s->lock);
	while (has_reader(s) && s->pending.n + fresh.n > BUFFER_MAX)
		wait_a_while(s);
	read = has_reader(s);
	if (read)
		buf_add(&s->pending, fresh);
	s->ended = ends || !read;
	resume = s->suspended && (s->ended || s->pending.n > 0);
	if (resume)
		s->suspended = false;
	pthread_mutex_unlock(&s->lock);
	if (resume)
		MHD_resume_connection(s->mhd);
	return read && !ends;
}

static void *
run(void *context)
{
	struct http_source *s = context;
	struct http_server *server = s->server;
	struct buf fresh;
	bool goes_on = true;

	buf_init(&fresh, FRESH_MAX);
	while (goes_on) {
		bool more = s->source(s->source_context, WAIT_MS, &fresh);

		/* What does not fit is the source's mistake; half of an event is nothing. */
		goes_on = hand_over(s, buf_span(&fresh), !more || fresh.overflow);
		buf_reset(&fresh);
	}
	buf_free(&fresh);
	if (s->source_end != NULL)
		s->source_end(s->source_context);
	let_go(s);
	atomic_fetch_sub(&server->source_threads, 1);
	return NULL;
}

static bool
start_thread(struct http_source *s)
{
	pthread_attr_t detached;
	pthread_t thread;
	bool started;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	atomic_fetch_add(&s->server->source_threads, 1);
	started = pthread_create(&thread, &detached, run, s) == 0;
	if (!started)
		atomic_fetch_sub(&s->server->source_threads, 1);
	pthread_attr_destroy(&detached);
	return started;
}

struct MHD_Response *
http_source_make(struct http_exchange *x)
{
	struct http_source *s;
	struct MHD_Response *made;

	if (atomic_fetch_add(&x->server->source_count, 1) >= HTTP_SOURCES_MAX) {
		atomic_fetch_sub(&x->server->source_count, 1);
		return NULL;
	}
	s = mem_zalloc(1, sizeof(*s));
	*s = (struct http_source){.server = x->server,
	    .connection = x->connection,
	    .mhd = x->mhd,
	    .source = x->response.source,
	    .source_end = x->response.source_end,
	    .source_context = x->response.source_context,
	    .users = 1};
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	buf_init(&s->pending, BUFFER_MAX);
	made = MHD_create_response_from_callback(
	    MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_some, s, reader_is_gone);
	if (made == NULL) {
		let_go(s);
		return NULL;
	}
	s->users = 2;
	if (!start_thread(s)) {
		s->users = 1;
		MHD_destroy_response(made);
		return NULL;
	}
	x->response.source = NULL;
	return made;
}

/* All of their threads see that it stops. */
void
http_sources_wait(struct http_server *server)
{
	while (atomic_load(&server->source_threads) > 0)
		poll(NULL, 0, 10);
}
