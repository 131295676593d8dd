/*
 * authority.h - what the authoritative servers of a zone say, each address of each of them, asked
 * one by one; and what recursive resolvers say, asked only afterwards. For proving that a record
 * that was published can be seen by the world, without putting its absence into anybody's cache.
 *
 * The zone is found from the top-level name downwards: its servers are learned from a recursive
 * resolver, all below from authoritative servers. Resolvers are asked for lower names (never for
 * "_domainkey" or below, never for where an alias leads) only as long as they know no servers of
 * the name above: in private trees without a root. So a domain that does not exist yet gets into
 * nobody's cache as one that does not exist.
 *
 * A zone's servers are all names of the NS records at the parent and at the zone itself (each of
 * its servers is asked), with all their addresses (A and AAAA) from the recursive resolvers and
 * from glue. Each address is asked over UDP with RD=0, over TCP when the answer is truncated or the
 * spelling of the question was not kept; only AA=1 counts; each question has a random id, port and
 * spelling (0x20). A server that has no address counts as not there; so does IPv6 without a route,
 * unless a server has nothing else. Referrals (a delegated "_domainkey") and CNAMEs are followed:
 * then the servers of the zone where it leads must agree, and those are the ones that "right"
 * speaks of; servers that do not know of the alias or the delegation yet make it MIXED.
 *
 * Blocking; one struct authority for each thread that asks. RFC 1034, 1035, 2181, 2308, 4592, 7766.
 */
#ifndef SIGNPOST_DNS_AUTHORITY_H
#define SIGNPOST_DNS_AUTHORITY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/span.h"
#include "lib/base/status.h"

/* Addresses of a zone that are asked; of more, the first of each server, then the second ones, ...
 * More names of servers than that: AUTHORITY_UNAVAILABLE. */
#define AUTHORITY_SERVERS_MAX 32U
#define AUTHORITY_TEXTS_MAX 4U     /* of foreign records that are shown */
#define AUTHORITY_TEXT_BYTES 1000U /* octets of each of them that are shown */
#define AUTHORITY_WHY_BYTES 400U
#define AUTHORITY_BATCH_MAX 1000U /* names of one call */

/* All borrowed for the call of authority_open. */
struct authority_config {
	const char *resolvers; /* recursive ones, as Nameservers: addresses with ports; empty: those
				  of /etc/resolv.conf */
	const char *trust_anchors; /* a file; NULL: the AD bit of a resolver is believed. It needs
				      libunbound in this build */
	uint16_t port;             /* of authoritative servers; 0: 53. Another one is for tests */
	int timeout_ms;            /* of one try; 0: 2000. There are 3; a server that has answered
				      none of them is not asked again in this call */
	bool no_ipv6; /* addresses of IPv6 are not asked (no route): they count as not there */
};

struct authority;

/* ST_INVALID: err names what. */
enum status authority_open(
    const struct authority_config *config, struct authority **out, struct err *err) MUST_USE;
void authority_close(struct authority *authority); /* NULL is fine */

enum authority_seen {
	AUTHORITY_RIGHT,    /* every server: exactly one TXT record there, and it is the value (even
			       if a wildcard makes the same) */
	AUTHORITY_ABSENT,   /* every server: NXDOMAIN or no TXT */
	AUTHORITY_OTHER,    /* every server: exactly one record, the same, and it is "other" */
	AUTHORITY_WILDCARD, /* every server: nothing of that name, but what a wildcard makes, which
			       may be the same as other */
	AUTHORITY_MIXED,    /* some the value or other, some nothing yet: a secondary that lags */
	AUTHORITY_FOREIGN,  /* a server has a record with another text, or more than one; whatever
			       the others say */
	AUTHORITY_UNAVAILABLE /* a server does not answer, or not with authority; or the zone cannot
				 be found */
};

/* One name. In: name, value, other, quiet. Out: the rest. */
struct authority_question {
	struct span name; /* "selector._domainkey.domain", domain_is_valid; borrowed */
	struct span
	    value;  /* the text of the record that should be there, strings joined; empty: none */
	bool quiet; /* nobody wonders when nothing is there: it is not looked for at wrong names */
	struct span other; /* another text that is known ("v=DKIM1; p="); may be empty */
	/* Where a CNAME at name should lead; empty: unknown. One that does is then looked for at
	 * wrong names, too. */
	struct span leads_to;

	enum authority_seen seen;
	unsigned servers, right; /* addresses asked; those with the value */
	uint32_t ttl_s;          /* the longest of what is there, wildcards included; 0 */
	uint32_t neg_s; /* min(SOA TTL, SOA MINIMUM), the longest of all servers and zones */
	/* The parent has a DS for it, and so has each zone on the way, of aliases too. Of the
	 * top-level zone: a resolver has validated it, or there are trust_anchors. */
	bool signed_zone;
	char zone[256];  /* where the record is; without final dot */
	char alias[256]; /* where a CNAME at name leads; "": none */
	/* What an operator reads: "ns2.customer.example (192.0.2.5) answers NXDOMAIN, 2 of 3
	 * servers have it"; for a foreign record in which way it differs: truncated, strings in
	 * another order, quotes in it, another key; when nothing is there, at which wrong name it
	 * is (the domain twice, without "_domainkey" or selector, without the subdomain). */
	char why[AUTHORITY_WHY_BYTES];
	char texts[AUTHORITY_TEXTS_MAX]
		  [AUTHORITY_TEXT_BYTES]; /* what is there instead, printable */
	unsigned text_count;
};

/* Asks about each; those of one zone share its servers, which are looked up once in a call. Any
 * status of one name is in its seen. The names may not be asked of a recursive resolver here; NS,
 * SOA, DS and addresses of servers are. */
void authority_ask(struct authority *authority, struct authority_question *questions, size_t count);

/* What the recursive resolvers say; call it only when the authoritative servers are right and the
 * negative caches have run out. */
#define AUTHORITY_RESOLVERS_MAX 8U
struct authority_view {
	unsigned resolvers, right; /* configured; those with exactly the value */
	unsigned wrong;            /* those that answered, and not that */
	bool validated;            /* all of those that were right: with AD (or by trust_anchors) */
	char text[8192];           /* the record of one that was right; "" */
	size_t text_bytes;
	char why[AUTHORITY_WHY_BYTES];
};
void authority_recursive(
    struct authority *authority, struct span name, struct span value, struct authority_view *out);

/* How a text that is there differs from the one that should be, in words for the customer: "the
 * record is cut off after 255 octets", "its two strings are in the wrong order", "it has quotation
 * marks in it", "it is another key", ... out: AUTHORITY_WHY_BYTES. Pure. */
void authority_explain(struct span wanted, struct span found, char *out);

#endif
