/*
 * test_cache_model.c - a cache against a model of it that is as simple as can be: the same answers
 * and the same questions, whatever happens in between. make check.
 */
#include "lib/store/cache_private.h"
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

#define NAMES 24U
#define PLACES 16U /* entries that fit */

struct model_entry {
	bool there, negative, outdated;
	unsigned version;
	uint64_t epoch;
	bool confirmable;
	int64_t known, fresh_until, due, not_after, retry;
	unsigned used, chances;
};

struct model {
	struct model_entry entries[NAMES];
	uint64_t least, confirmed_epoch;
	int64_t confirmed, pause;
	unsigned clock, loads;
};

enum { OVER, OLD, DUE, GOOD };

static int
model_life(const struct model *m, struct model_entry *e, int64_t now)
{
	if (!e->there || (e->not_after != 0 && now >= e->not_after))
		return OVER;
	if (!e->outdated && e->epoch >= m->least) {
		if (m->confirmed_epoch != 0 && e->confirmable && e->epoch >= m->confirmed_epoch) {
			if (m->confirmed > e->known)
				e->known = m->confirmed;
			if (now - m->confirmed < FRESH_MS)
				return GOOD;
		}
		if (now < e->due)
			return GOOD;
		if (now < e->fresh_until)
			return DUE;
	}
	return now - e->known < STALE_MS ? OLD : OVER;
}

static struct model_entry *
model_oldest(struct model *m, unsigned after)
{
	struct model_entry *oldest = NULL;

	for (unsigned i = 0; i < NAMES; i++)
		if (m->entries[i].there && m->entries[i].used > after &&
		    (oldest == NULL || m->entries[i].used < oldest->used))
			oldest = &m->entries[i];
	return oldest;
}

static void
model_make_room(struct model *m, int64_t now)
{
	unsigned count = 0, after = 0;

	for (unsigned i = 0; i < NAMES; i++)
		count += m->entries[i].there ? 1 : 0;
	for (int looks = 0; count > PLACES || looks < 2; looks++) {
		struct model_entry *e = model_oldest(m, after);

		if (e == NULL)
			break;
		after = e->used;
		if (count > PLACES && e->chances > 0 && model_life(m, e, now) != OVER) {
			e->chances--;
			e->used = ++m->clock;
		} else if (count > PLACES || model_life(m, e, now) == OVER) {
			e->there = false;
			count--;
		}
	}
}

static int
model_fails(struct model *m, struct model_entry *e, const struct source *s, int64_t now)
{
	int status = atomic_load(&s->status);
	int64_t ended = s->ended_ms > now ? s->ended_ms : now;
	int life = model_life(m, e, ended);

	if (status == ST_UNAVAILABLE && s->ended_ms - now >= CACHE_SLOW_MS)
		m->pause = ended + CACHE_PAUSE_MS;
	if (status == ST_UNAVAILABLE && life != OVER) {
		e->retry = ended + CACHE_PAUSE_MS;
		return (e->negative ? ABSENT : (int)e->version) + (life == OLD ? STALE : 0);
	}
	e->there = false;
	return -status;
}

static int
model_get(struct model *m, unsigned name, int64_t now, const struct source *s)
{
	struct model_entry *e = &m->entries[name];
	int life = model_life(m, e, now), status = atomic_load(&s->status), answer;
	bool pausing = false, stale;

	e->used = ++m->clock;
	if (life == DUE || life == OLD) {
		if (now >= e->retry && m->pause != 0) {
			pausing = now < m->pause;
			if (!pausing)
				m->pause = now + CACHE_PAUSE_MS;
		}
	}
	if (life == GOOD || ((life == DUE || life == OLD) && (now < e->retry || pausing))) {
		e->chances += e->chances < CHANCES_MAX ? 1 : 0;
		return (e->negative ? ABSENT : (int)e->version) + (life == OLD ? STALE : 0);
	}
	m->loads++;
	if (s->said == CACHE_SOURCE_SAID && status != ST_UNAVAILABLE)
		m->pause = 0;
	if (s->said == CACHE_SOURCE_AWAY && s->ended_ms - now >= CACHE_SLOW_MS)
		m->pause = s->ended_ms + CACHE_PAUSE_MS;
	if (status != ST_OK && status != ST_ABSENT) {
		answer = model_fails(m, e, s, now);
		model_make_room(m, now);
		return answer;
	}
	*e = (struct model_entry){.there = true,
	    .negative = status == ST_ABSENT,
	    .version = atomic_load(&s->version),
	    .epoch = atomic_load(&s->epoch) != 0 ? atomic_load(&s->epoch) : m->least,
	    .confirmable = atomic_load(&s->epoch) != 0,
	    .known = s->known_ms != 0 ? s->known_ms : now,
	    .not_after = s->not_after_ms,
	    .used = m->clock,
	    .chances = e->there ? e->chances : 0};
	e->fresh_until = e->known + (status == ST_OK ? FRESH_MS : ABSENT_MS);
	e->due = e->fresh_until - (e->fresh_until - e->known) / 5;
	answer = e->negative ? ABSENT : (int)e->version;
	life = model_life(m, e, now);
	stale = e->epoch < m->least || (s->known_ms != 0 && (life == OLD || life == OVER));
	if (stale || s->said == CACHE_SOURCE_AWAY)
		e->retry = (s->ended_ms > now ? s->ended_ms : now) + CACHE_PAUSE_MS;
	model_make_room(m, now);
	return answer + (stale ? STALE : 0);
}

