/*
 * hmac.h - HMAC-SHA256 (RFC 2104, FIPS 198-1), without fetching the algorithm again.
 */
#ifndef SIGNPOST_CRYPTO_HMAC_H
#define SIGNPOST_CRYPTO_HMAC_H

#include <stdint.h>

#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/crypto/digest.h"

/* The algorithm without a key. Any number of threads may use one. */
struct hmac;

/* ST_FAILED: the library has none. */
enum status hmac_new(struct hmac **out, struct err *err) MUST_USE;
void hmac_free(struct hmac *hmac); /* NULL is fine */

/* key: 1 octet at least. ST_FAILED: the library; out is zeroed then. */
enum status hmac_make(
    const struct hmac *hmac, struct span key, struct span text, uint8_t out[SHA256_BYTES]) MUST_USE;

#endif
