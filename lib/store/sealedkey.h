/*
 * sealedkey.h - a private key at rest: "spk1:VERSION:BASE64", sealed under the tenant's key and
 * bound to tenant, domain, selector, id and revision. A row that was copied to another tenant,
 * renamed, or put into a newer row does not open; nor does that of a slot's former key in the row
 * of the one that came after it, or the other way round.
 *
 * BASE64 (RFC 4648 section 4, with padding, no blanks) is of: 12 octets of nonce, the ciphertext of
 * AES-256-GCM, 16 octets of tag. VERSION is decimal without leading zeros. The key is the tenant's
 * for the purpose "key" (sitekey.h). The additional authenticated data are
 *
 *   F("signpost sealed key v1") F(tenant) F(domain) F(selector) F(id) F(revision)
 *
 * where F(x) is the length of x in four octets, the highest first, and x; domain and selector are
 * in lower case; revision is eight octets, the highest first. tests/interop/sealing.py opens and
 * seals this with another library.
 */
#ifndef SIGNPOST_STORE_SEALEDKEY_H
#define SIGNPOST_STORE_SEALEDKEY_H

#include "lib/base/buf.h"
#include "lib/store/sitekey.h"

#define SEALEDKEY_PREFIX "spk1:"
#define SEALEDKEY_TEXT_MAX 65536U /* octets of the text */
#define SEALEDKEY_OWNER_MAX 1024U /* octets of all names of an owner */

/* Whose key it is. domain: A-labels; both names in lower case or lower-cased here. */
struct sealedkey_owner {
	struct span tenant, domain, selector, id;
	uint64_t revision;
};

enum sealedkey_form { SEALEDKEY_SEALED, SEALEDKEY_PLAIN, SEALEDKEY_EMPTY, SEALEDKEY_UNKNOWN };

/* What a text is, by its beginning: sealed, or PEM or base64 of DER (plain), or nothing. */
enum sealedkey_form sealedkey_form(struct span text);
/* The site key version a sealed text names. ST_INVALID. */
enum status sealedkey_version(struct span text, uint32_t *version_out, struct err *err) MUST_USE;

/* Appends the sealed text of plain (PEM or DER of a private key) under the current version.
 * ST_TOO_BIG: out, or the text would be longer than SEALEDKEY_TEXT_MAX. ST_INVALID: plain is empty,
 * or a name is longer than any can be. ST_FAILED. */
enum status sealedkey_close(struct sitekey *sitekey, const struct sealedkey_owner *owner,
    struct span plain, struct buf *out, struct err *err) MUST_USE;

/* ST_OK: *plain_out (secret_free) has *n_out octets and a NUL. ST_ABSENT: sitekey is NULL or has
 * no such version (the file is looked at again before that is said); the sentence says which
 * version and which file. ST_DENIED: not the key of this owner and revision, or changed, or another
 * site key file. ST_INVALID: malformed. ST_FAILED. Blanks around the text are nothing. */
enum status sealedkey_open(struct sitekey *sitekey, const struct sealedkey_owner *owner,
    struct span text, char **plain_out, size_t *n_out, struct err *err) MUST_USE;

#endif
