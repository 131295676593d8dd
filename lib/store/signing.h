/*
 * signing.h - the SigningTable: which keys may sign for this author? OpenDKIM's ladder for tables
 * of names, one query for tables of patterns.
 */
#ifndef SIGNPOST_STORE_SIGNING_H
#define SIGNPOST_STORE_SIGNING_H

#include "lib/store/table.h"

#define SIGNING_MATCHES_MAX 64 /* most matches one caller may ask for */

struct signing_match {
	struct span keyname; /* for keytable_lookup(); "%" is already the From domain */
	struct span signer;  /* of i=; empty when the table names none; '%' is already replaced */
	unsigned line;       /* of the SigningTable, 0 when unknown */
	struct table_value value; /* keeps the spans alive */
	char *signer_owned;       /* likewise */
};

/* user: local part as written. domain: lower-cased by the caller (A-labels), borrowed until the
 * matches are released. max: 1, or more for MultipleSignatures (at most SIGNING_MATCHES_MAX).
 * ST_OK: *count_out >= 1 matches in order of preference, to be released. ST_ABSENT: no rule.
 * ST_UNAVAILABLE and ST_INVALID end the search at once: mail is not signed with less than the table
 * says. The rule that drops an i= outside of d= is the caller's. Any thread. */
enum status signing_lookup(struct table *signing, struct span user, struct span domain, size_t max,
    struct signing_match *out, size_t *count_out, struct err *err) MUST_USE;

void signing_matches_release(struct signing_match *matches, size_t count);

#endif
