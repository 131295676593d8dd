/*
 * queue.h - which message the load generator sends next: a fresh one, or one that failed and is due
 * again, as in an MTA's queue. One thread.
 */
#ifndef SIGNPOST_TESTS_BENCH_QUEUE_H
#define SIGNPOST_TESTS_BENCH_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUEUE_PAUSE_NS 100000000U /* from a failure to the next try */

struct queue_item {
	uint64_t number; /* of the message, counted from 0 */
	uint64_t due_ns; /* not before; CLOCK_MONOTONIC */
	unsigned int failures;
};

/* All members private. */
struct queue {
	uint64_t messages;         /* in all */
	uint64_t started;          /* fresh ones taken */
	unsigned int failures_max; /* 0: nothing is tried again */
	uint64_t per_s, begin_ns;  /* fresh ones are due one after the other; per_s 0: all now */
	struct queue_item *items;  /* ring of those that wait, first due first; owned */
	size_t first, count;
};

void queue_init(struct queue *queue, uint64_t messages, unsigned int failures_max);
/* So many fresh ones a second from now on, whether those before them are answered or not. */
void queue_pace(struct queue *queue, uint64_t per_s, uint64_t now_ns);
void queue_free(struct queue *queue);
/* How many may be taken now, counted no further than limit. */
size_t queue_ready(const struct queue *queue, uint64_t now_ns, size_t limit);
/* Is anything left to be taken, now or later? */
bool queue_pending(const struct queue *queue);
/* Those that are due go before fresh ones. false: nothing is ready. */
bool queue_take(struct queue *queue, uint64_t now_ns, struct queue_item *item_out);
/* The item failed: it is due again after the pause. false: it has failed too often. */
bool queue_again(struct queue *queue, struct queue_item item, uint64_t now_ns);

#endif
