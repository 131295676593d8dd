/*
 * shadow_line.h - one line of the shadow report, as signpost-shadow(1) describes it: a JSON object
 * in printable ASCII that begins with {"shadow":1,"time":...,"queue":...,"domain":...,"result":...
 * in this order. Pure.
 */
#ifndef SIGNPOST_DAEMON_SHADOW_LINE_H
#define SIGNPOST_DAEMON_SHADOW_LINE_H

#include "daemon/shadow_compare.h"
#include "lib/base/buf.h"

struct shadow_line {
	int64_t time_utc;
	struct span queue;  /* queue id */
	struct span domain; /* of the author, or empty */
	struct span why;    /* of the result, or empty */
	size_t strangers;   /* signatures that are not of the other signer */
	const struct shadow_comparison *comparison;
};

/* ST_TOO_BIG: out->max. */
enum status shadow_line_write(const struct shadow_line *line, struct buf *out) MUST_USE;

#endif
