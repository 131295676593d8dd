/*
 * finding.h - what an audit has found in the records of a domain, in the order in which it was
 * found: one sentence each, with what to do. Bounded: a hostile record gives FINDINGS_MAX
 * sentences at most. One thread per object.
 */
#ifndef SIGNPOST_MAILAUTH_FINDING_H
#define SIGNPOST_MAILAUTH_FINDING_H

#include <stddef.h>

#include "lib/base/span.h"
#include "lib/base/status.h"

#define FINDINGS_MAX 500u
#define FINDING_TEXT_MAX 1024u /* octets of a sentence with its NUL; a longer one ends in "..." */

/* In the order of their weight. */
enum severity { SEVERITY_OK, SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_ERROR };

struct finding {
	enum severity severity;
	char *about; /* owned: the name in DNS that the sentence is about; printable ASCII */
	char *text;  /* owned; printable ASCII, no final full stop */
};

struct findings {
	struct finding *items; /* owned: findings_free() */
	size_t count, room;
	size_t errors; /* all of that severity, kept or not */
	size_t left_out;
};

#define FINDINGS_NONE ((struct findings){NULL, 0, 0, 0, 0})

/* Octets that are not printable ASCII become \xNN, whatever the caller passes. */
void findings_add(struct findings *findings, enum severity severity, struct span about,
    const char *fmt, ...) PRINTF_LIKE(4, 5);
void findings_free(struct findings *findings); /* may be called twice */

/* "ok", "note", "warning", "error". Static. */
const char *severity_name(enum severity severity);

/* At most so many octets of a span, for "%.*s" in a sentence. */
#define SHOWN_MAX 100
#define SHOWN(s) (int)((s).n > SHOWN_MAX ? SHOWN_MAX : (s).n), ((s).p == NULL ? "" : (s).p)

#endif
