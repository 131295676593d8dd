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
#define AUTHRES_VALUE_MAX 16384u /* octets of a value of ours */
#define AUTHRES_FOLD_COLUMN 75u

/* Writing: the value with its leading blank, folded with LF TAB (as SMFIR_INSHEADER wants it):
 *   " mx.example.net; dkim=pass (2048-bit key; unprotected) header.d=example.com
 * header.i=@example.com" " header.a=rsa-sha256 header.s=sel header.b=AbCdEfGh" and further
 * signatures behind "; ". */
struct authres_style {
	struct span authserv_id; /* quoted when it is no token */
	struct span job_id;      /* appended as "/JOBID"; empty: none (AuthservIDWithJobID) */
	bool no_header_b;        /* NoHeaderB */
};

/* One dkim= per signature, with reason="..." unless it passed. header.b has 8 characters, more
 * where two signatures of the message begin alike. ST_TOO_BIG: buffer. */
enum status authres_write(
    const struct authres_style *style, const struct verify *verify, struct buf *out) MUST_USE;
/* "ID; dkim=none", or "ID; dkim=permerror (bad message/signature format)". result and comment are
 * ours, not from outside; comment NULL: none. */
enum status authres_write_plain(const struct authres_style *style, const char *result,
    const char *comment, struct buf *out) MUST_USE;

/* Removing. */
struct authres_claim {
	struct span id; /* authserv-id, unquoted, comments taken out, lower case, no final dot, no
			   "/jobid"; empty: none could be read */
	bool malformed; /* what follows the id could not be parsed, or the value is oversized */
	bool has_dkim;  /* there is a dkim= (or domainkeys=, dkim-adsp=, dkim-atps=) result */
};

/* Never fails: what cannot be read is malformed. Reads comments, quoted strings, versions, folds,
 * U-labels. */
struct authres_claim authres_read(struct span value, struct arena *arena);

/* Must a field with that value go? ids: NULL-terminated names that are ours (already lower case,
 * without final dot). A field goes when its id is one of ids and it has a dkim result, or
 * remove_all, or is malformed; and when no id can be read at all but one of ids stands in it as a
 * word. */
bool authres_is_forged(
    struct span value, const char *const *ids, bool remove_all, struct arena *arena);

#endif
