/*
 * shared_help.h - what the tests of shared answers have in common: gateways with clocks and a site
 * key of the test's, one server between them, and counters that can be asked.
 */
#ifndef SIGNPOST_TESTS_SHARED_HELP_H
#define SIGNPOST_TESTS_SHARED_HELP_H

#include "tests/unit/store_help.h"

#include "lib/base/metrics.h"
#include "lib/store/sharedcache.h"
#include "tests/lib/memshared.h"

#define S(literal) SPAN_LIT(literal)
#define SITE_1 "1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
#define SITE_2 "2 Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=\n"
#define OTHER_SITE_1 "1 //////////////////////////////////////////8=\n"
#define UTC_MS 1800000000000
#define NOW_MS 5000000

static int64_t help_utc_ms = UTC_MS;

static inline int64_t
help_utc(void)
{
	return help_utc_ms;
}

static inline struct sitekey *
help_sitekey(const char *text)
{
	struct sitekey *sitekey = NULL;
	struct err err = ERR_NONE;

	if (text != NULL && sitekey_parse(span_str(text), "test", &sitekey, &err) != ST_OK)
		fail_msg("%s", err.text);
	return sitekey;
}

/* One gateway: its door and its site key, which the test may change. */
struct gateway {
	struct sharedcache *cache;
	struct sitekey *sitekey;
};

static inline struct sitekey *
gateway_sitekey(void *context)
{
	return ((struct gateway *)context)->sitekey;
}

/* site: the text of a site key file; NULL: none. own_key: may be NULL. */
static inline struct gateway *
gateway_open(struct memshared *server, const char *site, const uint8_t *own_key)
{
	struct gateway *gateway = mem_zalloc(1, sizeof(*gateway));
	const struct sharedcache_config config = {.shared = memshared_door(server),
	    .sitekey = gateway_sitekey,
	    .context = gateway,
	    .own_key = own_key,
	    .utc_ms = help_utc};

	gateway->sitekey = help_sitekey(site);
	gateway->cache = sharedcache_new(&config);
	return gateway;
}

static inline void
gateway_close(struct gateway *gateway)
{
	sharedcache_close(gateway->cache);
	sitekey_close(gateway->sitekey);
	mem_free(gateway);
}

/* ---- counters ---- */

static inline void
help_counters_begin(void)
{
	struct err err = ERR_NONE;

	metrics_close();
	assert_int_equal(metrics_open(&err), ST_OK);
}

/* The line of the metrics that begins with name: signpost_memcached_NAME. */
static inline unsigned
help_counted(const char *name)
{
	char line[160];
	struct buf text;
	const char *at;
	unsigned value;

	buf_init(&text, METRICS_TEXT_MAX);
	assert_int_equal(metrics_write(&text), ST_OK);
	snprintf(line, sizeof(line), "\nsignpost_memcached_%s ", name);
	at = strstr(buf_text(&text), line);
	if (at == NULL)
		fail_msg("no %s", name);
	value = (unsigned)strtoul(at + strlen(line), NULL, 10);
	buf_free(&text);
	return value;
}

#endif
