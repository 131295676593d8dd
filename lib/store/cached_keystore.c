/*
 * cached_keystore.c - the questions to a key store, answered by what is known of it.
 * Stands between route.c and tenant.c and a backend; opened by the keeper's rules.c. It must never
 * take an answer that is older than what was seen for a new one, nor "could not ask" for "no rows".
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/store/cached_keystore_private.h"

struct question {
	struct cached_keystore *cached;
	char letter;
	const struct span *names;
	size_t count;
};

static void
rows_hold(void *object)
{
	keystore_rows_hold(object);
}

static void
rows_release(void *object)
{
	keystore_rows_release(object);
}

static enum status
ask_inner(const struct question *q, struct keystore_rows **out, struct err *err)
{
	struct keystore *inner = q->cached->inner;

	switch (q->letter) {
	case QUESTION_SENDERS:
		return keystore_senders(inner, q->names, q->count, out, err);
	case QUESTION_ADDRESS:
		return keystore_address(inner, q->names[0], out, err);
	case QUESTION_PATTERNS:
		return keystore_patterns(inner, q->names[0], out, err);
	case QUESTION_KEYS:
		return keystore_keys(inner, q->names[0], out, err);
	default:
		return keystore_bindings(inner, q->names, q->count, out, err);
	}
}

/* view: of before the question. */
static enum status
check_age(struct cached_keystore *cached, const struct keystore_rows *rows, const struct view *view,
    struct err *err)
{
	if (rows->epoch != 0 && rows->epoch < view->seen) {
		err_set(err,
		    "%s answers as of epoch %llu, and %llu was seen before: it is behind, or a "
		    "backup was put back",
		    cached->inner->where, (unsigned long long)rows->epoch,
		    (unsigned long long)view->seen);
		return ST_UNAVAILABLE;
	}
	return revisions_check(cached, view->history, rows, err);
}

/* An answer of the store, in *out if ST_OK; other gateways get it too. */
static enum status
ask_store(const struct question *q, struct span name, const struct view *view,
    struct keystore_rows **out, struct err *err)
{
	struct cached_keystore *cached = q->cached;
	int64_t asked_ms = cached->config.now_ms(), began_us = clock_mono_us();
	enum status status = ask_inner(q, out, err);

	metrics_observe_at(METRIC_STORE_SECONDS,
	    q->letter == QUESTION_KEYS ? METRIC_STORE_KEYS : METRIC_STORE_RULES,
	    clock_mono_us() - began_us);
	if (status == ST_OK)
		status = check_age(cached, *out, view, err);
	if (status == ST_OK && cached->config.shared != NULL)
		shared_leave(cached, view, name, *out, asked_ms);
	if (status != ST_OK) {
		keystore_rows_release(*out);
		*out = NULL;
	}
	return status;
}

static bool
is_empty(const struct keystore_rows *rows)
{
	return rows->tenant_count + rows->domain_count + rows->rule_count + rows->key_count +
		   rows->binding_count ==
	       0;
}

static void
take(const struct cached_keystore *cached, struct keystore_rows *rows, struct cache_load *out)
{
	rows = keystore_rows_pack(rows);
	out->object = rows;
	out->bytes = rows->bytes + 48; /* and what the allocators add */
	out->epoch = rows->epoch;
	out->negative = is_empty(rows);
	if (rows->epoch == 0)
		out->fresh_ms = out->negative ? cached->config.absent_ms : cached->config.poll_ms;
}

static void
take_found(const struct cached_keystore *cached, struct found *found, enum cache_source source,
    struct cache_load *out)
{
	take(cached, found->rows, out);
	found->rows = NULL;
	out->known_ms = found->asked_ms != 0 ? found->asked_ms : -1; /* 0 would be now */
	out->source = source;
}

