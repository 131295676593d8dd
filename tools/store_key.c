/*
 * store_key.c - private keys on their way into a store and out of it.
 * Called by load, check and reseal. It must never put a key that does not verify its own signature
 * into a store, nor a private key into ordinary memory or a message.
 */
#include "config.h"

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/store/keyfile.h"
#include "tools/store.h"

#define GENERATE "generate:"

enum status
store_key_wanted(
    struct span source, enum key_algorithm *algorithm_out, int *bits_out, struct err *err)
{
	struct span what, name;
	uint64_t bits = 0;

	if (!span_starts(source, SPAN_LIT(GENERATE)))
		return ST_ABSENT;
	what = span_from(source, sizeof(GENERATE) - 1);
	*bits_out = 256;
	*algorithm_out = KEY_ED25519_SHA256;
	if (span_eq_str(what, "ed25519"))
		return ST_OK;
	*algorithm_out = KEY_RSA_SHA256;
	if (span_cut(&what, '-', &name) && span_eq_str(name, "rsa") &&
	    span_number(what, KEY_RSA_BITS_MAX, &bits) && bits >= KEY_RSA_BITS_MIN) {
		*bits_out = (int)bits;
		return ST_OK;
	}
	err_set(err, "generate:rsa-2048 (%d to %d bits) or generate:ed25519 is needed",
	    KEY_RSA_BITS_MIN, KEY_RSA_BITS_MAX);
	return ST_INVALID;
}

static enum status
read_file(const struct store_tool *tool, const char *path, struct key **out, struct err *err)
{
	struct keyfile_stamp stamp;
	struct err why = ERR_NONE;
	enum status status;
	char *text;
	size_t n;

	status = keyfile_read(path, tool->require_safe, &text, &n, &stamp, err);
	if (status != ST_OK)
		return status;
	status = key_parse(span_of(text, n), out, &why);
	if (status != ST_OK)
		err_set(err, "%s: %s", path, why.text);
	secret_free(text);
	return status;
}

/* Does it sign what it verifies? */
static enum status
try_key(struct key *key, struct err *err)
{
	static const uint8_t digest[SHA256_BYTES] = {1, 2, 3};
	uint8_t signature[KEY_SIGNATURE_MAX];
	size_t n;
	enum status status = key_sign(key, digest, signature, &n, err);

	if (status == ST_OK && key_verify(key, digest, span_of(signature, n)) != ST_OK) {
		err_set(err, "the key does not verify its own signature");
		status = ST_INVALID;
	}
	return status;
}

enum status
store_key_obtain(
    const struct store_tool *tool, struct span source, struct key **out, struct err *err)
{
	enum key_algorithm algorithm;
	enum status status;
	int bits;

	*out = NULL;
	status = store_key_wanted(source, &algorithm, &bits, err);
	if (status == ST_OK) {
		status = key_generate(algorithm, bits, out, err);
	} else if (status == ST_ABSENT) {
		char *path = span_dup(source);

		status = read_file(tool, path, out, err);
		mem_free(path);
	}
	if (status == ST_OK)
		status = try_key(*out, err);
	if (status == ST_OK)
		return ST_OK;
	key_free(*out);
	*out = NULL;
	return status == ST_ABSENT ? ST_INVALID : status;
}

static struct sealedkey_owner
owner_of(const struct store_key *row)
{
	return (struct sealedkey_owner){.tenant = row->tenant,
	    .domain = row->domain,
	    .selector = row->selector,
	    .id = row->id,
	    .revision = row->revision};
}

enum status
store_key_open(
    struct store_tool *tool, const struct store_key *row, struct key **out, struct err *err)
{
	struct sealedkey_owner owner = owner_of(row);
	enum status status;
	char *plain = NULL;
	size_t n;

	*out = NULL;
	switch (sealedkey_form(row->private_key)) {
	case SEALEDKEY_EMPTY:
		err_set(err, "it has no private key");
		return ST_ABSENT;
	case SEALEDKEY_PLAIN:
		return key_parse(row->private_key, out, err);
	case SEALEDKEY_UNKNOWN:
		err_set(err, "its private key is neither sealed (" SEALEDKEY_PREFIX
			     "...) nor PEM nor base64");
		return ST_INVALID;
	case SEALEDKEY_SEALED:
		break;
	}
	status = sealedkey_open(tool->sitekey, &owner, row->private_key, &plain, &n, err);
	if (status == ST_OK)
		status = key_parse(span_of(plain, n), out, err);
	secret_free(plain);
	return status;
}

/* Only those that the directory shows need it, and only it knows which; it says so if one is
 * missing.
 */
void
store_key_mirror(
    struct store_tool *tool, struct keystore_write *write, const struct key *key, char **pem_out)
{
	const struct store_key *row = &write->row.key;
	struct key *opened = NULL;
	struct err ignored = ERR_NONE;

	*pem_out = NULL;
	write->mirror_pem = SPAN_EMPTY;
	if (!tool->store->ops->mirrors || !span_eq_str(row->algorithm, "rsa-sha256"))
		return;
	if (key == NULL && store_key_open(tool, row, &opened, &ignored) == ST_OK)
		key = opened;
	if (key != NULL && key_private_pem(key, pem_out, &ignored) == ST_OK)
		write->mirror_pem = span_str(*pem_out);
	key_free(opened);
}

enum status
store_key_close(struct store_tool *tool, const struct store_key *row, struct key *key,
    char **text_out, size_t *n_out, struct err *err)
{
	struct sealedkey_owner owner = owner_of(row);
	enum status status;
	struct buf sealed;
	char *pem;

	*text_out = NULL;
	status = key_private_pem(key, &pem, err);
	if (status != ST_OK)
		return status;
	*n_out = strlen(pem);
	if (tool->sitekey == NULL) {
		*text_out = pem;
		return ST_OK;
	}
	buf_init(&sealed, SEALEDKEY_TEXT_MAX);
	status = sealedkey_close(tool->sitekey, &owner, span_of(pem, *n_out), &sealed, err);
	secret_free(pem);
	if (status == ST_OK) {
		*n_out = sealed.n;
		*text_out = secret_malloc(sealed.n);
		if (*text_out != NULL)
			memcpy(*text_out, sealed.p, sealed.n);
		else
			status = ST_FAILED;
	}
	buf_free(&sealed);
	return status;
}
