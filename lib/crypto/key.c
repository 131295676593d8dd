/*
 * key.c - private keys by way of OpenSSL 3.
 * The keeper parses a key once and signs with it many times; genkey makes one. It must never
 * parse per message, fetch an algorithm per message, or put bytes of a key into an error.
 */
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/crypto/key.h"
#include "lib/crypto/key_der.h"
#include "lib/crypto/rsa_signer.h"

#define ED25519_BYTES 1024U /* of what OpenSSL 3 keeps; test_key_memory measures it */

/* One of two. */
struct key {
	struct rsa_signer *rsa;
	EVP_PKEY *ed25519;
	EVP_MD_CTX *ready; /* initialised for signing with ed25519, duplicated for each signature */
	enum key_algorithm algorithm;
	int bits;
};

static void *
openssl_malloc(size_t bytes, const char *file, int line)
{
	(void)file;
	(void)line;
	return secret_malloc(bytes);
}

static void *
openssl_realloc(void *old, size_t bytes, const char *file, int line)
{
	(void)file;
	(void)line;
	return secret_realloc(old, bytes);
}

static void
openssl_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	secret_free(p);
}

enum status
key_memory_secure(void)
{
	return CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) == 1
		   ? ST_OK
		   : ST_FAILED;
}

/* OpenSSL's last reason; its texts name functions and formats, never data. */
static enum status
fail_openssl(struct err *err, enum status status, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	if (reason == NULL)
		err_set(err, "%s", what);
	else
		err_set(err, "%s (%s)", what, reason);
	return status;
}

static bool
prepare_ed25519(struct key *key, EVP_PKEY *pkey)
{
	if (EVP_PKEY_up_ref(pkey) != 1)
		return false;
	key->ed25519 = pkey;
	key->ready = EVP_MD_CTX_new();
	return key->ready != NULL &&
	       EVP_DigestSignInit_ex(key->ready, NULL, NULL, NULL, NULL, pkey, NULL) == 1;
}

static enum status
key_prepare(struct key *key, EVP_PKEY *pkey, struct err *err)
{
	bool ok;

	if (key->algorithm == KEY_ED25519_SHA256) {
		ok = prepare_ed25519(key, pkey);
	} else {
		key->rsa = rsa_signer_new(pkey);
		ok = key->rsa != NULL;
	}
	return ok ? ST_OK : fail_openssl(err, ST_FAILED, "the crypto library refuses the key");
}

/* Takes pkey over in every case. */
static enum status
key_adopt(EVP_PKEY *pkey, struct key **key_out, struct err *err)
{
	struct key *key = mem_zalloc(1, sizeof(*key));
	enum status status = ST_OK;

	key->bits = EVP_PKEY_get_bits(pkey);
	if (EVP_PKEY_is_a(pkey, "ED25519") == 1) {
		key->algorithm = KEY_ED25519_SHA256;
		key->bits = 256;
	} else if (EVP_PKEY_is_a(pkey, "RSA") != 1) {
		err_set(err, "the key is neither RSA nor Ed25519");
		status = ST_INVALID;
	} else if (key->bits < KEY_RSA_BITS_MIN || key->bits > KEY_RSA_BITS_MAX) {
		err_set(err, "the RSA key has %d bits; from %d to %d are allowed", key->bits,
		    KEY_RSA_BITS_MIN, KEY_RSA_BITS_MAX);
		status = ST_INVALID;
	}
	if (status == ST_OK)
		status = key_prepare(key, pkey, err);
	EVP_PKEY_free(pkey);
	if (status != ST_OK) {
		key_free(key);
		return status;
	}
	*key_out = key;
	return ST_OK;
}

/* To be freed; NULL: no memory. */
static EVP_PKEY *
pkey_of(const struct key *key)
{
	if (key->rsa != NULL)
		return rsa_signer_pkey(key->rsa);
	return EVP_PKEY_up_ref(key->ed25519) == 1 ? key->ed25519 : NULL;
}

/* A key that asks for a pass phrase is refused: nobody is there to type it. */
static int
no_pass_phrase(char *room, int size, int rwflag, void *arg)
{
	(void)room;
	(void)size;
	(void)rwflag;
	(void)arg;
	return 0;
}

/* What stands between the lines of a PEM block of one of two names, if it is the first block and
 * has nothing but base64 in it. */
