/*
 * hmac.c - HMAC-SHA256, by way of OpenSSL 3.
 * seal.c makes the names of shared answers with it, several for each message that misses. It must
 * never fetch an algorithm for a name, nor keep a key.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/crypto/hmac.h"

struct hmac {
	EVP_MAC *mac;
	EVP_MAC_CTX *blank; /* knows its digest; copied for each use, never used itself */
};

enum status
hmac_new(struct hmac **out, struct err *err)
{
	static const unsigned char no_key[1];
	struct hmac *hmac = mem_zalloc(1, sizeof(*hmac));
	char digest[] = "SHA256";
	OSSL_PARAM params[2] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
	    OSSL_PARAM_construct_end()};

	*out = NULL;
	hmac->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	hmac->blank = hmac->mac == NULL ? NULL : EVP_MAC_CTX_new(hmac->mac);
	/* A context without any key cannot be copied. */
	if (hmac->blank == NULL || EVP_MAC_init(hmac->blank, no_key, sizeof(no_key), params) != 1) {
		ERR_clear_error();
		hmac_free(hmac);
		err_set(err, "the crypto library has no HMAC-SHA256");
		return ST_FAILED;
	}
	*out = hmac;
	return ST_OK;
}

void
hmac_free(struct hmac *hmac)
{
	if (hmac == NULL)
		return;
	EVP_MAC_CTX_free(hmac->blank);
	EVP_MAC_free(hmac->mac);
	mem_free(hmac);
}

enum status
hmac_make(const struct hmac *hmac, struct span key, struct span text, uint8_t out[SHA256_BYTES])
{
	EVP_MAC_CTX *context = EVP_MAC_CTX_dup(hmac->blank);
	size_t n = 0;
	bool ok =
	    context != NULL && key.n > 0 &&
	    EVP_MAC_init(context, (const unsigned char *)key.p, key.n, NULL) == 1 &&
	    (text.n == 0 || EVP_MAC_update(context, (const unsigned char *)text.p, text.n) == 1) &&
	    EVP_MAC_final(context, out, &n, SHA256_BYTES) == 1 && n == SHA256_BYTES;

	EVP_MAC_CTX_free(context);
	if (ok)
		return ST_OK;
	ERR_clear_error();
	memset(out, 0, SHA256_BYTES);
	return ST_FAILED;
}
