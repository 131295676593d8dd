/*
 * test_keycache.c - the keeper's keys: warm, at once new when their file is new, old for a moment
 * while it is torn, bounded, and loaded once however many threads ask.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/keycache.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"
#include "lib/base/secret.h"
#include "tests/lib/scratch.h"

#define KEYS 40U
#define THREADS 8U
#define NOW 1000000

/* PEM of some Ed25519 keys, and their public halves. */
static struct {
	char *pem;
	struct buf public;
} made[2 * KEYS];

static int
make_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * KEYS; i++) {
		struct key *key = NULL;

		buf_init(&made[i].public, 1000);
		if (key_generate(KEY_ED25519_SHA256, 0, &key, NULL) != ST_OK ||
		    key_private_pem(key, &made[i].pem, NULL) != ST_OK ||
		    key_public_base64(key, &made[i].public) != ST_OK)
			return 1;
		key_free(key);
	}
	return 0;
}

static int
free_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * KEYS; i++) {
		secret_free(made[i].pem);
		buf_free(&made[i].public);
	}
	return 0;
}

struct world {
	struct scratch scratch;
	struct keycache *cache;
	struct digest *digest;
};

static struct cache_stats
stats(struct keycache *cache)
{
	struct cache_stats out;

	keycache_stats(cache, &out);
	return out;
}

/* What one of our keys takes in a cache, under a name of so many octets. */
static size_t
bytes_of_one(size_t name_bytes)
{
	struct keycache *cache = keycache_new(KEYCACHE_BYTES_MIN, false, NULL);
	struct digest *digest = digest_new();
	struct cached_key *cached;
	size_t bytes;

	assert_int_equal(keycache_get(cache, &(struct keycache_name){.text = span_str(made[0].pem)},
			     digest, NOW, &cached, NULL),
	    ST_OK);
	cached_key_release(cached);
	bytes = stats(cache).bytes - (1 + SHA256_BYTES) + (1 + name_bytes);
	keycache_free(cache);
	digest_free(digest);
	return bytes;
}

/* Room for so many keys in files, and half a one. */
static void
begin(struct world *w, size_t keys_max, bool require_safe)
{
	size_t one;

	memset(w, 0, sizeof(*w));
	scratch_begin(&w->scratch);
	one = bytes_of_one(strlen(scratch_path(&w->scratch, "k00")));
	w->cache = keycache_new(keys_max * one + one / 2, require_safe, NULL);
	w->digest = digest_new();
}

static void
end(struct world *w)
{
	keycache_free(w->cache);
	digest_free(w->digest);
	scratch_end(&w->scratch);
}

static enum status
get(struct world *w, const char *name, int64_t now_ms, struct cached_key **out)
{
	struct err err = ERR_NONE;

	*out = NULL;
	return keycache_get(w->cache, &(struct keycache_name){.text = span_str(name)}, w->digest,
	    now_ms, out, &err);
}

static bool
is_key(const struct cached_key *cached, size_t i)
{
	struct buf text;
	bool same;

	buf_init(&text, 1000);
	same = key_public_base64(cached_key_key(cached), &text) == ST_OK &&
	       span_eq(buf_span(&text), buf_span(&made[i].public));
	buf_free(&text);
	return same;
}

static void
assert_gives(struct world *w, const char *name, int64_t now_ms, size_t i)
{
	struct cached_key *cached;

	assert_int_equal(get(w, name, now_ms, &cached), ST_OK);
	assert_true(is_key(cached, i));
	cached_key_release(cached);
}

