/*
 * fuzz_milter.c - the milter decoder: fed in chunks of sizes that the input itself chooses it must
 * see what it sees when fed in one piece, hold no more than its limit, and read nothing outside.
 * The first two octets are the seed of the sizes and the limit, the rest is the connection.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/lib/milter_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Mostly small chunks, now and then a large one. */
static size_t
next_size(void *context)
{
	uint32_t *random = context;

	*random = *random * 1664525U + 1013904223U;
	return (*random >> 28) == 0 ? *random >> 22 & 0x3ff : 1 + (*random >> 24 & 0xf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t limits[] = {13, 64, 300, 65536};
	struct milter_text whole;
	struct milter_text pieces;
	struct span input;
	uint32_t random;
	size_t limit;

	if (size < 2)
		return 0;
	random = data[0];
	limit = limits[data[1] % (sizeof(limits) / sizeof(limits[0]))];
	input = span_of(data + 2, size - 2);
	milter_text_init(&whole);
	milter_text_init(&pieces);
	if (milter_text_feed(&whole, input, limit, NULL, NULL) >= limit ||
	    milter_text_feed(&pieces, input, limit, next_size, &random) >= limit)
		abort();
	if (!span_eq(buf_span(&whole.text), buf_span(&pieces.text)) ||
	    !span_eq(buf_span(&whole.body), buf_span(&pieces.body)))
		abort();
	milter_text_free(&whole);
	milter_text_free(&pieces);
	return 0;
}
