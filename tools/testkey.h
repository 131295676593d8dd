/*
 * testkey.h - what testkey was asked for; its two ways to go. One thread.
 */
#ifndef SIGNPOST_TOOLS_TESTKEY_H
#define SIGNPOST_TOOLS_TESTKEY_H

#include <stdbool.h>

#include "lib/conf/conf.h"
#include "lib/mailauth/dnsclient.h"
#include "tools/keycheck.h"

#define TESTKEY_OPEN_MAX 100 /* questions to DNS at once */

/* Borrowed from argv and the configuration. */
struct testkey {
	const char *program;
	const char *conf_path;
	const char *domain, *selector, *key_path;
	struct dnsclient_options dns;
	int verbose;
	bool json;
	bool single; /* -d, -k or -s was given */
};

/* All keys of the KeyTable. Answers the exit status. */
int testkey_table(const struct testkey *request, const struct conf *conf, struct dnsclient *dns);

/* "secure", "not secure", "bogus (DNSSEC failed)", or NULL when nobody looked. Static. */
const char *testkey_security(enum dns_security security);
/* One object of --json and a line feed, to stdout. Spans may be empty. */
void testkey_print_json(struct span keyname, struct span name, const struct keycheck *check);

#endif
