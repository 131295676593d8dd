/*
 * canon_body.c - the body hash, on the straight way of the message: the session feeds every body
 * chunk as it comes. Octets go to SHA-256 out of the caller's span wherever canonicalization leaves
 * them as they are; only what changes passes a small stage on the stack. Nothing of a chunk may be
 * kept between calls but counts and flags: a thousand idle sessions must cost nothing.
 */
#include "lib/dkim/canon.h"

#include <string.h>

#include "lib/dkim/canon_scan.h"

#define STAGE_BYTES 8192u
#define STAGE_DIRECT_BYTES 2048u /* a run this long is hashed where it stands */
#define SLICE_BYTES 16384u       /* scanned and hashed while it is in the nearest cache */

/* What goes to the digest next; lives for one call. */
struct writer {
	struct canon_body *body;
	size_t n;
	char stage[STAGE_BYTES];
};

/* Everything that is hashed passes here: the only place that knows the limit. */
static void
body_hash(struct canon_body *body, struct span s)
{
	uint64_t left = body->limit - body->octets;

	body->total += s.n;
	if (s.n > left)
		s.n = (size_t)left;
	if (s.n == 0)
		return;
	digest_add(body->digest, s);
	body->octets += s.n;
}

static void
writer_flush(struct writer *w)
{
	body_hash(w->body, span_of(w->stage, w->n));
	w->n = 0;
}

static void
writer_add(struct writer *w, struct span s)
{
	if (s.n > STAGE_BYTES - w->n || s.n >= STAGE_DIRECT_BYTES)
		writer_flush(w);
	if (s.n >= STAGE_DIRECT_BYTES) {
		body_hash(w->body, s);
		return;
	}
	if (s.n > 0)
		memcpy(w->stage + w->n, s.p, s.n);
	w->n += s.n;
}

/* simple looks at single octets only while something is held back. */
static bool
may_be_held(const struct canon_body *body)
{
	return body->canon == CANON_RELAXED || body->crlfs > 0 || body->cr;
}

/* What was held back counts, for an ordinary octet follows. */
static void
held_release(struct writer *w)
{
	struct canon_body *body = w->body;

	for (; body->crlfs > 0; body->crlfs--)
		writer_add(w, SPAN_LIT("\r\n"));
	if (body->blank)
		writer_add(w, SPAN_LIT(" "));
	if (body->cr)
		writer_add(w, SPAN_LIT("\r"));
	body->blank = false;
	body->cr = false;
}

/* The run without the CRLFs and the CR at its end, which are held back. Nothing else is held. */
static void
run_add(struct writer *w, struct span run)
{
	size_t n = run.n;

	if (n > 0 && run.p[n - 1] == '\r') {
		w->body->cr = true;
		n--;
	}
	for (; n >= 2 && run.p[n - 1] == '\n' && run.p[n - 2] == '\r'; n -= 2)
		w->body->crlfs++;
	writer_add(w, span_sub(run, 0, n));
}

/* One octet of line end or white space, held back; false when c is an ordinary octet here. A held
 * CR that turns out to be bare is released with what stands before it, and c is looked at again. */
static bool
octet_hold(struct writer *w, char c)
{
	struct canon_body *body = w->body;

	if (body->cr && c == '\n') {
		body->cr = false;
		body->blank = false; /* white space at the end of a line */
		body->crlfs++;
		return true;
	}
	if (body->cr)
		held_release(w);
	if (c == '\r') {
		body->cr = true;
		return true;
	}
	if (body->canon == CANON_RELAXED && (c == ' ' || c == '\t')) {
		body->blank = true;
		return true;
	}
	return false;
}

/* Where the run that begins at offset at ends: simple changes nothing on the way. */
static size_t
run_end(const struct canon_body *body, struct span s, size_t at)
{
	return body->canon == CANON_SIMPLE ? s.n : canon_scan(s, at);
}

static void
piece_add(struct writer *w, struct span s)
{
	size_t at = 0;

	while (at < s.n) {
		size_t end;

		/* Line by line through what may be held back, then one long run. */
		while (at < s.n && may_be_held(w->body) && octet_hold(w, s.p[at]))
			at++;
		if (at == s.n)
			return;
		held_release(w);
		end = run_end(w->body, s, at);
		run_add(w, span_sub(s, at, end - at));
		at = end;
	}
}

/* FixCRLF: hands the piece on with every bare CR and bare LF made CRLF. */
static void
piece_add_fixed(struct writer *w, struct span s)
{
	struct canon_body *body = w->body;
	size_t start = 0;
	size_t at = 0;

	if (body->fix_cr && s.n > 0) {
		body->fix_cr = false;
		piece_add(w, SPAN_LIT("\r\n"));
		start = at = s.p[0] == '\n' ? 1 : 0;
	}
	while ((at = canon_scan_line_end(s, at)) < s.n) {
		if (s.p[at] == '\r' && at + 1 < s.n && s.p[at + 1] == '\n') {
			at += 2;
			continue;
		}
		piece_add(w, span_sub(s, start, at - start));
		if (s.p[at] == '\r' && at + 1 == s.n)
			body->fix_cr = true;
		else
			piece_add(w, SPAN_LIT("\r\n"));
		start = ++at;
	}
	piece_add(w, span_from(s, start));
}

void
canon_body_init(
    struct canon_body *body, enum canon canon, struct digest *digest, int64_t limit, bool fix_crlf)
{
	memset(body, 0, sizeof *body);
	body->digest = digest;
	body->canon = canon;
	body->limit = limit < 0 ? UINT64_MAX : (uint64_t)limit;
	body->fix_crlf = fix_crlf;
	digest_start(digest);
}

void
canon_body_update(struct canon_body *body, struct span piece)
{
	struct writer w;

	w.body = body;
	w.n = 0;
	for (size_t at = 0; at < piece.n; at += SLICE_BYTES) {
		struct span slice = span_sub(piece, at, SLICE_BYTES);

		if (body->fix_crlf)
			piece_add_fixed(&w, slice);
		else
			piece_add(&w, slice);
	}
	writer_flush(&w);
}

void
canon_body_finish(struct canon_body *body, uint8_t out[SHA256_BYTES], uint64_t *octets_out)
{
	struct writer w;

	w.body = body;
	w.n = 0;
	if (body->fix_cr)
		piece_add(&w, SPAN_LIT("\r\n"));
	if (body->cr)
		held_release(&w); /* a bare CR is text, RFC 6376 3.4.3 */
	else
		body->blank = false;
	writer_flush(&w);
	/* Of the line ends held back one stays; relaxed leaves an empty body empty (3.4.4). */
	if (body->canon == CANON_SIMPLE || body->total > 0)
		body_hash(body, SPAN_LIT("\r\n"));
	digest_finish(body->digest, out);
	if (octets_out != NULL)
		*octets_out = body->octets;
}

uint64_t
canon_body_total(const struct canon_body *body)
{
	return body->total;
}
