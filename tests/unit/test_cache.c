/*
 * test_cache.c - what a cache gives out, when it asks again, whom it lets wait, what it forgets.
 * The clock is an argument; the threads are in test_cache_threads.c. make check.
 */
#include "tests/unit/cache_world.h"

#define FRESH_MS 5000
#define ABSENT_MS 2000
#define STALE_MS 60000
#define T 1000000

static const struct cache_config plain = {.bytes_max = 1000000,
    .fresh_ms = FRESH_MS,
    .absent_fresh_ms = ABSENT_MS,
    .stale_ms = STALE_MS,
    .hold = thing_hold,
    .release = thing_release};

static int
nothing_is_left(void **state)
{
	(void)state;
	return atomic_load(&things_alive) == 0 ? 0 : -1;
}

static void
test_lives(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct source source = {.version = 1};

	(void)state;
	assert_int_equal(ask(cache, "a", T, &source), 1);
	atomic_store(&source.version, 2);
	assert_int_equal(ask(cache, "a", T + 3999, &source), 1);
	assert_int_equal(atomic_load(&source.loads), 1);
	assert_int_equal(ask(cache, "b", T + 3999, &source), 2);
	assert_int_equal(ask(cache, "a", T + FRESH_MS, &source), 2);
	assert_int_equal(atomic_load(&source.loads), 3);
	atomic_store(&source.status, ST_ABSENT);
	assert_int_equal(ask(cache, "c", T, &source), ABSENT);
	atomic_store(&source.status, ST_OK);
	assert_int_equal(ask(cache, "c", T + 1500, &source), ABSENT);
	assert_int_equal(ask(cache, "c", T + ABSENT_MS, &source), 2);
	source.fresh_ms = 100;
	assert_int_equal(ask(cache, "d", T, &source), 2);
	atomic_store(&source.version, 3);
	assert_int_equal(ask(cache, "d", T + 79, &source), 2);
	assert_int_equal(ask(cache, "d", T + 100, &source), 3);
	cache_free(cache);
}

struct nested {
	struct cache *cache;
	struct source inner;
	const char *name;
	int64_t now_ms;
	int answer;
};

/* Another caller, while the question is on its way. */
static void
ask_meanwhile(void *context)
{
	struct nested *nested = context;

	nested->answer = ask(nested->cache, nested->name, nested->now_ms, &nested->inner);
}

/* What another cache has is as old as it is there. */
static void
test_known_before(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct source source = {.version = 1, .known_ms = T - 3000, .said = CACHE_SOURCE_SPARED};

	(void)state;
	assert_int_equal(ask(cache, "a", T, &source), 1);
	atomic_store(&source.version, 2);
	source.known_ms = 0;
	assert_int_equal(ask(cache, "a", T + 999, &source), 1);
	assert_int_equal(ask(cache, "a", T + 1000, &source), 2); /* its last fifth */
	source.known_ms = T - 1000;
	atomic_store(&source.status, ST_ABSENT);
	assert_int_equal(ask(cache, "none", T, &source), ABSENT);
	atomic_store(&source.status, ST_OK);
	assert_int_equal(ask(cache, "none", T + 599, &source), ABSENT);
	assert_int_equal(ask(cache, "none", T + 600, &source), 2);
	/* A clock that is ahead makes nothing younger than the question. */
	source.known_ms = T + 100000;
	assert_int_equal(ask(cache, "ahead", T, &source), 2);
	atomic_store(&source.version, 3);
	assert_int_equal(ask(cache, "ahead", T + FRESH_MS, &source), 3);
	/* Old ones are stale until they are too old, and the source is asked in between. */
	source.known_ms = T + 10000;
	source.said = CACHE_SOURCE_AWAY;
	atomic_store(&source.loads, 0);
	assert_int_equal(ask(cache, "old", T + 15000, &source), 3 + STALE);
	for (int i = 0; i < 10; i++)
		assert_int_equal(ask(cache, "old", T + 15000 + i * 99, &source), 3 + STALE);
	assert_int_equal(atomic_load(&source.loads), 1);
	assert_int_equal(ask(cache, "old", T + 16000, &source), 3 + STALE);
	assert_int_equal(atomic_load(&source.loads), 2);
	atomic_store(&source.status, ST_UNAVAILABLE);
	assert_int_equal(ask(cache, "old", T + 10000 + STALE_MS - 1, &source), 3 + STALE);
	assert_int_equal(ask(cache, "old", T + 10000 + STALE_MS, &source), UNAVAILABLE);
	cache_free(cache);
}

