/*
 * check.c - the rules between parameters, and values that only their own parsers understand.
 * Called by the parent after the files and the flags. The sentences begin with OpenDKIM's own
 * words, so that what is written about those helps here; what to do follows. It must never open
 * anything but to see whether a file that is named can be read.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "lib/conf/check.h"
#include "lib/conf/values.h"

struct check {
	const struct conf *conf;
	struct conf_report *report;
	bool failed;
};

/* At the line of a parameter, or at the file as a whole when it is not set. */
#define CHECK_ERROR(check, parameter, ...)                                                         \
	do {                                                                                       \
		(check)->failed = true;                                                            \
		conf_report_add((check)->report, CONF_ERROR, place_file(check, parameter),         \
		    conf_origin_line((check)->conf, parameter), __VA_ARGS__);                      \
	} while (0)
#define CHECK_WARNING(check, parameter, ...)                                                       \
	conf_report_add((check)->report, CONF_WARNING, place_file(check, parameter),               \
	    conf_origin_line((check)->conf, parameter), __VA_ARGS__)

static const char *
place_file(const struct check *check, enum conf_parameter parameter)
{
	const char *file = conf_origin_file(check->conf, parameter);

	return file != NULL ? file : conf_main_file(check->conf);
}

static bool
is_set(const struct check *check, enum conf_parameter parameter)
{
	return conf_is_set(check->conf, parameter);
}

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

static const struct {
	enum conf_parameter parameter;
	enum status (*parse)(const char *text, struct err *err);
} values[] = {
    {CONF_AUTHSERV_ID, conf_authserv_id},
    {CONF_AUTO_RESTART_RATE, value_rate},
    {CONF_BOGUS_KEY, value_key_rule},
    {CONF_CANONICALIZATION, value_canonicalization},
    {CONF_LDAP_AUTH_MECHANISM, value_mechanism},
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

static void
check_values(struct check *check)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		enum conf_parameter parameter = values[i].parameter;
		struct err err = ERR_NONE;

		if (!is_set(check, parameter) ||
		    values[i].parse(conf_string(check->conf, parameter), &err) == ST_OK)
			continue;
		CHECK_ERROR(check, parameter, "illegal value \"%.200s\" for \"%s\": %s",
		    conf_string(check->conf, parameter), conf_name(parameter), err.text);
	}
}

/* Whoever only verifies may leave what once signed in the file, as with OpenDKIM. */
static bool
signs(const struct check *check)
{
	bool sign, verify;

	return conf_mode(conf_string(check->conf, CONF_MODE), &sign, &verify, NULL) != ST_OK ||
	       sign;
}

static void
check_single_key(struct check *check)
{
	bool key = is_set(check, CONF_KEY_FILE), selector = is_set(check, CONF_SELECTOR);

	if (is_set(check, CONF_KEY_TABLE) || !signs(check))
		return;
	if (key != selector) {
		CHECK_ERROR(check, key ? CONF_KEY_FILE : CONF_SELECTOR,
		    "KeyFile and Selector must both be defined or both be undefined: add %s",
		    key ? "Selector" : "KeyFile");
	} else if (is_set(check, CONF_DOMAIN) && !key) {
		CHECK_ERROR(check, CONF_DOMAIN,
		    "Domain requires KeyFile and Selector: add both, or use KeyTable and "
		    "SigningTable instead of Domain");
	} else if (key && !is_set(check, CONF_DOMAIN)) {
		CHECK_WARNING(check, CONF_KEY_FILE,
		    "KeyFile signs nothing without Domain: add the domains it signs for");
	}
}

