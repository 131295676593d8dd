/*
 * resolving.h - the resolver that a configuration asks for: libunbound, or the answers of
 * TestPublicKeys and TestDNSData. Called by a front-end before its sandbox, and by -t.
 */
#ifndef SIGNPOST_DAEMON_RESOLVING_H
#define SIGNPOST_DAEMON_RESOLVING_H

#include "lib/conf/conf.h"
#include "lib/dns/dns.h"

/* ST_INVALID: err names the parameter. ST_FAILED. conf is borrowed for the call, loop as long as
 * the resolver. */
enum status resolving_open(const struct conf *conf, struct loop *loop,
    struct resolver **resolver_out, struct err *err) MUST_USE;
/* For -n: opens it and closes it again; asks nothing. */
enum status resolving_check(const struct conf *conf, struct err *err) MUST_USE;

#endif
