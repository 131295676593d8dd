/*
 * octets.h - an answer as octets, for a cache and for others that share it, and which answers may
 * be kept at all. Pure.
 *
 * Numbers have the highest octet first; two answers that are equal have the same octets, and all
 * octets that can be read would be written in the same way:
 *
 *   1 (1 octet)   what (1): 'T' texts, 'N' no TXT record there, 'X' no such name
 *   security (1): 'u' nobody looked, 'i' provably not signed, 's' validated
 *   length of the alias (2)   the alias
 *   number of texts (1), 1 to DNS_TEXTS_MAX with 'T' and else 0; of each:
 *     strings (2)   octets of the longest string (1)   length (2)   the strings, joined
 *
 * How long it may be kept is not in it: whoever keeps it knows from when on.
 */
#ifndef SIGNPOST_DNS_OCTETS_H
#define SIGNPOST_DNS_OCTETS_H

#include "lib/base/buf.h"
#include "lib/dns/dns.h"

#define DNS_OCTETS_MAX (4096u + DNS_TEXTS_MAX * (DNS_TEXT_BYTES_MAX + 8u))

#define DNS_KEEP_S_MAX 86400u       /* of texts, whatever their TTL says */
#define DNS_KEEP_ABSENT_S_MAX 3600u /* of an absence */

/* Seconds for which answer may be kept from now on: its TTL within the limits above. 0: not at all;
 * so it is with everything but texts and absences, and with what is bogus. */
uint32_t dns_answer_keep_s(const struct dns_answer *answer);

/* Appends the octets of an answer whose dns_answer_keep_s() is not 0. ST_TOO_BIG: out is full. */
enum status dns_octets_write(const struct dns_answer *answer, struct buf *out) MUST_USE;

/* Its spans point into octets; ttl_s is 0, why static. ST_INVALID: nobody wrote this. */
enum status dns_octets_read(struct span octets, struct dns_answer *answer_out) MUST_USE;

#endif
