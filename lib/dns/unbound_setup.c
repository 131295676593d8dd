/*
 * unbound_setup.c - what libunbound is told before its first question.
 * unbound.c calls it once for each resolver. It must leave nothing that makes libunbound write a
 * file, start something, or hold sockets and memory without a bound.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unbound.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/dns/nameserver.h"
#include "lib/dns/unbound_conf.h"
#include "lib/dns/unbound_setup.h"

#define CACHE_BYTES_DEFAULT ((size_t)8 << 20)
#define CACHE_BYTES_MIN ((size_t)256 << 10)
#define SOCKETS_MAX DNS_HELD_MAX /* UDP, one for each question on the wire */
#define SOCKETS_MIN 16u

/* ---- options ---- */

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
    /* A server that was down is asked again two seconds later, and a question to a silent one ends
     * after some twelve. */
    {"infra-keep-probing:", "yes"},
    {"infra-host-ttl:", "1"},
    {"infra-cache-max-rtt:", "3000"},
    /* A cache next door answers what it has in no time and looks for the rest for seconds: from the
     * former libunbound would learn to give up the latter after 0.4 s. */
    {"infra-cache-min-rtt:", "600"},
    {"outbound-msg-retry:", "3"},
    {"tcp-reuse-timeout:", "10000"},
};

/* A name that another version of libunbound does not know leaves things as they are there. */
static void
set_option(struct ub_ctx *context, const char *name, const char *value)
{
	(void)ub_ctx_set_option(context, name, value);
}

/* The descriptors are also for connections. */
unsigned int
unbound_sockets_max(void)
{
	struct rlimit limit;
	unsigned int most = SOCKETS_MAX;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 4 < most)
		most = (unsigned int)(limit.rlim_cur / 4);
	return most < SOCKETS_MIN ? SOCKETS_MIN : most;
}

static void
set_number(struct ub_ctx *context, const char *name, size_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%zu", value);
	set_option(context, name, text);
}

static void
set_options(struct ub_ctx *context, const struct resolver_config *config)
{
	size_t bytes = config->cache_bytes == 0 ? CACHE_BYTES_DEFAULT : config->cache_bytes;

	if (bytes < CACHE_BYTES_MIN)
		bytes = CACHE_BYTES_MIN;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		set_option(context, options[i].name, options[i].value);
	set_number(context, "msg-cache-size:", bytes / 4);
	set_number(context, "rrset-cache-size:", bytes / 2);
	set_number(context, "key-cache-size:", bytes / 8);
	set_number(context, "neg-cache-size:", bytes / 8);
	set_number(context, "outgoing-range:", unbound_sockets_max());
	if (config->tcp_only)
		set_option(context, "tcp-upstream:", "yes");
}

/* ---- what the operator says ---- */

struct setup {
	struct event_base *base;
	const struct resolver_config *config;
	FILE *log;
	struct ub_ctx *context;
	struct err *err;
};

static enum status
cannot(struct setup *setup, const char *parameter, const char *value, const char *why)
{
	err_set(setup->err, "%s %s: %s", parameter, value, why);
	return ST_INVALID;
}

static enum status
make_context(struct setup *setup)
{
	if (setup->context != NULL)
		ub_ctx_delete(setup->context);
	setup->context = ub_ctx_create_ub_event(&setup->base->for_unbound);
	if (setup->context == NULL) {
		err_set(setup->err, "libunbound cannot make a context");
		return ST_FAILED;
	}
	(void)ub_ctx_debugout(setup->context, setup->log);
	set_options(setup->context, setup->config);
	return ST_OK;
}

static bool
has_option(struct ub_ctx *context, const char *name)
{
	char *value = NULL;
	bool found =
	    ub_ctx_get_option(context, name, &value) == 0 && value != NULL && value[0] != '\0';

	mem_free(value);
	return found;
}

