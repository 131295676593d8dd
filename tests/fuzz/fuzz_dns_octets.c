/*
 * fuzz_dns_octets.c - an answer that comes from a cache or a front-end: any octets are refused, or
 * are an answer within the limits that would be written in the same way.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dns/answer.h"
#include "lib/dns/octets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool right)
{
	if (!right)
		abort();
}

static void
check_answer(const struct dns_answer *answer, struct span octets)
{
	check(answer->status == ST_OK || answer->status == ST_ABSENT);
	check((answer->status == ST_OK) == (answer->count > 0));
	check(answer->security != DNS_BOGUS && answer->why != NULL);
	check(answer->alias.n <= DNS_NAME_TEXT_MAX && answer->count <= DNS_TEXTS_MAX);
	for (size_t i = 0; i < answer->count; i++) {
		struct span joined = answer->texts[i].joined;

		check(joined.n <= DNS_TEXT_BYTES_MAX && answer->texts[i].strings > 0);
		check(joined.n == 0 ||
		      (joined.p >= octets.p && joined.p + joined.n <= octets.p + octets.n));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = mem_alloc(size + 1); /* its end is guarded by the sanitizer */
	struct dns_answer answer;
	struct buf again;

	memcpy(copy, data, size);
	copy = mem_resize(copy, size == 0 ? 1 : size, 1);
	buf_init(&again, DNS_OCTETS_MAX);
	if (dns_octets_read(span_of(copy, size), &answer) == ST_OK) {
		check_answer(&answer, span_of(copy, size));
		check(dns_octets_write(&answer, &again) == ST_OK);
		check(span_eq(buf_span(&again), span_of(copy, size)));
	}
	buf_free(&again);
	mem_free(copy);
	return 0;
}