static void
test_hit_and_change(void **state)
{
	struct cached_key *first, *second, *third;
	const char *path;
	struct world w;

	(void)state;
	begin(&w, 10, false);
	path = scratch_write(&w.scratch, "a", made[0].pem);
	assert_int_equal(get(&w, path, NOW, &first), ST_OK);
	assert_int_equal(get(&w, path, NOW, &second), ST_OK);
	assert_ptr_equal(first, second);
	assert_int_equal(stats(w.cache).entries, 1);
	scratch_write(&w.scratch, "a", made[1].pem);
	/* The file was looked at in this millisecond. */
	assert_gives(&w, path, NOW, 0);
	assert_int_equal(get(&w, path, NOW + 1, &third), ST_OK);
	assert_true(is_key(third, 1));
	/* To load is not to look: the next message asks. */
	scratch_write(&w.scratch, "a", made[2].pem);
	assert_gives(&w, path, NOW + 1, 2);
	/* Who holds the old one may go on with it. */
	assert_true(is_key(first, 0));
	assert_int_equal(stats(w.cache).entries, 1);
	cached_key_release(first);
	cached_key_release(second);
	cached_key_release(third);
	end(&w);
}

/* Written in place, in two parts: the old key goes on for a moment, not for ever. */
static void
test_torn(void **state)
{
	char half[64] = {0};
	struct cached_key *cached;
	const char *path;
	struct world w;
	FILE *f;

	(void)state;
	begin(&w, 10, false);
	path = scratch_write(&w.scratch, "a", made[0].pem);
	assert_gives(&w, path, NOW, 0);
	memcpy(half, made[1].pem, sizeof(half) - 1);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(half, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_gives(&w, path, NOW, 0);
	assert_gives(&w, path, NOW + KEYCACHE_SETTLE_MS - 1, 0);
	assert_int_equal(get(&w, path, NOW + KEYCACHE_SETTLE_MS, &cached), ST_INVALID);
	assert_null(cached);
	assert_int_equal(get(&w, path, NOW + 10 * KEYCACHE_SETTLE_MS, &cached), ST_INVALID);
	scratch_write(&w.scratch, "a", made[1].pem);
	assert_gives(&w, path, NOW + 10 * KEYCACHE_SETTLE_MS, 1);
	/* The next fault has its own time. */
	scratch_write(&w.scratch, "a", half);
	assert_gives(&w, path, NOW + 20 * KEYCACHE_SETTLE_MS, 1);
	scratch_write(&w.scratch, "a", made[2].pem);
	assert_gives(&w, path, NOW + 20 * KEYCACHE_SETTLE_MS + 1, 2);
	end(&w);
}

static void
test_deleted(void **state)
{
	struct cached_key *cached;
	const char *path;
	struct world w;

	(void)state;
	begin(&w, 10, false);
	path = scratch_path(&w.scratch, "a");
	assert_int_equal(get(&w, path, NOW, &cached), ST_ABSENT);
	assert_null(cached);
	path = scratch_write(&w.scratch, "a", made[0].pem);
	assert_gives(&w, path, NOW, 0);
	unlink(path);
	assert_gives(&w, path, NOW + 1, 0);
	assert_int_equal(get(&w, path, NOW + 1 + KEYCACHE_SETTLE_MS, &cached), ST_ABSENT);
	end(&w);
}

static void
test_bound(void **state)
{
	struct cached_key *kept, *again, *other;
	char name[16];
	struct world w;

	(void)state;
	begin(&w, 4, false);
	for (size_t i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "k%zu", i);
		scratch_write(&w.scratch, name, made[i].pem);
	}
	assert_int_equal(get(&w, scratch_path(&w.scratch, "k0"), NOW, &kept), ST_OK);
	assert_int_equal(get(&w, scratch_path(&w.scratch, "k1"), NOW, &other), ST_OK);
	for (size_t i = 2; i < 20; i++) {
		snprintf(name, sizeof(name), "k%zu", i);
		assert_gives(&w, scratch_path(&w.scratch, name), NOW, i);
		/* In use, so it stays. */
		assert_int_equal(get(&w, scratch_path(&w.scratch, "k0"), NOW, &again), ST_OK);
		assert_ptr_equal(kept, again);
		cached_key_release(again);
		assert_true(stats(w.cache).entries <= 4);
	}
	/* Not in use: it went, but not for who holds it. */
	assert_int_equal(get(&w, scratch_path(&w.scratch, "k1"), NOW, &again), ST_OK);
	assert_ptr_not_equal(other, again);
	assert_true(is_key(other, 1) && is_key(again, 1));
	cached_key_release(kept);
	cached_key_release(again);
	cached_key_release(other);
	end(&w);
}

