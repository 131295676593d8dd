/*
 * test_conf.c - the grammar of configurations, the table of parameters, and what is said to each
 * mistake, against the reference and not against the table itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/conf/check.h"

/* What opendkim.conf(5) says, written from the reference and not from the table under test.
 * Types: s string, b boolean, i integer, d data set. */
static const struct {
	const char *name;
	char type;
	const char *value;
} known[] = {
    {"AllowSHA1Only", 'b', "0"},
    {"AlwaysAddARHeader", 'b', "0"},
    {"ATPSDomains", 'd', NULL},
    {"ATPSHashAlgorithm", 's', "sha256"},
    {"AuthservID", 's', NULL},
    {"AuthservIDWithJobID", 'b', "0"},
    {"AutoRestart", 'b', "0"},
    {"AutoRestartCount", 'i', "0"},
    {"AutoRestartRate", 's', NULL},
    {"Background", 'b', "1"},
    {"BaseDirectory", 's', NULL},
    {"BodyLengthDB", 'd', NULL},
    {"BogusKey", 's', "fail"},
    {"Canonicalization", 's', "simple/simple"},
    {"CaptureUnknownErrors", 'b', "0"},
    {"ChangeRootDirectory", 's', NULL},
    {"ClockDrift", 'i', "300"},
    {"ConditionalSignatures", 'd', NULL},
    {"DefaultSender", 's', NULL},
    {"Diagnostics", 'b', "0"},
    {"DiagnosticDirectory", 's', NULL},
    {"DisableCryptoInit", 'b', "0"},
    {"DNSConnect", 'b', "0"},
    {"DNSCacheSize", 'i', "8388608"},
    {"DNSTimeout", 'i', "5"},
    {"Domain", 'd', NULL},
    {"DomainKeysCompat", 'b', "0"},
    {"DontSignMailTo", 'd', NULL},
    {"EnableCoredumps", 'b', "0"},
    {"ExemptDomains", 'd', NULL},
    {"ExternalIgnoreList", 'd', NULL},
    {"FinalPolicyScript", 's', NULL},
    {"FixCRLF", 'b', "0"},
    {"FlowData", 'd', NULL},
    {"FlowDataFactor", 'i', "1"},
    {"FlowDataTTL", 'i', "86400"},
    {"IdentityHeader", 's', NULL},
    {"IdentityHeaderRemove", 'b', "0"},
    {"IgnoreMalformedMail", 'b', "0"},
    {"InternalHosts", 'd', "csl:127.0.0.1,::1"},
    {"KeepAuthResults", 'b', "0"},
    {"KeepTemporaryFiles", 'b', "0"},
    {"KeyFile", 's', NULL},
    {"KeyTable", 'd', NULL},
    {"LDAPAuthMechanism", 's', "simple"},
    {"LDAPAuthName", 's', NULL},
    {"LDAPAuthRealm", 's', NULL},
    {"LDAPAuthUser", 's', NULL},
    {"LDAPBindPassword", 's', NULL},
    {"LDAPBindUser", 's', NULL},
    {"LDAPDisableCache", 'b', "0"},
    {"LDAPKeepaliveIdle", 'i', NULL},
    {"LDAPKeepaliveProbes", 'i', NULL},
    {"LDAPKeepaliveInterval", 'i', NULL},
    {"LDAPTimeout", 'i', "5"},
    {"LDAPTLSCAFile", 's', NULL},
    {"LDAPTLSVerify", 'b', "1"},
    {"LDAPUseTLS", 'b', "0"},
    {"LogResults", 'b', "0"},
    {"LogWhy", 'b', "0"},
    {"LuaOnlySigning", 'b', "0"},
    {"MacroList", 'd', NULL},
    {"MaximumHeaders", 'i', "65536"},
    {"MaximumSignaturesToVerify", 'i', "3"},
    {"MaximumSignedBytes", 'i', "-1"},
    {"MetricsFile", 's', NULL},
    {"MetricsInterval", 'i', "15"},
    {"MilterDebug", 'i', "0"},
    {"Minimum", 's', "0"},
    {"MinimumKeyBits", 'i', "1024"},
    {"Mode", 's', "sv"},
    {"MTA", 'd', NULL},
    {"MTACommand", 's', NULL},
    {"MultipleSignatures", 'b', "0"},
    {"MustBeSigned", 'd', NULL},
    {"Nameservers", 's', NULL},
    {"NoHeaderB", 'b', "0"},
    {"OmitHeaders", 'd', NULL},
    {"On-BadSignature", 's', "accept"},
    {"On-Default", 's', NULL},
    {"On-DNSError", 's', "tempfail"},
    {"On-InternalError", 's', "tempfail"},
    {"On-KeyNotFound", 's', "accept"},
    {"On-NoSignature", 's', "accept"},
    {"On-ReputationError", 's', "accept"},
    {"On-Security", 's', "tempfail"},
    {"On-SignatureError", 's', "reject"},
    {"OverSignHeaders", 'd', NULL},
    {"PeerList", 'd', NULL},
    {"PidFile", 's', NULL},
    {"POPDBFile", 'd', NULL},
    {"Quarantine", 'b', "0"},
    {"QueryCache", 'b', "0"},
    {"RateLimits", 'd', NULL},
    {"RedirectFailuresTo", 's', NULL},
    {"RemoveARAll", 'b', "0"},
    {"RemoveARFrom", 'd', NULL},
    {"RemoveOldSignatures", 'b', "0"},
    {"ReplaceHeaders", 'd', NULL},
    {"ReplaceRules", 's', NULL},
    {"ReportAddress", 's', NULL},
    {"ReportBccAddress", 's', NULL},
    {"ReputationCache", 's', NULL},
    {"ReputationCacheTTL", 's', NULL},
    {"ReputationDuplicates", 's', NULL},
    {"ReputationLimits", 's', NULL},
    {"ReputationLimitModifiers", 's', NULL},
    {"ReputationLowTime", 's', NULL},
    {"ReputationMinimum", 's', NULL},
    {"ReputationRatios", 's', NULL},
    {"ReputationRRDHashDepth", 's', NULL},
    {"ReputationRRDRoot", 's', NULL},
    {"ReputationSpamCheck", 's', NULL},
    {"ReputationTest", 's', NULL},
    {"ReputationTimeFactor", 's', NULL},
    {"ReputationTimeout", 's', NULL},
    {"ReputationVerbose", 's', NULL},
    {"RequestReports", 'b', "0"},
    {"RequiredHeaders", 'b', "0"},
    {"RequireSafeKeys", 'b', "1"},
    {"ResignAll", 'b', "0"},
    {"ResignMailTo", 'd', NULL},
    {"ResolverConfiguration", 's', NULL},
    {"ResolverTracing", 'b', "0"},
    {"ScreenPolicyScript", 's', NULL},
    {"SelectCanonicalizationHeader", 's', NULL},
    {"Selector", 's', NULL},
    {"SelfVerify", 'i', "1000"},
    {"SelfVerifyFirst", 'i', "10"},
    {"SenderHeaders", 'd', "From"},
    {"SenderMacro", 's', NULL},
    {"SendReports", 'b', "0"},
    {"SetupPolicyScript", 's', NULL},
    {"ShadowReport", 's', NULL},
    {"ShadowReportSize", 'i', "104857600"},
    {"ShadowSigner", 'd', NULL},
    {"SignOnly", 's', "mta,macro,internal,authenticated"},
    {"SignatureAlgorithm", 's', "rsa-sha256"},
    {"SignatureTTL", 'i', "0"},
    {"SignHeaders", 'd', NULL},
    {"SigningTable", 'd', NULL},
    {"SMTPURI", 's', NULL},
    {"Socket", 's', NULL},
    {"SoftStart", 'b', "0"},
    {"SQLTLS", 'b', "0"},
    {"SQLTLSCAFile", 's', "/etc/ssl/certs/ca-certificates.crt"},
    {"SQLTLSVerify", 'b', "1"},
    {"SoftwareHeader", 'b', "0"},
    {"Statistics", 's', NULL},
    {"StatisticsName", 's', NULL},
    {"StatisticsPolicyScript", 's', NULL},
    {"StatisticsPrefix", 's', NULL},
    {"StrictHeaders", 'b', "0"},
    {"StrictTestMode", 'b', "0"},
    {"SubDomains", 'b', "0"},
    {"Syslog", 'b', "0"},
    {"SyslogFacility", 's', "mail"},
    {"SyslogName", 's', NULL},
    {"SyslogSuccess", 'b', "0"},
    {"TemporaryDirectory", 's', "/tmp"},
    {"TestDNSData", 'd', NULL},
    {"TestPublicKeys", 's', NULL},
    {"TrustAnchorFile", 's', NULL},
    {"TrustSignaturesFrom", 'd', NULL},
    {"UMask", 'i', NULL},
    {"UnprotectedKey", 's', "none"},
    {"UserID", 's', NULL},
    {"VBR-Certifiers", 's', NULL},
    {"VBR-PurgeFields", 's', NULL},
    {"VBR-TrustedCertifiers", 's', NULL},
    {"VBR-TrustedCertifiersOnly", 's', NULL},
    {"VBR-Type", 's', NULL},
    {"WeakSyntaxChecks", 'b', "0"},
    {"X-Header", 'b', "0"},
    /* later upstream */
    {"CheckSigningTable", 'b', "1"},
    /* Signpost's own */
    {"MilterPipelining", 'b', "1"},
    {"Frontends", 'i', "0"},
    {"KeeperThreads", 'i', "0"},
    {"ListenBacklog", 'i', "1024"},
    {"MaximumConnections", 'i', "10000"},
    {"DrainTimeout", 'i', "300"},
    {"IdleTimeout", 'i', "7210"},
    {"CacheNegativeTTL", 'i', "5"},
    {"CacheSize", 'i', "402653184"},
    {"CacheStaleTTL", 'i', "86400"},
    {"CacheTTL", 'i', "5"},
    {"FailurePolicy", 's', NULL},
    {"KeyCacheSize", 'i', "62914560"},
    {"KeyStore", 's', NULL},
    {"Memcached", 's', NULL},
    {"MemcachedPrefix", 's', NULL},
    {"KeyStorePollInterval", 'i', "2"},
    {"GatewayName", 's', NULL},
    {"GatewayReport", 's', "no"},
    {"GatewayReportInterval", 'i', "10"},
    {"AdminCertificateFile", 's', NULL},
    {"AdminClientCAFile", 's', NULL},
    {"AdminKeyFile", 's', NULL},
    {"AdminListen", 's', NULL},
    {"AdminLease", 'i', "30"},
    {"AdminName", 's', NULL},
    {"AdminSocket", 's', "/run/signpost/admin.sock"},
    {"DNSPublishers", 's', NULL},
    {"KeyMirrors", 's', NULL},
    {"ProvingPort", 'i', "53"},
    {"ProvingResolvers", 's', NULL},
    {"ProvingThreads", 'i', "8"},
    {"RequireSenderMatch", 's', "no"},
    {"RequireTenant", 'b', "1"},
    {"SiteKeyFile", 's', NULL},
    {"TenantMap", 'd', NULL},
};

