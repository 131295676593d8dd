/*
 * keystore_identity.c - what tells one history of a key store from another: 32 hexadecimal digits.
 * Called by backends when a store is made or renewed, and when they read what it says.
 * It must never make the same one twice, nor let anything through that is none: it becomes part of
 * names in caches that several stores share.
 */
#include <stdio.h>
#include <string.h>

#include "lib/crypto/digest.h"
#include "lib/store/keystore.h"

void
keystore_identity_make(char identity[KEYSTORE_IDENTITY_BYTES])
{
	uint8_t octets[(KEYSTORE_IDENTITY_BYTES - 1) / 2];

	random_bytes(octets, sizeof(octets));
	for (size_t i = 0; i < sizeof(octets); i++)
		(void)snprintf(identity + i * 2, 3, "%02x", octets[i]);
}

static bool
is_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool
keystore_identity_take(struct span text, char out[KEYSTORE_IDENTITY_BYTES])
{
	bool good = text.n == KEYSTORE_IDENTITY_BYTES - 1;

	memset(out, 0, KEYSTORE_IDENTITY_BYTES);
	for (size_t i = 0; i < text.n && good; i++)
		good = is_digit(text.p[i]);
	if (good)
		memcpy(out, text.p, text.n);
	return good;
}
