/*
 * unbound.c - TXT records by libunbound, inside the caller's loop: no thread, no process, no
 * waiting. Verification in a front-end and the tools open it; questions come by resolver.c. What it
 * reads from files it must read when it is opened, for a front-end can open none later; what it
 * holds (sockets, memory) must stay bounded when no server answers.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unbound.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/dns/nameserver.h"
#include "lib/dns/unbound_events.h"

#define TYPE_A 1
#define TYPE_TXT 16
#define CLASS_IN 1

#define CACHE_BYTES_DEFAULT ((size_t)8 << 20)
#define CACHE_BYTES_MIN ((size_t)256 << 10)
#define SOCKETS_MAX 512u /* UDP, one for each question on the wire; the rest queues */
#define SOCKETS_MIN 16u

struct unbound_resolver {
	struct resolver base; /* first */
	struct event_base events;
	struct ub_ctx *context;
	struct dns_room room;
	bool anchored; /* there is a trust anchor: what is not signed is known to be so */
};

/* ---- questions ---- */

static enum dns_security
security_of(const struct unbound_resolver *unbound, int security)
{
	if (security == 1)
		return DNS_BOGUS;
	if (security == 2)
		return DNS_SECURE;
	return unbound->anchored ? DNS_INSECURE : DNS_UNKNOWN;
}

static void
on_answer(void *arg, int rcode, void *packet, int packet_bytes, int security, char *why_bogus,
    int was_limited)
{
	struct dns_query *query = arg;
	struct unbound_resolver *unbound = (struct unbound_resolver *)(void *)query->resolver;
	enum dns_security verdict = security_of(unbound, security);
	struct dns_answer answer;

	(void)was_limited;
	if (rcode != 0 || packet == NULL || packet_bytes <= 0)
		answer =
		    dns_answer_none(ST_UNAVAILABLE, verdict == DNS_BOGUS ? DNS_BOGUS : DNS_UNKNOWN,
			dns_rcode_name((unsigned int)rcode));
	else
		dns_answer_read(
		    span_of(packet, (size_t)packet_bytes), verdict, &unbound->room, &answer);
	if (verdict == DNS_BOGUS && why_bogus != NULL) {
		snprintf(unbound->base.why, sizeof(unbound->base.why), "%s", why_bogus);
		answer.why = unbound->base.why;
	}
	dns_query_answer(query, &answer);
}

static void
unbound_ask(struct resolver *resolver, struct dns_query *query)
{
	struct unbound_resolver *unbound = (struct unbound_resolver *)(void *)resolver;
	struct dns_answer answer;
	int failed = ub_resolve_event(
	    unbound->context, query->name, TYPE_TXT, CLASS_IN, query, on_answer, NULL);

	if (failed == 0)
		return; /* perhaps it is answered already */
	answer = dns_answer_none(ST_UNAVAILABLE, DNS_UNKNOWN, ub_strerror(failed));
	dns_query_answer(query, &answer);
}

/* libunbound goes on until it has an answer for its cache, or none of the servers is worth another
 * try; it cannot be stopped. */
static bool
unbound_drop(struct resolver *resolver, struct dns_query *query)
{
	(void)resolver;
	(void)query;
	return false;
}

static void
unbound_free(struct resolver *resolver)
{
	struct unbound_resolver *unbound = (struct unbound_resolver *)(void *)resolver;

	if (unbound->context != NULL) {
		resolver_enter(resolver);
		ub_ctx_delete(unbound->context);
	}
	resolver_close(resolver);
	dns_room_free(&unbound->room);
	mem_free(unbound);
}

/* ---- opening ---- */

struct option {
	const char *name, *value;
};