/* The store's word on all of them counts for what came from elsewhere, too. */
static void
test_known_before_and_confirmed(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct source source = {.version = 1, .epoch = 10, .known_ms = T - 20000};

	(void)state;
	cache_confirm(cache, 10, T);
	source.said = CACHE_SOURCE_SPARED;
	assert_int_equal(ask(cache, "a", T, &source), 1);
	assert_int_equal(ask(cache, "a", T + FRESH_MS - 1, &source), 1);
	assert_int_equal(atomic_load(&source.loads), 1);
	atomic_store(&source.epoch, 9);
	assert_int_equal(ask(cache, "b", T, &source), 1 + STALE);
	assert_int_equal(ask(cache, "b", T, &source), 1 + STALE);
	assert_int_equal(atomic_load(&source.loads), 2);
	cache_free(cache);
}

/* An answer from elsewhere says nothing about a source that was not asked, and one that stands in
 * for a silent source says that it is silent. */
static void
test_a_silent_source_behind_another_cache(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct source source = {.version = 1};

	(void)state;
	assert_int_equal(ask(cache, "a", T, &source), 1);
	assert_int_equal(ask(cache, "b", T, &source), 1);
	source.said = CACHE_SOURCE_AWAY;
	source.known_ms = T;
	source.ended_ms = T + 10000 + CACHE_SLOW_MS;
	assert_int_equal(ask(cache, "a", T + 10000, &source), 1 + STALE);
	source.said = CACHE_SOURCE_SPARED;
	source.known_ms = T + 10000;
	assert_int_equal(ask(cache, "new", T + 10000, &source), 1);
	assert_int_equal(atomic_load(&source.loads), 4);
	assert_int_equal(ask(cache, "b", T + 10200, &source), 1 + STALE);
	assert_int_equal(atomic_load(&source.loads), 4);
	source.said = CACHE_SOURCE_SAID;
	source.known_ms = 0;
	assert_int_equal(ask(cache, "new 2", T + 10200, &source), 1);
	assert_int_equal(ask(cache, "b", T + 10200, &source), 1);
	assert_int_equal(atomic_load(&source.loads), 6);
	cache_free(cache);
}

static void
test_one_caller_refreshes(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct nested nested = {
	    .cache = cache, .inner = {.version = 7}, .name = "a", .now_ms = T + 4000};
	struct source source = {.version = 1};
	struct cache_stats stats;

	(void)state;
	assert_int_equal(ask(cache, "a", T, &source), 1);
	atomic_store(&source.version, 2);
	source.during = ask_meanwhile;
	source.context = &nested;
	assert_int_equal(ask(cache, "a", T + 4000, &source), 2);
	assert_int_equal(nested.answer, 1);
	assert_int_equal(atomic_load(&nested.inner.loads), 0);
	source.during = NULL;
	/* The new life begins at the refresh; a source that is away then harms nobody. */
	atomic_store(&source.status, ST_UNAVAILABLE);
	assert_int_equal(ask(cache, "a", T + 8500, &source), 2);
	assert_int_equal(atomic_load(&source.loads), 3);
	assert_int_equal(ask(cache, "a", T + 8600, &source), 2);
	assert_int_equal(atomic_load(&source.loads), 3);
	assert_int_equal(ask(cache, "a", T + 9499, &source), 2 + STALE);
	cache_stats(cache, &stats);
	assert_int_equal(stats.refreshed, 2);
	cache_free(cache);
}

