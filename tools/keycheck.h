/*
 * keycheck.h - does the record that DNS answered belong to a private key? One thread.
 */
#ifndef SIGNPOST_TOOLS_KEYCHECK_H
#define SIGNPOST_TOOLS_KEYCHECK_H

#include "lib/crypto/key.h"
#include "lib/dns/dns.h"

enum keycheck_verdict {
	KEYCHECK_OK,
	KEYCHECK_MISMATCH, /* a good record of another key */
	KEYCHECK_RECORD,   /* no record, or one that cannot be used */
	KEYCHECK_DNS,      /* DNS could not be asked; later it may be right */
	KEYCHECK_KEY       /* there is no private key to compare with */
};

struct keycheck {
	enum keycheck_verdict verdict;
	enum dns_security security;
	bool same_domain;        /* t=s: no i= of a domain below (RFC 6376 section 3.6.1) */
	char text[ERR_TEXT_MAX]; /* why it is not OK; a sentence, printable or made so by cli_say */
	char weak[ERR_TEXT_MAX]; /* OK, but: a sentence, or "" */
};

/* name: what was asked for, for the sentences. key NULL: the record is only looked at. */
void keycheck_judge(
    const struct dns_answer *answer, struct span name, struct key *key, struct keycheck *out);

#endif
