/*
 * diagnose.h - why a signature of a message does not verify: changes that mail is known to suffer
 * on its way are taken back, one after the other, and what makes the signature fit is named.
 * Whether it fits is the verifier's word (verify.h), never one of this file. Pure; one thread per
 * object.
 *
 *   body      a footer behind it or a banner before it, blanks, line ends, ">From ", dots, another
 *             transfer encoding
 *   header    what z= says; a prefix of the subject, From rewritten by a mailing list, a field that
 *             was added, other folds, another order, another transfer encoding
 *
 * The cost is bounded: all signatures of a message together may hash DIAGNOSE_OCTETS_MAX octets.
 */
#ifndef SIGNPOST_DKIM_DIAGNOSE_H
#define SIGNPOST_DKIM_DIAGNOSE_H

#include "lib/dkim/verify.h"

#define DIAGNOSE_OCTETS_MAX (96u << 20)
/* Lines at the end of a body before each of which a footer may begin. */
#define DIAGNOSE_LINES_MAX 4000u
#define DIAGNOSE_BANNER_MAX 10u /* lines of a banner */
#define DIAGNOSE_FINDINGS_MAX 16u
#define DIAGNOSE_DETAIL_BYTES 320u

struct diagnose_finding {
	const char *what;                   /* "body-footer", "header-subject"; static */
	bool certain;                       /* with it taken back that part fits; else a guess */
	size_t line;                        /* of the message, from 1; 0: none */
	char detail[DIAGNOSE_DETAIL_BYTES]; /* a sentence; it may have text of the message in it */
};

struct diagnose {
	struct diagnose_finding findings[DIAGNOSE_FINDINGS_MAX];
	size_t count;
	uint64_t left;  /* octets that may be hashed yet */
	bool exhausted; /* not all was tried: there were no octets left */
};

/* All borrowed for the call. */
struct diagnose_case {
	const struct header_list *list;
	struct span body;   /* as it came: CRLF or LF */
	size_t header_line; /* of the message, on which the first field stands */
	size_t body_line;   /* on which the body begins */
	const struct verify_options *options;
	const struct verify_signature *signature; /* verify_finish() was called */
	const struct verify_key *key;             /* of that signature */
};

/* Of a message: before its first signature. */
void diagnose_begin(struct diagnose *diagnose);
/* What is found of this signature is in findings, in place of that of the one before. */
void diagnose_signature(struct diagnose *diagnose, const struct diagnose_case *given);
/* The line of the message on which field index stands; header_line: of the first field. */
size_t diagnose_field_line(const struct header_list *list, size_t header_line, size_t index);

#endif
