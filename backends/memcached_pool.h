/*
 * memcached_pool.h - several memcached servers that are asked as if they were one: a thread for
 * each, which alone talks to it, and callers who wait for a time of their own and no longer.
 *
 * A server that had most of the patience_ms of a caller and did not answer is away. While it is
 * away all are refused at once; its thread alone finds out when it is back, by questions of its own
 * after 20, 40, 80 ... and then every MCPOOL_TRY_MS milliseconds, which costs no caller anything.
 * To be back it has to answer one of them within patience_ms. So a server, or this machine, that is
 * slow for a moment is away for as long; whoever looks into the log finds only absences of
 * MCPOOL_SAY_MS and more.
 *
 * A server that is away is not replaced by another one: the same name on two servers would be two
 * values, and the older one would come back one day.
 */
#ifndef SIGNPOST_BACKENDS_MEMCACHED_POOL_H
#define SIGNPOST_BACKENDS_MEMCACHED_POOL_H

#include "backends/memcached_link.h"
#include "lib/store/shared.h"

#define MCPOOL_NAMES_MAX 16U     /* names of one question */
#define MCPOOL_WAITING_MAX 1024U /* names that wait for one server; more are refused */
#define MCPOOL_TRY_MS 1000       /* between two tries whether a server is back, at most */
#define MCPOOL_SAY_MS 250        /* an absence that is logged */
#define MCPOOL_CLOSE_MS 2000     /* mcpool_close() takes no longer */

struct mcpool_config {
	const char *parameter; /* for the log; copied */
	const char *cost;      /* what is the matter while a server is away; static */
	int64_t patience_ms;   /* of a caller */
	int64_t answer_ms;     /* of the thread, before it gives a connection up; >= patience_ms */
	struct mclink_limits limits;
	bool gauge; /* METRIC_SHARED_AWAY counts its servers */
};

struct mcpool;

/* Starts the threads and waits a moment until they know which servers are there, MCPOOL_SAY_MS at
 * most. Takes the servers over. ST_FAILED: no thread can be started; ST_UNAVAILABLE: no
 * descriptor. *spec is empty afterwards, whatever came back. */
enum status mcpool_open(struct mcspec *spec, const struct mcpool_config *config,
    struct mcpool **out, struct err *err) MUST_USE;
/* Nobody is inside. A thread that hangs in the system's resolver is left to itself. */
void mcpool_close(struct mcpool *pool);

/* The values of count names (at most MCPOOL_NAMES_MAX), see shared_ops.get(). A name that is not
 * mcname_ok() is ST_ABSENT. Octets are to be freed as
 * mclink_octets_free() does it. Any thread. */
void mcpool_get(
    struct mcpool *pool, const struct span *names, size_t count, struct shared_value *out);

/* Which server a name belongs to: an index of the list as it was written. Any thread. */
size_t mcpool_place(const struct mcpool *pool, struct span name);
/* That server as it was written; valid while the pool is open. */
const char *mcpool_server(const struct mcpool *pool, size_t place);
/* false: that server has been away for as long as the log tells. connection_out: the number of its
 * connection; another one than before means that the server may be another one, or was started
 * anew. */
bool mcpool_is_there(struct mcpool *pool, size_t place, uint64_t *connection_out);

#endif
