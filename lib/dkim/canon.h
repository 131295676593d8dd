/*
 * canon.h - canonicalization of header fields and bodies, RFC 6376 section 3.4. Bytes in, bytes or
 * a digest out. One thread per object.
 */
#ifndef SIGNPOST_DKIM_CANON_H
#define SIGNPOST_DKIM_CANON_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/crypto/digest.h"
#include "lib/dkim/header.h"

enum canon { CANON_SIMPLE, CANON_RELAXED };

/* "simple" or "relaxed". Static. */
const char *canon_name(enum canon canon);
/* Without case. ST_ABSENT for an unknown name. */
enum status canon_by_name(struct span name, enum canon *canon_out) MUST_USE;

/* Appends the canonical "name:value\r\n" (3.4.1, 3.4.2). Overflow shows in buf_status(out). */
void canon_header(enum canon canon, const struct header_field *field, struct buf *out);

/* The body hash of one message under one canonicalization, fed in pieces of any size. Small,
 * embeddable, nothing to free. All members private. */
struct canon_body {
	struct digest *digest; /* borrowed; not to be used for anything else until finish */
	uint64_t octets;       /* canonical octets hashed so far */
	uint64_t limit;        /* most to be hashed */
	uint64_t total;        /* canonical octets so far, hashed or behind the limit */
	uint64_t crlfs;        /* line ends held back: they count only if something follows */
	enum canon canon;
	bool fix_crlf;
	bool blank;  /* relaxed: white space held back, behind the line ends */
	bool cr;     /* a CR held back, behind the blank: may begin a CRLF */
	bool fix_cr; /* fix_crlf: the last piece ended in CR */
};

/* Starts the digest. limit: l=, most canonical octets to hash, -1 for all. fix_crlf: bare CR and
 * bare LF are read as CRLF (FixCRLF); otherwise they are ordinary octets. */
void canon_body_init(
    struct canon_body *body, enum canon canon, struct digest *digest, int64_t limit, bool fix_crlf);
/* The next piece of the body. Nothing of it is kept. */
void canon_body_update(struct canon_body *body, struct span piece);
/* The end. *octets_out: canonical octets hashed, the value for l=; may be NULL. The object can be
 * initialised again. */
void canon_body_finish(struct canon_body *body, uint8_t out[SHA256_BYTES], uint64_t *octets_out);
/* After the end: canonical octets of the whole body, those behind the limit counted too. */
uint64_t canon_body_total(const struct canon_body *body);

#endif