static void
test_every_parameter_is_known(void **state)
{
	struct conf *conf = conf_new();

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		enum conf_parameter p = conf_by_name(span_str(known[i].name));

		if (p == CONF_COUNT)
			fail_msg("%s is not known", known[i].name);
		assert_string_equal(conf_name(p), known[i].name);
		assert_int_equal(conf_type_of(p), known[i].type == 's'   ? CONF_TYPE_STRING
						  : known[i].type == 'b' ? CONF_TYPE_BOOL
						  : known[i].type == 'i' ? CONF_TYPE_INT
									 : CONF_TYPE_DATASET);
		assert_false(conf_is_set(conf, p));
		assert_string_equal(conf_origin(conf, p), "default");
		if (known[i].type == 'b')
			assert_int_equal(conf_bool(conf, p), known[i].value[0] == '1');
		else if (known[i].type == 'i')
			assert_int_equal(
			    conf_int(conf, p), known[i].value == NULL ? 0 : atoll(known[i].value));
		else if (known[i].value == NULL)
			assert_null(conf_string(conf, p));
		else
			assert_string_equal(conf_string(conf, p), known[i].value);
	}
	/* All of them and Include. */
	assert_int_equal(CONF_COUNT, sizeof(known) / sizeof(known[0]) + 1);
	conf_free(conf);
}

