/*
 * metrics.h - what all processes of one signpostd count together: counters, gauges and histograms
 * in one array that they share. Every metric and every value of its labels is in the tables below,
 * so a cell is an index; nothing that comes with a message can make a new one.
 *
 * The parent calls metrics_open() once, before it forks anybody, and keeps the array over reloads:
 * counters only grow while the service runs. A child calls metrics_process_began() right after the
 * fork; the parent calls metrics_process_ended() for each child that it has waited for. Any thread
 * of any process counts. The parent writes the file.
 *
 * Like the log this room has one pointer of its own per process, and everything that counts does
 * nothing where metrics_open() was not called: tools and tests need nothing. It allocates nothing,
 * takes no lock and asks no clock; a count is one relaxed addition.
 */
#ifndef SIGNPOST_BASE_METRICS_H
#define SIGNPOST_BASE_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/status.h"

/* clang-format off */
/* V(identifier, value of the label) */
#define METRIC_VALUES_NONE(V) V(NONE, "")
#define METRIC_VALUES_ACTION(V) \
	V(ACTION_SIGNED, "signed") \
	V(ACTION_VERIFIED, "verified") \
	V(ACTION_PASSED, "passed") \
	V(ACTION_TEMPFAILED, "tempfailed") \
	V(ACTION_REJECTED, "rejected") \
	V(ACTION_DISCARDED, "discarded") \
	V(ACTION_QUARANTINED, "quarantined")
#define METRIC_VALUES_ALGORITHM(V) \
	V(ALGORITHM_RSA_SHA256, "rsa-sha256") \
	V(ALGORITHM_ED25519_SHA256, "ed25519-sha256")
#define METRIC_VALUES_SIGN_RESULT(V) \
	V(SIGN_OK, "ok") \
	V(SIGN_FAILED, "failed")
#define METRIC_VALUES_VERIFY_RESULT(V) \
	V(VERIFY_PASS, "pass") \
	V(VERIFY_FAIL, "fail") \
	V(VERIFY_NEUTRAL, "neutral") \
	V(VERIFY_POLICY, "policy") \
	V(VERIFY_TEMPERROR, "temperror") \
	V(VERIFY_PERMERROR, "permerror") \
	V(VERIFY_NONE, "none")
#define METRIC_VALUES_UNSIGNED_REASON(V) \
	V(UNSIGNED_NOT_OURS, "not_ours") \
	V(UNSIGNED_NO_DOMAIN, "no_domain") \
	V(UNSIGNED_NO_RULE, "no_rule") \
	V(UNSIGNED_NO_SENDER, "no_sender") \
	V(UNSIGNED_EXEMPT, "exempt") \
	V(UNSIGNED_RECIPIENT, "recipient") \
	V(UNSIGNED_PEER, "peer") \
	V(UNSIGNED_MODE, "mode") \
	V(UNSIGNED_ERROR, "error") \
	V(UNSIGNED_TENANT, "tenant") \
	V(UNSIGNED_NO_KEY, "no_key") \
	V(UNSIGNED_STORE, "store") \
	V(UNSIGNED_UNREADABLE, "unreadable") \
	V(UNSIGNED_LEASE, "lease") \
	V(UNSIGNED_CRYPTO, "crypto")
#define METRIC_VALUES_TEMPFAIL_REASON(V) \
	V(TEMPFAIL_TABLE, "table") \
	V(TEMPFAIL_KEY, "key") \
	V(TEMPFAIL_KEEPER, "keeper") \
	V(TEMPFAIL_SIGNATURE, "signature") \
	V(TEMPFAIL_DNS, "dns") \
	V(TEMPFAIL_VERIFY, "verify") \
	V(TEMPFAIL_SIZE, "size") \
	V(TEMPFAIL_INTERNAL, "internal") \
	V(TEMPFAIL_RULE, "rule") \
	V(TEMPFAIL_TENANT, "tenant") \
	V(TEMPFAIL_LEASE, "lease")
#define METRIC_VALUES_DNS_RESULT(V) \
	V(DNS_FOUND, "found") \
	V(DNS_ABSENT, "absent") \
	V(DNS_UNAVAILABLE, "unavailable") \
	V(DNS_INVALID, "invalid")
