/*
 * given.h - messages from a file for the load generator: what was signed beforehand, to be
 * verified.
 */
#ifndef SIGNPOST_TESTS_BENCH_GIVEN_H
#define SIGNPOST_TESTS_BENCH_GIVEN_H

#include "lib/base/span.h"
#include "lib/base/status.h"

/* All members private but count. */
struct given {
	char *octets; /* the file; owned */
	struct span *messages;
	size_t count;
};

/* The file: for each message a line with its octets in decimal, LF, then the message (CRLF).
 * ST_FAILED: it cannot be read; ST_INVALID: it is not so, or holds no message. Free in any case. */
enum status given_load(struct given *given, const char *path, struct err *err) MUST_USE;
void given_free(struct given *given);
/* Message number, counted round and round. */
struct span given_message(const struct given *given, uint64_t number);

#endif
