/*
 * audit_step.h - the steps of keys in the detail of a row of the audit: "s1: LOADED to ACTIVE; s2:
 * ACTIVE to RETIRING; why". Pure; any thread.
 */
#ifndef SIGNPOST_ADMIN_API_AUDIT_STEP_H
#define SIGNPOST_ADMIN_API_AUDIT_STEP_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"

struct audit_step {
	struct span subject;  /* a selector; "rotation r1790000000" */
	struct span from, to; /* states; "-": not there. Empty: word says what became of it */
	struct span word;     /* "finished", "stuck", "drifted", "right"; empty: a step */
	struct span why;      /* may be empty */
};

/* The next step in *rest, which moves; what is none is passed over. false: there is no more. */
bool audit_step_next(struct span *rest, struct audit_step *out);
/* Adds words of people or of other machines so that they are never taken for a step. */
void audit_step_add_words(struct buf *out, struct span text);

#endif
