/*
 * provider.c - the DNS providers of tenants, from the store.
 * Called by the reconciler when it has something for one, and by provider.test. It must never take
 * another publisher in the place of one that it cannot read: that would be somebody else's.
 */
#include "admin-api/provider.h"
#include "lib/base/secret.h"
#include "lib/store/sealedprovider.h"

enum status
provider_open(struct sitekey *sitekey, const struct store_provider *row, struct publisher **out,
    struct err *err)
{
	struct publisher_given given = {.name = row->name,
	    .kind = row->kind,
	    .address = row->address,
	    .allow_private = row->allow_private == 1};
	enum status status = ST_OK;
	char *plain = NULL;
	size_t n = 0;

	*out = NULL;
	if (row->secret.n > 0)
		status = sealedprovider_open(sitekey, row, &plain, &n, err);
	given.secret = span_of(plain, n);
	if (status == ST_OK)
		status = publisher_open_of_tenant(&given, out, err);
	secret_free(plain);
	return status;
}

enum status
provider_find(struct keystore *store, struct sitekey *sitekey, struct span tenant, struct span name,
    struct publisher **out, struct err *err)
{
	struct keystore_rows *rows;
	enum status status = keystore_provider(store, tenant, name, &rows, err);

	*out = NULL;
	if (status != ST_OK)
		return status == ST_ABSENT ? ST_FAILED : status;
	if (rows->provider_count == 1) {
		status = provider_open(sitekey, &rows->providers[0], out, err);
		if (status == ST_ABSENT) /* the version of the site key */
			status = ST_FAILED;
	} else {
		status = ST_ABSENT;
		err_set(
		    err, "tenant %.*s has no DNS provider %.*s", SPAN_ARG(tenant), SPAN_ARG(name));
	}
	keystore_rows_release(rows);
	return status;
}
