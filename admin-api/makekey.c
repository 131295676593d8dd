/*
 * makekey.c - new keys: made or read, tried, sealed.
 * The reconciler calls it when a plan wants a key, the operations key.generate and key.import when
 * somebody does. It must never give out a key that does not verify its own signature, nor leave a
 * private key in ordinary memory.
 */
#include "config.h"

#include "admin-api/makekey.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/crypto/digest.h"
#include "lib/store/sealedkey.h"

#define ID_OCTETS 16U

/* Letters that no other key has. */
static void
make_id(char id[LIFE_ID_MAX + 1])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t octets[ID_OCTETS];
	size_t n = 0;

	random_bytes(octets, sizeof(octets));
	id[n++] = 'k';
	for (size_t i = 0; i < ID_OCTETS; i++) {
		id[n++] = digits[octets[i] >> 4];
		id[n++] = digits[octets[i] & 15];
	}
	id[n] = '\0';
}

/* Does it sign what it verifies? */
static enum status
try_key(struct key *key, struct err *err)
{
	uint8_t digest[SHA256_BYTES], signature[KEY_SIGNATURE_MAX];
	enum status status;
	size_t n;

	random_bytes(digest, sizeof(digest));
	status = key_sign(key, digest, signature, &n, err);
	if (status == ST_OK && key_verify(key, digest, span_of(signature, n)) != ST_OK) {
		err_set(err, "the key does not verify its own signature");
		status = ST_INVALID;
	}
	return status;
}

static enum status
obtain(const struct makekey_wanted *wanted, struct key **out, struct err *err)
{
	enum key_algorithm algorithm;

	if (wanted->pem.n > KEY_TEXT_MAX) {
		err_set(err, "the private key is longer than %d octets", KEY_TEXT_MAX);
		return ST_INVALID;
	}
	if (wanted->pem.n > 0)
		return key_parse(wanted->pem, out, err);
	if (key_algorithm_by_name(wanted->algorithm, &algorithm) != ST_OK) {
		err_set(err, "there is no algorithm \"%.*s\": rsa-sha256 or ed25519-sha256",
		    SPAN_ARG(wanted->algorithm));
		return ST_INVALID;
	}
	if (algorithm == KEY_RSA_SHA256 &&
	    (wanted->bits < KEY_RSA_BITS_MIN || wanted->bits > KEY_RSA_BITS_MAX)) {
		err_set(err, "%d bits: a key of RSA has %d to %d", wanted->bits, KEY_RSA_BITS_MIN,
		    KEY_RSA_BITS_MAX);
		return ST_INVALID;
	}
	return key_generate(algorithm, wanted->bits, out, err);
}

/* What was imported must be what was asked for, if anything was. */
static enum status
compare(const struct makekey_wanted *wanted, const struct makekey_made *made, struct err *err)
{
	if (wanted->algorithm.n > 0 && !span_ieq_str(wanted->algorithm, made->algorithm)) {
		err_set(err, "it is a key of %s, not of %.*s", made->algorithm,
		    SPAN_ARG(wanted->algorithm));
		return ST_INVALID;
	}
	if (wanted->pem.n > 0 && wanted->bits > 0 && wanted->bits != made->bits) {
		err_set(err, "it has %d bits, not %d", made->bits, wanted->bits);
		return ST_INVALID;
	}
	return ST_OK;
}

static enum status
describe(
    struct key *key, const struct makekey_wanted *wanted, struct makekey_made *out, struct err *err)
{
	struct buf text;
	enum status status;

	make_id(out->id);
	out->algorithm = key_algorithm_name(key_algorithm(key));
	out->bits = key_bits(key);
	buf_init(&text, sizeof(out->public_key) - 1);
	status = key_public_base64(key, &text);
	if (status == ST_OK)
		memcpy(out->public_key, buf_text(&text), text.n + 1);
	else
		err_set(err, "the public half of the key cannot be written");
	buf_free(&text);
	return status == ST_OK ? compare(wanted, out, err) : status;
}

static uint64_t
revision_of(const struct makekey_wanted *wanted)
{
	return wanted->revision > 0 ? wanted->revision : MAKEKEY_REVISION;
}

