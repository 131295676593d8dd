/*
 * sealedprovider.c - the secrets of tenants' DNS providers, closed and opened.
 * Called by the administration where one is set, where one is used, and by signpost store reseal.
 * It must never open one for another address than that which it was given for.
 */
#include <stdio.h>

#include "lib/store/keystore.h"
#include "lib/store/sealedprovider.h"

#define ID_BYTES (PROVIDER_NAME_MAX + KEYSTORE_DIGEST_BYTES + 2)

/* id: room. */
static struct sealedkey_owner
owner_of(const struct store_provider *row, char id[ID_BYTES])
{
	char digest[KEYSTORE_DIGEST_BYTES];
	struct buf where;

	buf_init(&where, PROVIDER_KIND_MAX + PROVIDER_ADDRESS_MAX + 16);
	seal_add_field(&where, row->kind);
	seal_add_field(&where, row->address);
	keystore_digest(buf_span(&where), digest);
	buf_free(&where);
	(void)snprintf(id, ID_BYTES, "%.*s:%s", SPAN_ARG(row->name), digest);
	return (struct sealedkey_owner){
	    .tenant = row->tenant, .selector = SPAN_LIT("dns-provider"), .id = span_str(id)};
}

/* Is it one whose names have room? */
static bool
may_be(const struct store_provider *row, struct err *err)
{
	if (keystore_provider_is_valid(row->name) && row->kind.n <= PROVIDER_KIND_MAX &&
	    row->address.n <= PROVIDER_ADDRESS_MAX)
		return true;
	err_set(err, "a name or the address of the provider is none that can be");
	return false;
}

enum status
sealedprovider_close(struct sitekey *sitekey, const struct store_provider *row, struct span plain,
    struct buf *out, struct err *err)
{
	char id[ID_BYTES];
	struct sealedkey_owner owner;

	if (!may_be(row, err))
		return ST_INVALID;
	owner = owner_of(row, id);
	return sealedkey_close(sitekey, &owner, plain, out, err);
}

enum status
sealedprovider_open(struct sitekey *sitekey, const struct store_provider *row, char **plain_out,
    size_t *n_out, struct err *err)
{
	char id[ID_BYTES];
	struct sealedkey_owner owner;
	enum status status;

	*plain_out = NULL;
	*n_out = 0;
	if (!may_be(row, err))
		return ST_INVALID;
	owner = owner_of(row, id);
	status = sealedkey_open(sitekey, &owner, row->secret, plain_out, n_out, err);
	if (status == ST_DENIED)
		err_set(err,
		    "the secret of the provider does not open: it was given for another tenant, "
		    "name, kind or address, or was changed in the store, or %s is not the site "
		    "key that sealed it; set it again",
		    sitekey_name(sitekey));
	return status;
}
