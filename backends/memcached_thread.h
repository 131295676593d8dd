/*
 * memcached_thread.h - starts a thread that nobody joins, with a name and without signals.
 */
#ifndef SIGNPOST_BACKENDS_MEMCACHED_THREAD_H
#define SIGNPOST_BACKENDS_MEMCACHED_THREAD_H

#include <pthread.h>

/* name: at most 15 octets. 0 or an errno. */
int mcthread_start(const char *name, void *(*run)(void *), void *arg);
/* A condition whose time limits are of the monotonic clock. */
void mcthread_cond_init(pthread_cond_t *cond);

#endif
