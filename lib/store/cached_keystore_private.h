/*
 * cached_keystore_private.h - what cached_keystore.c (the questions) and cached_keystore_follow.c
 * (the changes) share.
 */
#ifndef SIGNPOST_STORE_CACHED_KEYSTORE_PRIVATE_H
#define SIGNPOST_STORE_CACHED_KEYSTORE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/store/cached_keystore.h"
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
	/* The last poll's; answers of an earlier one are not taken. It never falls. */
	atomic_uint_least64_t seen_epoch;
	atomic_bool away;

	/* What changed, and when: written by a poll. */
	pthread_rwlock_t changed_lock;
	struct marks *changed;   /* subjects */
	struct mark newest, all; /* of the marks; of everything */

	/* One poll at a time: held while the store is asked, and by no message. */
	pthread_mutex_t poll_lock;
	struct store_change *changes; /* KEYSTORE_CHANGES_MAX */
	bool failing, fallen;         /* logged already */

	pthread_mutex_t thread_lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool stop;

	/* The highest revisions of keys that were seen: a full memory becomes the old one. */
	pthread_mutex_t revisions_lock;
	struct marks *revisions, *old_revisions;
};

void follow_init(struct cached_keystore *cached);
/* After follow_stop(). */
void follow_free(struct cached_keystore *cached);
enum status follow_start(struct cached_keystore *cached, struct err *err) MUST_USE;
void follow_stop(struct cached_keystore *cached);
void follow_poll(struct cached_keystore *cached);
/* For struct cache_config. */
bool follow_outdated(
    void *context, struct span name, const void *object, uint64_t epoch, int64_t began_ms);
/* Is each key at least at the revision that was seen of it? ST_INVALID names the one that is not.
 */
enum status follow_revisions(
    struct cached_keystore *cached, const struct keystore_rows *rows, struct err *err) MUST_USE;

#endif
