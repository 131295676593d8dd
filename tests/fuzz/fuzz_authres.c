/* Authentication-Results of others: an answer for every value, the same with a job id cut off. */
#include <stdlib.h>

#include "lib/dkim/address.h"
#include "lib/dkim/authres.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const ids[] = {"mx.example.net", "my host", NULL};
	struct span value = span_of(data, size);
	struct authres_claim claim;
	struct arena arena;
	bool gone, all;

	arena_init(&arena, 1u << 20);
	claim = authres_read(value, &arena);
	gone = authres_is_forged(value, ids, false, &arena);
	all = authres_is_forged(value, ids, true, &arena);
	if (claim.id.n > AUTHRES_ID_MAX || span_find(claim.id, '/') != SIZE_MAX)
		abort();
	if (claim.id.n == 0 && !claim.malformed)
		abort();
	if (gone && (!all || !(claim.malformed || claim.has_dkim)))
		abort();
	/* What is ours by the book never stays. */
	if (span_eq_str(claim.id, ids[0]) && (!all || gone != (claim.has_dkim || claim.malformed)))
		abort();
	arena_free(&arena);
	return 0;
}
