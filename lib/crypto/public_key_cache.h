/*
 * public_key_cache.h - public keys that were used lately, parsed and ready: most mail comes from
 * few domains. The key of an entry is the whole text of p= (decoded) with its algorithm, so an
 * entry can never be wrong or too old, only useless. Least recently used goes first. One thread
 * per cache; so are the keys that come out of it.
 */
#ifndef SIGNPOST_CRYPTO_PUBLIC_KEY_CACHE_H
#define SIGNPOST_CRYPTO_PUBLIC_KEY_CACHE_H

#include "lib/crypto/public_key.h"

#define PUBLIC_KEY_CACHE_MAX 65536u /* keys; an RSA key of 2048 bits takes about 5 KB */

struct public_key_cache;

/* capacity: keys held at most, 1 to PUBLIC_KEY_CACHE_MAX (clipped). */
struct public_key_cache *public_key_cache_new(size_t capacity);
void public_key_cache_free(struct public_key_cache *cache); /* NULL is fine */

/* As public_key_parse, from the cache if it is there. *key_out goes back with public_key_free and
 * stays valid until then, also when the cache forgets it or is freed. What is no key is not
 * remembered. */
enum status public_key_cache_get(struct public_key_cache *cache, enum key_algorithm algorithm,
    struct span octets, struct public_key **key_out, struct err *err) MUST_USE;

size_t public_key_cache_count(const struct public_key_cache *cache);

#endif
