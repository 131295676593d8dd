/*
 * keyrecord.h - what a domain publishes under SELECTOR._domainkey: the text of one TXT record into
 * a structure. RFC 6376 section 3.6.1, RFC 8463 section 4. Pure; any thread.
 */
#ifndef SIGNPOST_DKIM_KEYRECORD_H
#define SIGNPOST_DKIM_KEYRECORD_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/crypto/key.h"

#define KEYRECORD_BYTES_MAX 8192u /* octets of one record, all strings joined */

struct keyrecord {
	bool version;    /* v=DKIM1 is there (it is optional) */
	bool revoked;    /* p= is there and empty */
	bool known_type; /* k= is absent, rsa or ed25519; algorithm is then set */
	enum key_algorithm algorithm;
	bool testing;     /* t=y */
	bool same_domain; /* t=s: the domain of i= must be d= itself */
	bool email;       /* s= is absent or has * or email */
	bool sha256;      /* h= is absent or has sha256 */
	struct span key;  /* decoded p=, in the arena; empty when revoked */
	struct span type; /* k= as written; empty: none */
	struct span note; /* n= as written */
};

/* ST_INVALID: no key record: malformed, a tag twice, v= not first or not DKIM1, no p=, p= not
 * base64; err says which. ST_TOO_BIG: a limit. Unknown tags and flags are ignored. text is
 * borrowed as long as the result. */
enum status keyrecord_parse(
    struct span text, struct arena *arena, struct keyrecord *out, struct err *err) MUST_USE;

#endif
