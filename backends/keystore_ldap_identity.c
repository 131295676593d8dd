/*
 * keystore_ldap_identity.c - the identity of a key store in a directory: made when there is none,
 * and another one for a backup that was put back.
 * Called through keystore_ops.migrate, .apply and .renew, by an administrator.
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

static enum status
do_renew(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct ldapstore_writer *w = context;
	enum status status;

	(void)deadline_ms;
	w->link = link;
	w->err = err;
	w->plan.now_utc = clock_utc_s();
	buf_init(&w->store_dn, LDAPSTORE_TEXT_MAX);
	ldapstore_dn_store(&w->store_dn, w->own->base);
	status = ldapstore_raise_epoch(w, end);
	buf_free(&w->store_dn);
	return status;
}

enum status
ldapstore_renew(struct keystore *store, struct store_state *state_out, struct err *err)
{
	struct ldapstore *own = store->state;
	char identity[KEYSTORE_IDENTITY_BYTES];
	struct ldapstore_writer w = {.own = own, .plan = {.store = own}, .identity = identity};
	struct store_change none;
	size_t count;
	enum status status;

	if (!own->write) {
		err_set(err, "%s: opened for reading", store->where);
		return ST_DENIED;
	}
	keystore_identity_make(identity);
	status = ldappool_run_once(&own->pool, do_renew, &w, own->pool.config.timeout_ms * 4, err);
	if (status != ST_OK) {
		err_prefix(err, "%s", store->where);
		return status;
	}
	/* Nothing comes behind the last epoch that can be. */
	status = keystore_changes(store, INT64_MAX, 1, &none, &count, state_out, err);
	return status == ST_TOO_BIG ? ST_OK : status;
}
