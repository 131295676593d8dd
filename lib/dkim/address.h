/*
 * address.h - the addresses of From:, Sender: and the like, and names of domains. Every decision
 * about "who sends this" uses this one parser. RFC 5322 section 3.4 with the obsolete forms and
 * what mail in the wild looks like; RFC 6532 (UTF-8). Pure; any thread.
 */
#ifndef SIGNPOST_DKIM_ADDRESS_H
#define SIGNPOST_DKIM_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/span.h"
#include "lib/base/status.h"

#define ADDRESS_VALUE_MAX 65536u   /* octets of one header value */
#define ADDRESS_COUNT_MAX 10000u   /* addresses in one header */
#define ADDRESS_COMMENT_DEPTH 50u  /* nested comments */
#define ADDRESS_USER_MAX 512u      /* octets of a local part; RFC 5321 says 64, mail says more */
#define DOMAIN_BYTES_MAX 253u      /* octets of a domain in text form, RFC 1035 */
#define DOMAIN_LABEL_BYTES_MAX 63u /* octets of one label */

/* user: as written (a quoted local part keeps its quotes), folding white space taken out.
 * domain: lower case, A-labels, no final dot; or an address literal "[192.0.2.1]" as written. */
struct address {
	struct span user;
	struct span domain;
};

/* Parses an address list: display names, comments, quoted strings, groups, angle brackets,
 * obsolete routes. *first_out is the first mailbox, in the arena; *count_out how many mailboxes
 * there are in all (a caller that must know "exactly one" looks here).
 * ST_ABSENT: no address in it (empty, "undisclosed-recipients:;", "<>"). ST_INVALID: malformed,
 * or the first domain is no domain. ST_TOO_BIG: a limit. */
enum status address_parse(struct span header_value, struct arena *arena, struct address *first_out,
    size_t *count_out, struct err *err) MUST_USE;

/* LDH and underscore labels of 1 to 63 octets, at most 253 in all, no final dot. */
bool domain_is_valid(struct span domain);
/* Lower case; U-labels become A-labels (IDNA 2008, non-transitional); a final dot goes. The result
 * is in the arena and passes domain_is_valid. ST_INVALID, ST_TOO_BIG (arena). */
enum status domain_normalise(struct span domain, struct arena *arena, struct span *out) MUST_USE;
/* s=: labels separated by dots, RFC 6376 section 3.1; the same characters as a domain. */
bool selector_is_valid(struct span selector);
/* child is parent or below it; both normalised. */
bool domain_is_within(struct span child, struct span parent);

#endif
