/*
 * masked_inverse.h - the inverse of a number that is no secret, modulo an odd number. For
 * rsa_blinding.c only, which masks what it gives.
 */
#ifndef SIGNPOST_CRYPTO_MASKED_INVERSE_H
#define SIGNPOST_CRYPTO_MASKED_INVERSE_H

#include <openssl/types.h>
#include <stdbool.h>

/* Moduli that are longer take the library's way, which is slower. */
#define MASKED_INVERSE_BITS_MAX 4096

/* *out = 1 / a modulo modulus, from 1 to modulus - 1. a: from 0 to modulus - 1; its value shows in
 * the time that this takes. modulus: odd, above 2; public. out may be a. What is left on the stack
 * is wiped. false: there is none, or no memory. Any number of threads. */
bool masked_inverse(BIGNUM *out, const BIGNUM *a, const BIGNUM *modulus, BN_CTX *context);

#endif
