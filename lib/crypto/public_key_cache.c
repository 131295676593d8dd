/*
 * public_key_cache.c - parsed public keys by the octets they were parsed from. A front-end's thread
 * keeps one and the verifying half asks it for every key record. Strangers choose what comes in:
 * it must never hold more than its capacity, and its table is hashed under a random key.
 */
#include "lib/crypto/public_key_cache.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/crypto/public_key_private.h"

#define HASH_KEY_BYTES 16

struct entry {
	struct entry *chain;         /* of its slot */
	struct entry *newer, *older; /* by last use */
	struct public_key *key;
	uint64_t hash;
	struct span octets; /* behind the structure */
};

struct public_key_cache {
	struct entry **slots; /* slot_mask + 1, a power of two */
	size_t slot_mask;
	size_t capacity;
	size_t count;
	struct entry *newest, *oldest;
	uint8_t hash_key[HASH_KEY_BYTES];
};

struct public_key_cache *
public_key_cache_new(size_t capacity)
{
	struct public_key_cache *cache = mem_zalloc(1, sizeof(*cache));
	size_t slots = 16;

	if (capacity > PUBLIC_KEY_CACHE_MAX)
		capacity = PUBLIC_KEY_CACHE_MAX;
	cache->capacity = capacity > 0 ? capacity : 1;
	while (slots < cache->capacity)
		slots *= 2;
	cache->slots = mem_zalloc(slots, sizeof(struct entry *));
	cache->slot_mask = slots - 1;
	random_bytes(cache->hash_key, sizeof(cache->hash_key));
	return cache;
}

static void
use_unlink(struct public_key_cache *cache, struct entry *entry)
{
	*(entry->newer != NULL ? &entry->newer->older : &cache->newest) = entry->older;
	*(entry->older != NULL ? &entry->older->newer : &cache->oldest) = entry->newer;
}

static void
use_link(struct public_key_cache *cache, struct entry *entry)
{
	entry->newer = NULL;
	entry->older = cache->newest;
	*(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = entry;
	cache->newest = entry;
}

static void
entry_drop(struct public_key_cache *cache, struct entry *entry)
{
	struct entry **at = &cache->slots[entry->hash & cache->slot_mask];

	while (*at != entry)
		at = &(*at)->chain;
	*at = entry->chain;
	use_unlink(cache, entry);
	cache->count--;
	public_key_free(entry->key);
	mem_free(entry);
}

void
public_key_cache_free(struct public_key_cache *cache)
{
	if (cache == NULL)
		return;
	while (cache->oldest != NULL)
		entry_drop(cache, cache->oldest);
	mem_free(cache->slots);
	mem_free(cache);
}

static struct entry *
entry_find(const struct public_key_cache *cache, enum key_algorithm algorithm, struct span octets,
    uint64_t hash)
{
	struct entry *entry = cache->slots[hash & cache->slot_mask];

	for (; entry != NULL; entry = entry->chain)
		if (entry->hash == hash && entry->key->algorithm == algorithm &&
		    span_eq(entry->octets, octets))
			return entry;
	return NULL;
}

/* Takes one of the owners of key over. */
static void
entry_add(struct public_key_cache *cache, struct public_key *key, struct span octets, uint64_t hash)
{
	struct entry *entry = mem_alloc(sizeof(*entry) + octets.n);
	struct entry **slot = &cache->slots[hash & cache->slot_mask];

	if (cache->count == cache->capacity)
		entry_drop(cache, cache->oldest);
	memcpy(entry + 1, octets.p, octets.n);
	entry->octets = span_of(entry + 1, octets.n);
	entry->key = key;
	entry->hash = hash;
	entry->chain = *slot;
	*slot = entry;
	use_link(cache, entry);
	cache->count++;
}

enum status
public_key_cache_get(struct public_key_cache *cache, enum key_algorithm algorithm,
    struct span octets, struct public_key **key_out, struct err *err)
{
	uint64_t hash = span_hash(octets, cache->hash_key);
	struct entry *entry = entry_find(cache, algorithm, octets, hash);
	enum status st = ST_OK;

	if (entry != NULL) {
		use_unlink(cache, entry);
		use_link(cache, entry);
		*key_out = entry->key;
	} else {
		st = public_key_parse(algorithm, octets, key_out, err);
		if (st == ST_OK)
			entry_add(cache, *key_out, octets, hash);
	}
	if (st == ST_OK)
		(*key_out)->owners++;
	return st;
}

size_t
public_key_cache_count(const struct public_key_cache *cache)
{
	return cache->count;
}