static void
test_stale_while_unavailable(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct source source = {.version = 1};
	unsigned loads;

	(void)state;
	assert_int_equal(ask(cache, "a", T, &source), 1);
	atomic_store(&source.status, ST_ABSENT);
	assert_int_equal(ask(cache, "none", T, &source), ABSENT);
	atomic_store(&source.status, ST_UNAVAILABLE);
	assert_int_equal(ask(cache, "new", T, &source), UNAVAILABLE);
	loads = atomic_load(&source.loads);
	for (int64_t at = FRESH_MS; at < STALE_MS; at += 100)
		assert_int_equal(ask(cache, "a", T + at, &source), 1 + STALE);
	/* Once in a second. */
	assert_int_equal(
	    atomic_load(&source.loads) - loads, (STALE_MS - FRESH_MS) / CACHE_PAUSE_MS);
	assert_int_equal(ask(cache, "none", T + STALE_MS - 1, &source), ABSENT + STALE);
	assert_int_equal(ask(cache, "a", T + STALE_MS, &source), UNAVAILABLE);
	assert_int_equal(ask(cache, "none", T + STALE_MS, &source), UNAVAILABLE);
	atomic_store(&source.status, ST_OK);
	assert_int_equal(ask(cache, "a", T + STALE_MS, &source), 1);
	cache_free(cache);
}

static void
test_never_stale_when_told_so(void **state)
{
	struct cache_config config = plain;
	struct source source = {.version = 1};
	struct cache *cache;

	(void)state;
	config.stale_ms = 0;
	cache = cache_new(&config);
	assert_int_equal(ask(cache, "a", T, &source), 1);
	atomic_store(&source.status, ST_UNAVAILABLE);
	assert_int_equal(ask(cache, "a", T + FRESH_MS - 1, &source), 1);
	assert_int_equal(ask(cache, "a", T + FRESH_MS, &source), UNAVAILABLE);
	cache_free(cache);
}

static void
test_not_after(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct source source = {.version = 1, .not_after_ms = T + 3000};

	(void)state;
	assert_int_equal(ask(cache, "a", T, &source), 1);
	assert_int_equal(ask(cache, "a", T + 2999, &source), 1);
	atomic_store(&source.status, ST_UNAVAILABLE);
	assert_int_equal(ask(cache, "a", T + 3000, &source), UNAVAILABLE);
	/* Also when it passes while the source is asked. */
	atomic_store(&source.status, ST_OK);
	source.not_after_ms = T + 9000;
	assert_int_equal(ask(cache, "a", T + 3001, &source), 1);
	atomic_store(&source.status, ST_UNAVAILABLE);
	source.ended_ms = T + 9000;
	assert_int_equal(ask(cache, "a", T + 8500, &source), UNAVAILABLE);
	cache_free(cache);
}

static void
test_invalid_is_not_kept(void **state)
{
	static const enum status failures[] = {ST_INVALID, ST_TOO_BIG, ST_DENIED, ST_FAILED};
	struct cache *cache = cache_new(&plain);
	struct cache_stats stats;

	(void)state;
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		struct source source = {.version = 1};
		int64_t now = T + (int64_t)i * 100000;

		assert_int_equal(ask(cache, "a", now, &source), 1);
		atomic_store(&source.status, failures[i]);
		assert_int_equal(ask(cache, "a", now + FRESH_MS, &source), -(int)failures[i]);
		assert_int_equal(ask(cache, "a", now + FRESH_MS, &source), -(int)failures[i]);
		/* What was known is not known any more. */
		atomic_store(&source.status, ST_UNAVAILABLE);
		assert_int_equal(ask(cache, "a", now + FRESH_MS, &source), UNAVAILABLE);
		assert_int_equal(atomic_load(&source.loads), 4);
	}
	cache_stats(cache, &stats);
	assert_int_equal(stats.entries, 0);
	assert_int_equal(stats.bytes, 0);
	cache_free(cache);
}

