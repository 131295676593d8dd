/*
 * public_key.c - public keys of strangers: parsed by hand, given to OpenSSL as plain numbers, used
 * to verify. Called by the verifying half for each key record. It must never touch PEM or
 * OpenSSL's decoder (each costs several verifications), and never say yes when the library fails.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "lib/base/mem.h"
#include "lib/crypto/der.h"
#include "lib/crypto/public_key.h"
#include "lib/crypto/public_key_private.h"

#define ED25519_BYTES 32u
#define ED25519_SIGNATURE_BYTES 64u
#define EXPONENT_BYTES_MAX 8u
#define MODULUS_BYTES_MAX (KEY_RSA_BITS_MAX / 8)

static enum status
invalid(struct err *err, const char *why)
{
	err_set(err, "%s", why);
	return ST_INVALID;
}

static int
number_bits(struct span digits)
{
	int bits = (int)digits.n * 8;

	for (unsigned int top = digits.n > 0 ? (uint8_t)digits.p[0] : 0x80; top < 0x80; top <<= 1)
		bits--;
	return bits;
}

static bool
number_is_odd(struct span digits)
{
	return digits.n > 0 && (digits.p[digits.n - 1] & 1) != 0;
}

static enum status
rsa_numbers_check(struct span modulus, struct span exponent, struct err *err)
{
	if (modulus.n > MODULUS_BYTES_MAX) {
		err_set(err, "the RSA key has more than %d bits", KEY_RSA_BITS_MAX);
		return ST_TOO_BIG;
	}
	if (number_bits(modulus) < PUBLIC_KEY_RSA_BITS_MIN)
		return invalid(err, "the RSA key is too small to be one");
	if (!number_is_odd(modulus) || !number_is_odd(exponent))
		return invalid(err, "the RSA key has an even number in it");
	if (exponent.n > EXPONENT_BYTES_MAX || number_bits(exponent) < 2)
		return invalid(err, "the exponent of the RSA key is out of range");
	return ST_OK;
}

/* OSSL_PARAM wants numbers in the order of this machine. */
static OSSL_PARAM
number_param(const char *name, struct span digits, unsigned char *room)
{
	for (size_t i = 0; i < digits.n; i++) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		room[i] = (unsigned char)digits.p[digits.n - 1 - i];
#else
		room[i] = (unsigned char)digits.p[i];
#endif
	}
	return OSSL_PARAM_construct_BN(name, room, digits.n);
}

static EVP_PKEY *
rsa_import(struct span modulus, struct span exponent)
{
	unsigned char n[MODULUS_BYTES_MAX], e[EXPONENT_BYTES_MAX];
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM params[3];
	EVP_PKEY *pkey = NULL;

	params[0] = number_param(OSSL_PKEY_PARAM_RSA_N, modulus, n);
	params[1] = number_param(OSSL_PKEY_PARAM_RSA_E, exponent, e);
	params[2] = OSSL_PARAM_construct_end();
	if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
	    EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(context);
	return pkey;
}

static enum status
rsa_parse(struct span der, struct public_key *key, struct err *err)
{
	struct span modulus, exponent;
	enum status st;

	if (!der_rsa_public(der, &modulus, &exponent))
		return invalid(err, "it is no RSA public key");
	st = rsa_numbers_check(modulus, exponent, err);
	if (st != ST_OK)
		return st;
	key->bits = number_bits(modulus);
	key->signature_bytes = modulus.n;
	key->pkey = rsa_import(modulus, exponent);
	return key->pkey != NULL ? ST_OK : invalid(err, "the crypto library refuses the RSA key");
}

static enum status
ed25519_parse(struct span octets, struct public_key *key, struct err *err)
{
	struct span raw = octets;

	if (octets.n != ED25519_BYTES && !der_ed25519_public(octets, &raw))
		return invalid(err, "it is no Ed25519 public key of 32 octets");
	key->bits = 256;
	key->signature_bytes = ED25519_SIGNATURE_BYTES;
	key->pkey = EVP_PKEY_new_raw_public_key(
	    EVP_PKEY_ED25519, NULL, (const unsigned char *)raw.p, raw.n);
	return key->pkey != NULL ? ST_OK
				 : invalid(err, "the crypto library refuses the Ed25519 key");
}

enum status
public_key_parse(
    enum key_algorithm algorithm, struct span octets, struct public_key **key_out, struct err *err)
{
	struct public_key *key;
	enum status st;

	*key_out = NULL;
	key = mem_zalloc(1, sizeof(*key));
	key->algorithm = algorithm;
	key->owners = 1;
	if (algorithm == KEY_RSA_SHA256)
		st = rsa_parse(octets, key, err);
	else
		st = ed25519_parse(octets, key, err);
	if (st != ST_OK) {
		ERR_clear_error();
		public_key_free(key);
		return st;
	}
	*key_out = key;
	return ST_OK;
}

void
public_key_free(struct public_key *key)
{
	if (key == NULL || --key->owners > 0)
		return;
	EVP_PKEY_CTX_free(key->ready);
	EVP_MD_CTX_free(key->ready_eddsa);
	EVP_PKEY_free(key->pkey);
	mem_free(key);
}

enum key_algorithm
public_key_algorithm(const struct public_key *key)
{
	return key->algorithm;
}

int
public_key_bits(const struct public_key *key)
{
	return key->bits;
}

/* The context is made once per key and serves any number of signatures. */
static bool
rsa_prepare(struct public_key *key)
{
	EVP_PKEY_CTX *context;

	if (key->ready != NULL)
		return true;
	context = EVP_PKEY_CTX_new(key->pkey, NULL);
	if (context == NULL || EVP_PKEY_verify_init(context) != 1 ||
	    EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) != 1 ||
	    EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) != 1) {
		EVP_PKEY_CTX_free(context);
		return false;
	}
	key->ready = context;
	return true;
}

static enum status
rsa_verify(struct public_key *key, const uint8_t *digest, struct span signature)
{
	if (!rsa_prepare(key))
		return ST_FAILED;
	return EVP_PKEY_verify(key->ready, (const unsigned char *)signature.p, signature.n, digest,
		   SHA256_BYTES) == 1
		   ? ST_OK
		   : ST_INVALID;
}

static bool
ed25519_prepare(struct public_key *key)
{
	if (key->ready_eddsa == NULL)
		key->ready_eddsa = EVP_MD_CTX_new();
	/* Initialised each time: OpenSSL does not promise that a one-shot context is good twice. */
	return key->ready_eddsa != NULL && EVP_DigestVerifyInit_ex(key->ready_eddsa, NULL, NULL,
					       NULL, NULL, key->pkey, NULL) == 1;
}

static enum status
ed25519_verify(struct public_key *key, const uint8_t *digest, struct span signature)
{
	if (!ed25519_prepare(key))
		return ST_FAILED;
	return EVP_DigestVerify(key->ready_eddsa, (const unsigned char *)signature.p, signature.n,
		   digest, SHA256_BYTES) == 1
		   ? ST_OK
		   : ST_INVALID;
}

enum status
public_key_verify(struct public_key *key, const uint8_t digest[SHA256_BYTES], struct span signature)
{
	enum status st = ST_INVALID;

	if (signature.n != key->signature_bytes)
		return ST_INVALID;
	if (key->algorithm == KEY_RSA_SHA256)
		st = rsa_verify(key, digest, signature);
	else
		st = ed25519_verify(key, digest, signature);
	if (st != ST_OK)
		ERR_clear_error();
	return st;
}
