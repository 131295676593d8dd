/*
 * shadow_compare.h - how the signature that Signpost would have made differs from the one that
 * another signer of the same MTA made: one word for a signature, one for a message. Pure; any
 * thread. The words are a part of the report, and signpost-shadow(1) lists them.
 */
#ifndef SIGNPOST_DAEMON_SHADOW_COMPARE_H
#define SIGNPOST_DAEMON_SHADOW_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/metrics.h"
#include "lib/dkim/sigfield.h"

#define SHADOW_SIGNATURES_MAX 32U /* of each side */

/* One signature of theirs. */
struct shadow_theirs {
	const struct sigfield *field;
	bool trusted;   /* of the other signer of this hop; others are left out of all */
	bool body_bad;  /* its bh= does not fit the body */
	bool key_known; /* our key of the same d= and s= was tried on it ... */
	bool key_fits;  /* ... and verifies it */
};

/* A pair, or one side of it. */
struct shadow_pair {
	const struct sigfield *ours; /* or NULL */
	const struct shadow_theirs *theirs;
	enum metric_shadow word;
};

struct shadow_comparison {
	enum metric_shadow word; /* the gravest of all pairs */
	size_t count;
	struct shadow_pair pairs[2 * SHADOW_SIGNATURES_MAX];
};

/* ours and theirs: at most SHADOW_SIGNATURES_MAX each, top first. Each of ours is paired with the
 * one of theirs that has most in common with it; a second one of theirs with the domain, selector
 * and algorithm of a pair is left out, since anybody can put it there. */
void shadow_compare(const struct sigfield *ours, size_t our_count,
    const struct shadow_theirs *theirs, size_t their_count, struct shadow_comparison *out);

#endif
