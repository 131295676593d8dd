/*
 * shared.h - a cache that several gateways share: octets under a name, for a while, or not at all.
 * It authenticates nobody and promises nothing: what comes back may be old, cut off, another name's
 * or forged. sharedcache.h, its one caller, finds that out.
 *
 * Any number of threads may ask. A question ends after SHARED_PATIENCE_MS at the latest, whatever a
 * server does or does not do; a server that kept somebody waiting so long is away, and costs
 * nothing until it answers again. Storing never waits: what cannot be stored now is dropped.
 */
#ifndef SIGNPOST_STORE_SHARED_H
#define SIGNPOST_STORE_SHARED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/span.h"
#include "lib/base/status.h"

#define SHARED_PATIENCE_MS 8            /* with what it takes to wake up a message loses 10 */
#define SHARED_NAME_MAX 120U            /* octets: [A-Za-z0-9:_-] */
#define SHARED_VALUE_MAX (512U << 10)   /* octets; longer ones are neither stored nor taken */
#define SHARED_MANY_MAX 16U             /* names of one question */
#define SHARED_TTL_S_MAX (30U * 86400U) /* more is an absolute time to memcached */

/* An answer: ST_OK with n octets at octets (mem_free()), ST_ABSENT, or ST_UNAVAILABLE (the server
 * of this name is away, or did not answer in time). */
struct shared_value {
	enum status status;
	bool late; /* with ST_UNAVAILABLE: it was there a moment ago, and is worth another question
		    */
	char *octets;
	size_t n;
};

struct shared;

struct shared_ops {
	/* The values of count names (at most SHARED_MANY_MAX), out[i] for names[i]. */
	void (*get)(struct shared *shared, const struct span *names, size_t count,
	    struct shared_value *out);
	/* ttl_s: 1 to SHARED_TTL_S_MAX. The octets are copied. */
	void (*put)(struct shared *shared, struct span name, struct span value, uint32_t ttl_s);
	void (*close)(struct shared *shared); /* nobody is inside */
};

/* First member of a filling's struct. */
struct shared {
	const struct shared_ops *ops;
};

/* spec: one or more servers, separated by commas or blanks: "host", "host:port", "[v6]:port",
 * "/path" or "unix:/path" of a socket; port 11211 unless it is said. Names are spread over them by
 * consistent hashing, which depends on the list as it is written, not on who is there. A server
 * that is not there is ST_OK. ST_INVALID: the entry that cannot be used. Built without
 * libmemcached: ST_INVALID, and says so. backends/memcached.c. */
enum status memcached_open(const char *spec, struct shared **out, struct err *err) MUST_USE;

#endif
