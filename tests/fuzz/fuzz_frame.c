/*
 * fuzz_frame.c - the frames between front-end and keeper: any octets are decoded or refused without
 * a look outside of them, and what was decoded is encoded to the same octets again.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/frame.h"
#include "lib/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool right)
{
	if (!right)
		abort();
}

static bool
lies_in(struct span frame, struct span piece)
{
	return piece.n == 0 || (piece.p >= frame.p && piece.p + piece.n <= frame.p + frame.n);
}

static void
list_walk(struct span frame, struct span list)
{
	struct span element;

	while (frame_list_next(&list, &element))
		check(lies_in(frame, element));
}

static void
try_request(struct span frame, struct buf *again)
{
	struct request request;

	if (request_decode(frame, &request) != ST_OK)
		return;
	check(lies_in(frame, request.job_id) && lies_in(frame, request.host) &&
	      lies_in(frame, request.domain) && lies_in(frame, request.canonical));
	check(lies_in(frame, request.key_id) && lies_in(frame, request.why));
	check(lies_in(frame, request.line));
	list_walk(frame, request.signers);
	list_walk(frame, request.macros);
	list_walk(frame, request.recipients);
	check(request_encode(&request, again) == ST_OK);
	check(span_eq(buf_span(again), frame));
}

static void
try_reply(struct span frame, struct buf *again)
{
	struct reply reply;

	if (reply_decode(frame, &reply) != ST_OK)
		return;
	check(reply.field_count <= FRAME_HEADERS_MAX && lies_in(frame, reply.text));
	for (size_t i = 0; i < reply.field_count; i++)
		check(lies_in(frame, reply.fields[i].name) &&
		      lies_in(frame, reply.fields[i].value) &&
		      lies_in(frame, reply.fields[i].key_id) &&
		      lies_in(frame, reply.fields[i].record));
	check(reply_encode(&reply, again) == ST_OK);
	check(span_eq(buf_span(again), frame));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = mem_alloc(size + 1); /* its end is guarded by the sanitizer */
	struct buf again;

	/* The octet behind the frame would show a length that is one too long. */
	memcpy(copy, data, size);
	copy = mem_resize(copy, size == 0 ? 1 : size, 1);
	buf_init(&again, FRAME_MAX);
	try_request(span_of(copy, size), &again);
	buf_reset(&again);
	try_reply(span_of(copy, size), &again);
	buf_free(&again);
	mem_free(copy);
	return 0;
}
