/*
 * masked_inverse.c - modular inverses by division steps (Bernstein and Yang, "Fast constant-time
 * gcd computation and modular inversion", 2019; the variant that begins at one half). OpenSSL's
 * take six times as long. Called by rsa_blinding.c once in 32 signatures of a key, which multiplies
 * out what it gets: a wrong answer is found there. It must never be given a secret that is not
 * masked, for when it ends depends on the number.
 */
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <string.h>

#include "lib/crypto/masked_inverse.h"

/* a is masked, so it needs no constant time. */
static bool
inverse_of_library(BIGNUM *out, const BIGNUM *a, const BIGNUM *modulus, BN_CTX *context)
{
	return BN_is_odd(modulus) == 1 && BN_mod_inverse(out, a, modulus, context) != NULL;
}

#ifdef __SIZEOF_INT128__ /* with processors of 64 bits */

/* Numbers are limbs of 62 bits, the lowest first; the highest one has the sign. So many division
 * steps are done at once on the lowest limbs, and what they come to is then done to all of the
 * numbers, divided by 2^62. */
#define LIMB_BITS 62
#define LIMB_MASK (UINT64_MAX >> (64 - LIMB_BITS))
/* One bit for the sign, one since the cofactors go to twice the modulus. */
#define LIMBS_MAX ((MASKED_INVERSE_BITS_MAX + 2) / LIMB_BITS + 1)
#define OCTETS_MAX (MASKED_INVERSE_BITS_MAX / 8)
/* More steps than any number of so many bits needs: (45907 bits + 26313) / 19929 of them. */
#define BATCHES_MAX(bits) ((((bits)*5 / 2) + LIMB_BITS) / LIMB_BITS)

__extension__ typedef __int128 wide;

struct matrix {
	int64_t u, v, q, r;
};

struct inversion {
	int64_t modulus[LIMBS_MAX];
	int64_t f[LIMBS_MAX],
	    g[LIMBS_MAX]; /* the modulus and the number, which come down to 1 and 0 */
	int64_t d[LIMBS_MAX], e[LIMBS_MAX]; /* f = d * a and g = e * a, modulo the modulus */
	unsigned char octets[OCTETS_MAX];
	uint64_t modulus_inverse; /* modulo 2^62 */
	int64_t delta;            /* twice that of the paper */
	size_t limbs;             /* of the modulus, d and e */
	size_t left;              /* of f and g */
};

/* a: shorter than limbs. */
static bool
limbs_of(int64_t *limbs, size_t n, const BIGNUM *a, unsigned char *octets)
{
	if (BN_bn2lebinpad(a, octets, OCTETS_MAX) != OCTETS_MAX)
		return false;
	memset(limbs, 0, n * sizeof(*limbs));
	for (size_t i = 0; i < OCTETS_MAX; i++) {
		size_t limb = i * 8 / LIMB_BITS, shift = i * 8 % LIMB_BITS;

		if (limb < n)
			limbs[limb] |= (int64_t)(((uint64_t)octets[i] << shift) & LIMB_MASK);
		if (limb + 1 < n && shift > LIMB_BITS - 8)
			limbs[limb + 1] |= octets[i] >> (LIMB_BITS - shift);
	}
	return true;
}

/* limbs: not negative, below 2^MASKED_INVERSE_BITS_MAX. */
static bool
number_of(BIGNUM *out, const int64_t *limbs, size_t n, unsigned char *octets)
{
	for (size_t i = 0; i < OCTETS_MAX; i++) {
		size_t limb = i * 8 / LIMB_BITS, shift = i * 8 % LIMB_BITS;
		uint64_t octet = limb < n ? (uint64_t)limbs[limb] >> shift : 0;

		if (limb + 1 < n && shift > LIMB_BITS - 8)
			octet |= (uint64_t)limbs[limb + 1] << (LIMB_BITS - shift);
		octets[i] = (unsigned char)octet;
	}
	return BN_lebin2bn(octets, OCTETS_MAX, out) != NULL;
}

