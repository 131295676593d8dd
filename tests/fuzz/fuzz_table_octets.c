/*
 * fuzz_table_octets.c - any octets as a row of a table: refused, or a row that is written in
 * exactly this way.
 */
#include <stdlib.h>

#include "lib/base/secret.h"
#include "lib/store/table_octets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_again(struct span octets, const struct table_value *value)
{
	size_t n = table_octets_bytes(value);
	char *again = secret_malloc(n + 1);

	if (n != octets.n)
		abort();
	table_octets_write(value, again);
	if (!span_eq(octets, span_of(again, n)))
		abort();
	secret_free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span octets = span_of(data, size);
	struct table_value value;
	struct err err = ERR_NONE;
	enum status status = table_octets_read(octets, size % 2 == 0, &value, &err);

	if (status == ST_OK)
		check_again(octets, &value);
	else if (status == ST_ABSENT)
		check_again(octets, NULL);
	else if (status != ST_INVALID || err.text[0] == '\0' || value.owner != NULL)
		abort();
	table_value_release(&value);
	return 0;
}
