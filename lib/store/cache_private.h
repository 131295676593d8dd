/*
 * cache_private.h - what cache.c (who asks, who waits) and cache_shard.c (what is kept) share. All
 * of a shard is under its lock; functions that say so are called with it.
 */
#ifndef SIGNPOST_STORE_CACHE_PRIVATE_H
#define SIGNPOST_STORE_CACHE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/store/cache.h"

/* One question on its way, and then its answer for those who wait. It outlives its entry. */
struct flight {
	pthread_cond_t landed;
	unsigned references;         /* who asks, and who waits */
	uint64_t least_epoch, round; /* of the cache when it began */
	bool done, stale;
	enum status status;
	void *object;
	int64_t known_ms;
	struct err err;
};

struct cache_entry {
	struct cache_entry *next; /* in its bucket; in a list of dead ones */
	struct cache_entry *older, *newer;
	uint64_t hash;
	void *object; /* NULL: absent, or nothing yet */
	size_t bytes;
	uint64_t epoch;   /* for cache_expire_before() */
	uint64_t checked; /* round of cache_recheck() that found it right; 0: none */
	uint64_t looked;  /* round in which it was looked at last; retry_ms is of that */
	int64_t began_ms; /* of the question that brought it, or known_ms of the load */
	int64_t known_ms; /* it was right then */
	int64_t due_ms, fresh_until_ms, not_after_ms;
	int64_t retry_ms;      /* after a failed load, or one that brought old news; 0: none */
	struct flight *flight; /* NULL: nobody asks */
	bool filled;           /* object is an answer */
	bool negative, confirmable, outdated;
	uint8_t chances; /* rounds that it stays although it is the oldest, CHANCES_MAX at most */
	uint32_t name_bytes;
	char name[];
};

/* A name that comes once pushes out what was used once, not what is used again and again: with
 * senders by Zipf's law a tenth fewer misses than without. */
#define CHANCES_MAX 3

struct shard {
	pthread_mutex_t lock;
	struct cache_entry **buckets;
	size_t bucket_count; /* a power of 2 */
	struct cache_entry *oldest, *newest;
	size_t bytes;
	struct cache_stats stats; /* entries too; not its bytes */
	char apart[64];           /* from the lock of the next one */
};

struct cache {
	struct cache_config config;
	uint8_t hash_key[16];
	size_t shard_bytes_max;
	unsigned shard_count; /* a power of 2 */
	/* Read without a lock. */
	atomic_uint_least64_t least_epoch, round, confirmed_epoch;
	atomic_int_least64_t confirmed_ms;
	atomic_int_least64_t pause_until_ms; /* the source is silent; 0: it is not */
	struct shard shards[];
};

enum life {
	LIFE_OVER, /* not to be given out */
	LIFE_STALE,
	LIFE_DUE, /* fresh, and somebody may ask for it again */
	LIFE_FRESH
};

/* What a caller is to do about one name. */
enum turn {
	TURN_HAVE, /* the answer is in asked */
	TURN_ASK,  /* ask the source, then asking_land() */
	TURN_WAIT  /* somebody asks: asking_wait(), after all of one's own have landed */
};

struct asking {
	struct cache_asked *asked;
	uint64_t hash;
	uint64_t least_epoch, round; /* of the cache when it began */
	struct shard *shard;
	struct flight *flight; /* of TURN_ASK and TURN_WAIT */
	enum turn turn;
	bool nothing; /* there is nothing that could be given out if that takes long */
	bool again;   /* what was waited for began before this, and is outdated: begin again */
};

static inline struct shard *
shard_of(struct cache *cache, uint64_t hash)
{
	return &cache->shards[(hash >> 48) & (cache->shard_count - 1)];
}

/* Without a lock. asked->name is set. */
void asking_begin(
    struct cache *cache, struct asking *asking, struct cache_asked *asked, int64_t now_ms);
/* load is what the source said; its object is taken over. */
void asking_land(struct cache *cache, struct asking *asking, enum status status,
    const struct cache_load *load, int64_t began_ms, const struct err *why);
void asking_wait(struct cache *cache, struct asking *asking, int64_t now_ms, struct err *err);
/* After a question: is the source silent? */
void cache_note_answer(struct cache *cache, enum status status, enum cache_source source,
    int64_t began_ms, int64_t ended_ms);

/* All below: with the shard's lock. */

/* Has something happened since entry was loaded? Time does not count. */
bool entry_outdated(const struct cache *cache, struct cache_entry *entry);
enum life entry_life(const struct cache *cache, struct cache_entry *entry, int64_t now_ms);
void shard_start(struct shard *shard);
struct cache_entry *shard_find(struct shard *shard, struct span name, uint64_t hash);
/* A new entry without an answer, the newest. */
struct cache_entry *shard_add(struct shard *shard, struct span name, uint64_t hash);
/* Makes entry the newest. */
void shard_touch(struct shard *shard, struct cache_entry *entry);
/* Takes it out and in front of *dead. */
void shard_remove(struct shard *shard, struct cache_entry *entry, struct cache_entry **dead);
/* Counts and holds what entry has. */
void entry_give(const struct cache *cache, struct shard *shard, struct cache_entry *entry,
    bool stale, struct cache_asked *out);
/* When the answer of a question that began at began_ms was right, and until when it is fresh. */
int64_t load_known_ms(const struct cache_load *load, int64_t began_ms);
int64_t load_fresh_until_ms(
    const struct cache *cache, const struct cache_load *load, int64_t began_ms);
/* Fills entry with an answer; the object it had is to be released without the lock. */
void shard_fill(struct cache *cache, struct shard *shard, struct cache_entry *entry,
    const struct cache_load *load, int64_t began_ms, void **old_out);
/* Until shard fits: the least recently used that nobody asks for and that has no chance left. Looks
 * at the oldest, too, whether their life is over. */
void shard_make_room(
    struct cache *cache, struct shard *shard, int64_t now_ms, struct cache_entry **dead);

/* Without a lock: what was removed is released. */
void entries_free(const struct cache *cache, struct cache_entry *dead);

#endif