static void
check_tables(struct check *check)
{
	static const enum conf_parameter single[] = {
	    CONF_KEY_FILE, CONF_SELECTOR, CONF_DOMAIN, CONF_SUB_DOMAINS};
	bool keys = is_set(check, CONF_KEY_TABLE), signing = is_set(check, CONF_SIGNING_TABLE);

	if (signing && !keys)
		CHECK_ERROR(check, CONF_SIGNING_TABLE,
		    "use of SigningTable requires KeyTable: add KeyTable");
	if (keys && !signing)
		CHECK_ERROR(check, CONF_KEY_TABLE,
		    "KeyTable requires either SigningTable or SetupPolicyScript: add SigningTable "
		    "(scripts are not run here)");
	for (size_t i = 0; keys && i < sizeof(single) / sizeof(single[0]); i++) {
		if (is_set(check, single[i]))
			CHECK_WARNING(check, single[i],
			    "\"%s\" is ignored because KeyTable is set: remove one of them",
			    conf_name(single[i]));
	}
}

static void
check_nothing_signs(struct check *check)
{
	bool sign = false, verify = false;

	if (conf_mode(conf_string(check->conf, CONF_MODE), &sign, &verify, NULL) != ST_OK || !sign)
		return;
	if (!is_set(check, CONF_KEY_TABLE) && !is_set(check, CONF_SIGNING_TABLE) &&
	    !is_set(check, CONF_KEY_FILE) && !is_set(check, CONF_SELECTOR) &&
	    !is_set(check, CONF_DOMAIN))
		CHECK_WARNING(check, CONF_MODE,
		    "nothing will be signed: add Domain, Selector and KeyFile, or KeyTable and "
		    "SigningTable");
}

/* A ':' before any ',' names the type of a data set; "::1" has one. */
static void
check_host_list(struct check *check, enum conf_parameter parameter)
{
	struct span text, head, kind;

	if (!is_set(check, parameter))
		return;
	text = span_str(conf_string(check->conf, parameter));
	(void)span_cut(&text, ',', &head);
	if (!span_cut(&head, ':', &kind) || span_find(head, ':') == SIZE_MAX)
		return;
	for (size_t i = 0; i < kind.n; i++) {
		if (strchr("0123456789abcdefABCDEF![", kind.p[i]) == NULL)
			return;
	}
	/* "db:" is a type whose letters are hexadecimal digits. */
	if (span_ieq_str(kind, "db"))
		return;
	CHECK_ERROR(check, parameter,
	    "Unknown database type: what is before the first ':' of \"%s\" is taken for the type "
	    "of the list; write csl: in front of it",
	    conf_name(parameter));
}

static void
check_headers(struct check *check)
{
	struct span rest = span_str(conf_string(check->conf, CONF_OVER_SIGN_HEADERS)), item;

	while (conf_list_next(&rest, &item)) {
		if (!span_eq_str(item, "*") && !span_eq_str(item, "csl:*"))
			continue;
		CHECK_WARNING(check, CONF_OVER_SIGN_HEADERS,
		    "\"*\" in OverSignHeaders is the name of a header field and no pattern: name "
		    "the "
		    "fields");
		break;
	}
	if (is_set(check, CONF_MAXIMUM_HEADERS) && conf_int(check->conf, CONF_MAXIMUM_HEADERS) == 0)
		CHECK_WARNING(check, CONF_MAXIMUM_HEADERS,
		    "MaximumHeaders 0 sets no limit of its own: any peer may fill the memory of a "
		    "connection up to the built-in limit");
}

/* A relative name begins at BaseDirectory, where the daemon goes before it opens anything. */
static bool
is_readable(const struct check *check, const char *path)
{
	const char *base = conf_string(check->conf, CONF_BASE_DIRECTORY);
	struct buf full;
	bool readable;

	buf_init(&full, PATH_MAX);
	if (path[0] != '/' && base != NULL)
		buf_add_fmt(&full, "%s/", base);
	buf_add_str(&full, path);
	if (buf_status(&full) != ST_OK)
		errno = ENAMETOOLONG;
	readable = buf_status(&full) == ST_OK && access(buf_text(&full), R_OK) == 0;
	buf_free(&full);
	return readable;
}

