/*
 * tenant.h - for which tenant does a session speak? Asked before From is looked at: From only
 * chooses inside the tenant. The facts of a session become subjects, the most telling first, and
 * the first one that is bound to a tenant decides:
 *
 *   login:USER@DOMAIN, login:@DOMAIN   the SASL login {auth_authen}
 *   listener:NAME                      the MTA's {daemon_name}
 *   client:ADDRESS/BITS                the client's address and its networks, longest first:
 *                                      IPv4 all of /32 to /0, IPv6 every fourth of /128 to /0, as
 *                                      inet_ntop() writes them with the other bits zero
 *   client:HOST, client:.PARENT        the client's name
 *   *                                  everybody
 *
 * The same subjects are the keys of the TenantMap data set (open it with TABLE_ICASE) and of the
 * store's bindings. All are in lower case. A name with octets that no host name has, or with more
 * than 40 labels, counts as none; a subject that is longer than a binding can be is left out.
 */
#ifndef SIGNPOST_STORE_TENANT_H
#define SIGNPOST_STORE_TENANT_H

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/store/keystore.h"
#include "lib/store/table.h"

struct tenant_session {
	struct span login;      /* empty: not authenticated */
	struct span listener;   /* {daemon_name}, or empty */
	struct span host;       /* as the MTA says; "[...]" or empty: no name */
	uint8_t family;         /* 4, 6, or something else: no address */
	const uint8_t *address; /* network order */
};

#define TENANT_SUBJECTS_MAX 128U

/* The subjects of a session in order. They live in room (initialized, with a maximum of 16 KiB at
 * least: that is always enough) until it changes. What does not fit is ST_TOO_BIG. A session with a
 * login has none of its client's address or name: who is bound nowhere does not speak for the
 * network he is in. */
enum status tenant_subjects(const struct tenant_session *session, struct buf *room,
    struct span subjects[TENANT_SUBJECTS_MAX], size_t *count_out) MUST_USE;

/* Asks map (TenantMap) if it is not NULL, then store if that is not NULL. ST_OK: the name, at most
 * KEYSTORE_TENANT_MAX octets, in tenant, NUL-terminated. ST_ABSENT: bound to none. ST_UNAVAILABLE,
 * ST_INVALID (a value that is no tenant's name; a subject that the store binds to two). Any thread.
 *
 * A table in memory is asked for one subject after the other until one is bound, a table on a
 * server for TABLE_KEYS_MAX at once, the store for KEYSTORE_NAMES_MAX. */
enum status tenant_of_session(struct table *map, struct keystore *store,
    const struct tenant_session *session, char tenant[KEYSTORE_TENANT_MAX + 1],
    struct err *err) MUST_USE;

/* The same of what people write: texts as they came, NULL where one is not known. client that is no
 * address is none. */
struct tenant_facts {
	const char *login, *listener, *client, *host;
};
enum status tenant_of_facts(struct table *map, struct keystore *store,
    const struct tenant_facts *facts, char tenant[KEYSTORE_TENANT_MAX + 1],
    struct err *err) MUST_USE;

/* RequireSenderMatch for plain tables: may this login send as this address? ST_OK, ST_DENIED.
 * exact false ("domain"): the login's domain is the sender's, or the sender's is below it. exact
 * true ("address"): the login is the address. Without ASCII case. A login without '@' matches
 * nothing. Pure. */
enum status tenant_sender_match(
    struct span login, struct span user, struct span domain, bool exact);

#endif
