/*
 * cache_shard.c - what a cache keeps: a hash of names, who was used last, whose life is over.
 * Called by cache.c under the lock of the shard. It must never release an object under that lock
 * (the last reference wipes and frees), nor give out what a source has taken back.
 */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/store/cache_private.h"

#define BUCKETS_FIRST 64U
#define LOOKS 2 /* at old entries, for each one that is filled */
/* What malloc keeps beside a piece, and a share of the buckets. */
#define OVERHEAD 32U

/* Is there newer than this? What was found out is kept in the entry. */
bool
entry_outdated(const struct cache *cache, struct cache_entry *entry)
{
	uint64_t round = atomic_load_explicit(&cache->round, memory_order_acquire);
	struct span name = span_of(entry->name, entry->name_bytes);

	if (entry->looked != round)
		entry->retry_ms = 0; /* somebody has heard of the source since */
	entry->looked = round;
	if (entry->outdated || entry->epoch < atomic_load(&cache->least_epoch))
		return true;
	if (cache->config.outdated == NULL || entry->checked == round)
		return false;
	entry->outdated = cache->config.outdated(
	    cache->config.context, name, entry->object, entry->epoch, entry->began_ms);
	entry->checked = round;
	return entry->outdated;
}

/* Writers store the epoch before the time: a new time is never read with an older, lower epoch. */
static bool
entry_confirmed(const struct cache *cache, struct cache_entry *entry, int64_t now_ms)
{
	int64_t confirmed_ms = atomic_load_explicit(&cache->confirmed_ms, memory_order_acquire);
	uint64_t epoch = atomic_load_explicit(&cache->confirmed_epoch, memory_order_acquire);

	if (epoch == 0 || !entry->confirmable || entry->epoch < epoch)
		return false;
	if (confirmed_ms > entry->known_ms)
		entry->known_ms = confirmed_ms;
	return now_ms - confirmed_ms < cache->config.fresh_ms;
}

enum life
entry_life(const struct cache *cache, struct cache_entry *entry, int64_t now_ms)
{
	if (!entry->filled || (entry->not_after_ms != 0 && now_ms >= entry->not_after_ms))
		return LIFE_OVER;
	if (!entry_outdated(cache, entry)) {
		if (entry_confirmed(cache, entry, now_ms))
			return LIFE_FRESH;
		if (now_ms < entry->fresh_until_ms)
			return now_ms < entry->due_ms ? LIFE_FRESH : LIFE_DUE;
	}
	return now_ms - entry->known_ms < cache->config.stale_ms ? LIFE_STALE : LIFE_OVER;
}

struct cache_entry *
shard_find(struct shard *shard, struct span name, uint64_t hash)
{
	struct cache_entry *entry = shard->buckets[hash & (shard->bucket_count - 1)];

	while (entry != NULL &&
	       !(entry->hash == hash && span_eq(span_of(entry->name, entry->name_bytes), name)))
		entry = entry->next;
	return entry;
}

static void
unlink_by_use(struct shard *shard, struct cache_entry *entry)
{
	*(entry->older != NULL ? &entry->older->newer : &shard->oldest) = entry->newer;
	*(entry->newer != NULL ? &entry->newer->older : &shard->newest) = entry->older;
}

static void
link_newest(struct shard *shard, struct cache_entry *entry)
{
	entry->newer = NULL;
	entry->older = shard->newest;
	*(shard->newest != NULL ? &shard->newest->newer : &shard->oldest) = entry;
	shard->newest = entry;
}

void
shard_touch(struct shard *shard, struct cache_entry *entry)
{
	if (shard->newest == entry)
		return;
	unlink_by_use(shard, entry);
	link_newest(shard, entry);
}

static void
double_buckets(struct shard *shard)
{
	size_t old_count = shard->bucket_count;
	struct cache_entry **old = shard->buckets;

	shard->bucket_count = old_count == 0 ? BUCKETS_FIRST : old_count * 2;
	shard->buckets = mem_zalloc(shard->bucket_count, sizeof(struct cache_entry *));
	for (size_t i = 0; i < old_count; i++) {
		for (struct cache_entry *entry = old[i], *next; entry != NULL; entry = next) {
			struct cache_entry **to =
			    &shard->buckets[entry->hash & (shard->bucket_count - 1)];

			next = entry->next;
			entry->next = *to;
			*to = entry;
		}
	}
	mem_free(old);
}

