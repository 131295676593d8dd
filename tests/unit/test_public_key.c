/*
 * test_public_key.c - public keys of strangers: every form that is published, and DER that lies;
 * the cache of parsed keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/crypto/public_key.h"
#include "lib/crypto/public_key_cache.h"

/* A pair, its key as SubjectPublicKeyInfo, a digest and its signature. */
struct pair {
	struct key *key;
	uint8_t der[PUBLIC_KEY_BYTES_MAX], digest[SHA256_BYTES], signature[KEY_SIGNATURE_MAX];
	size_t der_bytes, signature_bytes;
};

static struct pair rsa, rsa_3072, ed25519;

static void
pair_make(struct pair *pair, enum key_algorithm algorithm, int bits)
{
	struct buf text;

	assert_int_equal(key_generate(algorithm, bits, &pair->key, NULL), ST_OK);
	buf_init(&text, 5000);
	assert_int_equal(key_public_base64(pair->key, &text), ST_OK);
	assert_int_equal(base64_decode(buf_span(&text), pair->der, &pair->der_bytes), ST_OK);
	buf_free(&text);
	random_bytes(pair->digest, sizeof pair->digest);
	assert_int_equal(
	    key_sign(pair->key, pair->digest, pair->signature, &pair->signature_bytes, NULL),
	    ST_OK);
}

static struct span
pair_der(const struct pair *pair)
{
	return span_of(pair->der, pair->der_bytes);
}

static struct span
pair_signature(const struct pair *pair)
{
	return span_of(pair->signature, pair->signature_bytes);
}

/* Parses and verifies the good signature. */
static enum status
try_key(const struct pair *pair, struct span octets)
{
	struct public_key *key = NULL;
	struct err err = ERR_NONE;
	enum status st = public_key_parse(key_algorithm(pair->key), octets, &key, &err);

	if (st == ST_OK)
		st = public_key_verify(key, pair->digest, pair_signature(pair));
	else
		assert_true(key == NULL && err.text[0] != '\0');
	public_key_free(key);
	return st;
}

