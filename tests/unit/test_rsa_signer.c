/*
 * test_rsa_signer.c - RSA signatures are octet for octet those that OpenSSL makes, with keys of
 * many shapes, over several renewals of the blinding, by many threads at once, and with a key whose
 * numbers do not fit; the blinding's pairs undo each other and never come again; and inverses are
 * those that OpenSSL finds.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/crypto/key.h"
#include "lib/crypto/masked_inverse.h"
#include "lib/crypto/rsa_blinding.h"
#include "lib/crypto/rsa_signer.h"

#define THREADS 8
#define SIGNATURES (3 * RSA_BLINDING_USES + 10)
#define PAIRS_OF_THREAD (RSA_BLINDING_USES + 10)
#define PAIRS (THREADS * PAIRS_OF_THREAD)
#define INVERSES 100

static const struct shape {
	unsigned bits, e;
} shapes[] = {
    {1024, 65537}, {1024, 3}, {1031, 17}, {2048, 65537}, {2048, 3}, {3072, 65537}, {4096, 65537}};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static EVP_PKEY *pkeys[SHAPES];

static EVP_PKEY *
generate(const struct shape *shape)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM *e = BN_new();
	EVP_PKEY *pkey = NULL;

	if (context == NULL || e == NULL || BN_set_word(e, shape->e) != 1 ||
	    EVP_PKEY_keygen_init(context) != 1 ||
	    EVP_PKEY_CTX_set_rsa_keygen_bits(context, (int)shape->bits) != 1 ||
	    EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, e) != 1 ||
	    EVP_PKEY_generate(context, &pkey) != 1)
		pkey = NULL;
	BN_free(e);
	EVP_PKEY_CTX_free(context);
	return pkey;
}

static int
make_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < SHAPES; i++)
		if ((pkeys[i] = generate(&shapes[i])) == NULL)
			return 1;
	return 0;
}

static int
free_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < SHAPES; i++)
		EVP_PKEY_free(pkeys[i]);
	return 0;
}

/* Answers, since threads may not assert. */
static bool
sign_theirs(EVP_PKEY *pkey, const uint8_t *digest, uint8_t *signature, size_t *n)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);
	bool ok;

	*n = KEY_SIGNATURE_MAX;
	ok = context != NULL && EVP_PKEY_sign_init(context) == 1 &&
	     EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
	     EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
	     EVP_PKEY_sign(context, signature, n, digest, SHA256_BYTES) == 1;
	EVP_PKEY_CTX_free(context);
	return ok;
}

static bool
signs_the_same(struct rsa_signer *signer, EVP_PKEY *pkey, const uint8_t *digest)
{
	uint8_t ours[KEY_SIGNATURE_MAX], theirs[KEY_SIGNATURE_MAX];
	size_t n_ours = 0, n_theirs = 0;

	return rsa_signer_sign(signer, digest, ours, &n_ours) &&
	       sign_theirs(pkey, digest, theirs, &n_theirs) && n_ours == n_theirs &&
	       memcmp(ours, theirs, n_ours) == 0;
}

static void
random_digest(uint8_t digest[SHA256_BYTES])
{
	BIGNUM *number = BN_new();

	assert_int_equal(BN_rand(number, SHA256_BYTES * 8, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY), 1);
	assert_int_equal(BN_bn2binpad(number, digest, SHA256_BYTES), SHA256_BYTES);
	BN_free(number);
}

static void
test_signs_as_openssl(void **state)
{
	(void)state;
	for (size_t i = 0; i < SHAPES; i++) {
		struct rsa_signer *signer = rsa_signer_new(pkeys[i]);

		assert_non_null(signer);
		for (size_t j = 0; j < SIGNATURES; j++) {
			uint8_t digest[SHA256_BYTES];

			random_digest(digest);
			if (!signs_the_same(signer, pkeys[i], digest))
				fail_msg(
				    "%u bits, e %u: signature %zu", shapes[i].bits, shapes[i].e, j);
		}
		rsa_signer_free(signer);
	}
}

