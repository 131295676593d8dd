/*
 * unbound_events.h - our loop in the shape in which libunbound wants one (its pluggable events).
 */
#ifndef SIGNPOST_DNS_UNBOUND_EVENTS_H
#define SIGNPOST_DNS_UNBOUND_EVENTS_H

#include <unbound-event.h>

#include "lib/dns/private.h"

/* Given to ub_ctx_create_ub_event(); lives longer than the context. */
struct event_base {
	struct ub_event_base for_unbound; /* first: libunbound has a pointer to it */
	struct resolver *resolver;        /* entered around each callback */
};

void event_base_init(struct event_base *base, struct resolver *resolver);

#endif
