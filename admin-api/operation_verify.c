/*
 * operation_verify.c - verify: a message that somebody shows is verified, as a gateway would do it
 * now, and what is not as it was signed is named.
 * Called through the table of operations. It must never write a part of the message into the log or
 * the audit, nor tell of a key in the store to somebody who may not see its domain.
 */
#include "config.h"

#include <string.h>

#include "admin-api/operation_verify.h"
#include "lib/base/clock.h"

struct verify_options
verify_defaults(const struct operation_call *call)
{
	return (struct verify_options){.now_utc = call->now_utc,
	    .clock_drift_s = VERIFY_DRIFT_S,
	    .minimum_key_bits = KEY_RSA_BITS_MIN,
	    .unprotected = VERIFY_DNSSEC_ACCEPT,
	    .bogus = VERIFY_DNSSEC_FAIL};
}

enum operation_code
verify_open_dns(struct operation_call *call, struct dnsclient *dns)
{
	const struct conf *conf = call->admin->conf;
	struct dnsclient_options options = {.nameservers = NULL};
	struct err err = ERR_NONE;

	/* Where only those are named that proofs ask. */
	if (conf == NULL ||
	    (!conf_is_set(conf, CONF_NAMESERVERS) && !conf_is_set(conf, CONF_TEST_PUBLIC_KEYS) &&
		!conf_is_set(conf, CONF_TEST_DNS_DATA) &&
		!conf_is_set(conf, CONF_RESOLVER_CONFIGURATION)))
		options.nameservers = call->admin->authority.resolvers;
	if (dnsclient_open(dns, conf, &options, &err) != ST_OK)
		return call_refuse(call, OPERATION_INTERNAL, "DNS cannot be asked: %s", err.text);
	dns->until_ms = clock_mono_ms() + VERIFY_DNS_MS;
	return OPERATION_OK;
}

static size_t
count_lines(struct span text)
{
	size_t count = 0;

	for (size_t lf = span_find(text, '\n'); lf != SIZE_MAX; lf = span_find(text, '\n')) {
		count++;
		text = span_from(text, lf + 1);
	}
	return count;
}

/* A line of mbox in front of the header is no field. */
static size_t
first_line(const struct message_check *check, struct span text)
{
	struct span name = check->list.fields[0].name;

	return text.n > name.n && memcmp(text.p, name.p, name.n) == 0 &&
		       !(span_starts(text, SPAN_LIT("From ")) &&
			   !span_starts(name, SPAN_LIT("From ")))
		   ? 1
		   : 2;
}

static enum operation_code
check_message(struct operation_call *call, struct message_check *check,
    const struct verify_options *options, struct dnsclient *dns)
{
	struct span text = call->caller->message;
	struct err err = ERR_NONE;
	enum status status =
	    message_check_run(check, text, options, VERIFY_SIGNATURES_MAX, dns, &err);
	struct verify_view *view;
	enum operation_code code;

	if (status != ST_OK)
		return call_refuse(
		    call, OPERATION_VALIDATION, "the message cannot be read: %s", err.text);
	view = arena_alloc(&call->arena, sizeof(*view));
	if (view == NULL)
		return call_refuse(call, OPERATION_INTERNAL, "there is no room for the answer");
	*view = (struct verify_view){.check = check,
	    .options = options,
	    .text = text,
	    .header_line = first_line(check, text),
	    .body_line = count_lines(span_sub(text, 0, check->body_at)) + 1};
	diagnose_begin(&view->diagnose);
	code = verify_show(call, view);
	return code;
}

enum operation_code
operation_verify(struct operation_call *call)
{
	const struct verify_options options = verify_defaults(call);
	struct message_check check;
	struct dnsclient dns;
	enum operation_code code;

	if (call->caller->message.n == 0)
		return call_refuse(call, OPERATION_VALIDATION,
		    "a message is needed, which only a request of HTTP can have as its body");
	code = verify_open_dns(call, &dns);
	if (code != OPERATION_OK)
		return code;
	code = check_message(call, &check, &options, &dns);
	message_check_free(&check);
	dnsclient_close(&dns);
	return code;
}
