/*
 * cached_keystore_private.h - what the files of a cached key store share: cached_keystore.c (the
 * questions), cached_keystore_follow.c (the changes), cached_keystore_news.c (who waits for them),
 * cached_keystore_thread.c (when they are asked for), cached_keystore_past.c (those before it was
 * opened), cached_keystore_revisions.c (of keys), cached_keystore_shared.c (what other gateways
 * know).
 */
#ifndef SIGNPOST_STORE_CACHED_KEYSTORE_PRIVATE_H
#define SIGNPOST_STORE_CACHED_KEYSTORE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/store/cached_keystore.h"
#include "lib/store/leaseclock.h"
#include "lib/store/marks.h"

/* The first letter of an entry's name; then the names that were asked for, a NUL between them. */
#define QUESTION_SENDERS 's'
#define QUESTION_ADDRESS 'a'
#define QUESTION_PATTERNS 'p'
#define QUESTION_KEYS 'k'
#define QUESTION_BINDINGS 'b'

struct cached_keystore {
	struct keystore *inner;
	struct keystore_ops ops; /* what inner can, this can */
	struct cached_keystore_config config;
	struct cache *rules, *keys;
	/* The last poll's; answers of an earlier one are not taken. It falls only with another
	 * identity. */
	atomic_uint_least64_t seen_epoch;
	atomic_bool away, counted_away; /* in the gauge */
	struct leaseclock lease;

	/* What changed, and when: written by a poll. */
	pthread_rwlock_t changed_lock;
	struct marks *changed;   /* subjects */
	struct mark newest, all; /* of the marks; of everything */
	/* What the store said at the last poll that it is, or empty. A store of another identity is
	 * another history, whose epochs and revisions cannot be compared with these. */
	char identity[KEYSTORE_IDENTITY_BYTES];
	/* Before the first poll: what it was when this gateway heard of it last. */
	char guess[KEYSTORE_IDENTITY_BYTES];
	unsigned history;  /* number of it: 0 before the first poll, 1 more with each identity */
	bool polled;       /* a poll was answered */
	bool believed;     /* and the last one with an identity, and an epoch that did not fall */
	int64_t polled_ms; /* when the last began that was answered, and did not fall */
	struct mark first; /* poll of this history; number 0: none */

	/* What seen_epoch was when the last poll that was answered was done with it. */
	atomic_uint_least64_t applied_epoch;
	pthread_mutex_t news_lock;
	pthread_cond_t news;
	bool tried; /* a poll is done, with whatever answer */

	/* One poll at a time: held while the store is asked, and by no message. */
	pthread_mutex_t poll_lock;
	struct store_change *changes; /* KEYSTORE_CHANGES_MAX */
	int64_t shown_silent_s;       /* in the gauge */
	bool failing, fallen;         /* logged already */
	int64_t remembered_ms;        /* when the identity was left for a restart; 0: never */

	pthread_t thread;
	bool has_thread;
	int wake, watch; /* eventfd, inotify; -1: none */
	char *watched;   /* the name of the file in its folder */

	/* The highest revisions of keys that were seen: a full memory becomes the old one. */
	pthread_mutex_t revisions_lock;
	struct marks *revisions, *old_revisions;
	unsigned revisions_history;

	atomic_bool closing;

	char *machine;                   /* names this gateway and its store; see shared_guess() */
	atomic_int_least64_t guessed_ms; /* when that was answered last; 0: never */
};

/* What is known of the store when a question to it begins. */
struct view {
	uint64_t seen;
	unsigned history;
	bool polled;
	bool current; /* a poll was answered lately: what it did not tell is as it was */
	char identity[KEYSTORE_IDENTITY_BYTES]; /* empty: it has none, or none is known */
};

enum belief {
	BELIEF_NONE,  /* it may have changed, or is too old */
	BELIEF_STALE, /* better than nothing while the store is away */
	BELIEF_FRESH  /* as right as the last poll */
};

/* ---- cached_keystore_follow.c ---- */

