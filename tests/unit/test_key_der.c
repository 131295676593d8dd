/*
 * test_key_der.c - private keys taken apart by hand are those that OpenSSL's decoders find, and
 * what is not exactly such a key is left to them; secret numbers are marked as such.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "lib/base/secret.h"
#include "lib/crypto/key.h"
#include "lib/crypto/key_der.h"

#define DER_MAX 8192

/* The DER of a new key: PrivateKeyInfo, or RSAPrivateKey with old. */
static size_t
make_der(const char *name, size_t bits, bool old, unsigned char der[DER_MAX])
{
	EVP_PKEY *pkey = strcmp(name, "RSA") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, name, bits)
						  : EVP_PKEY_Q_keygen(NULL, NULL, name);
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
	unsigned char *at = der;
	int n = old ? i2d_PrivateKey(pkey, &at) : i2d_PKCS8_PRIV_KEY_INFO(info, &at);

	assert_true(n > 0 && n <= DER_MAX);
	PKCS8_PRIV_KEY_INFO_free(info);
	EVP_PKEY_free(pkey);
	return (size_t)n;
}

static EVP_PKEY *
decoded(const unsigned char *der, size_t n)
{
	const unsigned char *at = der;

	return d2i_AutoPrivateKey(NULL, &at, (long)n);
}

/* Both halves. */
static bool
same(const EVP_PKEY *a, const EVP_PKEY *b)
{
	unsigned char *x = NULL, *y = NULL;
	int n = i2d_PrivateKey(a, &x), m = i2d_PrivateKey(b, &y);
	bool equal = EVP_PKEY_eq(a, b) == 1 && n > 0 && n == m && memcmp(x, y, (size_t)n) == 0;

	OPENSSL_free(x);
	OPENSSL_free(y);
	return equal;
}

static const struct {
	const char *name;
	size_t bits;
	bool old;
} kinds[] = {{"RSA", 1024, false}, {"RSA", 1024, true}, {"RSA", 2048, false}, {"RSA", 2048, true},
    {"RSA", 3071, false}, {"ED25519", 0, false}};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void
finds_the_same_key(void **state)
{
	unsigned char der[DER_MAX];

	(void)state;
	for (size_t i = 0; i < KINDS * 3; i++) {
		size_t n = make_der(
		    kinds[i % KINDS].name, kinds[i % KINDS].bits, kinds[i % KINDS].old, der);
		EVP_PKEY *ours = key_from_der(span_of(der, n)), *theirs = decoded(der, n);

		assert_non_null(ours);
		assert_true(same(ours, theirs));
		EVP_PKEY_free(ours);
		EVP_PKEY_free(theirs);
	}
}

/* OpenSSL computes without branches only with what says so. */
static void
secret_numbers_are_marked(void **state)
{
	unsigned char der[DER_MAX];
	EVP_PKEY *pkey = key_from_der(span_of(der, make_der("RSA", 1024, false, der)));
	RSA *rsa = EVP_PKEY_get1_RSA(pkey);
	const BIGNUM *numbers[] = {RSA_get0_d(rsa), RSA_get0_p(rsa), RSA_get0_q(rsa),
	    RSA_get0_dmp1(rsa), RSA_get0_dmq1(rsa), RSA_get0_iqmp(rsa)};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_int_not_equal(BN_get_flags(numbers[i], BN_FLG_CONSTTIME), 0);
	RSA_free(rsa);
	EVP_PKEY_free(pkey);
}

static void
check_changed(const unsigned char *der, size_t n)
{
	EVP_PKEY *ours = key_from_der(span_of(der, n)), *theirs;

	if (ours == NULL)
		return;
	theirs = decoded(der, n);
	assert_non_null(theirs);
	assert_true(same(ours, theirs));
	EVP_PKEY_free(theirs);
	EVP_PKEY_free(ours);
}

/* Every bit turned, every length cut: ours is theirs, or none. */
static void
changed_keys_are_left_alone(void **state)
{
	unsigned char der[DER_MAX];

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		size_t n = make_der(
		    kinds[i].name, kinds[i].bits > 2048 ? 1024 : kinds[i].bits, kinds[i].old, der);

		for (size_t at = 0; at < n; at++) {
			unsigned char before = der[at];

			/* The numbers themselves have no structure: the first octets do. */
			for (unsigned bit = 0; bit < 8 && (at < 64 || bit < 1); bit++) {
				der[at] = (unsigned char)(before ^ (1U << bit));
				check_changed(der, n);
			}
			der[at] = before;
			assert_null(key_from_der(span_of(der, at)));
		}
		der[n] = 0;
		assert_null(key_from_der(span_of(der, n + 1)));
	}
	ERR_clear_error();
}

static void
other_keys_are_left_alone(void **state)
{
	unsigned char der[DER_MAX];
	static const char *const names[] = {"X25519", "ED448"};

	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_null(key_from_der(span_of(der, make_der(names[i], 0, false, der))));
	assert_null(key_from_der(SPAN_EMPTY));
}

/* PEM around the same octets, and what may stand about it. */
static void
pem_around_it(void **state)
{
	static const char *const forms[] = {"%.*s", "some words\n%.*s", "%.*s\nmore words\n",
	    "\r\n\r\n%.*s\r\n", "%.*s%.0s-----BEGIN PRIVATE KEY-----\nAAAA\n"};
	struct err err = ERR_NONE;
	struct key *key, *again;
	struct buf a, b, text;
	char *pem;

	(void)state;
	assert_int_equal(key_generate(KEY_RSA_SHA256, 1024, &key, &err), ST_OK);
	assert_int_equal(key_private_pem(key, &pem, &err), ST_OK);
	buf_init(&a, 1024);
	buf_init(&b, 1024);
	buf_init(&text, 8192);
	assert_int_equal(key_public_base64(key, &a), ST_OK);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const char *at = strstr(forms[i], "%.*s");

		buf_reset(&text);
		buf_add(&text, span_of(forms[i], (size_t)(at - forms[i])));
		buf_add_str(&text, pem);
		buf_add_str(&text, strstr(at, "%.0s") != NULL ? at + 8 : at + 4);
		buf_reset(&b);
		assert_int_equal(key_parse(buf_span(&text), &again, &err), ST_OK);
		assert_int_equal(key_public_base64(again, &b), ST_OK);
		assert_true(span_eq(buf_span(&a), buf_span(&b)));
		key_free(again);
	}
	/* Cut anywhere it is no key. */
	for (size_t n = 0; n + 2 < strlen(pem); n++)
		assert_int_equal(key_parse(span_of(pem, n), &again, &err), ST_INVALID);
	secret_free(pem);
	key_free(key);
	buf_free(&a);
	buf_free(&b);
	buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_the_same_key),
	    cmocka_unit_test(secret_numbers_are_marked),
	    cmocka_unit_test(changed_keys_are_left_alone),
	    cmocka_unit_test(other_keys_are_left_alone),
	    cmocka_unit_test(pem_around_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
