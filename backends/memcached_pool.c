/*
 * memcached_pool.c - asks several memcached servers for names, for callers who have little time.
 * Called by memcached.c and memcache_table.c from the keeper's workers.
 * It must never let a caller wait longer than its patience, whatever a server or a thread does.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "backends/memcached_pool_private.h"
#include "backends/memcached_ring.h"
#include "backends/memcached_thread.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"

static struct timespec
timespec_of(int64_t ms)
{
	return (struct timespec){ms / 1000, ms % 1000 * 1000000};
}

void
mcpool_question_unref(struct question *question)
{
	if (--question->refs > 0)
		return;
	pthread_cond_destroy(&question->finished);
	mem_free(question);
}

static struct question *
question_new(const struct mcpool *pool, const struct span *names, size_t count)
{
	struct question *question = mem_alloc(sizeof(*question));
	size_t used = 0;

	memset(question, 0, offsetof(struct question, text));
	mcthread_cond_init(&question->finished);
	question->refs = 1;
	for (size_t i = 0; i < count; i++) {
		if (!mcname_ok(names[i])) {
			question->out[i].status = ST_ABSENT;
			question->done[i] = true;
			continue;
		}
		memcpy(question->text + used, names[i].p, names[i].n);
		question->names[i] = span_of(question->text + used, names[i].n);
		question->places[i] = mcpool_place(pool, names[i]);
		used += names[i].n;
	}
	return question;
}

/* With the lock held, as the next two. */
static void
enqueue(struct question *question, struct asker *asker, size_t at)
{
	struct waiting *waiting = &question->waiting[at];

	*waiting = (struct waiting){question, at, NULL};
	if (asker->first == NULL)
		asker->first = waiting;
	else
		asker->last->next = waiting;
	asker->last = waiting;
	asker->waiting_count++;
	question->refs++;
	question->unfinished++;
	pthread_cond_signal(&asker->wake);
}

/* false: nobody had to be asked. */
static bool
enqueue_all(struct mcpool *pool, struct question *question, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct asker *asker = &pool->askers[question->places[i]];

		if (question->done[i])
			continue;
		if (!asker->away && asker->waiting_count < MCPOOL_WAITING_MAX) {
			enqueue(question, asker, i);
			continue;
		}
		question->out[i].status = ST_UNAVAILABLE;
		question->done[i] = true;
	}
	return question->unfinished > 0;
}

/* A caller's time is over. Did the server have most of it? Else it is this machine that has too
 * much to do: the question waited for its thread, or for an answer to others. */
static bool
server_is_slow(const struct asker *asker)
{
	/* Not even a connection yet; the system's resolver may look for its name for long. */
	if (!asker->known)
		return true;
	return asker->flight_count > 0 &&
	       clock_mono_ms() - asker->asked_ms >= asker->pool->config.patience_ms / 2;
}

/* Who is slow is away, and that finishes all that wait for it. What else is unfinished is given up
 * by this caller alone. */
static void
give_up(struct mcpool *pool, struct question *question, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct asker *asker = &pool->askers[question->places[i]];

		if (question->done[i])
			continue;
		if (server_is_slow(asker))
			mcpool_went_away(asker);
		if (question->done[i])
			continue;
		question->out[i].status = ST_UNAVAILABLE;
		question->done[i] = true;
		question->unfinished--;
	}
}

static void
wait_for_answers(struct mcpool *pool, struct question *question, size_t count, int64_t deadline_ms)
{
	const struct timespec until = timespec_of(deadline_ms);
	int failed = 0;

	while (question->unfinished > 0 && failed != ETIMEDOUT)
		failed = pthread_cond_timedwait(&question->finished, &pool->lock, &until);
	give_up(pool, question, count);
}

/* With the lock held. Whoever is away for longer than a busy machine explains is not late. */
static void
note_late(const struct mcpool *pool, struct question *question, size_t count)
{
	int64_t now_ms = clock_mono_ms();

	for (size_t i = 0; i < count; i++) {
		const struct asker *asker = &pool->askers[question->places[i]];

		question->out[i].late = question->out[i].status == ST_UNAVAILABLE &&
					(!asker->away || now_ms - asker->since_ms < MCPOOL_SAY_MS);
	}
}

void
mcpool_get(struct mcpool *pool, const struct span *names, size_t count, struct shared_value *out)
{
	struct question *question = question_new(pool, names, count);
	int64_t began_us = clock_mono_us();
	bool asked;

	pthread_mutex_lock(&pool->lock);
	asked = enqueue_all(pool, question, count);
	if (asked)
		wait_for_answers(pool, question, count, began_us / 1000 + pool->config.patience_ms);
	note_late(pool, question, count);
	memcpy(out, question->out, count * sizeof(*out));
	mcpool_question_unref(question);
	pthread_mutex_unlock(&pool->lock);
	if (asked && pool->config.gauge)
		metrics_observe(METRIC_SHARED_SECONDS, clock_mono_us() - began_us);
}

size_t
mcpool_place(const struct mcpool *pool, struct span name)
{
	return mcring_place(pool->ring, name);
}

const char *
mcpool_server(const struct mcpool *pool, size_t place)
{
	return pool->askers[place].where.text;
}

