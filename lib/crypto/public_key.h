/*
 * public_key.h - a public key out of a key record (the octets of p=), for verifying only.
 * RFC 6376 section 3.3, RFC 8301 (sizes), RFC 8463 (Ed25519). Immutable once parsed.
 */
#ifndef SIGNPOST_CRYPTO_PUBLIC_KEY_H
#define SIGNPOST_CRYPTO_PUBLIC_KEY_H

#include <stdint.h>

#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/crypto/digest.h"
#include "lib/crypto/key.h"

#define PUBLIC_KEY_RSA_BITS_MIN 512 /* smaller is ST_INVALID; below 1024 is for policy to say */
#define PUBLIC_KEY_BYTES_MAX 2200u  /* octets of a DER key: RSA KEY_RSA_BITS_MAX, and room */

struct public_key;

/* octets: for RSA the DER of SubjectPublicKeyInfo or of RSAPublicKey (RFC 6376 asks for the
 * second, everybody publishes the first); for Ed25519 the 32 raw octets, or SubjectPublicKeyInfo.
 * ST_INVALID: no key of that kind, octets behind it, an even or small modulus, an exponent below 3,
 * even, or longer than 64 bits. ST_TOO_BIG: a modulus above KEY_RSA_BITS_MAX. Cheap: no PEM and
 * no general decoder. Free with public_key_free. */
enum status public_key_parse(enum key_algorithm algorithm, struct span octets,
    struct public_key **key_out, struct err *err) MUST_USE;
void public_key_free(struct public_key *key); /* NULL is fine */

enum key_algorithm public_key_algorithm(const struct public_key *key);
int public_key_bits(const struct public_key *key); /* RSA modulus; 256 for Ed25519 */

/* RSA: PKCS#1 v1.5 over a SHA-256 digest; Ed25519: over its 32 octets. ST_OK: verifies.
 * ST_INVALID: does not, or has the wrong length. ST_FAILED: the library failed. One thread at a
 * time per key. */
enum status public_key_verify(
    struct public_key *key, const uint8_t digest[SHA256_BYTES], struct span signature) MUST_USE;

#endif
