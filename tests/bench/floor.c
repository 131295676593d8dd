/*
 * floor.c - what the arithmetic of one message costs: a signature, or the verification of one, with
 * a warm key and a ready context, as `openssl speed` makes them, and SHA-256 of so many octets (of
 * the body; the header is not counted), in CPU microseconds of this thread. bench.py runs it just
 * before each measurement, because the speed of a virtual machine drifts. It must never measure
 * set-up: the median of many batches is taken, after a warm-up.
 */
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCHES 25
#define BATCH_US 8000.0
#define BODY_MAX (64U << 20)

struct work {
	EVP_PKEY *key;
	EVP_MD *sha256;
	EVP_MD_CTX *digest;
	EVP_PKEY_CTX *rsa;   /* ready to sign digests */
	EVP_MD_CTX *ed25519; /* ready to sign, again and again */
	bool verify;         /* signature is there, and is verified instead */
	uint8_t signature[1024];
	size_t signature_n;
	uint8_t *octets;
	size_t n;
};

static void
check(bool done, const char *what)
{
	if (!done) {
		fprintf(stderr, "floor: %s failed\n", what);
		exit(70);
	}
}

static double
thread_us(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3;
}

static void
sign_rsa(struct work *work)
{
	static const uint8_t hash[32] = {1};
	uint8_t signature[1024];
	size_t n = sizeof(signature);

	check(EVP_PKEY_sign(work->rsa, signature, &n, hash, sizeof(hash)) == 1, "RSA signature");
}

static void
sign_ed25519(struct work *work)
{
	static const uint8_t hash[32] = {1};
	uint8_t signature[64];
	size_t n = sizeof(signature);

	check(EVP_DigestSign(work->ed25519, signature, &n, hash, sizeof(hash)) == 1,
	    "Ed25519 signature");
}

static void
verify_rsa(struct work *work)
{
	static const uint8_t hash[32] = {1};

	check(
	    EVP_PKEY_verify(work->rsa, work->signature, work->signature_n, hash, sizeof(hash)) == 1,
	    "RSA verification");
}

static void
verify_ed25519(struct work *work)
{
	static const uint8_t hash[32] = {1};

	check(EVP_DigestVerify(
		  work->ed25519, work->signature, work->signature_n, hash, sizeof(hash)) == 1,
	    "Ed25519 verification");
}

static void
hash_body(struct work *work)
{
	uint8_t hash[32];

	check(EVP_DigestInit_ex(work->digest, work->sha256, NULL) == 1 &&
		  EVP_DigestUpdate(work->digest, work->octets, work->n) == 1 &&
		  EVP_DigestFinal_ex(work->digest, hash, NULL) == 1,
	    "SHA-256");
}

static int
compare_double(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

/* CPU microseconds of one call: the median of batches of about BATCH_US each. */
static double
median_us(void (*call)(struct work *work), struct work *work)
{
	double results[BATCHES];
	double begin;
	int calls;

	call(work);
	call(work);
	begin = thread_us();
	call(work);
	calls = 1 + (int)(BATCH_US / (thread_us() - begin + 0.01));
	for (int i = 0; i < BATCHES; i++) {
		begin = thread_us();
		for (int j = 0; j < calls; j++)
			call(work);
		results[i] = (thread_us() - begin) / calls;
	}
	qsort(results, BATCHES, sizeof(double), compare_double);
	return results[BATCHES / 2];
}

static void
set_rsa(struct work *work, int (*init)(EVP_PKEY_CTX *))
{
	EVP_PKEY_CTX_free(work->rsa);
	work->rsa = EVP_PKEY_CTX_new(work->key, NULL);
	check(work->rsa != NULL && init(work->rsa) == 1 &&
		  EVP_PKEY_CTX_set_rsa_padding(work->rsa, RSA_PKCS1_PADDING) == 1 &&
		  EVP_PKEY_CTX_set_signature_md(work->rsa, work->sha256) == 1,
	    "RSA context");
}

static double
measure_rsa(struct work *work)
{
	static const uint8_t hash[32] = {1};
	double us;

	work->key = EVP_RSA_gen(2048);
	check(work->key != NULL, "RSA key");
	set_rsa(work, EVP_PKEY_sign_init);
	if (work->verify) {
		work->signature_n = sizeof(work->signature);
		check(EVP_PKEY_sign(
			  work->rsa, work->signature, &work->signature_n, hash, sizeof(hash)) == 1,
		    "RSA signature");
		set_rsa(work, EVP_PKEY_verify_init);
	}
	us = median_us(work->verify ? verify_rsa : sign_rsa, work);
	EVP_PKEY_CTX_free(work->rsa);
	EVP_PKEY_free(work->key);
	return us;
}

static double
measure_ed25519(struct work *work)
{
	static const uint8_t hash[32] = {1};
	double us;

	work->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	work->ed25519 = EVP_MD_CTX_new();
	check(work->key != NULL && work->ed25519 != NULL &&
		  EVP_DigestSignInit(work->ed25519, NULL, NULL, NULL, work->key) == 1,
	    "Ed25519 key");
	if (work->verify) {
		work->signature_n = sizeof(work->signature);
		check(EVP_DigestSign(work->ed25519, work->signature, &work->signature_n, hash,
			  sizeof(hash)) == 1 &&
			  EVP_MD_CTX_reset(work->ed25519) == 1 &&
			  EVP_DigestVerifyInit(work->ed25519, NULL, NULL, NULL, work->key) == 1,
		    "Ed25519 signature");
	}
	us = median_us(work->verify ? verify_ed25519 : sign_ed25519, work);
	EVP_MD_CTX_free(work->ed25519);
	EVP_PKEY_free(work->key);
	return us;
}

int
main(int argc, char **argv)
{
	bool enough = argc == 3 || (argc == 4 && strcmp(argv[3], "verify") == 0);
	bool rsa = enough && strcmp(argv[1], "rsa") == 0;
	struct work work = {
	    .n = enough ? (size_t)strtoul(argv[2], NULL, 10) : 0, .verify = argc == 4};
	double sign_us, hash_us;

	if ((!rsa && (!enough || strcmp(argv[1], "ed25519") != 0)) || work.n > BODY_MAX) {
		fprintf(stderr, "usage: floor rsa|ed25519 BODY-OCTETS [verify]\n");
		return 64;
	}
	work.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	work.digest = EVP_MD_CTX_new();
	work.octets = calloc(work.n + 1, 1);
	check(work.sha256 != NULL && work.digest != NULL && work.octets != NULL, "set-up");
	sign_us = rsa ? measure_rsa(&work) : measure_ed25519(&work);
	hash_us = median_us(hash_body, &work);
	printf("{\"sign_us\": %.2f, \"hash_us\": %.2f, \"floor_us\": %.2f}\n", sign_us, hash_us,
	    sign_us + hash_us);
	EVP_MD_CTX_free(work.digest);
	EVP_MD_free(work.sha256);
	free(work.octets);
	return 0;
}
