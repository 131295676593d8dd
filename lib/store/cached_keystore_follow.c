/*
 * cached_keystore_follow.c - what changed in a key store since it was asked last, and what is older
 * than what was seen. A thread of its own asks every poll_ms; the caches ask about each entry. It
 * must never call an answer right that a change may have touched, nor let a store that went back in
 * time undo what was seen of it.
 */
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"
#include "lib/store/cached_keystore_private.h"

#define CHANGED_MAX 16384U /* subjects; more: everything before now is asked for again */

void
follow_init(struct cached_keystore *cached)
{
	pthread_rwlock_init(&cached->changed_lock, NULL);
	pthread_mutex_init(&cached->poll_lock, NULL);
	cached->changed = marks_new(CHANGED_MAX);
	cached->changes = mem_zalloc(KEYSTORE_CHANGES_MAX, sizeof(*cached->changes));
	cached->wake = cached->watch = -1;
}

void
follow_free(struct cached_keystore *cached)
{
	pthread_rwlock_destroy(&cached->changed_lock);
	pthread_mutex_destroy(&cached->poll_lock);
	marks_free(cached->changed);
	mem_free(cached->changes);
}

/* ---- is an answer older than a change? ---- */

/* Times of before this machine was started, as others' may be, are negative. */
static bool
before(struct mark mark, uint64_t epoch, int64_t began_ms)
{
	return epoch < mark.number || (mark.at_ms != 0 && began_ms < mark.at_ms);
}

/* An answer whose dependencies are looked at. */
struct looking {
	const struct cached_keystore *cached;
	uint64_t epoch;
	int64_t began_ms;
};

static bool
subject_changed(const struct looking *l, const char *kind, struct span name)
{
	char text[KEYSTORE_SUBJECT_MAX + 2];

	if (name.n > sizeof(text) - 2)
		return true;
	memcpy(text, kind, 2);
	if (name.n > 0)
		memcpy(text + 2, name.p, name.n);
	return before(
	    marks_get(l->cached->changed, span_of(text, name.n + 2)), l->epoch, l->began_ms);
}

static bool
tenants_changed(const struct looking *l, const struct keystore_rows *rows)
{
	bool changed = false;

	for (size_t i = 0; i < rows->tenant_count && !changed; i++)
		changed = subject_changed(l, "t:", rows->tenants[i].name);
	for (size_t i = 0; i < rows->domain_count && !changed; i++)
		changed = subject_changed(l, "t:", rows->domains[i].tenant);
	for (size_t i = 0; i < rows->rule_count && !changed; i++)
		changed = subject_changed(l, "t:", rows->rules[i].tenant);
	for (size_t i = 0; i < rows->key_count && !changed; i++)
		changed = subject_changed(l, "t:", rows->keys[i].tenant);
	for (size_t i = 0; i < rows->binding_count && !changed; i++)
		changed = subject_changed(l, "t:", rows->bindings[i].tenant);
	return changed;
}

/* names: of domains, with NULs between them. */
static bool
domains_changed(const struct looking *l, struct span names)
{
	struct span name;
	bool more = true, changed = false;

	while (more && !changed) {
		more = span_cut(&names, '\0', &name);
		changed = subject_changed(l, "d:", name);
	}
	return changed;
}

static bool
names_changed(const struct looking *l, char letter, struct span names)
{
	size_t at;

	switch (letter) {
	case QUESTION_SENDERS:
	case QUESTION_KEYS:
		return domains_changed(l, names);
	case QUESTION_ADDRESS:
		at = span_rfind(names, '@');
		return subject_changed(l, "d:", at == SIZE_MAX ? names : span_from(names, at + 1));
	case QUESTION_PATTERNS:
		return subject_changed(l, "t:", names);
	default:
		return subject_changed(l, "b:", SPAN_EMPTY);
	}
}

/* With the lock. rows may be NULL. */
static bool
outdated(const struct looking *l, struct span name, const struct keystore_rows *rows)
{
	const struct cached_keystore *cached = l->cached;

	if (before(cached->all, l->epoch, l->began_ms))
		return true;
	if (!before(cached->newest, l->epoch, l->began_ms))
		return false;
	return rows == NULL || names_changed(l, name.p[0], span_from(name, 1)) ||
	       tenants_changed(l, rows);
}

