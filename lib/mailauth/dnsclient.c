/*
 * dnsclient.c - opens the resolver that the configuration and the command line ask for.
 * Called once by testkey, testmsg, check and signpostd -t. It must never fall back to another
 * source of answers than the one that was named.
 */
#include <string.h>

#include "lib/base/clock.h"
#include "lib/conf/values.h"
#include "lib/mailauth/dnsclient.h"
#include "lib/store/slurp.h"

static const char *
text_of(const struct conf *conf, enum conf_parameter parameter)
{
	return conf == NULL ? NULL : conf_string(conf, parameter);
}

/* TestPublicKeys is a path; TestDNSData is a data set, of which a flat file is read here. */
static enum status
test_file(const struct conf *conf, const char **path_out, struct err *err)
{
	const char *path = text_of(conf, CONF_TEST_PUBLIC_KEYS);

	if (path == NULL)
		path = text_of(conf, CONF_TEST_DNS_DATA);
	if (path != NULL && strncmp(path, "file:", 5) == 0)
		path += 5;
	*path_out = path;
	if (path == NULL || path == text_of(conf, CONF_TEST_PUBLIC_KEYS) ||
	    strchr(path, '/') != NULL)
		return ST_OK;
	err_set(err, "TestDNSData: only a file can be used here; write file:/PATH");
	return ST_INVALID;
}

static enum status
open_answers(struct dnsclient *client, const char *path, struct err *err)
{
	struct slurp file;
	enum status status = slurp_file(path, DNSCLIENT_ANSWERS_MAX, false, &file, err);

	if (status != ST_OK)
		return status == ST_ABSENT ? ST_INVALID : status;
	status = resolver_fake(&client->loop, span_of(file.text, file.n), &client->resolver, err);
	if (status != ST_OK)
		err_prefix(err, "%s", path);
	slurp_free(&file);
	return status;
}

static enum status
open_resolver(struct dnsclient *client, const struct conf *conf,
    const struct dnsclient_options *options, struct err *err)
{
	struct resolver_config config = {.nameservers = options->nameservers,
	    .configuration = text_of(conf, CONF_RESOLVER_CONFIGURATION),
	    .trust_anchors = text_of(conf, CONF_TRUST_ANCHOR_FILE),
	    .tcp_only = conf != NULL && conf_bool(conf, CONF_DNS_CONNECT)};
	const char *path = options->answers_file;
	enum status status;

	if (path == NULL && config.nameservers == NULL) {
		status = test_file(conf, &path, err);
		if (status != ST_OK)
			return status;
	}
	if (path != NULL)
		return open_answers(client, path, err);
	if (config.nameservers == NULL)
		config.nameservers = text_of(conf, CONF_NAMESERVERS);
	return resolver_unbound(&client->loop, &config, &client->resolver, err);
}

enum status
dnsclient_open(struct dnsclient *client, const struct conf *conf,
    const struct dnsclient_options *options, struct err *err)
{
	int64_t seconds = 5;
	enum status status;

	if (conf != NULL)
		seconds = conf_int(conf, CONF_DNS_TIMEOUT);
	*client = (struct dnsclient){.timeout_ms = conf_dns_timeout_ms(seconds)};
	status = loop_open(&client->loop, err);
	if (status != ST_OK)
		return status;
	client->looping = true;
	status = open_resolver(client, conf, options, err);
	if (status != ST_OK)
		dnsclient_close(client);
	return status;
}

void
dnsclient_close(struct dnsclient *client)
{
	resolver_free(client->resolver);
	client->resolver = NULL;
	if (client->looping)
		loop_close(&client->loop);
	client->looping = false;
}

struct dns_answer
dnsclient_txt(struct dnsclient *client, struct span name)
{
	return dnsclient_ask(client, name, DNS_TXT);
}

struct dns_answer
dnsclient_ask(struct dnsclient *client, struct span name, enum dns_type type)
{
	int64_t timeout_ms = client->timeout_ms;

	if (client->until_ms > 0) {
		int64_t left_ms = client->until_ms - clock_mono_ms();

		if (left_ms <= 0)
			return (struct dns_answer){
			    .status = ST_UNAVAILABLE, .why = "the time for all questions is over"};
		if (left_ms < timeout_ms)
			timeout_ms = left_ms;
	}
	return resolver_wait(client->resolver, &client->loop, name, type, timeout_ms);
}
