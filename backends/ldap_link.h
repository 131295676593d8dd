/*
 * ldap_link.h - one connection to one directory server: opened, bound, asked, closed. Only the
 * files of this room that are built with libldap include it.
 */
#ifndef SIGNPOST_BACKENDS_LDAP_LINK_H
#define SIGNPOST_BACKENDS_LDAP_LINK_H

#include <stdint.h>

#include "backends/ldap_entry.h"
#include "backends/ldap_url.h"
#include "lib/store/table.h"

/* How those who wrote the configuration call its parts, for sentences that say what to correct. */
struct ldaplink_words {
	const char *user, *login;    /* the name; name and password */
	const char *mechanism;       /* and what else says how to log in */
	const char *tls, *ca_file;   /* what makes a connection encrypted; who signs certificates */
	const char *timeout;         /* how long is waited */
	const char *rights, *schema; /* what to do when a write lacks either */
};

/* Those of signpostd.conf(5). */
extern const struct ldaplink_words ldaplink_words;

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
	const struct ldaplink_words *words; /* static; never NULL */
};

/* settings NULL: the defaults. words are those of signpostd.conf(5). ST_UNAVAILABLE: no secret
 * memory for the password. */
enum status ldaplink_config_read(
    const struct table_settings *settings, struct ldaplink_config *out, struct err *err) MUST_USE;
void ldaplink_config_free(struct ldaplink_config *config); /* may be called twice */

/* One thread at a time. */
struct ldaplink {
	void *ld; /* libldap's LDAP * */
	const char *uri;
	const struct ldaplink_words *words;
	int64_t used_ms; /* when it was last asked */
	struct ldaplink *next;
};

/* Connects, starts TLS, binds; all of it before deadline_ms (clock_mono_ms). config and server are
 * borrowed until ldaplink_close(). ST_UNAVAILABLE: the sentence names server and parameter, and
 * never a password. */
enum status ldaplink_open(const struct ldaplink_config *config, const struct ldapurl_server *server,
    int64_t deadline_ms, struct ldaplink **out, struct err *err) MUST_USE;
void ldaplink_close(struct ldaplink *link); /* NULL is fine */

/* One search. */
struct ldaplink_search {
	const char *base, *filter;
	enum ldapurl_scope scope;
	const char *const *attributes; /* at most LDAPENTRY_ATTRIBUTES_MAX, then NULL */
	size_t entries_max;            /* what the server may send; at least 1 */
	bool base_varies;              /* that the base does not exist is an answer: ST_ABSENT */
	bool secret;                   /* values are wiped where they came from */
	size_t page;                   /* > 0: in pages of so many entries (RFC 2696) */
};

/* How a question ended. */
struct ldaplink_end {
	bool lost;        /* the connection is gone; a fresh one may answer */
	bool silent;      /* nothing came before the deadline; close the connection */
	bool limited;     /* there are more than entries_max, or than the server gives */
	bool referred;    /* some of the answer is on another server, which is not asked */
	bool forbidden;   /* of a write: this user may not */
	bool unknown;     /* of a write: the schema has no such attribute or class */
	bool constrained; /* of a write: a rule of the server, as that a value is unique */
	size_t entries;   /* that were visited */
};

/* Sends a search; several may be on their way, each is to be taken. ST_UNAVAILABLE (end->lost),
 * ST_INVALID (the filter). */
enum status ldaplink_send(struct ldaplink *link, const struct ldaplink_search *search,
    int64_t deadline_ms, int *id_out, struct ldaplink_end *end, struct err *err) MUST_USE;
/* Takes its answer, entry by entry. ST_OK, also when there are no entries; ST_ABSENT;
 * ST_UNAVAILABLE; what visit said. Ends before deadline_ms, whatever the server does. *end is
 * written. */
enum status ldaplink_take(struct ldaplink *link, const struct ldaplink_search *search, int id,
    int64_t deadline_ms, ldapentry_visit *visit, void *context, struct ldaplink_end *end,
    struct err *err) MUST_USE;
/* Both; with search->page > 0 page after page until the end. */
enum status ldaplink_search(struct ldaplink *link, const struct ldaplink_search *search,
    int64_t deadline_ms, ldapentry_visit *visit, void *context, struct ldaplink_end *end,
    struct err *err) MUST_USE;

enum ldaplink_how { LDAPLINK_ADD, LDAPLINK_DELETE, LDAPLINK_REPLACE };

/* What is done to one attribute. */
struct ldaplink_change {
	enum ldaplink_how how;
	const char *attribute;
	const struct span *values; /* LDAPLINK_DELETE and LDAPLINK_REPLACE without any: all */
	size_t count;
};

#define LDAPLINK_CHANGES_MAX 64U

enum ldaplink_write { LDAPLINK_ADD_ENTRY, LDAPLINK_MODIFY_ENTRY, LDAPLINK_DELETE_ENTRY };

/* One write of one entry; all its changes or none. ST_OK; ST_ABSENT: no such entry; ST_DENIED: it
 * is there already, a value to be deleted is not there, something hangs below it; ST_INVALID: the
 * schema does not allow it; ST_UNAVAILABLE: also a server that takes no writes. After end->lost or
 * end->silent nobody knows whether it was done. */
enum status ldaplink_change(struct ldaplink *link, enum ldaplink_write what, const char *dn,
    const struct ldaplink_change *changes, size_t count, int64_t deadline_ms,
    struct ldaplink_end *end, struct err *err) MUST_USE;

/* The record of a table from an entry whose attributes are the table's fields. secret: in secret
 * memory. ST_INVALID: a value that is too long or has a NUL. Released with table_value_release().
 */
enum status ldaplink_record(const struct ldapentry *entry, const char *const *attributes,
    size_t count, bool secret, struct table_value *out, struct err *err) MUST_USE;

#endif
