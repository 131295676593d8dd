/*
 * pattern_cache.c - sets of four places, chosen by the hash of the pattern; the one that was not
 * used for the longest time goes. Called by route.c for the patterns of a tenant.
 * It must never match with a pattern other than the one that it was asked for, whatever their
 * hashes are, nor grow.
 */
#include <pthread.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/store/pattern.h"
#include "lib/store/pattern_cache.h"

#define WAYS 4U
#define SETS (PATTERN_CACHE_ENTRIES / WAYS)

struct entry {
	unsigned references; /* one of the cache, one of each thread that matches */
	uint64_t used;       /* the tick of its last use */
	char *pattern;
	size_t n;
	struct pattern_regex *regex;
};

struct pattern_cache {
	pthread_mutex_t lock; /* of all below; held for some instructions */
	uint64_t tick;
	struct entry *ways[SETS][WAYS];
};

struct pattern_cache *
pattern_cache_new(void)
{
	struct pattern_cache *cache = mem_zalloc(1, sizeof(*cache));

	pthread_mutex_init(&cache->lock, NULL);
	return cache;
}

static void
entry_free(struct entry *entry)
{
	pattern_regex_free(entry->regex);
	mem_free(entry->pattern);
	mem_free(entry);
}

void
pattern_cache_free(struct pattern_cache *cache)
{
	if (cache == NULL)
		return;
	for (size_t i = 0; i < SETS * WAYS; i++)
		if (cache->ways[i / WAYS][i % WAYS] != NULL)
			entry_free(cache->ways[i / WAYS][i % WAYS]);
	pthread_mutex_destroy(&cache->lock);
	mem_free(cache);
}

/* A tenant who finds colliding patterns makes his own patterns be compiled more often: the hash
 * needs no secret. */
static struct entry **
set_of(struct pattern_cache *cache, struct span pattern)
{
	static const uint8_t key[16] = {0};

	return cache->ways[span_hash(pattern, key) % SETS];
}

/* With a reference for the caller, or NULL. */
static struct entry *
find(struct pattern_cache *cache, struct span pattern)
{
	struct entry **set = set_of(cache, pattern), *found = NULL;

	pthread_mutex_lock(&cache->lock);
	for (size_t i = 0; i < WAYS && found == NULL; i++)
		if (set[i] != NULL && span_eq(span_of(set[i]->pattern, set[i]->n), pattern))
			found = set[i];
	if (found != NULL) {
		found->references++;
		found->used = ++cache->tick;
	}
	pthread_mutex_unlock(&cache->lock);
	return found;
}

static void
drop(struct pattern_cache *cache, struct entry *entry)
{
	bool last;

	pthread_mutex_lock(&cache->lock);
	last = --entry->references == 0;
	pthread_mutex_unlock(&cache->lock);
	if (last)
		entry_free(entry);
}

/* Two threads may put the same pattern: it is there twice, and the older one goes by itself. */
static void
put(struct pattern_cache *cache, struct entry *entry)
{
	struct entry **set = set_of(cache, span_of(entry->pattern, entry->n)), **place = &set[0],
		     *old;

	pthread_mutex_lock(&cache->lock);
	for (size_t i = 0; i < WAYS && *place != NULL; i++)
		if (set[i] == NULL || set[i]->used < (*place)->used)
			place = &set[i];
	old = *place;
	*place = entry;
	entry->references++;
	entry->used = ++cache->tick;
	pthread_mutex_unlock(&cache->lock);
	if (old != NULL)
		drop(cache, old);
}

static enum status
compile(struct span pattern, struct entry **out, struct err *err)
{
	struct pattern_regex *regex;
	struct entry *entry;

	if (pattern_regex_compile(pattern, false, &regex, err) != ST_OK)
		return ST_INVALID;
	pattern_regex_whole(regex, PATTERN_CACHE_STEPS);
	entry = mem_zalloc(1, sizeof(*entry));
	entry->references = 1;
	entry->pattern = mem_strndup(pattern.p, pattern.n);
	entry->n = pattern.n;
	entry->regex = regex;
	*out = entry;
	return ST_OK;
}

static enum status
match_regex(struct entry *entry, struct span key, struct err *err)
{
	enum status status = pattern_regex_match(entry->regex, key);

	if (status == ST_INVALID)
		err_set(err, "it took more than %u steps with one address; write it simpler",
		    PATTERN_CACHE_STEPS);
	return status;
}

enum status
pattern_cache_match(
    struct pattern_cache *cache, struct span pattern, struct span key, struct err *err)
{
	enum pattern_kind kind = pattern_kind(pattern);
	struct entry *entry;
	enum status status;

	if (kind == PATTERN_LITERAL)
		return span_eq(pattern, key) ? ST_OK : ST_ABSENT;
	if (kind == PATTERN_GLOB)
		return pattern_glob_match(pattern, key) ? ST_OK : ST_ABSENT;
	entry = cache == NULL ? NULL : find(cache, pattern);
	if (entry == NULL) {
		if (compile(pattern, &entry, err) != ST_OK)
			return ST_INVALID;
		if (cache != NULL && pattern_regex_bytes(entry->regex) <= PATTERN_CACHE_REGEX_MAX)
			put(cache, entry);
	}
	status = match_regex(entry, key, err);
	if (cache != NULL)
		drop(cache, entry);
	else
		entry_free(entry);
	return status;
}
