/*
 * cache.h - what was found, kept for a while: sharded, bounded by octets, least recently used goes
 * first. One thread at a time asks for a name that is missing; the others wait for it. While the
 * source cannot be asked, what is known is given out as stale. Objects are shared by counting and
 * are immutable.
 *
 * An entry is fresh for fresh_ms; near the end of that time one caller is told to refresh it while
 * the others go on with it. After that it may still be given out as stale until stale_ms, when the
 * source is unavailable. "Absent" is an object like any other, with a life of its own.
 */
#ifndef SIGNPOST_STORE_CACHE_H
#define SIGNPOST_STORE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/span.h"
#include "lib/base/status.h"

struct cache;

struct cache_config {
	size_t bytes_max;        /* of all entries: names, objects, and what holds them */
	int64_t fresh_ms;        /* of an object */
	int64_t absent_fresh_ms; /* of an absence */
	int64_t stale_ms;        /* from the load on, while the source is unavailable; 0: never */
	unsigned shards;         /* 0: 16 */
	void (*hold)(void *object);
	void (*release)(void *object); /* the last one wipes what is secret */
};

/* What a load found. */
struct cache_load {
	void *object;         /* with a reference that the cache takes over; NULL with ST_ABSENT */
	size_t bytes;         /* of the object */
	uint64_t epoch;       /* of the source when it was asked; 0: it has none */
	int64_t not_after_ms; /* monotonic: never given out from then on, stale or not; 0: none */
};

/* Asks the source; called without a lock, by one thread at a time for each name. ST_OK, ST_ABSENT,
 * ST_UNAVAILABLE (tried again after a pause of a second at the earliest while something stale can
 * be given), ST_INVALID (not kept: told to all who waited). */
typedef enum status cache_loader(
    void *context, struct span name, struct cache_load *out, struct err *err);

struct cache_stats {
	uint64_t hits, negative_hits, misses, stale, loads, load_failures, evictions, refreshed;
	size_t entries, bytes;
};

struct cache *cache_new(const struct cache_config *config);
void cache_free(struct cache *cache); /* nobody may be inside; NULL is fine */

/* ST_OK: *object_out is held by the caller (config.release). ST_ABSENT; ST_UNAVAILABLE and
 * ST_INVALID with the loader's sentence. *stale_out (may be NULL): it is older than it should be.
 * now_ms: monotonic. Any thread. */
enum status cache_get(struct cache *cache, struct span name, int64_t now_ms, cache_loader *loader,
    void *context, void **object_out, bool *stale_out, struct err *err) MUST_USE;

/* Entries that were loaded at an epoch before this one are asked for again before they are given
 * out as fresh; they stay as stale answers. subject_epoch: the least epoch that an entry may have;
 * all entries of the cache. For one name: cache_expire_name(). */
void cache_expire_before(struct cache *cache, uint64_t epoch);
void cache_expire_name(struct cache *cache, struct span name);
/* The source has just said that nothing changed up to now: entries whose epoch is at least this one
 * are fresh for another fresh_ms from now, without being touched. 0 ends that. */
void cache_confirm(struct cache *cache, uint64_t epoch, int64_t now_ms);
/* Everything is forgotten. */
void cache_clear(struct cache *cache);
void cache_stats(struct cache *cache, struct cache_stats *out);

#endif
