/*
 * sitekey.h - the site key file: the secrets from which the key of each tenant is derived. Several
 * versions live in it side by side, so that a new one can be brought in without a flag day.
 *
 *   # comment
 *   1 qL0...base64 of 32 octets...=
 *   2 Hn3...
 *   current 2
 *
 * "current" says which version seals; without it the highest does. All of them open. The file
 * belongs to the user who reads it and nobody else may read it (RequireSafeKeys' rules).
 */
#ifndef SIGNPOST_STORE_SITEKEY_H
#define SIGNPOST_STORE_SITEKEY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/crypto/seal.h"

#define SITEKEY_VERSIONS_MAX 64U
#define SITEKEY_VERSION_MAX 999999U
#define SITEKEY_FILE_MAX 65536U

struct sitekey;

/* path: NUL-terminated; a relative path with the prefix "credential:" is a file in
 * $CREDENTIALS_DIRECTORY (systemd.exec(5)). require_safe: as keyfile_read(). ST_OK: free with
 * sitekey_close(). ST_ABSENT, ST_DENIED, ST_INVALID (the line at fault; never a part of a key),
 * ST_UNAVAILABLE. A file that ends in the middle of a line without a newline is ST_INVALID:
 * half-written. */
enum status sitekey_open(
    const char *path, bool require_safe, struct sitekey **out, struct err *err) MUST_USE;
/* From text that was read already; for tests and fuzzing. name: for messages. */
enum status sitekey_parse(
    struct span text, const char *name, struct sitekey **out, struct err *err) MUST_USE;
void sitekey_close(struct sitekey *sitekey); /* NULL is fine; wipes */

/* Reads the file again if it changed. ST_OK: new contents in use. ST_ABSENT: not changed. Anything
 * else: what was there stays in use. Any thread; at most one stat in a second. */
enum status sitekey_refresh(struct sitekey *sitekey, int64_t now_mono_ms, struct err *err) MUST_USE;

/* The version that seals. */
uint32_t sitekey_current(struct sitekey *sitekey);
bool sitekey_has(struct sitekey *sitekey, uint32_t version);

/* The key of a tenant for a purpose ("key", later "cache", ...), derived once and kept; up to some
 * thousand, least recently used first out. ST_OK: hold until sitekey_release(). ST_ABSENT: the
 * file has no such version. ST_FAILED. Any thread. */
enum status sitekey_tenant(struct sitekey *sitekey, uint32_t version, const char *purpose,
    struct span tenant, struct seal **out, struct err *err) MUST_USE;
void sitekey_release(struct sitekey *sitekey, struct seal *seal);

/* Appends the text of a new file (with one version more than old; old NULL: version 1). The new
 * version is not current yet unless it is the first: gateways must have it before it seals.
 * activate: make the highest version current instead of adding one. */
enum status sitekey_rotate_text(
    struct sitekey *old, bool activate, struct buf *out, struct err *err) MUST_USE;

#endif
