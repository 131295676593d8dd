/*
 * arena.h - memory of one message: many small pieces that all end together. Not for secrets.
 * One thread at a time.
 */
#ifndef SIGNPOST_BASE_ARENA_H
#define SIGNPOST_BASE_ARENA_H

#include "lib/base/span.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* newest first */
	size_t used;                /* octets handed out since the last reset */
	size_t max;                 /* most octets it may hand out until the next reset */
};

void arena_init(struct arena *arena, size_t max);
/* Everything handed out becomes invalid; the first chunk is kept for the next message. */
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);

/* Aligned for any type, not zeroed. NULL when the maximum is reached: the message is too big. */
void *arena_alloc(struct arena *arena, size_t bytes);
/* A copy inside the arena, with a NUL behind it; .p is NULL when the maximum is reached. */
struct span arena_copy(struct arena *arena, struct span s);

#endif
