/*
 * public_key_private.h - shared by public_key.c and public_key_cache.c only.
 */
#ifndef SIGNPOST_CRYPTO_PUBLIC_KEY_PRIVATE_H
#define SIGNPOST_CRYPTO_PUBLIC_KEY_PRIVATE_H

#include <openssl/evp.h>

#include "lib/crypto/public_key.h"

struct public_key {
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *ready;     /* RSA: initialised for verifying SHA-256; NULL before the first */
	EVP_MD_CTX *ready_eddsa; /* Ed25519 */
	size_t signature_bytes;  /* what a signature has; another length does not verify */
	unsigned int owners;     /* public_key_free of the last frees */
	int bits;
	enum key_algorithm algorithm;
};

#endif