static bool
pem_body(struct span text, struct span *body_out)
{
	static const struct {
		struct span begin, end;
	} blocks[] = {
	    {{"-----BEGIN PRIVATE KEY-----", 27}, {"-----END PRIVATE KEY-----", 25}},
	    {{"-----BEGIN RSA PRIVATE KEY-----", 31}, {"-----END RSA PRIVATE KEY-----", 29}},
	};
	const char *first = memmem(text.p, text.n, "-----BEGIN", 10);
	struct span rest = span_from(text, first == NULL ? text.n : (size_t)(first - text.p));

	for (size_t i = 0; i < 2; i++) {
		const char *end;

		if (!span_starts(rest, blocks[i].begin))
			continue;
		rest = span_from(rest, blocks[i].begin.n);
		end = memmem(rest.p, rest.n, blocks[i].end.p, blocks[i].end.n);
		if (end == NULL)
			return false;
		*body_out = span_sub(rest, 0, (size_t)(end - rest.p));
		return true;
	}
	return false;
}

static EVP_PKEY *
parse_plain_pem(struct span text)
{
	struct span body;
	EVP_PKEY *pkey = NULL;
	unsigned char *der;
	size_t n = 0;

	if (!pem_body(text, &body))
		return NULL;
	der = secret_malloc(body.n + 4);
	if (der != NULL && base64_decode(body, der, &n) == ST_OK)
		pkey = key_from_der(span_of(der, n));
	secret_free(der);
	return pkey;
}

/* With OpenSSL's decoders: the rarer forms. */
static EVP_PKEY *
parse_pem(struct span text)
{
	BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
	EVP_PKEY *pkey = NULL;

	if (bio != NULL)
		pkey = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
	BIO_free(bio);
	return pkey;
}

static EVP_PKEY *
parse_der(const unsigned char *der, size_t n)
{
	const unsigned char *at = der;
	EVP_PKEY *pkey = key_from_der(span_of(der, n));

	return pkey != NULL ? pkey : d2i_AutoPrivateKey(NULL, &at, (long)n);
}

static EVP_PKEY *
parse_base64(struct span text)
{
	size_t n = 0;
	unsigned char *der = secret_malloc(text.n + 4);
	EVP_PKEY *pkey = NULL;

	if (der != NULL && base64_decode(text, der, &n) == ST_OK)
		pkey = parse_der(der, n);
	secret_free(der);
	return pkey;
}

/* A SEQUENCE, whose length octet is none of base64's: '0' alone begins either. */
static bool
is_der(struct span text)
{
	return text.n > 1 && text.p[0] == 0x30 &&
	       ((text.p[1] & 0x80) != 0 ||
		   (text.p[1] > 0x20 && text.p[1] < '/' && text.p[1] != '+'));
}

enum status
key_parse(struct span text, struct key **key_out, struct err *err)
{
	struct span trimmed = span_trim(text);
	EVP_PKEY *pkey;
	bool has_begin;

	if (trimmed.n == 0 || text.n > KEY_TEXT_MAX) {
		err_set(err,
		    trimmed.n == 0 ? "there is no key in it" : "it is longer than %d octets",
		    KEY_TEXT_MAX);
		return ST_INVALID;
	}
	has_begin = memmem(trimmed.p, trimmed.n, "-----BEGIN", 10) != NULL;
	if (has_begin)
		pkey = parse_plain_pem(trimmed);
	else if (is_der(text))
		pkey = parse_der((const unsigned char *)text.p, text.n);
	else
		pkey = parse_base64(trimmed);
	if (pkey == NULL && has_begin)
		pkey = parse_pem(trimmed);
	if (pkey == NULL)
		return fail_openssl(err, ST_INVALID,
		    "it is not an unencrypted private key in PEM form or base64 DER");
	return key_adopt(pkey, key_out, err);
}

void
key_free(struct key *key)
{
	if (key == NULL)
		return;
	rsa_signer_free(key->rsa);
	EVP_MD_CTX_free(key->ready);
	EVP_PKEY_free(key->ed25519);
	mem_free(key);
}

enum key_algorithm
key_algorithm(const struct key *key)
{
	return key->algorithm;
}

int
key_bits(const struct key *key)
{
	return key->bits;
}

size_t
key_bytes(const struct key *key)
{
	size_t own = sizeof(*key) + 2 * sizeof(size_t); /* and what malloc keeps beside it */

	return own + (key->rsa != NULL ? rsa_signer_bytes(key->rsa) : ED25519_BYTES);
}

const char *
key_algorithm_name(enum key_algorithm algorithm)
{
	return algorithm == KEY_RSA_SHA256 ? "rsa-sha256" : "ed25519-sha256";
}

enum status
key_algorithm_by_name(struct span name, enum key_algorithm *algorithm_out)
{
	if (span_ieq_str(name, "rsa-sha256"))
		*algorithm_out = KEY_RSA_SHA256;
	else if (span_ieq_str(name, "ed25519-sha256"))
		*algorithm_out = KEY_ED25519_SHA256;
	else
		return ST_ABSENT;
	return ST_OK;
}

