/*
 * canon_scan.h - private to the canonicalization: find the next place where something changes.
 */
#ifndef SIGNPOST_DKIM_CANON_SCAN_H
#define SIGNPOST_DKIM_CANON_SCAN_H

#include "lib/base/span.h"

/* Offset, from at on, of the first octet that relaxed body canonicalization may change: a TAB, or
 * a blank followed by a blank, a TAB, a CR or the end of s. s.n when there is none. Reads s only.
 */
size_t canon_scan(struct span s, size_t at);
/* The same without SSE2, for other machines and as the reference in tests. */
size_t canon_scan_portable(struct span s, size_t at);
/* Offset, from at on, of the first CR or LF; s.n when there is none. */
size_t canon_scan_line_end(struct span s, size_t at);

#endif