static char *
report_text(const struct conf_report *report)
{
	size_t size = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	conf_report_print(report, "opendkim", out);
	fclose(out);
	return text;
}

static struct conf *
load_fixture(const char *name)
{
	struct conf_report report = CONF_REPORT_NONE;
	struct conf *conf = conf_new();
	enum status status;
	char path[4096], *text;

	snprintf(path, sizeof(path), "%s/tests/unit/conf/%s", getenv("SRCDIR"), name);
	status = conf_load(conf, path, &report);
	if (status == ST_OK)
		status = conf_check(conf, &report);
	if (status == ST_OK)
		status = conf_check_serving(conf, &report);
	text = report_text(&report);
	assert_string_equal(text, "");
	assert_int_equal(status, ST_OK);
	free(text);
	conf_report_free(&report);
	return conf;
}

static void
test_tutorial_with_one_key(void **state)
{
	struct conf *conf = load_fixture("single.conf");
	const char *origin = conf_origin(conf, CONF_SELECTOR);

	(void)state;
	assert_string_equal(conf_string(conf, CONF_DOMAIN), "example.com");
	assert_string_equal(conf_string(conf, CONF_SELECTOR), "2026a");
	assert_string_equal(conf_string(conf, CONF_KEY_FILE), "/etc/dkimkeys/2026a.private");
	assert_string_equal(conf_string(conf, CONF_OVER_SIGN_HEADERS), "From");
	assert_int_equal(conf_int(conf, CONF_UMASK), 7);
	assert_true(conf_bool(conf, CONF_AUTO_RESTART));
	assert_true(conf_is_set(conf, CONF_SUB_DOMAINS));
	assert_false(conf_bool(conf, CONF_SUB_DOMAINS));
	assert_string_equal(origin + strlen(origin) - strlen("single.conf:12"), "single.conf:12");
	assert_int_equal(conf_origin_line(conf, CONF_SELECTOR), 12);
	conf_free(conf);
}

static void
test_tutorial_with_tables(void **state)
{
	struct conf *conf = load_fixture("tables.conf");

	(void)state;
	assert_string_equal(conf_string(conf, CONF_KEY_TABLE), "refile:/etc/opendkim/KeyTable");
	assert_string_equal(
	    conf_string(conf, CONF_SIGNING_TABLE), "refile:/etc/opendkim/SigningTable");
	assert_string_equal(
	    conf_string(conf, CONF_INTERNAL_HOSTS), "refile:/etc/opendkim/TrustedHosts");
	assert_false(conf_is_set(conf, CONF_DOMAIN));
	assert_false(conf_is_set(conf, CONF_MODE));
	assert_string_equal(conf_string(conf, CONF_MODE), "sv");
	assert_string_equal(conf_string(conf, CONF_USER_ID), "opendkim");
	conf_free(conf);
}

static void
test_tutorial_of_a_gateway(void **state)
{
	struct conf *conf = load_fixture("gateway.conf");

	(void)state;
	assert_false(conf_bool(conf, CONF_BACKGROUND));
	assert_false(conf_bool(conf, CONF_REQUIRE_SAFE_KEYS));
	assert_true(conf_bool(conf, CONF_SUB_DOMAINS));
	assert_int_equal(conf_int(conf, CONF_MAXIMUM_HEADERS), 131072);
	assert_string_equal(conf_string(conf, CONF_DOMAIN), "example.com, example.net");
	conf_free(conf);
}

#define ERROR_AT(line) "opendkim: f.conf: configuration error at line " #line ": "
#define WARNING_AT(line) "opendkim: f.conf: warning at line " #line ": "
#define INTEGER "an integer is needed and nothing may follow it (0x: hexadecimal, leading 0: octal)"
#define LINE_OF(text)                                                                              \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

