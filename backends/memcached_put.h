/*
 * memcached_put.h - stores values at one memcached, by a thread of its own: whoever stores does not
 * wait. What does not fit into the queue, or does not get to the server, is dropped and counted
 * (METRIC_SHARED_DROPPED).
 */
#ifndef SIGNPOST_BACKENDS_MEMCACHED_PUT_H
#define SIGNPOST_BACKENDS_MEMCACHED_PUT_H

#include "backends/memcached_spec.h"

#define MCPUT_OCTETS_MAX (8U << 20) /* that wait for one server, names and values */
#define MCPUT_COUNT_MAX 1024U
#define MCPUT_CLOSE_MS 500 /* mcput_close() takes no longer */

struct mcput;

/* server is copied. ST_FAILED: no thread can be started. */
enum status mcput_open(const struct mcserver *server, struct mcput **out, struct err *err) MUST_USE;
/* Any thread. name: one that mcname_ok(). ttl_s: see shared_ops.put(). connection: see
 * mcpool_is_there(); what is written to a connection whose server has gone is lost without a sign,
 * so that with another number another connection is made. */
void mcput_add(
    struct mcput *put, struct span name, struct span value, uint32_t ttl_s, uint64_t connection);
/* What waits is sent, if that is done in time. NULL is fine. */
void mcput_close(struct mcput *put);

#endif
