/*
 * cache.h - what was found, kept for a while: sharded, bounded by octets, least recently used goes
 * first, but what was used several times stays a few rounds longer. One thread at a time asks for a
 * name that is missing; the others wait for it. While the source cannot be asked, what is known is
 * given out as stale. Objects are shared by counting and are immutable.
 *
 * The life of an entry. It is fresh for fresh_ms from its load on, and as long as cache_confirm()
 * says that nothing changed. In the last fifth of fresh_ms (not of a confirmation) the next caller
 * asks the source again, itself, while the others go on with the entry: no thread of the cache's
 * own is needed, and only names that are in use are refreshed. Then, or when something says that it
 * is outdated, it is asked for again before it is given out: one caller asks, the others wait. When
 * the source is unavailable it is given out as stale, until stale_ms after it was last known to be
 * right, and the source is asked again after CACHE_PAUSE_MS at the earliest, by one caller. Nobody
 * who has something stale waits longer than CACHE_PATIENCE_MS for another's question. "Absent" is
 * an entry like any other, with a life of its own.
 *
 * Counting: each cache_get() is a hit, a negative hit or a miss (the source was waited for);
 * stale answers are counted besides.
 */
#ifndef SIGNPOST_STORE_CACHE_H
#define SIGNPOST_STORE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/metrics.h"
#include "lib/base/span.h"
#include "lib/base/status.h"

#define CACHE_PAUSE_MS 1000   /* from a failed load to the next try */
#define CACHE_PATIENCE_MS 250 /* of those who wait and have something stale */
#define CACHE_SLOW_MS 100     /* a load that took so long and failed: the server is silent */
#define CACHE_MANY_MAX 16U    /* names of one cache_get_many() */

struct cache;

struct cache_config {
	size_t bytes_max;        /* of all entries: names, objects, and what holds them */
	int64_t fresh_ms;        /* of an object */
	int64_t absent_fresh_ms; /* of an absence */
	int64_t stale_ms;        /* while the source is unavailable; 0: never */
	unsigned shards;         /* 0: 16, or less for a small cache; rounded up to a power of 2 */
	void (*hold)(void *object);
	void (*release)(void *object); /* the last one wipes what is secret */
	/* Did something that object (NULL: an absence) depends on change after it was asked for: at
	 * epoch, by a question that began at began_ms (or known_ms of the load)? Called under the
	 * lock of a shard: it asks nobody and does not call the cache. Asked once for each entry in
	 * use after each cache_recheck(). NULL: only epochs count. */
	bool (*outdated)(
	    void *context, struct span name, const void *object, uint64_t epoch, int64_t began_ms);
	void *context; /* of outdated() */
	bool counted;  /* in signpost_key_cache_..., as the next member says */
	enum metric_cache counted_as;
};

/* Whether the source itself had a say in an answer. */
enum cache_source {
	CACHE_SOURCE_SAID = 0, /* or failed: the status says so */
	CACHE_SOURCE_SPARED,   /* it was not asked: another cache has the answer */
	/* It could not be asked, and another cache has what it said before, known_ms. With known_ms
	 * 0, of many names: there is no answer to this one, as with ST_UNAVAILABLE. */
	CACHE_SOURCE_AWAY
};

/* What a load found. */
struct cache_load {
	void *object;         /* with a reference that the cache takes over; NULL with ST_ABSENT */
	size_t bytes;         /* of the object */
	bool negative;        /* the object says that there is nothing; for counting hits only */
	uint64_t epoch;       /* of the source when it was asked; 0: it has none */
	int64_t fresh_ms;     /* instead of what the configuration says; 0: that */
	int64_t not_after_ms; /* monotonic: never given out from then on, stale or not; 0: none */
	int64_t ended_ms;     /* monotonic: when the answer came; 0: at once */
	/* Monotonic: when this was last known to be right, object or absence, if that was before
	 * the question began, because another cache has it; not longer ago than stale_ms. Its life
	 * counts from there: what is not fresh is given out as stale. 0: when it began. */
	int64_t known_ms;
	enum cache_source source; /* for when the source is asked again */
};

/* Asks the source; called without a lock, by one thread at a time for each name. ST_OK, ST_ABSENT,
 * ST_UNAVAILABLE (out->ended_ms counts then too), and anything else, such as ST_INVALID, is not
 * kept: it is told to all who waited, and what was known is forgotten. */
