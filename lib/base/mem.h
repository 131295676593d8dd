/*
 * mem.h - memory that is there or the process ends (exit 71, EX_OSERR, with a line in the log).
 * The parent starts a new process; a message caught in it is tempfailed. No caller tests for NULL.
 * Sizes that come from outside are bounded by the caller before they reach this room.
 */
#ifndef SIGNPOST_BASE_MEM_H
#define SIGNPOST_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t bytes) __attribute__((malloc, returns_nonnull, alloc_size(1)));
/* Zeroed; count * bytes may not overflow (ends the process). */
void *mem_zalloc(size_t count, size_t bytes)
    __attribute__((malloc, returns_nonnull, alloc_size(1, 2)));
/* count * bytes may not overflow (ends the process). */
void *mem_resize(void *old, size_t count, size_t bytes) __attribute__((returns_nonnull));
/* NUL-terminated copies, owned by the caller. */
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull));
char *mem_strndup(const char *text, size_t bytes) __attribute__((malloc, returns_nonnull));
void mem_free(void *p);
/* From now on blocks of 128 KiB and more go back to the system when they are freed, and all threads
 * have one heap. For processes that need much for a moment and live long: without it the C library
 * keeps what was freed, in a heap of each thread. Before the first thread. */
void mem_give_back(void);

#endif
