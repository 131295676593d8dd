/*
 * rsa_signer.h - RSA signatures (PKCS #1 v1.5 with SHA-256, RFC 8017 section 8.2) with one private
 * key, as small and as soon ready as possible. For key.c only.
 *
 * All arithmetic with secrets is OpenSSL's. What is done here is what its own private operation
 * does around it, with two differences: there each key gets one blinding for the thread that came
 * first and a second one for all others, here all threads use one; and a blinding is there in a
 * sixth of the time (rsa_blinding.c), which is half of what the first signature of a key costs.
 */
#ifndef SIGNPOST_CRYPTO_RSA_SIGNER_H
#define SIGNPOST_CRYPTO_RSA_SIGNER_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/crypto/digest.h"

struct rsa_signer;

/* pkey: an RSA key pair with its primes; borrowed, and not needed afterwards. NULL: OpenSSL refuses
 * it. */
struct rsa_signer *rsa_signer_new(const EVP_PKEY *pkey);
void rsa_signer_free(struct rsa_signer *signer); /* NULL is fine; wipes */

/* signature: room for the octets of the modulus, whose number is *n_out. Any number of threads. */
bool rsa_signer_sign(struct rsa_signer *signer, const uint8_t digest[SHA256_BYTES],
    uint8_t *signature, size_t *n_out);
/* The key in the form that the rest of OpenSSL takes; to be freed. NULL: no memory. */
EVP_PKEY *rsa_signer_pkey(const struct rsa_signer *signer);
/* Octets of memory, with what the first signature adds. */
size_t rsa_signer_bytes(const struct rsa_signer *signer);

#endif
