/*
 * keythread.h - a thread of the keeper that meets keys: the crypto library leaves parts of them on
 * the stack, so its stack is locked, and not dumped.
 */
#ifndef SIGNPOST_DAEMON_KEYTHREAD_H
#define SIGNPOST_DAEMON_KEYTHREAD_H

#include <pthread.h>

/* 0, or an errno. Join it; the stack stays as long as the process, so this is for threads that
 * live as long, or for a few. */
int keythread_start(void *(*run)(void *), void *arg, pthread_t *thread_out);

#endif
