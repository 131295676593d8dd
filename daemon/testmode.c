/*
 * testmode.c - signpostd -t.
 * Called by main.c instead of serving. It must never sign, drop privileges or open a socket but the
 * resolver's.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/resolving.h"
#include "daemon/settings.h"
#include "daemon/testmode.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/dkim/authres.h"
#include "lib/mailauth/message_check.h"

struct test {
	const struct conf *conf;
	const struct testmode *options;
	struct settings *settings;
	struct dnsclient dns;
};

/* text may have octets of the message: none of them reaches a terminal as it is. */
static void
say(const struct test *test, const char *file, const char *text)
{
	printf("%s: %s: ", test->options->program, file);
	for (; *text != '\0'; text++)
		if (*text >= ' ' && *text <= '~')
			putchar(*text);
		else
			printf("\\x%02x", (unsigned char)*text);
	putchar('\n');
}

/* ---- the configuration ---- */

static enum status
open_dns(struct test *test, struct err *err)
{
	enum status status = loop_open(&test->dns.loop, err);

	if (status != ST_OK)
		return status;
	test->dns.looping = true;
	test->dns.timeout_ms = test->settings->verifying.dns_timeout_ms;
	return resolving_open(test->conf, &test->dns.loop, &test->dns.resolver, err);
}

static enum status
prepare(struct test *test, struct err *err)
{
	enum status status = settings_new(test->conf, &test->settings, err);

	if (status != ST_OK)
		return status;
	if (!test->settings->verify) {
		err_set(err, "-t verifies; leave -b out, or sign with signpost testmsg");
		return ST_INVALID;
	}
	test->settings->verifying.options.now_utc =
	    test->options->fixed_time_utc >= 0 ? test->options->fixed_time_utc : clock_utc_s();
	return open_dns(test, err);
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
	const struct settings_verify *verifying = &test->settings->verifying;
	struct authres_style style = {.no_header_b = verifying->no_header_b};
	struct buf value;

	style.authserv_id = span_str(
	    verifying->authserv_id != NULL ? verifying->authserv_id : test->settings->host_name);
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
	const struct settings_verify *verifying = &test->settings->verifying;
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
	if (message_check_run(&check, buf_span(&text), &verifying->options,
		verifying->signatures_max, &test->dns, &err) == ST_OK)
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
	bool more = true, any = false;

	while (more) {
		char *path;
		int one;

		more = span_cut(&rest, ',', &item);
		if (item.n == 0)
			continue;
		any = true;
		path = span_dup(item);
		one = test_file(test, path);
		if (one > exit_code)
			exit_code = one;
		mem_free(path);
	}
	if (any)
		return exit_code;
	fprintf(stderr, "%s: -t: there is no file in \"%s\"\n", test->options->program,
	    test->options->files);
	return EX_USAGE;
}

int
testmode_run(const struct conf *conf, const struct testmode *options)
{
	struct test test = {.conf = conf, .options = options};
	struct err err = ERR_NONE;
	int exit_code = EX_CONFIG;

	if (prepare(&test, &err) == ST_OK)
		exit_code = test_files(&test);
	else
		fprintf(stderr, "%s: %s\n", options->program, err.text);
	dnsclient_close(&test.dns);
	settings_free(test.settings);
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		fprintf(stderr, "%s: the output cannot be written\n", options->program);
		exit_code = exit_code == EX_OK ? EX_IOERR : exit_code;
	}
	return exit_code;
}