/* Before ResolverConfiguration, which may say otherwise. */
static const struct option options[] = {
    {"do-not-query-localhost:", "no"}, /* a cache on this machine is what most have */
    {"module-config:", "validator iterator"},
    {"local-zone:", "test. nodefault"}, /* laboratories have names there */
    {"edns-buffer-size:", "1232"},
    {"outgoing-num-tcp:", "32"},
    {"num-queries-per-thread:", "1024"},
    {"infra-cache-numhosts:", "2000"},
    {"unwanted-reply-threshold:", "10000000"},
    {"harden-glue:", "yes"},
    {"harden-dnssec-stripped:", "yes"},
    {"harden-below-nxdomain:", "yes"},
    {"qname-minimisation:", "yes"},
    {"serve-expired:", "no"},
    {"prefetch:", "no"},
    {"minimal-responses:", "yes"},
    {"rrset-roundrobin:", "no"},
    {"cache-max-ttl:", "86400"},
    {"cache-max-negative-ttl:", "300"},
    /* A server that was down is asked again soon, and questions to a silent one end. */
    {"infra-keep-probing:", "yes"},
    {"infra-host-ttl:", "60"},
    {"infra-cache-max-rtt:", "5000"},
    {"outbound-msg-retry:", "3"},
    {"tcp-reuse-timeout:", "10000"},
};

/* A name that another version of libunbound does not know leaves things as they are there. */
static void
set_option(struct unbound_resolver *unbound, const char *name, const char *value)
{
	(void)ub_ctx_set_option(unbound->context, name, value);
}

/* The descriptors are also for connections. */
static unsigned int
sockets_max(void)
{
	struct rlimit limit;
	unsigned int most = SOCKETS_MAX;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 4 < most)
		most = (unsigned int)(limit.rlim_cur / 4);
	return most < SOCKETS_MIN ? SOCKETS_MIN : most;
}

static void
set_number(struct unbound_resolver *unbound, const char *name, size_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%zu", value);
	set_option(unbound, name, text);
}

static void
set_options(struct unbound_resolver *unbound, const struct resolver_config *config)
{
	size_t bytes = config->cache_bytes == 0 ? CACHE_BYTES_DEFAULT : config->cache_bytes;

	if (bytes < CACHE_BYTES_MIN)
		bytes = CACHE_BYTES_MIN;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		set_option(unbound, options[i].name, options[i].value);
	set_number(unbound, "msg-cache-size:", bytes / 4);
	set_number(unbound, "rrset-cache-size:", bytes / 2);
	set_number(unbound, "key-cache-size:", bytes / 8);
	set_number(unbound, "neg-cache-size:", bytes / 8);
	set_number(unbound, "outgoing-range:", sockets_max());
	if (config->tcp_only)
		set_option(unbound, "tcp-upstream:", "yes");
}

static enum status
cannot(struct err *err, const char *parameter, const char *value, const char *why)
{
	err_set(err, "%s %s: %s", parameter, value, why);
	return ST_INVALID;
}

static enum status
add_nameservers(struct unbound_resolver *unbound, const char *list, struct err *err)
{
	struct span rest = span_str(list);
	char server[NAMESERVER_TEXT_MAX];
	enum status status;
	int failed;

	while ((status = nameserver_next(&rest, server, err)) == ST_OK) {
		failed = ub_ctx_set_fwd(unbound->context, server);
		if (failed != 0)
			return cannot(err, "Nameservers", server, ub_strerror(failed));
	}
	if (status == ST_INVALID)
		err_prefix(err, "Nameservers");
	return status == ST_ABSENT ? ST_OK : status;
}

static enum status
read_configuration(struct unbound_resolver *unbound, const char *path, struct err *err)
{
	int failed;

	if (access(path, R_OK) != 0)
		return cannot(err, "ResolverConfiguration", path, strerror(errno));
	failed = ub_ctx_config(unbound->context, path);
	if (failed != 0)
		return cannot(err, "ResolverConfiguration", path, ub_strerror(failed));
	return ST_OK;
}

static enum status
add_trust_anchors(struct unbound_resolver *unbound, const char *path, struct err *err)
{
	int failed;

	if (access(path, R_OK) != 0)
		return cannot(err, "TrustAnchorFile", path, strerror(errno));
	failed = ub_ctx_add_ta_file(unbound->context, path);
	if (failed != 0)
		return cannot(err, "TrustAnchorFile", path, ub_strerror(failed));
	return ST_OK;
}

static enum status
configure(struct unbound_resolver *unbound, const struct resolver_config *config, struct err *err)
{
	enum status status = ST_OK;

	set_options(unbound, config);
	if (config->configuration != NULL)
		status = read_configuration(unbound, config->configuration, err);
	if (status == ST_OK && config->nameservers != NULL)
		status = add_nameservers(unbound, config->nameservers, err);
	else if (status == ST_OK && config->configuration == NULL)
		(void)ub_ctx_resolvconf(unbound->context, NULL); /* else from the root down */
	if (status == ST_OK && config->trust_anchors != NULL)
		status = add_trust_anchors(unbound, config->trust_anchors, err);
	return status;
}

