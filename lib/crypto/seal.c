/*
 * seal.c - authenticated encryption under a derived key, by way of OpenSSL 3.
 * The keeper opens private keys with it when it loads them, the admin tools close them; what
 * gateways share in a cache is closed with it. It must never hand out an octet whose tag did not
 * match, keep a key in ordinary memory, or choose a nonce by anything but chance.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <stdatomic.h>

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/crypto/digest.h"
#include "lib/crypto/seal.h"

/* All of it is secret memory. */
struct seal {
	atomic_uint references;
	EVP_CIPHER *cipher;
	unsigned char key[SEAL_KEY_BYTES];
};

static enum status
fail_openssl(struct err *err, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	err_set(err, "%s in the crypto library (%s)", what, reason == NULL ? "?" : reason);
	return ST_FAILED;
}

static void
put_u32(unsigned char to[4], size_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (unsigned char)(value >> (24 - 8 * i));
}

void
seal_add_field(struct buf *to, struct span field)
{
	unsigned char length[4];

	put_u32(length, field.n);
	buf_add(to, span_of(length, sizeof(length)));
	buf_add(to, field);
}

/* RFC 5869, extract and expand. */
static enum status
hkdf(const uint8_t *site_key, struct span salt, struct span info, unsigned char *out)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[5], *p = params;
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *context = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
	bool ok;

	*p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
	*p++ = OSSL_PARAM_construct_octet_string(
	    OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)site_key, SEAL_KEY_BYTES);
	*p++ = OSSL_PARAM_construct_octet_string(
	    OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info.p, info.n);
	if (salt.n > 0)
		*p++ = OSSL_PARAM_construct_octet_string(
		    OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt.p, salt.n);
	*p = OSSL_PARAM_construct_end();
	ok = context != NULL && EVP_KDF_derive(context, out, SEAL_KEY_BYTES, params) == 1;
	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
	return ok ? ST_OK : ST_FAILED;
}

enum status
seal_derive(const uint8_t site_key[SEAL_KEY_BYTES], struct span salt, struct span info,
    struct seal **out, struct err *err)
{
	struct seal *seal = secret_malloc(sizeof(*seal));

	*out = NULL;
	if (seal == NULL) {
		err_set(err, "no secret memory left for a key");
		return ST_FAILED;
	}
	atomic_init(&seal->references, 1);
	seal->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	if (seal->cipher == NULL || hkdf(site_key, salt, info, seal->key) != ST_OK) {
		seal_free(seal);
		return fail_openssl(err, "a key could not be derived");
	}
	*out = seal;
	return ST_OK;
}

void
seal_hold(struct seal *seal)
{
	atomic_fetch_add_explicit(&seal->references, 1, memory_order_relaxed);
}

void
seal_free(struct seal *seal)
{
	if (seal == NULL ||
	    atomic_fetch_sub_explicit(&seal->references, 1, memory_order_acq_rel) != 1)
		return;
	EVP_CIPHER_free(seal->cipher);
	secret_free(seal);
}

static bool
encrypt(struct seal *seal, struct span context, struct span plain, unsigned char *to)
{
	static const unsigned char nothing[1];
	unsigned char *nonce = to, *text = to + SEAL_NONCE_BYTES, *tag = text + plain.n;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, last = 0;
	bool ok;

	random_bytes(nonce, SEAL_NONCE_BYTES);
	ok = ctx != NULL && EVP_EncryptInit_ex2(ctx, seal->cipher, seal->key, nonce, NULL) == 1 &&
	     (context.n == 0 || EVP_EncryptUpdate(ctx, NULL, &n, (const unsigned char *)context.p,
				    (int)context.n) == 1) &&
	     EVP_EncryptUpdate(ctx, text, &n,
		 plain.n == 0 ? nothing : (const unsigned char *)plain.p, (int)plain.n) == 1 &&
	     (plain.n == 0 || (size_t)n == plain.n) && EVP_EncryptFinal_ex(ctx, tag, &last) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_BYTES, tag) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

