/*
 * kept.c - answers by name: a hash table, and a list in the order in which they were asked for.
 * cached.c asks it before anybody else. It must never give out an answer whose time is over.
 */
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

#include "lib/base/mem.h"
#include "lib/base/metrics.h"
#include "lib/dns/answer.h"
#include "lib/dns/kept.h"

#define BUCKETS_MIN ((size_t)64)
#define BUCKETS_MAX ((size_t)65536)
#define BYTES_USUAL 512 /* of an entry */
#define BYTES_OF_HEAP 16

struct entry {
	TAILQ_ENTRY(entry) used; /* the last used is the first */
	LIST_ENTRY(entry) bucket;
	int64_t until_ms;
	size_t name_n, octets_n;
	char p[]; /* name in small letters, then octets */
};

LIST_HEAD(entry_bucket, entry);

struct kept {
	TAILQ_HEAD(entry_list, entry) used;
	struct entry_bucket *buckets;
	size_t bucket_count; /* a power of 2 */
	size_t count, bytes, bytes_max;
	uint8_t hash_key[16];
};

static size_t
entry_bytes(const struct entry *entry)
{
	return sizeof(*entry) + BYTES_OF_HEAP + entry->name_n + entry->octets_n;
}

struct kept *
kept_new(size_t bytes_max)
{
	struct kept *kept = mem_zalloc(1, sizeof(*kept));

	kept->bytes_max = bytes_max;
	kept->bucket_count = BUCKETS_MIN;
	while (kept->bucket_count < BUCKETS_MAX && kept->bucket_count * BYTES_USUAL < bytes_max)
		kept->bucket_count *= 2;
	kept->buckets = mem_zalloc(kept->bucket_count, sizeof(kept->buckets[0]));
	TAILQ_INIT(&kept->used);
	/* Without it (which does not happen) names can be chosen that share a bucket. */
	(void)!getrandom(kept->hash_key, sizeof(kept->hash_key), 0);
	return kept;
}

static void
entry_free(struct kept *kept, struct entry *entry)
{
	TAILQ_REMOVE(&kept->used, entry, used);
	LIST_REMOVE(entry, bucket);
	kept->bytes -= entry_bytes(entry);
	kept->count--;
	mem_free(entry);
}

void
kept_free(struct kept *kept)
{
	if (kept == NULL)
		return;
	while (!TAILQ_EMPTY(&kept->used))
		entry_free(kept, TAILQ_FIRST(&kept->used));
	mem_free(kept->buckets);
	mem_free(kept);
}

static struct entry_bucket *
bucket_of(const struct kept *kept, struct span lower)
{
	return &kept->buckets[span_hash(lower, kept->hash_key) & (kept->bucket_count - 1)];
}

/* A name that is longer than any is not found. */
static struct entry *
find(const struct kept *kept, struct span name)
{
	char lower[DNS_NAME_TEXT_MAX];
	struct entry *entry;

	if (name.n > sizeof(lower))
		return NULL;
	for (size_t i = 0; i < name.n; i++)
		lower[i] = ascii_lower(name.p[i]);
	LIST_FOREACH(entry, bucket_of(kept, span_of(lower, name.n)), bucket)
	if (entry->name_n == name.n && memcmp(entry->p, lower, name.n) == 0)
		return entry;
	return NULL;
}

enum status
kept_get(struct kept *kept, struct span name, int64_t now_ms, struct dns_answer *answer_out)
{
	struct entry *entry = find(kept, name);
	int64_t left_s = entry == NULL ? 0 : (entry->until_ms - now_ms) / 1000;

	if (entry == NULL)
		return ST_ABSENT;
	if (left_s <= 0 || dns_octets_read(span_of(entry->p + entry->name_n, entry->octets_n),
			       answer_out) != ST_OK) {
		entry_free(kept, entry);
		return ST_ABSENT;
	}
	answer_out->ttl_s = (uint32_t)left_s;
	TAILQ_REMOVE(&kept->used, entry, used);
	TAILQ_INSERT_HEAD(&kept->used, entry, used);
	return ST_OK;
}

/* What is over makes room without having been driven out. */
static void
make_room(struct kept *kept, size_t bytes, int64_t now_ms)
{
	struct entry *oldest;

	while ((oldest = TAILQ_LAST(&kept->used, entry_list)) != NULL &&
	       kept->bytes + bytes > kept->bytes_max) {
		if (oldest->until_ms > now_ms)
			metrics_count(METRIC_CACHE_EVICTIONS, METRIC_CACHE_DNS, METRIC_NONE);
		entry_free(kept, oldest);
	}
}

void
kept_put(struct kept *kept, struct span name, struct span octets, int64_t now_ms, int64_t until_ms)
{
	struct entry *entry = find(kept, name);
	size_t bytes = sizeof(*entry) + BYTES_OF_HEAP + name.n + octets.n;

	if (entry != NULL)
		entry_free(kept, entry);
	if (name.n > DNS_NAME_TEXT_MAX || bytes > kept->bytes_max || until_ms <= now_ms)
		return;
	make_room(kept, bytes, now_ms);
	entry = mem_alloc(sizeof(*entry) + name.n + octets.n);
	entry->until_ms = until_ms;
	entry->name_n = name.n;
	entry->octets_n = octets.n;
	for (size_t i = 0; i < name.n; i++)
		entry->p[i] = ascii_lower(name.p[i]);
	memcpy(entry->p + name.n, octets.p, octets.n);
	TAILQ_INSERT_HEAD(&kept->used, entry, used);
	LIST_INSERT_HEAD(bucket_of(kept, span_of(entry->p, name.n)), entry, bucket);
	kept->bytes += bytes;
	kept->count++;
}

size_t
kept_count(const struct kept *kept)
{
	return kept->count;
}