/* A server that is silent costs one caller in a second its time-out, whatever the name. */
static void
test_a_silent_source_is_spared(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct source source = {.version = 1};
	char name[8];

	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(ask(cache, name, T, &source), 1);
	}
	atomic_store(&source.status, ST_UNAVAILABLE);
	atomic_store(&source.loads, 0);
	for (int second = 0; second < 3; second++) {
		int64_t now = T + 10000 + second * 4000;

		source.ended_ms = now + 3000;
		for (int i = 0; i < 50; i++) {
			snprintf(name, sizeof(name), "n%d", i);
			assert_int_equal(ask(cache, name, now + i * 79, &source), 1 + STALE);
		}
		assert_int_equal(atomic_load(&source.loads), second + 1);
	}
	/* It is back: the first one finds out, then all ask again. */
	atomic_store(&source.status, ST_OK);
	source.ended_ms = 0;
	atomic_store(&source.loads, 0);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(ask(cache, name, T + 30000, &source), 1);
	}
	assert_int_equal(atomic_load(&source.loads), 50);
	cache_free(cache);
}

/* One name that the source refuses quickly says nothing about the others. */
static void
test_a_refused_name_harms_no_other(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct source source = {.version = 1}, bad = {.status = ST_UNAVAILABLE};

	(void)state;
	assert_int_equal(ask(cache, "good", T, &source), 1);
	atomic_store(&source.version, 2);
	assert_int_equal(ask(cache, "bad", T + FRESH_MS, &bad), UNAVAILABLE);
	assert_int_equal(ask(cache, "good", T + FRESH_MS, &source), 2);
	cache_free(cache);
}

static void
test_epochs(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct source source = {.version = 1, .epoch = 10};

	(void)state;
	assert_int_equal(ask(cache, "a", T, &source), 1);
	cache_expire_before(cache, 10);
	assert_int_equal(ask(cache, "a", T, &source), 1);
	assert_int_equal(atomic_load(&source.loads), 1);
	cache_expire_before(cache, 11);
	cache_expire_before(cache, 5); /* changes nothing */
	atomic_store(&source.version, 2);
	atomic_store(&source.epoch, 11);
	assert_int_equal(ask(cache, "a", T, &source), 2);
	/* What is outdated is there as long as the source is not. */
	cache_expire_before(cache, 12);
	atomic_store(&source.status, ST_UNAVAILABLE);
	assert_int_equal(ask(cache, "a", T, &source), 2 + STALE);
	/* A source that is behind is asked once in a second. */
	atomic_store(&source.status, ST_OK);
	atomic_store(&source.loads, 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(ask(cache, "a", T + 1000 + i * 100, &source), 2 + STALE);
	assert_int_equal(atomic_load(&source.loads), 2);
	atomic_store(&source.epoch, 12);
	assert_int_equal(ask(cache, "a", T + 3000, &source), 2);
	cache_free(cache);
}

static void
test_sources_without_epochs(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct source source = {.version = 1};

	(void)state;
	assert_int_equal(ask(cache, "a", T, &source), 1);
	atomic_store(&source.version, 2);
	cache_confirm(cache, 1, T + 5000); /* nothing that it could speak of */
	cache_expire_before(cache, 1);
	assert_int_equal(ask(cache, "a", T, &source), 2);
	assert_int_equal(ask(cache, "a", T, &source), 2);
	assert_int_equal(atomic_load(&source.loads), 2);
	atomic_store(&source.version, 3);
	assert_int_equal(ask(cache, "a", T + FRESH_MS, &source), 3);
	cache_free(cache);
}

static void
test_confirmed(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct source source = {.version = 1, .epoch = 10};

	(void)state;
	assert_int_equal(ask(cache, "a", T, &source), 1);
	atomic_store(&source.epoch, 9);
	assert_int_equal(ask(cache, "old", T, &source), 1);
	atomic_store(&source.version, 2);
	for (int64_t at = T; at < T + 200000; at += 4000) {
		cache_confirm(cache, 10, at);
		assert_int_equal(ask(cache, "a", at + 3999, &source), 1);
	}
	assert_int_equal(atomic_load(&source.loads), 2);
	assert_int_equal(ask(cache, "old", T + 200000, &source), 2);
	/* The last word was at T + 196000: it is stale from then on, not from the load on. */
	atomic_store(&source.status, ST_UNAVAILABLE);
	assert_int_equal(ask(cache, "a", T + 196000 + FRESH_MS, &source), 1 + STALE);
	assert_int_equal(ask(cache, "a", T + 196000 + STALE_MS - 1, &source), 1 + STALE);
	assert_int_equal(ask(cache, "a", T + 196000 + STALE_MS, &source), UNAVAILABLE);
	cache_confirm(cache, 0, 0);
	cache_free(cache);
}

static void
test_expired_by_name(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct source source = {.version = 1};

	(void)state;
	cache_expire_name(cache, SPAN_LIT("nobody"));
	assert_int_equal(ask(cache, "a", T, &source), 1);
	assert_int_equal(ask(cache, "b", T, &source), 1);
	cache_expire_name(cache, SPAN_LIT("a"));
	atomic_store(&source.version, 2);
	assert_int_equal(ask(cache, "b", T, &source), 1);
	atomic_store(&source.status, ST_UNAVAILABLE);
	assert_int_equal(ask(cache, "a", T, &source), 1 + STALE);
	atomic_store(&source.status, ST_OK);
	assert_int_equal(ask(cache, "a", T + CACHE_PAUSE_MS, &source), 2);
	cache_clear(cache);
	assert_int_equal(ask(cache, "b", T, &source), 2);
	cache_free(cache);
}

static void
expire_meanwhile(void *context)
{
	cache_expire_name(context, SPAN_LIT("a"));
}

static void
clear_meanwhile(void *context)
{
	cache_clear(context);
}

/* What was asked before the expiry may be older than it. */
static void
test_expired_while_it_is_asked(void **state)
{
	void (*const during[])(void *) = {expire_meanwhile, clear_meanwhile};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct cache *cache = cache_new(&plain);
		struct source source = {.version = 1};

		if (i % 2 == 0)
			assert_int_equal(ask(cache, "a", T, &source), 1);
		source.during = during[i / 2];
		source.context = cache;
		assert_int_equal(ask(cache, "a", T + FRESH_MS, &source), 1);
		source.during = NULL;
		atomic_store(&source.version, 2);
		assert_int_equal(ask(cache, "a", T + FRESH_MS, &source), 2);
		cache_free(cache);
	}
}