/* What the parser says to each mistake. */
static const struct {
	struct span text;
	const char *expected;
} mistakes[] = {
    {LINE_OF("Selectr a"),
	ERROR_AT(1) "unrecognized parameter \"Selectr\" (did you mean \"Selector\"?)\n"},
    {LINE_OF("KeyFiel a"),
	ERROR_AT(1) "unrecognized parameter \"KeyFiel\" (did you mean \"KeyFile\"?)\n"},
    {LINE_OF("InternalHost a"),
	ERROR_AT(1) "unrecognized parameter \"InternalHost\" (did you mean \"InternalHosts\"?)\n"},
    {LINE_OF("Qwxyz a"), ERROR_AT(1) "unrecognized parameter \"Qwxyz\"\n"},
    {LINE_OF("K\xc3\xa9y a"), ERROR_AT(1) "unrecognized parameter \"K\\xc3\\xa9y\"\n"},
    {LINE_OF("\n\nKeyFile"), ERROR_AT(3) "required value missing for \"KeyFile\"\n"},
    {LINE_OF("KeyFile  # later"), ERROR_AT(1) "required value missing for \"KeyFile\"\n"},
    {LINE_OF("LogWhy on"),
	ERROR_AT(1) "illegal value \"on\" for \"LogWhy\": yes or no is needed\n"},
    {LINE_OF("DNSTimeout 5s"),
	ERROR_AT(1) "illegal value \"5s\" for \"DNSTimeout\": " INTEGER "\n"},
    {LINE_OF("UMask 08"), ERROR_AT(1) "illegal value \"08\" for \"UMask\": " INTEGER "\n"},
    {LINE_OF("UMask 01000"),
	ERROR_AT(1) "illegal value \"01000\" for \"UMask\": it must be 0 to 511\n"},
    {LINE_OF("SignatureTTL 99999999999999999999"),
	ERROR_AT(1) "illegal value \"99999999999999999999\" for \"SignatureTTL\": it must be 0 to "
		    "2147483647\n"},
    {LINE_OF("LDAPKeepaliveProbes 128"),
	ERROR_AT(1) "illegal value \"128\" for \"LDAPKeepaliveProbes\": it must be 0 to 127\n"},
    {LINE_OF("ListenBacklog 0"),
	ERROR_AT(1) "illegal value \"0\" for \"ListenBacklog\": it must be 1 to 65535\n"},
    {LINE_OF("\xef\xbb\xbfMode s"),
	ERROR_AT(1) "a byte order mark begins the file; save it as plain text without one\n"},
    {LINE_OF("Mode s\nDomain a\0b"),
	ERROR_AT(2) "illegal octet 0x00 at column 9; is this a text file?\n"},
    {LINE_OF("# \0"), ERROR_AT(1) "illegal octet 0x00 at column 3; is this a text file?\n"},
    {LINE_OF("Mode\x01s"), ERROR_AT(1) "illegal octet 0x01 at column 5; is this a text file?\n"},
    {LINE_OF("Include other"), ERROR_AT(1) "Include is not possible here\n"},
    {LINE_OF("Selector a\nSelector b"),
	WARNING_AT(2) "\"Selector\" was \"a\" at f.conf:1; the value of this line wins, remove one "
		      "of them\n"},
    {LINE_OF("Selector a\nSelector a"), ""},
    {LINE_OF("LDAPBindPassword one\nLDAPBindPassword two"),
	WARNING_AT(2) "\"LDAPBindPassword\" was \"***\" at f.conf:1; the value of this line wins, "
		      "remove one of them\n"},
    {LINE_OF("KeyTable dsn:mysql://u:pass@h/d\nKeyTable csl:a"),
	WARNING_AT(2) "\"KeyTable\" was \"dsn:mysql://u:***@h/d\" at f.conf:1; the value of this "
		      "line wins, remove one of them\n"},
    {LINE_OF("KeyTable a:// /\nKeyTable my://u:pa@h:1/d?x@y\nKeyTable csl:a"),
	WARNING_AT(
	    2) "\"KeyTable\" was \"a:// /\" at f.conf:1; the value of this line wins, remove "
	       "one of them\n" WARNING_AT(
		   3) "\"KeyTable\" was \"my://u:***@h:1/d?x@y\" at "
		      "f.conf:2; the value of this line wins, remove one of them\n"},
    {LINE_OF("Quarantine yes\nQuarantine yes"),
	WARNING_AT(1) "\"Quarantine\" is obsolete and has no effect; remove the line\n"},
    {LINE_OF("Canonicalization relaxed"),
	WARNING_AT(1) "\"Canonicalization\": one word is for the header only and the body stays "
		      "\"simple\"; write \"relaxed/relaxed\" or \"relaxed/simple\"\n"},
    {LINE_OF("Canonicalization simple"), ""},
    {LINE_OF("AutoRestartRate 10/1M"),
	WARNING_AT(1) "\"AutoRestartRate\": \"M\" is minutes, as \"m\" is; there is no unit for "
		      "months\n"},
    {LINE_OF("AutoRestartRate 10/1m"), ""},
    {LINE_OF("SignHeaders \"From,To\""),
	WARNING_AT(1) "\"SignHeaders\": nothing is quoted here: the quotes are part of the first "
		      "and the last item; remove them\n"},
    {LINE_OF("SignHeaders +Message-ID"),
	WARNING_AT(1) "\"SignHeaders\": \"+\" and \"-\" change the default list only when \"*\" is "
		      "in the list; here they are part of the names\n"},
    {LINE_OF("SignHeaders *,+Message-ID"), ""},
    {LINE_OF("UMask 22"),
	WARNING_AT(1) "\"UMask\": without a leading 0 the mask is a decimal number\n"},
    {LINE_OF("X-Header yes"),
	WARNING_AT(1) "\"X-Header\": this is the old name of \"SoftwareHeader\"; use that one\n"},
    {LINE_OF("LDAPBindPassword a#b"),
	WARNING_AT(1) "the line ends at its first '#', inside a value too; a blank before '#' says "
		      "that this is meant\n"},
    /* All of them, in order. */
    {LINE_OF("Selectr a\nMode s\nKeyFile\nLogWhy maybe\n"),
	ERROR_AT(1) "unrecognized parameter \"Selectr\" (did you mean \"Selector\"?)\n" ERROR_AT(
	    3) "required value missing for \"KeyFile\"\n" ERROR_AT(4) "illegal value \"maybe\" for "
								      "\"LogWhy\": yes or no is "
								      "needed\n"},
};