enum status
seal_close(
    struct seal *seal, struct span context, struct span plain, struct buf *out, struct err *err)
{
	size_t need = plain.n + SEAL_OVERHEAD;
	char *room =
	    plain.n > SEAL_PLAIN_MAX || context.n > SEAL_PLAIN_MAX ? NULL : buf_reserve(out, need);

	if (room == NULL) {
		err_set(err, "%zu octets are more than can be sealed here", plain.n);
		return ST_TOO_BIG;
	}
	if (!encrypt(seal, context, plain, (unsigned char *)room)) {
		secret_wipe(room, need);
		return fail_openssl(err, "sealing failed");
	}
	out->n += need;
	return ST_OK;
}

/* Everything but the tag. */
static bool
decrypt(struct seal *seal, EVP_CIPHER_CTX *ctx, struct span context, struct span sealed, void *room)
{
	const unsigned char *nonce = (const unsigned char *)sealed.p;
	size_t text_n = sealed.n - SEAL_OVERHEAD;
	unsigned char tag[SEAL_TAG_BYTES];
	int n = 0;

	memcpy(tag, sealed.p + sealed.n - SEAL_TAG_BYTES, sizeof(tag));
	return EVP_DecryptInit_ex2(ctx, seal->cipher, seal->key, nonce, NULL) == 1 &&
	       (context.n == 0 || EVP_DecryptUpdate(ctx, NULL, &n, (const unsigned char *)context.p,
				      (int)context.n) == 1) &&
	       (text_n == 0 ||
		   EVP_DecryptUpdate(ctx, room, &n, nonce + SEAL_NONCE_BYTES, (int)text_n) == 1) &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_BYTES, tag) == 1;
}

enum status
seal_open(struct seal *seal, struct span context, struct span sealed, void *room,
    size_t *plain_n_out, struct err *err)
{
	unsigned char rest[16];
	EVP_CIPHER_CTX *ctx;
	bool ran, matches;
	int n = 0;

	*plain_n_out = 0;
	if (sealed.n < SEAL_OVERHEAD || sealed.n > SEAL_PLAIN_MAX + SEAL_OVERHEAD ||
	    context.n > SEAL_PLAIN_MAX) {
		err_set(err, "%zu octets cannot be a sealed text", sealed.n);
		return ST_INVALID;
	}
	ctx = EVP_CIPHER_CTX_new();
	ran = ctx != NULL && decrypt(seal, ctx, context, sealed, room);
	matches = ran && EVP_DecryptFinal_ex(ctx, rest, &n) == 1;
	EVP_CIPHER_CTX_free(ctx);
	if (matches) {
		*plain_n_out = sealed.n - SEAL_OVERHEAD;
		return ST_OK;
	}
	/* What was decrypted before the tag was looked at. */
	secret_wipe(room, sealed.n - SEAL_OVERHEAD);
	if (!ran)
		return fail_openssl(err, "opening failed");
	ERR_clear_error();
	err_set(err, "it was not sealed with this key for this use, or was changed since");
	return ST_DENIED;
}

enum status
seal_name(struct seal *seal, const struct hmac *hmac, struct span text, uint8_t out[SHA256_BYTES])
{
	return hmac_make(hmac, span_of(seal->key, sizeof(seal->key)), text, out);
}

enum status
seal_make(struct seal *from, const struct hmac *hmac, struct span text, struct seal **out)
{
	struct seal *seal = secret_malloc(sizeof(*seal));

	*out = NULL;
	if (seal == NULL)
		return ST_FAILED;
	atomic_init(&seal->references, 1);
	seal->cipher = EVP_CIPHER_up_ref(from->cipher) == 1 ? from->cipher : NULL;
	if (seal->cipher == NULL || seal_name(from, hmac, text, seal->key) != ST_OK) {
		seal_free(seal);
		return ST_FAILED;
	}
	*out = seal;
	return ST_OK;
}
