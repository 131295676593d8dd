/*
 * keycache.h - the keeper's parsed private keys: lib/store/cache.h with what is particular to keys.
 * Bounded by octets of secret memory, least recently used goes first, and what nobody used for
 * KEYCACHE_IDLE_MS goes, too; wiped when the last user lets go. One thread loads a missing key, the
 * others wait for it. What cannot be loaded is not kept: a file may be there the next moment, and
 * names without a key must not drive out keys.
 *
 * A key is named by what the KeyTable says: a path, or the key text itself (remembered as its
 * SHA-256 only), or a row of the KeyStore (the text and whose it is, likewise).
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
#include "lib/store/cache.h"
#include "daemon/unsealer.h"

#define KEYCACHE_SETTLE_MS 2000
#define KEYCACHE_IDLE_MS 3600000 /* a key that nobody used for so long leaves the memory */
#define KEYCACHE_BYTES_MIN 65536 /* room for the largest key, and for some of the usual ones */

struct keycache;
struct cached_key;

/* bytes_max: KeyCacheSize. unsealer: for keys of a KeyStore; borrowed; NULL: none of them opens. */
struct keycache *keycache_new(size_t bytes_max, bool require_safe, struct unsealer *unsealer);
void keycache_free(struct keycache *cache);

/* Which key. */
struct keycache_name {
	struct span text; /* the KeyTable's third field, or the private key of a row */
	const struct sealedkey_owner *owner; /* NULL: of the KeyTable */
	/* Monotonic: nobody signs with it from then on (sign_until of the row), and it is not kept
	 * for longer than that. 0: no such time. */
	int64_t not_after_ms;
};

/* digest: the calling thread's own. now_ms: monotonic.
 * ST_OK: *out is held until cached_key_release(). ST_DENIED: the file is not safe, or the key is
 * not the owner's. ST_ABSENT: no file, no site key. ST_INVALID,
 * ST_UNAVAILABLE: *err names the file and why. Any thread. */
enum status keycache_get(struct keycache *cache, const struct keycache_name *name,
    struct digest *digest, int64_t now_ms, struct cached_key **out, struct err *err) MUST_USE;
struct key *cached_key_key(const struct cached_key *cached);
void cached_key_release(struct cached_key *cached);

/* Drops the keys that were not used for KEYCACHE_IDLE_MS, and those whose not_after_ms is over. To
 * be called every minute or so, by any thread. */
void keycache_sweep(struct keycache *cache, int64_t now_ms);

/* Keys and octets held now, and what was counted. */
void keycache_stats(struct keycache *cache, struct cache_stats *out);

#endif
