/*
 * shadow_line.h - what signpost shadow reads of a line of the shadow report. Pure.
 */
#ifndef SIGNPOST_TOOLS_SHADOW_LINE_H
#define SIGNPOST_TOOLS_SHADOW_LINE_H

#include <stdbool.h>

#include "lib/base/span.h"
#include "lib/base/status.h"

/* Escapes (\" and the like) are left as they are: they are printed as they came. */
struct shadow_entry {
	struct span time, queue, domain, result;
};

/* line: without its end; what stands in front of {"shadow":1, (syslog) is skipped. ST_ABSENT: an
 * empty line, or none of the report. ST_INVALID: it is, and cannot be read. */
enum status shadow_line_read(struct span line, struct shadow_entry *out) MUST_USE;

/* A result that is no difference: "same", "neither". */
bool shadow_result_is_alike(struct span result);

#endif
