/*
 * canary.c - which signatures are verified, and what came of them for each key.
 * Keeper threads ask behind each signature, and when a front-end tells what it found; the thread
 * that reports reads the lines. It must never make a signature wait for more than a short lock, nor
 * count what was not asked for.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "daemon/canary.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

/* Keys that are remembered: sets of a few places each. Whoever was not met for the longest time
 * goes first; of such a key the first signatures are verified anew. */
#define SETS 512U
#define PLACES 8U

struct watched {
	char id[CANARY_ID_MAX + 1]; /* "": free */
	char domain[CANARY_DOMAIN_MAX + 1];
	int64_t active;  /* what all that follows is counted since */
	uint32_t firsts; /* of its first signatures, asked for */
	uint32_t open;   /* asked for, and not answered */
	uint32_t good, failures;
	int64_t next_ms; /* it is not asked for before */
	uint64_t met;
	char why[CANARY_WHY_MAX + 1];
};

struct canary {
	struct canary_config config;
	uint8_t seed[16];
	atomic_uint countdown;     /* messages until the next sample */
	atomic_uint failing_count; /* keys with failures */
	pthread_mutex_t lock;      /* of what follows */
	uint64_t meetings;
	int64_t second; /* the present one, and what was asked for in it */
	uint32_t asked;
	struct watched keys[SETS][PLACES];
};

struct canary *
canary_new(const struct canary_config *config)
{
	struct canary *canary = mem_zalloc(1, sizeof(*canary));

	canary->config = *config;
	random_bytes(canary->seed, sizeof(canary->seed));
	pthread_mutex_init(&canary->lock, NULL);
	if (config->every > 0) { /* not the same message of all gateways */
		uint32_t start;

		random_bytes(&start, sizeof(start));
		atomic_store(&canary->countdown, start % config->every);
	}
	return canary;
}

void
canary_free(struct canary *canary)
{
	if (canary == NULL)
		return;
	pthread_mutex_destroy(&canary->lock);
	mem_free(canary);
}

/* ---- with the lock ---- */

static struct watched *
set_of(struct canary *canary, struct span id)
{
	return canary->keys[span_hash(id, canary->seed) % SETS];
}

static struct watched *
find(struct canary *canary, struct span id)
{
	struct watched *set = set_of(canary, id);

	for (size_t i = 0; i < PLACES; i++)
		if (id.n > 0 && span_eq_str(id, set[i].id))
			return &set[i];
	return NULL;
}

static void
set_failures(struct canary *canary, struct watched *key, uint32_t failures)
{
	if (key->failures == 0 && failures > 0)
		atomic_fetch_add(&canary->failing_count, 1);
	else if (key->failures > 0 && failures == 0)
		atomic_fetch_sub(&canary->failing_count, 1);
	key->failures = failures;
}

static void
begin(struct canary *canary, struct watched *key, const struct store_key *row)
{
	set_failures(canary, key, 0);
	*key = (struct watched){.active = row->times.active};
	snprintf(key->id, sizeof(key->id), "%.*s", SPAN_ARG(row->id));
	snprintf(key->domain, sizeof(key->domain), "%.*s", SPAN_ARG(row->domain));
}

/* Its place, or that of another one; anew when it was activated again. */
static struct watched *
meet(struct canary *canary, const struct store_key *row)
{
	struct watched *set = set_of(canary, row->id), *key = find(canary, row->id);

	if (key == NULL) {
		key = set;
		for (size_t i = 1; i < PLACES; i++)
			if (set[i].met < key->met)
				key = &set[i];
		begin(canary, key, row);
	} else if (key->active != row->times.active) {
		begin(canary, key, row);
	}
	key->met = ++canary->meetings;
	return key;
}

static bool
in_time(struct canary *canary, int64_t now_ms)
{
	if (canary->second != now_ms / 1000) {
		canary->second = now_ms / 1000;
		canary->asked = 0;
	}
	return canary->asked < CANARY_EACH_SECOND;
}

/* ---- asking ---- */

static bool
is_young(const struct canary *canary, const struct store_key *row, int64_t now_utc)
{
	return canary->config.first > 0 && row->times.active > 0 &&
	       row->times.active + CANARY_YOUNG_S > now_utc;
}

/* The next one of so many messages. */
static bool
is_sampled(struct canary *canary)
{
	if (canary->config.every == 0)
		return false;
	return atomic_fetch_add_explicit(&canary->countdown, 1, memory_order_relaxed) %
		   canary->config.every ==
	       0;
}

/* With the lock. */
static bool
wants(struct canary *canary, const struct store_key *row, bool young, bool sampled, int64_t now_ms)
{
	struct watched *key = find(canary, row->id);
	bool known = key != NULL && key->active == row->times.active;
	bool first = young && (!known || key->firsts < canary->config.first);
	bool failing = known && key->failures > 0;

	if (!sampled && !first && !failing)
		return false;
	if (!in_time(canary, now_ms) || (known && now_ms < key->next_ms))
		return false;
	key = meet(canary, row);
	key->firsts += first ? 1 : 0;
	key->next_ms = failing ? now_ms + CANARY_AGAIN_MS : 0;
	key->open++;
	canary->asked++;
	return true;
}