static void
expire_epoch_meanwhile(void *context)
{
	cache_expire_before(context, 11);
}

/* The answer was right when it was asked for: it is not the source that is behind. */
static void
test_news_while_it_is_asked(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct source source = {.version = 1, .epoch = 10};

	(void)state;
	source.during = expire_epoch_meanwhile;
	source.context = cache;
	assert_int_equal(ask(cache, "a", T, &source), 1 + STALE);
	source.during = NULL;
	atomic_store(&source.version, 2);
	atomic_store(&source.epoch, 11);
	assert_int_equal(ask(cache, "a", T, &source), 2);
	assert_int_equal(atomic_load(&source.loads), 2);
	cache_free(cache);
}

struct verdict {
	unsigned version_least, asked;
	int64_t began_ms; /* or T */
};

static bool
is_outdated(void *context, struct span name, const void *object, uint64_t epoch, int64_t began_ms)
{
	struct verdict *verdict = context;
	const struct thing *thing = object;

	assert_true(name.n > 0);
	assert_int_equal(epoch, 10);
	assert_true(began_ms == T || began_ms == verdict->began_ms);
	verdict->asked++;
	return thing == NULL || thing->version < verdict->version_least;
}

static void
test_rechecked(void **state)
{
	struct verdict verdict = {.version_least = 1};
	struct source source = {.version = 1, .epoch = 10};
	struct cache_config config = plain;
	struct cache *cache;

	(void)state;
	config.outdated = is_outdated;
	config.context = &verdict;
	cache = cache_new(&config);
	assert_int_equal(ask(cache, "a", T, &source), 1);
	for (int i = 0; i < 10; i++)
		assert_int_equal(ask(cache, "a", T, &source), 1);
	assert_int_equal(verdict.asked, 1);
	verdict.version_least = 2;
	assert_int_equal(ask(cache, "a", T, &source), 1);
	cache_recheck(cache);
	/* What the source says is looked at, too: it may be behind. */
	assert_int_equal(ask(cache, "a", T, &source), 1 + STALE);
	atomic_store(&source.version, 2);
	assert_int_equal(ask(cache, "a", T, &source), 1 + STALE);
	verdict.began_ms = T + CACHE_PAUSE_MS;
	assert_int_equal(ask(cache, "a", T + CACHE_PAUSE_MS, &source), 2);
	assert_int_equal(atomic_load(&source.loads), 3);
	cache_free(cache);
}

