/*
 * fuzz_private_key.c - any octets as a private key: what is taken signs and verifies, or fails in
 * words; a key written again is the same key.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/secret.h"
#include "lib/crypto/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
write_again(const struct key *key)
{
	struct err err = ERR_NONE;
	struct key *again;
	struct buf a, b;
	char *pem;

	buf_init(&a, 8192);
	buf_init(&b, 8192);
	if (key_private_pem(key, &pem, &err) == ST_OK) {
		if (key_public_base64(key, &a) == ST_OK &&
		    key_parse(span_str(pem), &again, &err) == ST_OK) {
			if (key_public_base64(again, &b) != ST_OK ||
			    !span_eq(buf_span(&a), buf_span(&b)))
				abort();
			key_free(again);
		}
		secret_free(pem);
	}
	buf_free(&a);
	buf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t digest[SHA256_BYTES] = {1};
	uint8_t signature[KEY_SIGNATURE_MAX];
	struct err err = ERR_NONE;
	struct key *key;
	size_t n;

	if (key_parse(span_of(data, size), &key, &err) != ST_OK) {
		if (err.text[0] == '\0')
			abort();
		return 0;
	}
	/* A key whose numbers do not fit may sign what it does not verify. */
	if (key_sign(key, digest, signature, &n, &err) == ST_OK) {
		if (n > sizeof(signature))
			abort();
		(void)!key_verify(key, digest, span_of(signature, n));
	}
	write_again(key);
	key_free(key);
	return 0;
}
