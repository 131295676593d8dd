/*
 * keystore_ldap_none.c - key stores in directories, in a build without libldap.
 * Called by keystore_open(), which refuses them with a sentence.
 * It must never answer a question.
 */
#include "backends/registry.h"

static enum status
refuse(struct keystore *store, struct span value, bool write, struct err *err)
{
	(void)value;
	(void)write;
	err_set(err, "a store of kind \"%s\" is not in this build; build it with libldap",
	    store->ops->scheme);
	return ST_INVALID;
}

const struct keystore_ops ldap_keystore_ops = {.scheme = "ldap", .open = refuse};
const struct keystore_ops ldaps_keystore_ops = {.scheme = "ldaps", .open = refuse};
const struct keystore_ops ldapi_keystore_ops = {.scheme = "ldapi", .open = refuse};
