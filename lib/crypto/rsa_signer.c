/*
 * rsa_signer.c - RSA signatures with one blinding for each key.
 * Called by key.c for each signature, by many threads at once. It must never give the private
 * exponents a number that is not blinded (rsa_blinding.c says why that is safe), nor let out a
 * signature that OpenSSL has not compared with the number.
 */
/* EVP keys cannot be used with a blinding of one's own. The functions below have been marked as
 * deprecated for that reason alone: providers do not know them. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/crypto/key.h"
#include "lib/crypto/rsa_blinding.h"
#include "lib/crypto/rsa_signer.h"

/* What OpenSSL 3 takes for a key that has signed, in slots of secret memory: a fixed part, and so
 * many octets for each 16 bits of the modulus (the numbers of the key, four Montgomery contexts,
 * the blinding's two factors). test_key_memory measures it. */
#define FIXED_BYTES 1136U
#define BITS_PER_STEP 16U
#define STEP_BYTES 29U

struct rsa_signer {
	RSA *rsa;
	struct rsa_blinding *blinding;
};

/* RFC 8017 section 9.2, note 1: SHA-256. */
static const uint8_t digest_info[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
    0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

struct rsa_signer *
rsa_signer_new(const EVP_PKEY *pkey)
{
	/* A copy, with nothing of pkey in it. */
	RSA *rsa = EVP_PKEY_get1_RSA((EVP_PKEY *)(uintptr_t)pkey);
	struct rsa_signer *signer;

	if (rsa == NULL)
		return NULL;
	if (RSA_get0_p(rsa) == NULL || RSA_get0_q(rsa) == NULL || RSA_get0_dmp1(rsa) == NULL ||
	    RSA_get0_dmq1(rsa) == NULL || RSA_get0_iqmp(rsa) == NULL) {
		RSA_free(rsa);
		return NULL;
	}
	signer = mem_zalloc(1, sizeof(*signer));
	signer->rsa = rsa;
	signer->blinding = rsa_blinding_new(RSA_get0_n(rsa), RSA_get0_e(rsa));
	if (signer->blinding == NULL) {
		rsa_signer_free(signer);
		return NULL;
	}
	return signer;
}

void
rsa_signer_free(struct rsa_signer *signer)
{
	if (signer == NULL)
		return;
	rsa_blinding_free(signer->blinding);
	RSA_free(signer->rsa);
	mem_free(signer);
}

/* number to the private exponent, blinded on the way. */
static bool
private_exp(struct rsa_signer *signer, BIGNUM *number, BIGNUM *out, BN_CTX *context)
{
	int (*exponentiate)(BIGNUM *, const BIGNUM *, RSA *, BN_CTX *) =
	    RSA_meth_get_mod_exp(RSA_PKCS1_OpenSSL());
	BIGNUM *blind = BN_CTX_get(context), *unblind = BN_CTX_get(context);

	return unblind != NULL && rsa_blinding_take(signer->blinding, blind, unblind, context) &&
	       rsa_blinding_apply(signer->blinding, number, blind, context) &&
	       exponentiate(out, number, signer->rsa, context) == 1 &&
	       rsa_blinding_apply(signer->blinding, out, unblind, context);
}

bool
rsa_signer_sign(struct rsa_signer *signer, const uint8_t digest[SHA256_BYTES], uint8_t *signature,
    size_t *n_out)
{
	int n = RSA_size(signer->rsa);
	uint8_t info[sizeof(digest_info) + SHA256_BYTES], padded[KEY_SIGNATURE_MAX];
	BN_CTX *context = BN_CTX_new();
	BIGNUM *number, *out;
	bool ok;

	if (context == NULL)
		return false;
	memcpy(info, digest_info, sizeof(digest_info));
	memcpy(info + sizeof(digest_info), digest, SHA256_BYTES);
	BN_CTX_start(context);
	number = BN_CTX_get(context);
	out = BN_CTX_get(context);
	ok = out != NULL && n <= (int)sizeof(padded) &&
	     RSA_padding_add_PKCS1_type_1(padded, n, info, sizeof(info)) == 1 &&
	     BN_bin2bn(padded, n, number) != NULL && private_exp(signer, number, out, context) &&
	     BN_bn2binpad(out, signature, n) == n;
	BN_CTX_end(context);
	BN_CTX_free(context);
	*n_out = (size_t)n;
	return ok;
}

size_t
rsa_signer_bytes(const struct rsa_signer *signer)
{
	size_t steps = ((size_t)RSA_bits(signer->rsa) + BITS_PER_STEP - 1) / BITS_PER_STEP;

	return sizeof(*signer) + 2 * sizeof(size_t) + rsa_blinding_bytes() + FIXED_BYTES +
	       steps * STEP_BYTES;
}

EVP_PKEY *
rsa_signer_pkey(const struct rsa_signer *signer)
{
	EVP_PKEY *pkey = EVP_PKEY_new();

	if (pkey != NULL && EVP_PKEY_set1_RSA(pkey, signer->rsa) != 1) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	return pkey;
}
