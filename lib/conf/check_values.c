/*
 * check_values.c - values that only their own parsers understand.
 * Called by check.c for each parameter that is set. It must never open a file.
 */
#include <string.h>

#include "lib/conf/private.h"
#include "lib/conf/values.h"

static enum status
value_action(const char *text, struct err *err)
{
	enum conf_action action;

	return conf_action(text, &action, err);
}

static enum status
value_canonicalization(const char *text, struct err *err)
{
	bool header, body;

	return conf_canonicalization(text, &header, &body, err);
}

static enum status
value_facility(const char *text, struct err *err)
{
	int facility;

	return conf_syslog_facility(text, &facility, err);
}

/* The names of SASL mechanisms (RFC 4422 section 3.1), and OpenDKIM's two of its own. */
static enum status
value_mechanism(const char *text, struct err *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_";
	size_t n = strspn(text, letters);

	if (text[n] == '\0' && n <= 20)
		return ST_OK;
	err_set(err, "none, simple or the name of a SASL mechanism is needed (EXTERNAL)");
	return ST_INVALID;
}

static enum status
value_mode(const char *text, struct err *err)
{
	bool sign, verify;

	return conf_mode(text, &sign, &verify, err);
}

static enum status
value_rate(const char *text, struct err *err)
{
	unsigned int count, seconds;

	return conf_restart_rate(text, &count, &seconds, err);
}

static enum status
value_socket(const char *text, struct err *err)
{
	struct conf_socket parsed;

	return conf_socket(text, &parsed, err);
}

static enum status
value_algorithm(const char *text, struct err *err)
{
	struct span name = span_str(text);

	if (span_ieq_str(name, "rsa-sha256") || span_ieq_str(name, "ed25519-sha256"))
		return ST_OK;
	if (span_ieq_str(name, "rsa-sha1"))
		err_set(err, "RFC 8301 forbids signing with SHA-1; write rsa-sha256");
	else
		err_set(err, "rsa-sha256 or ed25519-sha256 is needed");
	return ST_INVALID;
}

static enum status
value_key_rule(const char *text, struct err *err)
{
	enum conf_key_rule rule;

	return conf_key_rule(text, &rule, err);
}

static enum status
value_origins(const char *text, struct err *err)
{
	unsigned origins;

	return conf_origins(text, &origins, err);
}

static enum status
value_sender_match(const char *text, struct err *err)
{
	enum conf_sender_match match;

	return conf_sender_match(text, &match, err);
}

static enum status
value_minimum(const char *text, struct err *err)
{
	enum conf_minimum_kind kind;
	uint64_t number;

	return conf_minimum(text, &kind, &number, err);
}

/* A prefix of OpenDKIM's kinds of data sets; those that this release does not open are refused
 * where they are opened. */
static enum status
value_walkable(const char *text, struct err *err)
{
	if (span_istarts(span_str(text), SPAN_LIT("refile:")))
		err_set(
		    err, "the names must be listed, which patterns cannot be; write csl: or file:");
	else if (span_istarts(span_str(text), SPAN_LIT("dsn:")))
		err_set(err,
		    "the names must be listed, which a database is not asked for; write csl: or "
		    "file:");
	else
		return ST_OK;
	return ST_INVALID;
}

static enum status
value_file_name(const char *text, struct err *err)
{
	if (!span_ends(span_str(text), SPAN_LIT("/")))
		return ST_OK;
	err_set(err, "the name of a file is needed, not of a folder");
	return ST_INVALID;
}

static enum status
value_gateway_name(const char *text, struct err *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.:";
	size_t n = strspn(text, letters);

	if (text[n] == '\0' && n > 0 && n <= 255)
		return ST_OK;
	err_set(err, "a name is needed, of letters, digits, '-', '_', '.' and ':'");
	return ST_INVALID;
}

/* Which kinds of stores there are is known where they are opened. */
static enum status
value_gateway_report(const char *text, struct err *err)
{
	struct span word = span_str(text);

	if (span_ieq_str(word, "no") || span_ieq_str(word, "yes") ||
	    span_find(word, ':') != SIZE_MAX)
		return ST_OK;
	err_set(err, "no, yes, or a key store is needed, as in mysql://USER:PASSWORD@HOST/NAME");
	return ST_INVALID;
}

static const struct {
	enum conf_parameter parameter;
	enum status (*parse)(const char *text, struct err *err);
} values[] = {
    {CONF_AUTHSERV_ID, conf_authserv_id},
    {CONF_AUTO_RESTART_RATE, value_rate},
    {CONF_BOGUS_KEY, value_key_rule},
    {CONF_CANONICALIZATION, value_canonicalization},
    {CONF_GATEWAY_NAME, value_gateway_name},
    {CONF_GATEWAY_REPORT, value_gateway_report},
    {CONF_LDAP_AUTH_MECHANISM, value_mechanism},
    {CONF_REQUIRE_SENDER_MATCH, value_sender_match},
    {CONF_SIGN_ONLY, value_origins},
    {CONF_METRICS_FILE, value_file_name},
    {CONF_MINIMUM, value_minimum},
    {CONF_MODE, value_mode},
    {CONF_MUST_BE_SIGNED, value_walkable},
    {CONF_NAMESERVERS, conf_nameservers},
    {CONF_ON_DEFAULT, value_action},
    {CONF_ON_BAD_SIGNATURE, value_action},
    {CONF_ON_DNS_ERROR, value_action},
    {CONF_ON_INTERNAL_ERROR, value_action},
    {CONF_ON_KEY_NOT_FOUND, value_action},
    {CONF_ON_NO_SIGNATURE, value_action},
    {CONF_ON_SECURITY, value_action},
    {CONF_ON_SIGNATURE_ERROR, value_action},
    {CONF_SIGNATURE_ALGORITHM, value_algorithm},
    {CONF_SOCKET, value_socket},
    {CONF_SYSLOG_FACILITY, value_facility},
    {CONF_UNPROTECTED_KEY, value_key_rule},
};

enum status
conf_check_value(enum conf_parameter parameter, const char *text, struct err *err)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (values[i].parameter == parameter)
			return values[i].parse(text, err);
	return ST_OK;
}
