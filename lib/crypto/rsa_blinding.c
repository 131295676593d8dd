/*
 * rsa_blinding.c - the blinding of one RSA key, for all threads that sign with it.
 * Called by rsa_signer.c twice for each signature. It must never give the same pair twice, nor do
 * anything with a factor whose time or whose memory accesses depend on it, nor hold its lock while
 * it makes a new pair.
 *
 * Why this is as safe as OpenSSL's own blinding (crypto/bn/bn_blind.c). The factors are the same:
 * r^e and 1 / r of an r that the private generator draws evenly from all numbers below the modulus,
 * squared for each next signature, drawn anew after 32, and applied to what goes into the private
 * operation and to what comes out; and all that touches r is a sequence of OpenSSL's Montgomery
 * multiplications that depends on the public exponent alone. Only the inversion takes a time that
 * depends on its number, and that number is r * s with an s that is drawn as r is, serves once and
 * is wiped: it is evenly distributed whatever r is, so all that can be measured of the inversion
 * says nothing about r (OpenSSL inverts r itself, without branches, but in steps that follow it).
 * What is left is a number whose highest word is zero, which is a word shorter and takes another
 * time: one of 2^64 if the modulus fills its words; if not, a bit or so of a random factor shows,
 * as it does in OpenSSL when a factor is drawn (though not when it is squared), and the others of a
 * thousand do not.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bn.h>
#include <pthread.h>

#include "lib/base/mem.h"
#include "lib/crypto/masked_inverse.h"
#include "lib/crypto/rsa_blinding.h"

/* An r without an inverse has a factor of the modulus in it: never seen with a proper key. */
#define TRIES_MAX 8

/* Numbers of multiplications are kept in Montgomery's form: a is a * R modulo the modulus. The
 * multiplication of a number that is not with one that is has a result that is not. */
struct rsa_blinding {
	const BIGNUM *modulus, *e;
	BN_MONT_CTX *mont;
	pthread_mutex_t lock; /* of what follows */
	BIGNUM *blind, *unblind;
	unsigned uses_left; /* of the pair; 0: there is none */
};

/* A copy has no more room than its numbers need; what BN_MONT_CTX_set() makes has twice that. NULL:
 * the modulus is none, or no memory. */
static BN_MONT_CTX *
mont_new(const BIGNUM *modulus)
{
	BN_MONT_CTX *mont = BN_MONT_CTX_new(), *roomy = BN_MONT_CTX_new();
	BN_CTX *context = BN_CTX_new();

	if (context == NULL || mont == NULL || roomy == NULL ||
	    BN_MONT_CTX_set(roomy, modulus, context) != 1 ||
	    BN_MONT_CTX_copy(mont, roomy) == NULL) {
		BN_MONT_CTX_free(mont);
		mont = NULL;
	}
	BN_MONT_CTX_free(roomy);
	BN_CTX_free(context);
	return mont;
}

struct rsa_blinding *
rsa_blinding_new(const BIGNUM *modulus, const BIGNUM *e)
{
	struct rsa_blinding *blinding = mem_zalloc(1, sizeof(*blinding));

	blinding->modulus = modulus;
	blinding->e = e;
	blinding->mont = mont_new(modulus);
	blinding->blind = BN_new();
	blinding->unblind = BN_new();
	pthread_mutex_init(&blinding->lock, NULL);
	if (blinding->mont == NULL || blinding->blind == NULL || blinding->unblind == NULL) {
		rsa_blinding_free(blinding);
		blinding = NULL;
	}
	return blinding;
}

void
rsa_blinding_free(struct rsa_blinding *blinding)
{
	if (blinding == NULL)
		return;
	BN_clear_free(blinding->blind);
	BN_clear_free(blinding->unblind);
	BN_MONT_CTX_free(blinding->mont);
	pthread_mutex_destroy(&blinding->lock);
	mem_free(blinding);
}

size_t
rsa_blinding_bytes(void)
{
	return sizeof(struct rsa_blinding) + 2 * sizeof(size_t);
}

/* out = a * b / R */
static bool
multiply(const struct rsa_blinding *blinding, BIGNUM *out, const BIGNUM *a, const BIGNUM *b,
    BN_CTX *context)
{
	return BN_mod_mul_montgomery(out, a, b, blinding->mont, context) == 1;
}

bool
rsa_blinding_apply(
    const struct rsa_blinding *blinding, BIGNUM *number, const BIGNUM *factor, BN_CTX *context)
{
	return multiply(blinding, number, number, factor, context);
}

