/*
 * bench_cache.c - what an answer from a cache costs: a hit with 1, 2 and 8 threads, for
 * many names and for one that all want, beside a lookup in a plain file in the same run; and the
 * memory of a domain's keys with one RSA-2048 key. Prints one line per case and ratios.
 */
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backends/registry.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"
#include "lib/base/secret.h"
#include "lib/crypto/key.h"
#include "lib/store/cached_keystore.h"
#include "lib/store/cached_table.h"

#define NAMES 10000U
#define LOOKUPS 1000000U /* of all threads together */
#define ASKED 1024U      /* different names of a thread */
#define ROUNDS 5
#define THREADS_MAX 8U

/* Of the wall, or the processor time of all threads. */
static double
now_s(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Octets in use of both allocators. */
static size_t
memory_used(void)
{
	struct mallinfo2 info = mallinfo2();
	bool locked;

	return info.uordblks + info.hblkhd + secret_bytes(&locked);
}

static void
die(const struct err *err)
{
	fprintf(stderr, "bench_cache: %s\n", err->text);
	exit(1);
}

/* ---- what is asked ---- */

struct thing {
	atomic_uint references;
};

static void
thing_hold(void *object)
{
	atomic_fetch_add_explicit(&((struct thing *)object)->references, 1, memory_order_relaxed);
}

static void
thing_release(void *object)
{
	struct thing *thing = object;

	if (atomic_fetch_sub_explicit(&thing->references, 1, memory_order_acq_rel) == 1)
		mem_free(thing);
}

static enum status
thing_load(void *context, struct span name, struct cache_load *out, struct err *err)
{
	struct thing *thing = mem_zalloc(1, sizeof(*thing));

	(void)context;
	(void)name;
	(void)err;
	atomic_init(&thing->references, 1);
	out->object = thing;
	out->bytes = sizeof(*thing);
	return ST_OK;
}

static void
ask_cache(void *asked, struct span name, int64_t now_ms)
{
	struct err err;
	void *object;

	if (cache_get(asked, name, now_ms, thing_load, NULL, &object, NULL, &err) != ST_OK)
		exit(1);
	thing_release(object);
}

static void
ask_table(void *asked, struct span name, int64_t now_ms)
{
	struct table_value value;
	struct err err;

	(void)now_ms;
	if (table_lookup(asked, name, &value, &err) != ST_OK)
		exit(1);
	table_value_release(&value);
}

static void
ask_store(void *asked, struct span name, int64_t now_ms)
{
	struct keystore_rows *rows;
	struct err err;

	(void)now_ms;
	if (keystore_keys(asked, name, &rows, &err) != ST_OK)
		exit(1);
	keystore_rows_release(rows);
}

/* ---- by how many ---- */

struct run {
	void (*ask)(void *asked, struct span name, int64_t now_ms);
	void *asked;
	size_t names, count;
	pthread_barrier_t *start;
	unsigned number;
	pthread_t thread;
};

static void *
run_thread(void *context)
{
	const struct run *run = context;
	char(*keys)[32] = mem_zalloc(ASKED, sizeof(*keys));
	struct span names[ASKED];
	int64_t now_ms = clock_mono_ms();

	for (size_t i = 0; i < ASKED; i++) {
		snprintf(keys[i], sizeof(keys[i]), "d%zu.example",
		    (i * 7919 + run->number * 4001U) % run->names);
		names[i] = span_str(keys[i]);
	}
	pthread_barrier_wait(run->start);
	for (size_t i = 0; i < run->count; i++)
		run->ask(run->asked, names[i % ASKED], now_ms);
	pthread_barrier_wait(run->start);
	mem_free(keys);
	return NULL;
}

struct cost {
	double cpu_ns, wall_ns; /* of one lookup */
};

static struct cost
measure_once(void (*ask)(void *, struct span, int64_t), void *asked, unsigned threads, size_t names)
{
	struct run runs[THREADS_MAX];
	pthread_barrier_t start;
	double wall, cpu;

	pthread_barrier_init(&start, NULL, threads + 1);
	for (unsigned i = 0; i < threads; i++) {
		runs[i] = (struct run){.ask = ask,
		    .asked = asked,
		    .names = names,
		    .count = LOOKUPS / threads,
		    .start = &start,
		    .number = i};
		if (pthread_create(&runs[i].thread, NULL, run_thread, &runs[i]) != 0)
			exit(1);
	}
	pthread_barrier_wait(&start);
	wall = now_s(CLOCK_MONOTONIC);
	cpu = now_s(CLOCK_PROCESS_CPUTIME_ID);
	pthread_barrier_wait(&start);
	wall = now_s(CLOCK_MONOTONIC) - wall;
	cpu = now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	for (unsigned i = 0; i < threads; i++)
		pthread_join(runs[i].thread, NULL);
	pthread_barrier_destroy(&start);
	return (struct cost){.cpu_ns = cpu / LOOKUPS * 1e9, .wall_ns = wall / LOOKUPS * 1e9};
}

/* The least of some rounds, each of the two for itself: other programs only ever add to it. */
static struct cost
measure(void (*ask)(void *, struct span, int64_t), void *asked, unsigned threads, size_t names)
{
	struct cost best = measure_once(ask, asked, threads, names);

	for (int round = 1; round < ROUNDS; round++) {
		struct cost cost = measure_once(ask, asked, threads, names);

		best.cpu_ns = cost.cpu_ns < best.cpu_ns ? cost.cpu_ns : best.cpu_ns;
		best.wall_ns = cost.wall_ns < best.wall_ns ? cost.wall_ns : best.wall_ns;
	}
	return best;
}

static void
print_cost(const char *what, struct cost cost, struct cost plain)
{
	printf("  %-28s cpu %5.0f ns (%.2f), wall %5.0f ns (%.2f)\n", what, cost.cpu_ns,
	    cost.cpu_ns / plain.cpu_ns, cost.wall_ns, cost.wall_ns / plain.wall_ns);
}

static struct table *
open_file(void)
{
	char path[] = "/tmp/signpost-bench-XXXXXX", spec[PATH_MAX];
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	struct err err = ERR_NONE;
	struct table *table;

	if (f == NULL)
		exit(1);
	for (unsigned i = 0; i < NAMES; i++)
		fprintf(f, "d%u.example key-d%u.example\n", i, i);
	fclose(f);
	snprintf(spec, sizeof(spec), "file:%s", path);
	if (table_open(backend_registry(), "bench", spec, TABLE_ICASE, &table, &err) != ST_OK)
		die(&err);
	unlink(path);
	return table;
}

/* ---- a table that would cost a way ---- */

static enum status
distant_lookup(struct table *table, struct span key, struct table_value *out, struct err *err)
{
	(void)table;
	(void)key;
	(void)err;
	*out = (struct table_value){.text = SPAN_LIT("key")};
	return ST_OK;
}

static const struct table_ops distant_ops = {
    .type = "distant", .lookup = distant_lookup, .distant = true};

/* ---- a store with an RSA key for each domain ---- */

struct rsa {
	char *private_pem;
	struct buf public;
};

static enum status
rsa_keys(struct keystore *store, struct span domain, struct keystore_rows **out, struct err *err)
{
	const struct rsa *rsa = store->state;
	struct store_tenant tenant = {.name = SPAN_LIT("customer-1"), .enabled = true};
	struct store_domain row = {.name = domain, .tenant = tenant.name, .enabled = true};
	struct store_key key = {.id = SPAN_LIT("k-0123456789abcdef"),
	    .tenant = tenant.name,
	    .domain = domain,
	    .selector = SPAN_LIT("s20260101"),
	    .algorithm = SPAN_LIT("rsa-sha256"),
	    .public_key = buf_span(&rsa->public),
	    .private_key = span_str(rsa->private_pem),
	    .bits = 2048};

	*out = keystore_rows_new();
	(*out)->epoch = 1;
	keystore_rows_add_tenant(*out, &tenant);
	keystore_rows_add_domain(*out, &row);
	return keystore_rows_add_key(*out, &key, err);
}

static enum status
rsa_changes(struct keystore *store, uint64_t since, size_t max, struct store_change *out,
    size_t *count_out, struct store_state *state_out, struct err *err)
{
	(void)store;
	(void)since;
	(void)max;
	(void)out;
	(void)err;
	*count_out = 0;
	state_out->epoch = 1;
	return ST_OK;
}

static void
rsa_close(struct keystore *store)
{
	(void)store;
}

static const struct keystore_ops rsa_ops = {
    .scheme = "rsa", .keys = rsa_keys, .changes = rsa_changes, .close = rsa_close};

static struct keystore *
open_store(struct rsa *rsa)
{
	const struct cached_keystore_config config = {
	    .bytes_max = (size_t)1 << 30, .poll_ms = 5000, .absent_ms = 5000, .stale_ms = 86400000};
	struct keystore *inner = mem_zalloc(1, sizeof(*inner)), *store;
	struct key *key;
	struct err err = ERR_NONE;

	buf_init(&rsa->public, 4096);
	if (key_generate(KEY_RSA_SHA256, 2048, &key, &err) != ST_OK ||
	    key_private_pem(key, &rsa->private_pem, &err) != ST_OK ||
	    key_public_base64(key, &rsa->public) != ST_OK)
		die(&err);
	key_free(key);
	inner->ops = &rsa_ops;
	inner->where = mem_strdup("rsa");
	inner->state = rsa;
	if (cached_keystore_new(inner, &config, &store, &err) != ST_OK)
		die(&err);
	return store;
}

static void
fill(struct keystore *store)
{
	size_t before = memory_used();
	struct cache_stats stats;

	for (unsigned i = 0; i < NAMES; i++) {
		char name[32];

		snprintf(name, sizeof(name), "d%u.example", i);
		ask_store(store, span_str(name), 0);
	}
	cached_keystore_stats(store, &stats);
	printf("keys of a domain, one RSA-2048 key: %zu octets counted for an entry, %zu in use\n",
	    stats.bytes / stats.entries, (memory_used() - before) / stats.entries);
}

int
main(void)
{
	static const unsigned threads[] = {1, 2, 8};
	const struct cache_config config = {.bytes_max = (size_t)1 << 30,
	    .fresh_ms = INT64_MAX / 4,
	    .absent_fresh_ms = 1000,
	    .hold = thing_hold,
	    .release = thing_release,
	    .counted = true,
	    .counted_as = METRIC_CACHE_KEYS};
	const struct cached_table_config table_config = {
	    .bytes_max = (size_t)1 << 30, .fresh_ms = INT64_MAX / 4, .absent_ms = 1000};
	struct rsa rsa;
	struct err err = ERR_NONE;
	struct cache *cache = cache_new(&config);
	struct table *file = open_file(), *inner = table_new(&distant_ops, "bench", TABLE_ICASE);
	struct table *table = cached_table_new(inner, &table_config);
	struct keystore *store = open_store(&rsa);

	if (metrics_open(&err) != ST_OK)
		die(&err);
	fill(store);
	printf("one lookup, %ld processors; in brackets: against the file\n",
	    sysconf(_SC_NPROCESSORS_ONLN));
	for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
		unsigned n = threads[i];
		struct cost plain = measure(ask_table, file, n, NAMES);
		struct cost hot = measure(ask_table, file, n, 1);

		printf("%u threads, %u names\n", n, NAMES);
		print_cost("file", plain, plain);
		print_cost("cache", measure(ask_cache, cache, n, NAMES), plain);
		print_cost("cached table", measure(ask_table, table, n, NAMES), plain);
		print_cost("cached key store", measure(ask_store, store, n, NAMES), plain);
		printf("%u threads, one name\n", n);
		print_cost("file", hot, hot);
		print_cost("cache", measure(ask_cache, cache, n, 1), hot);
	}
	keystore_close(store);
	table_close(table);
	table_close(file);
	cache_free(cache);
	secret_free(rsa.private_pem);
	buf_free(&rsa.public);
	return 0;
}
