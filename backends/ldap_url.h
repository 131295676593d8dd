/*
 * ldap_url.h - the specification of an ldap:, ldaps: or ldapi: data set: up to LDAPURL_MAX URLs
 * (RFC 4516) between blanks. The first gives base, attributes, scope and filter; the others only
 * say where else the same can be asked. Pure: no server is asked here.
 */
#ifndef SIGNPOST_BACKENDS_LDAP_URL_H
#define SIGNPOST_BACKENDS_LDAP_URL_H

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"

#define LDAPURL_MAX 8              /* URLs of one data set */
#define LDAPURL_BYTES_MAX 8192     /* octets of the whole specification */
#define LDAPURL_FIELDS_MAX 16      /* attributes, the fields of a record */
#define LDAPURL_TEXT_MAX (1 << 17) /* octets of a base or filter with the query in it */

enum ldapurl_scope { LDAPURL_BASE, LDAPURL_ONE, LDAPURL_SUB };

/* One place where the directory can be asked. */
struct ldapurl_server {
	char *uri;  /* "ldap://host:port", as written; owned */
	bool tls;   /* ldaps */
	bool local; /* ldapi */
};

/* Immutable once parsed: any number of threads may read it. */
struct ldapurl {
	struct ldapurl_server servers[LDAPURL_MAX];
	size_t server_count;
	char *base, *filter;                      /* decoded, $d and $D still in them; owned */
	char *attributes[LDAPURL_FIELDS_MAX + 1]; /* in the order of the fields, then NULL; owned */
	size_t attribute_count;
	enum ldapurl_scope scope;
	bool base_varies; /* base has $d or $D: that it does not exist is an answer */
	bool asks;        /* base or filter has $d or $D */
};

/* type: "ldap", "ldaps", "ldapi"; value: what follows its ':'. ST_INVALID: the sentence says which
 * part, and nothing is to be freed. */
enum status ldapurl_parse(
    const char *type, struct span value, struct ldapurl *out, struct err *err) MUST_USE;
/* The same for a key store: the first URL has a base and nothing behind it; attributes, scope and
 * filter are the store's own. */
enum status ldapurl_parse_store(
    const char *type, struct span value, struct ldapurl *out, struct err *err) MUST_USE;
void ldapurl_free(struct ldapurl *url); /* may be called twice */

/* What is asked for query: $d is the query, $D its labels as dc=a,dc=b, both escaped. ST_ABSENT:
 * no entry can have such a name (a control character; $D with an empty label). ST_TOO_BIG. out:
 * initialized with LDAPURL_TEXT_MAX; has a NUL at its end that is not counted. */
enum status ldapurl_base(const struct ldapurl *url, struct span query, struct buf *out) MUST_USE;
enum status ldapurl_filter(const struct ldapurl *url, struct span query, struct buf *out) MUST_USE;

/* The one place where outside text enters a filter (RFC 4515 section 3) or a DN (RFC 4514
 * section 2.4): what is not a letter, a digit or harmless is written as \xx. */
void ldapurl_escape_filter(struct buf *out, struct span text);
void ldapurl_escape_dn(struct buf *out, struct span text);

#endif