static void
model_disturb(struct model *m, struct cache *cache, uint32_t r, struct source *s, int64_t now)
{
	static const enum status statuses[] = {
	    ST_OK, ST_OK, ST_OK, ST_ABSENT, ST_UNAVAILABLE, ST_UNAVAILABLE, ST_INVALID};
	unsigned name = r / 64 % NAMES;
	char text[8];

	switch (r % 64) {
	case 0:
		atomic_fetch_add(&s->epoch, 1);
		break;
	case 1:
		if (atomic_load(&s->epoch) > m->least)
			m->least = atomic_load(&s->epoch);
		cache_expire_before(cache, atomic_load(&s->epoch));
		break;
	case 2:
		cache_expire_before(cache, ++m->least);
		break;
	case 3:
		snprintf(text, sizeof(text), "n%02u", name);
		cache_expire_name(cache, span_str(text));
		m->entries[name].outdated = true;
		m->entries[name].retry = 0;
		break;
	case 4:
	case 5:
		if (m->confirmed_epoch < m->least)
			m->confirmed_epoch = m->least;
		m->confirmed = now;
		cache_confirm(cache, m->confirmed_epoch, now);
		break;
	case 6:
		if (r / 64 % 32 == 0) {
			cache_clear(cache);
			for (unsigned i = 0; i < NAMES; i++)
				m->entries[i].there = false;
		}
		break;
	case 7:
	case 8:
	case 9:
		atomic_store(&s->status, (int)statuses[r / 64 % 7]);
		break;
	default:
		break;
	}
}

static void
test_like_the_model(void **state)
{
	struct cache_config config = plain;
	struct cache_stats stats;
	struct cache *cache;
	size_t one;

	(void)state;
	config.shards = 1;
	config.bytes_max = 100000;
	cache = cache_new(&config);
	(void)ask(cache, "n00", T, &(struct source){.version = 1, .bytes = 500});
	cache_stats(cache, &stats);
	one = stats.bytes;
	cache_free(cache);
	config.bytes_max = one * PLACES + one / 2;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct model model = {.loads = 0};
		struct source source = {.version = 1, .bytes = 500, .epoch = seed % 3 == 0 ? 0 : 5};
		uint64_t random = seed;
		int64_t now = T;

		cache = cache_new(&config);
		for (int step = 0; step < 3000; step++) {
			unsigned name = world_random(&random) % NAMES;
			uint32_t r = world_random(&random);
			char text[8];
			int expected, answer;

			if (seed % 3 != 0 || r % 64 > 2)
				model_disturb(&model, cache, r, &source, now);
			now += r % 16 == 0 ? world_random(&random) % 9000 : r % 100;
			if (r % 5000 == 0)
				now += STALE_MS;
			source.not_after_ms = r % 10 == 0 ? now + 3000 : 0;
			source.ended_ms = r % 3 == 0 ? now + 2000 : 0;
			source.known_ms = 0;
			source.said = CACHE_SOURCE_SAID;
			if (seed % 2 == 0 && r % 7 < 3 &&
			    atomic_load(&source.status) <= ST_ABSENT) {
				source.known_ms = now - (int64_t)(world_random(&random) % 20000);
				source.said = r % 7 == 0 ? CACHE_SOURCE_AWAY : CACHE_SOURCE_SPARED;
			}
			atomic_fetch_add(&source.version, 1);
			if (atomic_load(&source.version) > 900)
				atomic_store(&source.version, 1);
			snprintf(text, sizeof(text), "n%02u", name);
			expected = model_get(&model, name, now, &source);
			answer = ask(cache, text, now, &source);
			if (answer != expected || atomic_load(&source.loads) != model.loads)
				fail_msg("seed %d step %d: %d, not %d; %u loads, not %u", (int)seed,
				    step, answer, expected, atomic_load(&source.loads),
				    model.loads);
		}
		cache_stats(cache, &stats);
		assert_true(stats.bytes <= config.bytes_max);
		assert_int_equal(stats.hits + stats.negative_hits + stats.misses, 3000);
		assert_int_equal(stats.loads + stats.load_failures, model.loads);
		cache_free(cache);
		assert_int_equal(atomic_load(&things_alive), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_like_the_model)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