/* 62 division steps with the lowest bits of f and g. A step, if g is odd and delta above zero:
 * (f, g) = (g, (g - f) / 2), delta = 1 - delta; otherwise (f, g) = (f, (g + f or 0) / 2), delta =
 * 1 + delta. */
static int64_t
divide_steps(int64_t delta, uint64_t f, uint64_t g, struct matrix *matrix)
{
	uint64_t u = 1, v = 0, q = 0, r = 1;

	for (int i = 0; i < LIMB_BITS; i++) {
		uint64_t odd = 0 - (g & 1), swap = odd & (0 - (uint64_t)(delta > 0));

		g += ((f ^ swap) - swap) & odd;
		q += ((u ^ swap) - swap) & odd;
		r += ((v ^ swap) - swap) & odd;
		f += g & swap;
		u += q & swap;
		v += r & swap;
		delta = (int64_t)(((uint64_t)delta ^ swap) - swap) + 2;
		g >>= 1;
		u <<= 1;
		v <<= 1;
	}
	*matrix = (struct matrix){(int64_t)u, (int64_t)v, (int64_t)q, (int64_t)r};
	return delta;
}

/* (f, g) = matrix * (f, g) / 2^62, which leaves nothing over. */
static void
update_numbers(struct inversion *inversion, const struct matrix *by)
{
	int64_t *f = inversion->f, *g = inversion->g;
	wide to_f = 0, to_g = 0;
	size_t n = inversion->left;

	for (size_t i = 0; i < n; i++) {
		to_f += (wide)by->u * f[i] + (wide)by->v * g[i];
		to_g += (wide)by->q * f[i] + (wide)by->r * g[i];
		if (i > 0) {
			f[i - 1] = (int64_t)((uint64_t)to_f & LIMB_MASK);
			g[i - 1] = (int64_t)((uint64_t)to_g & LIMB_MASK);
		}
		to_f >>= LIMB_BITS;
		to_g >>= LIMB_BITS;
	}
	f[n - 1] = (int64_t)to_f;
	g[n - 1] = (int64_t)to_g;
	/* A highest limb that is a sign and no more goes into the one below. */
	while (n > 1 && (f[n - 1] == 0 || f[n - 1] == -1) && (g[n - 1] == 0 || g[n - 1] == -1)) {
		n--;
		f[n - 1] |= (int64_t)((uint64_t)f[n] << LIMB_BITS);
		g[n - 1] |= (int64_t)((uint64_t)g[n] << LIMB_BITS);
	}
	inversion->left = n;
}

/* So often must the modulus be added for the lowest limb to be zero; sum: that limb. */
static int64_t
times_modulus(const struct inversion *inversion, int64_t times, uint64_t sum)
{
	return times - (int64_t)((inversion->modulus_inverse * sum + (uint64_t)times) & LIMB_MASK);
}

/* (d, e) = matrix * (d, e) / 2^62 modulo the modulus; above -2 and below 1 times the modulus, as
 * before: it is added for each one that is negative. */
static void
update_cofactors(struct inversion *inversion, const struct matrix *by)
{
	const int64_t *modulus = inversion->modulus;
	int64_t *d = inversion->d, *e = inversion->e;
	size_t n = inversion->limbs;
	int64_t d_sign = d[n - 1] < 0 ? -1 : 0, e_sign = e[n - 1] < 0 ? -1 : 0;
	int64_t times_d = (by->u & d_sign) + (by->v & e_sign);
	int64_t times_e = (by->q & d_sign) + (by->r & e_sign);
	wide to_d = 0, to_e = 0;

	times_d = times_modulus(inversion, times_d,
	    (uint64_t)by->u * (uint64_t)d[0] + (uint64_t)by->v * (uint64_t)e[0]);
	times_e = times_modulus(inversion, times_e,
	    (uint64_t)by->q * (uint64_t)d[0] + (uint64_t)by->r * (uint64_t)e[0]);
	for (size_t i = 0; i < n; i++) {
		to_d += (wide)by->u * d[i] + (wide)by->v * e[i] + (wide)times_d * modulus[i];
		to_e += (wide)by->q * d[i] + (wide)by->r * e[i] + (wide)times_e * modulus[i];
		if (i > 0) {
			d[i - 1] = (int64_t)((uint64_t)to_d & LIMB_MASK);
			e[i - 1] = (int64_t)((uint64_t)to_e & LIMB_MASK);
		}
		to_d >>= LIMB_BITS;
		to_e >>= LIMB_BITS;
	}
	d[n - 1] = (int64_t)to_d;
	e[n - 1] = (int64_t)to_e;
}

