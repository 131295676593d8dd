/*
 * settings.c - from parameters to what the message path uses.
 * Called by every process of a generation after the fork. It must never keep a pointer into conf.
 */
#include <string.h>
#include <unistd.h>

#include "daemon/rules.h"
#include "daemon/settings.h"
#include "lib/base/buf.h"
#include "lib/base/mem.h"

/* Octets of the list of macros asked for at one stage. */
#define MACROS_MAX 4096

static enum status
read_canon(const struct conf *conf, struct settings *settings, struct err *err)
{
	bool header_relaxed, body_relaxed;
	enum status status = conf_canonicalization(
	    conf_string(conf, CONF_CANONICALIZATION), &header_relaxed, &body_relaxed, err);

	if (status != ST_OK)
		return status;
	settings->header_canon = header_relaxed ? CANON_RELAXED : CANON_SIMPLE;
	settings->body_canon = body_relaxed ? CANON_RELAXED : CANON_SIMPLE;
	return ST_OK;
}

static enum status
read_policy(const struct conf *conf, struct settings *settings, struct err *err)
{
	struct header_policy_config config;
	char **sign = NULL, **omit = NULL, **over = NULL;
	enum status status = rules_list(conf, CONF_SIGN_HEADERS, &sign, err);

	if (status == ST_OK)
		status = rules_list(conf, CONF_OMIT_HEADERS, &omit, err);
	if (status == ST_OK)
		status = rules_list(conf, CONF_OVER_SIGN_HEADERS, &over, err);
	config = (struct header_policy_config){
	    (const char *const *)sign, (const char *const *)omit, (const char *const *)over};
	if (status == ST_OK)
		status = header_policy_new(&config, &settings->policy, err);
	rules_list_free(sign);
	rules_list_free(omit);
	rules_list_free(over);
	return status;
}

/* On-Default sets all actions, the specific one wins. */
enum status
settings_action(
    const struct conf *conf, enum conf_parameter parameter, enum conf_action *out, struct err *err)
{
	const char *text = conf_string(conf, parameter);

	if (!conf_is_set(conf, parameter) && conf_is_set(conf, CONF_ON_DEFAULT))
		text = conf_string(conf, CONF_ON_DEFAULT);
	return conf_action(text, out, err);
}

static enum status
read_actions(const struct conf *conf, struct settings *settings, struct err *err)
{
	enum status status = settings_action(conf, CONF_ON_SECURITY, &settings->on_security, err);

	if (status == ST_OK)
		status = settings_action(
		    conf, CONF_ON_INTERNAL_ERROR, &settings->on_internal_error, err);
	if (status == ST_OK)
		status = settings_action(
		    conf, CONF_ON_SIGNATURE_ERROR, &settings->on_signature_error, err);
	return status;
}

static void
add_macro_name(struct buf *out, struct span name)
{
	if (name.n > 1 && !span_starts(name, SPAN_LIT("{")))
		buf_add_fmt(out, " {%.*s}", (int)name.n, name.p);
	else
		buf_add_fmt(out, " %.*s", (int)name.n, name.p);
}

/* The macros to ask for: those the decision uses, and the names of MacroList. */
static enum status
read_macros(const struct conf *conf, struct settings *settings, struct err *err)
{
	char **names = NULL;
	enum status status = rules_list(conf, CONF_MACRO_LIST, &names, err);
	struct buf more;

	if (status != ST_OK)
		return status;
	buf_init(&more, MACROS_MAX);
	for (size_t i = 0; names != NULL && names[i] != NULL; i++)
		add_macro_name(&more, span_str(names[i]));
	settings->want_macros = names != NULL;
	rules_list_free(names);
	if (buf_status(&more) != ST_OK) {
		err_set(err, "MacroList: the names of the macros are longer than %d octets in all",
		    MACROS_MAX);
		status = ST_INVALID;
	} else {
		struct buf text;

		buf_init(&text, MACROS_MAX + 64);
		buf_add_fmt(&text, "i j {daemon_name}%s", buf_text(&more));
		settings->connect_macros = mem_strdup(buf_text(&text));
		buf_reset(&text);
		buf_add_fmt(&text, "i {daemon_name} {auth_type} {auth_authen}%s", buf_text(&more));
		settings->mail_macros = mem_strdup(buf_text(&text));
		buf_free(&text);
	}
	buf_free(&more);
	return status;
}

