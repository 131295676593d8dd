/*
 * sigfield.h - the value of one DKIM-Signature field into a structure, all names validated before
 * anybody looks them up or writes them into a header. RFC 6376 sections 3.5 and 6.1.1, RFC 8301,
 * RFC 8463, RFC 8616 (U-labels). Pure; any thread.
 */
#ifndef SIGNPOST_DKIM_SIGFIELD_H
#define SIGNPOST_DKIM_SIGFIELD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/crypto/digest.h"
#include "lib/crypto/key.h"
#include "lib/dkim/canon.h"

#define SIGFIELD_BYTES_MAX 65536u /* octets of one field's value */
#define SIGFIELD_NAMES_MAX 1000u  /* names in h= */

enum sigfield_algorithm {
	SIGFIELD_RSA_SHA256 = 1,
	SIGFIELD_ED25519_SHA256,
	SIGFIELD_RSA_SHA1, /* known, and never passes: RFC 8301 */
	SIGFIELD_UNKNOWN   /* RFC 6376 6.1.1: the signature is ignored */
};

struct sigfield {
	enum sigfield_algorithm algorithm;
	struct span algorithm_text; /* a= without blanks; only [a-z0-9-], else ST_INVALID */
	enum canon header_canon, body_canon;
	struct span domain;    /* d=, lower-case A-labels, passes domain_is_valid */
	struct span selector;  /* s=, the same */
	struct span query;     /* "SELECTOR._domainkey.DOMAIN" */
	struct span identity;  /* i= decoded, as written, or "@" + d=; printable, no blank */
	struct span i_domain;  /* its domain, lower-case A-labels; d= or below it */
	int64_t body_length;   /* l=, or -1 */
	int64_t time_utc;      /* t=, or -1 */
	int64_t expires_utc;   /* x=, or -1 */
	struct span *names;    /* h=, in order, without blanks */
	size_t name_count;     /* at least one, From among them */
	uint8_t body_hash[64]; /* bh=, decoded */
	size_t body_hash_bytes;
	struct span signature; /* b=, decoded; in the arena */
	struct span b_text;    /* b= without blanks, for header.b */
	size_t b_at, b_bytes;  /* where the value of b= stands in the field's value */
};

/* What was understood before the mistake stays in *out (domain, selector, identity, b_text: empty
 * when not valid), for the log and the A-R.
 * ST_INVALID: err says which tag: malformed list, a tag missing (v a b bh d h s), v= not 1, d= or
 * s= not a name, i= not within d=, From not in h=, c= or q= not known, l= t= x= not numbers or too
 * long, x= not behind t=, bh= or b= not base64, bh= of a wrong size. ST_TOO_BIG: a limit. */
enum status sigfield_parse(
    struct span value, struct arena *arena, struct sigfield *out, struct err *err) MUST_USE;

#endif
