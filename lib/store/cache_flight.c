/*
 * cache_flight.c - one question for each name: who asks, who waits for the answer, who goes on with
 * what is there. Called by cache.c, without a lock. It must never send two threads with one
 * question, leave a waiter without an answer, or let anybody who has one wait for a silent server.
 */
#include <errno.h>
#include <time.h>

#include "lib/base/mem.h"
#include "lib/store/cache_private.h"

static struct flight *
flight_new(void)
{
	struct flight *flight = mem_zalloc(1, sizeof(*flight));
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&flight->landed, &attributes);
	pthread_condattr_destroy(&attributes);
	flight->references = 1;
	return flight;
}

/* With the lock. NULL: somebody else is still there; else free it without the lock. */
static struct flight *
flight_leave(struct flight *flight)
{
	return --flight->references == 0 ? flight : NULL;
}

static void
flight_free(const struct cache *cache, struct flight *flight)
{
	if (flight == NULL)
		return;
	if (flight->object != NULL)
		cache->config.release(flight->object);
	pthread_cond_destroy(&flight->landed);
	mem_free(flight);
}

/* Is there a reason to spare the source? When a pause is over one caller finds out whether the
 * source is back; to the others it goes on. */
static bool
pausing(struct cache *cache, int64_t now_ms)
{
	int_least64_t until_ms = atomic_load(&cache->pause_until_ms);

	if (until_ms == 0)
		return false;
	return now_ms < until_ms || !atomic_compare_exchange_strong(
					&cache->pause_until_ms, &until_ms, now_ms + CACHE_PAUSE_MS);
}

void
cache_note_answer(struct cache *cache, enum status status, enum cache_source source,
    int64_t began_ms, int64_t ended_ms)
{
	if (source == CACHE_SOURCE_SPARED)
		return;
	if (status != ST_UNAVAILABLE && source != CACHE_SOURCE_AWAY) {
		if (atomic_load_explicit(&cache->pause_until_ms, memory_order_relaxed) != 0)
			atomic_store(&cache->pause_until_ms, 0);
	} else if (ended_ms - began_ms >= CACHE_SLOW_MS) {
		atomic_store(&cache->pause_until_ms, ended_ms + CACHE_PAUSE_MS);
	}
}

/* entry may be NULL. */
static enum turn
choose_turn(struct cache *cache, const struct cache_entry *entry, enum life life, int64_t now_ms)
{
	bool asked = entry != NULL && entry->flight != NULL;

	if (life == LIFE_FRESH)
		return TURN_HAVE;
	if (life == LIFE_OVER)
		return asked ? TURN_WAIT : TURN_ASK;
	if (asked)
		return life == LIFE_DUE || entry->retry_ms != 0 ||
			       atomic_load(&cache->pause_until_ms) != 0
			   ? TURN_HAVE
			   : TURN_WAIT;
	return now_ms < entry->retry_ms || pausing(cache, now_ms) ? TURN_HAVE : TURN_ASK;
}

static void
count(const struct cache *cache, uint64_t *counter, enum metric metric)
{
	++*counter;
	if (cache->config.counted)
		metrics_count(metric, cache->config.counted_as, METRIC_NONE);
}

/* Holds what entry has. */
static void
give(const struct cache *cache, struct shard *shard, const struct cache_entry *entry, bool stale,
    struct cache_asked *out)
{
	out->status = entry->object != NULL ? ST_OK : ST_ABSENT;
	out->object = entry->object;
	out->stale = stale;
	out->known_ms = entry->known_ms;
	if (out->object != NULL)
		cache->config.hold(out->object);
	if (stale)
		count(cache, &shard->stats.stale, METRIC_CACHE_STALE);
}

void
entry_give(const struct cache *cache, struct shard *shard, struct cache_entry *entry, bool stale,
    struct cache_asked *out)
{
	give(cache, shard, entry, stale, out);
	if (entry->negative)
		count(cache, &shard->stats.negative_hits, METRIC_CACHE_NEGATIVE_HITS);
	else
		count(cache, &shard->stats.hits, METRIC_CACHE_HITS);
	if (entry->chances < CHANCES_MAX)
		entry->chances++;
	shard_touch(shard, entry);
}

