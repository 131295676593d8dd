/*
 * keystore_digest.c - a long name as a short one of fixed length.
 * Called by backends whose servers limit the length of names.
 * It must never give two names the same digest: it stands for the name.
 */
#include <stdio.h>

#include "lib/crypto/digest.h"
#include "lib/store/keystore.h"

void
keystore_digest(struct span name, char text[KEYSTORE_DIGEST_BYTES])
{
	uint8_t octets[SHA256_BYTES];
	struct digest *digest = digest_new();

	digest_start(digest);
	digest_add(digest, name);
	digest_finish(digest, octets);
	digest_free(digest);
	for (size_t i = 0; i < sizeof(octets); i++)
		(void)snprintf(text + i * 2, 3, "%02x", octets[i]);
}