static void
test_bounded_by_octets(void **state)
{
	struct cache_config config = plain;
	struct source source = {.version = 1, .bytes = 5000};
	struct cache_stats stats;
	struct cache *cache;
	size_t before;
	char name[32];

	(void)state;
	config.shards = 4;
	config.bytes_max = 200000;
	cache = cache_new(&config);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "name-%d", i);
		assert_int_equal(ask(cache, name, T, &source), 1);
		/* In use all the time: it stays. */
		assert_int_equal(ask(cache, "name-0", T, &source), 1);
		cache_stats(cache, &stats);
		assert_true(stats.bytes <= config.bytes_max);
		assert_true(stats.bytes >= stats.entries * 5000);
	}
	assert_int_equal(atomic_load(&source.loads), 1000);
	assert_int_equal(stats.evictions, 1000 - stats.entries);
	assert_true(stats.entries > 24);
	/* Too big for a shard: given out, not kept, and nothing else had to go for it. */
	before = stats.entries;
	source.bytes = 60000;
	assert_int_equal(ask(cache, "big", T, &source), 1);
	assert_int_equal(ask(cache, "big", T, &source), 1);
	assert_int_equal(atomic_load(&source.loads), 1002);
	cache_stats(cache, &stats);
	assert_int_equal(stats.entries, before);
	cache_free(cache);
}

/* Long names count: nobody fills the memory with them. */
static void
test_names_count(void **state)
{
	struct cache_config config = plain;
	struct source source = {.status = ST_ABSENT};
	struct cache_stats stats;
	struct cache *cache;
	char name[4001];

	(void)state;
	config.bytes_max = 100000;
	cache = cache_new(&config);
	memset(name, 'x', 4000);
	name[4000] = '\0';
	for (int i = 0; i < 100; i++) {
		name[0] = (char)('!' + i % 90);
		name[1] = (char)('!' + i / 90);
		assert_int_equal(ask(cache, name, T, &source), ABSENT);
	}
	cache_stats(cache, &stats);
	assert_in_range(stats.entries, 20, 24);
	cache_free(cache);
}

/* What cannot be given out any more does not wait until the cache is full. */
static void
test_the_dead_are_removed(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct source source = {.version = 1};
	struct cache_stats stats;
	char name[32];

	(void)state;
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(ask(cache, name, T, &source), 1);
	}
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "new %d", i % 20);
		cache_expire_name(cache, span_str(name));
		assert_int_equal(ask(cache, name, T + STALE_MS + i, &source), 1);
	}
	cache_stats(cache, &stats);
	assert_int_equal(stats.entries, 20);
	assert_int_equal(stats.evictions, 0);
	assert_int_equal(atomic_load(&things_alive), 20);
	cache_free(cache);
}

/* Answers "found" for names that begin with 'f'; keeps what it was asked. */
struct many {
	enum status status;
	unsigned version;
	struct buf asked;
	int64_t
	    known_ms; /* of names that end with 's'; those with 'u' have no answer; 0: neither */
};

static void
many_load_known(const struct many *many, struct span name, struct cache_load *out)
{
	char last = name.p[name.n - 1];

	if (many->known_ms == 0 || (last != 's' && last != 'u'))
		return;
	out->source = CACHE_SOURCE_AWAY;
	if (last == 's') {
		out->known_ms = many->known_ms;
	} else if (out->object != NULL) {
		thing_release(out->object);
		out->object = NULL;
	}
}

