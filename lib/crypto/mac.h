/*
 * mac.h - HMAC with any digest of SHA-2 that DNS uses for transaction signatures (RFC 8945 section
 * 6), over a text in pieces. For a few texts a second; hmac.h is for many.
 */
#ifndef SIGNPOST_CRYPTO_MAC_H
#define SIGNPOST_CRYPTO_MAC_H

#include <stdint.h>

#include "lib/base/span.h"
#include "lib/base/status.h"

enum mac_digest { MAC_SHA256, MAC_SHA384, MAC_SHA512 };
#define MAC_BYTES_MAX 64U

size_t mac_bytes(enum mac_digest digest); /* 32, 48 or 64 */
/* Writes mac_bytes() octets. key: 1 octet at least; it is kept nowhere. ST_FAILED: the library. Any
 * thread. */
enum status mac_make(enum mac_digest digest, struct span key, const struct span *pieces,
    size_t count, uint8_t out[MAC_BYTES_MAX]) MUST_USE;

#endif