static enum status
seal_pem(struct sitekey *sitekey, const struct makekey_wanted *wanted, struct span pem,
    struct makekey_made *out, struct err *err)
{
	struct sealedkey_owner owner = {.tenant = wanted->tenant,
	    .domain = wanted->domain,
	    .selector = wanted->selector,
	    .id = span_str(out->id),
	    .revision = revision_of(wanted)};
	struct buf sealed;
	enum status status;

	buf_init(&sealed, SEALEDKEY_TEXT_MAX);
	status = sealedkey_close(sitekey, &owner, pem, &sealed, err);
	if (status == ST_OK) {
		out->private_key = secret_malloc(sealed.n);
		out->private_key_bytes = sealed.n;
		if (out->private_key != NULL) {
			memcpy(out->private_key, sealed.p, sealed.n);
		} else {
			err_set(err, "there is no secret memory left");
			status = ST_FAILED;
		}
	}
	buf_free(&sealed);
	return status;
}

static enum status
close_key(struct sitekey *sitekey, const struct makekey_wanted *wanted, struct key *key,
    struct makekey_made *out, struct err *err)
{
	char *pem = NULL;
	enum status status = key_private_pem(key, &pem, err);

	if (status == ST_OK)
		status = seal_pem(sitekey, wanted, span_str(pem), out, err);
	if (status == ST_OK && wanted->mirror)
		out->mirror_pem = pem;
	else
		secret_free(pem);
	return status;
}

enum status
makekey(struct sitekey *sitekey, const struct makekey_wanted *wanted, struct makekey_made *out,
    struct err *err)
{
	struct key *key = NULL;
	enum status status;

	memset(out, 0, sizeof(*out));
	if (sitekey == NULL) {
		err_set(err, "there is no site key to seal a key with: set SiteKeyFile");
		return ST_DENIED;
	}
	status = obtain(wanted, &key, err);
	if (status == ST_OK)
		status = try_key(key, err);
	if (status == ST_OK)
		status = describe(key, wanted, out, err);
	if (status == ST_OK)
		status = close_key(sitekey, wanted, key, out, err);
	key_free(key);
	if (status != ST_OK)
		makekey_forget(out);
	return status;
}

void
makekey_forget(struct makekey_made *made)
{
	secret_free(made->private_key);
	secret_free(made->mirror_pem);
	made->private_key = made->mirror_pem = NULL;
	made->private_key_bytes = 0;
}

void
makekey_row(const struct makekey_wanted *wanted, const struct makekey_made *made, int64_t now_utc,
    struct store_key *out)
{
	*out = (struct store_key){.id = span_str(made->id),
	    .tenant = wanted->tenant,
	    .domain = wanted->domain,
	    .selector = wanted->selector,
	    .algorithm = span_str(made->algorithm),
	    .public_key = span_str(made->public_key),
	    .private_key = span_of(made->private_key, made->private_key_bytes),
	    .bits = made->bits,
	    .revision = revision_of(wanted)};
	out->times.created = now_utc;
}

enum status
makekey_selector(const struct key_plan *plan, int64_t now_utc, char out[KEYSTORE_SELECTOR_MAX + 1],
    struct err *err)
{
	/* No vowels and nothing that looks like something else. */
	static const char letters[] = "23456789bcdfghjkmnpqrstvwxz";
	char random[MAKEKEY_RANDOM];
	uint8_t octets[MAKEKEY_RANDOM];
	struct buf text;
	enum status status;

	random_bytes(octets, sizeof(octets));
	for (size_t i = 0; i < sizeof(random); i++)
		random[i] = letters[octets[i] % (sizeof(letters) - 1)];
	buf_init(&text, KEYSTORE_SELECTOR_MAX);
	status = plan_selector(plan, now_utc, span_of(random, sizeof(random)), &text);
	if (status == ST_OK)
		memcpy(out, buf_text(&text), text.n + 1);
	else
		err_set(err, "the selectors that \"%s\" gives are too long", plan->selector);
	buf_free(&text);
	return status;
}
