/*
 * test_key_memory.c - what a parsed key takes, counted in secret memory as in the keeper: what
 * key_bytes() says is what is there after signatures, a key of 2048 bits with everything around it
 * takes 6 KiB at most, and all of it is given back; and many threads sign with one key.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/keycache.h"
#include "lib/base/secret.h"

#define KEYS 4
#define THREADS 4
#define RSA_2048_MOST 6144

static const struct {
	enum key_algorithm algorithm;
	int bits;
} types[] = {{KEY_RSA_SHA256, 1024}, {KEY_RSA_SHA256, 2048}, {KEY_RSA_SHA256, 3072},
    {KEY_RSA_SHA256, 4096}, {KEY_ED25519_SHA256, 0}};
#define TYPES (sizeof(types) / sizeof(types[0]))

static char *pems[TYPES][KEYS];

static int
make_keys(void **state)
{
	(void)state;
	if (key_memory_secure() != ST_OK)
		return 1;
	for (size_t t = 0; t < TYPES; t++) {
		for (size_t i = 0; i < KEYS; i++) {
			struct key *key = NULL;

			/* Long ones take a second each: their own text, again. */
			if (i > 0 && types[t].bits > 2048) {
				pems[t][i] = pems[t][0];
				continue;
			}
			if (key_generate(types[t].algorithm, types[t].bits, &key, NULL) != ST_OK ||
			    key_private_pem(key, &pems[t][i], NULL) != ST_OK)
				return 1;
			key_free(key);
		}
	}
	return 0;
}

static int
free_keys(void **state)
{
	(void)state;
	for (size_t t = 0; t < TYPES; t++)
		for (size_t i = 0; i < KEYS; i++)
			if (i == 0 || pems[t][i] != pems[t][0])
				secret_free(pems[t][i]);
	return 0;
}

/* As often as it takes for the blinding to be made anew. */
static void *
sign_in_thread(void *arg)
{
	const uint8_t digest[SHA256_BYTES] = {1};
	uint8_t signature[KEY_SIGNATURE_MAX];
	struct key *key = arg;
	size_t n;

	for (int i = 0; i < 40; i++)
		if (key_sign(key, digest, signature, &n, NULL) != ST_OK)
			return NULL;
	return key;
}

/* Here and in another thread: OpenSSL keeps something for the first one that signs. */
static void
sign_often(struct key *key)
{
	pthread_t thread;
	void *done;

	assert_non_null(sign_in_thread(key));
	assert_int_equal(pthread_create(&thread, NULL, sign_in_thread, key), 0);
	assert_int_equal(pthread_join(thread, &done), 0);
	assert_non_null(done);
}

static struct key *
parse(size_t type, size_t i)
{
	struct key *key = NULL;

	assert_int_equal(key_parse(span_str(pems[type][i]), &key, NULL), ST_OK);
	return key;
}

static void
test_key(void **state)
{
	(void)state;
	for (size_t t = 0; t < TYPES; t++) {
		struct key *warm = parse(t, 0), *keys[KEYS];
		size_t before, taken, said;

		/* What OpenSSL keeps once, for all keys and for this thread. */
		sign_often(warm);
		before = secret_used_bytes();
		for (size_t i = 0; i < KEYS; i++) {
			keys[i] = parse(t, i);
			sign_often(keys[i]);
		}
		taken = (secret_used_bytes() - before) / KEYS;
		said = key_bytes(warm);
		print_message("%s %d bits: %zu octets of secret memory, key_bytes() %zu\n",
		    key_algorithm_name(types[t].algorithm), key_bits(warm), taken, said);
		assert_true(said >= taken);
		assert_true(said <= taken + taken / 5);
		for (size_t i = 0; i < KEYS; i++)
			key_free(keys[i]);
		assert_int_equal(secret_used_bytes(), before);
		key_free(warm);
	}
}

struct signing {
	struct key *key;
	uint8_t wanted[KEY_SIGNATURE_MAX];
	size_t wanted_bytes;
};

static void *
sign_the_same(void *arg)
{
	const uint8_t digest[SHA256_BYTES] = {7};
	struct signing *signing = arg;
	uint8_t signature[KEY_SIGNATURE_MAX];
	size_t n;

	for (int i = 0; i < 100; i++)
		if (key_sign(signing->key, digest, signature, &n, NULL) != ST_OK ||
		    n != signing->wanted_bytes || memcmp(signature, signing->wanted, n) != 0)
			return NULL;
	return arg;
}

/* However a number was blinded and by whom: a signature is always the same one. */
static void
test_threads_share_a_key(void **state)
{
	const uint8_t digest[SHA256_BYTES] = {7};
	pthread_t threads[THREADS];

	(void)state;
	for (size_t t = 0; t < TYPES; t++) {
		struct signing signing = {.key = parse(t, 0)};
		struct key *fresh = parse(t, 0);
		size_t wrong = 0;
		void *done;

		assert_int_equal(
		    key_sign(fresh, digest, signing.wanted, &signing.wanted_bytes, NULL), ST_OK);
		assert_int_equal(
		    key_verify(fresh, digest, span_of(signing.wanted, signing.wanted_bytes)),
		    ST_OK);
		for (size_t i = 0; i < THREADS; i++)
			assert_int_equal(
			    pthread_create(&threads[i], NULL, sign_the_same, &signing), 0);
		for (size_t i = 0; i < THREADS; i++) {
			assert_int_equal(pthread_join(threads[i], &done), 0);
			wrong += done == NULL;
		}
		assert_int_equal(wrong, 0);
		key_free(signing.key);
		key_free(fresh);
	}
}

/* All told: the key, what the cache has around it, its name, its place in the index. */
static void
test_cached(void **state)
{
	struct keycache *cache = keycache_new(1 << 20, false, NULL);
	struct digest *digest = digest_new();
	struct key *warm = parse(1, 0);
	struct cache_stats stats;
	size_t before, taken, around;

	(void)state;
	sign_often(warm);
	before = secret_used_bytes();
	for (size_t i = 0; i < KEYS; i++) {
		struct cached_key *cached;

		assert_int_equal(
		    keycache_get(cache, &(struct keycache_name){.text = span_str(pems[1][i])},
			digest, 1000, &cached, NULL),
		    ST_OK);
		sign_often(cached_key_key(cached));
		cached_key_release(cached);
	}
	taken = (secret_used_bytes() - before) / KEYS;
	keycache_stats(cache, &stats);
	assert_int_equal(stats.entries, KEYS);
	around = stats.bytes / KEYS;
	print_message("rsa-sha256 2048 bits in the cache: %zu octets, %zu of them secret memory\n",
	    around, taken);
	assert_true(taken <= around);
	assert_true(around <= RSA_2048_MOST);
	keycache_free(cache);
	assert_int_equal(secret_used_bytes(), before);
	digest_free(digest);
	key_free(warm);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_key),
	    cmocka_unit_test(test_cached),
	    cmocka_unit_test(test_threads_share_a_key),
	};

	return cmocka_run_group_tests_name("crypto/key_memory", tests, make_keys, free_keys);
}