/* A '%' in a key's path makes a name of any From domain: they do not drive out a key. */
static void
test_flood(void **state)
{
	struct cached_key *kept, *again, *none;
	char name[16];
	struct world w;

	(void)state;
	begin(&w, 3, false);
	scratch_write(&w.scratch, "a", made[0].pem);
	assert_int_equal(get(&w, scratch_path(&w.scratch, "a"), NOW, &kept), ST_OK);
	for (size_t i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "none%zu", i);
		assert_int_equal(get(&w, scratch_path(&w.scratch, name), NOW, &none), ST_ABSENT);
		assert_true(stats(w.cache).entries <= 3);
	}
	assert_int_equal(get(&w, scratch_path(&w.scratch, "a"), NOW, &again), ST_OK);
	assert_ptr_equal(kept, again);
	cached_key_release(kept);
	cached_key_release(again);
	end(&w);
}

/* Senders that come once do not push out a key that signs again and again, even while it rests. */
static void
test_once_and_again(void **state)
{
	struct cached_key *kept, *again;
	struct world w;

	(void)state;
	begin(&w, 3, true);
	assert_int_equal(get(&w, made[0].pem, NOW, &kept), ST_OK);
	for (int i = 0; i < 5; i++)
		assert_gives(&w, made[0].pem, NOW, 0);
	for (size_t i = 1; i < 8; i++)
		assert_gives(&w, made[i].pem, NOW, i);
	assert_int_equal(get(&w, made[0].pem, NOW, &again), ST_OK);
	assert_ptr_equal(kept, again);
	cached_key_release(again);
	/* But not for ever. */
	for (size_t i = 8; i < 30; i++)
		assert_gives(&w, made[i].pem, NOW, i);
	assert_int_equal(get(&w, made[0].pem, NOW, &again), ST_OK);
	assert_ptr_not_equal(kept, again);
	cached_key_release(again);
	cached_key_release(kept);
	end(&w);
}

static void
test_inline(void **state)
{
	struct cached_key *first, *second, *cached;
	struct err err = ERR_NONE;
	struct world w;

	(void)state;
	begin(&w, 10, true);
	assert_int_equal(get(&w, made[0].pem, NOW, &first), ST_OK);
	assert_int_equal(get(&w, made[0].pem, NOW, &second), ST_OK);
	assert_ptr_equal(first, second);
	assert_true(is_key(first, 0));
	assert_gives(&w, made[1].pem, NOW, 1);
	assert_int_equal(stats(w.cache).entries, 2);
	cached_key_release(first);
	cached_key_release(second);
	assert_int_equal(
	    keycache_get(w.cache, &(struct keycache_name){.text = SPAN_LIT("c2VjcmV0")}, w.digest,
		NOW, &cached, &err),
	    ST_INVALID);
	assert_null(strstr(err.text, "c2VjcmV0"));
	assert_non_null(strstr(err.text, "KeyTable"));
	end(&w);
}

static void
test_unsafe(void **state)
{
	struct cached_key *cached;
	const char *path;
	struct world w;

	(void)state;
	begin(&w, 10, true);
	path = scratch_write(&w.scratch, "a", made[0].pem);
	assert_int_equal(chmod(path, 0606), 0);
	assert_int_equal(get(&w, path, NOW, &cached), ST_DENIED);
	assert_null(cached);
	end(&w);
	begin(&w, 10, false);
	path = scratch_write(&w.scratch, "a", made[0].pem);
	assert_int_equal(chmod(path, 0606), 0);
	assert_gives(&w, path, NOW, 0);
	end(&w);
}

