/*
 * mem.c - allocation that does not return without memory.
 * Called everywhere; the only place besides secret.c that asks the system for heap.
 * It must never be given a size that a peer chose and nobody bounded.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#ifdef __GLIBC__ /* of features.h */
#include <malloc.h>
#endif

#include "lib/base/mem.h"

#define LARGE_BYTES (128 * 1024)

static void __attribute__((noreturn)) out_of_memory(void)
{
	fputs("signpost: out of memory, the process ends\n", stderr);
	_Exit(EX_OSERR);
}

void *
mem_alloc(size_t bytes)
{
	void *p = malloc(bytes == 0 ? 1 : bytes);

	if (p == NULL)
		out_of_memory();
	return p;
}

void *
mem_zalloc(size_t count, size_t bytes)
{
	void *p = calloc(count == 0 ? 1 : count, bytes == 0 ? 1 : bytes);

	if (p == NULL)
		out_of_memory();
	return p;
}

void *
mem_resize(void *old, size_t count, size_t bytes)
{
	void *p;

	if (bytes != 0 && count > SIZE_MAX / bytes)
		out_of_memory();
	p = realloc(old, count * bytes == 0 ? 1 : count * bytes);
	if (p == NULL)
		out_of_memory();
	return p;
}

char *
mem_strndup(const char *text, size_t bytes)
{
	char *copy = mem_alloc(bytes + 1);

	if (bytes > 0)
		memcpy(copy, text, bytes);
	copy[bytes] = '\0';
	return copy;
}

char *
mem_strdup(const char *text)
{
	return mem_strndup(text, strlen(text));
}

void
mem_give_back(void)
{
#ifdef M_MMAP_THRESHOLD
	/* Said once, it stays: else the C library raises it to the largest block that was freed. */
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
#endif
#ifdef M_ARENA_MAX
	(void)mallopt(M_ARENA_MAX, 1);
#endif
}

void
mem_free(void *p)
{
	free(p);
}
