/*
 * key.h - a private key: parsed once, kept in secret memory, spoken of by pointer only here and in
 * the keeper. RFC 8301 (rsa-sha256, never sha1), RFC 8463 (ed25519-sha256: PureEdDSA over the
 * SHA-256 of the data).
 */
#ifndef SIGNPOST_CRYPTO_KEY_H
#define SIGNPOST_CRYPTO_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/crypto/digest.h"

enum key_algorithm { KEY_RSA_SHA256, KEY_ED25519_SHA256 };

#define KEY_RSA_BITS_MIN 1024 /* signing below it is refused, RFC 8301 section 3.2 */
#define KEY_RSA_BITS_MAX 8192
#define KEY_TEXT_MAX 32768     /* octets of a PEM or base64 private key */
#define KEY_SIGNATURE_MAX 1024 /* octets of a raw signature: RSA 8192 bits */

struct key;

/* Call in a process that will hold keys, before anything else touches OpenSSL: all of its memory
 * is then secret memory (secret.h). ST_FAILED when OpenSSL was already in use. */
enum status key_memory_secure(void) MUST_USE;

/* text: PEM (PKCS#1, PKCS#8, unencrypted), or base64 of DER, or DER. Borrowed; the caller wipes it.
 * The reason in *err never holds bytes of the key. ST_INVALID. Free with key_free. */
enum status key_parse(struct span text, struct key **key_out, struct err *err) MUST_USE;
void key_free(struct key *key); /* NULL is fine; wipes */

enum key_algorithm key_algorithm(const struct key *key);
int key_bits(const struct key *key); /* RSA modulus; 256 for Ed25519 */
/* Octets of memory that the key takes, with what the first signature adds to it (blinding,
 * Montgomery). In a process with key_memory_secure() all but a few of them are secret memory. */
size_t key_bytes(const struct key *key);
/* "rsa-sha256" or "ed25519-sha256": the a= tag. Static. */
const char *key_algorithm_name(enum key_algorithm algorithm);
/* The reverse, without case. ST_ABSENT for an unknown name (rsa-sha1 among them). */
enum status key_algorithm_by_name(struct span name, enum key_algorithm *algorithm_out) MUST_USE;

/* Signs a SHA-256 digest. signature: KEY_SIGNATURE_MAX octets of room. Any number of threads may
 * use one key. ST_FAILED. */
enum status key_sign(struct key *key, const uint8_t digest[SHA256_BYTES], uint8_t *signature,
    size_t *signature_bytes_out, struct err *err) MUST_USE;
/* Verifies with the public half; for self-tests of a key just made. */
enum status key_verify(
    struct key *key, const uint8_t digest[SHA256_BYTES], struct span signature) MUST_USE;

/* bits: for RSA only, KEY_RSA_BITS_MIN to KEY_RSA_BITS_MAX. */
enum status key_generate(
    enum key_algorithm algorithm, int bits, struct key **key_out, struct err *err) MUST_USE;
/* The value of p=: base64 of SubjectPublicKeyInfo (RSA) or of the 32 raw octets (Ed25519). */
enum status key_public_base64(const struct key *key, struct buf *out) MUST_USE;
/* PKCS#8 PEM in secret memory (secret_free), NUL-terminated. */
enum status key_private_pem(const struct key *key, char **pem_out, struct err *err) MUST_USE;

#endif