bool
follow_outdated(
    void *context, struct span name, const void *object, uint64_t epoch, int64_t began_ms)
{
	struct cached_keystore *cached = context;
	const struct looking l = {.cached = cached, .epoch = epoch, .began_ms = began_ms};
	bool changed;

	pthread_rwlock_rdlock(&cached->changed_lock);
	changed = outdated(&l, name, object);
	pthread_rwlock_unlock(&cached->changed_lock);
	return changed;
}

/* ---- what other gateways asked for ---- */

/* With the lock. */
static bool
is_current(const struct cached_keystore *cached, int64_t now_ms)
{
	return cached->believed && now_ms - cached->polled_ms < 2 * cached->config.poll_ms;
}

void
follow_view(struct cached_keystore *cached, int64_t now_ms, struct view *out)
{
	pthread_rwlock_rdlock(&cached->changed_lock);
	out->seen = atomic_load(&cached->seen_epoch);
	out->history = cached->history;
	out->polled = cached->polled;
	out->current = is_current(cached, now_ms);
	memcpy(out->identity, cached->identity, sizeof(out->identity));
	pthread_rwlock_unlock(&cached->changed_lock);
}

bool
follow_is_over(struct cached_keystore *cached, const struct view *view)
{
	bool over;

	pthread_rwlock_rdlock(&cached->changed_lock);
	over = view->history != cached->history;
	pthread_rwlock_unlock(&cached->changed_lock);
	return over;
}

/* With the lock. An epoch grows with time: at the first poll the store was at first.number, so
 * nobody has seen a higher one before it, but in a history that was undone without giving the store
 * another identity. asked_ms was moved back for clocks that differ. */
static bool
is_plausible(const struct cached_keystore *cached, uint64_t epoch, int64_t asked_ms)
{
	return cached->first.number == 0 || epoch <= cached->first.number ||
	       asked_ms + 2 * SHAREDCACHE_SKEW_MS >= cached->first.at_ms;
}

enum belief
follow_belief(struct cached_keystore *cached, const struct view *view, struct span name,
    const struct keystore_rows *rows, int64_t asked_ms, int64_t now_ms)
{
	const struct looking l = {.cached = cached, .epoch = rows->epoch, .began_ms = asked_ms};
	enum belief belief = BELIEF_NONE;
	int64_t known_ms = asked_ms;

	pthread_rwlock_rdlock(&cached->changed_lock);
	if (cached->polled && cached->polled_ms > known_ms)
		known_ms = cached->polled_ms;
	if (view->history == cached->history && is_plausible(cached, rows->epoch, asked_ms) &&
	    !outdated(&l, name, rows)) {
		if (is_current(cached, now_ms))
			belief = BELIEF_FRESH;
		else if (now_ms - known_ms < cached->config.stale_ms)
			belief = BELIEF_STALE;
	}
	pthread_rwlock_unlock(&cached->changed_lock);
	return belief;
}

/* Where a replica may show a new epoch and old rows, this has passed since it was told last. */
bool
follow_may_share(struct cached_keystore *cached, const struct view *view, struct span name,
    const struct keystore_rows *rows, int64_t asked_ms)
{
	bool catches_up = cached->inner->ops->catches_up, may;
	const struct looking l = {.cached = cached,
	    .epoch = rows->epoch,
	    .began_ms = catches_up ? asked_ms - 2 * cached->config.poll_ms : asked_ms};

	pthread_rwlock_rdlock(&cached->changed_lock);
	may = cached->believed && view->history == cached->history && rows->epoch != 0 &&
	      !(catches_up && rows->epoch > atomic_load(&cached->seen_epoch)) &&
	      !outdated(&l, name, rows);
	pthread_rwlock_unlock(&cached->changed_lock);
	return may;
}

/* ---- what changed? ---- */

static void
raise_mark(struct mark *mark, struct mark to)
{
	if (to.number > mark->number)
		mark->number = to.number;
	if (to.at_ms > mark->at_ms)
		mark->at_ms = to.at_ms;
}

/* Everything that was asked for before this. */
static void
all_changed(struct cached_keystore *cached, struct mark mark)
{
	pthread_rwlock_wrlock(&cached->changed_lock);
	raise_mark(&cached->all, mark);
	marks_clear(cached->changed);
	cached->newest = (struct mark){.number = 0};
	pthread_rwlock_unlock(&cached->changed_lock);
}

/* A change that is told again, without a new epoch, is one whose writer is not done, or a replica
 * that still catches up: what was asked for before this poll may be of before it. */
