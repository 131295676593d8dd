/*
 * keeper_open.c - what the keeper has open: settings, rules, keys, the store, what is shared.
 * Called by keeper.c before its first thread, and by signpostd -n. It must never start a thread
 * that uses keys, nor let what only some wanted keep everybody from signing.
 */
#include "daemon/keeper_private.h"
#include "daemon/resolving.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

/* The site key opens keys of a KeyStore, and what gateways share. */
static enum status
keeper_open_sharing(
    struct keeper *keeper, const struct conf *conf, const uint8_t *cache_key, struct err *err)
{
	if (conf_is_set(conf, CONF_KEY_STORE) || conf_is_set(conf, CONF_MEMCACHED))
		keeper->unsealer = unsealer_new(
		    conf_string(conf, CONF_SITE_KEY_FILE), conf_bool(conf, CONF_REQUIRE_SAFE_KEYS));
	return sharing_open(conf, keeper->unsealer, cache_key, &keeper->shared, err);
}

/* Without it each gateway asks for itself. */
static void
keeper_open_dns(struct keeper *keeper, const struct conf *conf, bool validates)
{
	struct err err = ERR_NONE;

	if (dnsshare_site_read(conf, validates, &keeper->dns, &err) != ST_OK)
		log_line(LOG_LEVEL_WARNING, "answers of DNS are not shared: %s", err.text);
}

/* The front-ends will open a resolver each; a mistake has to be known before they exist. That of
 * somebody who did not ask for SelfVerify keeps nobody from signing. */
static enum status
keeper_check_resolver(
    struct keeper *keeper, const struct conf *conf, bool *validates_out, struct err *err)
{
	struct settings *settings = keeper->settings;
	enum status status;

	if (!settings->verify && settings->self_verify == 0)
		return ST_OK;
	status = resolving_check(conf, validates_out, err);
	if (status == ST_OK || settings->verify || settings->self_verify_asked)
		return status;
	log_line(LOG_LEVEL_NOTICE,
	    "signatures are not verified after they were made (SelfVerify): %s", err->text);
	settings->self_verify = settings->self_verify_first = 0;
	*err = (struct err)ERR_NONE;
	return ST_OK;
}

static void
tell_gateway(void *context)
{
	const struct keeper *keeper = context;

	gateway_news(keeper->gateway);
}

static void
keeper_open_canary(struct keeper *keeper)
{
	const struct canary_config config = {.every = keeper->settings->self_verify,
	    .first = keeper->settings->self_verify_first,
	    .news = tell_gateway,
	    .context = keeper};

	if (config.every > 0)
		keeper->canary = canary_new(&config);
}

enum status
keeper_open(
    struct keeper *keeper, const struct conf *conf, const uint8_t *cache_key, struct err *err)
{
	enum status status = key_memory_secure();
	bool validates = false;

	if (status != ST_OK) {
		err_set(err, "the crypto library was used before its memory was secured");
		return status;
	}
	status = settings_new(conf, &keeper->settings, err);
	if (status == ST_OK)
		status = keeper_check_resolver(keeper, conf, &validates, err);
	if (status == ST_OK)
		status = keeper_open_sharing(keeper, conf, cache_key, err);
	if (status == ST_OK)
		status = rules_open(conf,
		    &(struct rules_sharing){.cache = keeper->shared, .anew = keeper->reload},
		    &keeper->rules, err);
	if (status == ST_OK)
		status = keeper_shadow_open(keeper, conf, err);
	if (status != ST_OK)
		return status;
	keeper->rules->fixed_time_utc = keeper->fixed_time_utc;
	keeper->cache = keycache_new((size_t)conf_int(conf, CONF_KEY_CACHE_SIZE),
	    keeper->rules->require_safe, keeper->unsealer);
	keeper_open_canary(keeper);
	if (keeper->rules->store != NULL) {
		keeper->mailhour = mailhour_new(clock_mono_ms() / 1000);
		keeper->domainhour = domainhour_new(clock_mono_ms() / 1000);
	}
	keeper->rules->mailhour = keeper->mailhour;
	keeper->rules->domainhour = keeper->domainhour;
	if ((keeper->settings->verify || keeper->canary != NULL) && keeper->shared != NULL)
		keeper_open_dns(keeper, conf, validates);
	return gateway_open(conf,
	    &(struct gateway_config){.store = keeper->rules->store,
		.unsealer = keeper->unsealer,
		.canary = keeper->canary,
		.mailhour = keeper->mailhour,
		.domainhour = keeper->domainhour},
	    &keeper->gateway, err);
}
