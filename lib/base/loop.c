/*
 * loop.c - epoll_wait and who is called for what.
 * Runs a front-end from its first connection to its last. It must never call an owner that is gone.
 */
#include <errno.h>
#include <string.h>

#include "lib/base/loop.h"
#include "lib/base/clock.h"

enum status
loop_open(struct loop *loop, struct err *err)
{
	*loop = (struct loop){.epoll = epoll_create1(EPOLL_CLOEXEC), .now_ms = clock_mono_ms()};
	loop->tick_ms = loop->now_ms + LOOP_TICK_MS;
	if (loop->epoll >= 0)
		return ST_OK;
	err_set(err, "cannot wait for events: %s", strerror(errno));
	return ST_FAILED;
}

enum status
loop_arm(struct loop *loop, struct loop_source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};
	bool exclusive = (source->events & EPOLLEXCLUSIVE) != 0;
	int operation = source->known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (source->events == events && (source->known || events == 0))
		return ST_OK;
	/* An exclusive source cannot be modified, only removed and added. */
	if (source->known && exclusive && events == 0)
		operation = EPOLL_CTL_DEL;
	if (epoll_ctl(loop->epoll, operation, source->fd, &event) != 0)
		return ST_FAILED;
	source->events = events;
	source->known = operation != EPOLL_CTL_DEL;
	return ST_OK;
}

void
loop_forget(struct loop *loop, struct loop_source *source)
{
	for (int i = loop->batch_at; i < loop->batch_count; i++)
		if (loop->batch[i].data.ptr == source)
			loop->batch[i].data.ptr = NULL;
	source->known = false;
	source->events = 0;
}

static void
wait_for_events(struct loop *loop)
{
	int64_t left = loop->tick_ms - clock_mono_ms();

	loop->batch_at = 0;
	loop->batch_count =
	    epoll_wait(loop->epoll, loop->batch, LOOP_BATCH, left < 0 ? 0 : (int)left);
	loop->now_ms = clock_mono_ms();
}

void
loop_run(struct loop *loop)
{
	while (!loop->stopped) {
		wait_for_events(loop);
		while (loop->batch_at < loop->batch_count) {
			const struct epoll_event event = loop->batch[loop->batch_at++];
			struct loop_source *source = event.data.ptr;

			if (source != NULL)
				source->ready(source, event.events);
		}
		if (loop->now_ms >= loop->tick_ms) {
			loop->tick_ms = loop->now_ms + LOOP_TICK_MS;
			loop->tick(loop);
		}
	}
}

void
loop_stop(struct loop *loop)
{
	loop->stopped = true;
}
