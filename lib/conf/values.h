/*
 * values.h - what the text of a parameter means: parsers of single values, each answering ST_OK or
 * ST_INVALID with a sentence for the operator (err may be NULL). Pure, any thread, unless it says
 * that it asks the system. On anything but ST_OK the results are untouched.
 */
#ifndef SIGNPOST_CONF_VALUES_H
#define SIGNPOST_CONF_VALUES_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "lib/base/span.h"
#include "lib/base/status.h"

/* tTyY1 / fFnN0 by the first letter. */
enum status conf_parse_bool(struct span text, bool *value_out, struct err *err) MUST_USE;
/* Decimal, 0x hexadecimal or 0 octal, with a sign; all of text; within least .. most. */
enum status conf_parse_int(
    struct span text, int64_t least, int64_t most, int64_t *value_out, struct err *err) MUST_USE;

/* "HEADER[/BODY]", each simple or relaxed without case. One word sets the header; the body then is
 * simple (RFC 6376 section 3.5, tag c=). */
enum status conf_canonicalization(
    const char *text, bool *header_relaxed_out, bool *body_relaxed_out, struct err *err) MUST_USE;

enum conf_action {
	CONF_ACTION_ACCEPT,
	CONF_ACTION_DISCARD,
	CONF_ACTION_QUARANTINE,
	CONF_ACTION_REJECT,
	CONF_ACTION_TEMPFAIL
};
/* a|accept, d|discard, q|quarantine, r|reject, t|tempfail, without case. */
enum status conf_action(const char *text, enum conf_action *action_out, struct err *err) MUST_USE;
const char *conf_action_name(enum conf_action action);

/* RequireSenderMatch: "no", "domain", "address", without case. */
enum conf_sender_match { CONF_SENDER_ANY, CONF_SENDER_DOMAIN, CONF_SENDER_ADDRESS };
enum status conf_sender_match(
    const char *text, enum conf_sender_match *match_out, struct err *err) MUST_USE;

/* SignOnly: a list of "mta", "macro", "internal", "authenticated", without case; what may make mail
 * ours. *origins_out: bits 1 << enum conf_origin, at least one. */
enum conf_origin {
	CONF_ORIGIN_MTA,
	CONF_ORIGIN_MACRO,
	CONF_ORIGIN_INTERNAL,
	CONF_ORIGIN_AUTHENTICATED
};
enum status conf_origins(const char *text, unsigned *origins_out, struct err *err) MUST_USE;

/* "COUNT/TIME[s|m|h|d]", unit in either case, seconds without one; both above 0. */
enum status conf_restart_rate(
    const char *text, unsigned int *count_out, unsigned int *seconds_out, struct err *err) MUST_USE;

/* "s", "v", "sv", "vs". */
enum status conf_mode(const char *text, bool *sign_out, bool *verify_out, struct err *err) MUST_USE;

/* As the int parameter UMask: 0 to 0777, octal with a leading 0. */
enum status conf_umask(const char *text, mode_t *mask_out, struct err *err) MUST_USE;

/* Longest user name kept, with the NUL. */
#define CONF_USER_NAME_MAX 256
struct conf_user {
	char name[CONF_USER_NAME_MAX];
	uid_t uid;
	gid_t gid; /* that of GROUP, or the user's own */
};
/* "USER[:GROUP]", names or numbers. Asks passwd and group (may block: at the start only).
 * ST_ABSENT: no such user or group (exit 65); ST_UNAVAILABLE: could not be asked; ST_INVALID. */
enum status conf_user(const char *text, struct conf_user *user_out, struct err *err) MUST_USE;

enum conf_socket_kind { CONF_SOCKET_UNIX, CONF_SOCKET_INET, CONF_SOCKET_INET6 };
/* Longest host name or address and service name, with the NUL (RFC 1035: 255 octets). */
#define CONF_SOCKET_HOST_MAX 256
#define CONF_SOCKET_SERVICE_MAX 64
struct conf_socket {
	enum conf_socket_kind kind;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; /* unix: with its NUL */
	char host[CONF_SOCKET_HOST_MAX];       /* "": every address; without brackets */
	char service[CONF_SOCKET_SERVICE_MAX]; /* a decimal port 0 .. 65535 or a service name */
	unsigned int port;                     /* when port_known */
	bool port_known; /* service is a number; 0 asks the kernel for a port */
};
/* local:PATH, unix:PATH, PATH (with a '/'), inet:PORT[@HOST], inet6:PORT[@HOST]; HOST is a name, an
 * address or an address in brackets; the kind without case. */
