/*
 * authres.h - Authentication-Results fields: ours are written, foreign ones that claim to be ours
 * are found so that they can be removed. RFC 8601. Pure; any thread.
 */
#ifndef SIGNPOST_DKIM_AUTHRES_H
#define SIGNPOST_DKIM_AUTHRES_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/dkim/verify.h"

#define AUTHRES_FIELD_NAME "Authentication-Results"
/* Octets of a value of ours: VERIFY_SIGNATURES_MAX results with the longest names that are written,
 * and room. The buf given for writing wants this maximum. */
#define AUTHRES_VALUE_MAX 32768u
#define AUTHRES_FOLD_COLUMN 75u
/* Octets of header.i as written; a longer one is left out (RFC 5321: 64 + 1 + 255). */
#define AUTHRES_IDENTITY_MAX 320u
/* Characters of header.b: at least, and at most where signatures begin alike (RFC 6008). */
#define AUTHRES_B_MIN 8u
#define AUTHRES_B_MAX 32u

/* A value read that is longer is malformed; octets. */
#define AUTHRES_READ_MAX 65536u
#define AUTHRES_ID_MAX 1024u          /* octets of an authserv-id; a longer one is none */
#define AUTHRES_COMMENT_DEPTH_MAX 50u /* nested comments */

/* Writing: the value with its leading blank, folded with LF TAB (as SMFIR_INSHEADER wants it)
 * between words so that no line passes AUTHRES_FOLD_COLUMN, the name of the field counted in:
 *   " mx.example.net; dkim=pass (2048-bit key; unprotected)
 *   	header.d=example.com header.i=@example.com header.a=rsa-sha256
 *   	header.s=sel header.b=AbCdEfGh" and further signatures behind ";". */
struct authres_style {
	struct span authserv_id; /* A-labels; quoted when it is no token */
	struct span job_id;      /* appended as "/JOBID"; empty: none (AuthservIDWithJobID) */
	bool no_header_b;        /* NoHeaderB */
};

/* One dkim= per signature, with reason="..." unless it passed, and in the comment "; testing" when
 * the key record has t=y, "; body hash covers 100 of 250 octets" when l= leaves some of the body
 * out; "dkim=none" when there is none.
 * header.b has AUTHRES_B_MIN characters, more where two signatures of the message begin alike. What
 * comes from the message is written only when it is valid, and quoted when it must be.
 * ST_TOO_BIG: out has less room than AUTHRES_VALUE_MAX, or the authserv-id is absurdly long. */
enum status authres_write(
    const struct authres_style *style, const struct verify *verify, struct buf *out) MUST_USE;
/* The same for an array of signatures. */
enum status authres_write_list(const struct authres_style *style,
    const struct verify_signature *const *signatures, size_t count, struct buf *out) MUST_USE;
/* "ID; dkim=none", or "ID; dkim=permerror (bad message/signature format)". result and comment are
 * ours, not from outside; comment NULL: none. */
enum status authres_write_plain(const struct authres_style *style, const char *result,
    const char *comment, struct buf *out) MUST_USE;

/* Removing. */
struct authres_claim {
	struct span id; /* authserv-id, unquoted, comments taken out, lower case, A-labels, no
			   final dot, no "/jobid"; in the arena; empty: none could be read */
	bool malformed; /* what follows the id could not be parsed, or the value is oversized */
	bool has_dkim;  /* there is a dkim= (or domainkeys=, dkim-adsp=, dkim-atps=) result */
};

/* Never fails: what cannot be read is malformed. Reads comments, quoted strings, versions, folds,
 * U-labels. */
struct authres_claim authres_read(struct span value, struct arena *arena);

/* Must a field with that value go? ids: NULL-terminated names that are ours, written in any way
 * that authres_read knows. A field goes when its id is one of ids and it has a dkim result, or
 * remove_all, or is malformed. Readers of mail differ about comments, quotes and stray octets in an
 * id: all that stands in front of the first ';' is looked at in several ways. When no id can be
 * read, or none that is a name, the field goes if one of ids stands anywhere in it as a word (and,
 * if it is well-formed, has a dkim result, or remove_all). arena: nothing of it is needed later; a
 * few times AUTHRES_ID_MAX will do. */
bool authres_is_forged(
    struct span value, const char *const *ids, bool remove_all, struct arena *arena);

/* RFC 2045 section 5.1: may a token have it? Between the files of this header. */
bool authres_token_octet(char c);

#endif