/* The store cannot be asked: does another gateway know an answer? */
static bool
find_stale(const struct question *q, struct span name, struct view *view, struct found *found)
{
	struct cached_keystore *cached = q->cached;
	bool asked = view->current;

	if (cached->config.shared == NULL)
		return false;
	for (unsigned tries = 0; !asked || found->late; tries++) {
		int64_t now_ms = cached->config.now_ms();

		if (asked && !shared_wait(cached, tries))
			break;
		asked = true;
		if (!view->polled)
			found->late = !shared_guess(cached, view, now_ms);
		if (view->identity[0] != '\0')
			shared_find(cached, view, name, now_ms, found);
	}
	if (found->belief == BELIEF_NONE)
		return false;
	metrics_count(METRIC_SHARED_STALE,
	    q->letter == QUESTION_KEYS ? METRIC_CACHE_KEYS : METRIC_CACHE_RULES, METRIC_NONE);
	return true;
}

static enum status
load_rows(void *context, struct span name, struct cache_load *out, struct err *err)
{
	const struct question *q = context;
	struct cached_keystore *cached = q->cached;
	int64_t now_ms = cached->config.now_ms();
	struct found found = {.belief = BELIEF_NONE};
	struct keystore_rows *rows = NULL;
	struct view view;
	enum status status;

	follow_view(cached, now_ms, &view);
	if (cached->config.shared != NULL && view.current)
		shared_find(cached, &view, name, now_ms, &found);
	if (found.belief == BELIEF_FRESH) {
		take_found(cached, &found, CACHE_SOURCE_SPARED, out);
		return ST_OK;
	}
	status = ask_store(q, name, &view, &rows, err);
	if (status == ST_UNAVAILABLE && follow_is_over(cached, &view)) {
		follow_view(cached, now_ms, &view);
		status = ask_store(q, name, &view, &rows, err);
	}
	out->ended_ms = cached->config.now_ms();
	atomic_store(&cached->away, status == ST_UNAVAILABLE);
	if (status == ST_OK) {
		take(cached, rows, out);
	} else if (status == ST_UNAVAILABLE && find_stale(q, name, &view, &found)) {
		take_found(cached, &found, CACHE_SOURCE_AWAY, out);
		status = ST_OK;
	}
	keystore_rows_release(found.rows);
	return status;
}

/* The entry's name, in room if it fits; else *owned_out is to be freed. */
static struct span
make_name(const struct question *q, char *room, size_t room_bytes, char **owned_out)
{
	size_t bytes = 1, at = 1;

	for (size_t i = 0; i < q->count; i++)
		bytes += q->names[i].n + 1;
	*owned_out = bytes <= room_bytes ? NULL : mem_alloc(bytes);
	if (*owned_out != NULL)
		room = *owned_out;
	room[0] = q->letter;
	for (size_t i = 0; i < q->count; i++) {
		if (q->names[i].n > 0)
			memcpy(room + at, q->names[i].p, q->names[i].n);
		at += q->names[i].n;
		room[at++] = '\0';
	}
	return span_of(room, q->count == 0 ? 1 : at - 1);
}

/* *known_ms_out: when the store said last that it is so. */
static enum status
ask_heard(struct keystore *store, char letter, const struct span *names, size_t count,
    struct keystore_rows **out, int64_t *known_ms_out, struct err *err)
{
	struct cached_keystore *cached = store->state;
	struct question q = {.cached = cached, .letter = letter, .names = names, .count = count};
	char room[1024], *owned;
	struct cache *cache = letter == QUESTION_KEYS ? cached->keys : cached->rules;
	struct cache_asked asked = {.name = make_name(&q, room, sizeof(room), &owned)};

	cache_ask(cache, &asked, cached->config.now_ms(), load_rows, &q, err);
	mem_free(owned);
	*out = asked.object;
	*known_ms_out = asked.known_ms;
	return asked.status;
}

static enum status
ask(struct keystore *store, char letter, const struct span *names, size_t count,
    struct keystore_rows **out, struct err *err)
{
	int64_t known_ms;

	return ask_heard(store, letter, names, count, out, &known_ms, err);
}

static enum status
cached_senders(struct keystore *store, const struct span *names, size_t count,
    struct keystore_rows **out, struct err *err)
{
	return ask(store, QUESTION_SENDERS, names, count, out, err);
}

static enum status
cached_address(
    struct keystore *store, struct span address, struct keystore_rows **out, struct err *err)
{
	return ask(store, QUESTION_ADDRESS, &address, 1, out, err);
}

static enum status
cached_patterns(
    struct keystore *store, struct span tenant, struct keystore_rows **out, struct err *err)
{
	return ask(store, QUESTION_PATTERNS, &tenant, 1, out, err);
}

