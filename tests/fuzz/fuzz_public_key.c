/* Public keys: the first octet chooses the algorithm, DER or raw octets follow. */
#include <stdlib.h>

#include "lib/crypto/public_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_key(struct public_key *key, struct span octets)
{
	static const uint8_t digest[SHA256_BYTES] = {1, 2, 3};
	size_t n = (size_t)(public_key_bits(key) + 7) / 8;

	if (public_key_algorithm(key) == KEY_ED25519_SHA256) {
		if (public_key_bits(key) != 256)
			abort();
		n = 64;
	} else if (public_key_bits(key) < PUBLIC_KEY_RSA_BITS_MIN ||
		   public_key_bits(key) > KEY_RSA_BITS_MAX) {
		abort();
	}
	if (public_key_verify(key, digest, span_sub(octets, 0, n)) == ST_FAILED)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span octets = span_of(data, size);
	struct public_key *key;
	struct err err = ERR_NONE;
	enum status st;

	if (size == 0)
		return 0;
	octets = span_from(octets, 1);
	st =
	    public_key_parse(data[0] & 1 ? KEY_ED25519_SHA256 : KEY_RSA_SHA256, octets, &key, &err);
	if ((st == ST_OK) != (key != NULL) || (st == ST_OK) != (err.text[0] == '\0'))
		abort();
	if (st == ST_OK)
		check_key(key, octets);
	public_key_free(key);
	return 0;
}
