/*
 * cached_table.c - rows of distant tables, kept for a while.
 * Stands between the keeper's decisions (decision.c, signing.c, keytable.c, hostlist.c) and a table
 * in a database or directory; opened by rules.c. It must never copy a value out of secret memory,
 * nor turn "could not ask" into "there is none".
 */
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/store/cached_table_private.h"
#include "lib/store/keyindex.h"
#include "lib/store/together.h"

_Static_assert(CACHE_MANY_MAX >= TABLE_KEYS_MAX, "a question of the table is one of the cache");

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

void
cached_table_load(const struct table_value *value, struct cache_load *load)
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
	bool one; /* asks as table_lookup() does */
	bool asked;
	enum status status;
	struct err why;
};

/* Names of one load: what the shared cache knows of each, and where the answers go. */
struct loading {
	struct lookup *lookup;
	size_t count;
	int64_t began_ms;
	struct cache_load *out;
	enum known known[TABLE_KEYS_MAX];
	struct span open[TABLE_KEYS_MAX]; /* those that inner is asked for */
	size_t open_at[TABLE_KEYS_MAX], open_count;
};

/* ST_OK also when none is there. */
static enum status
ask_inner(
    struct loading *loading, struct table_value *values, size_t *at, size_t *found, struct err *err)
{
	struct lookup *lookup = loading->lookup;
	struct table *inner = lookup->cached->inner;
	size_t count = loading->open_count;
	int64_t began_us = clock_mono_us();
	enum status status;

	*found = at[0] = 0;
	if (lookup->cached->together != NULL) {
		status = together_lookup(
		    lookup->cached->together, loading->open, count, values, at, found, err);
	} else if (lookup->one) {
		status = table_lookup(inner, loading->open[0], values, err);
		*found = status == ST_OK ? 1 : 0;
	} else {
		status =
		    table_lookup_many(inner, loading->open, count, count, values, at, found, err);
	}
	metrics_observe_at(METRIC_STORE_SECONDS, METRIC_STORE_TABLE, clock_mono_us() - began_us);
	metrics_store_away(
	    METRIC_STORE_KIND_TABLE, &lookup->cached->counted_away, status == ST_UNAVAILABLE);
	lookup->asked = true;
	lookup->status = status;
	lookup->why = *err;
	return status == ST_ABSENT ? ST_OK : status;
}

static void
drop_known(struct cache_load *load)
{
	if (load->object != NULL)
		held_release(load->object);
	*load = (struct cache_load){.object = NULL};
}

/* What inner said, here and for the other gateways. */
static void
take_answers(
    struct loading *loading, const struct table_value *values, const size_t *at, size_t found)
{
	struct cached_table *cached = loading->lookup->cached;
	size_t n = 0;

	for (size_t i = 0; i < loading->open_count; i++) {
		struct cache_load *load = &loading->out[loading->open_at[i]];
		const struct table_value *value = n < found && at[n] == i ? &values[n++] : NULL;

		drop_known(load);
		cached_table_shared_put(cached, loading->open[i], value, loading->began_ms);
		if (value != NULL)
			cached_table_load(value, load);
	}
}

/* Inner could not be asked: something old of each, where there is something. */
static enum status
go_on_with_old(struct loading *loading, int64_t now_ms)
{
	enum status status = ST_UNAVAILABLE;

	for (size_t i = 0; i < loading->count; i++)
		if (loading->known[i] != KNOWN_NOTHING)
			status = ST_OK;
	for (size_t i = 0; status == ST_OK && i < loading->open_count; i++) {
		struct cache_load *load = &loading->out[loading->open_at[i]];

		load->source = CACHE_SOURCE_AWAY;
		if (load->known_ms != 0)
			cached_table_shared_note_stale(loading->lookup->cached, load, now_ms);
	}
	return status;
}

