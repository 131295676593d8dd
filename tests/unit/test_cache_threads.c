/*
 * test_cache_threads.c - many threads at one cache: one question for all who miss a name, nobody
 * who has an answer waits for a silent source, and every reference is given back. make check.
 */
#include "tests/unit/cache_world.h"

#define CALLERS 1000U
#define THREADS 8U
#define FRESH_MS 5000
#define STALE_MS 60000
#define T 1000000

static const struct cache_config plain = {.bytes_max = 1000000,
    .fresh_ms = FRESH_MS,
    .absent_fresh_ms = FRESH_MS,
    .stale_ms = STALE_MS,
    .hold = thing_hold,
    .release = thing_release};

/* A load that waits for the test. */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool open, entered;
};

#define GATE                                                                                       \
	{                                                                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER             \
	}

static void
gate_pass(void *context)
{
	struct gate *gate = context;

	pthread_mutex_lock(&gate->lock);
	gate->entered = true;
	pthread_cond_broadcast(&gate->changed);
	while (!gate->open)
		pthread_cond_wait(&gate->changed, &gate->lock);
	pthread_mutex_unlock(&gate->lock);
}

static void
gate_wait_entered(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	while (!gate->entered)
		pthread_cond_wait(&gate->changed, &gate->lock);
	pthread_mutex_unlock(&gate->lock);
}

static void
gate_open(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->open = true;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}

struct caller {
	pthread_t thread;
	struct cache *cache;
	struct source *source;
	const char *name;
	int64_t now_ms;
	int answer;
};

static void *
call(void *context)
{
	struct caller *caller = context;

	caller->answer = ask(caller->cache, caller->name, caller->now_ms, caller->source);
	return NULL;
}

static void
start(struct caller *caller)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 256 * 1024);
	if (pthread_create(&caller->thread, &attributes, call, caller) != 0)
		abort();
	pthread_attr_destroy(&attributes);
}

static void
wait_for_misses(struct cache *cache, uint64_t misses)
{
	struct cache_stats stats;

	for (int i = 0; i < 10000; i++) {
		cache_stats(cache, &stats);
		if (stats.misses >= misses)
			return;
		pause_ms(1);
	}
	fail_msg("%d misses, not %d", (int)stats.misses, (int)misses);
}

/* All of them miss one name at once, and all are told what the only question brought. */
static void
test_one_question_for_all(void **state)
{
	static const struct {
		enum status status;
		int answer;
	} cases[] = {
	    {ST_OK, 1}, {ST_ABSENT, ABSENT}, {ST_UNAVAILABLE, UNAVAILABLE}, {ST_INVALID, INVALID}};
	static struct caller callers[CALLERS];

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct cache *cache = cache_new(&plain);
		struct gate gate = GATE;
		struct source source = {.version = 1, .during = gate_pass, .context = &gate};

		atomic_store(&source.status, (int)cases[c].status);
		for (size_t i = 0; i < CALLERS; i++) {
			callers[i] = (struct caller){.cache = cache,
			    .source = &source,
			    .name = "a",
			    .now_ms = T + (int64_t)i % 7};
			start(&callers[i]);
		}
		wait_for_misses(cache, CALLERS);
		gate_open(&gate);
		for (size_t i = 0; i < CALLERS; i++) {
			pthread_join(callers[i].thread, NULL);
			assert_int_equal(callers[i].answer, cases[c].answer);
		}
		assert_int_equal(atomic_load(&source.loads), 1);
		cache_free(cache);
		assert_int_equal(atomic_load(&things_alive), 0);
	}
}

/* One asks a source that has become silent; the others are not kept waiting by it. */
static void
test_nobody_waits_for_a_silent_source(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct gate gate = GATE;
	struct source source = {.version = 1};
	struct caller first, others[4];

	(void)state;
	assert_int_equal(ask(cache, "a", T, &source), 1);
	source.during = gate_pass;
	source.context = &gate;
	atomic_store(&source.status, ST_UNAVAILABLE);
	source.ended_ms = T + FRESH_MS + 3000;
	first =
	    (struct caller){.cache = cache, .source = &source, .name = "a", .now_ms = T + FRESH_MS};
	start(&first);
	gate_wait_entered(&gate);
	/* These are back while the first one still waits. */
	for (int i = 0; i < 4; i++) {
		others[i] = first;
		start(&others[i]);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(others[i].thread, NULL);
		assert_int_equal(others[i].answer, 1 + STALE);
	}
	gate_open(&gate);
	pthread_join(first.thread, NULL);
	assert_int_equal(first.answer, 1 + STALE);
	/* From now on nobody waits at all while another finds out. */
	gate = (struct gate)GATE;
	first.now_ms = T + FRESH_MS + 4000;
	start(&first);
	gate_wait_entered(&gate);
	assert_int_equal(ask(cache, "a", T + FRESH_MS + 4000, &source), 1 + STALE);
	assert_int_equal(atomic_load(&source.loads), 3);
	atomic_store(&source.version, 2);
	atomic_store(&source.status, ST_OK);
	gate_open(&gate);
	pthread_join(first.thread, NULL);
	cache_free(cache);
	assert_int_equal(atomic_load(&things_alive), 0);
}