#define METRIC_VALUES_CACHE(V) \
	V(CACHE_RULES, "rules") \
	V(CACHE_KEYS, "keys") \
	V(CACHE_TABLE, "table") \
	V(CACHE_PARSED, "parsed") \
	V(CACHE_DNS, "dns")
#define METRIC_VALUES_KEY_TYPE(V) \
	V(KEY_RSA_1024, "rsa-1024") \
	V(KEY_RSA_2048, "rsa-2048") \
	V(KEY_RSA_3072, "rsa-3072") \
	V(KEY_RSA_4096, "rsa-4096") \
	V(KEY_RSA_OTHER, "rsa-other") \
	V(KEY_ED25519, "ed25519")
#define METRIC_VALUES_STORE(V) \
	V(STORE_RULES, "rules") \
	V(STORE_KEYS, "keys") \
	V(STORE_CHANGES, "changes") \
	V(STORE_TABLE, "table")
#define METRIC_VALUES_STORE_KIND(V) \
	V(STORE_KIND_KEYSTORE, "keystore") \
	V(STORE_KIND_TABLE, "table")
#define METRIC_VALUES_REFUSED(V) \
	V(REFUSED_FORM, "form") \
	V(REFUSED_SEAL, "seal") \
	V(REFUSED_AGE, "age") \
	V(REFUSED_EPOCH, "epoch")
#define METRIC_VALUES_TRIED(V) \
	V(TRIED_OK, "ok") \
	V(TRIED_FAILED, "failed")
#define METRIC_VALUES_REPORTED(V) \
	V(REPORTED_OK, "ok") \
	V(REPORTED_DENIED, "denied") \
	V(REPORTED_UNAVAILABLE, "unavailable")
#define METRIC_VALUES_CHECKED(V) \
	V(CHECKED_GOOD, "good") \
	V(CHECKED_FAILED, "failed") \
	V(CHECKED_UNAVAILABLE, "unavailable") \
	V(CHECKED_DROPPED, "dropped")
#define METRIC_VALUES_CHECK_FAILURE(V) \
	V(CHECK_FAILURE_ABSENT, "absent") \
	V(CHECK_FAILURE_REVOKED, "revoked") \
	V(CHECK_FAILURE_RECORD, "record") \
	V(CHECK_FAILURE_SIGNATURE, "signature") \
	V(CHECK_FAILURE_MESSAGE, "message")
#define METRIC_VALUES_SHADOW(V) \
	V(SHADOW_NOT_COMPARED, "not-compared") \
	V(SHADOW_WOULD_FAIL, "would-fail") \
	V(SHADOW_NOT_SIGNED_BY_US, "not-signed-by-us") \
	V(SHADOW_NOT_SIGNED_BY_THEM, "not-signed-by-them") \
	V(SHADOW_OTHER_DOMAIN, "other-domain") \
	V(SHADOW_BODY_DIFFERS, "body-differs") \
	V(SHADOW_OTHER_SELECTOR, "other-selector") \
	V(SHADOW_OTHER_ALGORITHM, "other-algorithm") \
	V(SHADOW_OTHER_KEY, "other-key") \
	V(SHADOW_OTHER_HEADERS, "other-headers") \
	V(SHADOW_OTHER_CANONICALIZATION, "other-canonicalization") \
	V(SHADOW_OTHER_IDENTITY, "other-identity") \
	V(SHADOW_OTHER_LENGTH, "other-length") \
	V(SHADOW_OTHER_LIFETIME, "other-lifetime") \
	V(SHADOW_SAME, "same") \
	V(SHADOW_NEITHER, "neither")

/* L(identifier, name of the label) */
#define METRIC_LABELS(L) \
	L(NONE, "") \
	L(ACTION, "action") \
	L(ALGORITHM, "alg") \
	L(SIGN_RESULT, "result") \
	L(VERIFY_RESULT, "result") \
	L(UNSIGNED_REASON, "reason") \
	L(TEMPFAIL_REASON, "reason") \
	L(DNS_RESULT, "result") \
	L(CACHE, "cache") \
	L(KEY_TYPE, "alg") \
	L(STORE, "op") \
	L(STORE_KIND, "store") \
	L(REFUSED, "reason") \
	L(TRIED, "result") \
	L(REPORTED, "result") \
	L(CHECKED, "result") \
	L(CHECK_FAILURE, "reason") \
	L(SHADOW, "result")

/* X(identifier, kind, name, help, first label, second label). A gauge has one label at most. A metric is added here and in
 * signpostd(8). */