static void
test_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct conf_report report = CONF_REPORT_NONE;
		struct conf *conf = conf_new();
		enum status status = conf_parse_text(conf, "f.conf", mistakes[i].text, &report);
		char *text = report_text(&report);

		assert_string_equal(text, mistakes[i].expected);
		assert_int_equal(
		    status, strstr(mistakes[i].expected, " error ") != NULL ? ST_INVALID : ST_OK);
		free(text);
		conf_report_free(&report);
		conf_free(conf);
	}
}

#define IN_FILE "opendkim: f.conf: "
#define KEYS "KeyFile k\nSelector s\nDomain d\n"

/* What the rules between parameters say; the texts are free of parse errors. */
static const struct {
	const char *text;
	const char *expected;
} rules[] = {
    {KEYS, ""},
    {"Mode v", ""},
    {"Mode v\nDomain d", ""},
    {KEYS "ShadowReport /r\nMode v",
	ERROR_AT(5) "ShadowReport compares what would be signed, and Mode v signs nothing: set "
		    "Mode to s or sv, or remove "
		    "ShadowReport\n"},
    {KEYS "ShadowReport syslog\nMode sv", ""},
    {KEYS "ShadowReport /r", ""},
    {"Mode v\nDomain d\nSelector s", ""},
    {"Mode v\nKeyFile k", ""},
    {"Mode s",
	WARNING_AT(1) "nothing will be signed: add Domain, Selector and KeyFile, or KeyTable and "
		      "SigningTable, or KeyStore\n"},
    {"Mode s\nKeyStore sqlite:/s",
	WARNING_AT(2) "without SiteKeyFile only keys that are not sealed can be used: add "
		      "SiteKeyFile\n"},
    {"Mode s\nKeyStore sqlite:/s\nSiteKeyFile /k\nRequireTenant no\nTenantMap *=t\nKeyTable k", ""},
    {KEYS "RequireTenant no",
	WARNING_AT(4) "RequireTenant is of no use without KeyStore: add KeyStore, or remove it\n"},
    {KEYS "RequireSenderMatch Domain", ""},
    {KEYS "RequireSenderMatch maybe",
	ERROR_AT(4) "illegal value \"maybe\" for \"RequireSenderMatch\": no, domain or address is "
		    "needed\n"},
    {"\nKeyFile k",
	ERROR_AT(2) "KeyFile and Selector must both be defined or both be undefined: add "
		    "Selector\n"},
    {"Selector s",
	ERROR_AT(
	    1) "KeyFile and Selector must both be defined or both be undefined: add KeyFile\n"},
    {"Domain d", ERROR_AT(1) "Domain requires KeyFile and Selector: add both, or use KeyTable and "
			     "SigningTable instead of Domain\n"},
    {"KeyFile k\nSelector s",
	WARNING_AT(1) "KeyFile signs nothing without Domain: add the domains it signs for\n"},
    {"SigningTable csl:a=b", ERROR_AT(1) "use of SigningTable requires KeyTable: add KeyTable\n"},
    {"KeyTable csl:a=b",
	ERROR_AT(1) "KeyTable requires either SigningTable or SetupPolicyScript: add SigningTable "
		    "(scripts are not run here)\n"},
    {"KeyTable a\nSigningTable b\nKeyFile k",
	WARNING_AT(3) "\"KeyFile\" is ignored because KeyTable is set: remove one of them\n"},
    {KEYS "Mode x",
	ERROR_AT(4) "illegal value \"x\" for \"Mode\": s (sign), v (verify) or both is needed\n"},
    {KEYS "LDAPAuthMechanism DIGEST MD5",
	ERROR_AT(
	    4) "illegal value \"DIGEST MD5\" for \"LDAPAuthMechanism\": none, simple or the name "
	       "of a SASL mechanism is needed (EXTERNAL)\n"},
    {KEYS "LDAPAuthMechanism EXTERNAL\nLDAPTimeout 30\nLDAPKeepaliveIdle 240", ""},
    {KEYS "LDAPBindUser cn=x",
	WARNING_AT(4) "LDAPBindUser is of no use without LDAPBindPassword: add it\n"},
    {KEYS "LDAPBindPassword x",
	WARNING_AT(4) "LDAPBindPassword is of no use without LDAPBindUser: add it\n"},
    {KEYS "LDAPTLSVerify no",
	WARNING_AT(4) "LDAPTLSVerify no: whoever is between here and the directory can read and "
		      "change keys; use LDAPTLSCAFile\n"},
    {KEYS "LDAPTLSCAFile /nonexistent/ca",
	ERROR_AT(4) "LDAPTLSCAFile /nonexistent/ca cannot be read: No such file or directory; a "
		    "file that can be is needed, or no LDAPTLSCAFile\n"},
    {KEYS "On-SignatureError rejekt",
	ERROR_AT(4) "illegal value \"rejekt\" for \"On-SignatureError\": accept, discard, "
		    "quarantine, reject or tempfail is needed\n"},
    {KEYS "SignatureAlgorithm rsa-sha1",
	ERROR_AT(4) "illegal value \"rsa-sha1\" for \"SignatureAlgorithm\": RFC 8301 forbids "
		    "signing with SHA-1; write rsa-sha256\n"},
    {KEYS "SignatureAlgorithm rsa",
	ERROR_AT(4) "illegal value \"rsa\" for \"SignatureAlgorithm\": rsa-sha256 or "
		    "ed25519-sha256 is needed\n"},
    {KEYS "Canonicalization relaxed/relax",
	ERROR_AT(4) "illegal value \"relaxed/relax\" for \"Canonicalization\": HEADER/BODY is "
		    "needed, each \"simple\" or \"relaxed\"\n"},
    {KEYS "AutoRestartRate 10",
	ERROR_AT(4) "illegal value \"10\" for \"AutoRestartRate\": COUNT/TIME is needed, TIME with "
		    "s, m, h or d behind it (10/1h: ten in an hour)\n"},
    {KEYS "SyslogFacility mial",
	ERROR_AT(4) "illegal value \"mial\" for \"SyslogFacility\": a syslog facility is needed: "
		    "mail, daemon, local0 to local7, ...\n"},
    {KEYS "Socket 8891",
	ERROR_AT(4) "illegal value \"8891\" for \"Socket\": local:PATH or inet:PORT[@HOST] is "
		    "needed\n"},
    {KEYS "InternalHosts ::1,127.0.0.1",
	ERROR_AT(4) "Unknown database type: what is before the first ':' of \"InternalHosts\" is "
		    "taken for the type of the list; write csl: in front of it\n"},
    {KEYS "InternalHosts 127.0.0.1,::1", ""},
    {KEYS "InternalHosts csl:::1,127.0.0.1", ""},
    {KEYS "PeerList 2001:db8::/32",
	ERROR_AT(4) "Unknown database type: what is before the first ':' of \"PeerList\" is taken "
		    "for the type of the list; write csl: in front of it\n"},
    {KEYS "OverSignHeaders From,*",
	WARNING_AT(4) "\"*\" in OverSignHeaders is the name of a header field and no pattern: name "
		      "the fields\n"},
    {KEYS "MaximumHeaders 0",
	WARNING_AT(
	    4) "MaximumHeaders 0 sets no limit of its own: any peer may fill the memory of a "
	       "connection up to the built-in limit\n"},
    {KEYS "TrustAnchorFile /nonexistent/root.key",
	ERROR_AT(4) "TrustAnchorFile /nonexistent/root.key cannot be read: No such file or "
		    "directory; a file that can be is needed, or no TrustAnchorFile\n"},
    {"", IN_FILE
	"warning: nothing will be signed: add Domain, Selector and KeyFile, or KeyTable and "
	"SigningTable, or KeyStore\n"},
};

