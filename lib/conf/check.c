/*
 * check.c - the rules between parameters; those of single values are in check_values.c.
 * Called by the parent after the files and the flags. The sentences begin with OpenDKIM's own
 * words, so that what is written about those helps here; what to do follows. It must never open
 * anything but to see whether a file that is named can be read.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "lib/conf/check.h"
#include "lib/conf/private.h"
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

static void
check_values(struct check *check)
{
	for (size_t i = 0; i < CONF_COUNT; i++) {
		enum conf_parameter parameter = (enum conf_parameter)i;
		struct err err = ERR_NONE;

		if (!is_set(check, parameter) ||
		    conf_check_value(parameter, conf_string(check->conf, parameter), &err) == ST_OK)
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
	if (keys && !signing && !is_set(check, CONF_KEY_STORE))
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
	    !is_set(check, CONF_DOMAIN) && !is_set(check, CONF_KEY_STORE))
		CHECK_WARNING(check, CONF_MODE,
		    "nothing will be signed: add Domain, Selector and KeyFile, or KeyTable and "
		    "SigningTable, or KeyStore");
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

/* What says nothing without a KeyStore, and keys that nobody could open. */
static void
check_store(struct check *check)
{
	static const enum conf_parameter parts[] = {CONF_REQUIRE_TENANT, CONF_TENANT_MAP,
	    CONF_KEY_STORE_POLL_INTERVAL, CONF_GATEWAY_NAME, CONF_GATEWAY_REPORT,
	    CONF_GATEWAY_REPORT_INTERVAL};
	bool sealed = is_set(check, CONF_SITE_KEY_FILE);

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (is_set(check, parts[i]) && !is_set(check, CONF_KEY_STORE))
			CHECK_WARNING(check, parts[i],
			    "%s is of no use without KeyStore: add KeyStore, or remove it",
			    conf_name(parts[i]));
	if (sealed && !is_set(check, CONF_KEY_STORE) && !is_set(check, CONF_MEMCACHED))
		CHECK_WARNING(check, CONF_SITE_KEY_FILE,
		    "SiteKeyFile is of no use without KeyStore or Memcached: add one of them, or "
		    "remove it");
	if (!sealed && is_set(check, CONF_MEMCACHED))
		CHECK_WARNING(check, CONF_MEMCACHED,
		    "without SiteKeyFile only answers of DNS are kept in Memcached, and only for "
		    "this gateway: add SiteKeyFile");
	if (is_set(check, CONF_MEMCACHED_PREFIX) && !is_set(check, CONF_MEMCACHED))
		CHECK_WARNING(check, CONF_MEMCACHED_PREFIX,
		    "MemcachedPrefix is of no use without Memcached: add Memcached, or remove it");
	if (is_set(check, CONF_KEY_STORE) && !sealed)
		CHECK_WARNING(check, CONF_KEY_STORE,
		    "without SiteKeyFile only keys that are not sealed can be used: add "
		    "SiteKeyFile");
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

/* Shadow mode compares signatures and verifies nothing: who only verifies has nothing to compare.
 */
static void
check_shadow(struct check *check)
{
	if (is_set(check, CONF_SHADOW_REPORT) && !signs(check))
		CHECK_ERROR(check, CONF_MODE,
		    "ShadowReport compares what would be signed, and Mode v signs nothing: set "
		    "Mode to s or sv, or remove ShadowReport");
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
	check_store(&check);
	check_shadow(&check);
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
