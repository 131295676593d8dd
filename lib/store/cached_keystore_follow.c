/*
 * cached_keystore_follow.c - what changed in a key store since it was asked last, and what is older
 * than what was seen. A thread of its own asks every poll_ms; the caches ask about each entry. It
 * must never call an answer right that a change may have touched, nor let a store that went back in
 * time undo what was seen of it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/store/cached_keystore_private.h"

#define CHANGED_MAX 16384U   /* subjects; more: everything before now is asked for again */
#define REVISIONS_MAX 32768U /* numbers of revisions, twice */

void
follow_init(struct cached_keystore *cached)
{
	pthread_condattr_t attributes;

	pthread_rwlock_init(&cached->changed_lock, NULL);
	pthread_mutex_init(&cached->poll_lock, NULL);
	pthread_mutex_init(&cached->thread_lock, NULL);
	pthread_mutex_init(&cached->revisions_lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&cached->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	cached->changed = marks_new(CHANGED_MAX);
	cached->revisions = marks_new(REVISIONS_MAX);
	cached->old_revisions = marks_new(REVISIONS_MAX);
	cached->changes = mem_zalloc(KEYSTORE_CHANGES_MAX, sizeof(*cached->changes));
	cached->stop = true; /* no thread yet */
}

void
follow_free(struct cached_keystore *cached)
{
	pthread_rwlock_destroy(&cached->changed_lock);
	pthread_mutex_destroy(&cached->poll_lock);
	pthread_mutex_destroy(&cached->thread_lock);
	pthread_mutex_destroy(&cached->revisions_lock);
	pthread_cond_destroy(&cached->wake);
	marks_free(cached->changed);
	marks_free(cached->revisions);
	marks_free(cached->old_revisions);
	mem_free(cached->changes);
}

/* ---- is an answer older than a change? ---- */

static bool
before(struct mark mark, uint64_t epoch, int64_t began_ms)
{
	return epoch < mark.number || began_ms < mark.at_ms;
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

bool
follow_outdated(
    void *context, struct span name, const void *object, uint64_t epoch, int64_t began_ms)
{
	struct cached_keystore *cached = context;
	const struct looking l = {.cached = cached, .epoch = epoch, .began_ms = began_ms};
	bool changed;

	pthread_rwlock_rdlock(&cached->changed_lock);
	changed = before(cached->all, epoch, began_ms);
	if (!changed && before(cached->newest, epoch, began_ms))
		changed = object == NULL || names_changed(&l, name.p[0], span_from(name, 1)) ||
			  tenants_changed(&l, object);
	pthread_rwlock_unlock(&cached->changed_lock);
	return changed;
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
 * that still catches up: what was asked for before this poll may be of before it. false: there are
 * more subjects than can be remembered. */
static bool
some_changed(struct cached_keystore *cached, size_t count, uint64_t since, int64_t asked_ms)
{
	bool room = true;

	pthread_rwlock_wrlock(&cached->changed_lock);
	for (size_t i = 0; i < count && room; i++) {
		const struct store_change *change = &cached->changes[i];
		struct mark mark = {
		    .number = change->epoch, .at_ms = change->epoch <= since ? asked_ms : 0};

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
	if (!cached->fallen)
		log_line(LOG_LEVEL_ERROR,
		    "KeyStore %s is at epoch %llu, and %llu was seen before: a backup was put "
		    "back, "
		    "or this server is behind; nothing is taken from it, and what is known is used "
		    "on, for %lld minutes at most; if the store is right as it is, reload "
		    "signpostd",
		    cached->inner->where, (unsigned long long)epoch, (unsigned long long)seen,
		    (long long)(cached->config.stale_ms / 60000));
	cached->fallen = true;
}

static void
recheck(struct cached_keystore *cached)
{
	cache_recheck(cached->rules);
	cache_recheck(cached->keys);
}

/* The store was asked at asked_ms and is at epoch. */
static void
take_changes(struct cached_keystore *cached, enum status status, size_t count, uint64_t epoch,
    uint64_t since, int64_t asked_ms)
{
	struct mark now = {.number = epoch, .at_ms = asked_ms};
	bool told = status == ST_OK && (count > 0 || epoch == since);
	bool news = since == 0 || count > 0 || !told || cached->fallen;

	/* Before, so that an answer to a question that began before the marks does not pass for one
	 * of a store that is behind; after, so that nothing is right by having been looked at
	 * before them. */
	if (news)
		recheck(cached);
	if (since == 0)
		all_changed(cached, (struct mark){.number = epoch}); /* the first poll */
	else if (cached->fallen || !told || !some_changed(cached, count, since, asked_ms))
		all_changed(cached, now);
	if (cached->failing || cached->fallen)
		log_line(LOG_LEVEL_NOTICE, "KeyStore %s answers again, at epoch %llu",
		    cached->inner->where, (unsigned long long)epoch);
	cached->failing = cached->fallen = false;
	atomic_store(&cached->away, false);
	atomic_store(&cached->seen_epoch, epoch);
	if (news)
		recheck(cached);
	if (epoch > 0) {
		cache_confirm(cached->rules, 1, asked_ms);
		cache_confirm(cached->keys, 1, asked_ms);
	}
}

void
follow_poll(struct cached_keystore *cached)
{
	struct store_state now = {.epoch = 0};
	struct err err = ERR_NONE;
	uint64_t since;
	enum status status;
	int64_t asked_ms;
	size_t count = 0;

	pthread_mutex_lock(&cached->poll_lock);
	asked_ms = cached->config.now_ms();
	since = atomic_load(&cached->seen_epoch);
	status = keystore_changes(
	    cached->inner, since, KEYSTORE_CHANGES_MAX, cached->changes, &count, &now, &err);
	if (status != ST_OK && status != ST_TOO_BIG)
		note_failure(cached, status, &err);
	else if (now.epoch < since)
		note_fall(cached, now.epoch, since);
	else
		take_changes(cached, status, count, now.epoch, since, asked_ms);
	pthread_mutex_unlock(&cached->poll_lock);
}

/* ---- revisions ---- */

/* Is number at least what was seen under this name? */
static bool
revision_passes(struct cached_keystore *cached, struct span name, uint64_t number, uint64_t *seen)
{
	const struct mark mark = {.number = number};
	uint64_t old = marks_get(cached->old_revisions, name).number;

	*seen = marks_get(cached->revisions, name).number;
	if (old > *seen)
		*seen = old;
	if (number < *seen)
		return false;
	if (!marks_raise(cached->revisions, name, mark)) {
		struct marks *full = cached->revisions;

		cached->revisions = cached->old_revisions;
		cached->old_revisions = full;
		marks_clear(cached->revisions);
		(void)!marks_raise(cached->revisions, name, mark);
	}
	return true;
}

static enum status
check_revision(struct cached_keystore *cached, const struct store_key *key, const char *what,
    uint64_t number, struct err *err)
{
	char name[KEYSTORE_DOMAIN_MAX + KEYSTORE_SELECTOR_MAX + KEYSTORE_ID_MAX + 8];
	int n = snprintf(name, sizeof(name), "%s %.*s %.*s %.*s", what, SPAN_ARG(key->domain),
	    SPAN_ARG(key->selector), SPAN_ARG(key->id));
	uint64_t seen;

	if (n < 0 || (size_t)n >= sizeof(name))
		return ST_OK; /* no name that a row may have: route.c says so */
	if (revision_passes(cached, span_of(name, (size_t)n), number, &seen))
		return ST_OK;
	err_set(err,
	    "%s: the key %.*s (%.*s of %.*s) has revision %llu%s, and %llu was seen before: an old "
	    "row was put back; put the newer one there, or reload signpostd if this is right",
	    cached->inner->where, SPAN_ARG(key->id), SPAN_ARG(key->selector), SPAN_ARG(key->domain),
	    (unsigned long long)number, what[0] == 'r' ? " of its row" : "",
	    (unsigned long long)seen);
	return ST_INVALID;
}

enum status
follow_revisions(struct cached_keystore *cached, const struct keystore_rows *rows, struct err *err)
{
	enum status status = ST_OK;

	if (rows->key_count == 0)
		return ST_OK;
	pthread_mutex_lock(&cached->revisions_lock);
	for (size_t i = 0; i < rows->key_count && status == ST_OK; i++) {
		const struct store_key *key = &rows->keys[i];

		status = check_revision(cached, key, "k", key->revision, err);
		if (status == ST_OK)
			status = check_revision(cached, key, "r", key->row_revision, err);
	}
	pthread_mutex_unlock(&cached->revisions_lock);
	return status;
}

/* ---- the thread ---- */

static void *
follow_run(void *context)
{
	struct cached_keystore *cached = context;

	pthread_mutex_lock(&cached->thread_lock);
	while (!cached->stop) {
		struct timespec until;

		pthread_mutex_unlock(&cached->thread_lock);
		follow_poll(cached);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += cached->config.poll_ms / 1000;
		until.tv_nsec += cached->config.poll_ms % 1000 * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_mutex_lock(&cached->thread_lock);
		while (!cached->stop && pthread_cond_timedwait(&cached->wake, &cached->thread_lock,
					    &until) != ETIMEDOUT)
			;
	}
	pthread_mutex_unlock(&cached->thread_lock);
	return NULL;
}

enum status
follow_start(struct cached_keystore *cached, struct err *err)
{
	sigset_t all, old;
	int error;

	cached->stop = false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&cached->thread, NULL, follow_run, cached);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error == 0)
		return ST_OK;
	cached->stop = true;
	err_set(err, "KeyStore: no thread for its changes: %s", strerror(error));
	return ST_FAILED;
}

void
follow_stop(struct cached_keystore *cached)
{
	bool running;

	pthread_mutex_lock(&cached->thread_lock);
	running = !cached->stop;
	cached->stop = true;
	pthread_cond_signal(&cached->wake);
	pthread_mutex_unlock(&cached->thread_lock);
	if (running)
		pthread_join(cached->thread, NULL);
}
