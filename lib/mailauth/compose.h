/*
 * compose.h - the texts of SPF, DMARC and ADSP records for a domain, made of what somebody wants
 * and of what is published. Pure; any thread. RFC 7208, RFC 7489, RFC 5617.
 */
#ifndef SIGNPOST_MAILAUTH_COMPOSE_H
#define SIGNPOST_MAILAUTH_COMPOSE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"

#define COMPOSE_TEXT_MAX 4096U /* octets of a record */

struct spf_wanted {
	bool mx;                     /* the hosts of its MX records send */
	const struct span *hosts;    /* a: */
	const struct span *networks; /* "ip4:..." or "ip6:...", as spf_network() makes them */
	const struct span *includes; /* include: */
	size_t host_count, network_count, include_count;
	char all; /* '~', '-', '?'; 0: that of the records that are there, or '~' */
};

/* One record. texts: the SPF records that are published, of which all mechanisms stay, in front of
 * "all", with what is wanted and missing behind them. Two records become one. ST_INVALID: one of
 * texts is none that can be read, or two have a redirect=, or redirect= and an "all" of wanted; err
 * says which, and what to do. ST_TOO_BIG. */
enum status spf_compose(const struct spf_wanted *wanted, const struct span *texts, size_t count,
    struct buf *out, struct err *err) MUST_USE;

/* Appends "ip4:192.0.2.0/24" of an address or a network. ST_INVALID: it is neither, or has bits set
 * behind its length (err says which network would fit). */
enum status spf_network(struct span text, struct buf *out, struct err *err) MUST_USE;

struct dmarc_wanted {
	const char *policy, *subdomain_policy; /* "none", "quarantine", "reject"; NULL */
	const char *rua, *ruf;    /* addresses or mailto: URIs, separated by commas; NULL */
	const char *adkim, *aspf; /* "r", "s"; NULL */
};

/* Nothing of it is given. */
bool dmarc_wanted_is_empty(const struct dmarc_wanted *wanted);
/* ST_INVALID: err names the option. ST_TOO_BIG. */
enum status dmarc_compose(
    const struct dmarc_wanted *wanted, struct buf *out, struct err *err) MUST_USE;

/* "dkim=all", "dkim=unknown", "dkim=discardable" (historic). ST_INVALID. */
enum status adsp_compose(const char *practice, struct buf *out, struct err *err) MUST_USE;

#endif
