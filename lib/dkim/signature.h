/*
 * signature.h - the keeper writes the DKIM-Signature field itself: build the value without b=, hash
 * it behind the canonical headers, append the signature. RFC 6376 sections 3.5, 3.7, 5.5. Pure.
 */
#ifndef SIGNPOST_DKIM_SIGNATURE_H
#define SIGNPOST_DKIM_SIGNATURE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/crypto/digest.h"
#include "lib/crypto/key.h"
#include "lib/dkim/canon.h"

#define SIGNATURE_FIELD_NAME "DKIM-Signature"
#define SIGNATURE_FOLD_COLUMN 75u   /* lines are folded before they pass it where possible */
#define SIGNATURE_LINE_MAX 998u     /* RFC 5322 2.1.1; longer is refused */
#define SIGNATURE_IDENTITY_MAX 320u /* octets of i= before quoting */
#define SIGNATURE_NAMES_MAX 65536u  /* octets of h= */
#define SIGNATURE_COPIED_MAX 65536u /* octets of z= */
#define SIGNATURE_VALUE_MAX 262144u /* a sane maximum for the value's struct buf */

/* All borrowed for the call. Build with SIGNATURE_PARAMS_INIT and set what is known. */
struct signature_params {
	enum key_algorithm algorithm; /* a= */
	enum canon header_canon;      /* c= */
	enum canon body_canon;
	struct span domain;         /* d=, A-labels */
	struct span selector;       /* s= */
	struct span identity;       /* i= "user@domain" or "@domain", unquoted; empty: no i= */
	struct span header_names;   /* h=: "From:To:Subject" */
	struct span body_hash;      /* 32 octets */
	struct span copied_headers; /* z=, already encoded, or empty */
	int64_t time_utc;           /* t=, seconds; -1: none */
	int64_t expires_utc;        /* x=; -1: none; must be behind time_utc */
	int64_t body_length;        /* l=; -1: none */
	bool request_reports;       /* r=y, RFC 6651 */
};

#define SIGNATURE_PARAMS_INIT                                                                      \
	{                                                                                          \
		.header_canon = CANON_RELAXED, .body_canon = CANON_SIMPLE, .time_utc = -1,         \
		.expires_utc = -1, .body_length = -1                                               \
	}

/* Appends the value of the field (what stands behind "DKIM-Signature:", with the leading blank) to
 * an empty buffer: tags v a c d s t x i r bh l h z b, folded with CRLF TAB, ending in "b=".
 * ST_INVALID: d=, s=, i= (its domain must be d= or below), a name in h=, From missing in h=, the
 * body hash's size, x= not behind t=; err says which. ST_TOO_BIG: a limit or the buffer. */
enum status signature_build(
    const struct signature_params *params, struct buf *value_out, struct err *err) MUST_USE;

/* SHA-256 over the canonical headers and the canonical DKIM-Signature field without its final
 * CRLF: what is signed (3.7). value_without_b: as signature_build left it. digest is borrowed. */
void signature_digest(struct digest *digest, struct span canonical_headers, enum canon canon,
    struct span value_without_b, uint8_t out[SHA256_BYTES]);

/* Appends the signature in base64, folded, behind "b=". Taking the b= value out again (all behind
 * "b=") leaves exactly what was hashed, for simple too. ST_TOO_BIG. */
enum status signature_finish(struct buf *value, struct span raw_signature) MUST_USE;

/* Appends the value as SMFIR_INSHEADER wants it: folds as bare LF. keep_leading_blank: false when
 * the MTA puts the blank in itself (no SMFIP_HDR_LEADSPC). ST_TOO_BIG. */
enum status signature_milter_value(
    struct span value, bool keep_leading_blank, struct buf *out) MUST_USE;

/* dkim-quoted-printable (RFC 6376 2.11): appends text with everything but printable ASCII other
 * than ';' and '=' (and '|' when pipe_too, for z=) as =XX. */
void signature_quote(struct span text, bool pipe_too, struct buf *out);

#endif
