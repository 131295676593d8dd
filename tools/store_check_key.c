/*
 * store_check_key.c - is a key of a store one that can sign, and is it what its row says?
 * Called by check for each key. It must never print more of a key than its names.
 */
#include "config.h"

#include <stdio.h>

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/store/sealedprovider.h"
#include "tools/store_check.h"

#define BITS_ADVISED 2048
#define PUBLIC_MAX 4096U

static void
found(struct store_check *check, enum store_severity severity, const struct store_key *row,
    const char *code, const char *sentence)
{
	store_check_found(check, severity, "key", row->domain, row->selector, code, sentence);
}

/* Of a sealed text. */
static void
count_version(struct store_check *check, struct span sealed)
{
	struct err err = ERR_NONE;
	uint32_t version;
	size_t i = 0;

	if (sealedkey_version(sealed, &version, &err) != ST_OK)
		return;
	while (i < check->version_count && check->versions[i] != version)
		i++;
	if (i == SITEKEY_VERSIONS_MAX)
		return;
	if (i == check->version_count)
		check->versions[check->version_count++] = version;
	check->by_version[i]++;
}

static void
count_plain(struct store_check *check, const struct store_key *row)
{
	check->plain++;
	if (check->tool.sitekey == NULL)
		found(check, STORE_WARNING, row, "plain",
		    "is not sealed: who reads the store can sign with it");
	else
		found(check, STORE_ERROR, row, "plain",
		    "is not sealed, although there is a site key: signpost store reseal "
		    "--seal-plain seals it");
}

static void
check_row(struct store_check *check, const struct store_key *row)
{
	struct keystore_write write = {.what = STORE_KEY, .row.key = *row};
	struct err err = ERR_NONE;

	if (keystore_write_check(&write, &err) != ST_OK)
		found(check, STORE_ERROR, row, "invalid", err.text);
}

static void
check_bits(struct store_check *check, const struct store_key *row, const struct key *key)
{
	char text[128];

	if (!span_eq_str(row->algorithm, key_algorithm_name(key_algorithm(key))))
		found(check, STORE_ERROR, row, "mismatch",
		    "is of another algorithm than its row says");
	if (row->bits != 0 && row->bits != key_bits(key)) {
		snprintf(text, sizeof(text), "has %d bits, and its row says %d", key_bits(key),
		    row->bits);
		found(check, STORE_WARNING, row, "mismatch", text);
	}
	if (key_algorithm(key) != KEY_RSA_SHA256 || key_bits(key) >= BITS_ADVISED)
		return;
	snprintf(text, sizeof(text), "is an RSA key of %d bits; verifiers trust 2048 and more",
	    key_bits(key));
	found(check, STORE_WARNING, row, "weak", text);
}

static void
check_public(struct store_check *check, const struct store_key *row, const struct key *key)
{
	struct buf text;

	buf_init(&text, PUBLIC_MAX);
	if (row->public_key.n == 0)
		found(check, STORE_WARNING, row, "no-public",
		    "has no public key in its row: nothing can be published from it");
	else if (key_public_base64(key, &text) != ST_OK ||
		 !span_eq(buf_span(&text), row->public_key))
		found(check, STORE_ERROR, row, "mismatch",
		    "has another public key in its row than the private key's: what is published "
		    "from it does not verify");
	buf_free(&text);
}

static const char *
code_of(enum status status)
{
	switch (status) {
	case ST_ABSENT:
		return "no-sitekey";
	case ST_DENIED:
		return "foreign";
	default:
		return "unreadable";
	}
}

/* Whether it opens. */
static bool
check_private(struct store_check *check, const struct store_key *row)
{
	struct err err = ERR_NONE;
	struct key *key = NULL;
	enum status status = store_key_open(&check->tool, row, &key, &err);

	if (status != ST_OK) {
		found(check, STORE_ERROR, row, code_of(status), err.text);
		return false;
	}
	check_bits(check, row, key);
	check_public(check, row, key);
	key_free(key);
	return true;
}

bool
store_check_key(struct store_check *check, const struct store_key *row)
{
	enum key_state state = key_state_at(&row->times, check->now_utc);
	bool opens = false;

	check_row(check, row);
	switch (sealedkey_form(row->private_key)) {
	case SEALEDKEY_SEALED:
		count_version(check, row->private_key);
		break;
	case SEALEDKEY_PLAIN:
		count_plain(check, row);
		break;
	case SEALEDKEY_EMPTY:
	case SEALEDKEY_UNKNOWN:
		break;
	}
	/* Of a destroyed key only the names stay. */
	if (state != KEY_DESTROYED)
		opens = check_private(check, row);
	if (key_lease_over(&row->times, check->now_utc))
		found(check, STORE_ERROR, row, "lease",
		    "is active, and no gateway may sign with it any more: its sign-until has "
		    "passed");
	return opens && key_may_sign(&row->times, check->now_utc);
}

/* ---- DNS providers ---- */

void
store_check_provider(struct store_check *check, const struct store_provider *row)
{
	struct keystore_write write = {.what = STORE_PROVIDER, .row.provider = *row};
	struct err err = ERR_NONE;
	enum status status;
	char *plain;
	size_t n;

	if (keystore_write_check(&write, &err) != ST_OK)
		store_check_found(
		    check, STORE_ERROR, "provider", row->tenant, row->name, "invalid", err.text);
	if (row->secret.n == 0)
		return;
	count_version(check, row->secret);
	status = sealedprovider_open(check->tool.sitekey, row, &plain, &n, &err);
	secret_free(plain);
	if (status != ST_OK)
		store_check_found(check, STORE_ERROR, "provider", row->tenant, row->name,
		    code_of(status), err.text);
}
