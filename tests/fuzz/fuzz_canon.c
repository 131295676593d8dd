/* Body canonicalization: random pieces give what the naive reading of the whole gives. */
#include <stdlib.h>

#include "tests/unit/naive_canon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(enum canon canon, bool fix, struct span body, uint8_t step, struct digest *digest)
{
	struct canon_body c;
	struct buf naive;
	uint8_t got[SHA256_BYTES], want[SHA256_BYTES];
	uint64_t octets;

	buf_init(&naive, body.n * 2 + 2);
	naive_body(canon, fix, body, &naive);
	canon_body_init(&c, canon, digest, -1, fix);
	for (size_t at = 0; at < body.n; step = (uint8_t)(step * 5 + 3)) {
		size_t n = step % 4 == 0 ? step * 9u + 1u : step % 7u + 1u;

		canon_body_update(&c, span_sub(body, at, n));
		at += n;
	}
	canon_body_finish(&c, got, &octets);
	digest_start(digest);
	digest_add(digest, buf_span(&naive));
	digest_finish(digest, want);
	if (octets != naive.n || memcmp(got, want, sizeof got) != 0)
		abort();
	buf_free(&naive);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct digest *digest;

	if (size < 1)
		return 0;
	digest = digest_new();
	for (unsigned mode = 0; mode < 4; mode++)
		check(mode & 1 ? CANON_RELAXED : CANON_SIMPLE, (mode & 2) != 0,
		    span_of(data + 1, size - 1), data[0], digest);
	digest_free(digest);
	return 0;
}