typedef enum status cache_loader(
    void *context, struct span name, struct cache_load *out, struct err *err);
/* The same for count names in one question. ST_OK: out[i].object is NULL for those that are absent.
 * Anything else holds for all names. */
typedef enum status cache_many_loader(
    void *context, const struct span *names, size_t count, struct cache_load *out, struct err *err);

struct cache_stats {
	uint64_t hits, negative_hits, misses, stale, loads, load_failures, evictions, refreshed;
	size_t entries, bytes;
};

struct cache *cache_new(const struct cache_config *config);
void cache_free(struct cache *cache); /* nobody may be inside; NULL is fine */

/* ST_OK: *object_out is held by the caller (config.release). ST_ABSENT; ST_UNAVAILABLE and
 * ST_INVALID with the loader's sentence. *stale_out (may be NULL): it is older than it should be,
 * object or absence. now_ms: monotonic. Any thread. */
enum status cache_get(struct cache *cache, struct span name, int64_t now_ms, cache_loader *loader,
    void *context, void **object_out, bool *stale_out, struct err *err) MUST_USE;

/* A question: name is the caller's, the rest is the answer as of cache_get(). */
struct cache_asked {
	struct span name;
	enum status status;
	void *object;
	bool stale;
	/* Monotonic: when the answer was known to be right last. It may have been so later, not
	 * earlier. With ST_OK and ST_ABSENT. */
	int64_t known_ms;
};

/* cache_get() of asked->name. */
void cache_ask(struct cache *cache, struct cache_asked *asked, int64_t now_ms, cache_loader *loader,
    void *context, struct err *err);

/* As cache_get() for each of count names (at most CACHE_MANY_MAX); those that are
 * missing are asked for in one question. want: as soon as so many objects are known from the
 * beginning on, the rest is not looked at: the number of answers is returned. err: of any name
 * whose status is neither ST_OK nor ST_ABSENT. Objects of names with ST_OK are held. */
size_t cache_get_many(struct cache *cache, struct cache_asked *asked, size_t count, size_t want,
    int64_t now_ms, cache_many_loader *loader, void *context, struct err *err) MUST_USE;

/* A fresh object that is there, held and counted as a hit; else NULL, and nothing is counted. */
void *cache_peek(struct cache *cache, struct span name, int64_t now_ms);

/* Entries that were loaded at an epoch before this one are asked for again before they are given
 * out as fresh; they stay as stale answers. Sources without epochs: those that were asked before
 * this call. An epoch below an earlier one changes nothing. */
void cache_expire_before(struct cache *cache, uint64_t epoch);
/* The same for one name. What is being loaded is given to those who wait already. */
void cache_expire_name(struct cache *cache, struct span name);
/* config.outdated() is asked again about each entry, and the source about those that it could not
 * answer a moment ago. To be called before outdated() learns something, and again after it. */
void cache_recheck(struct cache *cache);
/* At now_ms the source said that nothing changed since this epoch, or outdated() knows all that
 * did: entries whose epoch is at least this one are fresh for fresh_ms from now_ms, without being
 * touched. One thread at a time; the epoch never falls. 0 ends that. */
void cache_confirm(struct cache *cache, uint64_t epoch, int64_t now_ms);
/* Is an object to be forgotten? Called under the lock of a shard: it asks nobody and does not call
 * the cache. */
typedef bool cache_unwanted(void *context, const void *object);
/* Goes through all entries and forgets those whose life is over, and whose object is unwanted
 * (NULL: none is). Else what is over goes when its name is asked for, or when it is the oldest. */
void cache_sweep(struct cache *cache, int64_t now_ms, cache_unwanted *unwanted, void *context);
/* As cache_expire_name(), if what is kept for name is still this object and nobody asks for
 * another: of several callers who find at once that an object is outdated one asks again. */
void cache_expire_object(struct cache *cache, struct span name, const void *object);
/* What is kept for name, fresh or not, held; NULL: nothing. Nothing is counted. For a loader whose
 * question failed: it may give it out again. */
void *cache_known(struct cache *cache, struct span name);
/* Everything is forgotten. */
void cache_clear(struct cache *cache);
void cache_stats(struct cache *cache, struct cache_stats *out);

#endif