/* A list of what was configured, by TrustAnchorFile or in ResolverConfiguration. */
static bool
has_anchors(struct unbound_resolver *unbound)
{
	static const char *const names[] = {
	    "trust-anchor-file", "auto-trust-anchor-file", "trust-anchor", "trusted-keys-file"};
	bool found = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !found; i++) {
		char *value = NULL;

		found = ub_ctx_get_option(unbound->context, names[i], &value) == 0 &&
			value != NULL && value[0] != '\0';
		mem_free(value);
	}
	return found;
}

static void
on_begun(void *arg, int rcode, void *packet, int packet_bytes, int security, char *why_bogus,
    int was_limited)
{
	(void)arg, (void)rcode, (void)packet, (void)packet_bytes;
	(void)security, (void)why_bogus, (void)was_limited;
}

/* libunbound reads its files and seeds its random numbers with the first question: one that it
 * answers by itself. */
static int
begin(struct unbound_resolver *unbound)
{
	int failed;

	resolver_enter(&unbound->base);
	failed = ub_resolve_event(
	    unbound->context, "localhost.", TYPE_A, CLASS_IN, NULL, on_begun, NULL);
	resolver_leave(&unbound->base);
	return failed;
}

/* The last line that libunbound logged, without time and program. */
static struct span
reason(const struct span log)
{
	struct span rest = span_trim(log), line = rest;
	size_t at = span_rfind(rest, '\n');

	if (at != SIZE_MAX)
		line = span_from(rest, at + 1);
	at = span_find(line, ' ');
	for (int words = 0; words < 2 && at != SIZE_MAX; words++) {
		line = span_from(line, at + 1);
		at = span_find(line, ' ');
	}
	return line;
}

static enum status
configure_and_begin(struct unbound_resolver *unbound, const struct resolver_config *config,
    FILE *log, char *const *text, struct err *err)
{
	enum status status;
	int failed;

	(void)ub_ctx_debugout(unbound->context, log);
	status = configure(unbound, config, err);
	if (status != ST_OK)
		return status;
	failed = begin(unbound);
	fflush(log);
	unbound->anchored = has_anchors(unbound);
	if (failed == 0)
		return ST_OK;
	err_set(err, "the resolver cannot begin: %s (%.*s)", ub_strerror(failed),
	    SPAN_ARG(reason(span_str(*text))));
	return config->trust_anchors != NULL || config->configuration != NULL ? ST_INVALID
									      : ST_FAILED;
}

/* libunbound's log is one for the process and goes to standard error unless told otherwise. It is
 * read while the resolver is opened; afterwards an answer tells what is wrong. */
static enum status
open_quietly(
    struct unbound_resolver *unbound, const struct resolver_config *config, struct err *err)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *log = open_memstream(&text, &bytes);
	enum status status;

	if (log == NULL) {
		err_set(err, "no memory for the resolver's log");
		return ST_FAILED;
	}
	status = configure_and_begin(unbound, config, log, &text, err);
	(void)ub_ctx_debugout(unbound->context, NULL);
	fclose(log);
	mem_free(text);
	return status;
}

enum status
resolver_unbound(struct loop *loop, const struct resolver_config *config,
    struct resolver **resolver_out, struct err *err)
{
	static const struct resolver_ops ops = {
	    .ask = unbound_ask, .drop = unbound_drop, .free = unbound_free};
	struct unbound_resolver *unbound = mem_zalloc(1, sizeof(*unbound));
	enum status status = ST_FAILED;

	resolver_init(&unbound->base, &ops, loop);
	event_base_init(&unbound->events, &unbound->base);
	unbound->context = ub_ctx_create_ub_event(&unbound->events.for_unbound);
	if (unbound->context == NULL)
		err_set(err, "libunbound cannot make a context");
	else
		status = open_quietly(unbound, config, err);
	if (status == ST_OK)
		*resolver_out = &unbound->base;
	else
		resolver_free(&unbound->base);
	return status;
}
