/*
 * der.h - private to this room: reading DER with a cursor that cannot leave its octets. Only what
 * keys need. X.690.
 */
#ifndef SIGNPOST_CRYPTO_DER_H
#define SIGNPOST_CRYPTO_DER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/span.h"

enum der_tag {
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_SEQUENCE = 0x30
};

/* Takes the next element off *rest; its contents into *contents_out. false: another tag, or a
 * length that is not there; *rest is then unchanged. Lengths longer than they need be are read. */
bool der_take(struct span *rest, enum der_tag tag, struct span *contents_out);
/* The same for an INTEGER read as a number without sign, leading zeros taken off; 0 is empty. */
bool der_take_unsigned(struct span *rest, struct span *digits_out);

/* The modulus and exponent of an RSA key, octets with the highest first: SubjectPublicKeyInfo
 * (RFC 5280 4.1) or RSAPublicKey (RFC 8017 A.1.1), with nothing behind it. */
bool der_rsa_public(struct span der, struct span *modulus_out, struct span *exponent_out);
/* The 32 octets of an Ed25519 key in SubjectPublicKeyInfo (RFC 8410 4). */
bool der_ed25519_public(struct span der, struct span *raw_out);

#endif
