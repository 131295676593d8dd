/*
 * fuzz_milter_replies.c - the MTA's side: every reply that is taken can be read through, and what
 * the filter's encoder makes of its fields is taken again and is the same.
 */
#include <stdlib.h>

#include "daemon/milter/milter.h"
#include "tests/lib/mta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
sum_octets(struct span s)
{
	size_t sum = 0;

	for (size_t i = 0; i < s.n; i++)
		sum += (uint8_t)s.p[i];
	return sum;
}

/* A field the encoder accepts comes back as it was, but for CRLF as LF. */
static void
check_field(const struct mta_reply *reply)
{
	struct mta_reply again;
	struct span input;
	struct buf buf;

	buf_init(&buf, 1U << 20);
	if (milter_put_insheader(&buf, reply->index, reply->name, reply->value) == ST_OK) {
		input = buf_span(&buf);
		if (mta_reply_next(&input, &again, NULL) != ST_OK || input.n != 0 ||
		    again.index != reply->index || !span_eq(again.name, reply->name) ||
		    again.value.n > reply->value.n || span_find(again.value, '\r') != SIZE_MAX)
			abort();
	} else if (buf.n != 0) {
		abort();
	}
	buf_free(&buf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span input = span_of(data, size);
	struct mta_reply reply;
	struct err err = ERR_NONE;
	struct span macros;
	size_t sum = 0;
	uint32_t stage;

	while (mta_reply_next(&input, &reply, &err) == ST_OK) {
		sum += sum_octets(reply.text);
		while (mta_symlist_next(&reply.symlists, &stage, &macros))
			sum += stage + sum_octets(macros);
		check_field(&reply);
	}
	/* Never, but the compiler cannot know: every octet has to be read. */
	if (sum == SIZE_MAX)
		abort();
	return 0;
}