enum status conf_socket(const char *text, struct conf_socket *socket_out, struct err *err) MUST_USE;

#define CONF_SOCKET_ADDRESSES_MAX 16
struct conf_address {
	struct sockaddr_storage address;
	socklen_t length;
};
/* What to bind: one address of a unix socket, or getaddrinfo(AI_PASSIVE) of the family (inet:
 * AF_INET, inet6: AF_INET6). Blocks on DNS. ST_OK with 1 .. CONF_SOCKET_ADDRESSES_MAX addresses
 * (more are left out), ST_ABSENT: no such host or service, ST_UNAVAILABLE: ask later. */
enum status conf_socket_resolve(const struct conf_socket *socket,
    struct conf_address addresses_out[CONF_SOCKET_ADDRESSES_MAX], size_t *count_out,
    struct err *err) MUST_USE;

/* A syslog(3) facility by name, for log_open(). */
enum status conf_syslog_facility(const char *text, int *facility_out, struct err *err) MUST_USE;

/* Minimum: "n" octets, "n%" of the body, "n+": all but n octets. */
enum conf_minimum_kind { CONF_MINIMUM_BYTES, CONF_MINIMUM_PERCENT, CONF_MINIMUM_ALL_BUT };
enum status conf_minimum(const char *text, enum conf_minimum_kind *kind_out, uint64_t *number_out,
    struct err *err) MUST_USE;

/* UnprotectedKey, BogusKey: none (accept the key), neutral, fail; without case. */
enum conf_key_rule { CONF_KEY_RULE_NONE, CONF_KEY_RULE_NEUTRAL, CONF_KEY_RULE_FAIL };
enum status conf_key_rule(const char *text, enum conf_key_rule *rule_out, struct err *err) MUST_USE;

/* Nameservers: addresses separated by commas or blanks, each with a port if wanted: 192.0.2.1,
 * 192.0.2.1:53, 192.0.2.1@53, 2001:db8::1, 2001:db8::1@53, [2001:db8::1]:53. Only checked here. */
#define CONF_NAMESERVERS_MAX 16
enum status conf_nameservers(const char *text, struct err *err) MUST_USE;

/* DNSTimeout in milliseconds: 0 and what is above the maximum are the maximum. */
#define CONF_DNS_TIMEOUT_MAX_S 120
int64_t conf_dns_timeout_ms(int64_t seconds);

/* ClockDrift in seconds: 0 is the default, as in OpenDKIM. */
#define CONF_CLOCK_DRIFT_DEFAULT_S 300
int64_t conf_clock_drift_s(int64_t seconds);

/* AuthservID: 1 to 255 octets. */
#define CONF_AUTHSERV_ID_MAX 255
enum status conf_authserv_id(const char *text, struct err *err) MUST_USE;

/* RSA keys below it never pass, whatever MinimumKeyBits says (RFC 8301); MaximumSignaturesToVerify
 * is never more. */
#define CONF_MINIMUM_KEY_BITS_LEAST 1024
#define CONF_SIGNATURES_MOST 20

/* The next item of a comma-separated list, trimmed; empty ones are passed over. Begin with rest =
 * the whole text. false: no more. */
bool conf_list_next(struct span *rest, struct span *item_out);

/* The whole list, owned: items are NUL-terminated copies. */
#define CONF_LIST_MAX 100000
struct conf_list {
	char **items; /* owned, NULL when empty */
	size_t count;
};
/* ST_OK, or ST_TOO_BIG above CONF_LIST_MAX items. */
enum status conf_list(const char *text, struct conf_list *list_out, struct err *err) MUST_USE;
void conf_list_free(struct conf_list *list);

#endif
