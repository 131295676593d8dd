/*
 * testmode.c - signpostd -t.
 * Called by main.c instead of serving. It must never sign, drop privileges or open a socket but the
 * resolver's.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/rules.h"
#include "daemon/testmode.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/conf/values.h"
#include "lib/dkim/authres.h"
#include "lib/mailauth/message_check.h"

#define HOST_BYTES_MAX 256

struct test {
	const struct conf *conf;
	const struct testmode *options;
	struct verify_options verify;
	size_t most; /* MaximumSignaturesToVerify */
	char **must_be_signed;
	struct dnsclient dns;
};

static void
say(const struct test *test, const char *file, const char *text)
{
	printf("%s: %s: %s\n", test->options->program, file, text);
}

/* ---- the configuration ---- */

static enum verify_minimum
minimum_of(enum conf_minimum_kind kind)
{
	switch (kind) {
	case CONF_MINIMUM_PERCENT:
		return VERIFY_MINIMUM_PERCENT;
	case CONF_MINIMUM_ALL_BUT:
		return VERIFY_MINIMUM_ALL_BUT;
	case CONF_MINIMUM_BYTES:
		break;
	}
	return VERIFY_MINIMUM_BYTES;
}

static enum verify_dnssec_rule
rule_of(enum conf_key_rule rule)
{
	switch (rule) {
	case CONF_KEY_RULE_NEUTRAL:
		return VERIFY_DNSSEC_NEUTRAL;
	case CONF_KEY_RULE_FAIL:
		return VERIFY_DNSSEC_FAIL;
	case CONF_KEY_RULE_NONE:
		break;
	}
	return VERIFY_DNSSEC_ACCEPT;
}

static enum status
read_rules(struct test *test, struct err *err)
{
	const struct conf *conf = test->conf;
	enum conf_minimum_kind kind = CONF_MINIMUM_BYTES;
	enum conf_key_rule unprotected = CONF_KEY_RULE_NONE, bogus = CONF_KEY_RULE_FAIL;
	enum status status =
	    conf_minimum(conf_string(conf, CONF_MINIMUM), &kind, &test->verify.minimum, err);

	if (status == ST_OK)
		status = conf_key_rule(conf_string(conf, CONF_UNPROTECTED_KEY), &unprotected, err);
	if (status == ST_OK)
		status = conf_key_rule(conf_string(conf, CONF_BOGUS_KEY), &bogus, err);
	test->verify.minimum_kind = minimum_of(kind);
	test->verify.unprotected = rule_of(unprotected);
	test->verify.bogus = rule_of(bogus);
	if (status == ST_OK)
		status = rules_list(conf, CONF_MUST_BE_SIGNED, &test->must_be_signed, err);
	test->verify.must_be_signed = (const char *const *)test->must_be_signed;
	return status;
}

static enum status
read_conf(struct test *test, struct err *err)
{
	int64_t most = conf_int(test->conf, CONF_MAXIMUM_SIGNATURES_TO_VERIFY);
	int64_t bits = conf_int(test->conf, CONF_MINIMUM_KEY_BITS);
	bool sign, verify;

	test->most =
	    most > 0 && most < VERIFY_SIGNATURES_MAX ? (size_t)most : VERIFY_SIGNATURES_MAX;
	test->verify.now_utc =
	    test->options->fixed_time_utc >= 0 ? test->options->fixed_time_utc : clock_utc_s();
	test->verify.clock_drift_s = conf_clock_drift_s(conf_int(test->conf, CONF_CLOCK_DRIFT));
	test->verify.minimum_key_bits = (int)bits;
	test->verify.fix_crlf = conf_bool(test->conf, CONF_FIX_CRLF);
	if (strcmp(conf_origin(test->conf, CONF_MODE), "-b") == 0 &&
	    (conf_mode(conf_string(test->conf, CONF_MODE), &sign, &verify, err) != ST_OK ||
		!verify)) {
		err_set(err, "-t verifies; leave -b out, or signpost testmsg signs");
		return ST_INVALID;
	}
	return read_rules(test, err);
}

/* ---- one message ---- */

