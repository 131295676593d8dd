/*
 * ldap_none.c - the types of directories in a build without libldap.
 * Called by table_open(), which refuses them with a sentence.
 * It must never answer a question.
 */
#include "backends/registry.h"

static enum status
refuse(struct table *table, struct span value, struct err *err)
{
	(void)value;
	err_set(err,
	    "table type \"%s\" is not in this build; build it with libldap, or convert the data "
	    "to file: or refile:",
	    table->ops->type);
	return ST_INVALID;
}

const struct table_ops ldap_table_ops = {.type = "ldap", .open = refuse};
const struct table_ops ldaps_table_ops = {.type = "ldaps", .open = refuse};
const struct table_ops ldapi_table_ops = {.type = "ldapi", .open = refuse};