bool
mcpool_is_there(struct mcpool *pool, size_t place, uint64_t *connection_out)
{
	bool there;

	pthread_mutex_lock(&pool->lock);
	there = !pool->askers[place].said;
	*connection_out = pool->askers[place].connection;
	pthread_mutex_unlock(&pool->lock);
	return there;
}

/* What the threads used may not go while one of them still runs: the last one does this. */
static void
free_pool(struct mcpool *pool)
{
	for (size_t i = 0; i < pool->count; i++) {
		mcserver_free(&pool->askers[i].where);
		pthread_cond_destroy(&pool->askers[i].wake);
	}
	mem_free(pool->askers);
	mem_free(pool->parameter);
	mcring_free(pool->ring);
	if (pool->stop >= 0)
		close(pool->stop);
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->lock);
	mem_free(pool);
}

/* One reference less; the last one frees the pool. With the lock held, which it gives back. */
static void
unref_and_unlock(struct mcpool *pool)
{
	bool last = --pool->refs == 0;

	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	if (last)
		free_pool(pool);
}

void
mcpool_asker_done(struct asker *asker)
{
	pthread_mutex_lock(&asker->pool->lock);
	asker->done = true;
	unref_and_unlock(asker->pool);
}

static struct mcpool *
pool_new(struct mcspec *spec, const struct mcpool_config *config)
{
	struct mcpool *pool = mem_zalloc(1, sizeof(*pool));

	pool->config = *config;
	pool->parameter = mem_strdup(config->parameter);
	pool->config.parameter = pool->parameter;
	pthread_mutex_init(&pool->lock, NULL);
	mcthread_cond_init(&pool->changed);
	pool->refs = 1;
	pool->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pool->count = spec->count;
	pool->askers = mem_zalloc(spec->count, sizeof(*pool->askers));
	for (size_t i = 0; i < pool->count; i++) {
		pool->askers[i].pool = pool;
		pool->askers[i].where = spec->servers[i];
		pool->askers[i].link = (struct mclink){-1, pool->stop};
		mcthread_cond_init(&pool->askers[i].wake);
	}
	spec->count = 0;
	return pool;
}

static enum status
start_threads(struct mcpool *pool, struct err *err)
{
	for (size_t i = 0; i < pool->count; i++) {
		struct asker *asker = &pool->askers[i];
		int failed;

		pthread_mutex_lock(&pool->lock);
		failed = mcthread_start("memcached-get", mcpool_asker_run, asker, &asker->thread);
		asker->started = failed == 0;
		pool->refs += asker->started;
		pthread_mutex_unlock(&pool->lock);
		if (failed != 0) {
			err_set(err, "no thread for memcached: %s", strerror(failed));
			return ST_FAILED;
		}
	}
	return ST_OK;
}

static size_t
unknown(const struct mcpool *pool)
{
	size_t count = 0;

	for (size_t i = 0; i < pool->count; i++)
		count += pool->askers[i].known ? 0 : 1;
	return count;
}

/* So that the first message finds connections, and need not wait for them to be made. */
static void
wait_until_known(struct mcpool *pool)
{
	const struct timespec until = timespec_of(clock_mono_ms() + MCPOOL_SAY_MS);
	int failed = 0;

	pthread_mutex_lock(&pool->lock);
	while (unknown(pool) > 0 && failed != ETIMEDOUT)
		failed = pthread_cond_timedwait(&pool->changed, &pool->lock, &until);
	pthread_mutex_unlock(&pool->lock);
}

enum status
mcpool_open(
    struct mcspec *spec, const struct mcpool_config *config, struct mcpool **out, struct err *err)
{
	struct memcached_st *ring;
	enum status status = mcring_new(spec, &ring, err);
	struct mcpool *pool;

	*out = NULL;
	if (status != ST_OK) {
		mcspec_free(spec);
		return status;
	}
	pool = pool_new(spec, config);
	pool->ring = ring;
	if (pool->stop < 0) {
		err_set(err, "no descriptor for memcached: %s", strerror(errno));
		status = ST_UNAVAILABLE;
	}
	if (status == ST_OK)
		status = start_threads(pool, err);
	if (status != ST_OK) {
		mcpool_close(pool);
		return status;
	}
	wait_until_known(pool);
	*out = pool;
	return ST_OK;
}

static void
leave_gauge(const struct mcpool *pool)
{
	for (size_t i = 0; i < pool->count; i++)
		if (pool->askers[i].away)
			metrics_gauge_add(METRIC_SHARED_AWAY, -1);
}

void
mcpool_close(struct mcpool *pool)
{
	const struct timespec until = timespec_of(clock_mono_ms() + MCPOOL_CLOSE_MS);
	const uint64_t one = 1;
	int failed = 0;

	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->closing = true;
	if (pool->config.gauge)
		leave_gauge(pool);
	pool->config.gauge = false;
	for (size_t i = 0; i < pool->count; i++)
		pthread_cond_signal(&pool->askers[i].wake);
	if (pool->stop >= 0 && write(pool->stop, &one, sizeof(one)) < 0)
		failed = errno; /* the threads end with their time limits, then */
	while (pool->refs > 1 && failed != ETIMEDOUT)
		failed = pthread_cond_timedwait(&pool->changed, &pool->lock, &until);
	for (size_t i = 0; i < pool->count; i++)
		if (pool->askers[i].started)
			mcthread_end(pool->askers[i].thread, pool->askers[i].done);
	unref_and_unlock(pool);
}
