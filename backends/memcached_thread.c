/*
 * memcached_thread.c - how the threads that talk to memcached are started, and how they end.
 * Called by memcached_pool.c and memcached_store.c, in the keeper.
 * It must never let such a thread take a signal that is meant for the process.
 */
#include <signal.h>
#include <time.h>

#include "backends/memcached_thread.h"

#define STACK_OCTETS (512U << 10) /* the system's resolver needs some */

int
mcthread_start(const char *name, void *(*run)(void *), void *arg, pthread_t *out)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	int failed;

	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_OCTETS);
	/* The keeper's workers do not preempt each other (SCHED_BATCH, process.c); this thread has
	 * a few microseconds to do, and somebody waits for it. */
	pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attributes, SCHED_OTHER);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(out, &attributes, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (failed == 0)
		pthread_setname_np(*out, name);
	return failed;
}

void
mcthread_end(pthread_t thread, bool done)
{
	if (done)
		pthread_join(thread, NULL);
	else
		pthread_detach(thread);
}

void
mcthread_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attributes);
	pthread_condattr_destroy(&attributes);
}
