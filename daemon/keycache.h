/*
 * keycache.h - the keeper's parsed private keys: bounded, least recently used goes first, wiped
 * when the last user lets go. A key is named by what the KeyTable says: a path, or the key text
 * itself (remembered as its SHA-256 only), or a row of the KeyStore (the text and whose it is,
 * likewise). One thread loads a missing key, the others wait for it.
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
#include "daemon/unsealer.h"

#define KEYCACHE_SETTLE_MS 2000

struct keycache;
struct cached_key;

/* unsealer: for keys of a KeyStore; borrowed; NULL: none of them opens. */
struct keycache *keycache_new(size_t keys_max, bool require_safe, struct unsealer *unsealer);

/* Which key. */
struct keycache_name {
	struct span text; /* the KeyTable's third field, or the private key of a row */
	const struct sealedkey_owner *owner; /* NULL: of the KeyTable */
};
void keycache_free(struct keycache *cache);

/* digest: the calling thread's own. now_ms: monotonic.
 * ST_OK: *out is held until cached_key_release(). ST_DENIED: the file is not safe, or the key is
 * not the owner's. ST_ABSENT: no file, no site key. ST_INVALID,
 * ST_UNAVAILABLE: *err names the file and why. Any thread. */
enum status keycache_get(struct keycache *cache, const struct keycache_name *name,
    struct digest *digest, int64_t now_ms, struct cached_key **out, struct err *err) MUST_USE;
struct key *cached_key_key(const struct cached_key *cached);
void cached_key_release(struct cached_key *cached);

/* Keys held now; for tests and metrics. */
size_t keycache_count(struct keycache *cache);

#endif
