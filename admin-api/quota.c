/*
 * quota.c - what is remembered of tenants with a quota, in places that are found by their names.
 * Asked before each change that a quota limits, and for each request of a tenant's token. It must
 * never let one tenant's place say anything about another one, nor hold its lock while the store is
 * asked.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admin-api/quota.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/crypto/digest.h"

#define SETS 512U /* of places, by the hash of a name */
#define WAYS 8U   /* places in one; the one that was used longest ago goes first */
#define NO_ROOM_KEPT_MS 60000
#define TURNS 64U

struct place {
	char tenant[KEYSTORE_TENANT_MAX + 1]; /* "": free */
	int64_t used_ms;
	bool has_quota; /* when it was read last */
	/* What was counted under this revision of its quota. */
	uint64_t revision; /* 0: nothing */
	struct store_count count;
	int64_t counted_ms;
	/* Requests. */
	bool known;       /* the store was asked */
	int64_t limit;    /* or QUOTA_NONE */
	int64_t until_ms; /* when it is asked again */
	int64_t full_us;
};

struct quotas {
	struct keystore *store;
	uint8_t key[16];
	pthread_mutex_t lock;
	bool has_room, said;   /* the schema has room for quotas; it was said that it has none */
	int64_t no_room_until; /* monotonic, milliseconds */
	struct place places[SETS][WAYS];
	pthread_mutex_t turns[TURNS]; /* taken in their order; lock is never held by who waits */
};

void
quotas_new(struct keystore *store, struct quotas **out)
{
	struct quotas *quotas = mem_zalloc(1, sizeof(*quotas));

	quotas->store = store;
	random_bytes(quotas->key, sizeof(quotas->key));
	pthread_mutex_init(&quotas->lock, NULL);
	for (size_t i = 0; i < TURNS; i++)
		pthread_mutex_init(&quotas->turns[i], NULL);
	*out = quotas;
}

void
quotas_free(struct quotas *quotas)
{
	if (quotas == NULL)
		return;
	for (size_t i = 0; i < TURNS; i++)
		pthread_mutex_destroy(&quotas->turns[i]);
	pthread_mutex_destroy(&quotas->lock);
	mem_free(quotas);
}

/* With the lock. NULL: there is none, and none is to be made. */
static struct place *
place_of(struct quotas *quotas, struct span tenant, bool make)
{
	struct place *set = quotas->places[span_hash(tenant, quotas->key) % SETS], *oldest = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].tenant[0] != '\0' && span_eq_str(tenant, set[i].tenant)) {
			set[i].used_ms = clock_mono_ms();
			return &set[i];
		}
		if (set[i].used_ms < oldest->used_ms)
			oldest = &set[i];
	}
	if (!make || tenant.n == 0 || tenant.n > KEYSTORE_TENANT_MAX)
		return NULL;
	*oldest = (struct place){.used_ms = clock_mono_ms()};
	snprintf(oldest->tenant, sizeof(oldest->tenant), "%.*s", SPAN_ARG(tenant));
	return oldest;
}

/* ---- the quota of a tenant ---- */

static bool
is_without_room(struct quotas *quotas)
{
	bool without;

	pthread_mutex_lock(&quotas->lock);
	without = !quotas->has_room && clock_mono_ms() < quotas->no_room_until;
	pthread_mutex_unlock(&quotas->lock);
	return without;
}

static void
note_found(struct quotas *quotas, struct span tenant, bool found)
{
	struct place *place;

	pthread_mutex_lock(&quotas->lock);
	quotas->has_room = true;
	place = place_of(quotas, tenant, found);
	if (place != NULL)
		place->has_quota = found;
	pthread_mutex_unlock(&quotas->lock);
}

/* A store that answers another question, and never one about quotas, has none: an older schema, or
 * no right to see them. */
static bool
has_no_room(struct quotas *quotas, const struct err *why)
{
	struct keystore *store = quotas->store;
	struct err ignored = ERR_NONE;
	int64_t now_utc;
	bool answers = store->ops->now(store, &now_utc, &ignored) == ST_OK, say = false;

	pthread_mutex_lock(&quotas->lock);
	answers = answers && !quotas->has_room;
	if (answers) {
		say = !quotas->said;
		quotas->said = true;
		quotas->no_room_until = clock_mono_ms() + NO_ROOM_KEPT_MS;
	}
	pthread_mutex_unlock(&quotas->lock);
	if (say)
		log_line(LOG_LEVEL_WARNING, "no tenant is held to a quota: %s", why->text);
	return answers;
}

enum status
quotas_find(struct quotas *quotas, struct span tenant, struct store_quota *out, bool *found_out,
    struct err *err)
{
	struct keystore_rows *rows = NULL;
	enum status status;

	*found_out = false;
	if (is_without_room(quotas))
		return ST_OK;
	status = keystore_quota(quotas->store, tenant, &rows, err);
	if (status == ST_UNAVAILABLE && has_no_room(quotas, err))
		return ST_OK;
	if (status != ST_OK)
		return status;
	*found_out = rows->quota_count == 1;
	note_found(quotas, tenant, *found_out);
	if (*found_out)
		*out = rows->quotas[0];
	keystore_rows_release(rows);
	out->tenant = tenant;
	return ST_OK;
}

/* ---- one after the other ---- */

uint64_t
quotas_turn_of(struct quotas *quotas, struct span tenant, bool always)
{
	const struct place *place;
	bool wanted = always;

	pthread_mutex_lock(&quotas->lock);
	place = place_of(quotas, tenant, false);
	wanted = wanted || (place != NULL && place->has_quota);
	pthread_mutex_unlock(&quotas->lock);
	return wanted ? UINT64_C(1) << span_hash(tenant, quotas->key) / SETS % TURNS : 0;
}

