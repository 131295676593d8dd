/*
 * zimbra_localconfig.h - Zimbra's localconfig.xml: names and values, one below the other. Not a
 * reader of XML: what Zimbra does not write there is refused with its line.
 */
#ifndef SIGNPOST_TOOLS_ZIMBRA_LOCALCONFIG_H
#define SIGNPOST_TOOLS_ZIMBRA_LOCALCONFIG_H

#include "lib/base/span.h"
#include "lib/base/status.h"

#define LOCALCONFIG_NAME_MAX 128U   /* octets of a name */
#define LOCALCONFIG_VALUE_MAX 8192U /* octets of a value, decoded */
#define LOCALCONFIG_KEYS_MAX 4096U

enum localconfig_key {
	LOCALCONFIG_MASTER_URL, /* ldap_master_url: URLs between blanks; they take writes */
	LOCALCONFIG_URL,        /* ldap_url: those that read; replicas among them */
	LOCALCONFIG_START_TLS,  /* ldap_starttls_supported: "1" or "0" */
	LOCALCONFIG_USER_DN,    /* zimbra_ldap_userdn */
	LOCALCONFIG_PASSWORD,   /* zimbra_ldap_password */
	LOCALCONFIG_KEY_COUNT
};

/* In secret memory, since one of them is a password; NULL: it is not there. Owned. */
struct localconfig {
	char *values[LOCALCONFIG_KEY_COUNT];
};

/* text: the whole file, borrowed. ST_INVALID: the sentence names the line, and never a value;
 * ST_FAILED: no secret memory is left. Nothing is to be freed then. Pure. */
enum status localconfig_parse(struct span text, struct localconfig *out, struct err *err) MUST_USE;
void localconfig_free(struct localconfig *config); /* may be called twice; wipes */
/* "ldap_master_url", ...; static. */
const char *localconfig_name(enum localconfig_key key);

#endif
