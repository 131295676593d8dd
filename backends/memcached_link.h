/*
 * memcached_link.h - one connection to one memcached, and one question over it. Everything has a
 * deadline of the monotonic clock, and ends at once when the descriptor `stop` becomes readable;
 * only looking a name up takes as long as the system's resolver does.
 */
#ifndef SIGNPOST_BACKENDS_MEMCACHED_LINK_H
#define SIGNPOST_BACKENDS_MEMCACHED_LINK_H

#include "backends/memcached_answer.h"
#include "backends/memcached_spec.h"

/* {.fd = -1} is closed. One thread at a time. */
struct mclink {
	int fd;
	int stop; /* borrowed; -1: none */
};

enum mclink_end {
	MCLINK_DONE,   /* the answer is complete */
	MCLINK_LOST,   /* the connection was gone before the answer came: it may be asked again */
	MCLINK_FAILED, /* too late, or no answer of a memcached */
};

/* What is the same for every question. */
struct mclink_limits {
	size_t value_max;
	bool secret; /* values live in secret memory, and are wiped wherever they pass */
};

/* ST_UNAVAILABLE: err has the reason, without the server. */
enum status mclink_open(struct mclink *link, const struct mcserver *server, int64_t deadline_ms,
    struct err *err) MUST_USE;
void mclink_close(struct mclink *link); /* may be called twice */

/* Frees octets that mclink_get() gave with these limits. NULL is fine. */
void mclink_octets_free(const struct mclink_limits *limits, char *octets);

/* Asks for count names that mcname_ok(); values: zeroed. The caller frees what is in values
 * whatever comes back, and closes the connection unless it is MCLINK_DONE. */
enum mclink_end mclink_get(struct mclink *link, const struct span *names, size_t count,
    const struct mclink_limits *limits, int64_t deadline_ms, struct mcvalue *values,
    struct err *err) MUST_USE;

#endif
