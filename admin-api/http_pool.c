/*
 * http_pool.c - the threads that run requests.
 * A request comes here when it is complete, or a piece of its body is; its connection is suspended
 * until it goes back (MHD_resume_connection). It must never hold a request that waits for its peer,
 * and never touch one that was given back.
 */
#include "config.h"

#include <sys/resource.h>

#include "admin-api/http_private.h"
#include "lib/base/mem.h"

#define THREADS 8U
#define THREADS_MAX 256U
#define STACK_BYTES (1U << 20) /* what is not touched is not there */

/* ---- one request ---- */

/* true: the answer is there. */
static bool
run(struct http_exchange *x)
{
	const struct http_handler *handler = x->server->handler;

	if (x->streamed && x->body.n > 0) {
		bool more = handler->piece(&x->request, buf_span(&x->body), &x->response);

		buf_reset(&x->body);
		if (!more)
			return true;
	}
	if (x->complete)
		handler->answer(&x->request, &x->response);
	return x->complete;
}

/* Back to libmicrohttpd's thread. From here on it is not ours. */
static void
give_back(struct http_exchange *x, enum http_phase phase)
{
	x->phase = phase;
	http_connection_due(x->connection, x->server->request_ms);
	MHD_resume_connection(x->mhd);
}

static void
serve(struct http_server *server, struct http_exchange *x, bool dropping)
{
	static const struct http_refusal stopping = {
	    503, "stopping", "the service is about to stop; try again"};

	if (dropping) {
		http_refuse(x, &stopping);
	} else {
		atomic_fetch_add(&server->running, 1);
		x->phase = run(x) ? HTTP_PHASE_ANSWERED : HTTP_PHASE_BODY;
		atomic_fetch_sub(&server->running, 1);
	}
	if (x->phase == HTTP_PHASE_ANSWERED)
		http_exchange_end(x);
	give_back(x, x->phase);
}

/* ---- threads ---- */

static void *
run_all(void *context)
{
	struct http_pool *pool = context;

	/* Of this thread, on Linux. Not allowed: then it is as the others are. */
	if (pool->nice != 0)
		(void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + pool->nice);
	pthread_mutex_lock(&pool->lock);
	while (!pool->stopping || pool->first != NULL) {
		struct http_exchange *x = pool->first;
		bool dropping = pool->dropping;

		if (x == NULL) {
			pthread_cond_wait(&pool->work, &pool->lock);
			continue;
		}
		pool->first = x->next;
		if (pool->first == NULL)
			pool->last = &pool->first;
		pthread_mutex_unlock(&pool->lock);
		serve(pool->server, x, dropping);
		pthread_mutex_lock(&pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

void
http_pool_add(struct http_server *server, struct http_exchange *x)
{
	struct http_pool *pool = &server->pools[x->streamed ? HTTP_POOL_STREAMED : HTTP_POOL_WHOLE];

	x->next = NULL;
	pthread_mutex_lock(&pool->lock);
	*pool->last = x;
	pool->last = &x->next;
	pthread_cond_signal(&pool->work);
	pthread_mutex_unlock(&pool->lock);
}

/* ---- all ---- */

void
http_pools_init(struct http_server *server)
{
	for (unsigned i = 0; i < HTTP_POOLS; i++) {
		struct http_pool *pool = &server->pools[i];

		pool->server = server;
		pool->nice = i == HTTP_POOL_STREAMED ? HTTP_STREAM_NICE : 0;
		pool->last = &pool->first;
		pthread_mutex_init(&pool->lock, NULL);
		pthread_cond_init(&pool->work, NULL);
	}
}

static enum status
start(struct http_pool *pool, unsigned threads, struct err *err)
{
	pool->threads = mem_zalloc(threads, sizeof(*pool->threads));
	while (pool->thread_count < threads) {
		if (!secret_thread_start(
			&pool->threads[pool->thread_count], STACK_BYTES, run_all, pool)) {
			err_set(err, "no thread with a stack of its own can be made");
			return ST_FAILED;
		}
		pool->thread_count++;
	}
	return ST_OK;
}

enum status
http_pools_start(struct http_server *server, unsigned threads, struct err *err)
{
	enum status status;

	if (threads == 0)
		threads = THREADS;
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	status = start(&server->pools[HTTP_POOL_WHOLE], threads, err);
	if (threads > HTTP_STREAM_THREADS)
		threads = HTTP_STREAM_THREADS;
	return status == ST_OK ? start(&server->pools[HTTP_POOL_STREAMED], threads, err) : status;
}

void
http_pools_drop(struct http_server *server)
{
	for (unsigned i = 0; i < HTTP_POOLS; i++) {
		pthread_mutex_lock(&server->pools[i].lock);
		server->pools[i].dropping = true;
		pthread_mutex_unlock(&server->pools[i].lock);
	}
}

static void
stop(struct http_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->thread_count; i++)
		secret_thread_join(&pool->threads[i]);
	pool->thread_count = 0;
	mem_free(pool->threads);
	pool->threads = NULL;
}

void
http_pools_stop(struct http_server *server)
{
	for (unsigned i = 0; i < HTTP_POOLS; i++)
		stop(&server->pools[i]);
}

void
http_pools_free(struct http_server *server)
{
	for (unsigned i = 0; i < HTTP_POOLS; i++) {
		pthread_cond_destroy(&server->pools[i].work);
		pthread_mutex_destroy(&server->pools[i].lock);
	}
}
