/*
 * keythread.c - threads with a locked stack.
 * Called by the keeper for its workers and for whoever tries keys. It must never run a thread that
 * meets keys on memory that could be written to a disk.
 */
#include <errno.h>

#include "daemon/keythread.h"
#include "lib/base/secret.h"

/* What a worker needs is a tenth of it, a directory service's library may need more. */
#define STACK_BYTES ((size_t)1 << 20)

int
keythread_start(void *(*run)(void *), void *arg, pthread_t *thread_out)
{
	void *stack = secret_stack(STACK_BYTES);
	pthread_attr_t attributes;
	int failed;

	if (stack == NULL)
		return ENOMEM;
	pthread_attr_init(&attributes);
	failed = pthread_attr_setstack(&attributes, stack, STACK_BYTES);
	if (failed == 0)
		failed = pthread_create(thread_out, &attributes, run, arg);
	pthread_attr_destroy(&attributes);
	return failed;
}
