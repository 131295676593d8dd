/*
 * cachedkey.c - one parsed key in memory.
 * Made by keycache.c when a key was loaded, held by the cache and by the workers that sign with it.
 * The last one to let go wipes it. It must never take a lock: what changes in it is atomic.
 */
#include "daemon/cachedkey.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"

#define USED_STEP_MS 1000 /* so often at most it is written down that a key is in use */

struct cached_key {
	unsigned int references; /* atomic */
	enum metric_key_type type;
	struct key *key;
	size_t bytes;
	struct keyfile_stamp stamp;
	/* Atomic. */
	int64_t used_ms;
	int64_t looked_ms;        /* the file was last found unchanged then; 0: not yet */
	int64_t failing_since_ms; /* the new file cannot be used since then; 0: none failed */
};

static int64_t
get_ms(const int64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static void
set_ms(int64_t *at, int64_t ms)
{
	__atomic_store_n(at, ms, __ATOMIC_RELAXED);
}

static enum metric_key_type
type_of(const struct key *key)
{
	if (key_algorithm(key) == KEY_ED25519_SHA256)
		return METRIC_KEY_ED25519;
	switch (key_bits(key)) {
	case 1024:
		return METRIC_KEY_RSA_1024;
	case 2048:
		return METRIC_KEY_RSA_2048;
	case 3072:
		return METRIC_KEY_RSA_3072;
	case 4096:
		return METRIC_KEY_RSA_4096;
	default:
		return METRIC_KEY_RSA_OTHER;
	}
}

static void
count_key(const struct cached_key *cached, int64_t by)
{
	metrics_gauge_add_at(METRIC_PARSED_KEYS, cached->type, by);
	metrics_gauge_add_at(METRIC_PARSED_KEY_BYTES, cached->type, by * (int64_t)cached->bytes);
}

struct cached_key *
cached_key_new(struct key *key, const struct keyfile_stamp *stamp, int64_t now_ms)
{
	struct cached_key *cached = mem_zalloc(1, sizeof(*cached));

	cached->references = 1;
	cached->key = key;
	cached->type = type_of(key);
	/* And what malloc keeps beside it. */
	cached->bytes = key_bytes(key) + sizeof(*cached) + 2 * sizeof(size_t);
	cached->stamp = *stamp;
	cached->used_ms = now_ms;
	count_key(cached, 1);
	return cached;
}

void
cached_key_hold(struct cached_key *cached)
{
	__atomic_add_fetch(&cached->references, 1, __ATOMIC_RELAXED);
}

void
cached_key_release(struct cached_key *cached)
{
	if (cached == NULL || __atomic_sub_fetch(&cached->references, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	count_key(cached, -1);
	key_free(cached->key);
	mem_free(cached);
}

struct key *
cached_key_key(const struct cached_key *cached)
{
	return cached->key;
}

size_t
cached_key_bytes(const struct cached_key *cached)
{
	return cached->bytes;
}

void
cached_key_note_use(struct cached_key *cached, int64_t now_ms)
{
	if (now_ms - get_ms(&cached->used_ms) >= USED_STEP_MS)
		set_ms(&cached->used_ms, now_ms);
}

int64_t
cached_key_idle_ms(const struct cached_key *cached, int64_t now_ms)
{
	return now_ms - get_ms(&cached->used_ms);
}

bool
cached_key_still_right(struct cached_key *cached, const char *path, int64_t now_ms)
{
	if (get_ms(&cached->looked_ms) == now_ms)
		return true;
	if (keyfile_changed(path, &cached->stamp))
		return false;
	set_ms(&cached->looked_ms, now_ms);
	return true;
}

bool
cached_key_may_go_on(struct cached_key *cached, int64_t now_ms)
{
	if (get_ms(&cached->failing_since_ms) == 0)
		set_ms(&cached->failing_since_ms, now_ms);
	return now_ms - get_ms(&cached->failing_since_ms) < KEYCACHE_SETTLE_MS;
}