static void
test_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct conf_report report = CONF_REPORT_NONE;
		struct conf *conf = conf_new();
		enum status status;
		char *text;

		assert_int_equal(
		    conf_parse_text(conf, "f.conf", span_str(rules[i].text), &report), ST_OK);
		status = conf_check(conf, &report);
		text = report_text(&report);
		assert_string_equal(text, rules[i].expected);
		assert_int_equal(status, strstr(text, " error ") != NULL ? ST_INVALID : ST_OK);
		free(text);
		conf_report_free(&report);
		conf_free(conf);
	}
}

static void
test_asks_servers(void **state)
{
	static const struct {
		const char *text;
		bool asks;
	} rows[] = {
	    {"", false},
	    {"KeyTable /k\nSigningTable refile:/s\n", false},
	    {"KeyTable dsn:sqlite3:///k/table=t?keycol=k?datacol=d\n", false},
	    {"KeyStore sqlite:/s\n", false},
	    {"KeyStore mysql://h/d\n", true},
	    {"KeyStore LDAPS://h/b\n", true},
	    {"SigningTable ldapi://x/y?z\n", true},
	    {"InternalHosts dsn:mysql://h/d/table=t?keycol=k?datacol=d\n", true},
	    {"PidFile ldap:/x\n", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *conf = conf_new();

		assert_int_equal(conf_parse_text(conf, "t", span_str(rows[i].text), NULL), ST_OK);
		assert_int_equal(conf_asks_servers(conf), rows[i].asks);
		conf_free(conf);
	}
}

static void
test_serving_needs_a_socket(void **state)
{
	struct conf_report report = CONF_REPORT_NONE;
	struct conf *conf = conf_new();
	char *text;

	(void)state;
	assert_int_equal(conf_parse_text(conf, "f.conf", SPAN_LIT(""), NULL), ST_OK);
	assert_int_equal(conf_check_serving(conf, &report), ST_INVALID);
	text = report_text(&report);
	assert_string_equal(
	    text, IN_FILE "milter socket must be specified: add Socket, or use -p\n");
	free(text);
	assert_int_equal(conf_set(conf, CONF_SOCKET, "inet:0", "-p", NULL), ST_OK);
	assert_int_equal(conf_check_serving(conf, NULL), ST_OK);
	conf_report_free(&report);
	conf_free(conf);
}

static void
test_command_line_wins_before_and_after(void **state)
{
	struct conf_report report = CONF_REPORT_NONE;
	struct conf *conf = conf_new();

	(void)state;
	assert_int_equal(conf_set(conf, CONF_SELECTOR, "flag#1", "-s", &report), ST_OK);
	assert_int_equal(
	    conf_parse_text(conf, "f", SPAN_LIT("Selector a\nDomain d"), &report), ST_OK);
	assert_string_equal(conf_string(conf, CONF_SELECTOR), "flag#1");
	assert_string_equal(conf_origin(conf, CONF_SELECTOR), "-s");
	assert_int_equal(conf_set(conf, CONF_DOMAIN, "e", "-d", &report), ST_OK);
	assert_string_equal(conf_string(conf, CONF_DOMAIN), "e");
	assert_int_equal(report.errors + report.warnings, 0);
	assert_int_equal(conf_set(conf, CONF_UMASK, "9x", "-U", &report), ST_INVALID);
	assert_string_equal(report.messages[0].file, "-U");
	assert_int_equal(report.messages[0].line, 0);
	assert_int_equal(conf_set(conf, CONF_DOMAIN, " ", "-d", &report), ST_INVALID);
	assert_string_equal(report.messages[1].text, "required value missing for \"Domain\"");
	conf_report_free(&report);
	conf_free(conf);
}

static void
test_lines(void **state)
{
	struct conf_report report = CONF_REPORT_NONE;
	struct conf *conf = conf_new();
	struct buf text;

	(void)state;
	buf_init(&text, CONF_FILE_MAX + 1);
	buf_add_str(&text, "  sElEcToR\t a b \r\nBackground 0\rjunk\nUMask 0x1f\n"
			   "MaximumSignedBytes -1 # x\nSyslog True\nSigningTable csl:");
	for (size_t i = 0; i < 5000; i++)
		buf_add_fmt(&text, "user%zu@example.com=key,", i);
	assert_int_equal(conf_parse_text(conf, "f", buf_span(&text), &report), ST_OK);
	assert_string_equal(conf_string(conf, CONF_SELECTOR), "a b");
	assert_false(conf_bool(conf, CONF_BACKGROUND));
	assert_int_equal(conf_int(conf, CONF_UMASK), 31);
	assert_true(conf_bool(conf, CONF_SYSLOG));
	assert_true(strlen(conf_string(conf, CONF_SIGNING_TABLE)) > 100000);
	buf_reset(&text);
	buf_add_str(&text, "Domain a");
	memset(buf_reserve(&text, CONF_LINE_MAX), 'a', CONF_LINE_MAX);
	text.n += CONF_LINE_MAX;
	assert_int_equal(conf_parse_text(conf, "f", buf_span(&text), &report), ST_INVALID);
	assert_string_equal(
	    report.messages[report.count - 1].text, "the line is longer than 1048576 octets");
	memset(buf_reserve(&text, CONF_FILE_MAX - text.n + 1), '\n', CONF_FILE_MAX - text.n + 1);
	text.n = CONF_FILE_MAX + 1;
	assert_int_equal(conf_parse_text(conf, "f", buf_span(&text), &report), ST_TOO_BIG);
	buf_free(&text);
	conf_report_free(&report);
	conf_free(conf);
}

static void
write_file(const char *folder, const char *name, const char *fmt, const char *argument)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, fmt[0] == '\0' ? "%s" : "Include %s\n", argument);
	fclose(f);
}