/* A key that nobody uses leaves the memory; one that is used stays, however old it is. */
static void
test_idle(void **state)
{
	struct cached_key *kept, *again;
	struct world w;

	(void)state;
	begin(&w, 10, true);
	assert_int_equal(get(&w, made[0].pem, NOW, &kept), ST_OK);
	assert_gives(&w, made[1].pem, NOW, 1);
	assert_gives(&w, made[0].pem, NOW + 1000, 0);
	keycache_sweep(w.cache, NOW + KEYCACHE_IDLE_MS - 1);
	assert_int_equal(stats(w.cache).entries, 2);
	keycache_sweep(w.cache, NOW + KEYCACHE_IDLE_MS);
	assert_int_equal(stats(w.cache).entries, 1);
	assert_int_equal(get(&w, made[0].pem, NOW + KEYCACHE_IDLE_MS, &again), ST_OK);
	assert_ptr_equal(kept, again);
	keycache_sweep(w.cache, NOW + 2 * KEYCACHE_IDLE_MS - 1);
	assert_int_equal(stats(w.cache).entries, 1);
	keycache_sweep(w.cache, NOW + 2 * KEYCACHE_IDLE_MS);
	assert_int_equal(stats(w.cache).entries, 0);
	/* Not for who still holds it. */
	assert_true(is_key(kept, 0));
	cached_key_release(kept);
	cached_key_release(again);
	end(&w);
}

/* Of a row with sign_until. */
static void
test_not_after(void **state)
{
	const struct keycache_name name = {
	    .text = span_str(made[0].pem), .not_after_ms = NOW + 5000};
	struct cached_key *first, *second, *third;
	struct world w;

	(void)state;
	begin(&w, 10, true);
	assert_int_equal(keycache_get(w.cache, &name, w.digest, NOW, &first, NULL), ST_OK);
	assert_int_equal(keycache_get(w.cache, &name, w.digest, NOW + 4999, &second, NULL), ST_OK);
	assert_ptr_equal(first, second);
	keycache_sweep(w.cache, NOW + 4999);
	assert_int_equal(stats(w.cache).entries, 1);
	/* Whether it may still sign is the decision's to say; it is not what is kept. */
	assert_int_equal(keycache_get(w.cache, &name, w.digest, NOW + 5000, &third, NULL), ST_OK);
	assert_ptr_not_equal(first, third);
	keycache_sweep(w.cache, NOW + 5000);
	assert_int_equal(stats(w.cache).entries, 0);
	cached_key_release(first);
	cached_key_release(second);
	cached_key_release(third);
	end(&w);
}

static bool
metric_is(const char *line)
{
	struct buf text, wanted;
	bool found;

	buf_init(&text, METRICS_TEXT_MAX);
	buf_init(&wanted, 1024);
	assert_int_equal(metrics_write(&text), ST_OK);
	buf_add_fmt(&wanted, "\n%s\n", line);
	found = strstr(buf_text(&text), buf_text(&wanted)) != NULL;
	buf_free(&text);
	buf_free(&wanted);
	return found;
}

static void
test_metrics(void **state)
{
	struct cached_key *kept, *none;
	struct world w;

	(void)state;
	metrics_close();
	assert_int_equal(metrics_open(NULL), ST_OK);
	metrics_process_began();
	begin(&w, 2, false);
	assert_int_equal(get(&w, scratch_path(&w.scratch, "none"), NOW, &none), ST_ABSENT);
	assert_gives(&w, made[0].pem, NOW, 0);
	assert_gives(&w, made[0].pem, NOW, 0);
	assert_true(metric_is("signpost_parsed_keys{alg=\"ed25519\"} 1"));
	assert_true(metric_is("signpost_parsed_keys{alg=\"rsa-2048\"} 0"));
	assert_false(metric_is("signpost_parsed_key_bytes{alg=\"ed25519\"} 0"));
	assert_true(metric_is("signpost_key_cache_hits_total{cache=\"parsed\"} 1"));
	/* One of them for the size of one. */
	assert_true(metric_is("signpost_key_cache_misses_total{cache=\"parsed\"} 3"));
	assert_true(metric_is("signpost_key_cache_evictions_total{cache=\"parsed\"} 0"));
	assert_int_equal(get(&w, made[1].pem, NOW, &kept), ST_OK);
	for (size_t i = 2; i < 4; i++)
		assert_gives(&w, made[i].pem, NOW, i);
	assert_true(metric_is("signpost_key_cache_evictions_total{cache=\"parsed\"} 2"));
	/* Two in the cache, the first of them because it was used again, and one that is held. */
	assert_true(metric_is("signpost_parsed_keys{alg=\"ed25519\"} 3"));
	cached_key_release(kept);
	assert_true(metric_is("signpost_parsed_keys{alg=\"ed25519\"} 2"));
	end(&w);
	assert_true(metric_is("signpost_parsed_keys{alg=\"ed25519\"} 0"));
	assert_true(metric_is("signpost_parsed_key_bytes{alg=\"ed25519\"} 0"));
	metrics_close();
}