/* libunbound reads a file by its name only. */
static enum status
read_text(struct setup *setup, struct span text)
{
	char name[32];
	int fd = memfd_create("unbound.conf", MFD_CLOEXEC), failed = UB_READFILE;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	if (fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n)
		failed = ub_ctx_config(setup->context, name);
	if (fd >= 0)
		close(fd);
	if (failed == 0)
		return ST_OK;
	return cannot(
	    setup, "ResolverConfiguration", setup->config->configuration, ub_strerror(failed));
}

/* A context in which no anchor is automatic: see unbound_conf.h. */
static enum status
begin_without_automatic_anchors(struct setup *setup)
{
	enum status status;
	struct buf text;

	buf_init(&text, UNBOUND_CONF_BYTES_MAX);
	status = unbound_conf_copy(setup->config->configuration, &text, setup->err);
	if (status != ST_OK) {
		err_prefix(setup->err, "ResolverConfiguration");
		status = ST_INVALID;
	} else {
		status = make_context(setup);
	}
	if (status == ST_OK)
		status = read_text(setup, buf_span(&text));
	buf_free(&text);
	return status;
}

static enum status
read_configuration(struct setup *setup, const char *path)
{
	enum status status = ST_OK;
	int failed;

	if (access(path, R_OK) != 0)
		return cannot(setup, "ResolverConfiguration", path, strerror(errno));
	failed = ub_ctx_config(setup->context, path);
	if (failed != 0)
		return cannot(setup, "ResolverConfiguration", path, ub_strerror(failed));
	if (has_option(setup->context, "auto-trust-anchor-file"))
		status = begin_without_automatic_anchors(setup);
	if (status != ST_OK)
		return status;
	/* It may be a server's, which has other bounds, and cuts chroot from the names of files. */
	set_option(setup->context, "chroot:", "");
	set_number(setup->context, "outgoing-range:", unbound_sockets_max());
	return ST_OK;
}

static enum status
add_nameservers(struct setup *setup, const char *list)
{
	struct span rest = span_str(list);
	char server[NAMESERVER_TEXT_MAX];
	enum status status;
	int failed;

	while ((status = nameserver_next(&rest, server, setup->err)) == ST_OK) {
		failed = ub_ctx_set_fwd(setup->context, server);
		if (failed != 0)
			return cannot(setup, "Nameservers", server, ub_strerror(failed));
	}
	if (status == ST_INVALID)
		err_prefix(setup->err, "Nameservers");
	return status == ST_ABSENT ? ST_OK : status;
}

static enum status
add_trust_anchors(struct setup *setup, const char *path)
{
	int failed;

	if (access(path, R_OK) != 0)
		return cannot(setup, "TrustAnchorFile", path, strerror(errno));
	failed = ub_ctx_add_ta_file(setup->context, path);
	if (failed != 0)
		return cannot(setup, "TrustAnchorFile", path, ub_strerror(failed));
	return ST_OK;
}

static enum status
apply(struct setup *setup)
{
	const struct resolver_config *config = setup->config;
	enum status status = make_context(setup);

	if (status == ST_OK && config->configuration != NULL)
		status = read_configuration(setup, config->configuration);
	if (status == ST_OK && config->nameservers != NULL)
		status = add_nameservers(setup, config->nameservers);
	else if (status == ST_OK && config->configuration == NULL)
		(void)ub_ctx_resolvconf(setup->context, NULL); /* else from the root down */
	if (status == ST_OK && config->trust_anchors != NULL)
		status = add_trust_anchors(setup, config->trust_anchors);
	return status;
}

enum status
unbound_setup(struct event_base *base, const struct resolver_config *config, FILE *log,
    struct ub_ctx **context_out, bool *anchored_out, struct err *err)
{
	struct setup setup = {.base = base, .config = config, .log = log, .err = err};
	enum status status = apply(&setup);

	*context_out = setup.context;
	if (setup.context != NULL)
		*anchored_out = has_option(setup.context, "trust-anchor-file") ||
				has_option(setup.context, "trust-anchor") ||
				has_option(setup.context, "trusted-keys-file");
	return status;
}
