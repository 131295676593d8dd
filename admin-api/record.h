/*
 * record.h - what is published of a key: the name and the text of its TXT record, as they follow
 * from its row. Pure; any thread. RFC 6376 section 3.6, RFC 8463 section 4.
 */
#ifndef SIGNPOST_ADMIN_API_RECORD_H
#define SIGNPOST_ADMIN_API_RECORD_H

#include "lib/base/buf.h"
#include "lib/base/span.h"

/* What stands in the place of a key that was revoked. */
#define RECORD_TOMBSTONE "v=DKIM1; p="

/* Appends "SELECTOR._domainkey.DOMAIN". */
void record_name(struct span selector, struct span domain, struct buf *out);
/* Appends "v=DKIM1; k=rsa; p=...". algorithm: "rsa-sha256", "ed25519-sha256"; public_key: base64.
 */
void record_value(struct span algorithm, struct span public_key, struct buf *out);

#endif
