/*
 * unbound.c - TXT records (for tools others, too) by libunbound, inside the caller's loop: no
 * thread, no process, no waiting. Verification in a front-end and the tools open it; questions come
 * by resolver.c. What it reads from files it must read when it is opened, for a front-end can open
 * none later; what it holds (sockets, memory) must stay bounded when no server answers.
 */
#include <stdio.h>
#include <string.h>
#include <unbound.h>

#include "lib/base/mem.h"
#include "lib/dns/unbound_setup.h"

#define TYPE_A 1
#define CLASS_IN 1

struct unbound_resolver {
	struct resolver base; /* first */
	struct event_base events;
	struct ub_ctx *context;
	struct dns_room room;
};

/* ---- questions ---- */

static enum dns_security
security_of(const struct unbound_resolver *unbound, int security)
{
	if (security == 1)
		return DNS_BOGUS;
	if (security == 2)
		return DNS_SECURE;
	/* With a trust anchor what is not signed is known to be so. */
	return unbound->base.validates ? DNS_INSECURE : DNS_UNKNOWN;
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
		dns_answer_read_type(span_of(packet, (size_t)packet_bytes), query->type, verdict,
		    &unbound->room, &answer);
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
	    unbound->context, query->name, (int)query->type, CLASS_IN, query, on_answer, NULL);

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

/* The first error that libunbound logged; "" is none. A line is "[TIME] PROGRAM[PID:THREAD] error:
 * SENTENCE". */
static struct span
reason(struct span log)
{
	static const char mark[] = " error: ";
	struct span line;
	bool more = true;

	while (more) {
		const char *at;

		more = span_cut(&log, '\n', &line);
		at = line.n == 0 ? NULL : memmem(line.p, line.n, mark, sizeof(mark) - 1);
		if (at != NULL)
			return span_from(line, (size_t)(at - line.p) + sizeof(mark) - 1);
	}
	return SPAN_EMPTY;
}

static enum status
set_up_and_begin(struct unbound_resolver *unbound, const struct resolver_config *config, FILE *log,
    char *const *text, struct err *err)
{
	enum status status = unbound_setup(
	    &unbound->events, config, log, &unbound->context, &unbound->base.validates, err);
	int failed;

	if (status != ST_OK)
		return status;
	failed = begin(unbound);
	if (failed == 0)
		return ST_OK;
	fflush(log);
	err_set(err, "%s: libunbound cannot begin (%s): %.*s",
	    config->trust_anchors != NULL   ? "TrustAnchorFile"
	    : config->configuration != NULL ? "ResolverConfiguration"
					    : "the resolver",
	    ub_strerror(failed), SPAN_ARG(reason(span_str(*text))));
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
	status = set_up_and_begin(unbound, config, log, &text, err);
	if (unbound->context != NULL)
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
	enum status status;

	resolver_init(&unbound->base, &ops, loop);
	/* What libunbound had to queue itself would not be fair. */
	unbound->base.held_max = unbound_sockets_max();
	event_base_init(&unbound->events, &unbound->base);
	status = open_quietly(unbound, config, err);
	if (status == ST_OK)
		*resolver_out = &unbound->base;
	else
		resolver_free(&unbound->base);
	return status;
}