/* A source that is only slow: whoever waits gets what is new. */
static void
test_waiters_get_what_is_new(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct gate gate = GATE;
	struct source source = {.version = 1};
	struct caller callers[2];

	(void)state;
	assert_int_equal(ask(cache, "a", T, &source), 1);
	source.during = gate_pass;
	source.context = &gate;
	atomic_store(&source.version, 2);
	for (int i = 0; i < 2; i++) {
		callers[i] = (struct caller){
		    .cache = cache, .source = &source, .name = "a", .now_ms = T + FRESH_MS};
		start(&callers[i]);
	}
	wait_for_misses(cache, 3);
	gate_open(&gate);
	for (int i = 0; i < 2; i++) {
		pthread_join(callers[i].thread, NULL);
		assert_int_equal(callers[i].answer, 2);
	}
	assert_int_equal(atomic_load(&source.loads), 2);
	cache_free(cache);
	assert_int_equal(atomic_load(&things_alive), 0);
}

/* The question began before the news: it answers only those who waited by then. */
static void
test_who_asks_after_the_news_gets_them(void **state)
{
	struct cache *cache = cache_new(&plain);
	struct gate gate = GATE;
	struct source source = {.version = 1, .epoch = 10, .during = gate_pass, .context = &gate};
	struct caller early = {.cache = cache, .source = &source, .name = "a", .now_ms = T};
	struct caller late = early;

	(void)state;
	start(&early);
	gate_wait_entered(&gate);
	cache_expire_before(cache, 11);
	atomic_store(&source.epoch, 11);
	start(&late);
	wait_for_misses(cache, 2);
	gate_open(&gate);
	pthread_join(early.thread, NULL);
	pthread_join(late.thread, NULL);
	assert_int_equal(early.answer, 1 + STALE);
	assert_int_equal(late.answer, 1);
	assert_int_equal(atomic_load(&source.loads), 2);
	cache_free(cache);
	assert_int_equal(atomic_load(&things_alive), 0);
}

/* ---- all at once ---- */

struct storm {
	struct cache *cache;
	atomic_llong now_ms;
	atomic_uint epoch;
	atomic_bool stop;
	/* How many ask for each name now: never more than one, unless what is being asked for is
	 * made to expire by name, or all is cleared, in the meantime. */
	atomic_int asking[64];
	bool strict;
	atomic_ulong gets;
};

struct stormy {
	struct storm *storm;
	uint64_t random;
};

static enum status
storm_answer(struct stormy *me, struct span name, struct cache_load *out)
{
	unsigned number = (unsigned)(name.p[0] - ' '), r = world_random(&me->random);

	out->epoch = atomic_load(&me->storm->epoch);
	out->bytes = r % 3000;
	out->not_after_ms = r % 50 == 0 ? atomic_load(&me->storm->now_ms) + 500 : 0;
	if (r % 16 == 1)
		pause_ms(1);
	if (r % 8 == 0)
		return ST_UNAVAILABLE;
	if (r % 32 == 1)
		return ST_INVALID;
	if (r % 8 == 2)
		return ST_ABSENT;
	out->object = thing_new(number, r);
	return ST_OK;
}

static enum status
storm_load(void *context, struct span name, struct cache_load *out, struct err *err)
{
	struct stormy *me = context;
	atomic_int *asking = &me->storm->asking[(unsigned char)name.p[0] % 64];
	enum status status;

	(void)err;
	if (atomic_fetch_add(asking, 1) != 0 && me->storm->strict)
		abort();
	status = storm_answer(me, name, out);
	atomic_fetch_sub(asking, 1);
	return status;
}

static enum status
storm_load_many(
    void *context, const struct span *names, size_t count, struct cache_load *out, struct err *err)
{
	struct stormy *me = context;
	enum status status = ST_OK;

	for (size_t i = 0; i < count; i++)
		if (atomic_fetch_add(&me->storm->asking[(unsigned char)names[i].p[0] % 64], 1) !=
			0 &&
		    me->storm->strict)
			abort();
	for (size_t i = 0; i < count; i++) {
		status = storm_answer(me, names[i], &out[i]);
		if (status == ST_ABSENT)
			status = ST_OK;
		if (status != ST_OK)
			break;
	}
	for (size_t i = 0; i < count; i++) {
		if (status != ST_OK && out[i].object != NULL) {
			thing_release(out[i].object);
			out[i].object = NULL;
		}
		atomic_fetch_sub(&me->storm->asking[(unsigned char)names[i].p[0] % 64], 1);
	}
	if (status != ST_OK)
		err_set(err, "no");
	return status;
}