struct signing {
	struct rsa_signer *signer;
	pthread_barrier_t *start;
	uint8_t digest[SHA256_BYTES], wanted[KEY_SIGNATURE_MAX];
	size_t n, wrong;
};

static void *
sign_in_thread(void *arg)
{
	struct signing *signing = arg;
	uint8_t signature[KEY_SIGNATURE_MAX];
	size_t n;

	pthread_barrier_wait(signing->start);
	for (size_t i = 0; i < RSA_BLINDING_USES; i++)
		signing->wrong +=
		    !rsa_signer_sign(signing->signer, signing->digest, signature, &n) ||
		    n != signing->n || memcmp(signature, signing->wanted, n) != 0;
	return NULL;
}

/* All begin at once with a key that has not signed. */
static void
test_threads_sign(void **state)
{
	(void)state;
	for (size_t i = 0; i < SHAPES; i++) {
		struct rsa_signer *signer = rsa_signer_new(pkeys[i]);
		struct signing *signings = mem_zalloc(THREADS, sizeof(*signings));
		pthread_t threads[THREADS];
		pthread_barrier_t start;

		assert_non_null(signer);
		assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
		for (size_t t = 0; t < THREADS; t++) {
			struct signing *signing = &signings[t];

			signing->signer = signer;
			signing->start = &start;
			random_digest(signing->digest);
			assert_true(
			    sign_theirs(pkeys[i], signing->digest, signing->wanted, &signing->n));
		}
		for (size_t t = 0; t < THREADS; t++)
			assert_int_equal(
			    pthread_create(&threads[t], NULL, sign_in_thread, &signings[t]), 0);
		for (size_t t = 0; t < THREADS; t++) {
			assert_int_equal(pthread_join(threads[t], NULL), 0);
			assert_int_equal(signings[t].wrong, 0);
		}
		pthread_barrier_destroy(&start);
		mem_free(signings);
		rsa_signer_free(signer);
	}
}

/* A key with an exponent for one prime that is wrong, and with one for both: what comes out of the
 * remainders is wrong and would give the primes away. */
static void
test_faults_stay_inside(void **state)
{
	uint8_t digest[SHA256_BYTES] = {1}, wanted[KEY_SIGNATURE_MAX], got[KEY_SIGNATURE_MAX];
	RSA *rsa = EVP_PKEY_get1_RSA(pkeys[0]);
	size_t n = 0;

	(void)state;
	assert_true(sign_theirs(pkeys[0], digest, wanted, &n));
	for (int both = 0; both < 2; both++) {
		RSA *wrong = RSAPrivateKey_dup(rsa);
		BIGNUM *dmp1 = BN_dup(RSA_get0_dmp1(rsa)), *dmq1 = BN_dup(RSA_get0_dmq1(rsa));
		EVP_PKEY *pkey = EVP_PKEY_new();
		struct rsa_signer *signer;

		BN_add_word(dmp1, 2);
		BN_add_word(dmq1, both ? 2 : 0);
		assert_int_equal(
		    RSA_set0_crt_params(wrong, dmp1, dmq1, BN_dup(RSA_get0_iqmp(rsa))), 1);
		assert_int_equal(EVP_PKEY_assign_RSA(pkey, wrong), 1);
		signer = rsa_signer_new(pkey);
		assert_non_null(signer);
		for (int i = 0; i < RSA_BLINDING_USES + 1; i++) {
			assert_true(rsa_signer_sign(signer, digest, got, &n));
			assert_memory_equal(got, wanted, n);
		}
		rsa_signer_free(signer);
		EVP_PKEY_free(pkey);
	}
	RSA_free(rsa);
}

struct pair {
	BIGNUM *blind, *unblind;
};