/* OpenDKIM does not start without its TrustAnchorFile either, even when nothing uses it. */
static void
check_files(struct check *check)
{
	static const enum conf_parameter files[] = {CONF_LDAP_TLS_CA_FILE,
	    CONF_RESOLVER_CONFIGURATION, CONF_TEST_PUBLIC_KEYS, CONF_TRUST_ANCHOR_FILE};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		const char *path = conf_string(check->conf, files[i]);

		if (path != NULL && !is_readable(check, path))
			CHECK_ERROR(check, files[i],
			    "%s %.300s cannot be read: %s; a file that can be is needed, or no %s",
			    conf_name(files[i]), path, strerror(errno), conf_name(files[i]));
	}
}

/* A name without a password is bound as nobody by most servers (RFC 4513 section 5.1.2), which then
 * show nothing. */
static void
check_directory(struct check *check)
{
	const char *mechanism = conf_string(check->conf, CONF_LDAP_AUTH_MECHANISM);
	bool user = is_set(check, CONF_LDAP_BIND_USER);
	bool password = is_set(check, CONF_LDAP_BIND_PASSWORD);

	if (span_ieq_str(span_str(mechanism), "simple") && user != password)
		CHECK_WARNING(check, user ? CONF_LDAP_BIND_USER : CONF_LDAP_BIND_PASSWORD,
		    "%s is of no use without %s: add it",
		    user ? "LDAPBindUser" : "LDAPBindPassword",
		    user ? "LDAPBindPassword" : "LDAPBindUser");
	if (is_set(check, CONF_LDAP_TLS_VERIFY) && !conf_bool(check->conf, CONF_LDAP_TLS_VERIFY))
		CHECK_WARNING(check, CONF_LDAP_TLS_VERIFY,
		    "LDAPTLSVerify no: whoever is between here and the directory can read and "
		    "change keys; use LDAPTLSCAFile");
}

/* Limits of our own that another number does not lift. */
static void
check_limits(struct check *check)
{
	int64_t timeout_s = conf_int(check->conf, CONF_DNS_TIMEOUT);
	int64_t bits = conf_int(check->conf, CONF_MINIMUM_KEY_BITS);

	if (timeout_s == 0 || timeout_s > CONF_DNS_TIMEOUT_MAX_S)
		CHECK_WARNING(check, CONF_DNS_TIMEOUT,
		    "DNSTimeout %lld is %d seconds here: no message waits longer for DNS",
		    (long long)timeout_s, CONF_DNS_TIMEOUT_MAX_S);
	if (bits > 0 && bits < CONF_MINIMUM_KEY_BITS_LEAST)
		CHECK_WARNING(check, CONF_MINIMUM_KEY_BITS,
		    "MinimumKeyBits %lld is %d here: RFC 8301 forbids smaller keys",
		    (long long)bits, CONF_MINIMUM_KEY_BITS_LEAST);
	if (conf_int(check->conf, CONF_MAXIMUM_SIGNATURES_TO_VERIFY) > CONF_SIGNATURES_MOST)
		CHECK_WARNING(check, CONF_MAXIMUM_SIGNATURES_TO_VERIFY,
		    "MaximumSignaturesToVerify above %d is %d here", CONF_SIGNATURES_MOST,
		    CONF_SIGNATURES_MOST);
}

enum status
conf_check(const struct conf *conf, struct conf_report *report)
{
	struct check check = {conf, report, false};

	check_values(&check);
	check_single_key(&check);
	check_tables(&check);
	check_nothing_signs(&check);
	check_host_list(&check, CONF_INTERNAL_HOSTS);
	check_host_list(&check, CONF_EXTERNAL_IGNORE_LIST);
	check_host_list(&check, CONF_PEER_LIST);
	check_headers(&check);
	check_files(&check);
	check_directory(&check);
	check_limits(&check);
	return check.failed ? ST_INVALID : ST_OK;
}

enum status
conf_check_serving(const struct conf *conf, struct conf_report *report)
{
	struct check check = {conf, report, false};

	if (!is_set(&check, CONF_SOCKET))
		CHECK_ERROR(
		    &check, CONF_SOCKET, "milter socket must be specified: add Socket, or use -p");
	return check.failed ? ST_INVALID : ST_OK;
}
