/*
 * verify.h - all signatures of one message, verified in one pass over its body. RFC 6376 section 6,
 * RFC 8301, RFC 8463, RFC 8616. Pure: header fields, octets of the body and key records in, a
 * result for each signature out; it asks no DNS, no clock and writes no log. One thread per object.
 *
 *   verify_new          finds the DKIM-Signature fields and parses them
 *   verify_choose       which of them are processed; the rest are ignored
 *   verify_body*        hashes; signatures with the same canonicalization and l= share one hash
 *   verify_query/_key   for each that still needs a key: the name to ask, the answer
 *   verify_finish       results
 */
#ifndef SIGNPOST_DKIM_VERIFY_H
#define SIGNPOST_DKIM_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/crypto/public_key.h"
#include "lib/crypto/public_key_cache.h"
#include "lib/dkim/header.h"
#include "lib/dkim/sigfield.h"

/* Signatures of one message that are looked at at all, whatever the configuration says; those
 * below are counted only. */
#define VERIFY_SIGNATURES_MAX 20u

enum verify_result {
	VERIFY_NONE = 0, /* not decided yet */
	VERIFY_PASS,
	VERIFY_FAIL,
	VERIFY_NEUTRAL, /* not processed, or nothing can be said */
	VERIFY_POLICY,  /* not accepted here, whatever it verifies: RFC 8601 2.7.1 */
	VERIFY_TEMPERROR,
	VERIFY_PERMERROR
};

/* Why, and the result that goes with it (the table is in verify_text.c); the text of
 * verify_reason_text goes into A-R reason= and the log. The body is looked at before the key, so
 * the reason does not depend on which came first. */
enum verify_reason {
	VERIFY_OK = 0,          /* pass */
	VERIFY_IGNORED,         /* neutral: MaximumSignaturesToVerify, cap */
	VERIFY_SYNTAX,          /* permerror: the field; detail says more */
	VERIFY_ALGORITHM,       /* permerror: a= not known */
	VERIFY_SHA1,            /* permerror: a=rsa-sha1, "permanently failed" in RFC 8301 3.1 */
	VERIFY_EXPIRED,         /* permerror: x= */
	VERIFY_FUTURE,          /* permerror: t= */
	VERIFY_HEADER_UNSIGNED, /* policy: MustBeSigned; a field that is there and that h= does not
				   name, or not as often; detail is its name. Said before anything
				   is hashed or asked */
	VERIFY_BODY_MISMATCH,   /* fail: bh= */
	VERIFY_BODY_SHORT,      /* permerror: the body is shorter than l= */
	VERIFY_BODY_PART,       /* policy: Minimum: it verifies, but l= covers too little */
	VERIFY_SIGNATURE_BAD,   /* fail: b= */
	VERIFY_KEY_ABSENT,      /* permerror: no record */
	VERIFY_KEY_REVOKED,     /* fail: p= empty */
	VERIFY_KEY_SYNTAX,      /* permerror: record malformed; detail says more */
	VERIFY_KEY_TYPE,        /* permerror: k= does not fit a=, or is not known */
	VERIFY_KEY_HASH,        /* permerror: h= of the record does not allow sha256 */
	VERIFY_KEY_SERVICE,     /* permerror: s= of the record does not allow email */
	VERIFY_KEY_SUBDOMAIN,   /* permerror: t=s and i= is below d= */
	VERIFY_KEY_SMALL,       /* policy: below MinimumKeyBits or 1024; nothing is verified then */
	VERIFY_KEY_BIG,         /* policy: above KEY_RSA_BITS_MAX */
	VERIFY_KEY_MANY,        /* temperror: more than one TXT record that is a key record; those
				   that are none may stand beside one */
	VERIFY_KEY_UNPROTECTED, /* policy, or neutral: UnprotectedKey; it verifies, no DNSSEC */
	VERIFY_KEY_BOGUS,       /* fail, or neutral: BogusKey; DNSSEC validation failed */
	VERIFY_DNS_UNAVAILABLE, /* temperror: SERVFAIL, time-out, no answer given */
	VERIFY_DNS_SYNTAX,      /* temperror: an answer that cannot be read */
	VERIFY_INTERNAL         /* temperror: the crypto library failed, the arena is full */
};

/* The octets of a message that a signature must cover (Minimum): count octets, or percent of the
 * body, or all but count octets. */
enum verify_minimum { VERIFY_MINIMUM_BYTES, VERIFY_MINIMUM_PERCENT, VERIFY_MINIMUM_ALL_BUT };

enum verify_dnssec {
	VERIFY_DNSSEC_UNKNOWN,
	VERIFY_DNSSEC_INSECURE,
	VERIFY_DNSSEC_SECURE,
	VERIFY_DNSSEC_BOGUS
};

