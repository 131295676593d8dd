/*
 * dmarc_syntax.h - a DMARC record taken apart, and what is wrong with it. RFC 7489 section 6.3 and
 * 6.4. Pure; any thread.
 */
#ifndef SIGNPOST_MAILAUTH_DMARC_SYNTAX_H
#define SIGNPOST_MAILAUTH_DMARC_SYNTAX_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/mailauth/finding.h"

#define DMARC_TAGS_MAX 30u /* tags that are read; the rest is one fault */
#define DMARC_FAULTS_MAX (DMARC_TAGS_MAX + 2u)
#define DMARC_URIS_MAX 50u /* addresses of one rua= or ruf= that are read */

enum dmarc_policy { DMARC_UNSET, DMARC_NONE, DMARC_QUARANTINE, DMARC_REJECT };

/* What a fault makes verifiers do. */
enum dmarc_effect {
	DMARC_UNKNOWN_TAG,    /* nothing: they need not know the tag */
	DMARC_TAG_IGNORED,    /* they go by the rest of the record */
	DMARC_TAKEN_AS_NONE,  /* the policy is p=none (6.6.3 step 6) */
	DMARC_RECORD_IGNORED, /* as if the record were not there */
};

struct dmarc_fault {
	struct span tag; /* "name=value" as written */
	const char *why; /* static: what is wrong */
	enum dmarc_effect effect;
};

struct dmarc_record {
	enum dmarc_policy policy;           /* p= */
	enum dmarc_policy subdomain_policy; /* sp= */
	bool strict_dkim, strict_spf;       /* adkim=s, aspf=s */
	bool testing;                       /* t=y */
	bool policy_late;                   /* p= is not the tag behind v= (6.4) */
	unsigned percent;                   /* pct=, 100 unless written */
	struct span rua, ruf;               /* lists of URIs as written; empty: none */
	struct dmarc_fault faults[DMARC_FAULTS_MAX];
	size_t fault_count;
};

/* Begins with v=DMARC1 and a ';' or the end, blanks around them: what verifiers keep of the TXT
 * records at _dmarc (6.6.3). */
bool dmarc_is_record(struct span text);
/* ST_OK: *out is filled, with faults. ST_ABSENT: not a DMARC record. Borrowed from text. */
enum status dmarc_parse(struct span text, struct dmarc_record *out, struct err *err) MUST_USE;

struct dmarc_uri {
	struct span text;   /* as written, without the size */
	struct span domain; /* of the address of a mailto: URI; empty for another scheme */
	const char *fault;  /* static; NULL: well-formed */
};
/* The next URI of rua or ruf; begin with rest = the whole list. false: no more. */
bool dmarc_uri_next(struct span *rest, struct dmarc_uri *out);

/* A sentence for each fault and weakness, or one that says that there is none. about: the name
 * "_dmarc.DOMAIN". */
void dmarc_audit(struct span text, struct span about, struct findings *findings);

#endif
