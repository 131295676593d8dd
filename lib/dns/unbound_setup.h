/*
 * unbound_setup.h - a context of libunbound as the configuration wants it.
 */
#ifndef SIGNPOST_DNS_UNBOUND_SETUP_H
#define SIGNPOST_DNS_UNBOUND_SETUP_H

#include <stdio.h>

#include "lib/dns/unbound_events.h"

/* Makes a context with its options, servers and trust anchors, which has not begun: files that it
 * names may still be unread. libunbound logs to log, which lives until ub_ctx_debugout() says
 * otherwise. *context_out is the caller's to delete, also after a failure (or NULL). anchored_out:
 * there is a trust anchor. ST_INVALID: err names the parameter. ST_FAILED. */
enum status unbound_setup(struct event_base *base, const struct resolver_config *config, FILE *log,
    struct ub_ctx **context_out, bool *anchored_out, struct err *err) MUST_USE;

/* How many questions such a context may have on the wire at a time. */
unsigned int unbound_sockets_max(void);

#endif