static bool
take(struct rsa_blinding *blinding, struct pair *pair, BN_CTX *context)
{
	pair->blind = BN_new();
	pair->unblind = BN_new();
	return pair->blind != NULL && pair->unblind != NULL &&
	       rsa_blinding_take(blinding, pair->blind, pair->unblind, context);
}

static void
drop(struct pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		BN_free(pairs[i].blind);
		BN_free(pairs[i].unblind);
	}
}

/* For any x: (x * blind) is x * r^e, and x * blind * unblind^e is x. */
static void
check_pair(struct rsa_blinding *blinding, const RSA *rsa, const struct pair *pair, BN_CTX *context)
{
	const BIGNUM *modulus = RSA_get0_n(rsa), *e = RSA_get0_e(rsa);
	BIGNUM *x = BN_new(), *blinded = BN_new(), *inverse = BN_new();

	assert_int_equal(BN_rand_range(x, modulus), 1);
	assert_non_null(BN_copy(blinded, x));
	assert_true(rsa_blinding_apply(blinding, blinded, pair->blind, context));
	assert_int_not_equal(BN_cmp(blinded, x), 0);
	assert_int_equal(BN_one(inverse), 1);
	assert_true(rsa_blinding_apply(blinding, inverse, pair->unblind, context));
	assert_int_equal(BN_is_one(inverse), 0);
	assert_int_equal(BN_mod_exp(inverse, inverse, e, modulus, context), 1);
	assert_int_equal(BN_mod_mul(blinded, blinded, inverse, modulus, context), 1);
	assert_int_equal(BN_cmp(blinded, x), 0);
	BN_free(x);
	BN_free(blinded);
	BN_free(inverse);
}

/* Whether unblind is the square of what it was before. */
static bool
is_square(struct rsa_blinding *blinding, const struct pair *before, const struct pair *now,
    BN_CTX *context)
{
	BIGNUM *square = BN_dup(before->unblind);
	bool is;

	assert_true(rsa_blinding_apply(blinding, square, before->unblind, context));
	is = BN_cmp(square, now->unblind) == 0;
	BN_free(square);
	return is;
}

static void
check_distinct(const struct pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(BN_cmp(pairs[i].blind, pairs[j].blind), 0);
			assert_int_not_equal(BN_cmp(pairs[i].unblind, pairs[j].unblind), 0);
		}
	}
}

static void
test_pairs(void **state)
{
	BN_CTX *context = BN_CTX_new();

	(void)state;
	for (size_t i = 0; i < SHAPES; i++) {
		RSA *rsa = EVP_PKEY_get1_RSA(pkeys[i]);
		struct rsa_blinding *blinding = rsa_blinding_new(RSA_get0_n(rsa), RSA_get0_e(rsa));
		struct pair pairs[SIGNATURES];

		assert_non_null(blinding);
		for (size_t j = 0; j < SIGNATURES; j++) {
			assert_true(take(blinding, &pairs[j], context));
			check_pair(blinding, rsa, &pairs[j], context);
			if (j > 0)
				assert_int_equal(
				    is_square(blinding, &pairs[j - 1], &pairs[j], context),
				    j % RSA_BLINDING_USES != 0);
		}
		check_distinct(pairs, SIGNATURES);
		drop(pairs, SIGNATURES);
		rsa_blinding_free(blinding);
		RSA_free(rsa);
	}
	BN_CTX_free(context);
}

struct taking {
	struct rsa_blinding *blinding;
	pthread_barrier_t *start;
	struct pair *pairs;
	size_t failed;
};

static void *
take_in_thread(void *arg)
{
	struct taking *taking = arg;
	BN_CTX *context = BN_CTX_new();

	pthread_barrier_wait(taking->start);
	for (size_t i = 0; i < PAIRS_OF_THREAD; i++)
		taking->failed += !take(taking->blinding, &taking->pairs[i], context);
	BN_CTX_free(context);
	return NULL;
}