/* With the lock: the question is announced, or joined. */
static void
board(struct cache *cache, struct asking *asking, struct cache_entry *entry, enum life life)
{
	struct shard *shard = asking->shard;

	count(cache, &shard->stats.misses, METRIC_CACHE_MISSES);
	/* What is known to have changed is worth waiting for. */
	asking->nothing = life == LIFE_OVER || entry_outdated(cache, entry);
	if (asking->turn == TURN_WAIT) {
		asking->flight = entry->flight;
		asking->flight->references++;
		return;
	}
	if (entry == NULL)
		entry = shard_add(shard, asking->asked->name, asking->hash);
	shard_touch(shard, entry);
	shard->stats.refreshed += life == LIFE_DUE ? 1 : 0;
	asking->flight = flight_new();
	asking->flight->least_epoch = asking->least_epoch;
	asking->flight->round = asking->round;
	entry->flight = asking->flight;
}

void
asking_begin(struct cache *cache, struct asking *asking, struct cache_asked *asked, int64_t now_ms)
{
	uint64_t hash = span_hash(asked->name, cache->hash_key);
	struct shard *shard = shard_of(cache, hash);
	struct cache_entry *entry;
	enum life life;

	asking->asked = asked;
	asking->again = false;
	asking->hash = hash;
	asking->shard = shard;
	asking->least_epoch = atomic_load(&cache->least_epoch);
	asking->round = atomic_load(&cache->round);
	pthread_mutex_lock(&shard->lock);
	entry = shard_find(shard, asked->name, hash);
	life = entry == NULL ? LIFE_OVER : entry_life(cache, entry, now_ms);
	asking->turn = choose_turn(cache, entry, life, now_ms);
	if (asking->turn == TURN_HAVE)
		entry_give(cache, shard, entry, life == LIFE_STALE, asked);
	else
		board(cache, asking, entry, life);
	pthread_mutex_unlock(&shard->lock);
}

/* With the lock: entry was just filled with load. Does it go out as stale? */
static bool
lands_stale(struct cache *cache, struct asking *asking, struct cache_entry *entry,
    const struct cache_load *load, int64_t began_ms, int64_t ended_ms)
{
	bool outdated = entry_outdated(cache, entry);
	bool old = load->known_ms != 0 && entry_life(cache, entry, began_ms) < LIFE_DUE;
	/* Unless that was heard of in the meantime, the source is behind: it is what there is, and
	 * it is asked again, but not by everybody. */
	bool behind = outdated && asking->least_epoch == atomic_load(&cache->least_epoch) &&
		      asking->round == atomic_load(&cache->round);

	if (behind || (old && !outdated) || load->source == CACHE_SOURCE_AWAY)
		entry->retry_ms = ended_ms + CACHE_PAUSE_MS;
	return outdated || old;
}

/* With the lock. An answer; entry is NULL when it is not to be kept. What the cache does not need
 * any more goes to *old_out and *dead. */
static void
land_answer(struct cache *cache, struct asking *asking, struct cache_entry *entry,
    const struct cache_load *load, int64_t began_ms, int64_t ended_ms, void **old_out,
    struct cache_entry **dead)
{
	struct cache_asked *asked = asking->asked;
	struct shard *shard = asking->shard;

	shard->stats.loads++;
	asked->status = load->object != NULL ? ST_OK : ST_ABSENT;
	asked->object = load->object;
	asked->known_ms = load_known_ms(load, began_ms);
	asked->stale =
	    load->known_ms != 0 && began_ms >= load_fresh_until_ms(cache, load, began_ms);
	if (entry != NULL) {
		if (load->object != NULL)
			cache->config.hold(load->object);
		entry->epoch = load->epoch != 0 ? load->epoch : asking->least_epoch;
		shard_fill(cache, shard, entry, load, began_ms, old_out);
		asked->stale = lands_stale(cache, asking, entry, load, began_ms, ended_ms);
		asked->known_ms = entry->known_ms; /* confirmed since, maybe */
		if (entry->bytes > cache->shard_bytes_max)
			shard_remove(shard, entry, dead);
	}
	if (asked->stale)
		count(cache, &shard->stats.stale, METRIC_CACHE_STALE);
}

/* With the lock. No answer; entry may be NULL, and is this question's if mine. */
static void
land_failure(struct cache *cache, struct asking *asking, struct cache_entry *entry, bool mine,
    enum status status, int64_t ended_ms, struct cache_entry **dead)
{
	enum life life = entry == NULL ? LIFE_OVER : entry_life(cache, entry, ended_ms);

