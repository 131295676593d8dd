/*
 * sealedkey.c - private keys as they stand in a store: closed and opened, and what they are.
 * The keeper opens them when it loads a key; signpost store and the life cycle close them. It must
 * never put an octet of a key into ordinary memory or into a sentence, nor open one for an owner
 * that it was not sealed for.
 */
#include <stdio.h>

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/crypto/digest.h"
#include "lib/store/sealedkey.h"

#define CONTEXT_NAME "signpost sealed key v1"
#define PURPOSE "key"
#define CONTEXT_MAX (SEALEDKEY_OWNER_MAX + 128U)

enum sealedkey_form
sealedkey_form(struct span text)
{
	struct span t = span_trim(text);

	if (t.n == 0)
		return SEALEDKEY_EMPTY;
	if (span_starts(t, SPAN_LIT(SEALEDKEY_PREFIX)))
		return SEALEDKEY_SEALED;
	if (memmem(t.p, t.n, "-----BEGIN", 10) != NULL)
		return SEALEDKEY_PLAIN;
	/* A DER SEQUENCE, or base64 of its first two octets. */
	if (t.n > 2 && (t.p[0] == 0x30 || (t.p[0] == 'M' && t.p[1] >= 'A' && t.p[1] <= 'P')))
		return SEALEDKEY_PLAIN;
	return SEALEDKEY_UNKNOWN;
}

/* "spk1:VERSION:BASE64" into its parts. */
static enum status
take_apart(struct span text, uint32_t *version_out, struct span *base64_out, struct err *err)
{
	struct span rest = span_trim(text), digits;
	uint64_t version = 0;

	*version_out = 0;
	if (text.n > SEALEDKEY_TEXT_MAX) {
		err_set(err, "the sealed key is longer than %u octets", SEALEDKEY_TEXT_MAX);
		return ST_INVALID;
	}
	if (!span_starts(rest, SPAN_LIT(SEALEDKEY_PREFIX))) {
		err_set(err, "it does not begin with " SEALEDKEY_PREFIX
			     ": it is no sealed key, or one of a newer version of this program");
		return ST_INVALID;
	}
	rest = span_from(rest, sizeof(SEALEDKEY_PREFIX) - 1);
	if (!span_cut(&rest, ':', &digits) || digits.n == 0 || digits.p[0] == '0' ||
	    !span_number(digits, SITEKEY_VERSION_MAX, &version)) {
		err_set(
		    err, "the sealed key has no version of a site key behind " SEALEDKEY_PREFIX);
		return ST_INVALID;
	}
	*version_out = (uint32_t)version;
	*base64_out = rest;
	return ST_OK;
}

enum status
sealedkey_version(struct span text, uint32_t *version_out, struct err *err)
{
	struct span base64;

	return take_apart(text, version_out, &base64, err);
}

static void
add_lower(struct buf *to, struct span name)
{
	size_t before = to->n;

	seal_add_field(to, name);
	if (buf_status(to) != ST_OK)
		return;
	for (size_t i = before + 4; i < to->n; i++)
		to->p[i] = ascii_lower(to->p[i]);
}

static enum status
make_context(const struct sealedkey_owner *owner, struct buf *to, struct err *err)
{
	uint8_t revision[8];

	for (unsigned i = 0; i < 8; i++)
		revision[i] = (uint8_t)(owner->revision >> (56 - 8 * i));
	if (owner->tenant.n > SEALEDKEY_OWNER_MAX || owner->domain.n > SEALEDKEY_OWNER_MAX ||
	    owner->selector.n > SEALEDKEY_OWNER_MAX || owner->id.n > SEALEDKEY_OWNER_MAX) {
		err_set(err, "a name of the key is too long");
		return ST_INVALID;
	}
	seal_add_field(to, SPAN_LIT(CONTEXT_NAME));
	seal_add_field(to, owner->tenant);
	add_lower(to, owner->domain);
	add_lower(to, owner->selector);
	seal_add_field(to, owner->id);
	seal_add_field(to, span_of(revision, sizeof(revision)));
	if (buf_status(to) == ST_OK)
		return ST_OK;
	err_set(err, "the names of the key are too long");
	return ST_INVALID;
}

static enum status
add_text(uint32_t version, struct span sealed, struct buf *out, struct err *err)
{
	char head[32];
	int head_n = snprintf(head, sizeof(head), SEALEDKEY_PREFIX "%u:", version);
	size_t base64_n = (sealed.n + 2) / 3 * 4;
	char *room = NULL;

	if ((size_t)head_n + base64_n <= SEALEDKEY_TEXT_MAX)
		room = buf_reserve(out, (size_t)head_n + base64_n);
	if (room == NULL) {
		err_set(err, "the key is too long to be sealed");
		return ST_TOO_BIG;
	}
	memcpy(room, head, (size_t)head_n);
	base64_encode(sealed.p, sealed.n, room + head_n);
	out->n += (size_t)head_n + base64_n;
	return ST_OK;
}

