/*
 * ldap_entry.h - an entry of a directory as it came: the values of those attributes that were asked
 * for. Pure; what reads entries needs no libldap.
 */
#ifndef SIGNPOST_BACKENDS_LDAP_ENTRY_H
#define SIGNPOST_BACKENDS_LDAP_ENTRY_H

#include "lib/base/span.h"
#include "lib/base/status.h"

#define LDAPENTRY_ATTRIBUTES_MAX 64U

struct ldapentry_values {
	const struct span *items;
	size_t count; /* 0: the attribute is not there, or may not be read */
};

/* Everything is borrowed, and valid while the entry is visited. */
struct ldapentry {
	struct span dn;
	const struct ldapentry_values *values; /* in the order in which they were asked for */
};

/* Called for each entry of an answer. Anything but ST_OK is the answer of the whole search. */
typedef enum status ldapentry_visit(void *context, const struct ldapentry *entry, struct err *err);

#endif