bool
follow_some_changed(
    struct cached_keystore *cached, size_t count, uint64_t told_after, int64_t asked_ms)
{
	bool catches_up = cached->inner->ops->catches_up, room = true;

	pthread_rwlock_wrlock(&cached->changed_lock);
	for (size_t i = 0; i < count && room; i++) {
		const struct store_change *change = &cached->changes[i];
		bool again = change->epoch <= told_after || catches_up;
		struct mark mark = {.number = change->epoch, .at_ms = again ? asked_ms : 0};

		room = marks_raise(cached->changed, span_str(change->subject), mark);
		raise_mark(&cached->newest, mark);
	}
	pthread_rwlock_unlock(&cached->changed_lock);
	return room;
}

static void
note_failure(struct cached_keystore *cached, enum status status, const struct err *err)
{
	if (status == ST_UNAVAILABLE)
		atomic_store(&cached->away, true);
	metrics_store_away(METRIC_STORE_KIND_KEYSTORE, &cached->counted_away, true);
	if (!cached->failing)
		log_line(LOG_LEVEL_WARNING,
		    "KeyStore %s cannot be asked for changes: %s; what is known is used on, for "
		    "%lld minutes at most",
		    cached->inner->where, err->text, (long long)(cached->config.stale_ms / 60000));
	cached->failing = true;
}

/* A backup was put back, or a replica answers that is behind. */
static void
note_fall(struct cached_keystore *cached, uint64_t epoch, uint64_t seen)
{
	atomic_store(&cached->away, true);
	metrics_store_away(METRIC_STORE_KIND_KEYSTORE, &cached->counted_away, true);
	pthread_rwlock_wrlock(&cached->changed_lock);
	cached->believed = false;
	pthread_rwlock_unlock(&cached->changed_lock);
	if (!cached->fallen)
		log_line(LOG_LEVEL_ERROR,
		    "KeyStore %s is at epoch %llu, and %llu was seen before: a backup was put "
		    "back, or this server is behind; nothing is taken from it, and what is known "
		    "is used on, for %lld minutes at most; if the store is right as it is, %s",
		    cached->inner->where, (unsigned long long)epoch, (unsigned long long)seen,
		    (long long)(cached->config.stale_ms / 60000),
		    cached->identity[0] != '\0'
			? "run: signpost store renew"
			: "reload signpostd (it has no identity that could be renewed)");
	cached->fallen = true;
}

static void
recheck(struct cached_keystore *cached)
{
	cache_recheck(cached->rules);
	cache_recheck(cached->keys);
}

static void
note_answer(struct cached_keystore *cached, uint64_t epoch)
{
	if (cached->failing || cached->fallen)
		log_line(LOG_LEVEL_NOTICE, "KeyStore %s answers again, at epoch %llu",
		    cached->inner->where, (unsigned long long)epoch);
	cached->failing = cached->fallen = false;
	atomic_store(&cached->away, false);
	metrics_store_away(METRIC_STORE_KIND_KEYSTORE, &cached->counted_away, false);
}

/* What a poll that was answered says about the store. */
static void
take_state(struct cached_keystore *cached, const struct store_state *now, int64_t asked_ms)
{
	pthread_rwlock_wrlock(&cached->changed_lock);
	memcpy(cached->identity, now->identity, sizeof(cached->identity));
	cached->believed = now->identity[0] != '\0' && now->epoch != 0;
	cached->polled_ms = asked_ms;
	if (cached->first.number == 0)
		cached->first = (struct mark){.number = now->epoch, .at_ms = asked_ms};
	atomic_store(&cached->seen_epoch, now->epoch);
	pthread_rwlock_unlock(&cached->changed_lock);
}

/* The first poll. What was asked for before it may be of another history, which nothing tells. */
static void
begin_history(struct cached_keystore *cached, uint64_t epoch)
{
	all_changed(cached, (struct mark){.number = epoch});
	if (epoch == 0)
		return; /* each poll is the first */
	pthread_rwlock_wrlock(&cached->changed_lock);
	revisions_forget(cached, ++cached->history);
	pthread_rwlock_unlock(&cached->changed_lock);
	cache_clear(cached->rules);
	cache_clear(cached->keys);
}