/* d plus times the modulus, or its negative. */
static void
adjust(struct inversion *inversion, bool negate, int64_t times)
{
	int64_t *d = inversion->d, carry = 0;

	for (size_t i = 0; i < inversion->limbs; i++) {
		carry += (negate ? -d[i] : d[i]) + times * inversion->modulus[i];
		d[i] = i + 1 == inversion->limbs ? carry : (int64_t)((uint64_t)carry & LIMB_MASK);
		carry >>= LIMB_BITS;
	}
}

/* Until g is zero. f is the greatest common divisor then, or its negative. */
static bool
find_cofactor(struct inversion *inversion, size_t bits)
{
	for (size_t i = 0; i < BATCHES_MAX(bits); i++) {
		struct matrix matrix;

		inversion->delta = divide_steps(inversion->delta, (uint64_t)inversion->f[0],
		    (uint64_t)inversion->g[0], &matrix);
		update_cofactors(inversion, &matrix);
		update_numbers(inversion, &matrix);
		OPENSSL_cleanse(&matrix, sizeof(matrix));
		if (inversion->left == 1 && inversion->g[0] == 0)
			break;
	}
	if (inversion->left != 1 || inversion->g[0] != 0 ||
	    (inversion->f[0] != 1 && inversion->f[0] != -1))
		return false;
	if (inversion->d[inversion->limbs - 1] < 0)
		adjust(inversion, false, 1);
	adjust(inversion, inversion->f[0] < 0, 0);
	while (inversion->d[inversion->limbs - 1] < 0)
		adjust(inversion, false, 1);
	return true;
}

bool
masked_inverse(BIGNUM *out, const BIGNUM *a, const BIGNUM *modulus, BN_CTX *context)
{
	struct inversion inversion = {.delta = 1, .e = {1}};
	size_t bits = (size_t)BN_num_bits(modulus);
	bool ok;

	if (bits > MASKED_INVERSE_BITS_MAX)
		return inverse_of_library(out, a, modulus, context);
	if (BN_is_odd(modulus) == 0)
		return false;
	inversion.limbs = inversion.left = (bits + 2) / LIMB_BITS + 1;
	ok = limbs_of(inversion.modulus, inversion.limbs, modulus, inversion.octets) &&
	     limbs_of(inversion.g, inversion.limbs, a, inversion.octets);
	memcpy(inversion.f, inversion.modulus, sizeof(inversion.f));
	/* Each time twice as many bits are right; of an odd number three are, to begin with. */
	inversion.modulus_inverse = (uint64_t)inversion.modulus[0];
	for (int right = 3; right < LIMB_BITS; right *= 2)
		inversion.modulus_inverse *=
		    2 - (uint64_t)inversion.modulus[0] * inversion.modulus_inverse;
	ok = ok && find_cofactor(&inversion, bits) &&
	     number_of(out, inversion.d, inversion.limbs, inversion.octets);
	OPENSSL_cleanse(&inversion, sizeof(inversion));
	return ok;
}

#else

bool
masked_inverse(BIGNUM *out, const BIGNUM *a, const BIGNUM *modulus, BN_CTX *context)
{
	return inverse_of_library(out, a, modulus, context);
}

#endif
