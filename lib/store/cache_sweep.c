/*
 * cache_sweep.c - for those who know more about the objects than the cache does: what is to be
 * forgotten before its room is needed, what is outdated, what was known.
 * Called by the keeper's key cache. It must never release an object under the lock of a shard, nor
 * forget what somebody asks for just now.
 */
#include "lib/store/cache_private.h"

static void
sweep_shard(struct cache *cache, struct shard *shard, int64_t now_ms, cache_unwanted *unwanted,
    void *context, struct cache_entry **dead)
{
	for (struct cache_entry *entry = shard->oldest, *newer; entry != NULL; entry = newer) {
		newer = entry->newer;
		if (entry->flight != NULL)
			continue;
		if (entry_life(cache, entry, now_ms) == LIFE_OVER ||
		    (unwanted != NULL && entry->object != NULL && unwanted(context, entry->object)))
			shard_remove(shard, entry, dead);
	}
}

void
cache_sweep(struct cache *cache, int64_t now_ms, cache_unwanted *unwanted, void *context)
{
	for (unsigned i = 0; i < cache->shard_count; i++) {
		struct shard *shard = &cache->shards[i];
		struct cache_entry *dead = NULL;

		pthread_mutex_lock(&shard->lock);
		sweep_shard(cache, shard, now_ms, unwanted, context, &dead);
		pthread_mutex_unlock(&shard->lock);
		entries_free(cache, dead);
	}
}

void
cache_expire_object(struct cache *cache, struct span name, const void *object)
{
	uint64_t hash = span_hash(name, cache->hash_key);
	struct shard *shard = shard_of(cache, hash);
	struct cache_entry *entry;

	pthread_mutex_lock(&shard->lock);
	entry = shard_find(shard, name, hash);
	if (entry != NULL && entry->filled && entry->object == object && entry->flight == NULL) {
		entry->outdated = true;
		entry->retry_ms = 0;
	}
	pthread_mutex_unlock(&shard->lock);
}

void *
cache_known(struct cache *cache, struct span name)
{
	uint64_t hash = span_hash(name, cache->hash_key);
	struct shard *shard = shard_of(cache, hash);
	struct cache_entry *entry;
	void *object = NULL;

	pthread_mutex_lock(&shard->lock);
	entry = shard_find(shard, name, hash);
	if (entry != NULL && entry->object != NULL) {
		object = entry->object;
		cache->config.hold(object);
	}
	pthread_mutex_unlock(&shard->lock);
	return object;
}
