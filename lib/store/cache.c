/*
 * cache.c - what was found, kept for a while: the questions of its callers, and what they say about
 * the source. Called by the threads of the keeper, through cached_table.c and cached_keystore.c. It
 * must never hold a lock while a source is asked, nor keep a thread from an answer that is there.
 */
#include <string.h>
#include <sys/random.h>

#include "lib/base/mem.h"
#include "lib/store/cache_private.h"

#define SHARDS 16U
#define SHARDS_MAX 256U
#define SHARD_BYTES_LEAST (256U * 1024) /* a smaller one would often be too small for an object */

static unsigned
count_shards(const struct cache_config *config)
{
	unsigned count = 1, wanted = config->shards == 0 ? SHARDS : config->shards;

	while (count < wanted && count < SHARDS_MAX)
		count *= 2;
	while (config->shards == 0 && count > 1 && config->bytes_max / count < SHARD_BYTES_LEAST)
		count /= 2;
	return count;
}

struct cache *
cache_new(const struct cache_config *config)
{
	unsigned count = count_shards(config);
	struct cache *cache = mem_zalloc(1, sizeof(*cache) + count * sizeof(struct shard));

	cache->config = *config;
	cache->shard_count = count;
	cache->shard_bytes_max = config->bytes_max / count;
	if (getrandom(cache->hash_key, sizeof(cache->hash_key), 0) !=
	    (ssize_t)sizeof(cache->hash_key))
		memset(cache->hash_key, 0x5a, sizeof(cache->hash_key));
	atomic_init(&cache->round, 1);
	for (unsigned i = 0; i < count; i++) {
		pthread_mutex_init(&cache->shards[i].lock, NULL);
		shard_start(&cache->shards[i]);
	}
	return cache;
}

void
cache_clear(struct cache *cache)
{
	for (unsigned i = 0; i < cache->shard_count; i++) {
		struct shard *shard = &cache->shards[i];
		struct cache_entry *dead = NULL;

		pthread_mutex_lock(&shard->lock);
		while (shard->oldest != NULL)
			shard_remove(shard, shard->oldest, &dead);
		pthread_mutex_unlock(&shard->lock);
		entries_free(cache, dead);
	}
}

void
cache_free(struct cache *cache)
{
	if (cache == NULL)
		return;
	cache_clear(cache);
	for (unsigned i = 0; i < cache->shard_count; i++) {
		pthread_mutex_destroy(&cache->shards[i].lock);
		mem_free(cache->shards[i].buckets);
	}
	mem_free(cache);
}

/* One question, asked or waited for. */
static void
answer_one(struct cache *cache, struct asking *asking, int64_t now_ms, cache_loader *loader,
    void *context, struct err *err)
{
	struct cache_asked *asked = asking->asked;
	struct cache_load load = {.object = NULL};
	struct err why = ERR_NONE;
	enum status status;

	if (asking->turn == TURN_WAIT) {
		asking_wait(cache, asking, now_ms, err);
		return;
	}
	status = loader(context, asked->name, &load, &why);
	cache_note_answer(cache, status, load.source, now_ms, load.ended_ms);
	asking_land(cache, asking, status, &load, now_ms, &why);
	if (asked->status != ST_OK && asked->status != ST_ABSENT)
		err_set(err, "%s", why.text);
}

/* Waited for a question that began before a change became known, in vain: once more, and the next
 * one began after it. */
static void
begin_again(struct cache *cache, struct asking *asking, int64_t now_ms)
{
	struct cache_asked *asked = asking->asked;

	if (asked->object != NULL)
		cache->config.release(asked->object);
	*asked = (struct cache_asked){.name = asked->name};
	asking_begin(cache, asking, asked, now_ms);
}

void
cache_ask(struct cache *cache, struct cache_asked *asked, int64_t now_ms, cache_loader *loader,
    void *context, struct err *err)
{
	struct asking asking;

	*asked = (struct cache_asked){.name = asked->name};
	asking_begin(cache, &asking, asked, now_ms);
	if (asking.turn == TURN_HAVE)
		return;
	answer_one(cache, &asking, now_ms, loader, context, err);
	if (!asking.again)
		return;
	begin_again(cache, &asking, now_ms);
	if (asking.turn != TURN_HAVE)
		answer_one(cache, &asking, now_ms, loader, context, err);
}

enum status
cache_get(struct cache *cache, struct span name, int64_t now_ms, cache_loader *loader,
    void *context, void **object_out, bool *stale_out, struct err *err)
{
	struct cache_asked asked = {.name = name};

	cache_ask(cache, &asked, now_ms, loader, context, err);
	*object_out = asked.object;
	if (stale_out != NULL)
		*stale_out = asked.stale;
	return asked.status;
}

/* Of one question for many names. */
static enum cache_source
source_of_many(const struct cache_load *loads, size_t count)
{
	enum cache_source source = CACHE_SOURCE_SPARED;

	for (size_t i = 0; i < count && source != CACHE_SOURCE_AWAY; i++)
		if (loads[i].source != CACHE_SOURCE_SPARED)
			source = loads[i].source;
	return source;
}

