/*
 * unbound_events.c - the events of libunbound are sources and timers of our loop.
 * libunbound calls these to wait for its sockets and retransmissions; the loop calls libunbound
 * back through them. Nothing of an event may be touched after its callback, which may have freed
 * it.
 */
#include <sys/time.h>

#include "lib/base/mem.h"
#include "lib/dns/unbound_events.h"

struct event {
	struct ub_event for_unbound; /* first */
	struct event_base *base;
	struct loop_source source;
	struct loop_timer timer;
	int64_t patience_ms; /* since it was added or last called; -1: any time */
	short bits;
	void (*call)(int fd, short bits, void *arg);
	void *arg;
};

static struct event *
event_of(struct ub_event *for_unbound)
{
	return (struct event *)(void *)for_unbound;
}

static struct loop *
loop_of(const struct event *event)
{
	return event->base->resolver->loop;
}

static int
event_del(struct ub_event *for_unbound)
{
	struct event *event = event_of(for_unbound);

	loop_remove(loop_of(event), &event->source);
	loop_timer_clear(loop_of(event), &event->timer);
	return 0;
}

/* As in libevent: one that persists waits anew for its whole time, another is off. */
static void
event_call(struct event *event, short bits)
{
	struct resolver *resolver = event->base->resolver;

	if ((event->bits & UB_EV_PERSIST) == 0)
		event_del(&event->for_unbound);
	else if (event->patience_ms >= 0)
		loop_timer_set(resolver->loop, &event->timer, event->patience_ms);
	resolver_enter(resolver);
	event->call(event->source.fd, bits, event->arg);
	resolver_leave(resolver);
}

static void
on_ready(struct loop_source *source, uint32_t events)
{
	struct event *event = source->owner;
	int bits = 0;

	/* An error is found by reading or writing. */
	if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
		bits |= UB_EV_READ;
	if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
		bits |= UB_EV_WRITE;
	bits &= event->bits;
	if (bits != 0)
		event_call(event, (short)bits);
}

static void
on_timer(struct loop_timer *timer)
{
	event_call(timer->owner, UB_EV_TIMEOUT);
}

static int64_t
milliseconds(const struct timeval *time)
{
	return (int64_t)time->tv_sec * 1000 + (time->tv_usec + 999) / 1000;
}

static int
event_add(struct ub_event *for_unbound, struct timeval *patience)
{
	struct event *event = event_of(for_unbound);
	uint32_t wanted = 0;

	if ((event->bits & UB_EV_READ) != 0)
		wanted |= EPOLLIN;
	if ((event->bits & UB_EV_WRITE) != 0)
		wanted |= EPOLLOUT;
	if (event->source.fd >= 0 && loop_arm(loop_of(event), &event->source, wanted) != ST_OK)
		return -1;
	event->patience_ms = patience == NULL ? -1 : milliseconds(patience);
	if (patience == NULL)
		loop_timer_clear(loop_of(event), &event->timer);
	else
		loop_timer_set(loop_of(event), &event->timer, event->patience_ms);
	return 0;
}

static int
event_add_timer(struct ub_event *for_unbound, struct ub_event_base *base,
    void (*call)(int, short, void *), void *arg, struct timeval *patience)
{
	struct event *event = event_of(for_unbound);

	(void)base;
	event->call = call;
	event->arg = arg;
	event->patience_ms = milliseconds(patience);
	loop_timer_set(loop_of(event), &event->timer, event->patience_ms);
	return 0;
}

static int
event_del_timer(struct ub_event *for_unbound)
{
	struct event *event = event_of(for_unbound);

	loop_timer_clear(loop_of(event), &event->timer);
	return 0;
}

/* These three come while the event is off. */
static void
event_add_bits(struct ub_event *for_unbound, short bits)
{
	struct event *event = event_of(for_unbound);

	event->bits = (short)(event->bits | bits);
}

static void
event_del_bits(struct ub_event *for_unbound, short bits)
{
	struct event *event = event_of(for_unbound);

	event->bits = (short)(event->bits & ~bits);
}

static void
event_set_fd(struct ub_event *for_unbound, int fd)
{
	event_of(for_unbound)->source.fd = fd;
}

static void
event_free(struct ub_event *for_unbound)
{
	event_del(for_unbound);
	mem_free(event_of(for_unbound));
}

static struct ub_event *
event_new(struct ub_event_base *for_unbound, int fd, short bits, void (*call)(int, short, void *),
    void *arg)
{
	/* libunbound does not change it, but its type has no const. */
	static struct ub_event_vmt methods = {.add_bits = event_add_bits,
	    .del_bits = event_del_bits,
	    .set_fd = event_set_fd,
	    .free = event_free,
	    .add = event_add,
	    .del = event_del,
	    .add_timer = event_add_timer,
	    .del_timer = event_del_timer};
	struct event *event = mem_alloc(sizeof(*event));

	*event = (struct event){.for_unbound = {.magic = UB_EVENT_MAGIC, .vmt = &methods},
	    .base = (struct event_base *)(void *)for_unbound,
	    .source = {.fd = fd, .ready = on_ready, .owner = event},
	    .timer = {.fire = on_timer, .owner = event},
	    .patience_ms = -1,
	    .bits = bits,
	    .call = call,
	    .arg = arg};
	return &event->for_unbound;
}

static int
base_exit(struct ub_event_base *for_unbound, struct timeval *when)
{
	(void)for_unbound;
	(void)when;
	return 0; /* the loop is not libunbound's to end */
}

void
event_base_init(struct event_base *base, struct resolver *resolver)
{
	static struct ub_event_base_vmt methods = {.loopexit = base_exit, .new_event = event_new};

	base->for_unbound = (struct ub_event_base){.magic = UB_EVENT_MAGIC, .vmt = &methods};
	base->resolver = resolver;
}
