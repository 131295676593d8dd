/*
 * key_audit.h - is what stands at SELECTOR._domainkey.DOMAIN a key that verifiers accept, and a
 * good one? RFC 6376 section 3.6.1, RFC 8301. Pure; any thread.
 */
#ifndef SIGNPOST_MAILAUTH_KEY_AUDIT_H
#define SIGNPOST_MAILAUTH_KEY_AUDIT_H

#include "lib/mailauth/finding.h"

#define KEY_BITS_BROKEN 1024   /* below it verifiers fail the signature (RFC 8301) */
#define KEY_BITS_GOOD 2048     /* what RFC 8301 asks signers for */
#define KEY_BITS_ACCEPTED 4096 /* above it verifiers need not go (RFC 8301) */

/* text: the record, its strings joined. about: its name in DNS. A sentence for each fault and
 * weakness, and one that says what the key is. */
void key_audit(struct span text, struct span about, struct findings *findings);

#endif
