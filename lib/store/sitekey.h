/*
 * sitekey.h - the site key file: the secrets from which the key of each tenant is derived. Several
 * versions live in it side by side, so that a new one can be brought in without a flag day.
 *
 *   # comment
 *   current 1
 *   1 qL0...base64 of 32 octets...=
 *   2 Hn3...
 *
 * "current" says which version seals; without it the highest does. All of them open. The file
 * belongs to the user who reads it and nobody else may read it (RequireSafeKeys' rules). Every
 * line has its newline, so that half of a file is not taken for a whole one.
 *
 * The key of a tenant for a purpose, for whoever writes this in another language: HKDF-SHA256 (RFC
 * 5869) of the 32 octets of the version, no salt, 32 octets long, with the info
 *
 *   F("signpost tenant key v1") F(purpose) F(tenant)
 *
 * where F(x) is the length of x in four octets, the highest first, and x. Private keys have the
 * purpose "key". tests/interop/sealing.py is such another one.
 */
#ifndef SIGNPOST_STORE_SITEKEY_H
#define SIGNPOST_STORE_SITEKEY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/crypto/seal.h"

#define SITEKEY_VERSIONS_MAX 64U
#define SITEKEY_VERSION_MAX 999999U
#define SITEKEY_FILE_MAX 65536U
#define SITEKEY_TENANTS_MAX 4096U /* derived keys that are kept */

struct sitekey;

/* path: NUL-terminated; "credential:NAME" is the file NAME in $CREDENTIALS_DIRECTORY
 * (systemd.exec(5)). require_safe: as keyfile_read(); *err may hold its warning with ST_OK. ST_OK:
 * free with sitekey_close(). ST_ABSENT, ST_DENIED (unsafe), ST_INVALID (the line at fault; never a
 * part of a key), ST_UNAVAILABLE. */
enum status sitekey_open(
    const char *path, bool require_safe, struct sitekey **out, struct err *err) MUST_USE;
/* From text that was read already; for tests and fuzzing. name: for messages. Such a one never
 * changes. */
enum status sitekey_parse(
    struct span text, const char *name, struct sitekey **out, struct err *err) MUST_USE;
void sitekey_close(struct sitekey *sitekey); /* NULL is fine; wipes */

/* Reads the file again if it changed. ST_OK: new contents in use. ST_ABSENT: not changed, or asked
 * within the same second. Anything else: what was there stays in use (ST_UNAVAILABLE also when the
 * file is gone; ST_DENIED also when a version has another key than before, which is the file of
 * another site). Any thread. */
enum status sitekey_refresh(struct sitekey *sitekey, int64_t now_mono_ms, struct err *err) MUST_USE;

/* The version that seals. */
uint32_t sitekey_current(struct sitekey *sitekey);
bool sitekey_has(struct sitekey *sitekey, uint32_t version);
/* All versions in the order of the file; how many. */
size_t sitekey_versions(struct sitekey *sitekey, uint32_t versions_out[SITEKEY_VERSIONS_MAX]);
/* The file, for messages; as long as sitekey lives. */
const char *sitekey_name(const struct sitekey *sitekey);

/* The key of a tenant for a purpose ("key", later "cache", ...), derived once and kept; the least
 * recently used goes first. ST_OK: hold until sitekey_release(). ST_ABSENT: the file has no such
 * version, also not when it was looked at again (one stat); the sentence says which it has.
 * ST_FAILED. Any thread. */
enum status sitekey_tenant(struct sitekey *sitekey, uint32_t version, const char *purpose,
    struct span tenant, struct seal **out, struct err *err) MUST_USE;
void sitekey_release(struct sitekey *sitekey, struct seal *seal); /* NULL is fine */

/* The text of a new file, NUL-terminated in secret memory (secret_free): the versions of old and
 * one more (old NULL: version 1). The new version is not current unless it is the first: gateways
 * must have it before it seals. activate: make the highest version current instead of adding one.
 * ST_INVALID: no version more can be. ST_ABSENT: the highest is current already. */
enum status sitekey_rotate_text(
    struct sitekey *old, bool activate, char **text_out, size_t *n_out, struct err *err) MUST_USE;

#endif