static enum status
cached_keys(struct keystore *store, struct span domain, struct keystore_rows **out, struct err *err)
{
	return ask(store, QUESTION_KEYS, &domain, 1, out, err);
}

static enum status
cached_keys_heard(struct keystore *store, struct span domain, struct keystore_rows **out,
    int64_t *silent_ms_out, struct err *err)
{
	struct cached_keystore *cached = store->state;
	int64_t known_ms = 0;
	enum status status;

	leaseclock_look(&cached->lease, cached->config.now_ms());
	status = ask_heard(store, QUESTION_KEYS, &domain, 1, out, &known_ms, err);
	*silent_ms_out = leaseclock_silent_ms(&cached->lease, known_ms, cached->config.now_ms());
	return status;
}

static enum status
cached_bindings(struct keystore *store, const struct span *subjects, size_t count,
    struct keystore_rows **out, struct err *err)
{
	return ask(store, QUESTION_BINDINGS, subjects, count, out, err);
}

/* ---- what goes through ---- */

static struct keystore *
inner_of(const struct keystore *store)
{
	return ((const struct cached_keystore *)store->state)->inner;
}

static enum status
cached_changes(struct keystore *store, uint64_t since, size_t max, struct store_change *out,
    size_t *count_out, struct store_state *state_out, struct err *err)
{
	return keystore_changes(inner_of(store), since, max, out, count_out, state_out, err);
}

static enum status
cached_now(struct keystore *store, int64_t *utc_s_out, struct err *err)
{
	return inner_of(store)->ops->now(inner_of(store), utc_s_out, err);
}

static enum status
cached_migrate(struct keystore *store, int *from_out, int *to_out, struct err *err)
{
	return inner_of(store)->ops->migrate(inner_of(store), from_out, to_out, err);
}

/* What was written here is seen here at once. */
static enum status
cached_apply(struct keystore *store, const struct keystore_write *writes, size_t count,
    size_t *at_out, struct err *err)
{
	enum status status =
	    inner_of(store)->ops->apply(inner_of(store), writes, count, at_out, err);

	if (status == ST_OK)
		cached_keystore_poll(store);
	return status;
}

static enum status
cached_list(struct keystore *store, enum store_what what, struct span after, size_t max,
    struct keystore_rows **out, struct err *err)
{
	return inner_of(store)->ops->list(inner_of(store), what, after, max, out, err);
}

static enum status
cached_domains_of(struct keystore *store, struct span tenant, struct span after, size_t max,
    struct keystore_rows **out, struct err *err)
{
	return keystore_domains(inner_of(store), tenant, after, max, out, err);
}

static enum status
cached_loading(
    struct keystore *store, uint64_t since, size_t max, struct keystore_rows **out, struct err *err)
{
	return inner_of(store)->ops->loading(inner_of(store), since, max, out, err);
}

static void
cached_close(struct keystore *store)
{
	struct cached_keystore *cached = store->state;

	thread_stop(cached);
	cache_free(cached->rules);
	cache_free(cached->keys);
	metrics_store_away(METRIC_STORE_KIND_KEYSTORE, &cached->counted_away, false);
	metrics_store_opened(METRIC_STORE_KIND_KEYSTORE, -1);
	metrics_gauge_add(METRIC_STORE_SILENT, -cached->shown_silent_s);
	keystore_close(cached->inner);
	follow_free(cached);
	revisions_free(cached);
	news_free(cached);
	shared_free(cached);
	mem_free(cached);
}

static void
set_ops(struct keystore_ops *ops, const struct keystore_ops *inner)
{
	*ops = (struct keystore_ops){.scheme = inner->scheme,
	    .close = cached_close,
	    .senders = cached_senders,
	    .address = cached_address,
	    .patterns = cached_patterns,
	    .keys = cached_keys,
	    .keys_heard = cached_keys_heard,
	    .bindings = cached_bindings,
	    .changes = cached_changes,
	    .now = inner->now == NULL ? NULL : cached_now,
	    .migrate = inner->migrate == NULL ? NULL : cached_migrate,
	    .apply = inner->apply == NULL ? NULL : cached_apply,
	    .list = inner->list == NULL ? NULL : cached_list,
	    .domains_of = inner->domains_of == NULL ? NULL : cached_domains_of,
	    .loading = inner->loading == NULL ? NULL : cached_loading,
	    .mirrors = inner->mirrors,
	    .catches_up = inner->catches_up};
}

