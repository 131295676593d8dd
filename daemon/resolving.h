/*
 * resolving.h - the resolver that a configuration asks for: libunbound, or the answers of
 * TestPublicKeys and TestDNSData. Called by a front-end before its sandbox, and by -t.
 */
#ifndef SIGNPOST_DAEMON_RESOLVING_H
#define SIGNPOST_DAEMON_RESOLVING_H

#include "lib/conf/conf.h"
#include "lib/dns/cached.h"

/* ST_INVALID: err names the parameter. ST_FAILED. conf is borrowed for the call, loop as long as
 * the resolver. */
enum status resolving_open(const struct conf *conf, struct loop *loop,
    struct resolver **resolver_out, struct err *err) MUST_USE;
/* The same with a cache of our own before libunbound, which takes a part of DNSCacheSize. share and
 * patience_ms: see cached.h. Not with TestPublicKeys and TestDNSData. */
enum status resolving_open_cached(const struct conf *conf, struct loop *loop,
    const struct dns_share *share, int64_t patience_ms, struct resolver **resolver_out,
    struct err *err) MUST_USE;
/* Opens it and closes it again; asks nothing. validates_out: there is a trust anchor. */
enum status resolving_check(const struct conf *conf, bool *validates_out, struct err *err) MUST_USE;

#endif
