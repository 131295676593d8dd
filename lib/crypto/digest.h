/*
 * digest.h - SHA-256, as often as a message needs it, without fetching the algorithm again.
 * One thread per object. OpenSSL's names end at this room's door.
 */
#ifndef SIGNPOST_CRYPTO_DIGEST_H
#define SIGNPOST_CRYPTO_DIGEST_H

#include <stdint.h>

#include "lib/base/span.h"
#include "lib/base/status.h"

#define SHA256_BYTES 32

struct digest;

struct digest *digest_new(void);
void digest_free(struct digest *digest); /* NULL is fine */

/* start, add*, finish; start again at any time for the next message. */
void digest_start(struct digest *digest);
void digest_add(struct digest *digest, struct span s);
void digest_finish(struct digest *digest, uint8_t out[SHA256_BYTES]);
/* What was added to one so far was added to the other then, which may go on by itself. */
void digest_copy(struct digest *to, const struct digest *from);

/* Fills out with n octets from the system's random source; ends the process if there is none. */
void random_bytes(void *out, size_t n);

/* Standard base64 with padding. encode: *n octets of text are written, (n + 2) / 3 * 4, no NUL. */
void base64_encode(const void *in, size_t n, char *out);
/* Blanks are skipped. ST_INVALID for anything that is not base64. out needs n / 4 * 3 + 3. */
enum status base64_decode(struct span text, void *out, size_t *n_out) MUST_USE;

#endif