/* out = 1 / a, multiplied out. All three are no secrets: a is masked. */
static bool
invert_masked(const struct rsa_blinding *blinding, BIGNUM *out, const BIGNUM *a, BN_CTX *context)
{
	BIGNUM *plain = BN_CTX_get(context);

	return plain != NULL && BN_from_montgomery(plain, a, blinding->mont, context) == 1 &&
	       masked_inverse(out, plain, blinding->modulus, context) &&
	       multiply(blinding, plain, out, a, context) && BN_is_one(plain) == 1 &&
	       BN_to_montgomery(out, out, blinding->mont, context) == 1;
}

/* A random r and its inverse. */
static bool
draw(const struct rsa_blinding *blinding, BIGNUM *r, BIGNUM *inverse, BN_CTX *context)
{
	BIGNUM *mask, *masked, *inverted;
	bool ok;

	BN_CTX_start(context);
	mask = BN_CTX_get(context);
	masked = BN_CTX_get(context);
	inverted = BN_CTX_get(context);
	ok = inverted != NULL && BN_priv_rand_range(r, blinding->modulus) == 1 &&
	     BN_priv_rand_range(mask, blinding->modulus) == 1 &&
	     multiply(blinding, masked, r, mask, context) &&
	     invert_masked(blinding, inverted, masked, context) &&
	     multiply(blinding, inverse, inverted, mask, context);
	if (mask != NULL)
		BN_clear(mask);
	BN_CTX_end(context);
	return ok;
}

/* out = base^e. What is multiplied depends on e alone. */
static bool
power(const struct rsa_blinding *blinding, BIGNUM *out, const BIGNUM *base, BN_CTX *context)
{
	bool ok = BN_copy(out, base) != NULL;

	for (int bit = BN_num_bits(blinding->e) - 2; ok && bit >= 0; bit--) {
		ok = multiply(blinding, out, out, out, context);
		if (ok && BN_is_bit_set(blinding->e, bit) == 1)
			ok = multiply(blinding, out, out, base, context);
	}
	return ok;
}

static bool
make_pair(const struct rsa_blinding *blinding, BIGNUM *blind, BIGNUM *unblind, BN_CTX *context)
{
	bool ok = false;
	BIGNUM *r;

	BN_CTX_start(context);
	r = BN_CTX_get(context);
	for (int i = 0; r != NULL && !ok && i < TRIES_MAX; i++)
		ok = draw(blinding, r, unblind, context);
	ok = ok && power(blinding, blind, r, context);
	if (r != NULL)
		BN_clear(r);
	BN_CTX_end(context);
	return ok;
}

/* With the lock: the pair has been used. */
static void
step(struct rsa_blinding *blinding, BN_CTX *context)
{
	BIGNUM *blind = blinding->blind, *unblind = blinding->unblind;

	blinding->uses_left--;
	if (blinding->uses_left > 0 && (!multiply(blinding, blind, blind, blind, context) ||
					   !multiply(blinding, unblind, unblind, unblind, context)))
		blinding->uses_left = 0;
}

/* With the lock. */
static bool
take_kept(struct rsa_blinding *blinding, BIGNUM *blind, BIGNUM *unblind, BN_CTX *context)
{
	bool ok =
	    BN_copy(blind, blinding->blind) != NULL && BN_copy(unblind, blinding->unblind) != NULL;

	step(blinding, context);
	return ok;
}

/* With the lock; the pair that was made is being used. Another thread may have been first. */
static bool
keep(struct rsa_blinding *blinding, const BIGNUM *blind, const BIGNUM *unblind, BN_CTX *context)
{
	if (blinding->uses_left > 0)
		return true;
	if (BN_copy(blinding->blind, blind) == NULL || BN_copy(blinding->unblind, unblind) == NULL)
		return false;
	blinding->uses_left = RSA_BLINDING_USES;
	step(blinding, context);
	return true;
}

bool
rsa_blinding_take(struct rsa_blinding *blinding, BIGNUM *blind, BIGNUM *unblind, BN_CTX *context)
{
	bool kept, ok = true;

	pthread_mutex_lock(&blinding->lock);
	kept = blinding->uses_left > 0;
	if (kept)
		ok = take_kept(blinding, blind, unblind, context);
	pthread_mutex_unlock(&blinding->lock);
	if (kept)
		return ok;
	if (!make_pair(blinding, blind, unblind, context))
		return false;
	pthread_mutex_lock(&blinding->lock);
	ok = keep(blinding, blind, unblind, context);
	pthread_mutex_unlock(&blinding->lock);
	return ok;
}
