/*
 * loop.h - the event loop of a front-end or a tool: epoll, level-triggered, one thread. It is our
 * own because of EPOLLEXCLUSIVE: of all front-ends that wait on one listening socket a new
 * connection wakes one. A general library wakes them all, which costs more than all else that a
 * front-end does for a message. Time limits of connections are long: one tick a second looks at all
 * of them. Timers are for what is short or must end on time, such as a DNS query.
 */
#ifndef SIGNPOST_BASE_LOOP_H
#define SIGNPOST_BASE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "lib/base/status.h"

#define LOOP_TICK_MS 1000
#define LOOP_BATCH 64

struct loop;

/* A descriptor with its callback; embedded in its owner. */
struct loop_source {
	int fd;
	uint32_t events; /* armed now; 0: none */
	bool known;      /* the kernel has it */
	void (*ready)(struct loop_source *source, uint32_t events);
	void *owner;
};

/* Fires once; embedded in its owner, zeroed but for fire and owner. */
struct loop_timer {
	void (*fire)(struct loop_timer *timer);
	void *owner;
	int64_t due_ms; /* while it is set: monotonic */
	size_t place;   /* the loop's: where it is in the heap, from 1; 0: not set */
	uint64_t round; /* the loop's: when it was set */
};

struct loop {
	int epoll;
	bool stopped;
	int64_t now_ms; /* monotonic, of the last wake-up */
	int64_t tick_ms;
	void (*tick)(struct loop *loop); /* once a second; NULL: never */
	void *owner;
	struct epoll_event batch[LOOP_BATCH];
	int batch_at, batch_count;
	struct loop_timer **timers; /* heap: the earliest is the first */
	size_t timer_count, timer_room;
	uint64_t round; /* of timers */
};

/* tick is NULL until the owner sets it. ST_FAILED. */
enum status loop_open(struct loop *loop, struct err *err) MUST_USE;
/* Sources and timers that are left are not called any more. May be called twice. */
void loop_close(struct loop *loop);

/* events: EPOLLIN, EPOLLOUT, or 0 for none now; EPOLLEXCLUSIVE only in a source's first call, which
 * can then only be taken away whole. ST_FAILED when the kernel has no room. */
enum status loop_arm(struct loop *loop, struct loop_source *source, uint32_t events) MUST_USE;
/* No callback comes any more, not even from the present batch. loop_forget: the descriptor is
 * closed right after, which spares the kernel a call, and no other process or dup() has it.
 * loop_remove: it stays open, or nobody knows; the source may then be armed again, also with
 * another fd. Both are fine with a source that was never armed. */
void loop_forget(struct loop *loop, struct loop_source *source);
void loop_remove(struct loop *loop, struct loop_source *source);

/* fire is called once, not before in_ms from now (0 or less: as soon as the loop has served what is
 * ready, never from in here). One that is set already is set anew. Callbacks may set and clear any
 * timer, and free this one's owner. O(log n). */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t in_ms);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer); /* fine when it is not set */

/* Until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* One round: waits for the next event, timer or tick and calls whom it concerns. For tools that
 * wait for one thing; never from a callback of this loop. With nothing to wait for it never ends.
 */
void loop_step(struct loop *loop);

#endif
