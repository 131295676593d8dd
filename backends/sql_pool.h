/*
 * sql_pool.h - the connections of one dsn: table or key store. A thread takes one, asks, and gives
 * it back, so there are as many as threads that ask at once. A server that failed is left alone for
 * a while: who asks meanwhile is answered at once, and after it one thread tries.
 */
#ifndef SIGNPOST_BACKENDS_SQL_POOL_H
#define SIGNPOST_BACKENDS_SQL_POOL_H

#include <pthread.h>

#include "backends/sql.h"

/* A connection that nobody used for so long is not trusted: a firewall may have forgotten it, and
 * then it would be waited for in vain. */
#define SQL_IDLE_MAX_MS 60000

struct sql_link {
	void *connection;
	unsigned epoch; /* of the pool when it was made */
	bool fresh;     /* nothing has been asked yet */
	int64_t idle_since_ms;
	struct sql_link *next;
};

struct sql_pool {
	const struct sql_driver *driver;
	const struct sql_source *source;
	const char *parameter; /* for the log */
	pthread_mutex_t lock;  /* of all below; never held while a server is waited for */
	struct sql_link *idle;
	unsigned epoch; /* counts losses: connections of an older one are not used again */
	bool down, trying;
	int64_t pause_ms, again_at_ms;
	struct err why;
};

void sql_pool_init(struct sql_pool *pool, const struct sql_driver *driver,
    const struct sql_source *source, const char *parameter);
void sql_pool_free(struct sql_pool *pool);

/* ST_OK: to be given to one of the functions below. ST_UNAVAILABLE: *err says why. */
enum status sql_pool_take(struct sql_pool *pool, struct sql_link **out, struct err *err) MUST_USE;
/* The connection is good. */
void sql_pool_give(struct sql_pool *pool, struct sql_link *link);
/* The connection was lost, and with it all others that are idle. */
void sql_pool_lose(struct sql_pool *pool, struct sql_link *link);
/* The server is not to be asked for a while. */
void sql_pool_trip(struct sql_pool *pool, const struct err *why);

#endif
