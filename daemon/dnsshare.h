/*
 * dnsshare.h - answers of DNS that gateways share. A front-end asks the DNS and has the cache of
 * its own (lib/dns/cached.h), but neither a socket to memcached nor a key; the keeper has those and
 * asks no DNS. So a front-end asks the keeper (DNS_GET) before it asks the DNS, and gives it what
 * the DNS said (DNS_PUT). Neither ever waits for the other: an answer that does not come, because
 * the keeper is busy, full or gone, is an answer that nobody has.
 *
 * The keeper does not take what a front-end must not be able to give: answers about anything but
 * public keys, answers that are no answers, that hold for longer than the DNS may say, or that a
 * resolver with (without) a trust anchor cannot have.
 */
#ifndef SIGNPOST_DAEMON_DNSSHARE_H
#define SIGNPOST_DAEMON_DNSSHARE_H

#include "daemon/frame.h"
#include "lib/base/loop.h"
#include "lib/conf/conf.h"
#include "lib/dns/cached.h"
#include "lib/store/sharedcache.h"

#define DNSSHARE_STATS_EVERY_MS 300000 /* QueryCache */

/* ---- a front-end ---- */

struct dnsshare {
	int fd; /* the keeper's requests */
	uint16_t frontend;
	struct buf frame;
	struct resolver *cached; /* borrowed; NULL: no cache of our own */
	bool log_stats;
	int64_t log_next_ms;
	struct resolver_cached_stats logged; /* as of the last line */
};

/* Opens the resolver of conf, with a cache of our own before it when Memcached or QueryCache says
 * so. fd is borrowed. ST_INVALID, ST_FAILED as of resolving_open(). */
enum status dnsshare_open(struct dnsshare *share, const struct conf *conf, struct loop *loop,
    int fd, uint16_t frontend, struct resolver **resolver_out, struct err *err) MUST_USE;
/* A reply with VERDICT_DNS. Sessions may go on in here. */
void dnsshare_take(struct dnsshare *share, const struct reply *reply);
/* Once a second: QueryCache's line, when it is due and there were questions. */
void dnsshare_tick(struct dnsshare *share, int64_t now_ms);
/* That line. true: there was something to say since the last one. */
bool dnsshare_stats_text(
    struct dnsshare *share, const struct resolver_cached_stats *now, struct buf *out);

/* ---- the keeper ---- */

/* Whose answers are shared with whom. */
struct dnsshare_site {
	bool validates;
	char scope[64]; /* "": with nobody */
};

/* Gateways have the same scope when the parameters that decide what DNS answers say the same:
 * MemcachedPrefix, Nameservers, DNSSEC or not, the trust anchors in TrustAnchorFile, the text of
 * ResolverConfiguration. ST_UNAVAILABLE, ST_INVALID: a file cannot be read; with nobody then. */
enum status dnsshare_site_read(
    const struct conf *conf, bool validates, struct dnsshare_site *out, struct err *err) MUST_USE;

/* Fills reply (but id), whose octets point into *held. Waits for memcached, SHARED_PATIENCE_MS at
 * most. shared may be NULL. */
void dnsshare_get(struct sharedcache *shared, const struct dnsshare_site *site,
    const struct request *request, int64_t now_ms, struct sharedcache_answer *held,
    struct reply *reply);
/* false: that is nothing a front-end may say. Never waits. */
bool dnsshare_put(struct sharedcache *shared, const struct dnsshare_site *site,
    const struct request *request, int64_t now_ms);

#endif
