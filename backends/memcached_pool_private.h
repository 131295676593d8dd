/*
 * memcached_pool_private.h - what memcached_pool.c (callers) and memcached_asker.c (the threads)
 * share. One lock for all of a pool, held for a few instructions.
 */
#ifndef SIGNPOST_BACKENDS_MEMCACHED_POOL_PRIVATE_H
#define SIGNPOST_BACKENDS_MEMCACHED_POOL_PRIVATE_H

#include <pthread.h>

#include "backends/memcached_pool.h"

#define BATCH_MAX 64U /* names of one "get" */

/* One name that waits for its server. */
struct waiting {
	struct question *question;
	size_t at; /* in the question */
	struct waiting *next;
};

/* What one caller asked. It stays until the caller and all servers are done with it: a thread may
 * still be busy with a name that its caller has given up. */
struct question {
	unsigned refs;     /* the caller, and each name that is in a queue or in a thread */
	size_t unfinished; /* names without an answer */
	pthread_cond_t finished;
	struct span names[MCPOOL_NAMES_MAX]; /* into text */
	size_t places[MCPOOL_NAMES_MAX];
	bool done[MCPOOL_NAMES_MAX];
	struct shared_value out[MCPOOL_NAMES_MAX]; /* octets: owned until the caller takes them */
	struct waiting waiting[MCPOOL_NAMES_MAX];
	char text[MCPOOL_NAMES_MAX * MCNAME_MAX];
};

struct asker {
	struct mcpool *pool;
	struct mcserver where;
	pthread_t thread;
	bool started, done; /* the thread; done: it only returns */
	pthread_cond_t wake;
	struct waiting *first, *last; /* names that wait */
	size_t waiting_count;
	struct waiting *flight[BATCH_MAX]; /* names that are being asked */
	size_t flight_count;
	int64_t asked_ms;    /* when the names of the flight were taken */
	bool known;          /* it was found out once whether it is there */
	bool away, said;     /* said: the log knows */
	int64_t since_ms;    /* away since */
	int64_t next_ms;     /* of the next try */
	uint64_t connection; /* how many were made */
	int64_t delay_ms;    /* from that one to the one after it */
	struct mclink link;  /* of the thread alone */
};

struct mcpool {
	struct mcpool_config config;
	char *parameter; /* of config; owned */
	struct memcached_st *ring;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a server became known, or a thread ended */
	unsigned refs;          /* the owner and the threads */
	bool closing;
	int stop; /* readable when closing */
	size_t count;
	struct asker *askers;
};

/* The thread of one server; arg: struct asker. It has a reference of the pool. */
void *mcpool_asker_run(void *arg);

/* With the lock held: it did not answer. All who wait for it get ST_UNAVAILABLE. */
void mcpool_went_away(struct asker *asker);
/* With the lock held: the caller or a thread is done with the question. */
void mcpool_question_unref(struct question *question);
/* The last that a thread does: its reference is given back. Takes the lock. */
void mcpool_asker_done(struct asker *asker);

#endif
