/*
 * resolving.c - opening the resolver of a configuration.
 * Called once by each front-end that verifies, before its sandbox. It must never ask anything
 * itself.
 */
#include <string.h>

#include "backends/registry.h"
#include "daemon/resolving.h"
#include "lib/base/buf.h"
#include "lib/store/list.h"
#include "lib/store/slurp.h"

/* Octets of TestPublicKeys and TestDNSData together. */
#define TEST_TEXT_MAX (16U << 20)

static enum status
add_file(const char *path, struct buf *text, struct err *err)
{
	struct slurp file;
	enum status status = slurp_file(path, TEST_TEXT_MAX, false, &file, err);

	if (status != ST_OK) {
		err_prefix(err, "TestPublicKeys");
		return status == ST_ABSENT ? ST_INVALID : status;
	}
	buf_add(text, span_of(file.text, file.n));
	buf_add_str(text, "\n");
	slurp_free(&file);
	return ST_OK;
}

static enum status
add_table(const char *spec, struct buf *text, struct err *err)
{
	struct table *table = NULL;
	struct list list = {.count = 0};
	enum status status = table_open(
	    backend_registry(), "TestDNSData", spec, TABLE_ICASE | TABLE_VALUE_NEEDED, &table, err);

	if (status == ST_OK)
		status = list_read(table, &list, err);
	for (size_t i = 0; i < list.count; i++)
		buf_add_fmt(text, "%s %s\n", list.items[i], list.values[i]);
	list_free(&list);
	table_close(table);
	return status;
}

/* Answers from files, for tests. */
static enum status
open_fake(
    const struct conf *conf, struct loop *loop, struct resolver **resolver_out, struct err *err)
{
	struct buf text;
	enum status status = ST_OK;

	buf_init(&text, TEST_TEXT_MAX);
	if (conf_is_set(conf, CONF_TEST_PUBLIC_KEYS))
		status = add_file(conf_string(conf, CONF_TEST_PUBLIC_KEYS), &text, err);
	if (status == ST_OK && conf_is_set(conf, CONF_TEST_DNS_DATA))
		status = add_table(conf_string(conf, CONF_TEST_DNS_DATA), &text, err);
	if (status == ST_OK && buf_status(&text) != ST_OK) {
		err_set(err, "TestPublicKeys, TestDNSData: more than %u octets", TEST_TEXT_MAX);
		status = ST_TOO_BIG;
	}
	if (status == ST_OK)
		status = resolver_fake(loop, buf_span(&text), resolver_out, err);
	buf_free(&text);
	return status;
}

/* cache_bytes: of libunbound's. */
static enum status
open_unbound(const struct conf *conf, struct loop *loop, size_t cache_bytes,
    struct resolver **resolver_out, struct err *err)
{
	const struct resolver_config config = {.nameservers = conf_string(conf, CONF_NAMESERVERS),
	    .configuration = conf_string(conf, CONF_RESOLVER_CONFIGURATION),
	    .trust_anchors = conf_string(conf, CONF_TRUST_ANCHOR_FILE),
	    .cache_bytes = cache_bytes,
	    .tcp_only = conf_bool(conf, CONF_DNS_CONNECT)};

	return resolver_unbound(loop, &config, resolver_out, err);
}

enum status
resolving_open(
    const struct conf *conf, struct loop *loop, struct resolver **resolver_out, struct err *err)
{
	if (conf_is_set(conf, CONF_TEST_PUBLIC_KEYS) || conf_is_set(conf, CONF_TEST_DNS_DATA))
		return open_fake(conf, loop, resolver_out, err);
	return open_unbound(
	    conf, loop, (size_t)conf_int(conf, CONF_DNS_CACHE_SIZE), resolver_out, err);
}

/* A quarter: an answer takes a third of what it takes in libunbound, which has servers and keys of
 * zones to remember, too. */
enum status
resolving_open_cached(const struct conf *conf, struct loop *loop, const struct dns_share *share,
    int64_t patience_ms, struct resolver **resolver_out, struct err *err)
{
	size_t bytes = (size_t)conf_int(conf, CONF_DNS_CACHE_SIZE);
	struct resolver_cached_config config = {
	    .loop = loop, .cache_bytes = bytes / 4, .share = share, .patience_ms = patience_ms};
	enum status status = open_unbound(conf, loop, bytes - bytes / 4, &config.inner, err);

	if (status == ST_OK)
		*resolver_out = resolver_cached(&config);
	return status;
}

enum status
resolving_check(const struct conf *conf, bool *validates_out, struct err *err)
{
	struct resolver *resolver = NULL;
	struct loop loop;
	enum status status = loop_open(&loop, err);

	if (status != ST_OK)
		return status;
	status = resolving_open(conf, &loop, &resolver, err);
	*validates_out = status == ST_OK && resolver_validates(resolver);
	resolver_free(resolver);
	loop_close(&loop);
	return status;
}
