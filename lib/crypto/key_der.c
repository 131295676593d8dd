/*
 * key_der.c - private keys from DER without OpenSSL's decoders, which try every format that they
 * know and take fifty times as long (0.4 ms for a key that signs in 0.25 ms).
 * Called by key_parse() before those. It must never copy a number of a key into ordinary memory,
 * and never take what is not exactly one of the forms below: the decoders then decide.
 */
/* As rsa_signer.c takes it: a key of the newer form would be made once more for that. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "lib/crypto/der.h"
#include "lib/crypto/key.h"
#include "lib/crypto/key_der.h"

#define RSA_NUMBERS 8U
#define ED25519_BYTES 32U

static const uint8_t oid_rsa[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
static const uint8_t oid_ed25519[] = {0x2b, 0x65, 0x70};

/* A positive number, highest octet first, without the zero that says so. */
static bool
take_positive(struct span *rest, struct span *digits_out)
{
	struct span digits;

	if (!der_take(rest, DER_INTEGER, &digits) || digits.n == 0 || (digits.p[0] & 0x80) != 0)
		return false;
	if (digits.p[0] == 0)
		digits = span_from(digits, 1);
	*digits_out = digits;
	return digits.n > 0 && digits.p[0] != 0;
}

static bool
take_version_0(struct span *rest)
{
	struct span version;

	return der_take(rest, DER_INTEGER, &version) && version.n == 1 && version.p[0] == 0;
}

/* The setters take numbers over, and mark those that are secret; not before all are there. */
static bool
fill_rsa(RSA *rsa, BIGNUM *numbers[RSA_NUMBERS])
{
	if (RSA_set0_key(rsa, numbers[0], numbers[1], numbers[2]) != 1)
		return false;
	numbers[0] = numbers[1] = numbers[2] = NULL;
	if (RSA_set0_factors(rsa, numbers[3], numbers[4]) != 1)
		return false;
	numbers[3] = numbers[4] = NULL;
	if (RSA_set0_crt_params(rsa, numbers[5], numbers[6], numbers[7]) != 1)
		return false;
	numbers[5] = numbers[6] = numbers[7] = NULL;
	return true;
}

/* numbers: of RSAPrivateKey, in its order; those that are taken over are NULL then. */
static EVP_PKEY *
make_rsa(BIGNUM *numbers[RSA_NUMBERS])
{
	EVP_PKEY *pkey = EVP_PKEY_new();
	RSA *rsa = RSA_new();

	if (pkey != NULL && rsa != NULL && fill_rsa(rsa, numbers) &&
	    EVP_PKEY_assign_RSA(pkey, rsa) == 1)
		return pkey;
	RSA_free(rsa);
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return NULL;
}

/* RSAPrivateKey. */
static EVP_PKEY *
rsa_from_der(struct span der)
{
	BIGNUM *of_key[RSA_NUMBERS] = {NULL};
	struct span numbers, digits;
	EVP_PKEY *pkey = NULL;
	size_t i = 0;

	if (!der_take(&der, DER_SEQUENCE, &numbers) || der.n > 0 || !take_version_0(&numbers))
		return NULL;
	while (i < RSA_NUMBERS && take_positive(&numbers, &digits) && digits.n <= KEY_TEXT_MAX) {
		of_key[i] = BN_bin2bn((const unsigned char *)digits.p, (int)digits.n, NULL);
		if (of_key[i] == NULL)
			break;
		i++;
	}
	if (i == RSA_NUMBERS && numbers.n == 0)
		pkey = make_rsa(of_key);
	for (i = 0; i < RSA_NUMBERS; i++)
		BN_clear_free(of_key[i]);
	return pkey;
}

/* CurvePrivateKey. */
static EVP_PKEY *
ed25519_from_der(struct span der)
{
	struct span raw;

	if (!der_take(&der, DER_OCTET_STRING, &raw) || der.n > 0 || raw.n != ED25519_BYTES)
		return NULL;
	return EVP_PKEY_new_raw_private_key(
	    EVP_PKEY_ED25519, NULL, (const unsigned char *)raw.p, raw.n);
}

static EVP_PKEY *
info_from_der(struct span info)
{
	struct span algorithm, oid, key, null;

	if (!take_version_0(&info) || !der_take(&info, DER_SEQUENCE, &algorithm) ||
	    !der_take(&algorithm, DER_OID, &oid) || !der_take(&info, DER_OCTET_STRING, &key) ||
	    info.n > 0)
		return NULL;
	if (span_eq(oid, span_of(oid_ed25519, sizeof(oid_ed25519))) && algorithm.n == 0)
		return ed25519_from_der(key);
	if (span_eq(oid, span_of(oid_rsa, sizeof(oid_rsa))) &&
	    der_take(&algorithm, DER_NULL, &null) && null.n == 0 && algorithm.n == 0)
		return rsa_from_der(key);
	return NULL;
}

EVP_PKEY *
key_from_der(struct span der)
{
	struct span rest = der, info;
	EVP_PKEY *pkey;

	if (!der_take(&rest, DER_SEQUENCE, &info) || rest.n > 0)
		return NULL;
	pkey = info_from_der(info);
	return pkey != NULL ? pkey : rsa_from_der(der);
}
