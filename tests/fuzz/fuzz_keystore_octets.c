/*
 * fuzz_keystore_octets.c - any octets as an answer of a key store: refused, or rows that are
 * written in exactly this way.
 */
#include <stdlib.h>

#include "lib/base/secret.h"
#include "lib/store/keystore_octets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span octets = span_of(data, size);
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	enum status status = keystore_octets_read(octets, &rows, &err);
	char *again;

	if (status != ST_OK) {
		if (status != ST_INVALID || rows != NULL || err.text[0] == '\0')
			abort();
		return 0;
	}
	if (keystore_octets_bytes(rows) != size)
		abort();
	again = secret_malloc(size);
	keystore_octets_write(rows, again);
	if (!span_eq(octets, span_of(again, size)))
		abort();
	secret_free(again);
	keystore_rows_release(rows);
	return 0;
}