/* The store was asked at asked_ms and is as now says. */
static void
take_changes(struct cached_keystore *cached, enum status status, size_t count,
    const struct store_state *now, uint64_t since, int64_t asked_ms)
{
	struct mark mark = {.number = now->epoch, .at_ms = asked_ms};
	bool told = status == ST_OK && (count > 0 || now->epoch == since);
	bool news = since == 0 || count > 0 || !told || cached->fallen;

	/* Before, so that an answer to a question that began before the marks does not pass for one
	 * of a store that is behind; after, so that nothing is right by having been looked at
	 * before them. */
	if (news)
		recheck(cached);
	if (since == 0)
		begin_history(cached, now->epoch);
	else if (cached->fallen || !told || !follow_some_changed(cached, count, since, asked_ms))
		all_changed(cached, mark);
	note_answer(cached, now->epoch);
	if (now->epoch > 0) {
		cache_confirm(cached->rules, 1, asked_ms);
		cache_confirm(cached->keys, 1, asked_ms);
	}
	take_state(cached, now, asked_ms);
	if (news)
		recheck(cached);
	if (since == 0 && cached->config.shared != NULL && cached->believed)
		past_read(cached, now);
}

/* Neither epochs nor revisions of the two can be compared, so that only time tells what is of this
 * one: what is asked for from now on. */
static void
become_another(struct cached_keystore *cached, const struct store_state *now, int64_t asked_ms)
{
	int64_t answered_ms = cached->config.now_ms();

	log_line(LOG_LEVEL_NOTICE,
	    "KeyStore %s has another identity than before, and is at epoch %llu: it was renewed, "
	    "or is another store; everything is asked for anew",
	    cached->inner->where, (unsigned long long)now->epoch);
	recheck(cached);
	pthread_rwlock_wrlock(&cached->changed_lock);
	marks_clear(cached->changed);
	cached->newest = cached->first = (struct mark){.number = 0};
	cached->all = (struct mark){.number = now->epoch, .at_ms = answered_ms + 1};
	cached->remembered_ms = 0;
	memcpy(cached->identity, now->identity, sizeof(cached->identity));
	atomic_store(&cached->seen_epoch, now->epoch);
	revisions_forget(cached, ++cached->history);
	pthread_rwlock_unlock(&cached->changed_lock);
	note_answer(cached, now->epoch);
	take_state(cached, now, asked_ms);
	recheck(cached);
}

/* After an answer, from which on nothing is guessed. */
static bool
is_another(struct cached_keystore *cached, const struct store_state *now)
{
	const char *before;
	bool another;

	pthread_rwlock_wrlock(&cached->changed_lock);
	before = cached->polled ? cached->identity : cached->guess;
	another = before[0] != '\0' && strcmp(before, now->identity) != 0;
	cached->polled = true;
	pthread_rwlock_unlock(&cached->changed_lock);
	return another;
}

/* With the lock of polls. */
static void
show_silence(struct cached_keystore *cached)
{
	int64_t silent_s =
	    cached->polled_ms == 0 ? 0 : (cached->config.now_ms() - cached->polled_ms) / 1000;

	metrics_gauge_add(METRIC_STORE_SILENT, silent_s - cached->shown_silent_s);
	cached->shown_silent_s = silent_s;
}

void
follow_poll(struct cached_keystore *cached)
{
	struct store_state now = {.epoch = 0};
	struct err err = ERR_NONE;
	uint64_t since;
	enum status status;
	int64_t asked_ms, began_us;
	size_t count = 0;

	pthread_mutex_lock(&cached->poll_lock);
	asked_ms = cached->config.now_ms();
	leaseclock_look(&cached->lease, asked_ms);
	since = atomic_load(&cached->seen_epoch);
	began_us = clock_mono_us();
	status = keystore_changes(
	    cached->inner, since, KEYSTORE_CHANGES_MAX, cached->changes, &count, &now, &err);
	metrics_observe_at(METRIC_STORE_SECONDS, METRIC_STORE_CHANGES, clock_mono_us() - began_us);
	if (status != ST_OK && status != ST_TOO_BIG)
		note_failure(cached, status, &err);
	else if (now.epoch < since)
		note_fall(cached, now.epoch, since);
	else if (is_another(cached, &now))
		become_another(cached, &now, asked_ms);
	else
		take_changes(cached, status, count, &now, since, asked_ms);
	show_silence(cached);
	news_tell(cached);
	if (cached->config.shared != NULL && cached->believed)
		shared_remember(cached, now.epoch, asked_ms);
	pthread_mutex_unlock(&cached->poll_lock);
}
