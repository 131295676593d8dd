/*
 * cached_table.c - rows of distant tables, kept for a while.
 * Stands between the keeper's decisions (decision.c, signing.c, keytable.c, hostlist.c) and a table
 * in a database or directory; opened by rules.c. It must never copy a value out of secret memory,
 * nor turn "could not ask" into "there is none".
 */
#include <stdatomic.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/store/cached_table.h"
#include "lib/store/keyindex.h"

_Static_assert(CACHE_MANY_MAX >= TABLE_KEYS_MAX, "a question of the table is one of the cache");

struct cached_table {
	struct table *inner;
	struct cache *cache;
	struct table_ops ops; /* what inner can, this can */
	int64_t (*now_ms)(void);
	int64_t stale_ms;
	atomic_bool away; /* the server; said */
};

/* One value of inner and how many read it. */
struct held {
	atomic_uint references;
	struct table_value value;
};

static void
held_hold(void *object)
{
	struct held *held = object;

	atomic_fetch_add_explicit(&held->references, 1, memory_order_relaxed);
}

static void
held_release(void *object)
{
	struct held *held = object;

	if (atomic_fetch_sub_explicit(&held->references, 1, memory_order_acq_rel) > 1)
		return;
	table_value_release(&held->value);
	mem_free(held);
}

/* What out gets of held is its caller's reference. */
static void
held_give(struct held *held, struct table_value *out)
{
	*out = held->value;
	out->release = held_release;
	out->owner = held;
}

static void
held_load(const struct table_value *value, struct cache_load *load)
{
	struct held *held = mem_alloc(sizeof(*held));
	size_t bytes = sizeof(*held) + value->text.n;

	atomic_init(&held->references, 1);
	held->value = *value;
	for (size_t i = 0; i < value->column_count; i++)
		bytes += sizeof(struct span) + value->columns[i].n + 1;
	load->object = held;
	load->bytes = bytes + 64; /* what the owner keeps besides */
}

/* ---- questions ---- */

/* One call of a lookup, and what its question said if it asked one. */
struct lookup {
	struct cached_table *cached;
	bool asked;
	enum status status;
	struct err why;
};

static void
note_question(struct lookup *lookup, enum status status, const struct err *err)
{
	lookup->asked = true;
	lookup->status = status;
	lookup->why = *err;
}

static enum status
load_one(void *context, struct span name, struct cache_load *out, struct err *err)
{
	struct lookup *lookup = context;
	struct cached_table *cached = lookup->cached;
	struct table_value value;
	enum status status = table_lookup(cached->inner, name, &value, err);

	out->ended_ms = cached->now_ms();
	if (status == ST_OK)
		held_load(&value, out);
	note_question(lookup, status, err);
	return status;
}

static enum status
load_many(
    void *context, const struct span *names, size_t count, struct cache_load *out, struct err *err)
{
	struct lookup *lookup = context;
	struct cached_table *cached = lookup->cached;
	struct table_value values[TABLE_KEYS_MAX];
	size_t at[TABLE_KEYS_MAX], found = 0;
	enum status status =
	    table_lookup_many(cached->inner, names, count, count, values, at, &found, err);

	out->ended_ms = cached->now_ms();
	for (size_t i = 0; status == ST_OK && i < found; i++)
		held_load(&values[i], &out[at[i]]);
	if (status == ST_ABSENT)
		status = ST_OK;
	note_question(lookup, status, err);
	return status;
}

/* Once when the server goes, and once when it is back. */
static void
tell(struct lookup *lookup, bool stale)
{
	struct cached_table *cached = lookup->cached;
	const struct table *inner = cached->inner;

	if (!lookup->asked)
		return;
	if (lookup->status == ST_UNAVAILABLE) {
		if (stale && !atomic_exchange(&cached->away, true))
			log_line(LOG_LEVEL_WARNING,
			    "%s; rows of %s %s that are known are used on, for %lld minutes at "
			    "most; others are unavailable",
			    lookup->why.text, inner->parameter, inner->where,
			    (long long)(cached->stale_ms / 60000));
	} else if (atomic_load_explicit(&cached->away, memory_order_relaxed) &&
		   atomic_exchange(&cached->away, false)) {
		log_line(LOG_LEVEL_NOTICE,
		    "%s %s answers again; rows that were used on are asked for again",
		    inner->parameter, inner->where);
	}
}

static bool
has_upper(struct span key)
{
	for (size_t i = 0; i < key.n; i++)
		if (key.p[i] != ascii_lower(key.p[i]))
			return true;
	return false;
}

/* Of a key that is not in lower case, where that does not matter: the row of the key that is, if it
 * is known. */
static struct held *
known_in_lower_case(struct table *table, struct span key, int64_t now_ms)
{
	struct cached_table *cached = table->state;
	char room[TABLE_KEY_MAX];

	if ((table->flags & TABLE_ICASE) == 0 || key.n > sizeof(room) || !has_upper(key))
		return NULL;
	return cache_peek(cached->cache, keyindex_fold(key, true, room), now_ms);
}

static enum status
cached_lookup(struct table *table, struct span key, struct table_value *out, struct err *err)
{
	struct cached_table *cached = table->state;
	struct lookup lookup = {.cached = cached};
	int64_t now_ms = cached->now_ms();
	void *object = known_in_lower_case(table, key, now_ms);
	enum status status = ST_OK;
	bool stale = false;

	if (object == NULL) {
		status =
		    cache_get(cached->cache, key, now_ms, load_one, &lookup, &object, &stale, err);
		tell(&lookup, stale);
	}
	if (status == ST_OK)
		held_give(object, out);
	return status;
}

