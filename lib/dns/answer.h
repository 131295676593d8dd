/*
 * answer.h - a DNS message with the answer to a TXT question, as it came from a server. Pure.
 * RFC 1035 section 4.1, RFC 2308 for what is not there.
 */
#ifndef SIGNPOST_DNS_ANSWER_H
#define SIGNPOST_DNS_ANSWER_H

#include "lib/dns/dns.h"
#include "lib/dns/wire.h"

/* Where the texts of an answer are; one for many answers, one after the other. */
struct dns_room {
	char *texts; /* owned */
	size_t bytes;
	char alias[DNS_NAME_TEXT_MAX];
};

/* Begin with zeroes. */
void dns_room_free(struct dns_room *room);

/* Reads packet into *answer, whose spans point into room until its next use; why is static.
 * security is taken over as it is; DNS_BOGUS makes ST_UNAVAILABLE of any answer. */
void dns_answer_read(struct span packet, enum dns_security security, struct dns_room *room,
    struct dns_answer *answer);

/* An answer without texts. why: borrowed. */
struct dns_answer dns_answer_none(enum status status, enum dns_security security, const char *why);

/* "SERVFAIL", "REFUSED", ... Static. */
const char *dns_rcode_name(unsigned int rcode);

#endif