static void
test_threads_never_share_a_pair(void **state)
{
	RSA *rsa = EVP_PKEY_get1_RSA(pkeys[0]);
	struct rsa_blinding *blinding = rsa_blinding_new(RSA_get0_n(rsa), RSA_get0_e(rsa));
	struct pair *pairs = mem_zalloc(PAIRS, sizeof(*pairs));
	struct taking takings[THREADS];
	pthread_t threads[THREADS];
	pthread_barrier_t start;

	(void)state;
	assert_non_null(blinding);
	assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
	for (size_t t = 0; t < THREADS; t++) {
		takings[t] = (struct taking){blinding, &start, &pairs[t * PAIRS_OF_THREAD], 0};
		assert_int_equal(pthread_create(&threads[t], NULL, take_in_thread, &takings[t]), 0);
	}
	for (size_t t = 0; t < THREADS; t++) {
		assert_int_equal(pthread_join(threads[t], NULL), 0);
		assert_int_equal(takings[t].failed, 0);
	}
	check_distinct(pairs, PAIRS);
	drop(pairs, PAIRS);
	mem_free(pairs);
	pthread_barrier_destroy(&start);
	rsa_blinding_free(blinding);
	RSA_free(rsa);
}

static void
check_inverse(const BIGNUM *a, const BIGNUM *modulus, BN_CTX *context)
{
	BIGNUM *ours = BN_new(), *theirs = BN_new();
	bool is = masked_inverse(ours, a, modulus, context);

	assert_int_equal(is, BN_mod_inverse(theirs, a, modulus, context) != NULL);
	if (is)
		assert_int_equal(BN_cmp(ours, theirs), 0);
	BN_free(ours);
	BN_free(theirs);
}

/* Around the lengths where a limb or a word begins, and those of keys. Small odd moduli share
 * factors with many numbers. */
static void
test_inverses(void **state)
{
	static const int lengths[] = {3, 7, 59, 60, 61, 62, 63, 64, 65, 121, 122, 123, 124, 125,
	    126, 1024, 1031, 2047, 2048, 3072, 4093, 4095, 4096};
	BN_CTX *context = BN_CTX_new();
	BIGNUM *a = BN_new(), *modulus = BN_new();

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		for (unsigned j = 0; j < INVERSES; j++) {
			assert_int_equal(
			    BN_rand(modulus, lengths[i],
				j % 2 == 0 ? BN_RAND_TOP_ONE : BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD),
			    1);
			assert_int_equal(BN_rand_range(a, modulus), 1);
			check_inverse(a, modulus, context);
			if (j < 4) {
				BN_set_word(a, j);
				check_inverse(a, modulus, context);
				BN_sub(a, modulus, a);
				if (j > 0)
					check_inverse(a, modulus, context);
			}
		}
	}
	/* All bits set, longer ones, and an even one. */
	BN_zero(modulus);
	BN_set_bit(modulus, MASKED_INVERSE_BITS_MAX);
	BN_sub_word(modulus, 1);
	BN_sub(a, modulus, BN_value_one());
	check_inverse(a, modulus, context);
	for (unsigned j = 0; j < 4; j++) {
		BN_set_bit(modulus, MASKED_INVERSE_BITS_MAX + (int)j * 1000);
		check_inverse(a, modulus, context);
	}
	BN_add_word(modulus, 1);
	assert_false(masked_inverse(a, a, modulus, context));
	BN_free(a);
	BN_free(modulus);
	BN_CTX_free(context);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_signs_as_openssl),
	    cmocka_unit_test(test_threads_sign),
	    cmocka_unit_test(test_faults_stay_inside),
	    cmocka_unit_test(test_pairs),
	    cmocka_unit_test(test_threads_never_share_a_pair),
	    cmocka_unit_test(test_inverses),
	};

	return cmocka_run_group_tests_name("crypto/rsa_signer", tests, make_keys, free_keys);
}