static void
check_pair(const struct pair *pair, int bits)
{
	struct public_key *key;
	uint8_t digest[SHA256_BYTES], signature[KEY_SIGNATURE_MAX + 1] = {0};

	assert_int_equal(
	    public_key_parse(key_algorithm(pair->key), pair_der(pair), &key, NULL), ST_OK);
	assert_int_equal(public_key_bits(key), bits);
	assert_int_equal(public_key_algorithm(key), key_algorithm(pair->key));
	memcpy(digest, pair->digest, sizeof digest);
	for (int again = 0; again < 3; again++) {
		assert_int_equal(public_key_verify(key, pair->digest, pair_signature(pair)), ST_OK);
		digest[again] ^= 1;
		assert_int_equal(public_key_verify(key, digest, pair_signature(pair)), ST_INVALID);
	}
	memcpy(signature, pair->signature, pair->signature_bytes);
	for (size_t n = 0; n <= pair->signature_bytes + 1; n++)
		assert_int_equal(public_key_verify(key, pair->digest, span_of(signature, n)),
		    n == pair->signature_bytes ? ST_OK : ST_INVALID);
	for (size_t i = 0; i < pair->signature_bytes * 8; i++) {
		signature[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(
		    public_key_verify(key, pair->digest, span_of(signature, pair->signature_bytes)),
		    ST_INVALID);
		signature[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	memset(signature, 0xff, sizeof signature);
	assert_int_equal(
	    public_key_verify(key, pair->digest, span_of(signature, pair->signature_bytes)),
	    ST_INVALID);
	memset(signature, 0, sizeof signature);
	assert_int_equal(
	    public_key_verify(key, pair->digest, span_of(signature, pair->signature_bytes)),
	    ST_INVALID);
	public_key_free(key);
}

static void
test_public_key_verifies(void **state)
{
	(void)state;
	check_pair(&rsa, 1024);
	check_pair(&rsa_3072, 3072);
	check_pair(&ed25519, 256);
}

/* PKCS#1 is what lies in the BIT STRING: 22 octets in front of it for 1024 bits. */
static void
test_public_key_forms(void **state)
{
	uint8_t info[44] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

	(void)state;
	assert_int_equal(try_key(&rsa, pair_der(&rsa)), ST_OK);
	assert_int_equal(rsa.der[22], 0x30);
	assert_int_equal(try_key(&rsa, span_from(pair_der(&rsa), 22)), ST_OK);
	assert_int_equal(try_key(&rsa_3072, span_from(pair_der(&rsa_3072), 24)), ST_OK);
	memcpy(info + 12, ed25519.der, 32);
	assert_int_equal(try_key(&ed25519, span_of(info, sizeof info)), ST_OK);
	assert_int_equal(try_key(&ed25519, span_from(span_of(info, sizeof info), 1)), ST_INVALID);
	assert_int_equal(try_key(&rsa, span_of(info, sizeof info)), ST_INVALID);
	assert_int_equal(try_key(&ed25519, pair_der(&rsa)), ST_INVALID);
	assert_int_equal(try_key(&rsa, SPAN_EMPTY), ST_INVALID);
	assert_int_equal(try_key(&ed25519, SPAN_EMPTY), ST_INVALID);
	info[4] = 0x05; /* parameters instead of an OID */
	assert_int_equal(try_key(&ed25519, span_of(info, sizeof info)), ST_INVALID);
}

/* Cut short anywhere, longer by an octet, and every octet changed: never the key, never a read too
 * far (each copy has its exact size for the sanitizer). */
static void
check_damage(const struct pair *pair, struct span good)
{
	for (size_t n = 0; n <= good.n + 1; n++) {
		uint8_t *copy = calloc(1, n + 1);

		assert_non_null(copy);
		memcpy(copy + 1, good.p, n < good.n ? n : good.n);
		assert_int_equal(
		    try_key(pair, span_of(copy + 1, n)), n == good.n ? ST_OK : ST_INVALID);
		free(copy);
	}
	for (size_t i = 0; i < good.n * 8; i++) {
		uint8_t *copy = malloc(good.n);

		assert_non_null(copy);
		memcpy(copy, good.p, good.n);
		copy[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_not_equal(try_key(pair, span_of(copy, good.n)), ST_OK);
		free(copy);
	}
}

static void
test_public_key_damage(void **state)
{
	(void)state;
	check_damage(&rsa, pair_der(&rsa));
	check_damage(&rsa, span_from(pair_der(&rsa), 22));
	check_damage(&ed25519, pair_der(&ed25519));
}

/* RSAPublicKey of a modulus and an exponent, each with leading zeros. */
static size_t
rsa_der(uint8_t *der, size_t modulus_bytes, uint8_t top, uint8_t low, struct span exponent)
{
	size_t inside = modulus_bytes + 1 + 4 + exponent.n + 2, at = 0;
	uint8_t *m;

	der[at++] = 0x30;
	der[at++] = 0x82;
	der[at++] = (uint8_t)(inside >> 8);
	der[at++] = (uint8_t)inside;
	der[at++] = 0x02;
	der[at++] = 0x82;
	der[at++] = (uint8_t)((modulus_bytes + 1) >> 8);
	der[at++] = (uint8_t)(modulus_bytes + 1);
	der[at++] = 0;
	m = der + at;
	memset(m, 0x5a, modulus_bytes);
	m[0] = top;
	m[modulus_bytes - 1] = low;
	at += modulus_bytes;
	der[at++] = 0x02;
	der[at++] = (uint8_t)exponent.n;
	memcpy(der + at, exponent.p, exponent.n);
	return at + exponent.n;
}

static void
test_public_key_numbers(void **state)
{
	static const struct {
		size_t modulus_bytes;
		uint8_t top, low;
		struct span exponent;
		enum status status;
		int bits;
	} rows[] = {
	    {128, 0x80, 1, {"\1\0\1", 3}, ST_OK, 1024},
	    {128, 0x01, 1, {"\1\0\1", 3}, ST_OK, 1017},
	    {128, 0x80, 1, {"\0\0\3", 3}, ST_OK, 1024},
	    {128, 0x80, 2, {"\1\0\1", 3}, ST_INVALID, 0},
	    {64, 0x80, 1, {"\1\0\1", 3}, ST_OK, 512},
	    {64, 0x40, 1, {"\1\0\1", 3}, ST_INVALID, 0},
	    {63, 0x80, 1, {"\1\0\1", 3}, ST_INVALID, 0},
	    {1024, 0xff, 1, {"\1\0\1", 3}, ST_OK, 8192},
	    {1025, 0x01, 1, {"\1\0\1", 3}, ST_TOO_BIG, 0},
	    {2000, 0x01, 1, {"\1\0\1", 3}, ST_TOO_BIG, 0},
	    {1, 0x00, 0, {"\1\0\1", 3}, ST_INVALID, 0},
	    {128, 0x80, 1, {"\1", 1}, ST_INVALID, 0},
	    {128, 0x80, 1, {"\0", 1}, ST_INVALID, 0},
	    {128, 0x80, 1, {"", 0}, ST_INVALID, 0},
	    {128, 0x80, 1, {"\1\0\2", 3}, ST_INVALID, 0},
	    {128, 0x80, 1, {"\xff\0\0\0\0\0\0\1", 8}, ST_OK, 1024},
	    {128, 0x80, 1, {"\1\0\0\0\0\0\0\0\1", 9}, ST_INVALID, 0},
	};
	uint8_t der[2100];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t n =
		    rsa_der(der, rows[i].modulus_bytes, rows[i].top, rows[i].low, rows[i].exponent);
		struct public_key *key = NULL;
		struct err err = ERR_NONE;

		assert_int_equal(
		    public_key_parse(KEY_RSA_SHA256, span_of(der, n), &key, &err), rows[i].status);
		assert_int_equal(key != NULL, rows[i].status == ST_OK);
		if (key != NULL)
			assert_int_equal(public_key_bits(key), rows[i].bits);
		public_key_free(key);
	}
}

/* What OpenSSL writes and we read is one key: many of them. */
static void
test_public_key_agrees_with_openssl(void **state)
{
	(void)state;
	for (int bits = 1024; bits < 1100; bits += 7) {
		struct pair pair;
		EVP_PKEY *theirs;
		const unsigned char *p = pair.der;

		pair_make(&pair, KEY_RSA_SHA256, bits);
		assert_int_equal(try_key(&pair, pair_der(&pair)), ST_OK);
		theirs = d2i_PUBKEY(NULL, &p, (long)pair.der_bytes);
		assert_int_equal(EVP_PKEY_get_bits(theirs), bits);
		EVP_PKEY_free(theirs);
		key_free(pair.key);
	}
}

static void
test_public_key_cache(void **state)
{
	struct public_key_cache *cache = public_key_cache_new(2);
	struct public_key *a, *b, *c, *again;
	uint8_t junk[4] = {0x30, 0x02, 0x05, 0x00};

	(void)state;
	assert_int_equal(
	    public_key_cache_get(cache, KEY_RSA_SHA256, pair_der(&rsa), &a, NULL), ST_OK);
	assert_int_equal(
	    public_key_cache_get(cache, KEY_ED25519_SHA256, pair_der(&ed25519), &b, NULL), ST_OK);
	assert_int_equal(
	    public_key_cache_get(cache, KEY_RSA_SHA256, pair_der(&rsa), &again, NULL), ST_OK);
	assert_ptr_equal(a, again);
	public_key_free(again);
	/* the algorithm belongs to the key */
	assert_int_equal(
	    public_key_cache_get(cache, KEY_ED25519_SHA256, pair_der(&rsa), &again, NULL),
	    ST_INVALID);
	assert_int_equal(
	    public_key_cache_get(cache, KEY_RSA_SHA256, span_of(junk, 4), &again, NULL),
	    ST_INVALID);
	assert_int_equal(public_key_cache_count(cache), 2);
	/* the third pushes out b, used before a */
	assert_int_equal(
	    public_key_cache_get(cache, KEY_RSA_SHA256, pair_der(&rsa_3072), &c, NULL), ST_OK);
	assert_int_equal(public_key_cache_count(cache), 2);
	assert_int_equal(
	    public_key_cache_get(cache, KEY_RSA_SHA256, pair_der(&rsa), &again, NULL), ST_OK);
	assert_ptr_equal(a, again);
	public_key_free(again);
	public_key_cache_free(cache);
	/* borrowed keys live on */
	assert_int_equal(public_key_verify(a, rsa.digest, pair_signature(&rsa)), ST_OK);
	assert_int_equal(public_key_verify(b, ed25519.digest, pair_signature(&ed25519)), ST_OK);
	assert_int_equal(public_key_verify(c, rsa_3072.digest, pair_signature(&rsa_3072)), ST_OK);
	public_key_free(a);
	public_key_free(b);
	public_key_free(c);
}

static void
test_public_key_cache_bounds(void **state)
{
	struct public_key_cache *cache = public_key_cache_new(50);
	uint8_t der[300];
	size_t n = rsa_der(der, 128, 0x80, 1, (struct span){"\1\0\1", 3});

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		struct public_key *key;
		unsigned number = i % 7 == 0 ? 3 : i;

		der[20] = (uint8_t)number;
		der[21] = (uint8_t)(number >> 8);
		assert_int_equal(
		    public_key_cache_get(cache, KEY_RSA_SHA256, span_of(der, n), &key, NULL),
		    ST_OK);
		public_key_free(key);
		assert_true(public_key_cache_count(cache) <= 50);
	}
	assert_int_equal(public_key_cache_count(cache), 50);
	public_key_cache_free(cache);
	cache = public_key_cache_new(0);
	assert_int_equal(public_key_cache_count(cache), 0);
	public_key_cache_free(cache);
	public_key_cache_free(NULL);
	public_key_free(NULL);
}

static int
pairs_make(void **state)
{
	(void)state;
	pair_make(&rsa, KEY_RSA_SHA256, 1024);
	pair_make(&rsa_3072, KEY_RSA_SHA256, 3072);
	pair_make(&ed25519, KEY_ED25519_SHA256, 0);
	return 0;
}

static int
pairs_free(void **state)
{
	(void)state;
	key_free(rsa.key);
	key_free(rsa_3072.key);
	key_free(ed25519.key);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_public_key_verifies),
	    cmocka_unit_test(test_public_key_forms),
	    cmocka_unit_test(test_public_key_damage),
	    cmocka_unit_test(test_public_key_numbers),
	    cmocka_unit_test(test_public_key_agrees_with_openssl),
	    cmocka_unit_test(test_public_key_cache),
	    cmocka_unit_test(test_public_key_cache_bounds),
	};

	return cmocka_run_group_tests(tests, pairs_make, pairs_free);
}