static void
print_signature(const struct test *test, const char *file, const struct verify_signature *signature)
{
	struct buf line;

	buf_init(&line, 8192);
	buf_add_fmt(&line, "verification (s=%.*s, d=%.*s", SPAN_ARG(signature->field.selector),
	    SPAN_ARG(signature->field.domain));
	if (signature->key_known)
		buf_add_fmt(&line, ", %d-bit key", signature->key_bits);
	buf_add_str(&line, signature->result == VERIFY_PASS ? ") succeeded" : ") failed: ");
	if (signature->result != VERIFY_PASS)
		buf_add_str(&line, verify_reason_text(signature->reason));
	if (signature->result != VERIFY_PASS && signature->detail.n > 0)
		buf_add_fmt(&line, "; %.*s", SPAN_ARG(signature->detail));
	say(test, file, buf_text(&line));
	buf_free(&line);
}

static void
print_authres(const struct test *test, const struct verify *verify)
{
	const char *id = conf_string(test->conf, CONF_AUTHSERV_ID);
	struct authres_style style = {.no_header_b = conf_bool(test->conf, CONF_NO_HEADER_B)};
	char host[HOST_BYTES_MAX];
	struct buf value;

	if (gethostname(host, sizeof(host)) != 0)
		snprintf(host, sizeof(host), "localhost");
	host[sizeof(host) - 1] = '\0';
	style.authserv_id = span_str(id == NULL || strcmp(id, "HOSTNAME") == 0 ? host : id);
	buf_init(&value, AUTHRES_VALUE_MAX);
	if (authres_write(&style, verify, &value) == ST_OK)
		printf("%s:%s\n", AUTHRES_FIELD_NAME, buf_text(&value));
	buf_free(&value);
}

static int
print_results(const struct test *test, const char *file, const struct verify *verify)
{
	size_t count = verify_count(verify), ignored = verify_uncounted(verify);
	bool passed = false;

	for (size_t i = 0; i < count; i++) {
		const struct verify_signature *signature = verify_signature(verify, i);

		if (signature->reason == VERIFY_IGNORED) {
			ignored++;
			continue;
		}
		passed = passed || signature->result == VERIFY_PASS;
		print_signature(test, file, signature);
	}
	if (count == 0)
		say(test, file, "message not signed");
	if (ignored > 0)
		printf("%s: %s: %zu more signatures ignored (MaximumSignaturesToVerify)\n",
		    test->options->program, file, ignored);
	if (test->options->verbose > 0)
		print_authres(test, verify);
	return count == 0 || passed ? EX_OK : EX_DATAERR;
}

static int
test_file(struct test *test, const char *path)
{
	const char *file = strcmp(path, "-") == 0 ? "(stdin)" : path;
	struct message_check check;
	struct err err = ERR_NONE;
	struct buf text;
	int exit_code = EX_DATAERR;

	buf_init(&text, MESSAGE_BYTES_MAX);
	if (message_read(path, &text, &err) != ST_OK) {
		fprintf(stderr, "%s: %s\n", test->options->program, err.text);
		buf_free(&text);
		return EX_UNAVAILABLE;
	}
	if (message_check_run(
		&check, buf_span(&text), &test->verify, test->most, &test->dns, &err) == ST_OK)
		exit_code = print_results(test, file, check.verify);
	else
		fprintf(stderr, "%s: %s: %s\n", test->options->program, file, err.text);
	message_check_free(&check);
	buf_free(&text);
	return exit_code;
}

static int
test_files(struct test *test)
{
	struct span rest = span_str(test->options->files), item;
	int exit_code = EX_OK;
	bool more = true;

	while (more) {
		char *path;
		int one;

		more = span_cut(&rest, ',', &item);
		if (item.n == 0)
			continue;
		path = span_dup(item);
		one = test_file(test, path);
		if (one > exit_code)
			exit_code = one;
		mem_free(path);
	}
	return exit_code;
}

int
testmode_run(const struct conf *conf, const struct testmode *options)
{
	const struct dnsclient_options dns = {NULL, NULL};
	struct test test = {.conf = conf, .options = options};
	struct err err = ERR_NONE;
	int exit_code = EX_CONFIG;

	if (read_conf(&test, &err) != ST_OK ||
	    dnsclient_open(&test.dns, conf, &dns, &err) != ST_OK) {
		fprintf(stderr, "%s: %s\n", options->program, err.text);
	} else {
		exit_code = test_files(&test);
		dnsclient_close(&test.dns);
	}
	rules_list_free(test.must_be_signed);
	return exit_code;
}
