/*
 * der.c - the DER of public keys taken apart by hand: a general decoder costs more than the
 * verification it is for. Called for every key record that strangers publish. It must never read
 * an octet that the cursor does not hold, and never recurse.
 */
#include "lib/crypto/der.h"

#define LENGTH_OCTETS_MAX 3u /* 16 MB; keys have 2 */
#define ED25519_BYTES 32u

static const uint8_t oid_rsa[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
static const uint8_t oid_ed25519[] = {0x2b, 0x65, 0x70};

/* The length octets at the front of *s; takes them off. */
static bool
length_take(struct span *s, size_t *length_out)
{
	size_t octets, length;

	if (s->n == 0)
		return false;
	length = (uint8_t)s->p[0];
	*s = span_from(*s, 1);
	if (length >= 0x80) {
		octets = length & 0x7f;
		if (octets == 0 || octets > LENGTH_OCTETS_MAX || octets > s->n)
			return false;
		length = 0;
		for (size_t i = 0; i < octets; i++)
			length = length << 8 | (uint8_t)s->p[i];
		*s = span_from(*s, octets);
	}
	*length_out = length;
	return length <= s->n;
}

bool
der_take(struct span *rest, enum der_tag tag, struct span *contents_out)
{
	struct span s = *rest;
	size_t length = 0;

	if (s.n == 0 || (uint8_t)s.p[0] != (uint8_t)tag)
		return false;
	s = span_from(s, 1);
	if (!length_take(&s, &length))
		return false;
	*contents_out = span_sub(s, 0, length);
	*rest = span_from(s, length);
	return true;
}

bool
der_take_unsigned(struct span *rest, struct span *digits_out)
{
	struct span digits;

	if (!der_take(rest, DER_INTEGER, &digits) || digits.n == 0)
		return false;
	while (digits.n > 0 && digits.p[0] == 0)
		digits = span_from(digits, 1);
	*digits_out = digits;
	return true;
}

/* AlgorithmIdentifier with that OID, its parameters absent or NULL. */
static bool
algorithm_take(struct span *rest, struct span oid)
{
	struct span algorithm, found, parameters = SPAN_EMPTY;

	if (!der_take(rest, DER_SEQUENCE, &algorithm) || !der_take(&algorithm, DER_OID, &found))
		return false;
	if (!span_eq(found, oid))
		return false;
	if (algorithm.n > 0 && !der_take(&algorithm, DER_NULL, &parameters))
		return false;
	return algorithm.n == 0 && parameters.n == 0;
}

/* The octets of the BIT STRING in a SubjectPublicKeyInfo of that algorithm. */
static bool
key_info(struct span der, struct span oid, struct span *key_out)
{
	struct span info, bits;

	if (!der_take(&der, DER_SEQUENCE, &info) || der.n > 0)
		return false;
	if (!algorithm_take(&info, oid) || !der_take(&info, DER_BIT_STRING, &bits))
		return false;
	if (info.n > 0 || bits.n == 0 || bits.p[0] != 0) /* unused bits */
		return false;
	*key_out = span_from(bits, 1);
	return true;
}

bool
der_rsa_public(struct span der, struct span *modulus_out, struct span *exponent_out)
{
	struct span key = der, numbers;

	(void)key_info(der, span_of(oid_rsa, sizeof oid_rsa), &key);
	if (!der_take(&key, DER_SEQUENCE, &numbers) || key.n > 0)
		return false;
	return der_take_unsigned(&numbers, modulus_out) &&
	       der_take_unsigned(&numbers, exponent_out) && numbers.n == 0;
}

bool
der_ed25519_public(struct span der, struct span *raw_out)
{
	return key_info(der, span_of(oid_ed25519, sizeof oid_ed25519), raw_out) &&
	       raw_out->n == ED25519_BYTES;
}
