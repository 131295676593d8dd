/*
 * secretthread.h - threads that work with keys: their stack is locked memory, in no core dump, and
 * wiped when they have ended. The crypto library, and JSON, leave parts of keys on a stack.
 */
#ifndef SIGNPOST_BASE_SECRETTHREAD_H
#define SIGNPOST_BASE_SECRETTHREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct secret_thread {
	pthread_t thread;
	void *stack;
	size_t bytes;
};

/* false: there is none, and nothing to be joined. */
bool secret_thread_start(
    struct secret_thread *thread, size_t stack_bytes, void *(*run)(void *), void *context);
/* Waits for its end, and wipes its stack. */
void secret_thread_join(struct secret_thread *thread);

#endif
