/*
 * ldap_link.h - one connection to one directory server: opened, bound, asked, closed. Only the
 * files of this room that are built with libldap include it.
 */
#ifndef SIGNPOST_BACKENDS_LDAP_LINK_H
#define SIGNPOST_BACKENDS_LDAP_LINK_H

#include <stdint.h>

#include "backends/ldap_url.h"
#include "lib/store/table.h"

/* What all servers of a configuration are asked with. Immutable; any thread. */
struct ldaplink_config {
	char *mechanism; /* "none", "simple", or of SASL; owned, as all texts here */
	char *bind_dn;   /* LDAPBindUser, or NULL */
	char *password;  /* in secret memory, or NULL */
	char *auth_name, *auth_realm, *auth_user;
	char *ca_file; /* LDAPTLSCAFile, or NULL: what ldap.conf says */
	bool start_tls, verify;
	int keepalive_idle, keepalive_probes, keepalive_interval; /* 0: the library's */
	int64_t timeout_ms;
};

/* settings NULL: the defaults. ST_UNAVAILABLE: no secret memory for the password. */
enum status ldaplink_config_read(
    const struct table_settings *settings, struct ldaplink_config *out, struct err *err) MUST_USE;
void ldaplink_config_free(struct ldaplink_config *config); /* may be called twice */

/* One thread at a time. */
struct ldaplink {
	void *ld; /* libldap's LDAP * */
	const char *uri;
	int64_t used_ms; /* when it was last asked */
	struct ldaplink *next;
};

/* Connects, starts TLS, binds; all of it before deadline_ms (clock_mono_ms). config and server are
 * borrowed until ldaplink_close(). ST_UNAVAILABLE: the sentence names server and parameter, and
 * never a password. */
enum status ldaplink_open(const struct ldaplink_config *config, const struct ldapurl_server *server,
    int64_t deadline_ms, struct ldaplink **out, struct err *err) MUST_USE;
void ldaplink_close(struct ldaplink *link); /* NULL is fine */

struct ldaplink_question {
	const struct ldapurl *url; /* attributes, scope */
	const char *base, *filter;
	bool secret; /* values go to secret memory, and are wiped where they came from */
};

struct ldaplink_answer {
	struct table_value value; /* on ST_OK; to be released */
	bool lost;                /* the connection is gone; a fresh one may answer */
	bool silent;              /* nothing came before the deadline; close the connection */
	bool many;                /* more than one entry; the first one is the value */
	bool referred;            /* some of the answer is on another server, which is not asked */
};

/* ST_OK, ST_ABSENT, ST_UNAVAILABLE, ST_INVALID (the filter; a value that is too long or has a
 * NUL). Ends before deadline_ms, whatever the server does. */
enum status ldaplink_ask(struct ldaplink *link, const struct ldaplink_question *question,
    int64_t deadline_ms, struct ldaplink_answer *out, struct err *err) MUST_USE;

#endif