	asking->shard->stats.load_failures++;
	asking->asked->status = status;
	asking->asked->object = NULL;
	asking->asked->stale = false;
	if (status == ST_UNAVAILABLE && life != LIFE_OVER) {
		if (mine)
			entry->retry_ms = ended_ms + CACHE_PAUSE_MS;
		give(cache, asking->shard, entry, life == LIFE_STALE, asking->asked);
	} else if (mine) {
		shard_remove(asking->shard, entry, dead);
	}
}

/* With the lock: those who wait are given what the one who asked is given. */
static struct flight *
flight_land(const struct cache *cache, struct flight *flight, const struct cache_asked *asked,
    const struct err *why)
{
	flight->done = true;
	if (flight->references == 1)
		return flight_leave(flight);
	flight->status = asked->status;
	flight->object = asked->object;
	flight->stale = asked->stale;
	flight->known_ms = asked->known_ms;
	if (flight->object != NULL)
		cache->config.hold(flight->object);
	if (asked->status != ST_OK && asked->status != ST_ABSENT)
		flight->err = *why;
	pthread_cond_broadcast(&flight->landed);
	return flight_leave(flight);
}

void
asking_land(struct cache *cache, struct asking *asking, enum status status,
    const struct cache_load *load, int64_t began_ms, const struct err *why)
{
	int64_t ended_ms = load->ended_ms > began_ms ? load->ended_ms : began_ms;
	struct shard *shard = asking->shard;
	struct cache_entry *entry, *dead = NULL;
	struct flight *flight;
	void *old = NULL;
	bool mine;

	pthread_mutex_lock(&shard->lock);
	entry = shard_find(shard, asking->asked->name, asking->hash);
	/* Else it was cleared, or expired by name, in the meantime. */
	mine = entry != NULL && entry->flight == asking->flight;
	if (mine)
		entry->flight = NULL;
	if (status == ST_OK || status == ST_ABSENT)
		land_answer(
		    cache, asking, mine ? entry : NULL, load, began_ms, ended_ms, &old, &dead);
	else
		land_failure(cache, asking, entry, mine, status, ended_ms, &dead);
	flight = flight_land(cache, asking->flight, asking->asked, why);
	shard_make_room(cache, shard, began_ms, &dead);
	pthread_mutex_unlock(&shard->lock);
	flight_free(cache, flight);
	if (old != NULL)
		cache->config.release(old);
	entries_free(cache, dead);
}

/* With the lock. false: patience is over, and the question is still on its way. */
static bool
wait_a_while(struct flight *flight, pthread_mutex_t *lock)
{
	struct timespec until;
	int error = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += CACHE_PATIENCE_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	while (!flight->done && error != ETIMEDOUT)
		error = pthread_cond_timedwait(&flight->landed, lock, &until);
	return flight->done;
}

/* With the lock. Has somebody who does not want to wait any longer something to go on with? */
static bool
go_on_with_stale(struct cache *cache, struct asking *asking, int64_t now_ms)
{
	struct cache_entry *entry = shard_find(asking->shard, asking->asked->name, asking->hash);
	enum life life = entry == NULL ? LIFE_OVER : entry_life(cache, entry, now_ms);

	if (life == LIFE_OVER)
		return false;
	give(cache, asking->shard, entry, life == LIFE_STALE, asking->asked);
	return true;
}

void
asking_wait(struct cache *cache, struct asking *asking, int64_t now_ms, struct err *err)
{
	struct flight *flight = asking->flight;
	struct cache_asked *asked = asking->asked;
	struct shard *shard = asking->shard;

	pthread_mutex_lock(&shard->lock);
	if (asking->nothing || wait_a_while(flight, &shard->lock) ||
	    !go_on_with_stale(cache, asking, now_ms)) {
		while (!flight->done)
			pthread_cond_wait(&flight->landed, &shard->lock);
		asked->status = flight->status;
		asked->object = flight->object;
		asked->stale = flight->stale;
		asked->known_ms = flight->known_ms;
		asking->again = asked->stale && (flight->round != asking->round ||
						    flight->least_epoch != asking->least_epoch);
		if (asked->object != NULL)
			cache->config.hold(asked->object);
		if (asked->status != ST_OK && asked->status != ST_ABSENT)
			err_set(err, "%s", flight->err.text);
		if (asked->stale)
			count(cache, &shard->stats.stale, METRIC_CACHE_STALE);
	}
	flight = flight_leave(flight);
	pthread_mutex_unlock(&shard->lock);
	flight_free(cache, flight);
}