static void
check_thing(void *object, const char *name)
{
	struct thing *thing = object;

	if (thing == NULL || thing->number != (unsigned)(name[0] - ' '))
		abort();
	thing_release(thing);
}

static void
storm_many(struct stormy *me, int64_t now_ms)
{
	struct cache_asked asked[6];
	char names[6];
	struct err err = ERR_NONE;
	size_t n;

	memset(asked, 0, sizeof(asked));
	for (size_t i = 0; i < 6; i++) {
		names[i] = (char)(' ' + world_random(&me->random) % 48);
		asked[i].name = span_of(&names[i], 1);
	}
	n = cache_get_many(me->storm->cache, asked, 6, 1 + world_random(&me->random) % 6, now_ms,
	    storm_load_many, me, &err);
	for (size_t i = 0; i < n; i++)
		if (asked[i].status == ST_OK)
			check_thing(asked[i].object, &names[i]);
}

static void
storm_step(struct stormy *me)
{
	struct storm *storm = me->storm;
	int64_t now_ms = atomic_load(&storm->now_ms);
	char name = (char)(' ' + world_random(&me->random) % 48);
	uint32_t what = world_random(&me->random) % 1000;
	struct err err = ERR_NONE;
	void *object = NULL;
	bool stale;

	if (storm->strict && (what == 0 || (what >= 5 && what < 20)))
		return;
	if (what == 0)
		cache_clear(storm->cache);
	else if (what < 5)
		cache_expire_before(storm->cache, atomic_fetch_add(&storm->epoch, 1));
	else if (what < 20)
		cache_expire_name(storm->cache, span_of(&name, 1));
	else if (what < 60)
		atomic_fetch_add(&storm->now_ms, what * 10);
	else if (what < 200)
		storm_many(me, now_ms);
	else if (what < 250) {
		object = cache_peek(storm->cache, span_of(&name, 1), now_ms);
		if (object != NULL)
			check_thing(object, &name);
	} else if (cache_get(storm->cache, span_of(&name, 1), now_ms, storm_load, me, &object,
		       &stale, &err) == ST_OK) {
		check_thing(object, &name);
	}
	atomic_fetch_add(&storm->gets, 1);
}

static void *
storm_run(void *context)
{
	struct stormy *me = context;

	while (!atomic_load(&me->storm->stop))
		storm_step(me);
	return NULL;
}

static bool
storm_outdated(
    void *context, struct span name, const void *object, uint64_t epoch, int64_t began_ms)
{
	struct storm *storm = context;
	const struct thing *thing = object;

	(void)began_ms;
	if (thing != NULL && thing->number != (unsigned)(name.p[0] - ' '))
		abort();
	return epoch + 3 < atomic_load(&storm->epoch);
}

static void
storm_for(bool strict)
{
	struct cache_config config = plain;
	struct storm storm = {.now_ms = T, .epoch = 1, .strict = strict};
	struct stormy workers[THREADS];
	pthread_t threads[THREADS];
	struct cache_stats stats;

	config.shards = 4;
	config.bytes_max = 40000;
	config.outdated = storm_outdated;
	config.context = &storm;
	storm.cache = cache_new(&config);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct stormy){.storm = &storm, .random = i + 1};
		if (pthread_create(&threads[i], NULL, storm_run, &workers[i]) != 0)
			abort();
	}
	for (int i = 0; i < 100; i++) {
		pause_ms(10);
		cache_recheck(storm.cache);
		cache_confirm(storm.cache, atomic_load(&storm.epoch), atomic_load(&storm.now_ms));
		cache_stats(storm.cache, &stats);
		assert_true(stats.entries <= 48 + THREADS * 6);
	}
	atomic_store(&storm.stop, true);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	cache_stats(storm.cache, &stats);
	assert_true(stats.bytes <= config.bytes_max);
	assert_true(stats.evictions > 0);
	assert_true(stats.stale > 0);
	assert_true(stats.hits > 0);
	print_message("%lu steps, %lu hits, %lu misses, %lu stale, %lu evictions, %lu things\n",
	    atomic_load(&storm.gets), (unsigned long)stats.hits, (unsigned long)stats.misses,
	    (unsigned long)stats.stale, (unsigned long)stats.evictions, atomic_load(&things_made));
	cache_free(storm.cache);
	assert_int_equal(atomic_load(&things_alive), 0);
}

static void
test_storm(void **state)
{
	(void)state;
	storm_for(true);
}

static void
test_storm_with_expiry(void **state)
{
	(void)state;
	storm_for(false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_question_for_all),
	    cmocka_unit_test(test_nobody_waits_for_a_silent_source),
	    cmocka_unit_test(test_waiters_get_what_is_new),
	    cmocka_unit_test(test_who_asks_after_the_news_gets_them),
	    cmocka_unit_test(test_storm),
	    cmocka_unit_test(test_storm_with_expiry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
