/*
 * rsa_blinding.h - the factors that blind the private operation of one RSA key. For rsa_signer.c
 * and its test only.
 *
 * A number x becomes x * r^e before the private exponent d sees it, and comes out as x^d * r, which
 * times 1 / r is the signature (Kocher 1996). r is random. Each pair (r^e, 1 / r) serves once; the
 * next one is its squares, and after 32 of them there is a new r, as in OpenSSL.
 */
#ifndef SIGNPOST_CRYPTO_RSA_BLINDING_H
#define SIGNPOST_CRYPTO_RSA_BLINDING_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#define RSA_BLINDING_USES 32

struct rsa_blinding;

/* modulus, e: of the key; borrowed, and to last as long as the blinding. NULL: the modulus is none,
 * or no memory. */
struct rsa_blinding *rsa_blinding_new(const BIGNUM *modulus, const BIGNUM *e);
void rsa_blinding_free(struct rsa_blinding *blinding); /* NULL is fine; wipes */
size_t rsa_blinding_bytes(void);                       /* of memory, without what OpenSSL takes */

/* A pair that nobody else gets, for rsa_blinding_apply(). Both are secret, and *unblind is so even
 * when the signature has gone out. false: no memory, or no randomness. Any number of threads; the
 * lock is held for two multiplications. */
bool rsa_blinding_take(
    struct rsa_blinding *blinding, BIGNUM *blind, BIGNUM *unblind, BN_CTX *context);
/* *number times one of the pair, modulo the modulus; in constant time. number: below the modulus.
 * Any number of threads. */
bool rsa_blinding_apply(
    const struct rsa_blinding *blinding, BIGNUM *number, const BIGNUM *factor, BN_CTX *context);

#endif