/* What UnprotectedKey and BogusKey ask for. */
enum verify_dnssec_rule { VERIFY_DNSSEC_ACCEPT, VERIFY_DNSSEC_NEUTRAL, VERIFY_DNSSEC_FAIL };

/* Borrowed as long as the verifier. */
struct verify_options {
	int64_t now_utc;
	int64_t clock_drift_s;
	int minimum_key_bits; /* RSA; at least 1024 is enforced whatever it says (RFC 8301) */
	bool fix_crlf;
	const char *const *must_be_signed; /* NULL-terminated, or NULL */
	enum verify_minimum minimum_kind;
	uint64_t minimum;
	enum verify_dnssec_rule unprotected, bogus;
	struct public_key_cache *keys; /* of this thread, or NULL: every key is parsed anew */
};

struct verify_signature {
	size_t field_index; /* of the DKIM-Signature in the list */
	struct sigfield field;
	enum verify_result result;
	enum verify_reason reason;
	struct span detail; /* a sentence to go with the reason, in the arena; may be empty */
	bool chosen;        /* processed; else VERIFY_NEUTRAL, VERIFY_IGNORED */
	bool key_known;     /* key_bits is set */
	bool testing;       /* t=y in the key record, also where no key came out of it */
	int key_bits;
	enum verify_dnssec dnssec;
	uint64_t body_octets;  /* canonical octets of the whole body */
	uint64_t body_covered; /* of them signed: all, or l= */
	/* SHA256_BYTES: of the canonical body, up to l=; as long as the verifier. NULL: nothing was
	 * hashed for it. */
	const uint8_t *body_hash;
};

struct verify;

/* list, options and arena (for everything found) are borrowed until verify_free; digests are made
 * as needed. ST_TOO_BIG: the arena is full. ST_OK also when there is no signature. */
enum status verify_new(const struct header_list *list, const struct verify_options *options,
    struct arena *arena, struct verify **verify_out, struct err *err) MUST_USE;
void verify_free(struct verify *verify); /* NULL is fine */

/* DKIM-Signature fields that were looked at, top first; and those that were not (above the cap). */
size_t verify_count(const struct verify *verify);
size_t verify_uncounted(const struct verify *verify);
const struct verify_signature *verify_signature(const struct verify *verify, size_t index);

/* Of the signatures that are not decided yet, those of trusted[index] first, then top-down, at most
 * `most` are processed; the rest become VERIFY_NEUTRAL, VERIFY_IGNORED. trusted: one per
 * signature, or NULL. Without a call all are processed. Before verify_body. */
void verify_choose(struct verify *verify, size_t most, const bool *trusted);

/* Does any signature need the body? If not, it may be skipped. */
bool verify_wants_body(const struct verify *verify);
void verify_body(struct verify *verify, struct span piece);
void verify_body_done(struct verify *verify);
/* In place of both: the body was hashed already, by who signed it. canon, length (l=, or -1), hash
 * (32 octets) and octets (canonical ones, all that it covers) are what that was. A signature that
 * says another canonicalization or length does not fit the body. */
void verify_body_hashed(
    struct verify *verify, enum canon canon, int64_t length, struct span hash, uint64_t octets);

/* The name to ask for the signature's key, or an empty span when it needs none (decided, ignored)
 * or has got one. Keys may be asked for and given before, while and after the body comes; a body
 * hash that does not fit is no reason not to ask (t=y, key_bits). Equal names are to be asked once:
 * *same_as_out (may be NULL) is the first signature with that name (index itself if it is), which
 * stays the same until verify_finish, whoever has got a key meanwhile. */
struct span verify_query(const struct verify *verify, size_t index, size_t *same_as_out);

/* The answer of the DNS for the name, to be given to each signature that has it.
 * status: ST_OK: texts[0..count) are the TXT records, each joined; ST_ABSENT; ST_UNAVAILABLE;
 * ST_INVALID: an answer that cannot be read; ST_TOO_BIG likewise. Nothing of texts is kept. */
struct verify_key {
	enum status status;
	const struct span *texts;
	size_t count;
	enum verify_dnssec dnssec;
};
void verify_key(struct verify *verify, size_t index, const struct verify_key *answer);

/* After the body and all keys: every signature has a result afterwards (one without a key
 * VERIFY_TEMPERROR, VERIFY_DNS_UNAVAILABLE). */
void verify_finish(struct verify *verify);

/* "pass", "fail", ...: the words of RFC 8601. Static. */
const char *verify_result_name(enum verify_result result);
/* Words without a quote or a backslash, fit for reason="...". Static. */
const char *verify_reason_text(enum verify_reason reason);

#endif
