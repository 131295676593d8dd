/*
 * cached_keystore.h - a key store in front of another one: answers are kept as long as the store's
 * epoch says that nothing about them changed, and given out while it is away. A thread of its own
 * asks for changes every poll_ms.
 *
 * An answer depends on "d:" of each name that was asked for and on "t:" of each tenant that was
 * found; bindings on "b:". When one of these changed it is asked for again before it is given out:
 * a change is in force poll_ms and one question later. When the poll fails, answers are fresh for
 * two poll_ms, then asked for again, and given out as stale when that fails too, until stale_ms
 * after the last word of the store.
 *
 * What is older than what was seen is never taken for new. A store whose epoch falls (a backup was
 * put back) is logged as an error and not believed until its epoch is past what was seen: what is
 * held goes on as stale. An answer of an epoch before the last poll's is ST_UNAVAILABLE, so that a
 * replica that is behind brings nothing back. A key whose revision is lower than one that was seen
 * is ST_INVALID. A store of another identity is taken as it is, unless it is empty, and what was
 * seen of the old one is forgotten, as it is when the store is closed and opened (a reload).
 *
 * Answers with keys have what is needed to sign: public_key, life and loading are empty.
 *
 * With a shared cache, what is not held is looked for there before the store is asked. Its answer
 * is as good as the store's if it was asked of a store of this identity, no change that the polls
 * told of has touched it since, and a poll succeeded lately; the first poll reads the list of
 * changes backwards for that. While the store is away such an answer is given out as stale, also
 * when there was no poll yet: then of the identity that this gateway saw last.
 *
 * Neither sign_until nor lease_s ends an answer here: they are in the rows, each key has its own,
 * and whoever signs asks store_key_may_sign() each time (route.c). keystore_keys_heard() says with
 * the rows how long ago the store confirmed them last, by its answer, by a poll that was answered
 * and did not tell of a change, or for what another gateway left, by the word that that one heard.
 * So a stale row can be given out and still not sign, and then the cause is "lease", not "store".
 */
#ifndef SIGNPOST_STORE_CACHED_KEYSTORE_H
#define SIGNPOST_STORE_CACHED_KEYSTORE_H

#include "lib/store/cache.h"
#include "lib/store/keystore.h"
#include "lib/store/sharedcache.h"

struct cached_keystore_config {
	size_t bytes_max;  /* three quarters for keys, a quarter for all else */
	int64_t poll_ms;   /* between two questions for changes; a change is in force after it */
	int64_t absent_ms; /* life of "no rows" if the store has no epochs; of rows: poll_ms */
	int64_t stale_ms;  /* how long answers are given out while the store is away */
	/* What other gateways have read is taken from here, if nothing about it changed since; and
	 * what is read is left there. Borrowed; NULL: none. A store without an identity or without
	 * epochs is not shared. */
	struct sharedcache *shared;
	struct span shared_prefix; /* of the scope, before the store's identity; copied */
	int64_t (*now_ms)(void);   /* monotonic; NULL: clock_mono_ms() */
	int64_t (*utc_ms)(void);   /* NULL: clock_utc_ms() */
	void (*pause)(int64_t ms); /* NULL: sleeps; not so long for tests with a clock of theirs */
	bool no_thread;            /* only cached_keystore_poll() asks for changes; for tests */
};

/* Takes over inner (closed with the result, or on failure). Its questions are inner's. ST_FAILED:
 * no thread. */
enum status cached_keystore_new(struct keystore *inner, const struct cached_keystore_config *config,
    struct keystore **out, struct err *err) MUST_USE;
/* The store could not be asked when it was needed last: what is given out may be old. Any thread;
 * false if store is not one. */
bool cached_keystore_away(const struct keystore *store);
/* Sums over the caches of all questions; zeroes if store is not one. */
void cached_keystore_stats(struct keystore *store, struct cache_stats *out);
/* Asks for changes now: for whoever heard that there are some. Any thread; does nothing if store is
 * not one. */
void cached_keystore_poll(struct keystore *store);
/* All changes up to this epoch are in force here: an answer that anybody is given from now on has
 * them, or is known to be old. 0: none was told yet, or store is not one. Any thread. */
uint64_t cached_keystore_epoch(const struct keystore *store);
/* The same, as soon as it is not epoch any more, or timeout_ms have passed. *is_one_out: store is
 * one, or else the answer came at once. */
uint64_t cached_keystore_wait(
    struct keystore *store, uint64_t epoch, int64_t timeout_ms, bool *is_one_out);

#endif