static void
test_include(void **state)
{
	char folder[] = "signpost-conf-XXXXXX", path[64], name[16], text[256];
	struct conf_report report = CONF_REPORT_NONE;
	struct conf *conf = conf_new();

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "%d", i);
		snprintf(path, sizeof(path), "%s/%d", folder, i + 1);
		write_file(folder, name, "include", path);
	}
	write_file(folder, "5", "", "Selector deep\n");
	snprintf(path, sizeof(path), "%s/0", folder);
	assert_int_equal(conf_load(conf, path, &report), ST_OK);
	snprintf(text, sizeof(text), "%s/5:1", folder);
	assert_string_equal(conf_string(conf, CONF_SELECTOR), "deep");
	assert_string_equal(conf_origin(conf, CONF_SELECTOR), text);
	assert_string_equal(conf_main_file(conf), path);
	/* A file that includes itself is named. */
	write_file(folder, "0", "include", path);
	assert_int_equal(conf_load(conf, path, &report), ST_INVALID);
	assert_int_equal(report.errors, 1);
	assert_non_null(strstr(report.messages[0].text, "/0 includes itself"));
	/* One level too many. */
	write_file(folder, "5", "", "Include six\n");
	snprintf(text, sizeof(text), "%s/1", folder);
	write_file(folder, "0", "include", text);
	assert_int_equal(conf_load(conf, path, &report), ST_INVALID);
	assert_string_equal(report.messages[1].text,
	    "nesting too deep: at most 5 levels of Include and 1000 files");
	/* One that includes what is not there goes on behind the line. */
	write_file(folder, "0", "", "Include missing-file\nDomain after\n");
	assert_int_equal(conf_load(conf, path, &report), ST_INVALID);
	assert_string_equal(report.messages[2].text,
	    "error reading configuration file missing-file: No such file or directory");
	assert_string_equal(conf_string(conf, CONF_DOMAIN), "after");
	assert_int_equal(conf_load(conf, "missing-file", &report), ST_ABSENT);
	assert_int_equal(conf_load(conf, folder, &report), ST_UNAVAILABLE);
	assert_string_equal(
	    report.messages[4].text, "error reading configuration file: Is a directory");
	for (int i = 0; i < 6; i++) {
		snprintf(path, sizeof(path), "%s/%d", folder, i);
		unlink(path);
	}
	rmdir(folder);
	conf_report_free(&report);
	conf_free(conf);
}