void
shard_start(struct shard *shard)
{
	double_buckets(shard);
}

struct cache_entry *
shard_add(struct shard *shard, struct span name, uint64_t hash)
{
	struct cache_entry *entry = mem_alloc(sizeof(*entry) + name.n), **bucket;

	memset(entry, 0, sizeof(*entry));
	entry->hash = hash;
	entry->name_bytes = (uint32_t)name.n;
	if (name.n > 0)
		memcpy(entry->name, name.p, name.n);
	entry->bytes = sizeof(*entry) + name.n + OVERHEAD;
	if (shard->stats.entries >= shard->bucket_count)
		double_buckets(shard);
	bucket = &shard->buckets[hash & (shard->bucket_count - 1)];
	entry->next = *bucket;
	*bucket = entry;
	link_newest(shard, entry);
	shard->bytes += entry->bytes;
	shard->stats.entries++;
	return entry;
}

void
shard_remove(struct shard *shard, struct cache_entry *entry, struct cache_entry **dead)
{
	struct cache_entry **at = &shard->buckets[entry->hash & (shard->bucket_count - 1)];

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	unlink_by_use(shard, entry);
	shard->bytes -= entry->bytes;
	shard->stats.entries--;
	entry->next = *dead;
	*dead = entry;
}

int64_t
load_known_ms(const struct cache_load *load, int64_t began_ms)
{
	return load->known_ms != 0 && load->known_ms < began_ms ? load->known_ms : began_ms;
}

static int64_t
load_life_ms(const struct cache *cache, const struct cache_load *load)
{
	if (load->fresh_ms != 0)
		return load->fresh_ms;
	return load->object != NULL ? cache->config.fresh_ms : cache->config.absent_fresh_ms;
}

int64_t
load_fresh_until_ms(const struct cache *cache, const struct cache_load *load, int64_t began_ms)
{
	return load_known_ms(load, began_ms) + load_life_ms(cache, load);
}

void
shard_fill(struct cache *cache, struct shard *shard, struct cache_entry *entry,
    const struct cache_load *load, int64_t began_ms, void **old_out)
{
	size_t before = entry->bytes;

	*old_out = entry->object;
	entry->object = load->object;
	entry->bytes = sizeof(*entry) + entry->name_bytes + OVERHEAD + load->bytes;
	shard->bytes += entry->bytes - before;
	entry->confirmable = load->epoch != 0;
	entry->checked = 0;
	entry->began_ms = entry->known_ms = load_known_ms(load, began_ms);
	entry->fresh_until_ms = load_fresh_until_ms(cache, load, began_ms);
	entry->due_ms = entry->fresh_until_ms - load_life_ms(cache, load) / 5;
	entry->not_after_ms = load->not_after_ms;
	entry->retry_ms = 0;
	entry->filled = true;
	entry->negative = load->negative || load->object == NULL;
	entry->outdated = false;
}

void
shard_make_room(struct cache *cache, struct shard *shard, int64_t now_ms, struct cache_entry **dead)
{
	struct cache_entry *entry = shard->oldest, *newer;
	bool full = shard->bytes > cache->shard_bytes_max;

	for (int looks = 0; entry != NULL && (full || looks < LOOKS); entry = newer, looks++) {
		newer = entry->newer;
		if (entry->flight != NULL)
			continue;
		if (entry_life(cache, entry, now_ms) == LIFE_OVER) {
			shard_remove(shard, entry, dead);
		} else if (full && entry->chances > 0) {
			entry->chances--;
			shard_touch(shard, entry);
			newer = newer != NULL ? newer : entry; /* it is the only one */
		} else if (full) {
			shard_remove(shard, entry, dead);
			shard->stats.evictions++;
			if (cache->config.counted)
				metrics_count(
				    METRIC_CACHE_EVICTIONS, cache->config.counted_as, METRIC_NONE);
		}
		full = shard->bytes > cache->shard_bytes_max;
	}
}

void
entries_free(const struct cache *cache, struct cache_entry *dead)
{
	for (struct cache_entry *next; dead != NULL; dead = next) {
		next = dead->next;
		if (dead->object != NULL)
			cache->config.release(dead->object);
		mem_free(dead);
	}
}