#define METRICS(X) \
	X(MESSAGES, COUNTER, "signpost_messages_total", \
	    "Messages, by what was done to them in the end.", ACTION, NONE) \
	X(SIGN, COUNTER, "signpost_sign_total", \
	    "Signatures made, or not because the arithmetic failed.", ALGORITHM, SIGN_RESULT) \
	X(SIGN_SECONDS, HISTOGRAM, "signpost_sign_seconds", \
	    "Time of one signature in the keeper.", NONE, NONE) \
	X(UNSIGNED, COUNTER, "signpost_unsigned_total", \
	    "Messages that were not signed, by the reason.", UNSIGNED_REASON, NONE) \
	X(TEMPFAIL, COUNTER, "signpost_tempfail_total", \
	    "Messages that were tempfailed, by the reason.", TEMPFAIL_REASON, NONE) \
	X(VERIFY, COUNTER, "signpost_verify_total", \
	    "Signatures of others by their result; none: messages without one.", \
	    VERIFY_RESULT, NONE) \
	X(SIGNATURES_IGNORED, COUNTER, "signpost_signatures_ignored_total", \
	    "Signatures that were not looked at because a message had too many.", NONE, NONE) \
	X(AUTHRES_REMOVED, COUNTER, "signpost_authres_removed_total", \
	    "Authentication-Results fields removed because they claimed to be ours.", \
	    NONE, NONE) \
	X(DNS, COUNTER, "signpost_dns_total", \
	    "Questions about keys, by the answer of DNS.", DNS_RESULT, NONE) \
	X(DNS_SECONDS, HISTOGRAM, "signpost_dns_seconds", \
	    "Time until the answer about a key, from the cache too.", NONE, NONE) \
	X(CACHE_HITS, COUNTER, "signpost_key_cache_hits_total", \
	    "Answers about rules and keys that were known.", CACHE, NONE) \
	X(CACHE_NEGATIVE_HITS, COUNTER, "signpost_key_cache_negative_hits_total", \
	    "Names that were known to have no rule or key.", CACHE, NONE) \
	X(CACHE_MISSES, COUNTER, "signpost_key_cache_misses_total", \
	    "Answers about rules and keys that had to wait for their source.", CACHE, NONE) \
	X(CACHE_STALE, COUNTER, "signpost_key_cache_stale_served_total", \
	    "Answers older than they should be, given because their source was away.", \
	    CACHE, NONE) \
	X(CACHE_EVICTIONS, COUNTER, "signpost_key_cache_evictions_total", \
	    "Answers that were forgotten because the cache was full.", CACHE, NONE) \
	X(PARSED_KEYS, GAUGE, "signpost_parsed_keys", \
	    "Private keys in memory, ready to sign.", KEY_TYPE, NONE) \
	X(PARSED_KEY_BYTES, GAUGE, "signpost_parsed_key_bytes", \
	    "Memory of the private keys that are ready to sign.", KEY_TYPE, NONE) \
	X(STORE_SECONDS, HISTOGRAM, "signpost_store_seconds", \
	    "Time of one question to a KeyStore or to a table of a server.", STORE, NONE) \
	X(STORES, GAUGE, "signpost_stores", \
	    "KeyStores, and tables of servers, that processes have open.", STORE_KIND, NONE) \
	X(STORES_AWAY, GAUGE, "signpost_stores_away", \
	    "Those of them that did not answer when they were asked last.", STORE_KIND, NONE) \
	X(CIRCUITS, GAUGE, "signpost_store_circuit_state", \
	    "Servers of stores that are left alone for a while because they failed; 0: none.", \
	    STORE_KIND, NONE) \
	X(STORE_SILENT, GAUGE, "signpost_store_silent_seconds", \
	    "Time since the KeyStore said last that what is known of it is right.", NONE, NONE) \
	X(SHARED_HITS, COUNTER, "signpost_memcached_hits_total", \
	    "Answers that were found in memcached and used.", CACHE, NONE) \
	X(SHARED_MISSES, COUNTER, "signpost_memcached_misses_total", \
	    "Answers that were not in memcached.", CACHE, NONE) \
	X(SHARED_REFUSED, COUNTER, "signpost_memcached_refused_total", \
	    "Answers of memcached that were not believed, by the reason.", CACHE, REFUSED) \
	X(SHARED_UNAVAILABLE, COUNTER, "signpost_memcached_unavailable_total", \
	    "Questions that memcached did not answer, or was not asked because it is away.", \
	    CACHE, NONE) \
	X(SHARED_STALE, COUNTER, "signpost_memcached_stale_served_total", \
	    "Answers of memcached older than they should be, used because their source was away.", \
	    CACHE, NONE) \
	X(SHARED_STORED, COUNTER, "signpost_memcached_stored_total", \
	    "Answers that were given to memcached.", CACHE, NONE) \
	X(SHARED_DROPPED, COUNTER, "signpost_memcached_dropped_total", \
	    "Answers that were not given to memcached because too many waited.", NONE, NONE) \
	X(SHARED_SECONDS, HISTOGRAM, "signpost_memcached_seconds", \
	    "Time of one question to memcached.", NONE, NONE) \
	X(SHARED_AWAY, GAUGE, "signpost_memcached_away", \
	    "Servers of Memcached that do not answer now.", NONE, NONE) \
	X(GATEWAY_EPOCH, GAUGE, "signpost_gateway_epoch", \
	    "All changes of the KeyStore up to this epoch are in force here.", NONE, NONE) \
	X(GATEWAY_TESTED, GAUGE, "signpost_gateway_tested_epoch", \
	    "All keys that wait to be used were tried here up to this epoch of the KeyStore.", \
	    NONE, NONE) \
	X(KEYS_TRIED, COUNTER, "signpost_gateway_keys_tried_total", \
	    "Keys that wait to be used and were tried here, by how that ended.", TRIED, NONE) \
	X(GATEWAY_REPORTS, COUNTER, "signpost_gateway_reports_total", \
	    "Reports of this gateway to the KeyStore, by its answer.", REPORTED, NONE) \
	X(SELFVERIFY, COUNTER, "signpost_selfverify_total", \
	    "Signatures of our own that were verified through DNS, by the result.", \
	    CHECKED, NONE) \
	X(SELFVERIFY_FAILURES, COUNTER, "signpost_selfverify_failures_total", \
	    "Signatures of our own that cannot be verified, by the reason.", CHECK_FAILURE, NONE) \
	X(SHADOW, COUNTER, "signpost_shadow_total", \
	    "Messages of shadow mode, by how our signature differs from the other signer's.", \
	    SHADOW, NONE) \
	X(SHADOW_LOST, COUNTER, "signpost_shadow_lines_lost_total", \
	    "Lines of ShadowReport that could not be written.", NONE, NONE) \
	X(CONNECTIONS, GAUGE, "signpost_connections", \
	    "Connections of MTAs that are open now.", NONE, NONE)

