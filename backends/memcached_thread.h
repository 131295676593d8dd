/*
 * memcached_thread.h - starts and ends a thread, with a name and without signals.
 */
#ifndef SIGNPOST_BACKENDS_MEMCACHED_THREAD_H
#define SIGNPOST_BACKENDS_MEMCACHED_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* name: at most 15 octets. 0 or an errno. Each one that was started wants mcthread_end(). */
int mcthread_start(const char *name, void *(*run)(void *), void *arg, pthread_t *out);
/* done: it has nothing left to do but to return, and is waited for, so that nothing of it is there
 * at the end of the process. Else it is left to itself: nobody can wait for the system's
 * resolver. */
void mcthread_end(pthread_t thread, bool done);
/* A condition whose time limits are of the monotonic clock. */
void mcthread_cond_init(pthread_cond_t *cond);

#endif
