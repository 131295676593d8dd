/*
 * sharing.c - opening the cache that gateways share.
 * Called by the keeper when it starts and by -n. It must never let the service depend on a server
 * of that cache.
 */
#include "daemon/sharing.h"

static struct sitekey *
sitekey_of(void *context)
{
	return unsealer_sitekey(context);
}

enum status
sharing_open(const struct conf *conf, struct unsealer *unsealer, const uint8_t *own_key,
    struct sharedcache **out, struct err *err)
{
	struct sharedcache_config config = {
	    .sitekey = sitekey_of, .context = unsealer, .own_key = own_key};
	const char *spec = conf_string(conf, CONF_MEMCACHED);
	enum status status;

	*out = NULL;
	if (spec == NULL)
		return ST_OK;
	status = memcached_open(spec, &config.shared, err);
	if (status != ST_OK) {
		err_prefix(err, "Memcached");
		return status;
	}
	*out = sharedcache_new(&config);
	return ST_OK;
}
