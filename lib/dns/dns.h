/*
 * dns.h - TXT records by name, without waiting: the resolver that verification and the tools use.
 * One interface, two fillings: libunbound inside the caller's event loop, and answers from a file
 * (TestPublicKeys, TestDNSData). One thread per resolver. RFC 1035, RFC 4033 (security status).
 */
#ifndef SIGNPOST_DNS_DNS_H
#define SIGNPOST_DNS_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/loop.h"
#include "lib/base/span.h"
#include "lib/base/status.h"

#define DNS_TEXTS_MAX 16u        /* TXT records of one name; more is ST_TOO_BIG */
#define DNS_TEXT_BYTES_MAX 8192u /* octets of one record, strings joined; longer is ST_TOO_BIG */
#define DNS_ALIASES_MAX 12u      /* CNAMEs followed inside one answer */
#define DNS_QUERIES_MAX 10000u   /* open at once per resolver; more is ST_UNAVAILABLE */

enum dns_security {
	DNS_UNKNOWN,  /* no trust anchor: nobody looked */
	DNS_INSECURE, /* provably not signed */
	DNS_SECURE,   /* validated */
	DNS_BOGUS     /* validation failed; the texts must not be used */
};

struct dns_text {
	struct span joined;      /* all strings, joined without anything between */
	size_t strings;          /* of how many strings it was made */
	size_t string_bytes_max; /* the longest of them, octets */
};

struct dns_answer {
	/* ST_OK: at least one record. ST_ABSENT: NXDOMAIN, or no TXT there. ST_UNAVAILABLE:
	 * SERVFAIL, REFUSED, time-out, bogus; why says which. ST_INVALID, ST_TOO_BIG: an answer
	 * came and cannot be read or is beyond a limit. */
	enum status status;
	enum dns_security security;
	bool name_exists; /* with ST_ABSENT: NOERROR, not NXDOMAIN */
	size_t count;
	struct dns_text texts[DNS_TEXTS_MAX];
	struct span alias; /* where CNAMEs led, text without final dot; empty: none */
	uint32_t ttl_s;  /* smallest TTL of what is in it; ST_ABSENT: of RFC 2308, 0 without SOA */
	const char *why; /* a few words for the log; static or valid during the callback */
};

/* The answer is borrowed for the call. It may start and cancel other queries. */
typedef void dns_done(void *owner, const struct dns_answer *answer);

struct dns_query; /* an open question */
struct resolver;

/* Asks for the TXT records of name (validated: domain_is_valid). done is called exactly once: when
 * the answer is there, at the latest after timeout_ms, or before this returns (cached answers);
 * *query_out is set before that and is NULL afterwards, so the caller's pointer tells whether it is
 * still open. It must stay where it is until then. */
void resolver_txt(struct resolver *resolver, struct span name, int64_t timeout_ms, dns_done *done,
    void *owner, struct dns_query **query_out);
/* done will not be called; *query becomes NULL. Fine with NULL in it. */
void resolver_cancel(struct resolver *resolver, struct dns_query **query);
/* Open queries are given up without a call. NULL is fine. */
void resolver_free(struct resolver *resolver);

/* Questions that are open now, for metrics and tests. */
size_t resolver_open_count(const struct resolver *resolver);
/* There is a trust anchor: no answer is DNS_UNKNOWN, while without one all are. */
bool resolver_validates(const struct resolver *resolver);

/* All borrowed for the call; NULL: not set. */
struct resolver_config {
	const char *nameservers;   /* Nameservers: addresses, "[:port]" or "@port" after one,
				      separated by   blanks or commas */
	const char *configuration; /* ResolverConfiguration: an unbound.conf */
	const char *trust_anchors; /* TrustAnchorFile: must be readable */
	size_t cache_bytes;        /* 0: 8 MiB */
	bool tcp_only;
};

/* libunbound in loop. Everything it reads from files is read here, so the caller may enter a
 * sandbox afterwards; nothing is asked yet. ST_INVALID: a parameter, err names it. ST_FAILED. */
enum status resolver_unbound(struct loop *loop, const struct resolver_config *config,
    struct resolver **resolver_out, struct err *err) MUST_USE;

/* Answers from text: lines "NAME blanks RECORD", '#' begins a comment line; the value may be the
 * bare record or quoted strings; a name twice is two records. A record "!SERVFAIL", "!TIMEOUT",
 * "!BOGUS", "!DELAY ms RECORD" and "!SECURE RECORD" plays what its name says. "!A ADDRESS",
 * "!AAAA ADDRESS", "!MX 10 HOST" and "!SOA HOST" are records of these types. Other names are
 * ST_ABSENT. loop may be NULL when nothing is delayed. ST_INVALID: err names the line. */
enum status resolver_fake(
    struct loop *loop, struct span text, struct resolver **resolver_out, struct err *err) MUST_USE;

/* For tools that have no loop of their own to run: waits for one answer. The answer's spans are
 * valid until the next call with this resolver. loop is the resolver's. */
struct dns_answer resolver_txt_wait(
    struct resolver *resolver, struct loop *loop, struct span name, int64_t timeout_ms);

/* Types that tools ask for; the values are those of DNS. */
enum dns_type { DNS_A = 1, DNS_SOA = 6, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28 };

/* resolver_txt_wait() for another type. Texts are then records as zone files have them: addresses,
 * "10 mail.example.com", "0 ." (RFC 7505), the first name of a SOA; names without final dot, what
 * is no letter of a host name as \DDD. */
struct dns_answer resolver_wait(struct resolver *resolver, struct loop *loop, struct span name,
    enum dns_type type, int64_t timeout_ms);

#endif