static enum status
many_load(
    void *context, const struct span *names, size_t count, struct cache_load *out, struct err *err)
{
	struct many *many = context;

	for (size_t i = 0; i < count; i++) {
		buf_add(&many->asked, names[i]);
		buf_add_char(&many->asked, ' ');
		if (many->status == ST_OK && names[i].p[0] == 'f')
			out[i].object = thing_new(0, many->version);
		many_load_known(many, names[i], &out[i]);
	}
	if (many->status != ST_OK || many->known_ms != 0)
		err_set(err, "no");
	return many->status;
}

/* "f1 a1": the answers as words, "f1:3" is version 3, '?' unavailable, '~' stale. */
static const char *
ask_many_names(
    struct cache *cache, const char *names, size_t want, int64_t now_ms, struct many *many)
{
	struct cache_asked asked[CACHE_MANY_MAX];
	static char text[256];
	struct span rest = span_str(names), word;
	struct err err = ERR_NONE;
	struct buf answer;
	size_t count = 0, n;

	memset(asked, 0, sizeof(asked));
	buf_init(&answer, sizeof(text));
	buf_reset(&many->asked);
	while (span_word(&rest, &word))
		asked[count++].name = word;
	n = cache_get_many(cache, asked, count, want, now_ms, many_load, many, &err);
	for (size_t i = 0; i < n; i++) {
		if (asked[i].status == ST_OK) {
			buf_add_u64(&answer, ((struct thing *)asked[i].object)->version);
			thing_release(asked[i].object);
		} else {
			buf_add_char(&answer, asked[i].status == ST_ABSENT ? '-' : '?');
			assert_true(asked[i].status == ST_ABSENT || err.text[0] != '\0');
		}
		buf_add_str(&answer, asked[i].stale ? "~ " : " ");
	}
	snprintf(text, sizeof(text), "%s", buf_text(&answer));
	buf_free(&answer);
	return text;
}

static void
test_many_names_in_one_question(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct many many = {.version = 1};

	(void)state;
	buf_init(&many.asked, 256);
	assert_string_equal(ask_many_names(cache, "a f1 f2", 9, T, &many), "- 1 1 ");
	assert_string_equal(buf_text(&many.asked), "a f1 f2 ");
	many.version = 2;
	assert_string_equal(ask_many_names(cache, "b f1 a f3", 9, T, &many), "- 1 - 2 ");
	assert_string_equal(buf_text(&many.asked), "b f3 ");
	assert_string_equal(ask_many_names(cache, "b f1 a f3", 9, T, &many), "- 1 - 2 ");
	assert_string_equal(buf_text(&many.asked), "");
	/* Enough is known from the beginning on. */
	assert_string_equal(ask_many_names(cache, "a f1 f9 f8", 1, T, &many), "- 1 ");
	assert_string_equal(buf_text(&many.asked), "");
	assert_string_equal(ask_many_names(cache, "f1 c f3 f9", 2, T, &many), "1 - 2 2 ");
	assert_string_equal(buf_text(&many.asked), "c f9 ");
	/* The same name twice. */
	assert_string_equal(ask_many_names(cache, "f5 f5 x x", 9, T, &many), "2 2 - - ");
	assert_string_equal(buf_text(&many.asked), "f5 x ");
	/* Each has an age, or no answer, of its own. */
	many.known_ms = T - FRESH_MS;
	assert_string_equal(ask_many_names(cache, "f6 f7s xs yu fu", 9, T, &many), "2 2~ -~ ? ? ");
	assert_string_equal(ask_many_names(cache, "f7s xs yu f6", 9, T, &many), "2~ -~ ? 2 ");
	assert_string_equal(buf_text(&many.asked), "yu ");
	many.known_ms = 0;
	many.status = ST_UNAVAILABLE;
	assert_string_equal(ask_many_names(cache, "a f1 new", 9, T + FRESH_MS, &many), "-~ 1~ ? ");
	assert_string_equal(ask_many_names(cache, "a f1", 9, T + FRESH_MS, &many), "-~ 1~ ");
	assert_string_equal(buf_text(&many.asked), "");
	many.status = ST_INVALID;
	assert_string_equal(ask_many_names(cache, "new f3", 9, T + FRESH_MS, &many), "? ? ");
	buf_free(&many.asked);
	cache_free(cache);
}

