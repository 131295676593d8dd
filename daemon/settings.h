/*
 * settings.h - the configuration as the message path wants it: typed, compiled, immutable. Each
 * process compiles its own after the fork; the keeper first, so that a mistake is known before a
 * front-end exists. The lists named here (SignHeaders, SenderHeaders, ...) are read once;
 * tables that are looked up per message are the keeper's (rules.h).
 */
#ifndef SIGNPOST_DAEMON_SETTINGS_H
#define SIGNPOST_DAEMON_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/frame.h"
#include "lib/base/status.h"
#include "lib/conf/conf.h"
#include "lib/conf/values.h"
#include "lib/dkim/canon.h"
#include "lib/dkim/select.h"
#include "lib/dkim/verify.h"

/* Header octets of one message kept at most, whatever MaximumHeaders says. */
#define SETTINGS_HEADER_BYTES_MAX 262144U

/* What verification goes by; see signpostd.conf(5) for each. */
struct settings_verify {
	struct verify_options options; /* but now_utc */
	char **must_be_signed;         /* NULL-terminated, or NULL; options points to it */
	size_t signatures_max;         /* MaximumSignaturesToVerify; at most the cap */
	int64_t dns_timeout_ms;
	enum conf_action on_bad_signature, on_dns_error, on_key_not_found, on_no_signature;
	char *authserv_id;  /* NULL: the MTA's macro j */
	char **remove_from; /* RemoveARFrom, NULL-terminated; NULL: none */
	bool id_with_job_id, no_header_b, always_add, keep_results, remove_all;
	bool ignore_malformed, strict_headers, weak_syntax, log_results, quarantine_errors;
	bool ask_role;    /* without s in Mode: the keeper's tables can exempt a message */
	bool ask_trusted; /* TrustSignaturesFrom is set */
};

struct settings {
	bool sign, verify; /* Mode */
	enum canon header_canon, body_canon;
	struct header_policy *policy;
	char **sender_headers; /* NULL-terminated, at least one */
	size_t header_bytes_max;
	enum conf_action on_security, on_internal_error, on_signature_error;
	int64_t body_limit; /* MaximumSignedBytes: l=; -1 for all without l= */
	bool fix_crlf, remove_old_signatures, software_header, required_headers;
	bool log_why, log_success;
	bool shadow;          /* ShadowReport is set: nothing is done to messages */
	bool ask_peer;        /* PeerList is set */
	bool want_recipients; /* DontSignMailTo is set */
	bool want_macros;     /* MacroList is set */
	bool pipelining;
	uint32_t self_verify, self_verify_first; /* one in so many; 0: none. of each key */
	bool self_verify_asked;                  /* SelfVerify is set */
	char *connect_macros; /* what SMFIR_SETSYMLIST asks at connect and at MAIL */
	char *mail_macros;
	struct settings_verify verifying; /* when verify */
	char host_name[256];              /* for DKIM-Filter */
	int64_t idle_timeout_s;
	size_t connections_max; /* per front-end */
};

/* conf is borrowed for the call only. ST_INVALID: err names the parameter. */
enum status settings_new(
    const struct conf *conf, struct settings **settings_out, struct err *err) MUST_USE;
/* The part of verification (settings_verify.c); conf is borrowed for the call. ST_INVALID. */
enum status settings_verify_read(
    const struct conf *conf, struct settings *settings, struct err *err) MUST_USE;
void settings_verify_free(struct settings_verify *verifying);
/* An On-* parameter, or On-Default if only that is set. */
enum status settings_action(const struct conf *conf, enum conf_parameter parameter,
    enum conf_action *out, struct err *err) MUST_USE;
/* What an On-* action does to a message. */
enum verdict settings_verdict(enum conf_action action);
void settings_free(struct settings *settings);

#endif