static void
test_report_is_bounded(void **state)
{
	struct conf_report report = CONF_REPORT_NONE;
	struct conf *conf = conf_new();
	struct buf text;
	char *printed;

	(void)state;
	buf_init(&text, CONF_FILE_MAX);
	for (int i = 0; i < 1000; i++)
		buf_add_str(&text, "zzzzzzz\n");
	assert_int_equal(conf_parse_text(conf, "f", buf_span(&text), &report), ST_INVALID);
	assert_int_equal(report.errors, 1000);
	assert_int_equal(report.count, CONF_MESSAGES_MAX);
	printed = report_text(&report);
	assert_non_null(strstr(printed, "opendkim: 800 more messages are not shown\n"));
	free(printed);
	buf_free(&text);
	conf_report_free(&report);
	conf_free(conf);
}

static void
test_the_manual_page_has_every_parameter(void **state)
{
	char path[4096], line[256];
	struct buf page;
	FILE *f;
	int c;

	(void)state;
	snprintf(path, sizeof(path), "%s/man/signpostd.conf.5", getenv("SRCDIR"));
	f = fopen(path, "r");
	assert_non_null(f);
	buf_init(&page, 1U << 20);
	while ((c = getc(f)) != EOF)
		buf_add_char(&page, (char)c);
	fclose(f);
	for (int i = 0; i < CONF_COUNT; i++) {
		enum conf_parameter p = (enum conf_parameter)i;
		const char *value = conf_default(p);

		if (conf_class_of(p) == CONF_CLASS_OBSOLETE || p == CONF_INCLUDE)
			snprintf(line, sizeof(line), ".It Sy %s Pq ", conf_name(p));
		else
			snprintf(line, sizeof(line), ".It Sy %s Pq %s, %s%s\n", conf_name(p),
			    conf_type_of(p) == CONF_TYPE_BOOL      ? "boolean"
			    : conf_type_of(p) == CONF_TYPE_INT     ? "integer"
			    : conf_type_of(p) == CONF_TYPE_DATASET ? "data set"
								   : "text",
			    value == NULL ? "no default" : "default ", value == NULL ? "" : value);
		if (strstr(buf_text(&page), line) == NULL)
			fail_msg("signpostd.conf(5) lacks: %s", line);
	}
	buf_free(&page);
}

/* What the page says is in force has no warning; what it calls obsolete has one. */
static void
test_classes(void **state)
{
	static const struct {
		const char *line;
		enum conf_class class;
		size_t warnings;
	} cases[] = {
	    {"EnableCoredumps yes", CONF_CLASS_NOW, 0},
	    {"FixCRLF yes", CONF_CLASS_NOW, 0},
	    {"MaximumSignedBytes 100", CONF_CLASS_NOW, 0},
	    {"RequestReports yes", CONF_CLASS_NOW, 0},
	    {"IgnoreMalformedMail yes", CONF_CLASS_NOW, 0},
	    {"DNSTimeout 3", CONF_CLASS_NOW, 0},
	    {"DNSConnect yes", CONF_CLASS_NOW, 0},
	    {"QueryCache yes", CONF_CLASS_NOW, 0},
	    {"SendReports yes", CONF_CLASS_OBSOLETE, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf_report report = CONF_REPORT_NONE;
		struct conf *conf = conf_new();
		struct span rest = span_str(cases[i].line), name;

		assert_true(span_cut(&rest, ' ', &name));
		assert_int_equal(conf_class_of(conf_by_name(name)), cases[i].class);
		assert_int_equal(
		    conf_parse_text(conf, "f", span_str(cases[i].line), &report), ST_OK);
		if (report.count != cases[i].warnings)
			fail_msg("%s: %zu warnings", cases[i].line, report.count);
		conf_report_free(&report);
		conf_free(conf);
	}
}

static void
test_old_name_of_software_header(void **state)
{
	struct conf *conf = conf_new();

	(void)state;
	assert_int_equal(conf_parse_text(conf, "f", SPAN_LIT("X-Header yes"), NULL), ST_OK);
	assert_true(conf_bool(conf, CONF_SOFTWARE_HEADER));
	assert_int_equal(conf_parse_text(conf, "f", SPAN_LIT("SoftwareHeader no"), NULL), ST_OK);
	assert_false(conf_bool(conf, CONF_SOFTWARE_HEADER));
	conf_free(conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_parameter_is_known),
	    cmocka_unit_test(test_tutorial_with_one_key),
	    cmocka_unit_test(test_tutorial_with_tables),
	    cmocka_unit_test(test_tutorial_of_a_gateway),
	    cmocka_unit_test(test_mistakes),
	    cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_asks_servers),
	    cmocka_unit_test(test_serving_needs_a_socket),
	    cmocka_unit_test(test_command_line_wins_before_and_after),
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_include),
	    cmocka_unit_test(test_report_is_bounded),
	    cmocka_unit_test(test_the_manual_page_has_every_parameter),
	    cmocka_unit_test(test_classes),
	    cmocka_unit_test(test_old_name_of_software_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
