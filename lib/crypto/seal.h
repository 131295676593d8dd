/*
 * seal.h - octets closed with AES-256-GCM (NIST SP 800-38D) under a key that HKDF-SHA256 (RFC 5869)
 * makes of a site key and a purpose, bound to a context. Whoever has not the site key can neither
 * read nor change nor move them.
 */
#ifndef SIGNPOST_CRYPTO_SEAL_H
#define SIGNPOST_CRYPTO_SEAL_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/crypto/hmac.h"

#define SEAL_KEY_BYTES 32U
#define SEAL_NONCE_BYTES 12U
#define SEAL_TAG_BYTES 16U
#define SEAL_OVERHEAD (SEAL_NONCE_BYTES + SEAL_TAG_BYTES)
#define SEAL_PLAIN_MAX (1U << 24) /* octets closed at once */

/* A key that seals and opens; lives in secret memory. Any number of threads may use one. */
struct seal;

/* Appends one field of an info or a context: its length as four octets, the highest first, then its
 * octets. What is made of such fields alone is read in one way only. */
void seal_add_field(struct buf *to, struct span field);

/* info: what the derived key is for: fields. salt may be empty (RFC 5869: then 32 zero octets).
 * ST_FAILED (no memory, the library). One reference: seal_free(). */
enum status seal_derive(const uint8_t site_key[SEAL_KEY_BYTES], struct span salt, struct span info,
    struct seal **out, struct err *err) MUST_USE;
void seal_hold(struct seal *seal); /* one reference more; any thread */
void seal_free(struct seal *seal); /* one less; the last one wipes; NULL is fine; any thread */

/* Appends nonce (random), ciphertext and tag: plain.n + SEAL_OVERHEAD octets. context is
 * authenticated, not stored. ST_OK, ST_TOO_BIG (out, or more than SEAL_PLAIN_MAX), ST_FAILED. */
enum status seal_close(struct seal *seal, struct span context, struct span plain, struct buf *out,
    struct err *err) MUST_USE;

/* room: sealed.n octets at least, in secret memory if the plain text is secret; holds nothing of
 * it unless ST_OK. ST_OK: *plain_n_out octets. ST_DENIED: not sealed by this key for this context,
 * or changed since. ST_INVALID: shorter than the overhead or longer than can be. ST_FAILED. */
enum status seal_open(struct seal *seal, struct span context, struct span sealed, void *room,
    size_t *plain_n_out, struct err *err) MUST_USE;

/* A key that is made of another one, whose purpose is to make keys: HMAC-SHA256 of text under it.
 * One reference: seal_free(). ST_FAILED. */
enum status seal_make(
    struct seal *from, const struct hmac *hmac, struct span text, struct seal **out) MUST_USE;

/* HMAC-SHA256 of text under the same key, for a key whose purpose is to name things and never to
 * seal one. ST_FAILED. */
enum status seal_name(struct seal *seal, const struct hmac *hmac, struct span text,
    uint8_t out[SHA256_BYTES]) MUST_USE;

#endif
