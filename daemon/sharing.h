/*
 * sharing.h - the cache that gateways share, as a configuration wants it: Memcached,
 * MemcachedPrefix and SiteKeyFile. Opened by the keeper; a front-end never has it.
 */
#ifndef SIGNPOST_DAEMON_SHARING_H
#define SIGNPOST_DAEMON_SHARING_H

#include "daemon/unsealer.h"
#include "lib/conf/conf.h"
#include "lib/store/sharedcache.h"

/* *out is NULL when Memcached is not set. A server that is away is ST_OK. unsealer: has the site
 * key; borrowed until sharedcache_close(). own_key: as in sharedcache.h; NULL: none. ST_INVALID:
 * err names the parameter and the entry. */
enum status sharing_open(const struct conf *conf, struct unsealer *unsealer, const uint8_t *own_key,
    struct sharedcache **out, struct err *err) MUST_USE;

#endif
