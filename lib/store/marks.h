/*
 * marks.h - a bounded memory of numbers by name, that only grow: which epoch changed a subject, up
 * to which revision a key was seen. Names are not kept, only their hashes under a random key: two
 * names that share one (2^-64) share the higher number, so a mark is never too low. Not locked.
 */
#ifndef SIGNPOST_STORE_MARKS_H
#define SIGNPOST_STORE_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/span.h"
#include "lib/base/status.h"

struct mark {
	uint64_t number;
	int64_t at_ms;
};

struct marks;

struct marks *marks_new(size_t max);  /* names */
void marks_free(struct marks *marks); /* NULL is fine */
/* Each member to at least what mark has. false: it is full, and name was not there. */
bool marks_raise(struct marks *marks, struct span name, struct mark mark) MUST_USE;
/* Zeroes if it is not there. */
struct mark marks_get(const struct marks *marks, struct span name);
void marks_clear(struct marks *marks);
size_t marks_count(const struct marks *marks);

#endif
