/*
 * dnsclient.h - a resolver and a loop of its own, for programs that ask, wait and end: the tools
 * and signpostd -t. One thread.
 */
#ifndef SIGNPOST_MAILAUTH_DNSCLIENT_H
#define SIGNPOST_MAILAUTH_DNSCLIENT_H

#include "lib/base/loop.h"
#include "lib/conf/conf.h"
#include "lib/dns/dns.h"

#define DNSCLIENT_ANSWERS_MAX (64u << 20) /* octets of a file of answers */

/* What the command line says; it wins over the configuration. NULL: nothing. Borrowed. */
struct dnsclient_options {
	const char *nameservers;  /* as the parameter Nameservers */
	const char *answers_file; /* lines "NAME RECORD" in place of DNS; see resolver_fake */
};

struct dnsclient {
	struct loop loop;
	struct resolver *resolver;
	int64_t timeout_ms; /* DNSTimeout */
	/* When all questions have to be answered, monotonic; 0: never. Those that are asked later
	 * are ST_UNAVAILABLE at once. Set by the caller. */
	int64_t until_ms;
	bool looping;
};

/* conf: DNSTimeout, Nameservers, ResolverConfiguration, TrustAnchorFile, DNSConnect, and in place
 * of DNS TestPublicKeys or TestDNSData; NULL: the defaults. *client stays where it is until
 * dnsclient_close. ST_INVALID: a parameter or a file, err names it. ST_UNAVAILABLE, ST_FAILED. */
enum status dnsclient_open(struct dnsclient *client, const struct conf *conf,
    const struct dnsclient_options *options, struct err *err) MUST_USE;
void dnsclient_close(struct dnsclient *client); /* may be called twice */

/* Waits for one answer, which is valid until the next call. name: domain_is_valid. */
struct dns_answer dnsclient_txt(struct dnsclient *client, struct span name);
/* The same of another type; texts as resolver_wait() has them. */
struct dns_answer dnsclient_ask(struct dnsclient *client, struct span name, enum dns_type type);

#endif
