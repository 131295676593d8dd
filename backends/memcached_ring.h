/*
 * memcached_ring.h - which of several memcached servers a name belongs to: libmemcached's
 * consistent hashing (ketama, without weights). A server more or less moves the names of one
 * server, not all.
 */
#ifndef SIGNPOST_BACKENDS_MEMCACHED_RING_H
#define SIGNPOST_BACKENDS_MEMCACHED_RING_H

#include "backends/memcached_spec.h"

struct memcached_st;

/* ST_FAILED: libmemcached refuses. Free with mcring_free(). Connects to nobody. */
enum status mcring_new(
    const struct mcspec *spec, struct memcached_st **out, struct err *err) MUST_USE;
void mcring_free(struct memcached_st *ring);
/* The index of a server of spec. Any number of threads. */
size_t mcring_place(const struct memcached_st *ring, struct span name);

#endif
