/*
 * keystore_ldap_identity.c - the identity of a key store in a directory, made when there is none.
 * Called through keystore_ops.migrate and .apply, by an administrator.
 * It must never take away an identity that another writer has just made, nor make a directory
 * unusable whose schema has no room for one.
 */
#include <string.h>

#include "backends/keystore_ldap_private.h"
#include "lib/base/clock.h"

/* The attribute has one value, so of two writers that add one the second is refused. */
enum status
ldapstore_make_identity(
    struct ldapstore *own, struct ldaplink *link, struct ldaplink_end *end, struct err *err)
{
	char identity[KEYSTORE_IDENTITY_BYTES];
	struct ldaplink_change change = {LDAPLINK_ADD, "signpostStoreIdentity", NULL, 1};
	struct err why = ERR_NONE;
	struct span value;
	struct buf dn;

	keystore_identity_make(identity);
	value = span_str(identity);
	change.values = &value;
	buf_init(&dn, LDAPSTORE_TEXT_MAX);
	ldapstore_dn_store(&dn, own->base);
	(void)!ldaplink_change(link, LDAPLINK_MODIFY_ENTRY, buf_text(&dn), &change, 1,
	    clock_mono_ms() + own->pool.config.timeout_ms, end, &why);
	buf_free(&dn);
	if (!end->lost && !end->silent)
		return ST_OK;
	err_set(err, "%s", why.text);
	return ST_UNAVAILABLE;
}
