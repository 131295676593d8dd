/*
 * testmsg_verify.c - messages verified, a line for each signature.
 * Called by testmsg.c. It must never answer 0 for a message without a signature that passes.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/dkim/authres.h"
#include "lib/mailauth/message_check.h"
#include "tools/cli.h"
#include "tools/testmsg.h"

#define CLOCK_DRIFT_S 300
#define HOST_BYTES_MAX 256

static const char *
dnssec_name(enum verify_dnssec dnssec)
{
	static const char *const names[] = {"unknown", "insecure", "secure", "bogus"};

	return names[dnssec];
}

/* FILE: RESULT (d=, s=, N-bit key): REASON; DETAIL */
static void
print_line(const struct testmsg *request, const char *file, const struct verify_signature *found)
{
	struct buf line;

	buf_init(&line, 8192);
	buf_add_fmt(&line, "%s: %s (d=%.*s, s=%.*s", file, verify_result_name(found->result),
	    SPAN_ARG(found->field.domain), SPAN_ARG(found->field.selector));
	if (found->key_known)
		buf_add_fmt(&line, ", %d-bit key", found->key_bits);
	if (found->dnssec != VERIFY_DNSSEC_UNKNOWN)
		buf_add_fmt(&line, ", %s", dnssec_name(found->dnssec));
	buf_add_char(&line, ')');
	if (found->result != VERIFY_PASS)
		buf_add_fmt(&line, ": %s", verify_reason_text(found->reason));
	if (found->result != VERIFY_PASS && found->detail.n > 0)
		buf_add_fmt(&line, "; %.*s", SPAN_ARG(found->detail));
	if (found->result == VERIFY_PASS && found->body_covered < found->body_octets)
		buf_add_fmt(&line, ": only %llu of %llu octets of the body are signed",
		    (unsigned long long)found->body_covered,
		    (unsigned long long)found->body_octets);
	cli_tell(request->program, "%s", buf_text(&line));
	buf_free(&line);
}

static void
add_member(struct buf *line, const char *name, struct span value)
{
	buf_add_fmt(line, ",\"%s\":", name);
	cli_json_string(line, value);
}

static void
print_json(const char *file, const struct verify_signature *found)
{
	struct buf line;

	buf_init(&line, 1u << 20);
	buf_add_str(&line, "{\"file\":");
	cli_json_string(&line, span_str(file));
	add_member(
	    &line, "result", span_str(found == NULL ? "none" : verify_result_name(found->result)));
	if (found != NULL) {
		add_member(&line, "reason", span_str(verify_reason_text(found->reason)));
		add_member(&line, "detail", found->detail);
		add_member(&line, "domain", found->field.domain);
		add_member(&line, "selector", found->field.selector);
		add_member(&line, "identity", found->field.identity);
		add_member(&line, "algorithm", found->field.algorithm_text);
		add_member(&line, "dnssec", span_str(dnssec_name(found->dnssec)));
		buf_add_fmt(&line,
		    ",\"bits\":%d,\"testing\":%s,\"body_octets\":%llu,\"body_signed\":%llu",
		    found->key_bits, found->testing ? "true" : "false",
		    (unsigned long long)found->body_octets,
		    (unsigned long long)found->body_covered);
	}
	buf_add_str(&line, "}\n");
	fputs(buf_text(&line), stdout);
	buf_free(&line);
}

static void
print_authres(const struct testmsg *request, const struct verify *verify)
{
	struct authres_style style = {.authserv_id = span_str(request->authserv_id)};
	char host[HOST_BYTES_MAX] = "localhost";
	struct buf value;

	if (request->authserv_id == NULL) {
		if (gethostname(host, sizeof(host)) != 0)
			snprintf(host, sizeof(host), "localhost");
		host[sizeof(host) - 1] = '\0';
		style.authserv_id = span_str(host);
	}
	buf_init(&value, AUTHRES_VALUE_MAX);
	if (authres_write(&style, verify, &value) == ST_OK)
		printf("%s:%s\n", AUTHRES_FIELD_NAME, buf_text(&value));
	else
		cli_say(request->program, "the Authentication-Results field is too long");
	buf_free(&value);
}

static int
print_results(const struct testmsg *request, const char *file, const struct verify *verify)
{
	size_t count = verify_count(verify);
	bool passed = false;

	for (size_t i = 0; i < count; i++) {
		const struct verify_signature *found = verify_signature(verify, i);

		passed = passed || found->result == VERIFY_PASS;
		if (request->json)
			print_json(file, found);
		else if (!request->authres)
			print_line(request, file, found);
	}
	if (count == 0 && request->json)
		print_json(file, NULL);
	else if (count == 0 && !request->authres)
		cli_tell(request->program, "%s: message not signed", file);
	if (verify_uncounted(verify) > 0)
		cli_say(request->program, "%s: %zu more signatures were not looked at", file,
		    verify_uncounted(verify));
	if (request->authres)
		print_authres(request, verify);
	return passed ? EX_OK : EX_DATAERR;
}

static int
verify_file(const struct testmsg *request, const char *path, struct dnsclient *dns)
{
	const struct verify_options options = {.now_utc = clock_utc_s(),
	    .clock_drift_s = CLOCK_DRIFT_S,
	    .minimum_key_bits = KEY_RSA_BITS_MIN,
	    .unprotected = VERIFY_DNSSEC_ACCEPT,
	    .bogus = VERIFY_DNSSEC_FAIL};
	const char *file = strcmp(path, "-") == 0 ? "(stdin)" : path;
	struct message_check check;
	struct err err = ERR_NONE;
	struct buf text;
	int exit_code;

	buf_init(&text, MESSAGE_BYTES_MAX);
	if (message_read(path, &text, &err) != ST_OK) {
		cli_say(request->program, "%s", err.text);
		buf_free(&text);
		return EX_OSERR;
	}
	if (message_check_run(
		&check, buf_span(&text), &options, VERIFY_SIGNATURES_MAX, dns, &err) == ST_OK) {
		exit_code = print_results(request, file, check.verify);
	} else {
		cli_say(request->program, "%s: %s", file, err.text);
		exit_code = EX_SOFTWARE;
	}
	message_check_free(&check);
	buf_free(&text);
	return exit_code;
}

int
testmsg_verify(const struct testmsg *request)
{
	struct err err = ERR_NONE;
	struct dnsclient dns;
	int exit_code;

	if (dnsclient_open(&dns, NULL, &request->dns, &err) != ST_OK) {
		cli_say(request->program, "%s", err.text);
		return EX_CONFIG;
	}
	exit_code = request->files[0] == NULL ? verify_file(request, "-", &dns) : EX_OK;
	for (char **file = request->files; *file != NULL; file++) {
		int one = verify_file(request, *file, &dns);

		if (exit_code == EX_OK || one > exit_code)
			exit_code = one;
	}
	dnsclient_close(&dns);
	return exit_code;
}