void follow_init(struct cached_keystore *cached);
/* After thread_stop(). */
void follow_free(struct cached_keystore *cached);
void follow_poll(struct cached_keystore *cached);
/* For struct cache_config. */
bool follow_outdated(
    void *context, struct span name, const void *object, uint64_t epoch, int64_t began_ms);
void follow_view(struct cached_keystore *cached, int64_t now_ms, struct view *out);
/* Has another history begun since? */
bool follow_is_over(struct cached_keystore *cached, const struct view *view);
/* What was asked of the store of this view, at asked_ms or later but for the error of a clock, by
 * another gateway. */
enum belief follow_belief(struct cached_keystore *cached, const struct view *view, struct span name,
    const struct keystore_rows *rows, int64_t asked_ms, int64_t now_ms);
/* May what was just asked for be left for other gateways? */
bool follow_may_share(struct cached_keystore *cached, const struct view *view, struct span name,
    const struct keystore_rows *rows, int64_t asked_ms);
/* Of count changes in cached->changes; told_after: what is not behind this epoch was told before.
 * false: there are more subjects than can be remembered. */
bool follow_some_changed(
    struct cached_keystore *cached, size_t count, uint64_t told_after, int64_t asked_ms) MUST_USE;

/* ---- cached_keystore_news.c ---- */

void news_init(struct cached_keystore *cached);
void news_free(struct cached_keystore *cached);
/* A poll is done: everybody is given what it told. */
void news_tell(struct cached_keystore *cached);
uint64_t news_wait(struct cached_keystore *cached, uint64_t epoch, int64_t timeout_ms);
/* Until the first poll is done. */
void news_wait_first(struct cached_keystore *cached, int64_t timeout_ms);

/* ---- cached_keystore_thread.c ---- */

/* Polls now, and then every poll_ms, and when the store's file is written to. */
enum status thread_start(struct cached_keystore *cached, struct err *err) MUST_USE;
void thread_stop(struct cached_keystore *cached); /* also if it was never started */

/* ---- cached_keystore_past.c ---- */

/* After the first poll, with the lock of polls: reads what changed before it, as far back as is
 * useful, so that what others have asked for before now can be believed. */
void past_read(struct cached_keystore *cached, const struct store_state *now);

/* ---- cached_keystore_revisions.c ---- */

void revisions_init(struct cached_keystore *cached);
void revisions_free(struct cached_keystore *cached);
/* Is each key at least at the revision that was seen of it? ST_INVALID names the one that is not.
 * ST_UNAVAILABLE: the rows are of another history. */
enum status revisions_check(struct cached_keystore *cached, unsigned history,
    const struct keystore_rows *rows, struct err *err) MUST_USE;
/* Those of another history begin. */
void revisions_forget(struct cached_keystore *cached, unsigned history);

/* ---- cached_keystore_shared.c ---- */

struct found {
	struct keystore_rows *rows; /* NULL: nothing */
	int64_t asked_ms;
	enum belief belief;
	bool late; /* the shared cache is: it may have one */
};

/* All but _init and _free: only if config.shared is set. name: of an entry. */
void shared_init(struct cached_keystore *cached);
void shared_free(struct cached_keystore *cached);
/* What other gateways have, if it can be believed. *out is the caller's to release. */
void shared_find(struct cached_keystore *cached, const struct view *view, struct span name,
    int64_t now_ms, struct found *out);
/* The shared cache was late and the store is away: waits a moment. true: it is worth another
 * question, the tries-th after the first. */
bool shared_wait(struct cached_keystore *cached, unsigned tries);
/* Leaves an answer of the store for others. asked_ms: when the question began. */
void shared_leave(struct cached_keystore *cached, const struct view *view, struct span name,
    const struct keystore_rows *rows, int64_t asked_ms);
/* Before the first poll: puts into view which identity the store had when this gateway heard of it
 * last. false: the shared cache is late. */
bool shared_guess(struct cached_keystore *cached, struct view *view, int64_t now_ms);
/* A poll: leaves that for shared_guess(), now and then. */
void shared_remember(struct cached_keystore *cached, uint64_t epoch, int64_t asked_ms);

#endif