/* Upper bounds of the buckets of every histogram, microseconds; one bucket more is above all. */
#define METRIC_BUCKETS(B) \
	B(100) B(250) B(500) B(1000) B(2500) B(5000) B(10000) B(25000) B(50000) B(100000) \
	B(250000) B(500000) B(1000000) B(2500000) B(5000000) B(10000000) B(30000000)
/* clang-format on */

/* METRIC_MESSAGES, METRIC_SIGN, ... */
enum metric {
#define METRIC_ENUM(id, kind, name, help, first, second) METRIC_##id,
	METRICS(METRIC_ENUM)
#undef METRIC_ENUM
	    METRIC_COUNT
};

/* METRIC_ACTION_SIGNED, ...: the values of each label, from 0. */
#define METRIC_VALUE_ENUM(id, text) METRIC_##id,
enum metric_action { METRIC_VALUES_ACTION(METRIC_VALUE_ENUM) };
enum metric_algorithm { METRIC_VALUES_ALGORITHM(METRIC_VALUE_ENUM) };
enum metric_sign_result { METRIC_VALUES_SIGN_RESULT(METRIC_VALUE_ENUM) };
enum metric_verify_result { METRIC_VALUES_VERIFY_RESULT(METRIC_VALUE_ENUM) };
enum metric_unsigned_reason { METRIC_VALUES_UNSIGNED_REASON(METRIC_VALUE_ENUM) };
enum metric_tempfail_reason { METRIC_VALUES_TEMPFAIL_REASON(METRIC_VALUE_ENUM) };
enum metric_dns_result { METRIC_VALUES_DNS_RESULT(METRIC_VALUE_ENUM) };
enum metric_cache { METRIC_VALUES_CACHE(METRIC_VALUE_ENUM) };
enum metric_key_type { METRIC_VALUES_KEY_TYPE(METRIC_VALUE_ENUM) };
enum metric_store { METRIC_VALUES_STORE(METRIC_VALUE_ENUM) };
enum metric_store_kind { METRIC_VALUES_STORE_KIND(METRIC_VALUE_ENUM) };
enum metric_refused { METRIC_VALUES_REFUSED(METRIC_VALUE_ENUM) };
enum metric_tried { METRIC_VALUES_TRIED(METRIC_VALUE_ENUM) };
enum metric_reported { METRIC_VALUES_REPORTED(METRIC_VALUE_ENUM) };
enum metric_checked { METRIC_VALUES_CHECKED(METRIC_VALUE_ENUM) };
enum metric_check_failure { METRIC_VALUES_CHECK_FAILURE(METRIC_VALUE_ENUM) };
enum metric_shadow { METRIC_VALUES_SHADOW(METRIC_VALUE_ENUM) };
enum metric_no_label { METRIC_VALUES_NONE(METRIC_VALUE_ENUM) };
#undef METRIC_VALUE_ENUM

