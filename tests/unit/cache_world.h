/*
 * cache_world.h - a source whose answers, faults and clock belong to the test, and objects that are
 * counted: what the tests of the caches share.
 */
#ifndef SIGNPOST_TESTS_CACHE_WORLD_H
#define SIGNPOST_TESTS_CACHE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/mem.h"
#include "lib/store/cache.h"

/* What is found: made by a load, released by the last who holds it. */
struct thing {
	atomic_uint references;
	unsigned number; /* of the name it was made for */
	unsigned version;
};

static atomic_long things_alive;
static atomic_ulong things_made;

static inline struct thing *
thing_new(unsigned number, unsigned version)
{
	struct thing *thing = mem_zalloc(1, sizeof(*thing));

	atomic_init(&thing->references, 1);
	thing->number = number;
	thing->version = version;
	atomic_fetch_add(&things_alive, 1);
	atomic_fetch_add(&things_made, 1);
	return thing;
}

static inline void
thing_hold(void *object)
{
	struct thing *thing = object;

	if (atomic_fetch_add_explicit(&thing->references, 1, memory_order_relaxed) == 0)
		abort();
}

static inline void
thing_release(void *object)
{
	struct thing *thing = object;
	unsigned before = atomic_fetch_sub_explicit(&thing->references, 1, memory_order_acq_rel);

	if (before == 0)
		abort();
	if (before > 1)
		return;
	mem_free(thing);
	atomic_fetch_sub(&things_alive, 1);
}

/* A source of one name after the other; what it says is set by the test. */
struct source {
	atomic_int status;
	atomic_uint version, loads;
	atomic_uint_least64_t epoch;
	unsigned number;
	size_t bytes;
	int64_t not_after_ms, ended_ms, fresh_ms, known_ms;
	enum cache_source said;
	/* Called by the load; NULL: nothing. */
	void (*during)(void *context);
	void *context;
};

static inline enum status
source_load(void *context, struct span name, struct cache_load *out, struct err *err)
{
	struct source *source = context;
	enum status status = (enum status)atomic_load(&source->status);

	(void)name;
	atomic_fetch_add(&source->loads, 1);
	out->epoch = atomic_load(&source->epoch);
	if (source->during != NULL)
		source->during(source->context);
	out->ended_ms = source->ended_ms;
	out->not_after_ms = source->not_after_ms;
	out->fresh_ms = source->fresh_ms;
	out->known_ms = source->known_ms;
	out->source = source->said;
	out->bytes = source->bytes;
	if (status == ST_OK)
		out->object = thing_new(source->number, atomic_load(&source->version));
	else if (status != ST_ABSENT)
		err_set(err, "the source says %s", status_name(status));
	return status;
}

/* The version that a get gives, or minus the status; 1000 more when it is stale. */
static inline int
ask(struct cache *cache, const char *name, int64_t now_ms, struct source *source)
{
	void *object = NULL;
	struct err err = ERR_NONE;
	bool stale = false;
	enum status status =
	    cache_get(cache, span_str(name), now_ms, source_load, source, &object, &stale, &err);
	int answer = -(int)status;

	if (status == ST_OK) {
		answer = (int)((struct thing *)object)->version;
		thing_release(object);
	} else {
		assert_null(object);
		assert_int_equal(err.text[0] != '\0', status != ST_ABSENT);
	}
	return answer + (stale ? 1000 : 0);
}

#define ABSENT (-(int)ST_ABSENT)
#define UNAVAILABLE (-(int)ST_UNAVAILABLE)
#define INVALID (-(int)ST_INVALID)
#define STALE 1000

static inline void
pause_ms(long ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	nanosleep(&t, NULL);
}

static inline uint32_t
world_random(uint64_t *state)
{
	*state = *state * 6364136223846793005U + 1442695040888963407U;
	return (uint32_t)(*state >> 33);
}

#endif
