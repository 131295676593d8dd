/*
 * loop.h - the event loop of a front-end or a tool: epoll, level-triggered, one thread. It is our
 * own because of EPOLLEXCLUSIVE: of all front-ends that wait on one listening socket a new
 * connection wakes one. A general library wakes them all, which costs more than all else that a
 * front-end does for a message. There are no timers but one tick a second: time limits here are
 * long and need no more.
 */
#ifndef SIGNPOST_BASE_LOOP_H
#define SIGNPOST_BASE_LOOP_H

#include <stdbool.h>
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

struct loop {
	int epoll;
	bool stopped;
	int64_t now_ms; /* monotonic, of the last wake-up */
	int64_t tick_ms;
	void (*tick)(struct loop *loop);
	void *owner;
	struct epoll_event batch[LOOP_BATCH];
	int batch_at, batch_count;
};

enum status loop_open(struct loop *loop, struct err *err) MUST_USE;
/* events: EPOLLIN, EPOLLOUT, or 0 for none now; EPOLLEXCLUSIVE only in a source's first call, which
 * can then only be taken away whole. ST_FAILED when the kernel has no room. */
enum status loop_arm(struct loop *loop, struct loop_source *source, uint32_t events) MUST_USE;
/* Before the descriptor is closed: no callback comes any more, not even from the present batch. */
void loop_forget(struct loop *loop, struct loop_source *source);
/* Until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
