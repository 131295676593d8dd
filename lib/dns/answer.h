/*
 * answer.h - a DNS message with the answer to a TXT question, as it came from a server. Pure.
 * RFC 1035 section 4.1, RFC 2308 for what is not there.
 */
#ifndef SIGNPOST_DNS_ANSWER_H
#define SIGNPOST_DNS_ANSWER_H

#include "lib/base/buf.h"
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

/* The same of a question for another type; texts as resolver_wait() has them. */
void dns_answer_read_type(struct span packet, unsigned type, enum dns_security security,
    struct dns_room *room, struct dns_answer *answer);

/* Appends the text of a record that is no TXT: its data is at record, in message. false: it is
 * torn, or of a type that is not in enum dns_type. (record.c; pure) */
bool dns_record_text(struct wire_cursor message, const struct wire_record *record, struct buf *out);

/* An answer without texts. why: borrowed. */
struct dns_answer dns_answer_none(enum status status, enum dns_security security, const char *why);

/* "SERVFAIL", "REFUSED", ... Static. */
const char *dns_rcode_name(unsigned int rcode);

#endif