/* ---- threads ---- */

struct crowd {
	struct world *w;
	pthread_barrier_t start;
	unsigned int done; /* atomic: askers that ended */
	char paths[KEYS][512];
};

struct asker {
	struct crowd *crowd;
	pthread_t thread;
	uint32_t random;
	size_t wrong;
	struct cached_key *held[KEYS];
};

static void *
ask_at_random(void *arg)
{
	struct asker *asker = arg;
	struct crowd *crowd = asker->crowd;
	struct digest *digest = digest_new();

	for (int i = 0; i < 400; i++) {
		struct cached_key *cached = NULL;
		enum status status = ST_UNAVAILABLE;
		size_t k;

		asker->random = asker->random * 1664525U + 1013904223U;
		k = (asker->random >> 16) % KEYS;
		/* A cold key whose file is replaced while it is read may be unavailable once. */
		for (int tries = 0; tries < 3 && status == ST_UNAVAILABLE; tries++)
			status = keycache_get(crowd->w->cache,
			    &(struct keycache_name){.text = span_str(crowd->paths[k])}, digest,
			    NOW + i, &cached, NULL);
		if (status != ST_OK || (!is_key(cached, k) && !is_key(cached, k + KEYS)))
			asker->wrong++;
		cached_key_release(cached);
	}
	digest_free(digest);
	__atomic_add_fetch(&crowd->done, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void
crowd_begin(struct crowd *crowd, struct world *w, struct asker *askers, void *(*run)(void *))
{
	char name[16];

	memset(crowd, 0, sizeof(*crowd));
	crowd->w = w;
	pthread_barrier_init(&crowd->start, NULL, THREADS);
	for (size_t i = 0; i < KEYS; i++) {
		snprintf(name, sizeof(name), "k%zu", i);
		snprintf(crowd->paths[i], sizeof(crowd->paths[i]), "%s",
		    scratch_write(&w->scratch, name, made[i].pem));
	}
	for (size_t i = 0; i < THREADS; i++) {
		askers[i] = (struct asker){.crowd = crowd, .random = (uint32_t)i + 1};
		assert_int_equal(pthread_create(&askers[i].thread, NULL, run, &askers[i]), 0);
	}
}

static void
crowd_end(struct crowd *crowd, struct asker *askers)
{
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
	pthread_barrier_destroy(&crowd->start);
}

/* Many threads, more keys than the cache may hold, files replaced all the time. */
static void
test_threads(void **state)
{
	struct asker askers[THREADS];
	struct crowd crowd;
	struct world w;
	size_t n = 0;

	(void)state;
	begin(&w, 10, false);
	crowd_begin(&crowd, &w, askers, ask_at_random);
	while (__atomic_load_n(&crowd.done, __ATOMIC_RELAXED) < THREADS) {
		size_t k = n % KEYS;
		char name[16];

		keycache_sweep(w.cache, NOW + (int64_t)(n % 400));

		snprintf(name, sizeof(name), "k%zu", k);
		scratch_write(&w.scratch, name, made[n / KEYS % 2 == 0 ? k + KEYS : k].pem);
		n++;
		usleep(200);
	}
	crowd_end(&crowd, askers);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(askers[i].wrong, 0);
	assert_true(stats(w.cache).entries <= 10);
	end(&w);
}

static void *
ask_together(void *arg)
{
	struct asker *asker = arg;
	struct crowd *crowd = asker->crowd;
	struct digest *digest = digest_new();

	for (size_t k = 0; k < KEYS; k++) {
		pthread_barrier_wait(&crowd->start);
		if (keycache_get(crowd->w->cache,
			&(struct keycache_name){.text = span_str(crowd->paths[k])}, digest, NOW,
			&asker->held[k], NULL) != ST_OK)
			asker->wrong++;
	}
	digest_free(digest);
	return NULL;
}

/* All ask for a cold key at once and get the same object: it was loaded once. */
static void
test_one_load(void **state)
{
	struct asker askers[THREADS];
	struct crowd crowd;
	struct world w;

	(void)state;
	begin(&w, KEYS, false);
	crowd_begin(&crowd, &w, askers, ask_together);
	crowd_end(&crowd, askers);
	for (size_t k = 0; k < KEYS; k++)
		for (size_t i = 0; i < THREADS; i++) {
			assert_non_null(askers[i].held[k]);
			assert_ptr_equal(askers[i].held[k], askers[0].held[k]);
		}
	for (size_t k = 0; k < KEYS; k++)
		for (size_t i = 0; i < THREADS; i++)
			cached_key_release(askers[i].held[k]);
	assert_int_equal(stats(w.cache).entries, KEYS);
	end(&w);
}

static void *
ask_torn(void *arg)
{
	struct asker *asker = arg;
	struct crowd *crowd = asker->crowd;
	struct digest *digest = digest_new();

	for (size_t k = 0; k < KEYS; k++) {
		struct cached_key *cached = NULL;

		if (pthread_barrier_wait(&crowd->start) == PTHREAD_BARRIER_SERIAL_THREAD) {
			FILE *f = fopen(crowd->paths[k], "w");

			if (f == NULL || fputs("torn", f) < 0 || fclose(f) != 0)
				asker->wrong++;
		}
		/* Nobody looks before it is torn: of a millisecond one look does for all. */
		pthread_barrier_wait(&crowd->start);
		if (keycache_get(crowd->w->cache,
			&(struct keycache_name){.text = span_str(crowd->paths[k])}, digest, NOW,
			&cached, NULL) != ST_OK ||
		    !is_key(cached, k))
			asker->wrong++;
		cached_key_release(cached);
	}
	digest_free(digest);
	return NULL;
}

/* A file that is torn while all ask: everybody goes on with the old key, whoever comes first. */
static void
test_torn_together(void **state)
{
	struct asker askers[THREADS];
	struct crowd *crowd = mem_zalloc(1, sizeof(*crowd));
	struct cached_key *cached;
	struct world w;

	(void)state;
	begin(&w, KEYS, false);
	for (size_t i = 0; i < KEYS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "k%zu", i);
		assert_gives(&w, scratch_write(&w.scratch, name, made[i].pem), NOW - 1, i);
	}
	crowd_begin(crowd, &w, askers, ask_torn);
	crowd_end(crowd, askers);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(askers[i].wrong, 0);
	for (size_t k = 0; k < KEYS; k++) {
		assert_gives(&w, crowd->paths[k], NOW + 1, k);
		assert_int_equal(
		    get(&w, crowd->paths[k], NOW + 1 + KEYCACHE_SETTLE_MS, &cached), ST_INVALID);
	}
	end(&w);
	mem_free(crowd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hit_and_change),
	    cmocka_unit_test(test_torn),
	    cmocka_unit_test(test_deleted),
	    cmocka_unit_test(test_bound),
	    cmocka_unit_test(test_flood),
	    cmocka_unit_test(test_once_and_again),
	    cmocka_unit_test(test_inline),
	    cmocka_unit_test(test_unsafe),
	    cmocka_unit_test(test_idle),
	    cmocka_unit_test(test_not_after),
	    cmocka_unit_test(test_metrics),
	    cmocka_unit_test(test_threads),
	    cmocka_unit_test(test_one_load),
	    cmocka_unit_test(test_torn_together),
	};

	return cmocka_run_group_tests_name("daemon/keycache", tests, make_keys, free_keys);
}