/* The context of the owner and the key of its tenant. */
static enum status
prepare(struct sitekey *sitekey, uint32_t version, const struct sealedkey_owner *owner,
    struct buf *context, struct seal **seal_out, struct err *err)
{
	enum status status = make_context(owner, context, err);

	*seal_out = NULL;
	if (status == ST_OK)
		status = sitekey_tenant(sitekey, version, PURPOSE, owner->tenant, seal_out, err);
	return status;
}

enum status
sealedkey_close(struct sitekey *sitekey, const struct sealedkey_owner *owner, struct span plain,
    struct buf *out, struct err *err)
{
	uint32_t version = sitekey_current(sitekey);
	struct buf context, sealed;
	enum status status;
	struct seal *seal;

	if (plain.n == 0 || plain.n > SEALEDKEY_TEXT_MAX) {
		err_set(err,
		    plain.n == 0 ? "there is no key to seal" : "the key is too long to be sealed");
		return plain.n == 0 ? ST_INVALID : ST_TOO_BIG;
	}
	buf_init(&context, CONTEXT_MAX);
	buf_init(&sealed, SEALEDKEY_TEXT_MAX + SEAL_OVERHEAD);
	status = prepare(sitekey, version, owner, &context, &seal, err);
	if (status == ST_OK)
		status = seal_close(seal, buf_span(&context), plain, &sealed, err);
	if (status == ST_OK)
		status = add_text(version, buf_span(&sealed), out, err);
	sitekey_release(sitekey, seal);
	buf_free(&sealed);
	buf_free(&context);
	return status;
}

/* Exactly one text stands for the octets: no blanks, nothing in the bits that do not count. */
static enum status
decode(struct span base64, char *room, size_t *n_out, struct err *err)
{
	bool ok = base64_decode(base64, room, n_out) == ST_OK && (*n_out + 2) / 3 * 4 == base64.n;
	char again[4];
	size_t tail;

	if (ok && *n_out > 0) {
		tail = (*n_out - 1) % 3 + 1;
		base64_encode(room + *n_out - tail, tail, again);
		ok = memcmp(again, base64.p + base64.n - 4, 4) == 0;
	}
	if (ok)
		return ST_OK;
	err_set(err, "the sealed key is not base64 behind its version: a part of it is missing or "
		     "was changed");
	return ST_INVALID;
}

/* sealed: octets; room for as many and a NUL. */
static enum status
open_octets(struct sitekey *sitekey, uint32_t version, const struct sealedkey_owner *owner,
    struct span sealed, char *room, size_t *n_out, struct err *err)
{
	struct err why = ERR_NONE;
	enum status status;
	struct buf context;
	struct seal *seal;

	buf_init(&context, CONTEXT_MAX);
	status = prepare(sitekey, version, owner, &context, &seal, err);
	if (status == ST_OK) {
		status = seal_open(seal, buf_span(&context), sealed, room, n_out, &why);
		if (status == ST_DENIED)
			err_set(err,
			    "the key does not open: it was sealed for another tenant, domain, "
			    "selector, id or revision, or was changed since, or version %u of %s "
			    "is not the site key that sealed it: compare the file with that of "
			    "the host where keys are made",
			    version, sitekey_name(sitekey));
		else if (status != ST_OK)
			err_set(err, "%s", why.text);
	}
	sitekey_release(sitekey, seal);
	buf_free(&context);
	return status;
}

enum status
sealedkey_open(struct sitekey *sitekey, const struct sealedkey_owner *owner, struct span text,
    char **plain_out, size_t *n_out, struct err *err)
{
	struct span base64 = SPAN_EMPTY;
	size_t sealed_n = 0;
	uint32_t version;
	enum status status = take_apart(text, &version, &base64, err);
	char *sealed, *plain;

	*plain_out = NULL;
	*n_out = 0;
	if (status == ST_OK && sitekey == NULL) {
		err_set(err,
		    "the key is sealed with version %u of the site key and there is none here: "
		    "set SiteKeyFile to a copy of the file of the host where keys are made",
		    version);
		return ST_ABSENT;
	}
	if (status != ST_OK)
		return status;
	sealed = mem_alloc(base64.n / 4 * 3 + 4);
	plain = secret_malloc(base64.n / 4 * 3 + 4);
	if (plain == NULL) {
		err_set(err, "no secret memory left for a key");
		status = ST_FAILED;
	}
	if (status == ST_OK)
		status = decode(base64, sealed, &sealed_n, err);
	if (status == ST_OK)
		status = open_octets(
		    sitekey, version, owner, span_of(sealed, sealed_n), plain, n_out, err);
	mem_free(sealed);
	if (status != ST_OK) {
		secret_free(plain);
		return status;
	}
	plain[*n_out] = '\0';
	*plain_out = plain;
	return ST_OK;
}
