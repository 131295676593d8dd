/*
 * spf_syntax.h - an SPF record taken apart, and what is wrong with it. RFC 7208. It looks at one
 * text and asks no DNS, so look-ups are those that the record itself makes; what it includes costs
 * more. Pure; any thread.
 */
#ifndef SIGNPOST_MAILAUTH_SPF_SYNTAX_H
#define SIGNPOST_MAILAUTH_SPF_SYNTAX_H

#include <stdbool.h>

#include "lib/mailauth/finding.h"

#define SPF_TERMS_MAX 200u      /* terms of one record */
#define SPF_LOOKUPS_MAX 10u     /* terms that cost a look-up, RFC 7208 section 4.6.4 */
#define SPF_BYTES_GOOD_MAX 450u /* octets that fit into a DNS answer over UDP, section 3.4 */

enum spf_kind {
	SPF_ALL,
	SPF_INCLUDE,
	SPF_A,
	SPF_MX,
	SPF_PTR,
	SPF_IP4,
	SPF_IP6,
	SPF_EXISTS,
	SPF_REDIRECT, /* from here on modifiers */
	SPF_EXP,
	SPF_OTHER,  /* a modifier that RFC 7208 does not name: it is ignored */
	SPF_UNKNOWN /* neither a mechanism nor a modifier: permerror */
};

struct spf_term {
	struct span text; /* as written */
	enum spf_kind kind;
	char qualifier;       /* '+', '-', '~' or '?'; 0: none is written, or a modifier */
	struct span argument; /* behind ':' or '=', without the prefix length */
	int prefix4, prefix6; /* behind '/' and '//'; -1: none */
	bool mechanism_name;  /* SPF_OTHER, and its name is that of a mechanism: ':' was meant */
	const char *fault;    /* what makes verifiers answer permerror; static; NULL: well-formed */
};

struct spf_record {
	struct spf_term terms[SPF_TERMS_MAX];
	size_t count;
};

/* "v=spf1" and then a blank or the end, without case (section 4.5). */
bool spf_is_record(struct span text);
/* ST_OK: every term is in *out, those with a fault too. ST_ABSENT: not an SPF record. ST_TOO_BIG:
 * more than SPF_TERMS_MAX terms. Borrowed from text. */
enum status spf_parse(struct span text, struct spf_record *out, struct err *err) MUST_USE;
/* The index of the first "all", or count. */
size_t spf_first_all(const struct spf_record *record);
/* Whether a verifier may come to the term, and it costs a look-up of its own: include a mx ptr
 * exists in front of "all", redirect without one (sections 4.6.4, 5.1 and 6.1). */
bool spf_term_asks(const struct spf_record *record, size_t at);
/* How many such terms there are. */
unsigned spf_lookups(const struct spf_record *record);
/* How many terms of a kind there are, faults or not. */
unsigned spf_count(const struct spf_record *record, enum spf_kind kind);
/* domain, perhaps with a final dot, is a name that DNS can have, or has a macro. */
bool spf_names_something(struct span domain);

/* A sentence for each fault, trap and weakness, or one that says that there is none. strings: of
 * how many strings the TXT record was made. */
void spf_audit(struct span text, size_t strings, struct span about, struct findings *findings);

#endif
