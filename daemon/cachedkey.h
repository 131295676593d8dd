/*
 * cachedkey.h - one parsed key in memory: shared by counting, counted by type in the metrics, and
 * what is known about the file that it came from. For keycache.c; others see keycache.h. Times are
 * monotonic milliseconds. Any thread.
 */
#ifndef SIGNPOST_DAEMON_CACHEDKEY_H
#define SIGNPOST_DAEMON_CACHEDKEY_H

#include "daemon/keycache.h"
#include "lib/store/keyfile.h"

/* key is taken over. stamp: of its file; all zero: it is in none. With one reference. */
struct cached_key *cached_key_new(
    struct key *key, const struct keyfile_stamp *stamp, int64_t now_ms);
void cached_key_hold(struct cached_key *cached);
/* Octets that it takes, the key's included. */
size_t cached_key_bytes(const struct cached_key *cached);

/* Written down once a second at most. */
void cached_key_note_use(struct cached_key *cached, int64_t now_ms);
/* Nobody used it for so long. */
int64_t cached_key_idle_ms(const struct cached_key *cached, int64_t now_ms);

/* Is it what the file holds? Under load several messages come in a millisecond, and one look does
 * for them. */
bool cached_key_still_right(struct cached_key *cached, const char *path, int64_t now_ms);
/* The new file cannot be used: may the key go on? Yes for KEYCACHE_SETTLE_MS from the first time on
 * that this is asked. */
bool cached_key_may_go_on(struct cached_key *cached, int64_t now_ms);

#endif