static bool
of_store(struct canary *canary, const struct store_key *row, bool sampled, int64_t now_utc,
    int64_t now_ms)
{
	bool young = is_young(canary, row, now_utc), wanted;

	if (row->id.n == 0 || row->id.n > CANARY_ID_MAX || row->times.active <= 0)
		return false;
	if (!young && !sampled &&
	    atomic_load_explicit(&canary->failing_count, memory_order_relaxed) == 0)
		return false;
	pthread_mutex_lock(&canary->lock);
	wanted = wants(canary, row, young, sampled, now_ms);
	pthread_mutex_unlock(&canary->lock);
	return wanted;
}

/* Of a KeyTable, or a KeyFile: nobody counts it but the metrics. */
static bool
of_table(struct canary *canary, bool sampled, int64_t now_ms)
{
	bool wanted;

	if (!sampled)
		return false;
	pthread_mutex_lock(&canary->lock);
	wanted = in_time(canary, now_ms);
	canary->asked += wanted ? 1 : 0;
	pthread_mutex_unlock(&canary->lock);
	return wanted;
}

void
canary_mark(struct canary *canary, const struct decision *decision, struct reply *reply,
    int64_t now_utc, int64_t now_ms)
{
	bool sampled;

	if (canary == NULL)
		return;
	sampled = is_sampled(canary);
	for (size_t i = 0; i < reply->field_count && i < decision->key_count; i++) {
		const struct store_key *row = decision->keys[i].stored;
		struct reply_field *field = &reply->fields[i];

		field->check = row != NULL ? of_store(canary, row, sampled, now_utc, now_ms)
					   : of_table(canary, sampled, now_ms);
		if (field->check && row != NULL)
			field->key_id = row->id;
	}
}

/* ---- answers ---- */

static void
count(struct canary *canary, struct watched *key, const struct request *request, int64_t now_ms)
{
	switch (request->result) {
	case CANARY_GOOD:
		if (key->good < CANARY_COUNT_MAX)
			key->good++;
		set_failures(canary, key, 0);
		key->next_ms = 0;
		return;
	case CANARY_FAILED:
		if (key->failures < CANARY_COUNT_MAX)
			set_failures(canary, key, key->failures + 1);
		snprintf(key->why, sizeof(key->why), "%.*s", SPAN_ARG(request->why));
		return;
	case CANARY_UNAVAILABLE: /* it counts for nothing, so another one is wanted */
		key->firsts -= key->firsts > 0 ? 1 : 0;
		key->next_ms = now_ms + CANARY_UNAVAILABLE_MS;
		return;
	}
}

static void
say(const struct canary *canary, struct span id, const char *domain, uint32_t before,
    uint32_t after, const char *why)
{
	if (before < CANARY_FAILURES && after >= CANARY_FAILURES)
		log_line(LOG_LEVEL_ERROR,
		    "key %.*s of %s: %u signatures in a row could not be verified through DNS "
		    "(%s); it "
		    "goes on signing until signpost-admind or you decide otherwise",
		    SPAN_ARG(id), domain, after, why);
	else if (before >= CANARY_FAILURES && after == 0)
		log_line(LOG_LEVEL_NOTICE, "key %.*s of %s: its signatures verify again",
		    SPAN_ARG(id), domain);
	else
		return;
	if (canary->config.news != NULL)
		canary->config.news(canary->config.context);
}

bool
canary_take(struct canary *canary, const struct request *request, int64_t now_ms)
{
	char why[CANARY_WHY_MAX + 1] = "", domain[CANARY_DOMAIN_MAX + 1] = "";
	uint32_t before = 0, after = 0;
	struct watched *key;
	bool asked;

	if (canary == NULL)
		return false;
	if (request->key_id.n == 0)
		return true; /* it is in the metrics already */
	pthread_mutex_lock(&canary->lock);
	key = find(canary, request->key_id);
	asked = key != NULL && key->open > 0;
	if (asked) {
		key->open--;
		before = key->failures;
		count(canary, key, request, now_ms);
		after = key->failures;
		memcpy(why, key->why, sizeof(why));
		memcpy(domain, key->domain, sizeof(domain));
	}
	pthread_mutex_unlock(&canary->lock);
	if (asked)
		say(canary, request->key_id, domain, before, after, why);
	return asked || key == NULL; /* its place may be another one's by now */
}

/* ---- telling ---- */

static void
add_lines(struct canary *canary, bool failing, int64_t young_since, struct buf *out)
{
	for (size_t i = 0; i < SETS * PLACES; i++) {
		const struct watched *key = &canary->keys[i / PLACES][i % PLACES];
		const struct canary_word word = {.id = span_str(key->id),
		    .domain = span_str(key->domain),
		    .active = key->active,
		    .good = key->good,
		    .failures = key->failures,
		    .why = key->failures > 0 ? span_str(key->why) : SPAN_EMPTY};

		if (key->id[0] == '\0' || (key->failures > 0) != failing)
			continue;
		if (!failing && (key->good == 0 || key->active < young_since))
			continue;
		if (!canary_word_write(&word, out))
			return;
	}
}

void
canary_lines(struct canary *canary, int64_t now_utc, struct buf *out)
{
	pthread_mutex_lock(&canary->lock);
	add_lines(canary, true, 0, out);
	add_lines(canary, false, now_utc - CANARY_YOUNG_S, out);
	pthread_mutex_unlock(&canary->lock);
}
