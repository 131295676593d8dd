/*
 * verify_private.h - what the files of the verifier share; nobody else includes it.
 */
#ifndef SIGNPOST_DKIM_VERIFY_PRIVATE_H
#define SIGNPOST_DKIM_VERIFY_PRIVATE_H

#include "lib/base/buf.h"
#include "lib/crypto/digest.h"
#include "lib/crypto/public_key.h"
#include "lib/dkim/canon.h"
#include "lib/dkim/verify.h"

/* A result that is not in a signature yet. */
struct verify_verdict {
	enum verify_result result;
	enum verify_reason reason;
	struct span detail;
};

/* What a signature needs on its way; beside the verify_signature of the same index. */
struct verify_work {
	bool wanted;   /* chosen and nothing said against it when it was read */
	bool answered; /* the DNS has spoken: */
	struct public_key *key;
	struct verify_verdict key_verdict; /* VERIFY_OK: key is there */
	size_t group;
};

/* One body hash for all signatures with the same canonicalization and l=. */
struct verify_group {
	enum canon canon;
	int64_t limit; /* l=, -1: none */
	struct digest *digest;
	struct canon_body body;
	uint8_t hash[SHA256_BYTES];
	uint64_t octets; /* of the canonical body */
};

/* Fields of one name, and how many the signature at hand has used, from the bottom. */
struct verify_range {
	struct span name;
	size_t first, count, used;
};

/* The fields of the message by name, made when the first header hash is needed. */
struct verify_index {
	struct verify_range *ranges; /* sorted by name */
	size_t range_count;
	size_t *fields; /* numbers of fields; those of a range stand together, top first */
};

struct verify {
	const struct header_list *list;
	const struct verify_options *options;
	struct arena *arena;
	struct verify_signature *signatures;
	struct verify_work *works;
	size_t count, uncounted;
	struct verify_group *groups;
	size_t group_count;
	bool body_begun, body_ended;
	struct verify_index index;
	struct digest *digest;
	struct buf canonical;
};

/* A verdict by the table of verify_text.c, or with a result of its own. */
struct verify_verdict verify_verdict_of(enum verify_reason reason);
struct verify_verdict verify_verdict_with(
    struct verify *verify, enum verify_reason reason, const char *detail);
void verify_decide(struct verify_signature *signature, const struct verify_verdict *verdict);

/* verify_body.c: what the body says of a wanted signature; sets its octets. */
struct verify_verdict verify_body_verdict(struct verify *verify, size_t index);
/* Does l= cover what Minimum asks for? */
bool verify_covers_enough(
    const struct verify_options *options, const struct verify_signature *signature);
void verify_body_free(struct verify *verify);

/* verify_header.c. ST_TOO_BIG: the arena is full. */
enum status verify_header_hash(
    struct verify *verify, size_t index, uint8_t out[SHA256_BYTES]) MUST_USE;
void verify_header_free(struct verify *verify);
/* The first name of MustBeSigned of which the message has more fields than h= names; NULL: none. */
const char *verify_uncovered(const struct header_list *list, const struct sigfield *field,
    const char *const *must_be_signed);

#endif
