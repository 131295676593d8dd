/*
 * secretthread.c - a thread on a stack of secret_stack().
 * Whoever makes threads that see keys calls it. It must never leave a stack that was used to be
 * given to somebody else unwiped.
 */
#include "lib/base/secretthread.h"
#include "lib/base/secret.h"

bool
secret_thread_start(
    struct secret_thread *thread, size_t stack_bytes, void *(*run)(void *), void *context)
{
	pthread_attr_t attributes;
	bool started;

	thread->bytes = stack_bytes;
	thread->stack = secret_stack(stack_bytes);
	if (thread->stack == NULL)
		return false;
	pthread_attr_init(&attributes);
	started = pthread_attr_setstack(&attributes, thread->stack, stack_bytes) == 0 &&
		  pthread_create(&thread->thread, &attributes, run, context) == 0;
	pthread_attr_destroy(&attributes);
	if (!started)
		secret_stack_free(thread->stack, stack_bytes);
	return started;
}

void
secret_thread_join(struct secret_thread *thread)
{
	pthread_join(thread->thread, NULL);
	secret_stack_free(thread->stack, thread->bytes);
	thread->stack = NULL;
}
