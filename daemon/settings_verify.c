/*
 * settings_verify.c - what verification goes by, from the configuration.
 * Called by settings_new in every process of a generation. It must never keep a pointer into conf.
 */
#include <string.h>

#include "daemon/rules.h"
#include "daemon/settings.h"
#include "lib/base/mem.h"
#include "lib/conf/values.h"

static enum status
read_actions(const struct conf *conf, struct settings_verify *verifying, struct err *err)
{
	const struct {
		enum conf_parameter parameter;
		enum conf_action *action;
	} actions[] = {{CONF_ON_BAD_SIGNATURE, &verifying->on_bad_signature},
	    {CONF_ON_DNS_ERROR, &verifying->on_dns_error},
	    {CONF_ON_KEY_NOT_FOUND, &verifying->on_key_not_found},
	    {CONF_ON_NO_SIGNATURE, &verifying->on_no_signature}};
	enum status status = ST_OK;

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]) && status == ST_OK; i++)
		status = settings_action(conf, actions[i].parameter, actions[i].action, err);
	return status;
}

static enum status
read_lists(const struct conf *conf, struct settings_verify *verifying, struct err *err)
{
	enum status status = rules_list(conf, CONF_MUST_BE_SIGNED, &verifying->must_be_signed, err);

	if (status == ST_OK)
		status = rules_list(conf, CONF_REMOVE_AR_FROM, &verifying->remove_from, err);
	verifying->options.must_be_signed = (const char *const *)verifying->must_be_signed;
	return status;
}

static enum status
read_rules(const struct conf *conf, struct verify_options *options, struct err *err)
{
	static const enum verify_dnssec_rule rules[] = {[CONF_KEY_RULE_NONE] = VERIFY_DNSSEC_ACCEPT,
	    [CONF_KEY_RULE_NEUTRAL] = VERIFY_DNSSEC_NEUTRAL,
	    [CONF_KEY_RULE_FAIL] = VERIFY_DNSSEC_FAIL};
	static const enum verify_minimum kinds[] = {[CONF_MINIMUM_BYTES] = VERIFY_MINIMUM_BYTES,
	    [CONF_MINIMUM_PERCENT] = VERIFY_MINIMUM_PERCENT,
	    [CONF_MINIMUM_ALL_BUT] = VERIFY_MINIMUM_ALL_BUT};
	enum conf_key_rule unprotected, bogus;
	enum conf_minimum_kind kind;
	enum status status =
	    conf_minimum(conf_string(conf, CONF_MINIMUM), &kind, &options->minimum, err);

	if (status == ST_OK)
		status = conf_key_rule(conf_string(conf, CONF_UNPROTECTED_KEY), &unprotected, err);
	if (status == ST_OK)
		status = conf_key_rule(conf_string(conf, CONF_BOGUS_KEY), &bogus, err);
	if (status != ST_OK)
		return status;
	options->minimum_kind = kinds[kind];
	options->unprotected = rules[unprotected];
	options->bogus = rules[bogus];
	return ST_OK;
}

static void
read_numbers(const struct conf *conf, struct settings_verify *verifying)
{
	int64_t most = conf_int(conf, CONF_MAXIMUM_SIGNATURES_TO_VERIFY);

	verifying->signatures_max = VERIFY_SIGNATURES_MAX;
	if (most > 0 && most < (int64_t)VERIFY_SIGNATURES_MAX)
		verifying->signatures_max = (size_t)most;
	verifying->dns_timeout_ms = conf_dns_timeout_ms(conf_int(conf, CONF_DNS_TIMEOUT));
	verifying->options.clock_drift_s = conf_clock_drift_s(conf_int(conf, CONF_CLOCK_DRIFT));
	verifying->options.minimum_key_bits = (int)conf_int(conf, CONF_MINIMUM_KEY_BITS);
}

static void
read_flags(const struct conf *conf, struct settings_verify *verifying)
{
	verifying->options.fix_crlf = conf_bool(conf, CONF_FIX_CRLF);
	verifying->id_with_job_id = conf_bool(conf, CONF_AUTHSERV_ID_WITH_JOB_ID);
	verifying->no_header_b = conf_bool(conf, CONF_NO_HEADER_B);
	verifying->always_add = conf_bool(conf, CONF_ALWAYS_ADD_AR_HEADER);
	verifying->keep_results = conf_bool(conf, CONF_KEEP_AUTH_RESULTS);
	verifying->remove_all = conf_bool(conf, CONF_REMOVE_AR_ALL);
	verifying->ignore_malformed = conf_bool(conf, CONF_IGNORE_MALFORMED_MAIL);
	verifying->strict_headers = conf_bool(conf, CONF_STRICT_HEADERS);
	verifying->weak_syntax = conf_bool(conf, CONF_WEAK_SYNTAX_CHECKS);
	verifying->log_results = conf_bool(conf, CONF_LOG_RESULTS);
	verifying->quarantine_errors = conf_bool(conf, CONF_CAPTURE_UNKNOWN_ERRORS);
	verifying->ask_trusted = conf_is_set(conf, CONF_TRUST_SIGNATURES_FROM);
	verifying->ask_role = conf_is_set(conf, CONF_EXEMPT_DOMAINS) ||
			      conf_is_set(conf, CONF_DOMAIN) ||
			      conf_is_set(conf, CONF_SIGNING_TABLE);
}

static void
read_id(const struct conf *conf, struct settings *settings)
{
	const char *id = conf_string(conf, CONF_AUTHSERV_ID);

	if (id == NULL)
		return;
	settings->verifying.authserv_id =
	    mem_strdup(strcmp(id, "HOSTNAME") == 0 ? settings->host_name : id);
}

enum status
settings_verify_read(const struct conf *conf, struct settings *settings, struct err *err)
{
	struct settings_verify *verifying = &settings->verifying;
	enum status status = read_actions(conf, verifying, err);

	read_numbers(conf, verifying);
	read_flags(conf, verifying);
	read_id(conf, settings);
	if (status == ST_OK)
		status = read_rules(conf, &verifying->options, err);
	if (status == ST_OK)
		status = read_lists(conf, verifying, err);
	return status;
}

void
settings_verify_free(struct settings_verify *verifying)
{
	rules_list_free(verifying->must_be_signed);
	rules_list_free(verifying->remove_from);
	mem_free(verifying->authserv_id);
}
