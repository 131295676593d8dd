/*
 * arena.c - the memory of one message.
 * A session of the front-end keeps one and resets it after every message. It must never hand out
 * more than its maximum, however many headers a peer sends.
 */
#include <stdalign.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/mem.h"

#define CHUNK_BYTES 8192U

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	size_t used;
	alignas(max_align_t) char bytes[];
};

void
arena_init(struct arena *arena, size_t max)
{
	*arena = (struct arena){.max = max};
}

void
arena_reset(struct arena *arena)
{
	struct arena_chunk *chunk = arena->chunks;

	while (chunk != NULL && (chunk->next != NULL || chunk->size > CHUNK_BYTES)) {
		arena->chunks = chunk->next;
		mem_free(chunk);
		chunk = arena->chunks;
	}
	if (chunk != NULL)
		chunk->used = 0;
	arena->used = 0;
}

void
arena_free(struct arena *arena)
{
	while (arena->chunks != NULL) {
		struct arena_chunk *chunk = arena->chunks;

		arena->chunks = chunk->next;
		mem_free(chunk);
	}
	arena->used = 0;
}

static struct arena_chunk *
chunk_new(struct arena *arena, size_t bytes)
{
	size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
	struct arena_chunk *chunk = mem_alloc(sizeof(*chunk) + size);

	chunk->size = size;
	chunk->used = 0;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk;
}

void *
arena_alloc(struct arena *arena, size_t bytes)
{
	const size_t mask = alignof(max_align_t) - 1;
	struct arena_chunk *chunk = arena->chunks;
	void *p;

	if (bytes > arena->max || arena->max - arena->used < ((bytes + mask) & ~mask))
		return NULL;
	bytes = (bytes + mask) & ~mask;
	if (chunk == NULL || chunk->size - chunk->used < bytes)
		chunk = chunk_new(arena, bytes);
	p = chunk->bytes + chunk->used;
	chunk->used += bytes;
	arena->used += bytes;
	return p;
}

struct span
arena_copy(struct arena *arena, struct span s)
{
	char *p = s.n >= arena->max ? NULL : arena_alloc(arena, s.n + 1);

	if (p == NULL)
		return SPAN_EMPTY;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return span_of(p, s.n);
}
