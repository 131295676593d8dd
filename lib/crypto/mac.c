/*
 * mac.c - HMAC-SHA256, -SHA384 and -SHA512, by way of OpenSSL 3.
 * Signs and checks DNS messages when records are published. It must never keep a key.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "lib/crypto/mac.h"

size_t
mac_bytes(enum mac_digest digest)
{
	return digest == MAC_SHA256 ? 32 : digest == MAC_SHA384 ? 48 : 64;
}

static bool
add_pieces(EVP_MAC_CTX *context, const struct span *pieces, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (pieces[i].n > 0 &&
		    EVP_MAC_update(context, (const unsigned char *)pieces[i].p, pieces[i].n) != 1)
			return false;
	return true;
}

enum status
mac_make(enum mac_digest digest, struct span key, const struct span *pieces, size_t count,
    uint8_t out[MAC_BYTES_MAX])
{
	char sha256[] = "SHA256", sha384[] = "SHA384", sha512[] = "SHA512";
	char *name = digest == MAC_SHA256 ? sha256 : digest == MAC_SHA384 ? sha384 : sha512;
	OSSL_PARAM params[2] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
	    OSSL_PARAM_construct_end()};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *context = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
	size_t n = 0;
	bool ok = context != NULL && key.n > 0 &&
		  EVP_MAC_init(context, (const unsigned char *)key.p, key.n, params) == 1 &&
		  add_pieces(context, pieces, count) &&
		  EVP_MAC_final(context, out, &n, MAC_BYTES_MAX) == 1 && n == mac_bytes(digest);

	EVP_MAC_CTX_free(context);
	EVP_MAC_free(mac);
	if (ok)
		return ST_OK;
	ERR_clear_error();
	memset(out, 0, MAC_BYTES_MAX);
	return ST_FAILED;
}
