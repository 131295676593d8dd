/*
 * dnsshare_frontend.c - a front-end's cache of DNS answers, and its questions to the keeper about
 * those of others.
 * The resolver calls it for a name that it does not know (lib/dns/cached.h), frontend.c when the
 * keeper answers and once a second. It must never wait, and never need an answer.
 */
#include <inttypes.h>

#include "daemon/channel.h"
#include "daemon/dnsshare.h"
#include "daemon/resolving.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/store/shared.h"

/* For memcached, and for the keeper's thread and this process to have their turn. */
#define PATIENCE_MS (SHARED_PATIENCE_MS + 10)
#define STATS_TEXT_MAX 256

static enum status
send_request(struct dnsshare *share, const struct request *request)
{
	buf_reset(&share->frame);
	if (request_encode(request, &share->frame) != ST_OK)
		return ST_TOO_BIG;
	return channel_send(share->fd, buf_span(&share->frame));
}

static bool
ask(void *context, uint64_t id, struct span name)
{
	struct dnsshare *share = context;
	const struct request request = {
	    .type = REQUEST_DNS_GET, .frontend = share->frontend, .id = id, .key_name = name};

	return send_request(share, &request) == ST_OK;
}

/* When it cannot be sent, the next who asks the DNS will try. What is shorter than clocks differ is
 * nobody's but ours. */
static void
put(void *context, struct span name, struct span octets, uint32_t ttl_s)
{
	struct dnsshare *share = context;
	const struct request request = {.type = REQUEST_DNS_PUT,
	    .frontend = share->frontend,
	    .key_name = name,
	    .octets = octets,
	    .until_ms = clock_mono_ms() + (int64_t)ttl_s * 1000};

	if (octets.n <= FRAME_DNS_MAX && (int64_t)ttl_s * 1000 > SHAREDCACHE_SKEW_MS)
		(void)!send_request(share, &request);
}

enum status
dnsshare_open(struct dnsshare *share, const struct conf *conf, struct loop *loop, int fd,
    uint16_t frontend, struct resolver **resolver_out, struct err *err)
{
	const struct dns_share others = {.ask = ask, .put = put, .context = share};
	bool shared = conf_is_set(conf, CONF_MEMCACHED);
	bool tested =
	    conf_is_set(conf, CONF_TEST_PUBLIC_KEYS) || conf_is_set(conf, CONF_TEST_DNS_DATA);
	enum status status;

	*share = (struct dnsshare){.fd = fd, .frontend = frontend};
	buf_init(&share->frame, FRAME_DNS_MAX + 1024);
	share->log_stats = conf_bool(conf, CONF_QUERY_CACHE);
	if (tested || (!shared && !share->log_stats))
		return resolving_open(conf, loop, resolver_out, err);
	status = resolving_open_cached(
	    conf, loop, shared ? &others : NULL, PATIENCE_MS, resolver_out, err);
	if (status == ST_OK)
		share->cached = *resolver_out;
	return status;
}

void
dnsshare_take(struct dnsshare *share, const struct reply *reply)
{
	if (share->cached != NULL)
		resolver_cached_shared(share->cached, reply->id, reply->octets,
		    reply->octets.n == 0 ? 0 : reply->until_ms - clock_mono_ms());
}

/* ---- QueryCache ---- */

bool
dnsshare_stats_text(
    struct dnsshare *share, const struct resolver_cached_stats *now, struct buf *out)
{
	const struct resolver_cached_stats was = share->logged;
	uint64_t questions = now->questions - was.questions;
	uint64_t hits = now->hits - was.hits + now->negative_hits - was.negative_hits;

	share->logged = *now;
	if (questions == 0)
		return false;
	buf_add_fmt(out,
	    "cache of DNS: %" PRIu64 " questions, %" PRIu64 " hits (%" PRIu64 "%%), %" PRIu64
	    " of them negative, %" PRIu64 " from other gateways, %" PRIu64
	    " asked of DNS; %zu entries",
	    questions, hits, hits * 100 / questions, now->negative_hits - was.negative_hits,
	    now->shared_hits - was.shared_hits, now->misses - was.misses, now->entries);
	return true;
}

void
dnsshare_tick(struct dnsshare *share, int64_t now_ms)
{
	struct resolver_cached_stats stats;
	struct buf text;

	if (!share->log_stats || share->cached == NULL || now_ms < share->log_next_ms)
		return;
	if (share->log_next_ms == 0) {
		share->log_next_ms = now_ms + DNSSHARE_STATS_EVERY_MS;
		return;
	}
	share->log_next_ms = now_ms + DNSSHARE_STATS_EVERY_MS;
	resolver_cached_stats(share->cached, &stats);
	buf_init(&text, STATS_TEXT_MAX);
	if (dnsshare_stats_text(share, &stats, &text))
		log_line(LOG_LEVEL_INFO, "%s", buf_text(&text));
	buf_free(&text);
}
