/*
 * cached_keystore.h - a key store in front of another one: answers are kept as long as the store's
 * epoch says that nothing about them changed, and given out while it is away. A thread of its own
 * asks for changes every poll_ms.
 */
#ifndef SIGNPOST_STORE_CACHED_KEYSTORE_H
#define SIGNPOST_STORE_CACHED_KEYSTORE_H

#include "lib/store/cache.h"
#include "lib/store/keystore.h"

struct cached_keystore_config {
	size_t bytes_max;
	int64_t poll_ms;   /* between two questions for changes; a change is in force after it */
	int64_t absent_ms; /* life of "no rows" if the store has no epochs */
	int64_t stale_ms;  /* how long answers are given out while the store is away */
};

/* Takes over inner (closed with the result). Its questions are inner's. ST_FAILED: no thread. */
enum status cached_keystore_new(struct keystore *inner, const struct cached_keystore_config *config,
    struct keystore **out, struct err *err) MUST_USE;
/* The store could not be asked when it was needed last: what is given out may be old. Any thread;
 * false if store is not one. */
bool cached_keystore_away(const struct keystore *store);
/* Sums over the caches of all questions; zeroes if store is not one. */
void cached_keystore_stats(struct keystore *store, struct cache_stats *out);

#endif
