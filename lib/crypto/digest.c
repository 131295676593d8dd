/*
 * digest.c - SHA-256, random octets, base64.
 * The canonicalisers of a front-end stream message bodies into it, the keeper hashes header
 * blocks with it. It must never fetch an algorithm per message.
 */
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <sysexits.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/crypto/digest.h"

struct digest {
	EVP_MD *algorithm;
	EVP_MD_CTX *context;
};

/* SHA-256 cannot fail on a working machine; on another one no signature may leave. */
static void
must(int ok, const char *what)
{
	if (ok == 1)
		return;
	log_line(LOG_LEVEL_ERROR, "crypto library failed at %s, the process ends", what);
	_Exit(EX_SOFTWARE);
}

struct digest *
digest_new(void)
{
	struct digest *digest = mem_zalloc(1, sizeof(*digest));

	digest->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
	digest->context = EVP_MD_CTX_new();
	must(digest->algorithm != NULL && digest->context != NULL, "EVP_MD_fetch");
	digest_start(digest);
	return digest;
}

void
digest_free(struct digest *digest)
{
	if (digest == NULL)
		return;
	EVP_MD_CTX_free(digest->context);
	EVP_MD_free(digest->algorithm);
	mem_free(digest);
}

void
digest_start(struct digest *digest)
{
	must(EVP_DigestInit_ex2(digest->context, digest->algorithm, NULL), "EVP_DigestInit");
}

void
digest_add(struct digest *digest, struct span s)
{
	if (s.n > 0)
		must(EVP_DigestUpdate(digest->context, s.p, s.n), "EVP_DigestUpdate");
}

void
digest_finish(struct digest *digest, uint8_t out[SHA256_BYTES])
{
	must(EVP_DigestFinal_ex(digest->context, out, NULL), "EVP_DigestFinal");
}

void
digest_copy(struct digest *to, const struct digest *from)
{
	must(EVP_MD_CTX_copy_ex(to->context, from->context), "EVP_MD_CTX_copy");
}

void
random_bytes(void *out, size_t n)
{
	must(n <= INT_MAX && RAND_bytes(out, (int)n) == 1, "RAND_bytes");
}

void
base64_encode(const void *in, size_t n, char *out)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *b = in;

	for (; n > 0; b += 3, out += 4) {
		uint32_t word = (uint32_t)b[0] << 16;

		if (n > 1)
			word |= (uint32_t)b[1] << 8;
		if (n > 2)
			word |= b[2];
		out[0] = digits[word >> 18 & 63];
		out[1] = digits[word >> 12 & 63];
		out[2] = n > 1 ? digits[word >> 6 & 63] : '=';
		out[3] = n > 2 ? digits[word & 63] : '=';
		n = n > 3 ? n - 3 : 0;
	}
}

/* What a digit stands for, and one; 0: no digit. */
static unsigned int
base64_digit(char c)
{
	static const uint8_t from_plus[] = {63, 0, 0, 0, 64, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
	    0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
	    20, 21, 22, 23, 24, 25, 26, 0, 0, 0, 0, 0, 0, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36,
	    37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52};
	unsigned int at = (unsigned int)(uint8_t)c - '+';

	return at < sizeof(from_plus) ? from_plus[at] : 0;
}

enum status
base64_decode(struct span text, void *out, size_t *n_out)
{
	uint8_t *to = out;
	uint32_t word = 0;
	unsigned int have = 0, padding = 0;

	for (size_t i = 0; i < text.n; i++) {
		unsigned int digit = base64_digit(text.p[i]);

		if (digit == 0 && ascii_blank(text.p[i]))
			continue;
		if (digit == 0 && text.p[i] == '=') {
			padding++;
			continue;
		}
		if (digit == 0 || padding > 0)
			return ST_INVALID;
		word = word << 6 | (digit - 1);
		if (++have % 4 != 0)
			continue;
		*to++ = (uint8_t)(word >> 16);
		*to++ = (uint8_t)(word >> 8);
		*to++ = (uint8_t)word;
	}
	have %= 4;
	if (have == 1 || padding != (have == 0 ? 0 : 4 - have))
		return ST_INVALID;
	if (have >= 2)
		*to++ = (uint8_t)(have == 2 ? word >> 4 : word >> 10);
	if (have == 3)
		*to++ = (uint8_t)(word >> 2);
	*n_out = (size_t)(to - (uint8_t *)out);
	return ST_OK;
}
