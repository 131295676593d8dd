/*
 * secret.h - memory for private keys: locked (mlock), left out of core dumps, wiped in a forked
 * child, wiped when freed. Small pieces share pages that hold nothing but secrets.
 *
 * secret_malloc and its kin have the shape of malloc so that the crypto room can give them to
 * OpenSSL for all its allocations in the keeper. Any thread. Locks are held for a few
 * instructions only.
 */
#ifndef SIGNPOST_BASE_SECRET_H
#define SIGNPOST_BASE_SECRET_H

#include <stddef.h>
#include <stdbool.h>

/* NULL only for bytes == 0 or when the system has no pages left. Not zeroed. */
void *secret_malloc(size_t bytes);
void *secret_realloc(void *old, size_t bytes);
/* Wipes all of it. NULL is fine. */
void secret_free(void *p);

/* A stack for a thread that works with keys: locked as far as it is used, not dumped, above a page
 * that cannot be touched. bytes: a multiple of the page size. NULL: the system has no pages left.
 */
void *secret_stack(size_t bytes);
/* Of a thread that has ended: wipes and unmaps it. bytes as it was made with; NULL is fine. */
void secret_stack_free(void *stack, size_t bytes);

/* Wipes memory that is not the allocator's; the compiler may not leave it out. */
void secret_wipe(void *p, size_t bytes);
/* Compares in time that depends on bytes alone. */
bool secret_equal(const void *a, const void *b, size_t bytes);

/* Octets in pages now held; false in *locked_out when mlock was refused for some of them
 * (RLIMIT_MEMLOCK), which the caller reports once. */
size_t secret_bytes(bool *locked_out);
/* Octets of pieces that are given out now, each with what was rounded up; stacks not. Any thread;
 * exact while no other thread allocates. */
size_t secret_used_bytes(void);

#endif
