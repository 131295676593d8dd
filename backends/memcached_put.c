/*
 * memcached_put.c - gives values to a memcached through libmemcached.
 * Called by memcached.c from the keeper's workers, which only leave a copy in a queue.
 * It must never ask libmemcached for anything that makes it read an answer: "noreply" always, and
 * a new connection now and then for the complaints of a server that nobody reads. A hostile answer
 * can do anything with libmemcached 1.1; see HACKING.
 */
#include <errno.h>
#include <libmemcached/memcached.h>
#include <string.h>

#include "backends/memcached_put.h"
#include "backends/memcached_thread.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"

#define LIMIT_MS 1000        /* of a connect, and of each wait for room to write */
#define CONNECTION_PUTS 1000 /* then a new one */

struct entry {
	struct entry *next;
	size_t name_n, value_n;
	uint32_t ttl_s;
	uint64_t connection; /* see memcached_put.h */
	char octets[];       /* name, value */
};

struct mcput {
	struct mcserver where;
	memcached_st *server; /* the thread's alone; NULL: none, to be made */
	unsigned sent;        /* over it */
	uint64_t connection;  /* when it was made */
	pthread_mutex_t lock; /* of all below; held for a few instructions */
	pthread_cond_t wake, ended;
	unsigned refs; /* the owner, the thread */
	pthread_t thread;
	bool closing, abandoned;
	struct entry *first, *last;
	size_t count, octets;
};