/* Who names no KeyStore gets what opendkim does. Without the samples nothing is looked at. */
static void
read_self_verify(const struct conf *conf, struct settings *settings)
{
	bool store = conf_is_set(conf, CONF_KEY_STORE);

	settings->self_verify_asked = conf_is_set(conf, CONF_SELF_VERIFY);
	if (!settings->sign || (!store && !settings->self_verify_asked))
		return;
	settings->self_verify = (uint32_t)conf_int(conf, CONF_SELF_VERIFY);
	if (settings->self_verify > 0)
		settings->self_verify_first = (uint32_t)conf_int(conf, CONF_SELF_VERIFY_FIRST);
}

static void
read_plain(const struct conf *conf, struct settings *settings)
{
	int64_t header_bytes = conf_int(conf, CONF_MAXIMUM_HEADERS);

	settings->header_bytes_max = SETTINGS_HEADER_BYTES_MAX;
	if (header_bytes > 0 && header_bytes < (int64_t)SETTINGS_HEADER_BYTES_MAX)
		settings->header_bytes_max = (size_t)header_bytes;
	settings->body_limit = conf_int(conf, CONF_MAXIMUM_SIGNED_BYTES);
	settings->fix_crlf = conf_bool(conf, CONF_FIX_CRLF);
	settings->remove_old_signatures = conf_bool(conf, CONF_REMOVE_OLD_SIGNATURES);
	settings->software_header = conf_bool(conf, CONF_SOFTWARE_HEADER);
	settings->required_headers = conf_bool(conf, CONF_REQUIRED_HEADERS);
	settings->log_why = conf_bool(conf, CONF_LOG_WHY);
	settings->log_success = conf_bool(conf, CONF_SYSLOG_SUCCESS);
	settings->ask_peer = conf_is_set(conf, CONF_PEER_LIST);
	settings->want_recipients = conf_is_set(conf, CONF_DONT_SIGN_MAIL_TO);
	settings->pipelining = conf_bool(conf, CONF_MILTER_PIPELINING);
	settings->idle_timeout_s = conf_int(conf, CONF_IDLE_TIMEOUT);
	settings->connections_max = (size_t)conf_int(conf, CONF_MAXIMUM_CONNECTIONS);
	if (gethostname(settings->host_name, sizeof(settings->host_name) - 1) != 0)
		memcpy(settings->host_name, "localhost", sizeof("localhost"));
}

/* What messages would be refused for, changed by, or verified with, is off. */
static void
settle_shadow(const struct conf *conf, struct settings *settings)
{
	settings->shadow = conf_is_set(conf, CONF_SHADOW_REPORT);
	if (!settings->shadow)
		return;
	settings->verify = settings->remove_old_signatures = settings->software_header = false;
	settings->required_headers = settings->verifying.strict_headers = false;
	settings->ask_peer = settings->self_verify_asked = false; /* the keeper asks PeerList */
	settings->self_verify = settings->self_verify_first = 0;
	settings->on_security = CONF_ACTION_ACCEPT;
}

enum status
settings_new(const struct conf *conf, struct settings **settings_out, struct err *err)
{
	struct settings *settings = mem_zalloc(1, sizeof(*settings));
	enum status status =
	    conf_mode(conf_string(conf, CONF_MODE), &settings->sign, &settings->verify, err);

	read_plain(conf, settings);
	read_self_verify(conf, settings);
	if (status == ST_OK)
		status = read_canon(conf, settings, err);
	if (status == ST_OK)
		status = read_actions(conf, settings, err);
	if (status == ST_OK)
		status = read_policy(conf, settings, err);
	if (status == ST_OK)
		status = settings_verify_read(conf, settings, err);
	settle_shadow(conf, settings);
	if (status == ST_OK)
		status = read_macros(conf, settings, err);
	if (status == ST_OK)
		status = rules_list(conf, CONF_SENDER_HEADERS, &settings->sender_headers, err);
	if (status == ST_OK && settings->sender_headers[0] == NULL) {
		err_set(err, "SenderHeaders names no header field");
		status = ST_INVALID;
	}
	if (status != ST_OK) {
		settings_free(settings);
		return status;
	}
	*settings_out = settings;
	return ST_OK;
}

void
settings_free(struct settings *settings)
{
	if (settings == NULL)
		return;
	header_policy_free(settings->policy);
	settings_verify_free(&settings->verifying);
	rules_list_free(settings->sender_headers);
	mem_free(settings->connect_macros);
	mem_free(settings->mail_macros);
	mem_free(settings);
}

enum verdict
settings_verdict(enum conf_action action)
{
	switch (action) {
	case CONF_ACTION_ACCEPT:
		return VERDICT_PASS;
	case CONF_ACTION_DISCARD:
		return VERDICT_DISCARD;
	case CONF_ACTION_REJECT:
		return VERDICT_REJECT;
	case CONF_ACTION_QUARANTINE:
		return VERDICT_QUARANTINE;
	default:
		return VERDICT_TEMPFAIL;
	}
}
