/*
 * token.h - what a token looks like, and from where it may be used. A token is "spt_" and 43
 * letters of base64url, 256 random bits (RFC 6750); the store has its SHA-256. A client
 * certificate's row has the SHA-256 of "certificate:" and its name in that place. Any thread.
 */
#ifndef SIGNPOST_ADMIN_API_TOKEN_H
#define SIGNPOST_ADMIN_API_TOKEN_H

#include <stdbool.h>

#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/store/adminrows.h"

#define TOKEN_PREFIX "spt_"
#define TOKEN_BYTES 47U /* octets of a token, without NUL */

/* A new token; wipe it. */
void token_make(char out[TOKEN_BYTES + 1]);
/* The hash by which the store finds it. */
void token_hash(struct span token, char out[ADMINROW_HASH_BYTES]);
void certificate_hash(struct span name, char out[ADMINROW_HASH_BYTES]);
/* Is the address in one of the networks of a text ("192.0.2.0/24 ::1")? An empty text: yes. */
bool networks_fit(struct span networks, const char *address);
/* Is whatever the network fits one of what the networks fit? A word that is no network: no. */
bool network_within(struct span networks, struct span network);
/* ST_INVALID: a word that is no network. */
enum status networks_check(struct span networks, struct err *err) MUST_USE;

#endif