static void
make_caches(struct cached_keystore *cached)
{
	const struct cached_keystore_config *config = &cached->config;
	/* Two polls: one may take a while, or fail. */
	struct cache_config cache = {.bytes_max = config->bytes_max / 4,
	    .fresh_ms = 2 * config->poll_ms,
	    .absent_fresh_ms = config->absent_ms,
	    .stale_ms = config->stale_ms,
	    .hold = rows_hold,
	    .release = rows_release,
	    .outdated = follow_outdated,
	    .context = cached,
	    .counted = true,
	    .counted_as = METRIC_CACHE_RULES};

	cached->rules = cache_new(&cache);
	cache.counted_as = METRIC_CACHE_KEYS;
	cache.bytes_max = config->bytes_max - cache.bytes_max;
	cached->keys = cache_new(&cache);
}

static void
sleep_ms(int64_t ms)
{
	const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&pause, NULL);
}

enum status
cached_keystore_new(struct keystore *inner, const struct cached_keystore_config *config,
    struct keystore **out, struct err *err)
{
	struct cached_keystore *cached = mem_zalloc(1, sizeof(*cached));
	struct keystore *store = mem_zalloc(1, sizeof(*store));
	enum status status;

	*out = NULL;
	cached->inner = inner;
	cached->config = *config;
	if (config->now_ms == NULL)
		cached->config.now_ms = clock_mono_ms;
	if (config->pause == NULL)
		cached->config.pause = sleep_ms;
	set_ops(&cached->ops, inner->ops);
	leaseclock_init(&cached->lease, cached->config.now_ms(), config->utc_ms);
	follow_init(cached);
	revisions_init(cached);
	news_init(cached);
	shared_init(cached);
	make_caches(cached);
	metrics_store_opened(METRIC_STORE_KIND_KEYSTORE, 1);
	store->ops = &cached->ops;
	store->where = mem_strdup(inner->where);
	store->state = cached;
	status = config->no_thread ? ST_OK : thread_start(cached, err);
	if (status != ST_OK) {
		keystore_close(store);
		return status;
	}
	*out = store;
	return ST_OK;
}

static struct cached_keystore *
cached_of(const struct keystore *store)
{
	return store->ops->close == cached_close ? store->state : NULL;
}

bool
cached_keystore_away(const struct keystore *store)
{
	const struct cached_keystore *cached = cached_of(store);

	return cached != NULL && atomic_load_explicit(&cached->away, memory_order_relaxed);
}

void
cached_keystore_stats(struct keystore *store, struct cache_stats *out)
{
	const struct cached_keystore *cached = cached_of(store);
	struct cache_stats keys;

	memset(out, 0, sizeof(*out));
	if (cached == NULL)
		return;
	cache_stats(cached->rules, out);
	cache_stats(cached->keys, &keys);
	out->hits += keys.hits;
	out->negative_hits += keys.negative_hits;
	out->misses += keys.misses;
	out->stale += keys.stale;
	out->loads += keys.loads;
	out->load_failures += keys.load_failures;
	out->evictions += keys.evictions;
	out->refreshed += keys.refreshed;
	out->entries += keys.entries;
	out->bytes += keys.bytes;
}

void
cached_keystore_poll(struct keystore *store)
{
	struct cached_keystore *cached = cached_of(store);

	if (cached != NULL)
		follow_poll(cached);
}

uint64_t
cached_keystore_epoch(const struct keystore *store)
{
	struct cached_keystore *cached = cached_of(store);

	return cached == NULL ? 0 : atomic_load(&cached->applied_epoch);
}

uint64_t
cached_keystore_wait(struct keystore *store, uint64_t epoch, int64_t timeout_ms, bool *is_one_out)
{
	struct cached_keystore *cached = cached_of(store);

	*is_one_out = cached != NULL;
	return cached == NULL ? 0 : news_wait(cached, epoch, timeout_ms);
}
