/* Address lists: an answer, or an address whose domain may be used anywhere. */
#include <stdlib.h>
#include <string.h>

#include "lib/dkim/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_address(const struct address *a)
{
	if (a->user.n == 0 || a->user.n > ADDRESS_USER_MAX || a->domain.n == 0)
		abort();
	if (a->domain.p[0] != '[' && !domain_is_valid(a->domain))
		abort();
	for (size_t i = 0; i < a->user.n; i++)
		if (memchr("\r\n", a->user.p[i], 3) != NULL)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct address first;
	struct err err = ERR_NONE;
	struct span domain;
	size_t count;
	enum status st;

	arena_init(&arena, 1u << 20);
	st = address_parse(span_of(data, size), &arena, &first, &count, &err);
	if (st == ST_OK) {
		if (count == 0)
			abort();
		check_address(&first);
	}
	if (domain_normalise(span_of(data, size), &arena, &domain) == ST_OK &&
	    !domain_is_valid(domain))
		abort();
	arena_free(&arena);
	return 0;
}
