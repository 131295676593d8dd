/*
 * test_crypto.c - lib/crypto: digests against published vectors, base64, keys made and parsed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/secret.h"
#include "lib/crypto/digest.h"
#include "lib/crypto/hmac.h"
#include "lib/crypto/key.h"
#include "lib/crypto/seal.h"

static void
test_digest_streams(void **state)
{
	static const uint8_t abc[SHA256_BYTES] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
	    0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
	    0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
	struct digest *digest = digest_new();
	uint8_t out[SHA256_BYTES];

	(void)state;
	for (int again = 0; again < 2; again++) {
		digest_start(digest);
		digest_add(digest, SPAN_LIT("a"));
		digest_add(digest, SPAN_LIT("bc"));
		digest_finish(digest, out);
		assert_memory_equal(out, abc, SHA256_BYTES);
	}
	digest_free(digest);
}

/* RFC 4231, section 4. */
static void
test_hmac_vectors(void **state)
{
	static const struct {
		uint8_t key_octet, text_octet; /* repeated, unless there is a text */
		size_t key_n, text_n;
		const char *key, *text, *mac;
	} cases[] = {
	    {0x0b, 0, 20, 8, NULL, "Hi There",
		"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	    {0, 0, 4, 28, "Jefe", "what do ya want for nothing?",
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	    {0xaa, 0xdd, 20, 50, NULL, NULL,
		"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
	    {0xaa, 0, 131, 54, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
	    {0xaa, 0, 131, 152, NULL,
		"This is a test using a larger than block-size key and a larger than block-size "
		"data. The key needs to be hashed before being used by the HMAC algorithm.",
		"9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
	};
	struct err err = ERR_NONE;
	struct hmac *hmac;
	uint8_t mac[SHA256_BYTES];

	(void)state;
	assert_int_equal(hmac_new(&hmac, &err), ST_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char key[256], text[256], hex[2 * SHA256_BYTES + 1];

		memset(key, cases[i].key_octet, sizeof(key));
		memset(text, cases[i].text_octet, sizeof(text));
		if (cases[i].key != NULL)
			memcpy(key, cases[i].key, cases[i].key_n);
		if (cases[i].text != NULL)
			memcpy(text, cases[i].text, cases[i].text_n);
		assert_int_equal(hmac_make(hmac, span_of(key, cases[i].key_n),
				     span_of(text, cases[i].text_n), mac),
		    ST_OK);
		for (size_t at = 0; at < sizeof(mac); at++)
			snprintf(hex + 2 * at, 3, "%02x", mac[at]);
		assert_string_equal(hex, cases[i].mac);
	}
	assert_int_equal(hmac_make(hmac, SPAN_EMPTY, SPAN_EMPTY, mac), ST_FAILED);
	assert_int_equal(hmac_make(hmac, SPAN_LIT("k"), SPAN_EMPTY, mac), ST_OK);
	hmac_free(hmac);
}

/* Each key has names of its own; tests/tools/test_sealing.py compares them with another library's.
 */
static void
test_seal_names(void **state)
{
	struct seal *one, *other;
	struct err err = ERR_NONE;
	struct hmac *hmac;
	uint8_t site_key[SEAL_KEY_BYTES] = {1}, a[SHA256_BYTES], b[SHA256_BYTES];

	(void)state;
	assert_int_equal(hmac_new(&hmac, &err), ST_OK);
	assert_int_equal(seal_derive(site_key, SPAN_EMPTY, SPAN_LIT("one"), &one, &err), ST_OK);
	assert_int_equal(seal_derive(site_key, SPAN_EMPTY, SPAN_LIT("other"), &other, &err), ST_OK);
	assert_int_equal(seal_name(one, hmac, SPAN_LIT("text"), a), ST_OK);
	assert_int_equal(seal_name(one, hmac, SPAN_LIT("text"), b), ST_OK);
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(seal_name(one, hmac, SPAN_LIT("texu"), b), ST_OK);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(seal_name(other, hmac, SPAN_LIT("text"), b), ST_OK);
	assert_memory_not_equal(a, b, sizeof(a));
	seal_free(one);
	seal_free(other);
	hmac_free(hmac);
}

static void
test_base64_round_trip(void **state)
{
	char text[200];
	uint8_t in[100], out[110];
	size_t n_out;

	(void)state;
	random_bytes(in, sizeof(in));
	for (size_t n = 0; n <= sizeof(in); n++) {
		base64_encode(in, n, text);
		assert_int_equal(base64_decode(span_of(text, (n + 2) / 3 * 4), out, &n_out), ST_OK);
		assert_int_equal(n_out, n);
		assert_memory_equal(in, out, n);
	}
	assert_int_equal(base64_decode(SPAN_LIT("QUJD RA=="), out, &n_out), ST_OK);
	assert_memory_equal(out, "ABCD", 4);
	assert_int_equal(base64_decode(SPAN_LIT("QUJDR"), out, &n_out), ST_INVALID);
	assert_int_equal(base64_decode(SPAN_LIT("QUJD=A"), out, &n_out), ST_INVALID);
	assert_int_equal(base64_decode(SPAN_LIT("QU*D"), out, &n_out), ST_INVALID);
	/* every octet in the place of a digit */
	for (int c = 0; c < 256; c++) {
		static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					     "0123456789+/";
		char four[] = {'A', 'A', 'A', (char)c};
		const char *at = c == 0 ? NULL : strchr(digits, c);
		bool padding = c == '=';

		assert_int_equal(base64_decode(span_of(four, 4), out, &n_out),
		    at != NULL || padding ? ST_OK : ST_INVALID);
		if (at != NULL)
			assert_int_equal(out[2], at - digits);
	}
}

static void
check_round_trip(enum key_algorithm algorithm, int bits)
{
	uint8_t digest[SHA256_BYTES] = {1, 2, 3}, signature[KEY_SIGNATURE_MAX];
	struct key *key = NULL, *again = NULL;
	struct err err = ERR_NONE;
	struct buf p1, p2;
	char *pem = NULL;
	size_t n;

	assert_int_equal(key_generate(algorithm, bits, &key, &err), ST_OK);
	assert_int_equal(key_bits(key), bits);
	assert_int_equal(key_private_pem(key, &pem, &err), ST_OK);
	assert_int_equal(key_parse(span_str(pem), &again, &err), ST_OK);
	assert_int_equal(key_sign(again, digest, signature, &n, &err), ST_OK);
	assert_int_equal(key_verify(key, digest, span_of(signature, n)), ST_OK);
	digest[0] ^= 1;
	assert_int_equal(key_verify(key, digest, span_of(signature, n)), ST_INVALID);
	buf_init(&p1, 4096);
	buf_init(&p2, 4096);
	assert_int_equal(key_public_base64(key, &p1), ST_OK);
	assert_int_equal(key_public_base64(again, &p2), ST_OK);
	assert_true(span_eq(buf_span(&p1), buf_span(&p2)));
	buf_free(&p1);
	buf_free(&p2);
	secret_free(pem);
	key_free(key);
	key_free(again);
}

static void
test_key_round_trips(void **state)
{
	(void)state;
	check_round_trip(KEY_RSA_SHA256, 1024);
	check_round_trip(KEY_RSA_SHA256, 2048);
	check_round_trip(KEY_ED25519_SHA256, 256);
}

/* RFC 8463 appendix A.2: the secret key octets and the public key of the record. */
static void
test_key_ed25519_rfc8463(void **state)
{
	static const char text[] =
	    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
	struct key *key = NULL;
	struct err err = ERR_NONE;
	struct buf p;

	(void)state;
	assert_int_equal(key_parse(SPAN_LIT(text), &key, &err), ST_OK);
	buf_init(&p, 100);
	assert_int_equal(key_public_base64(key, &p), ST_OK);
	assert_string_equal(buf_text(&p), "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
	buf_free(&p);
	key_free(key);
}

static void
test_key_refuses_what_is_none(void **state)
{
	static const char *const bad[] = {"", "   ", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n",
	    "-----BEGIN PUBLIC "
	    "KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	    "\n-----END PUBLIC KEY-----\n",
	    "MIIE", "0"};
	struct key *key = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_NONE;

		assert_int_equal(key_parse(span_str(bad[i]), &key, &err), ST_INVALID);
		assert_true(err.text[0] != '\0');
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_digest_streams),
	    cmocka_unit_test(test_hmac_vectors),
	    cmocka_unit_test(test_seal_names),
	    cmocka_unit_test(test_base64_round_trip),
	    cmocka_unit_test(test_key_round_trips),
	    cmocka_unit_test(test_key_ed25519_rfc8463),
	    cmocka_unit_test(test_key_refuses_what_is_none),
	};

	/* As in the keeper: every octet OpenSSL asks for is secret memory. */
	if (key_memory_secure() != ST_OK)
		return 1;
	return cmocka_run_group_tests_name("crypto", tests, NULL, NULL);
}