static enum status
status_of_one(enum status status, const struct cache_load *load)
{
	if (status != ST_OK || load->object != NULL)
		return status;
	return load->source == CACHE_SOURCE_AWAY && load->known_ms == 0 ? ST_UNAVAILABLE
									: ST_ABSENT;
}

/* Asks for all that are this caller's to ask. */
static void
ask_many(struct cache *cache, struct asking *askings, size_t count, int64_t now_ms,
    cache_many_loader *loader, void *context, struct err *why)
{
	struct cache_load loads[CACHE_MANY_MAX] = {{.object = NULL}};
	struct span names[CACHE_MANY_MAX];
	enum status status;
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (askings[i].turn == TURN_ASK)
			names[n++] = askings[i].asked->name;
	if (n == 0)
		return;
	status = loader(context, names, n, loads, why);
	cache_note_answer(cache, status, source_of_many(loads, n), now_ms, loads[0].ended_ms);
	n = 0;
	for (size_t i = 0; i < count; i++) {
		const struct cache_load *load = &loads[n];

		if (askings[i].turn != TURN_ASK)
			continue;
		asking_land(cache, &askings[i], status_of_one(status, load), load, now_ms, why);
		n++;
	}
}

size_t
cache_get_many(struct cache *cache, struct cache_asked *asked, size_t count, size_t want,
    int64_t now_ms, cache_many_loader *loader, void *context, struct err *err)
{
	struct asking askings[CACHE_MANY_MAX];
	struct err why = ERR_NONE;
	size_t found = 0, open = 0;

	if (count > CACHE_MANY_MAX)
		count = CACHE_MANY_MAX;
	for (size_t i = 0; i < count; i++) {
		asking_begin(cache, &askings[i], &asked[i], now_ms);
		open += askings[i].turn != TURN_HAVE ? 1 : 0;
		found += askings[i].turn == TURN_HAVE && asked[i].status == ST_OK ? 1 : 0;
		if (open == 0 && found == want)
			return i + 1;
	}
	if (open == 0)
		return count;
	ask_many(cache, askings, count, now_ms, loader, context, &why);
	/* What others ask for comes last: whoever waits for one of ours has it by now. */
	for (size_t i = 0; i < count; i++) {
		if (askings[i].turn == TURN_WAIT)
			asking_wait(cache, &askings[i], now_ms, err);
		else if (asked[i].status != ST_OK && asked[i].status != ST_ABSENT)
			err_set(err, "%s", why.text);
	}
	return count;
}

void *
cache_peek(struct cache *cache, struct span name, int64_t now_ms)
{
	uint64_t hash = span_hash(name, cache->hash_key);
	struct shard *shard = shard_of(cache, hash);
	struct cache_asked asked = {.object = NULL};
	struct cache_entry *entry;

	pthread_mutex_lock(&shard->lock);
	entry = shard_find(shard, name, hash);
	if (entry != NULL && entry->object != NULL && entry_life(cache, entry, now_ms) >= LIFE_DUE)
		entry_give(cache, shard, entry, false, &asked);
	pthread_mutex_unlock(&shard->lock);
	return asked.object;
}

void
cache_expire_before(struct cache *cache, uint64_t epoch)
{
	uint64_t least = atomic_load(&cache->least_epoch);

	while (least < epoch && !atomic_compare_exchange_weak(&cache->least_epoch, &least, epoch))
		;
}

/* A question that is on its way may bring what was there before: it is for those who wait already.
 */
void
cache_expire_name(struct cache *cache, struct span name)
{
	uint64_t hash = span_hash(name, cache->hash_key);
	struct shard *shard = shard_of(cache, hash);
	struct cache_entry *entry, *dead = NULL;

	pthread_mutex_lock(&shard->lock);
	entry = shard_find(shard, name, hash);
	if (entry != NULL && !entry->filled)
		shard_remove(shard, entry, &dead);
	else if (entry != NULL) {
		entry->outdated = true;
		entry->retry_ms = 0;
		entry->flight = NULL;
	}
	pthread_mutex_unlock(&shard->lock);
	entries_free(cache, dead);
}

void
cache_recheck(struct cache *cache)
{
	atomic_fetch_add_explicit(&cache->round, 1, memory_order_acq_rel);
}

void
cache_confirm(struct cache *cache, uint64_t epoch, int64_t now_ms)
{
	atomic_store_explicit(&cache->confirmed_epoch, epoch, memory_order_release);
	if (epoch != 0)
		atomic_store_explicit(&cache->confirmed_ms, now_ms, memory_order_release);
}

void
cache_stats(struct cache *cache, struct cache_stats *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < cache->shard_count; i++) {
		struct shard *shard = &cache->shards[i];
		const struct cache_stats *add = &shard->stats;

		pthread_mutex_lock(&shard->lock);
		out->hits += add->hits;
		out->negative_hits += add->negative_hits;
		out->misses += add->misses;
		out->stale += add->stale;
		out->loads += add->loads;
		out->load_failures += add->load_failures;
		out->evictions += add->evictions;
		out->refreshed += add->refreshed;
		out->entries += add->entries;
		out->bytes += shard->bytes;
		pthread_mutex_unlock(&shard->lock);
	}
}
