/*
 * testmsg.h - what testmsg was asked for; its two ways to go. One thread.
 */
#ifndef SIGNPOST_TOOLS_TESTMSG_H
#define SIGNPOST_TOOLS_TESTMSG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/dkim/canon.h"
#include "lib/mailauth/dnsclient.h"

/* Borrowed from argv. */
struct testmsg {
	const char *program;
	const char *domain, *selector, *key_path;
	const char *algorithm; /* -a; NULL: what the key is */
	const char *identity;  /* -i, or NULL */
	enum canon header_canon, body_canon;
	int64_t ttl_s; /* --ttl, or 0 */
	bool crlf;     /* -C */
	struct dnsclient_options dns;
	bool json;
	bool authres;            /* --authres */
	const char *authserv_id; /* its argument; NULL: the name of this host */
	char **files;            /* NULL-terminated; empty: standard input */
};

/* Prints the signed message (or with --json the field). Answers the exit status. */
int testmsg_sign(const struct testmsg *request);
/* Prints a line for each signature. Answers the exit status. */
int testmsg_verify(const struct testmsg *request);

#endif