static bool
sign_ed25519(struct key *key, const uint8_t *digest, uint8_t *signature, size_t *n)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool ok = context != NULL && EVP_MD_CTX_copy_ex(context, key->ready) == 1 &&
		  EVP_DigestSign(context, signature, n, digest, SHA256_BYTES) == 1;

	EVP_MD_CTX_free(context);
	return ok;
}

enum status
key_sign(struct key *key, const uint8_t digest[SHA256_BYTES], uint8_t *signature,
    size_t *signature_bytes_out, struct err *err)
{
	bool ok;

	*signature_bytes_out = KEY_SIGNATURE_MAX;
	if (key->algorithm == KEY_RSA_SHA256)
		ok = rsa_signer_sign(key->rsa, digest, signature, signature_bytes_out);
	else
		ok = sign_ed25519(key, digest, signature, signature_bytes_out);
	return ok ? ST_OK : fail_openssl(err, ST_FAILED, "signing failed in the crypto library");
}

static bool
verify_rsa(EVP_PKEY *pkey, const uint8_t *digest, struct span signature)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);
	bool ok = context != NULL && EVP_PKEY_verify_init(context) == 1 &&
		  EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
		  EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
		  EVP_PKEY_verify(context, (const unsigned char *)signature.p, signature.n, digest,
		      SHA256_BYTES) == 1;

	EVP_PKEY_CTX_free(context);
	return ok;
}

static bool
verify_ed25519(EVP_PKEY *pkey, const uint8_t *digest, struct span signature)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool ok = context != NULL &&
		  EVP_DigestVerifyInit_ex(context, NULL, NULL, NULL, NULL, pkey, NULL) == 1 &&
		  EVP_DigestVerify(context, (const unsigned char *)signature.p, signature.n, digest,
		      SHA256_BYTES) == 1;

	EVP_MD_CTX_free(context);
	return ok;
}

enum status
key_verify(struct key *key, const uint8_t digest[SHA256_BYTES], struct span signature)
{
	EVP_PKEY *pkey = pkey_of(key);
	bool ok = pkey != NULL &&
		  (key->algorithm == KEY_RSA_SHA256 ? verify_rsa(pkey, digest, signature)
						    : verify_ed25519(pkey, digest, signature));

	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return ok ? ST_OK : ST_INVALID;
}

enum status
key_generate(enum key_algorithm algorithm, int bits, struct key **key_out, struct err *err)
{
	EVP_PKEY *pkey;

	if (algorithm == KEY_RSA_SHA256 && (bits < KEY_RSA_BITS_MIN || bits > KEY_RSA_BITS_MAX)) {
		err_set(err, "an RSA key of %d bits cannot be made; from %d to %d are allowed",
		    bits, KEY_RSA_BITS_MIN, KEY_RSA_BITS_MAX);
		return ST_INVALID;
	}
	if (algorithm == KEY_RSA_SHA256)
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
	else
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (pkey == NULL)
		return fail_openssl(err, ST_FAILED, "the crypto library could not make a key");
	return key_adopt(pkey, key_out, err);
}

static enum status
add_base64(struct buf *out, const unsigned char *in, size_t n)
{
	char *room = buf_reserve(out, (n + 2) / 3 * 4);

	if (room == NULL)
		return ST_TOO_BIG;
	base64_encode(in, n, room);
	out->n += (n + 2) / 3 * 4;
	return ST_OK;
}

enum status
key_public_base64(const struct key *key, struct buf *out)
{
	unsigned char raw[32], *der = NULL;
	size_t raw_bytes = sizeof(raw);
	enum status status;
	EVP_PKEY *pkey;
	int n;

	if (key->algorithm == KEY_ED25519_SHA256)
		return EVP_PKEY_get_raw_public_key(key->ed25519, raw, &raw_bytes) == 1
			   ? add_base64(out, raw, raw_bytes)
			   : ST_FAILED;
	pkey = pkey_of(key);
	n = pkey == NULL ? -1 : i2d_PUBKEY(pkey, &der);
	EVP_PKEY_free(pkey);
	if (n <= 0)
		return ST_FAILED;
	status = add_base64(out, der, (size_t)n);
	OPENSSL_free(der);
	return status;
}

enum status
key_private_pem(const struct key *key, char **pem_out, struct err *err)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	EVP_PKEY *pkey = pkey_of(key);
	char *data, *pem;
	bool ok = bio != NULL && pkey != NULL &&
		  PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1;
	long n;

	EVP_PKEY_free(pkey);
	if (!ok) {
		BIO_free(bio);
		return fail_openssl(err, ST_FAILED, "the key could not be written as PEM");
	}
	n = BIO_get_mem_data(bio, &data);
	pem = secret_malloc((size_t)n + 1);
	if (pem != NULL) {
		memcpy(pem, data, (size_t)n);
		pem[n] = '\0';
	}
	BIO_free(bio);
	*pem_out = pem;
	return pem == NULL ? ST_FAILED : ST_OK;
}