static enum status
load_open(struct loading *loading, struct err *err)
{
	struct cached_table *cached = loading->lookup->cached;
	struct table_value values[TABLE_KEYS_MAX];
	size_t at[TABLE_KEYS_MAX], found;
	enum status status = ask_inner(loading, values, at, &found, err);
	int64_t ended_ms = cached->config.now_ms();

	if (status != ST_UNAVAILABLE)
		atomic_store(&cached->silent_until_ms, 0);
	else if (ended_ms - loading->began_ms >= CACHE_SLOW_MS)
		atomic_store(&cached->silent_until_ms, ended_ms + CACHE_PAUSE_MS);
	if (status == ST_OK)
		take_answers(loading, values, at, found);
	else if (status == ST_UNAVAILABLE)
		status = go_on_with_old(loading, ended_ms);
	return status;
}

/* A server that was silent a moment ago is asked by one in CACHE_PAUSE_MS, as long as the others
 * know something old; this is for those who have it from elsewhere, and not in their own cache. */
static bool
may_be_spared(const struct loading *loading)
{
	struct cached_table *cached = loading->lookup->cached;
	int_least64_t until_ms = atomic_load(&cached->silent_until_ms);

	for (size_t i = 0; i < loading->count; i++)
		if (loading->known[i] == KNOWN_NOTHING)
			return false;
	if (until_ms == 0)
		return false;
	return loading->began_ms < until_ms ||
	       !atomic_compare_exchange_strong(
		   &cached->silent_until_ms, &until_ms, loading->began_ms + CACHE_PAUSE_MS);
}

static enum status
load_names(struct lookup *lookup, const struct span *names, size_t count, struct cache_load *out,
    struct err *err)
{
	struct cached_table *cached = lookup->cached;
	struct loading loading = {
	    .lookup = lookup, .count = count, .began_ms = cached->config.now_ms(), .out = out};
	enum status status = ST_OK;

	cached_table_shared_get(cached, names, count, loading.began_ms, out, loading.known);
	for (size_t i = 0; i < count; i++) {
		if (loading.known[i] == KNOWN_FRESH)
			continue;
		loading.open[loading.open_count] = names[i];
		loading.open_at[loading.open_count++] = i;
	}
	if (loading.open_count > 0 && !may_be_spared(&loading))
		status = load_open(&loading, err);
	else
		for (size_t i = 0; i < loading.open_count; i++)
			cached_table_shared_note_stale(
			    cached, &out[loading.open_at[i]], loading.began_ms);
	if (status != ST_OK)
		for (size_t i = 0; i < count; i++)
			drop_known(&out[i]);
	out[0].ended_ms = cached->config.now_ms();
	return status;
}

static enum status
load_one(void *context, struct span name, struct cache_load *out, struct err *err)
{
	struct lookup *lookup = context;
	enum status status = load_names(lookup, &name, 1, out, err);

	return status == ST_OK && out->object == NULL ? ST_ABSENT : status;
}

static enum status
load_many(
    void *context, const struct span *names, size_t count, struct cache_load *out, struct err *err)
{
	return load_names(context, names, count, out, err);
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
			    (long long)(cached->config.stale_ms / 60000));
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
	struct lookup lookup = {.cached = cached, .one = true};
	int64_t now_ms = cached->config.now_ms();
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
	int64_t now_ms = cached->config.now_ms();
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
	if (status == ST_OK) {
		atomic_store(&cached->refreshed_ms, cached->config.now_ms());
		cache_clear(cached->cache);
	}
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

	metrics_store_away(METRIC_STORE_KIND_TABLE, &cached->counted_away, false);
	metrics_store_opened(METRIC_STORE_KIND_TABLE, -1);
	cache_free(cached->cache);
	together_free(cached->together);
	table_close(cached->inner);
	mem_free(cached->scope);
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
	metrics_store_opened(METRIC_STORE_KIND_TABLE, 1);
	cached->together = inner->together ? together_new(inner, TOGETHER_WAIT_MS) : NULL;
	cached->config = *config;
	cached->scope = span_dup(config->shared_scope);
	cached->config.shared_scope.p = cached->scope;
	if (config->now_ms == NULL)
		cached->config.now_ms = clock_mono_ms;
	atomic_init(
	    &cached->refreshed_ms, config->shared_anew ? cached->config.now_ms() : INT64_MIN);
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
