/*
 * memcached.c - the cache that gateways share, at one or more memcached servers.
 * Opened by the keeper; its workers ask it for what their own cache does not have.
 * It must never make a caller wait longer than SHARED_PATIENCE_MS, nor hand out a value of another
 * name or one that is too long; whether it is true is for sharedcache.h to find out.
 */
#include "backends/memcached_pool.h"
#include "backends/memcached_put.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"
#include "lib/store/shared.h"

/* What a server may take before its connection is given up. Its caller is gone by then: this only
 * tells a server that was late once from one that is away. */
#define ANSWER_MS 250

struct memcached {
	struct shared shared;
	struct mcpool *pool;
	size_t count;
	struct mcput *puts[MCSPEC_SERVERS_MAX];
};

static bool
name_ok(struct span name)
{
	return name.n <= SHARED_NAME_MAX && mcname_ok(name);
}

static void
get(struct shared *shared, const struct span *names, size_t count, struct shared_value *out)
{
	struct memcached *memcached = (struct memcached *)shared;

	mcpool_get(memcached->pool, names, count, out);
}

static void
put(struct shared *shared, struct span name, struct span value, uint32_t ttl_s)
{
	struct memcached *memcached = (struct memcached *)shared;
	uint64_t connection;
	size_t place;

	if (!name_ok(name) || value.n > SHARED_VALUE_MAX || ttl_s == 0 || ttl_s > SHARED_TTL_S_MAX)
		return;
	place = mcpool_place(memcached->pool, name);
	if (mcpool_is_there(memcached->pool, place, &connection))
		mcput_add(memcached->puts[place], name, value, ttl_s, connection);
	else
		metrics_count(METRIC_SHARED_DROPPED, METRIC_NONE, METRIC_NONE);
}

static void
close_all(struct shared *shared)
{
	struct memcached *memcached = (struct memcached *)shared;

	for (size_t i = 0; i < memcached->count; i++)
		mcput_close(memcached->puts[i]);
	mcpool_close(memcached->pool);
	mem_free(memcached);
}

static const struct shared_ops memcached_ops = {get, put, close_all};

enum status
memcached_open(const char *spec, struct shared **out, struct err *err)
{
	const struct mcpool_config config = {.parameter = "Memcached",
	    .cost = "answers are not shared with other gateways",
	    .patience_ms = SHARED_PATIENCE_MS,
	    .answer_ms = ANSWER_MS,
	    .limits = {.value_max = SHARED_VALUE_MAX},
	    .gauge = true};
	struct memcached *memcached;
	struct mcspec servers;
	enum status status;

	*out = NULL;
	status = mcspec_read(span_str(spec), &servers, err);
	if (status != ST_OK)
		return status;
	memcached = mem_zalloc(1, sizeof(*memcached));
	memcached->shared.ops = &memcached_ops;
	for (; status == ST_OK && memcached->count < servers.count; memcached->count++)
		status = mcput_open(
		    &servers.servers[memcached->count], &memcached->puts[memcached->count], err);
	if (status == ST_OK)
		status = mcpool_open(&servers, &config, &memcached->pool, err);
	mcspec_free(&servers);
	if (status != ST_OK)
		close_all(&memcached->shared);
	else
		*out = &memcached->shared;
	return status;
}
