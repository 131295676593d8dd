/*
 * parameters.h - the one table of parameters: every name of opendkim.conf(5) in all its builds,
 * the names upstream added later, and Signpost's own. A parameter is added here, in
 * signpostd.conf(5), and in the place that reads it.
 *
 * X(identifier, name, type, default or NULL, class)
 * Names are found without case; the spelling here is the one that is printed.
 */
#ifndef SIGNPOST_CONF_PARAMETERS_H
#define SIGNPOST_CONF_PARAMETERS_H

/* clang-format off */
#define CONF_PARAMETERS(X) \
	X(ADMIN_CERTIFICATE_FILE, "AdminCertificateFile", STRING, NULL, NOW) \
	X(ADMIN_CLIENT_CA_FILE, "AdminClientCAFile", STRING, NULL, NOW) \
	X(ADMIN_KEY_FILE, "AdminKeyFile", STRING, NULL, NOW) \
	X(ADMIN_LEASE, "AdminLease", INT, "30", NOW) \
	X(ADMIN_LISTEN, "AdminListen", STRING, NULL, NOW) \
	X(ADMIN_NAME, "AdminName", STRING, NULL, NOW) \
	X(ADMIN_SOCKET, "AdminSocket", STRING, "/run/signpost/admin.sock", NOW) \
	X(ALLOW_SHA1_ONLY, "AllowSHA1Only", BOOL, "no", OBSOLETE) \
	X(ALWAYS_ADD_AR_HEADER, "AlwaysAddARHeader", BOOL, "no", NOW) \
	X(ATPS_DOMAINS, "ATPSDomains", DATASET, NULL, OBSOLETE) \
	X(ATPS_HASH_ALGORITHM, "ATPSHashAlgorithm", STRING, "sha256", OBSOLETE) \
	X(AUTHSERV_ID, "AuthservID", STRING, NULL, NOW) \
	X(AUTHSERV_ID_WITH_JOB_ID, "AuthservIDWithJobID", BOOL, "no", NOW) \
	X(AUTO_RESTART, "AutoRestart", BOOL, "no", NOW) \
	X(AUTO_RESTART_COUNT, "AutoRestartCount", INT, "0", NOW) \
	X(AUTO_RESTART_RATE, "AutoRestartRate", STRING, NULL, NOW) \
	X(BACKGROUND, "Background", BOOL, "yes", NOW) \
	X(BASE_DIRECTORY, "BaseDirectory", STRING, NULL, NOW) \
	X(BODY_LENGTH_DB, "BodyLengthDB", DATASET, NULL, OBSOLETE) \
	X(BOGUS_KEY, "BogusKey", STRING, "fail", NOW) \
	X(CACHE_NEGATIVE_TTL, "CacheNegativeTTL", INT, "5", NOW) \
	X(CACHE_SIZE, "CacheSize", INT, "402653184", NOW) \
	X(CACHE_STALE_TTL, "CacheStaleTTL", INT, "86400", NOW) \
	X(CACHE_TTL, "CacheTTL", INT, "5", NOW) \
	X(CANONICALIZATION, "Canonicalization", STRING, "simple/simple", NOW) \
	X(CAPTURE_UNKNOWN_ERRORS, "CaptureUnknownErrors", BOOL, "no", NOW) \
	X(CHANGE_ROOT_DIRECTORY, "ChangeRootDirectory", STRING, NULL, NOW) \
	X(CHECK_SIGNING_TABLE, "CheckSigningTable", BOOL, "yes", NOW) \
	X(CLOCK_DRIFT, "ClockDrift", INT, "300", NOW) \
	X(CONDITIONAL_SIGNATURES, "ConditionalSignatures", DATASET, NULL, OBSOLETE) \
	X(DEFAULT_SENDER, "DefaultSender", STRING, NULL, OBSOLETE) \
	X(DIAGNOSTICS, "Diagnostics", BOOL, "no", OBSOLETE) \
	X(DIAGNOSTIC_DIRECTORY, "DiagnosticDirectory", STRING, NULL, OBSOLETE) \
	X(DISABLE_CRYPTO_INIT, "DisableCryptoInit", BOOL, "no", OBSOLETE) \
	X(DNS_CACHE_SIZE, "DNSCacheSize", INT, "8388608", NOW) \
	X(DNS_CONNECT, "DNSConnect", BOOL, "no", NOW) \
	X(DNS_PUBLISHERS, "DNSPublishers", STRING, NULL, NOW) \
	X(DNS_TIMEOUT, "DNSTimeout", INT, "5", NOW) \
	X(DOMAIN, "Domain", DATASET, NULL, NOW) \
	X(DOMAIN_KEYS_COMPAT, "DomainKeysCompat", BOOL, "no", OBSOLETE) \
	X(DONT_SIGN_MAIL_TO, "DontSignMailTo", DATASET, NULL, NOW) \
	X(DRAIN_TIMEOUT, "DrainTimeout", INT, "300", NOW) \
	X(ENABLE_COREDUMPS, "EnableCoredumps", BOOL, "no", NOW) \
	X(EXEMPT_DOMAINS, "ExemptDomains", DATASET, NULL, NOW) \
	X(EXTERNAL_IGNORE_LIST, "ExternalIgnoreList", DATASET, NULL, NOW) \
	X(FAILURE_POLICY, "FailurePolicy", STRING, NULL, NOW) \
	X(FINAL_POLICY_SCRIPT, "FinalPolicyScript", STRING, NULL, OBSOLETE) \
	X(FIX_CRLF, "FixCRLF", BOOL, "no", NOW) \
	X(FLOW_DATA, "FlowData", DATASET, NULL, OBSOLETE) \
	X(FLOW_DATA_FACTOR, "FlowDataFactor", INT, "1", OBSOLETE) \
	X(FLOW_DATA_TTL, "FlowDataTTL", INT, "86400", OBSOLETE) \
	X(FRONTENDS, "Frontends", INT, "0", NOW) \
	X(GATEWAY_NAME, "GatewayName", STRING, NULL, NOW) \
	X(GATEWAY_REPORT, "GatewayReport", STRING, "no", NOW) \
	X(GATEWAY_REPORT_INTERVAL, "GatewayReportInterval", INT, "10", NOW) \
	X(IDENTITY_HEADER, "IdentityHeader", STRING, NULL, OBSOLETE) \
	X(IDENTITY_HEADER_REMOVE, "IdentityHeaderRemove", BOOL, "no", OBSOLETE) \
	X(IDLE_TIMEOUT, "IdleTimeout", INT, "7210", NOW) \
	X(IGNORE_MALFORMED_MAIL, "IgnoreMalformedMail", BOOL, "no", NOW) \
	X(INCLUDE, "Include", INCLUDE, NULL, NOW) \
	X(INTERNAL_HOSTS, "InternalHosts", DATASET, "csl:127.0.0.1,::1", NOW) \
	X(KEEPER_THREADS, "KeeperThreads", INT, "0", NOW) \
	X(KEEP_AUTH_RESULTS, "KeepAuthResults", BOOL, "no", NOW) \
	X(KEEP_TEMPORARY_FILES, "KeepTemporaryFiles", BOOL, "no", LATER) \
	X(KEY_CACHE_SIZE, "KeyCacheSize", INT, "62914560", NOW) \
	X(KEY_FILE, "KeyFile", STRING, NULL, NOW) \
	X(KEY_MIRRORS, "KeyMirrors", STRING, NULL, NOW) \
	X(KEY_STORE, "KeyStore", STRING, NULL, NOW) \
	X(KEY_STORE_POLL_INTERVAL, "KeyStorePollInterval", INT, "2", NOW) \
	X(KEY_TABLE, "KeyTable", DATASET, NULL, NOW) \
	X(LDAP_AUTH_MECHANISM, "LDAPAuthMechanism", STRING, "simple", NOW) \
	X(LDAP_AUTH_NAME, "LDAPAuthName", STRING, NULL, NOW) \
	X(LDAP_AUTH_REALM, "LDAPAuthRealm", STRING, NULL, NOW) \
	X(LDAP_AUTH_USER, "LDAPAuthUser", STRING, NULL, NOW) \
	X(LDAP_BIND_PASSWORD, "LDAPBindPassword", STRING, NULL, NOW) \
	X(LDAP_BIND_USER, "LDAPBindUser", STRING, NULL, NOW) \
	X(LDAP_DISABLE_CACHE, "LDAPDisableCache", BOOL, "no", NOW) \
	X(LDAP_KEEPALIVE_IDLE, "LDAPKeepaliveIdle", INT, NULL, NOW) \
	X(LDAP_KEEPALIVE_INTERVAL, "LDAPKeepaliveInterval", INT, NULL, NOW) \
	X(LDAP_KEEPALIVE_PROBES, "LDAPKeepaliveProbes", INT, NULL, NOW) \
	X(LDAP_TIMEOUT, "LDAPTimeout", INT, "5", NOW) \
	X(LDAP_TLS_CA_FILE, "LDAPTLSCAFile", STRING, NULL, NOW) \
	X(LDAP_TLS_VERIFY, "LDAPTLSVerify", BOOL, "yes", NOW) \
	X(LDAP_USE_TLS, "LDAPUseTLS", BOOL, "no", NOW) \
	X(LISTEN_BACKLOG, "ListenBacklog", INT, "1024", NOW) \
	X(LOG_RESULTS, "LogResults", BOOL, "no", NOW) \
	X(LOG_WHY, "LogWhy", BOOL, "no", NOW) \
	X(LUA_ONLY_SIGNING, "LuaOnlySigning", BOOL, "no", OBSOLETE) \
	X(MACRO_LIST, "MacroList", DATASET, NULL, NOW) \
	X(MAXIMUM_CONNECTIONS, "MaximumConnections", INT, "10000", NOW) \
	X(MAXIMUM_HEADERS, "MaximumHeaders", INT, "65536", NOW) \
	X(MAXIMUM_SIGNATURES_TO_VERIFY, "MaximumSignaturesToVerify", INT, "3", NOW) \
	X(MAXIMUM_SIGNED_BYTES, "MaximumSignedBytes", INT, "-1", NOW) \
	X(MEMCACHED, "Memcached", STRING, NULL, NOW) \
	X(MEMCACHED_PREFIX, "MemcachedPrefix", STRING, NULL, NOW) \
	X(METRICS_FILE, "MetricsFile", STRING, NULL, NOW) \
	X(METRICS_INTERVAL, "MetricsInterval", INT, "15", NOW) \
	X(MILTER_DEBUG, "MilterDebug", INT, "0", LATER) \
	X(MILTER_PIPELINING, "MilterPipelining", BOOL, "yes", NOW) \
	X(MINIMUM, "Minimum", STRING, "0", NOW) \
	X(MINIMUM_KEY_BITS, "MinimumKeyBits", INT, "1024", NOW) \
	X(MODE, "Mode", STRING, "sv", NOW) \
	X(MTA, "MTA", DATASET, NULL, NOW) \
	X(MTA_COMMAND, "MTACommand", STRING, NULL, OBSOLETE) \
	X(MULTIPLE_SIGNATURES, "MultipleSignatures", BOOL, "no", NOW) \
	X(MUST_BE_SIGNED, "MustBeSigned", DATASET, NULL, NOW) \
	X(NAMESERVERS, "Nameservers", STRING, NULL, NOW) \
	X(NO_HEADER_B, "NoHeaderB", BOOL, "no", NOW) \
	X(OMIT_HEADERS, "OmitHeaders", DATASET, NULL, NOW) \
	X(ON_BAD_SIGNATURE, "On-BadSignature", STRING, "accept", NOW) \
	X(ON_DEFAULT, "On-Default", STRING, NULL, NOW) \
	X(ON_DNS_ERROR, "On-DNSError", STRING, "tempfail", NOW) \
	X(ON_INTERNAL_ERROR, "On-InternalError", STRING, "tempfail", NOW) \
	X(ON_KEY_NOT_FOUND, "On-KeyNotFound", STRING, "accept", NOW) \
	X(ON_NO_SIGNATURE, "On-NoSignature", STRING, "accept", NOW) \
	X(ON_REPUTATION_ERROR, "On-ReputationError", STRING, "accept", OBSOLETE) \
	X(ON_SECURITY, "On-Security", STRING, "tempfail", NOW) \
	X(ON_SIGNATURE_ERROR, "On-SignatureError", STRING, "reject", NOW) \
	X(OVER_SIGN_HEADERS, "OverSignHeaders", DATASET, NULL, NOW) \
	X(PEER_LIST, "PeerList", DATASET, NULL, NOW) \
	X(PID_FILE, "PidFile", STRING, NULL, NOW) \
	X(POPDB_FILE, "POPDBFile", DATASET, NULL, OBSOLETE) \
	X(QUARANTINE, "Quarantine", BOOL, "no", OBSOLETE) \
	X(PROVING_PORT, "ProvingPort", INT, "53", NOW) \
	X(PROVING_RESOLVERS, "ProvingResolvers", STRING, NULL, NOW) \
	X(PROVING_THREADS, "ProvingThreads", INT, "8", NOW) \
	X(QUERY_CACHE, "QueryCache", BOOL, "no", NOW) \
	X(RATE_LIMITS, "RateLimits", DATASET, NULL, OBSOLETE) \
	X(REDIRECT_FAILURES_TO, "RedirectFailuresTo", STRING, NULL, OBSOLETE) \
	X(REMOVE_AR_ALL, "RemoveARAll", BOOL, "no", NOW) \
	X(REMOVE_AR_FROM, "RemoveARFrom", DATASET, NULL, NOW) \
	X(REMOVE_OLD_SIGNATURES, "RemoveOldSignatures", BOOL, "no", NOW) \
	X(REPLACE_HEADERS, "ReplaceHeaders", DATASET, NULL, OBSOLETE) \
	X(REPLACE_RULES, "ReplaceRules", STRING, NULL, OBSOLETE) \
	X(REPORT_ADDRESS, "ReportAddress", STRING, NULL, LATER) \
	X(REPORT_BCC_ADDRESS, "ReportBccAddress", STRING, NULL, OBSOLETE) \
	X(REPUTATION_CACHE, "ReputationCache", STRING, NULL, OBSOLETE) \
	X(REPUTATION_CACHE_TTL, "ReputationCacheTTL", STRING, NULL, OBSOLETE) \
	X(REPUTATION_DUPLICATES, "ReputationDuplicates", STRING, NULL, OBSOLETE) \
	X(REPUTATION_LIMITS, "ReputationLimits", STRING, NULL, OBSOLETE) \
	X(REPUTATION_LIMIT_MODIFIERS, "ReputationLimitModifiers", STRING, NULL, OBSOLETE) \
	X(REPUTATION_LOW_TIME, "ReputationLowTime", STRING, NULL, OBSOLETE) \
	X(REPUTATION_MINIMUM, "ReputationMinimum", STRING, NULL, OBSOLETE) \
	X(REPUTATION_RATIOS, "ReputationRatios", STRING, NULL, OBSOLETE) \
	X(REPUTATION_RRD_HASH_DEPTH, "ReputationRRDHashDepth", STRING, NULL, OBSOLETE) \
	X(REPUTATION_RRD_ROOT, "ReputationRRDRoot", STRING, NULL, OBSOLETE) \
	X(REPUTATION_SPAM_CHECK, "ReputationSpamCheck", STRING, NULL, OBSOLETE) \
	X(REPUTATION_TEST, "ReputationTest", STRING, NULL, OBSOLETE) \
	X(REPUTATION_TIME_FACTOR, "ReputationTimeFactor", STRING, NULL, OBSOLETE) \
	X(REPUTATION_TIMEOUT, "ReputationTimeout", STRING, NULL, OBSOLETE) \
	X(REPUTATION_VERBOSE, "ReputationVerbose", STRING, NULL, OBSOLETE) \
	X(REQUEST_REPORTS, "RequestReports", BOOL, "no", NOW) \
	X(REQUIRED_HEADERS, "RequiredHeaders", BOOL, "no", NOW) \
	X(REQUIRE_SAFE_KEYS, "RequireSafeKeys", BOOL, "yes", NOW) \
	X(REQUIRE_SENDER_MATCH, "RequireSenderMatch", STRING, "no", NOW) \
	X(REQUIRE_TENANT, "RequireTenant", BOOL, "yes", NOW) \
	X(RESIGN_ALL, "ResignAll", BOOL, "no", LATER) \
	X(RESIGN_MAIL_TO, "ResignMailTo", DATASET, NULL, LATER) \
	X(RESOLVER_CONFIGURATION, "ResolverConfiguration", STRING, NULL, NOW) \
	X(RESOLVER_TRACING, "ResolverTracing", BOOL, "no", OBSOLETE) \
	X(SCREEN_POLICY_SCRIPT, "ScreenPolicyScript", STRING, NULL, OBSOLETE) \
	X(SELECT_CANONICALIZATION_HEADER, "SelectCanonicalizationHeader", STRING, NULL, OBSOLETE) \
	X(SELECTOR, "Selector", STRING, NULL, NOW) \
	X(SELF_VERIFY, "SelfVerify", INT, "1000", NOW) \
	X(SELF_VERIFY_FIRST, "SelfVerifyFirst", INT, "10", NOW) \
	X(SENDER_HEADERS, "SenderHeaders", DATASET, "From", NOW) \
	X(SENDER_MACRO, "SenderMacro", STRING, NULL, LATER) \
	X(SEND_REPORTS, "SendReports", BOOL, "no", OBSOLETE) \
	X(SETUP_POLICY_SCRIPT, "SetupPolicyScript", STRING, NULL, OBSOLETE) \
	X(SHADOW_REPORT, "ShadowReport", STRING, NULL, NOW) \
	X(SHADOW_REPORT_SIZE, "ShadowReportSize", INT, "104857600", NOW) \
	X(SHADOW_SIGNER, "ShadowSigner", DATASET, NULL, NOW) \
	X(SIGN_ONLY, "SignOnly", STRING, "mta,macro,internal,authenticated", NOW) \
	X(SIGNATURE_ALGORITHM, "SignatureAlgorithm", STRING, "rsa-sha256", NOW) \
	X(SIGNATURE_TTL, "SignatureTTL", INT, "0", NOW) \
	X(SIGNING_TABLE, "SigningTable", DATASET, NULL, NOW) \
	X(SIGN_HEADERS, "SignHeaders", DATASET, NULL, NOW) \
	X(SITE_KEY_FILE, "SiteKeyFile", STRING, NULL, NOW) \
	X(SMTP_URI, "SMTPURI", STRING, NULL, OBSOLETE) \
	X(SOCKET, "Socket", STRING, NULL, NOW) \
	X(SOFTWARE_HEADER, "SoftwareHeader", BOOL, "no", NOW) \
	X(SOFT_START, "SoftStart", BOOL, "no", NOW) \
	X(SQL_TLS, "SQLTLS", BOOL, "no", NOW) \
	X(SQL_TLS_CA_FILE, "SQLTLSCAFile", STRING, "/etc/ssl/certs/ca-certificates.crt", NOW) \
	X(SQL_TLS_VERIFY, "SQLTLSVerify", BOOL, "yes", NOW) \
	X(STATISTICS, "Statistics", STRING, NULL, OBSOLETE) \
	X(STATISTICS_NAME, "StatisticsName", STRING, NULL, OBSOLETE) \
	X(STATISTICS_POLICY_SCRIPT, "StatisticsPolicyScript", STRING, NULL, OBSOLETE) \
	X(STATISTICS_PREFIX, "StatisticsPrefix", STRING, NULL, OBSOLETE) \
	X(STRICT_HEADERS, "StrictHeaders", BOOL, "no", NOW) \
	X(STRICT_TEST_MODE, "StrictTestMode", BOOL, "no", OBSOLETE) \
	X(SUB_DOMAINS, "SubDomains", BOOL, "no", NOW) \
	X(SYSLOG, "Syslog", BOOL, "no", NOW) \
	X(SYSLOG_FACILITY, "SyslogFacility", STRING, "mail", NOW) \
	X(SYSLOG_NAME, "SyslogName", STRING, NULL, NOW) \
	X(SYSLOG_SUCCESS, "SyslogSuccess", BOOL, "no", NOW) \
	X(TEMPORARY_DIRECTORY, "TemporaryDirectory", STRING, "/tmp", LATER) \
	X(TENANT_MAP, "TenantMap", DATASET, NULL, NOW) \
	X(TEST_DNS_DATA, "TestDNSData", DATASET, NULL, NOW) \
	X(TEST_PUBLIC_KEYS, "TestPublicKeys", STRING, NULL, NOW) \
	X(TRUST_ANCHOR_FILE, "TrustAnchorFile", STRING, NULL, NOW) \
	X(TRUST_SIGNATURES_FROM, "TrustSignaturesFrom", DATASET, NULL, NOW) \
	X(UMASK, "UMask", INT, NULL, NOW) \
	X(UNPROTECTED_KEY, "UnprotectedKey", STRING, "none", NOW) \
	X(USER_ID, "UserID", STRING, NULL, NOW) \
	X(VBR_CERTIFIERS, "VBR-Certifiers", STRING, NULL, OBSOLETE) \
	X(VBR_PURGE_FIELDS, "VBR-PurgeFields", STRING, NULL, OBSOLETE) \
	X(VBR_TRUSTED_CERTIFIERS, "VBR-TrustedCertifiers", STRING, NULL, OBSOLETE) \
	X(VBR_TRUSTED_CERTIFIERS_ONLY, "VBR-TrustedCertifiersOnly", STRING, NULL, OBSOLETE) \
	X(VBR_TYPE, "VBR-Type", STRING, NULL, OBSOLETE) \
	X(WEAK_SYNTAX_CHECKS, "WeakSyntaxChecks", BOOL, "no", NOW) \
	X(X_HEADER, "X-Header", BOOL, "no", NOW)
/* clang-format on */

/* CONF_DOMAIN, CONF_KEY_FILE, ..., in alphabetical order of the names above. */
enum conf_parameter {
#define CONF_PARAMETER_ENUM(id, name, type, value, class) CONF_##id,
	CONF_PARAMETERS(CONF_PARAMETER_ENUM)
#undef CONF_PARAMETER_ENUM
	    CONF_COUNT
};

#endif
