/*
 * key_der.h - private to this room: the private keys that everybody has, taken apart by hand.
 */
#ifndef SIGNPOST_CRYPTO_KEY_DER_H
#define SIGNPOST_CRYPTO_KEY_DER_H

#include <openssl/evp.h>

#include "lib/base/span.h"

/* PrivateKeyInfo (RFC 5208 5, RFC 8410 7) of an RSA or Ed25519 key, or RSAPrivateKey (RFC 8017
 * A.1.2) of two primes. NULL: something else, or more, or less; OpenSSL's decoders may know it. */
EVP_PKEY *key_from_der(struct span der);

#endif
