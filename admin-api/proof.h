/*
 * proof.h - does the private key of a row belong to what is in DNS? A message is signed with it as
 * a gateway would, and verified by our own verifier. It goes nowhere. reconciler_proof.c. Any
 * thread.
 */
#ifndef SIGNPOST_ADMIN_API_PROOF_H
#define SIGNPOST_ADMIN_API_PROOF_H

#include "lib/crypto/key.h"
#include "lib/dkim/verify.h"
#include "lib/store/keystore.h"
#include "lib/store/sitekey.h"

/* The key of a row, opened; key_free(). As sealedkey_open() and key_parse(). */
enum status proof_open_key(struct sitekey *sitekey, const struct store_key *row, struct key **out,
    struct err *err) MUST_USE;
/* A message signed with the key verifies with this record. ST_OK; ST_INVALID and a sentence. */
enum status proof_verify(struct sitekey *sitekey, const struct store_key *row, struct span record,
    int64_t now_utc, struct err *err) MUST_USE;
/* The same with all that the DNS answers. ST_OK: *reason_out is the verifier's word, VERIFY_OK for
 * a pass. Anything else: the key cannot be used, and err says why. */
enum status proof_judge(struct sitekey *sitekey, const struct store_key *row,
    const struct verify_key *answer, int64_t now_utc, enum verify_reason *reason_out,
    struct err *err) MUST_USE;

#endif
