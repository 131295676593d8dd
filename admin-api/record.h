/*
 * record.h - what is published of a key: the name and the text of its TXT record, as they follow
 * from its row; and which records of others are as good for it. Pure; any thread. RFC 6376 section
 * 3.6, RFC 8463 section 4.
 */
#ifndef SIGNPOST_ADMIN_API_RECORD_H
#define SIGNPOST_ADMIN_API_RECORD_H

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/keys/life.h"
#include "lib/store/keystore.h"

/* What stands in the place of a key that was revoked. */
#define RECORD_TOMBSTONE "v=DKIM1; p="

/* Appends "SELECTOR._domainkey.DOMAIN". */
void record_name(struct span selector, struct span domain, struct buf *out);
/* Appends "v=DKIM1; k=rsa; p=...". algorithm: "rsa-sha256", "ed25519-sha256"; public_key: base64.
 */
void record_value(struct span algorithm, struct span public_key, struct buf *out);
/* The same for a key whose record others have published, with tags of their own. life: NULL is
 * fine. */
void record_of_key(const struct store_key *row, const struct key_life *life, struct buf *out);
/* A record that others have published for this very key: may it stay as long as the key does? Yes,
 * if every verifier takes it for what Signpost signs: then its tags are in *life (head, tail).
 * ST_INVALID: why, as what follows "the record". t=s is taken: rules with an i= below the domain
 * are an operator's to leave. */
enum status record_adopt(
    struct span text, const struct store_key *row, struct key_life *life, struct err *err) MUST_USE;

#endif