uint64_t
quotas_take_turn(struct quotas *quotas, uint64_t turns)
{
	struct timespec until = {.tv_sec = 0};
	uint64_t taken = 0;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += QUOTA_TURN_S;
	for (size_t i = 0; i < TURNS; i++)
		if ((turns >> i & 1) != 0 &&
		    pthread_mutex_timedlock(&quotas->turns[i], &until) == 0)
			taken |= UINT64_C(1) << i;
	return taken;
}

void
quotas_end_turn(struct quotas *quotas, uint64_t turns)
{
	for (size_t i = TURNS; i-- > 0;)
		if ((turns >> i & 1) != 0)
			pthread_mutex_unlock(&quotas->turns[i]);
}

/* ---- what it has ---- */

static bool
take_count(struct quotas *quotas, const struct store_quota *row, struct store_count *out)
{
	const struct place *place;
	bool good;

	pthread_mutex_lock(&quotas->lock);
	place = place_of(quotas, row->tenant, false);
	good = place != NULL && place->revision == row->revision && row->revision > 0 &&
	       place->counted_ms + QUOTA_COUNT_KEPT_MS > clock_mono_ms();
	if (good)
		*out = place->count;
	pthread_mutex_unlock(&quotas->lock);
	return good;
}

static void
keep_count(struct quotas *quotas, const struct store_quota *row, uint64_t revision,
    const struct store_count *count, int64_t counted_ms)
{
	struct place *place;

	pthread_mutex_lock(&quotas->lock);
	place = place_of(quotas, row->tenant, true);
	if (place != NULL) {
		place->revision = revision;
		place->count = *count;
		place->counted_ms = counted_ms;
	}
	pthread_mutex_unlock(&quotas->lock);
}

enum status
quotas_count(
    struct quotas *quotas, const struct store_quota *row, struct store_count *out, struct err *err)
{
	int64_t began_ms = clock_mono_ms();
	enum status status;

	if (take_count(quotas, row, out))
		return ST_OK;
	status = keystore_count(quotas->store, row->tenant, out, err);
	if (status == ST_OK)
		keep_count(quotas, row, row->revision, out, began_ms);
	return status;
}

void
quotas_added(struct quotas *quotas, const struct store_quota *row, const struct store_count *more)
{
	struct place *place;

	pthread_mutex_lock(&quotas->lock);
	place = place_of(quotas, row->tenant, false);
	if (place != NULL && place->revision == row->revision) {
		place->revision = row->revision + 1;
		place->count.domains += more->domains;
		place->count.keys += more->keys;
	}
	pthread_mutex_unlock(&quotas->lock);
}

void
quotas_forget(struct quotas *quotas, struct span tenant)
{
	struct place *place;

	pthread_mutex_lock(&quotas->lock);
	place = place_of(quotas, tenant, false);
	if (place != NULL) {
		place->revision = 0;
		place->until_ms = 0;
	}
	pthread_mutex_unlock(&quotas->lock);
}

/* ---- requests ---- */

/* Each request moves full_us on by what it may take; no further than QUOTA_RATE_S from now. */
void
quota_rate_take(int64_t limit, int64_t now_us, int64_t *full_us, struct quota_rate *out)
{
	const int64_t window_us = (int64_t)QUOTA_RATE_S * 1000000;
	int64_t step_us = limit > window_us ? 1 : limit > 0 ? window_us / limit : window_us + 1;
	int64_t full = *full_us > now_us ? *full_us : now_us, over_us;

	*out = (struct quota_rate){.limit = limit};
	/* The clock is another one since the machine slept, or the limit was lower. */
	if (full > now_us + window_us)
		full = now_us + window_us;
	over_us = full + step_us - now_us - window_us;
	if (over_us > 0)
		out->wait_s = (over_us + 999999) / 1000000;
	else
		full += step_us;
	*full_us = full;
	out->left = (now_us + window_us - full) / step_us;
	if (out->left > limit)
		out->left = limit;
	out->reset_s = (full - now_us + 999999) / 1000000;
}

/* The limit is to be asked for. */
static bool
is_old(struct quotas *quotas, struct span tenant)
{
	const struct place *place;
	bool old;

	pthread_mutex_lock(&quotas->lock);
	place = place_of(quotas, tenant, true);
	old = place != NULL && place->until_ms <= clock_mono_ms();
	pthread_mutex_unlock(&quotas->lock);
	return old;
}

static void
ask_limit(struct quotas *quotas, struct span tenant)
{
	struct store_quota row = {.requests = QUOTA_NONE};
	struct err ignored = ERR_NONE;
	struct place *place;
	bool found;
	enum status status = quotas_find(quotas, tenant, &row, &found, &ignored);

	pthread_mutex_lock(&quotas->lock);
	place = place_of(quotas, tenant, true);
	if (place != NULL) {
		if (status == ST_OK)
			place->limit = found ? row.requests : QUOTA_NONE;
		else if (!place->known)
			place->limit = QUOTA_NONE;
		place->known = place->known || status == ST_OK;
		place->until_ms = clock_mono_ms() + QUOTA_RATE_KEPT_MS;
	}
	pthread_mutex_unlock(&quotas->lock);
}

void
quotas_request(struct quotas *quotas, struct span tenant, struct quota_rate *out)
{
	struct place *place;

	*out = (struct quota_rate){.limit = QUOTA_NONE};
	if (is_old(quotas, tenant))
		ask_limit(quotas, tenant);
	pthread_mutex_lock(&quotas->lock);
	place = place_of(quotas, tenant, false);
	if (place != NULL && place->limit >= 0 && place->until_ms > 0)
		quota_rate_take(place->limit, clock_mono_us(), &place->full_us, out);
	pthread_mutex_unlock(&quotas->lock);
}
