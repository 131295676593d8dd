/*
 * sql_pool.c - connections to a SQL server, and when it is worth trying.
 * Called by sql.c and keystore_sql.c for each question, by the keeper's threads.
 * It must never hold its lock while it waits for a server, nor let more than one thread wait for a
 * server that is known to be away.
 */
#include <string.h>

#include "backends/sql_pool.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"

void
sql_pool_init(struct sql_pool *pool, const struct sql_driver *driver,
    const struct sql_source *source, const char *parameter)
{
	memset(pool, 0, sizeof(*pool));
	pool->driver = driver;
	pool->source = source;
	pool->parameter = parameter;
	pthread_mutex_init(&pool->lock, NULL);
}

static void
links_free(struct sql_pool *pool, struct sql_link *link)
{
	while (link != NULL) {
		struct sql_link *next = link->next;

		if (link->connection != NULL)
			pool->driver->disconnect(link->connection);
		mem_free(link);
		link = next;
	}
}

static void
circuit_count(const struct sql_pool *pool, int64_t by)
{
	metrics_gauge_add_at(METRIC_CIRCUITS,
	    strcmp(pool->parameter, "KeyStore") == 0 ? METRIC_STORE_KIND_KEYSTORE
						     : METRIC_STORE_KIND_TABLE,
	    by);
}

void
sql_pool_free(struct sql_pool *pool)
{
	if (pool->down)
		circuit_count(pool, -1);
	links_free(pool, pool->idle);
	pthread_mutex_destroy(&pool->lock);
}

/* May the server be asked now? true marks this thread as the one that tries, if it is down. */
static bool
may_try(struct sql_pool *pool, struct err *err)
{
	if (!pool->down)
		return true;
	if (!pool->trying && clock_mono_ms() >= pool->again_at_ms) {
		pool->trying = true;
		return true;
	}
	*err = pool->why;
	return false;
}

void
sql_pool_trip(struct sql_pool *pool, const struct err *why)
{
	const struct sql_driver *driver = pool->driver;
	struct sql_link *lost;
	bool first, tries;
	int64_t pause;

	if (driver->pause_min_ms == 0)
		return;
	pthread_mutex_lock(&pool->lock);
	first = !pool->down;
	if (first)
		circuit_count(pool, 1);
	tries = pool->trying;
	if (first)
		pool->pause_ms = driver->pause_min_ms;
	else if (tries)
		pool->pause_ms = pool->pause_ms * 2 > driver->pause_max_ms ? driver->pause_max_ms
									   : pool->pause_ms * 2;
	pool->down = true;
	pool->trying = false;
	pool->why = *why;
	pause = pool->pause_ms;
	pool->again_at_ms = clock_mono_ms() + pause;
	lost = pool->idle;
	pool->idle = NULL;
	pool->epoch++;
	pthread_mutex_unlock(&pool->lock);
	links_free(pool, lost);
	if (first)
		log_line(LOG_LEVEL_WARNING,
		    "%s: %s; asked again from %lld s on, until then it is unavailable",
		    pool->parameter, why->text, (long long)(pause / 1000));
}

static enum status
connect_link(struct sql_pool *pool, struct sql_link **out, struct err *err)
{
	struct sql_link *link = mem_zalloc(1, sizeof(*link));
	enum status status = pool->driver->connect(pool->source, &link->connection, err);

	if (status != ST_OK) {
		mem_free(link);
		sql_pool_trip(pool, err);
		return ST_UNAVAILABLE;
	}
	link->fresh = true;
	pthread_mutex_lock(&pool->lock);
	link->epoch = pool->epoch;
	pthread_mutex_unlock(&pool->lock);
	*out = link;
	return ST_OK;
}

/* The connection that was used last; *old_out: those that nobody used for too long. Locked. */
static struct sql_link *
pop_idle(struct sql_pool *pool, struct sql_link **old_out)
{
	struct sql_link *link = pool->idle;

	*old_out = NULL;
	if (link != NULL && clock_mono_ms() - link->idle_since_ms > SQL_IDLE_MAX_MS) {
		/* Those below it have been idle for even longer. */
		*old_out = link;
		pool->idle = NULL;
		return NULL;
	}
	if (link != NULL)
		pool->idle = link->next;
	return link;
}

enum status
sql_pool_take(struct sql_pool *pool, struct sql_link **out, struct err *err)
{
	struct sql_link *old = NULL;
	bool may;

	pthread_mutex_lock(&pool->lock);
	may = may_try(pool, err);
	*out = may ? pop_idle(pool, &old) : NULL;
	pthread_mutex_unlock(&pool->lock);
	links_free(pool, old);
	if (!may)
		return ST_UNAVAILABLE;
	if (*out == NULL)
		return connect_link(pool, out, err);
	(*out)->next = NULL;
	return ST_OK;
}

void
sql_pool_give(struct sql_pool *pool, struct sql_link *link)
{
	bool old, was_down;

	link->fresh = false;
	link->idle_since_ms = clock_mono_ms();
	pthread_mutex_lock(&pool->lock);
	old = link->epoch != pool->epoch;
	was_down = pool->down && !old;
	if (!old) {
		link->next = pool->idle;
		pool->idle = link;
		if (was_down)
			circuit_count(pool, -1);
		pool->down = pool->trying = false;
	}
	pthread_mutex_unlock(&pool->lock);
	if (old)
		links_free(pool, link);
	if (was_down)
		log_line(
		    LOG_LEVEL_NOTICE, "%s: %s answers again", pool->parameter, pool->source->where);
}

void
sql_pool_lose(struct sql_pool *pool, struct sql_link *link)
{
	struct sql_link *lost = NULL;

	pthread_mutex_lock(&pool->lock);
	if (link->epoch == pool->epoch) {
		pool->epoch++;
		lost = pool->idle;
		pool->idle = NULL;
	}
	pthread_mutex_unlock(&pool->lock);
	links_free(pool, link);
	links_free(pool, lost);
}