static void
test_peek(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct source source = {.version = 1};
	void *object;

	(void)state;
	assert_null(cache_peek(cache, SPAN_LIT("a"), T));
	assert_int_equal(ask(cache, "a", T, &source), 1);
	object = cache_peek(cache, SPAN_LIT("a"), T + FRESH_MS - 1);
	assert_non_null(object);
	thing_release(object);
	assert_null(cache_peek(cache, SPAN_LIT("a"), T + FRESH_MS));
	cache_free(cache);
}

static void
test_counters(void **state)
{
	struct cache_config config = plain;
	struct source source = {.version = 1};
	struct cache_stats stats;
	struct err err = ERR_NONE;
	struct cache *cache;
	struct buf text;

	(void)state;
	metrics_close();
	assert_int_equal(metrics_open(&err), ST_OK);
	config.counted = true;
	config.counted_as = METRIC_CACHE_KEYS;
	cache = cache_new(&config);
	(void)ask(cache, "a", T, &source);
	for (int i = 0; i < 3; i++)
		(void)ask(cache, "a", T, &source);
	atomic_store(&source.status, ST_ABSENT);
	for (int i = 0; i < 3; i++)
		(void)ask(cache, "b", T, &source);
	atomic_store(&source.status, ST_UNAVAILABLE);
	(void)ask(cache, "a", T + FRESH_MS, &source);
	(void)ask(cache, "a", T + FRESH_MS, &source);
	cache_stats(cache, &stats);
	assert_int_equal(stats.hits, 4);
	assert_int_equal(stats.negative_hits, 2);
	assert_int_equal(stats.misses, 3);
	assert_int_equal(stats.stale, 2);
	assert_int_equal(stats.loads, 2);
	assert_int_equal(stats.load_failures, 1);
	assert_int_equal(stats.entries, 2);
	buf_init(&text, METRICS_TEXT_MAX);
	assert_int_equal(metrics_write(&text), ST_OK);
	assert_non_null(
	    strstr(buf_text(&text), "\nsignpost_key_cache_hits_total{cache=\"keys\"} 4\n"));
	assert_non_null(strstr(
	    buf_text(&text), "\nsignpost_key_cache_negative_hits_total{cache=\"keys\"} 2\n"));
	assert_non_null(
	    strstr(buf_text(&text), "\nsignpost_key_cache_misses_total{cache=\"keys\"} 3\n"));
	assert_non_null(
	    strstr(buf_text(&text), "\nsignpost_key_cache_stale_served_total{cache=\"keys\"} 2\n"));
	assert_non_null(
	    strstr(buf_text(&text), "\nsignpost_key_cache_hits_total{cache=\"rules\"} 0\n"));
	buf_free(&text);
	metrics_close();
	cache_free(cache);
}

#define CASE(name) cmocka_unit_test_teardown(name, nothing_is_left)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_lives),
	    CASE(test_known_before),
	    CASE(test_known_before_and_confirmed),
	    CASE(test_a_silent_source_behind_another_cache),
	    CASE(test_one_caller_refreshes),
	    CASE(test_stale_while_unavailable),
	    CASE(test_never_stale_when_told_so),
	    CASE(test_not_after),
	    CASE(test_invalid_is_not_kept),
	    CASE(test_a_silent_source_is_spared),
	    CASE(test_a_refused_name_harms_no_other),
	    CASE(test_epochs),
	    CASE(test_sources_without_epochs),
	    CASE(test_confirmed),
	    CASE(test_expired_by_name),
	    CASE(test_expired_while_it_is_asked),
	    CASE(test_news_while_it_is_asked),
	    CASE(test_rechecked),
	    CASE(test_bounded_by_octets),
	    CASE(test_names_count),
	    CASE(test_the_dead_are_removed),
	    CASE(test_many_names_in_one_question),
	    CASE(test_peek),
	    CASE(test_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
