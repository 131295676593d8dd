/*
 * unsealer.h - opens the private keys of a KeyStore with the site key file. A file that is not
 * there or cannot be read when the keeper starts is asked for again while keys need it.
 */
#ifndef SIGNPOST_DAEMON_UNSEALER_H
#define SIGNPOST_DAEMON_UNSEALER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/store/sealedkey.h"

#define UNSEALER_RETRY_MS 2000 /* between two tries to read a file that could not be read */

struct unsealer;

/* path: SiteKeyFile, copied; NULL: there is none, and only plain keys open. A file that cannot be
 * used is an error in the log and not here: mail waits for it. */
struct unsealer *unsealer_new(const char *path, bool require_safe);
void unsealer_free(struct unsealer *unsealer); /* NULL is fine */

/* The site key file; NULL: it cannot be used now (logged), or there is none. Any thread. */
struct sitekey *unsealer_sitekey(struct unsealer *unsealer);

/* The private key of a row. ST_OK: *key_out (secret_free) has *n_out octets of PEM or DER.
 * ST_ABSENT: no site key, or not this version of it. ST_DENIED: sealed for another owner, or
 * changed. ST_INVALID: neither sealed nor a key. Any thread. */
enum status unsealer_open(struct unsealer *unsealer, const struct sealedkey_owner *owner,
    struct span text, int64_t now_ms, char **key_out, size_t *n_out, struct err *err) MUST_USE;

#endif
