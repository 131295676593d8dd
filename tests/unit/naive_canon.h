/*
 * naive_canon.h - body canonicalization as RFC 6376 3.4.3 and 3.4.4 tell it, line by line over the
 * whole body, slow and obvious: what the streaming code is compared with.
 */
#ifndef SIGNPOST_TESTS_NAIVE_CANON_H
#define SIGNPOST_TESTS_NAIVE_CANON_H

#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/dkim/canon.h"

static void
naive_fix(struct span in, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == '\r' && i + 1 < in.n && in.p[i + 1] == '\n')
			i++;
		else if (in.p[i] != '\r' && in.p[i] != '\n') {
			buf_add_char(out, in.p[i]);
			continue;
		}
		buf_add_str(out, "\r\n");
	}
}

/* One line without its end. */
static void
naive_line(enum canon canon, struct span line, struct buf *out)
{
	struct buf reduced;

	if (canon == CANON_SIMPLE) {
		buf_add(out, line);
		return;
	}
	buf_init(&reduced, line.n + 1);
	for (size_t i = 0; i < line.n; i++) {
		bool blank = line.p[i] == ' ' || line.p[i] == '\t';

		if (!blank)
			buf_add_char(&reduced, line.p[i]);
		else if (reduced.n == 0 || reduced.p[reduced.n - 1] != ' ')
			buf_add_char(&reduced, ' ');
	}
	if (reduced.n > 0 && reduced.p[reduced.n - 1] == ' ')
		reduced.n--;
	buf_add(out, buf_span(&reduced));
	buf_free(&reduced);
}

static void
naive_body(enum canon canon, bool fix, struct span in, struct buf *out)
{
	struct buf fixed;
	size_t kept = 0; /* octets up to the last line that is not empty */
	size_t start = 0;

	buf_init(&fixed, in.n * 2 + 2);
	if (fix)
		naive_fix(in, &fixed);
	else
		buf_add(&fixed, in);
	while (start < fixed.n) {
		size_t end = start;
		size_t before = out->n;

		while (end < fixed.n &&
		       !(fixed.p[end] == '\r' && end + 1 < fixed.n && fixed.p[end + 1] == '\n'))
			end++;
		naive_line(canon, span_of(fixed.p + start, end - start), out);
		if (out->n > before)
			kept = out->n + 2;
		buf_add_str(out, "\r\n");
		start = end + 2;
	}
	buf_free(&fixed);
	out->n = kept;
	if (kept == 0 && canon == CANON_SIMPLE)
		buf_add_str(out, "\r\n");
}

#endif