static memcached_st *
new_server(const struct mcserver *where)
{
	memcached_st *server = memcached_create(NULL);
	memcached_return_t answer;

	if (server == NULL)
		return NULL;
	memcached_behavior_set(server, MEMCACHED_BEHAVIOR_NO_BLOCK, 1);
	memcached_behavior_set(server, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
	memcached_behavior_set(server, MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, LIMIT_MS);
	memcached_behavior_set(server, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, LIMIT_MS);
	answer = memcached_behavior_set(server, MEMCACHED_BEHAVIOR_NOREPLY, 1);
	if (answer == MEMCACHED_SUCCESS && where->port == 0)
		answer = memcached_server_add_unix_socket(server, where->host);
	else if (answer == MEMCACHED_SUCCESS)
		answer = memcached_server_add(server, where->host, where->port);
	if (answer == MEMCACHED_SUCCESS)
		return server;
	memcached_free(server);
	return NULL;
}

static void
forget_server(struct mcput *put)
{
	if (put->server != NULL)
		memcached_free(put->server);
	put->server = NULL;
	put->sent = 0;
}

static bool
send_entry(struct mcput *put, const struct entry *entry)
{
	memcached_return_t answer;

	if (put->sent >= CONNECTION_PUTS || put->connection != entry->connection)
		forget_server(put);
	put->connection = entry->connection;
	if (put->server == NULL)
		put->server = new_server(&put->where);
	if (put->server == NULL)
		return false;
	answer = memcached_set(put->server, entry->octets, entry->name_n,
	    entry->octets + entry->name_n, entry->value_n, (time_t)entry->ttl_s, 0);
	put->sent++;
	if (answer != MEMCACHED_SUCCESS)
		forget_server(put);
	return answer == MEMCACHED_SUCCESS;
}

/* With the lock held; NULL: there is none. */
static struct entry *
take(struct mcput *put)
{
	struct entry *entry = put->first;

	if (entry == NULL)
		return NULL;
	put->first = entry->next;
	if (put->first == NULL)
		put->last = NULL;
	put->count--;
	put->octets -= entry->name_n + entry->value_n;
	return entry;
}

static void
drop_all(struct mcput *put)
{
	struct entry *entry;

	metrics_add(METRIC_SHARED_DROPPED, METRIC_NONE, METRIC_NONE, put->count);
	while ((entry = take(put)) != NULL)
		mem_free(entry);
}

/* With the lock held, which it gives back. */
static void
unref_and_unlock(struct mcput *put)
{
	bool last = --put->refs == 0;

	if (last)
		drop_all(put);
	pthread_cond_broadcast(&put->ended);
	pthread_mutex_unlock(&put->lock);
	if (!last)
		return;
	mcserver_free(&put->where);
	pthread_cond_destroy(&put->wake);
	pthread_cond_destroy(&put->ended);
	pthread_mutex_destroy(&put->lock);
	mem_free(put);
}

/* NULL: it is over. */
static struct entry *
wait_for_entry(struct mcput *put)
{
	struct entry *entry;

	pthread_mutex_lock(&put->lock);
	while (put->first == NULL && !put->closing)
		pthread_cond_wait(&put->wake, &put->lock);
	entry = put->abandoned ? NULL : take(put);
	pthread_mutex_unlock(&put->lock);
	return entry;
}

/* A server that does not take one does not take what waits behind it. */
static void *
run(void *arg)
{
	struct mcput *put = arg;
	struct entry *entry;

	while ((entry = wait_for_entry(put)) != NULL) {
		bool sent = send_entry(put, entry);

		mem_free(entry);
		if (sent)
			continue;
		metrics_count(METRIC_SHARED_DROPPED, METRIC_NONE, METRIC_NONE);
		pthread_mutex_lock(&put->lock);
		drop_all(put);
		pthread_mutex_unlock(&put->lock);
	}
	forget_server(put);
	pthread_mutex_lock(&put->lock);
	unref_and_unlock(put);
	return NULL;
}

enum status
mcput_open(const struct mcserver *server, struct mcput **out, struct err *err)
{
	struct mcput *put = mem_zalloc(1, sizeof(*put));
	int failed;

	put->where = mcserver_copy(server);
	pthread_mutex_init(&put->lock, NULL);
	mcthread_cond_init(&put->wake);
	mcthread_cond_init(&put->ended);
	put->refs = 2;
	failed = mcthread_start("memcached-put", run, put, &put->thread);
	*out = failed == 0 ? put : NULL;
	if (failed == 0)
		return ST_OK;
	put->refs = 1;
	pthread_mutex_lock(&put->lock);
	unref_and_unlock(put);
	err_set(err, "no thread for memcached: %s", strerror(failed));
	return ST_FAILED;
}

static struct entry *
entry_new(struct span name, struct span value, uint32_t ttl_s, uint64_t connection)
{
	struct entry *entry = mem_alloc(sizeof(*entry) + name.n + value.n);

	*entry = (struct entry){NULL, name.n, value.n, ttl_s, connection};
	memcpy(entry->octets, name.p, name.n);
	if (value.n > 0)
		memcpy(entry->octets + name.n, value.p, value.n);
	return entry;
}

void
mcput_add(
    struct mcput *put, struct span name, struct span value, uint32_t ttl_s, uint64_t connection)
{
	size_t octets = name.n + value.n;
	struct entry *entry = entry_new(name, value, ttl_s, connection);

	pthread_mutex_lock(&put->lock);
	if (put->count < MCPUT_COUNT_MAX && octets <= MCPUT_OCTETS_MAX - put->octets) {
		if (put->first == NULL)
			put->first = entry;
		else
			put->last->next = entry;
		put->last = entry;
		put->count++;
		put->octets += octets;
		entry = NULL;
		pthread_cond_signal(&put->wake);
	}
	pthread_mutex_unlock(&put->lock);
	if (entry == NULL)
		return;
	metrics_count(METRIC_SHARED_DROPPED, METRIC_NONE, METRIC_NONE);
	mem_free(entry);
}

void
mcput_close(struct mcput *put)
{
	int64_t until_ms = clock_mono_ms() + MCPUT_CLOSE_MS;
	const struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
	int failed = 0;

	if (put == NULL)
		return;
	pthread_mutex_lock(&put->lock);
	put->closing = true;
	pthread_cond_signal(&put->wake);
	while (put->refs > 1 && failed != ETIMEDOUT)
		failed = pthread_cond_timedwait(&put->ended, &put->lock, &until);
	put->abandoned = true;
	mcthread_end(put->thread, put->refs == 1);
	unref_and_unlock(put);
}
