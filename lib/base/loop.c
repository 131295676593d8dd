/*
 * loop.c - epoll_wait, timers, and who is called for what.
 * Runs a front-end from its first connection to its last. It must never call an owner that is gone.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/loop.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define TIMERS_FIRST 64

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

void
loop_close(struct loop *loop)
{
	for (size_t i = 0; i < loop->timer_count; i++)
		loop->timers[i]->place = 0;
	mem_free(loop->timers);
	loop->timers = NULL;
	loop->timer_count = loop->timer_room = 0;
	if (loop->epoll >= 0)
		close(loop->epoll);
	loop->epoll = -1;
}

/* ---- descriptors ---- */

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

void
loop_remove(struct loop *loop, struct loop_source *source)
{
	struct epoll_event unused = {0};

	/* It may be closed already, which is as good. */
	if (source->known)
		(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, &unused);
	loop_forget(loop, source);
}

/* ---- timers: a binary heap; each timer knows its place ---- */

static void
timer_put(struct loop *loop, size_t place, struct loop_timer *timer)
{
	loop->timers[place - 1] = timer;
	timer->place = place;
}

/* Puts timer where it belongs, above or below place, whose present owner has been moved. */
static void
timer_sift(struct loop *loop, size_t place, struct loop_timer *timer)
{
	size_t child;

	while (place > 1 && loop->timers[place / 2 - 1]->due_ms > timer->due_ms) {
		timer_put(loop, place, loop->timers[place / 2 - 1]);
		place /= 2;
	}
	while ((child = place * 2) <= loop->timer_count) {
		if (child < loop->timer_count &&
		    loop->timers[child]->due_ms < loop->timers[child - 1]->due_ms)
			child++;
		if (loop->timers[child - 1]->due_ms >= timer->due_ms)
			break;
		timer_put(loop, place, loop->timers[child - 1]);
		place = child;
	}
	timer_put(loop, place, timer);
}

void
loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t in_ms)
{
	/* One millisecond more, because the clock's is cut. */
	timer->due_ms = in_ms > 0 ? clock_mono_ms() + in_ms + 1 : loop->now_ms;
	timer->round = loop->round;
	if (timer->place == 0) {
		if (loop->timer_count == loop->timer_room) {
			loop->timer_room =
			    loop->timer_room == 0 ? TIMERS_FIRST : loop->timer_room * 2;
			loop->timers =
			    mem_resize(loop->timers, loop->timer_room, sizeof(loop->timers[0]));
		}
		timer->place = ++loop->timer_count;
	}
	timer_sift(loop, timer->place, timer);
}

void
loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
	size_t place = timer->place;
	struct loop_timer *last;

	if (place == 0)
		return;
	timer->place = 0;
	last = loop->timers[--loop->timer_count];
	if (last != timer)
		timer_sift(loop, place, last);
}

/* What these set for now has its turn in the next round, after the descriptors. */
static void
fire_timers(struct loop *loop)
{
	loop->round++;
	while (loop->timer_count > 0 && loop->timers[0]->due_ms <= loop->now_ms) {
		struct loop_timer *timer = loop->timers[0];

		if (timer->round == loop->round)
			return;
		loop_timer_clear(loop, timer);
		timer->fire(timer);
	}
}

/* ---- rounds ---- */

/* Milliseconds until somebody wants to be called; -1: nobody does. */
static int
patience_ms(const struct loop *loop)
{
	int64_t due_ms = loop->tick != NULL ? loop->tick_ms : INT64_MAX;
	int64_t left;

	if (loop->timer_count > 0 && loop->timers[0]->due_ms < due_ms)
		due_ms = loop->timers[0]->due_ms;
	if (due_ms == INT64_MAX)
		return -1;
	left = due_ms - clock_mono_ms();
	if (left < 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}

static void
wait_for_events(struct loop *loop)
{
	int patience = patience_ms(loop);

	loop->batch_at = 0;
	loop->batch_count = epoll_wait(loop->epoll, loop->batch, LOOP_BATCH, patience);
	loop->now_ms = clock_mono_ms();
}

void
loop_step(struct loop *loop)
{
	wait_for_events(loop);
	while (loop->batch_at < loop->batch_count) {
		const struct epoll_event event = loop->batch[loop->batch_at++];
		struct loop_source *source = event.data.ptr;

		if (source != NULL)
			source->ready(source, event.events);
	}
	fire_timers(loop);
	if (loop->tick != NULL && loop->now_ms >= loop->tick_ms) {
		loop->tick_ms = loop->now_ms + LOOP_TICK_MS;
		loop->tick(loop);
	}
}

void
loop_run(struct loop *loop)
{
	while (!loop->stopped)
		loop_step(loop);
}

void
loop_stop(struct loop *loop)
{
	loop->stopped = true;
}
