/*
 * masked_inverse.c - modular inverses by division steps (Bernstein and Yang, "Fast constant-time
 * gcd computation and modular inversion", 2019; the variant that begins at one half). OpenSSL's
 * take seven times as long. Called by rsa_blinding.c once in 32 signatures of a key, which
 * multiplies out what it gets: a wrong answer is found there. It must never be given a secret that
 * is not masked, for what it does, and for how long, depends on the number.
 */
#include <endian.h>
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
#define WORD_BYTES 8U
#define OCTETS_MAX (LIMBS_MAX * WORD_BYTES + WORD_BYTES + 1)
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

static uint64_t
word_at(const unsigned char *octets)
{
	uint64_t word;

	memcpy(&word, octets, sizeof(word));
	return le64toh(word);
}

/* a: shorter than n limbs. */
static bool
limbs_of(int64_t *limbs, size_t n, const BIGNUM *a, unsigned char *octets)
{
	int bytes = (int)(n * LIMB_BITS + 7) / 8;

	if (BN_bn2lebinpad(a, octets, bytes) != bytes)
		return false;
	memset(octets + bytes, 0, WORD_BYTES + 1);
	for (size_t i = 0; i < n; i++) {
		const unsigned char *at = octets + i * LIMB_BITS / 8;
		unsigned shift = i * LIMB_BITS % 8; /* even: the limb ends in the octet behind */
		uint64_t limb = word_at(at) >> shift | (uint64_t)at[WORD_BYTES] << 1
										<< (63 - shift);

		limbs[i] = (int64_t)(limb & LIMB_MASK);
	}
	return true;
}

/* limbs: not negative, below 2^MASKED_INVERSE_BITS_MAX. */
static bool
number_of(BIGNUM *out, const int64_t *limbs, size_t n, unsigned char *octets)
{
	size_t bytes = 0;
	wide word = 0; /* what is not written yet */
	unsigned bits = 0;

	for (size_t i = 0; i < n; i++) {
		word |= (wide)limbs[i] << bits;
		for (bits += LIMB_BITS; bits >= 8; bits -= 8) {
			octets[bytes++] = (unsigned char)word;
			word >>= 8;
		}
	}
	octets[bytes++] = (unsigned char)word;
	return BN_lebin2bn(octets, (int)bytes, out) != NULL;
}

/* (a, b) = (b, -a) */
static inline void
exchange(uint64_t *a, uint64_t *b)
{
	uint64_t before = *a;

	*a = *b;
	*b = 0 - before;
}

/* 62 division steps with the lowest bits of f and g. A step, if g is odd and delta above zero:
 * (f, g) = (g, (g - f) / 2), delta = 1 - delta; otherwise (f, g) = (f, (g + f or 0) / 2), delta =
 * 1 + delta. As many at once as there are zeros in g, or as there is no exchange for: then f is
 * added so often that its next bits, six at most, are zero. */
static int64_t
divide_steps(int64_t delta, uint64_t f, uint64_t g, struct matrix *matrix)
{
	uint64_t u = 1, v = 0, q = 0, r = 1, times;
	int left = LIMB_BITS, steps = __builtin_ctzll(g | (1ULL << left));

	for (;;) {
		g >>= steps;
		u <<= steps;
		v <<= steps;
		delta += 2 * steps;
		left -= steps;
		if (left == 0)
			break;
		if (delta > 0) {
			delta = -delta;
			exchange(&f, &g);
			exchange(&u, &q);
			exchange(&v, &r);
		}
		/* Until delta, which is odd, is above zero again. */
		steps = delta < 1 - 2 * left ? left : (int)((1 - delta) / 2);
		steps = steps > 6 ? 6 : steps;
		/* f * (f * f - 2) is -1 / f modulo 2^6. */
		times = (g * f * (f * f - 2)) & ((1ULL << steps) - 1);
		g += f * times;
		q += u * times;
		r += v * times;
		steps = __builtin_ctzll(g | (1ULL << left));
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
