/*
 * operation_verify.h - what the files of the operations "verify" and "domain.selftest" share.
 */
#ifndef SIGNPOST_ADMIN_API_OPERATION_VERIFY_H
#define SIGNPOST_ADMIN_API_OPERATION_VERIFY_H

#include "admin-api/operation_call.h"
#include "lib/dkim/diagnose.h"
#include "lib/mailauth/message_check.h"

#define VERIFY_DNS_MS 10000   /* for all questions of one request */
#define VERIFY_NAMES_MAX 100U /* of h= that are shown */
#define VERIFY_DRIFT_S 300    /* between clocks, as the gateways allow it */

/* The resolver of the configuration, as a gateway would ask it. call_refuse() was called if not.
 * dnsclient_close(). */
enum operation_code verify_open_dns(struct operation_call *call, struct dnsclient *dns) MUST_USE;
/* As the configuration of a gateway has it by default. */
struct verify_options verify_defaults(const struct operation_call *call);

/* A message that was verified. */
struct verify_view {
	const struct message_check *check;
	const struct verify_options *options;
	struct span text;
	size_t header_line, body_line;
	struct diagnose diagnose;
};

/* ---- operation_verify_show.c ---- */

/* Everything about it, into call->result. */
enum operation_code verify_show(struct operation_call *call, struct verify_view *view);
/* "key-missing", ...; NULL for VERIFY_OK. Static. */
const char *verify_reason_word(enum verify_reason reason);
/* "secure", ...; static. */
const char *verify_dnssec_word(enum verify_dnssec dnssec);
/* The record that is a key's among those that were answered, or the first one; empty: none. */
struct span verify_record(const struct verify_key *key);

#endif