/* Processes whose gauges are kept apart; those beyond count in no gauge. */
#define METRICS_PROCESSES_MAX 512u
/* Octets of the text that is written, at most. */
#define METRICS_TEXT_MAX 65536u

/* The parent, before the first fork; later calls change nothing. ST_FAILED: no memory; nothing is
 * counted then, and the service may go on. */
enum status metrics_open(struct err *err) MUST_USE;
/* Tests only: nothing counts in this process any more. */
void metrics_close(void);
bool metrics_are_open(void);

/* A child, before it counts in a gauge; the parent with the pid of a child that ended: what it had
 * in gauges is gone with it, however it ended. */
void metrics_process_began(void);
void metrics_process_ended(pid_t pid);

/* A counter: first and second are values of its labels, METRIC_NONE where it has none. What is out
 * of range is not counted. */
void metrics_count(enum metric metric, unsigned int first, unsigned int second);
void metrics_add(enum metric metric, unsigned int first, unsigned int second, uint64_t by);
/* A histogram; _at: with a label, whose value is first. */
void metrics_observe(enum metric metric, int64_t microseconds);
void metrics_observe_at(enum metric metric, unsigned int first, int64_t microseconds);
/* A gauge; +1 and -1 are to be counted by the same process. The first is for one without a label.
 */
void metrics_gauge_add(enum metric metric, int64_t by);
void metrics_gauge_add_at(enum metric metric, unsigned int first, int64_t by);

/* Of a store that a process opened or closed (by 1, -1), and of one that is away or there again:
 * *was remembers which of these was counted, and may be shared by threads. */
void metrics_store_opened(enum metric_store_kind kind, int64_t by);
void metrics_store_away(enum metric_store_kind kind, atomic_bool *was, bool away);

/* Everything in the Prometheus text format 0.0.4, and signpost_store_up, which follows from two
 * gauges. ST_ABSENT: not open. ST_TOO_BIG: out has less
 * room than METRICS_TEXT_MAX. */
enum status metrics_write(struct buf *out) MUST_USE;
/* The same into a file: written beside it as PATH.new, readable for all, and renamed, so that a
 * collector never reads a part. One process at a time. ST_ABSENT: not open. ST_FAILED: err names
 * the file and the reason; the old file stays. */
enum status metrics_file_write(const char *path, struct err *err) MUST_USE;

/* Appends the value of a label, with '\', '"' and line ends escaped. For whoever adds metrics with
 * values from outside. */
void metrics_label_escape(struct buf *out, struct span value);
/* Of a histogram without a label: under how many microseconds so many of 1000 were, as far as its
 * buckets tell; those that are above all count as the highest bound. -1: there is none yet. */
int64_t metrics_quantile_us(enum metric metric, unsigned int per_mille);
/* What a counter stands at; 0 where nothing is counted. */
uint64_t metrics_value(enum metric metric, unsigned int first, unsigned int second);
/* Of its first label the value of this number; static. NULL: it has none of this number. */
const char *metrics_label_value(enum metric metric, unsigned int first);
/* "signpost_messages_total", ...; static. */
const char *metrics_name(enum metric metric);

#endif
