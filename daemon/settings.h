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

/* Header octets of one message kept at most, whatever MaximumHeaders says. */
#define SETTINGS_HEADER_BYTES_MAX 262144U

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
	bool ask_peer;        /* PeerList is set */
	bool want_recipients; /* DontSignMailTo is set */
	bool want_macros;     /* MacroList is set */
	bool pipelining;
	char *connect_macros; /* what SMFIR_SETSYMLIST asks at connect and at MAIL */
	char *mail_macros;
	char host_name[256]; /* for DKIM-Filter */
	int64_t idle_timeout_s;
	size_t connections_max; /* per front-end */
};

/* conf is borrowed for the call only. ST_INVALID: err names the parameter. */
enum status settings_new(
    const struct conf *conf, struct settings **settings_out, struct err *err) MUST_USE;
/* What an On-* action does to a message. */
enum verdict settings_verdict(enum conf_action action);
void settings_free(struct settings *settings);

#endif
