/*
 * keycache.h - the keeper's parsed private keys: bounded, least recently used goes first, wiped
 * when the last user lets go. A key is named by what the KeyTable says: a path, or the key text
 * itself (remembered as its SHA-256 only). One thread loads a missing key, the others wait for it.
 *
 * A changed key file is used a millisecond later at the latest: one stat() for the messages of a
 * millisecond tells. While the new file cannot be read or parsed - it is just being written - the
 * old key goes on for KEYCACHE_SETTLE_MS.
 */
#ifndef SIGNPOST_DAEMON_KEYCACHE_H
#define SIGNPOST_DAEMON_KEYCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/crypto/key.h"

#define KEYCACHE_SETTLE_MS 2000

struct keycache;
struct cached_key;

struct keycache *keycache_new(size_t keys_max, bool require_safe);
void keycache_free(struct keycache *cache);

/* name: the KeyTable's third field. digest: the calling thread's own. now_ms: monotonic.
 * ST_OK: *out is held until cached_key_release(). ST_DENIED: the file is not safe. ST_INVALID,
 * ST_UNAVAILABLE: *err names the file and why. Any thread. */
enum status keycache_get(struct keycache *cache, struct span name, struct digest *digest,
    int64_t now_ms, struct cached_key **out, struct err *err) MUST_USE;
struct key *cached_key_key(const struct cached_key *cached);
void cached_key_release(struct cached_key *cached);

/* Keys held now; for tests and metrics. */
size_t keycache_count(struct keycache *cache);

#endif