/* The answer to a question of many: the first that could not be answered is an answer for all. */
static enum status
gather(struct cache_asked *asked, size_t count, size_t max, struct table_value *out, size_t *at_out,
    size_t *count_out)
{
	enum status trouble = ST_OK;
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (asked[i].status != ST_OK && asked[i].status != ST_ABSENT && trouble == ST_OK &&
		    n < max)
			trouble = asked[i].status;
		if (asked[i].status != ST_OK)
			continue;
		if (trouble != ST_OK || n == max) {
			held_release(asked[i].object);
			continue;
		}
		held_give(asked[i].object, &out[n]);
		at_out[n++] = i;
	}
	if (trouble != ST_OK)
		while (n > 0)
			table_value_release(&out[--n]);
	*count_out = n;
	if (trouble != ST_OK)
		return trouble;
	return n > 0 ? ST_OK : ST_ABSENT;
}

static enum status
cached_lookup_many(struct table *table, const struct span *keys, size_t count, size_t max,
    struct table_value *out, size_t *at_out, size_t *count_out, struct err *err)
{
	struct cached_table *cached = table->state;
	struct lookup lookup = {.cached = cached};
	struct cache_asked asked[TABLE_KEYS_MAX], open[TABLE_KEYS_MAX];
	size_t open_at[TABLE_KEYS_MAX], n = 0, answered;
	int64_t now_ms = cached->now_ms();
	bool stale = false;

	for (size_t i = 0; i < count; i++) {
		asked[i] = (struct cache_asked){.name = keys[i]};
		asked[i].object = known_in_lower_case(table, keys[i], now_ms);
		if (asked[i].object != NULL)
			continue;
		open[n] = asked[i];
		open_at[n++] = i;
	}
	/* With some known already, the rest is not cut short: their order is one of all. */
	answered = n == 0 ? 0
			  : cache_get_many(cached->cache, open, n, n == count ? max : n, now_ms,
				load_many, &lookup, err);
	for (size_t i = 0; i < answered; i++) {
		asked[open_at[i]] = open[i];
		stale = stale || open[i].stale;
	}
	tell(&lookup, stale);
	return gather(asked, n == count ? answered : count, max, out, at_out, count_out);
}

static enum status
cached_lookup_all(struct table *table, struct span key, size_t max, struct table_value *out,
    size_t *count_out, struct err *err)
{
	struct cached_table *cached = table->state;

	return table_lookup_all(cached->inner, key, max, out, count_out, err);
}

/* ---- what goes through ---- */

static enum status
cached_walk(struct table *table, table_visit *visit, void *context, struct err *err)
{
	return table_walk(((struct cached_table *)table->state)->inner, visit, context, err);
}

static enum status
cached_walk_patterns(struct table *table, table_visit *visit, void *context)
{
	struct table *inner = ((struct cached_table *)table->state)->inner;

	return inner->ops->walk_patterns(inner, visit, context);
}

static enum status
cached_refresh(struct table *table, struct err *err)
{
	struct cached_table *cached = table->state;
	enum status status;

	cached->inner->settled = table->settled;
	status = table_refresh(cached->inner, err);
	cached->inner->settled = NULL;
	if (status == ST_OK)
		cache_clear(cached->cache);
	return status;
}

static void
cached_report(struct table *table, struct table_report *out)
{
	table_report(((struct cached_table *)table->state)->inner, out);
}

static void
cached_close(struct table *table)
{
	struct cached_table *cached = table->state;

	cache_free(cached->cache);
	table_close(cached->inner);
	mem_free(cached);
}

/* A member that inner refuses is refused here, in inner's words. */
static void
set_ops(struct table_ops *ops, const struct table_ops *inner)
{
	*ops = *inner;
	ops->open = NULL;
	ops->lookup = inner->lookup != NULL ? cached_lookup : NULL;
	ops->lookup_many = inner->lookup_many != NULL ? cached_lookup_many : NULL;
	ops->lookup_all = inner->lookup_all != NULL ? cached_lookup_all : NULL;
	ops->walk = inner->walk != NULL ? cached_walk : NULL;
	ops->walk_patterns = inner->walk_patterns != NULL ? cached_walk_patterns : NULL;
	ops->refresh = inner->refresh != NULL ? cached_refresh : NULL;
	ops->report = inner->report != NULL ? cached_report : NULL;
	ops->close = cached_close;
}

struct table *
cached_table_new(struct table *inner, const struct cached_table_config *config)
{
	struct cached_table *cached;
	struct table *table;
	struct cache_config cache = {.bytes_max = config->bytes_max,
	    .fresh_ms = config->fresh_ms,
	    .absent_fresh_ms = config->absent_ms,
	    .stale_ms = config->stale_ms,
	    .hold = held_hold,
	    .release = held_release,
	    .counted = true,
	    .counted_as = METRIC_CACHE_TABLE};

	if (!inner->ops->distant || config->bytes_max == 0)
		return inner;
	cached = mem_zalloc(1, sizeof(*cached));
	cached->inner = inner;
	cached->cache = cache_new(&cache);
	cached->now_ms = config->now_ms != NULL ? config->now_ms : clock_mono_ms;
	cached->stale_ms = config->stale_ms;
	set_ops(&cached->ops, inner->ops);
	table = table_new(&cached->ops, inner->parameter, inner->flags);
	table->where = inner->where == NULL ? NULL : mem_strdup(inner->where);
	table->path = inner->path == NULL ? NULL : mem_strdup(inner->path);
	table->state = cached;
	return table;
}

struct cache *
cached_table_cache(struct table *table)
{
	return table->ops->close == cached_close ? ((struct cached_table *)table->state)->cache
						 : NULL;
}
