/*
 * memcached_ring.c - spreads names over servers as libmemcached does it.
 * Called by memcached_pool.c for every name that is asked for or stored.
 * It must never depend on which server is there: a name moves only when the list is edited.
 */
#include <libmemcached/memcached.h>

#include "backends/memcached_ring.h"

static memcached_return_t
add_server(memcached_st *ring, const struct mcserver *server)
{
	if (server->port == 0)
		return memcached_server_add_unix_socket(ring, server->host);
	return memcached_server_add(ring, server->host, server->port);
}

enum status
mcring_new(const struct mcspec *spec, struct memcached_st **out, struct err *err)
{
	memcached_st *ring = memcached_create(NULL);
	memcached_return_t answer = MEMCACHED_MEMORY_ALLOCATION_FAILURE;

	*out = NULL;
	if (ring != NULL)
		answer = memcached_behavior_set(ring, MEMCACHED_BEHAVIOR_KETAMA, 1);
	for (size_t i = 0; answer == MEMCACHED_SUCCESS && i < spec->count; i++)
		answer = add_server(ring, &spec->servers[i]);
	if (answer != MEMCACHED_SUCCESS) {
		err_set(err, "libmemcached: %s", memcached_strerror(ring, answer));
		memcached_free(ring);
		return ST_FAILED;
	}
	*out = ring;
	return ST_OK;
}

void
mcring_free(struct memcached_st *ring)
{
	memcached_free(ring);
}

size_t
mcring_place(const struct memcached_st *ring, struct span name)
{
	return memcached_generate_hash(ring, name.p, name.n);
}
