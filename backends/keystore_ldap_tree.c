/*
 * keystore_ldap_tree.c - the entries of a key store in a directory that all others hang on.
 * Called through keystore_ops.migrate, once, by an administrator.
 * It must never touch what is there already, nor the schema, which is the server's.
 */
#include <stdio.h>
#include <string.h>

#include "backends/keystore_ldap_private.h"
#include "lib/base/clock.h"

struct tree {
	struct ldapstore *own;
	bool there;
};

static enum status
add_entry(struct tree *t, struct ldaplink *link, const char *rdn, const char *type,
    const char *name, const char *class, struct ldaplink_end *end, struct err *err)
{
	const struct span one = SPAN_LIT("1"), none = SPAN_LIT("0"), named = span_str(name);
	const struct span classes[2] = {SPAN_LIT("top"), span_str(class)};
	const struct ldaplink_change changes[] = {{LDAPLINK_ADD, "objectClass", classes, 2},
	    {LDAPLINK_ADD, type, &named, 1}, {LDAPLINK_ADD, "signpostEpoch", &one, 1},
	    {LDAPLINK_ADD, "signpostChangesFrom", &none, 1}};
	bool store = strcmp(type, "cn") == 0;
	struct buf dn;
	enum status status;

	buf_init(&dn, LDAPSTORE_TEXT_MAX);
	buf_add_str(&dn, rdn);
	buf_add_char(&dn, ',');
	buf_add_str(&dn, t->own->base);
	status = ldaplink_change(link, LDAPLINK_ADD_ENTRY, buf_text(&dn), changes, store ? 4 : 2,
	    clock_mono_ms() + t->own->pool.config.timeout_ms, end, err);
	buf_free(&dn);
	if (status == ST_DENIED) {
		t->there = t->there || store;
		return ST_OK;
	}
	return status;
}

/* cn=store comes first: servers look at entries in the order in which they were made, so its epoch
 * is read before the rows. */
static enum status
do_tree(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	static const char *const names[] = {"tenants", "domains", "bindings", "gateways"};
	struct tree *t = context;
	enum status status =
	    add_entry(t, link, "cn=store", "cn", "store", "signpostStore", end, err);

	(void)deadline_ms;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && status == ST_OK; i++) {
		char rdn[16];

		(void)snprintf(rdn, sizeof(rdn), "ou=%s", names[i]);
		status = add_entry(t, link, rdn, "ou", names[i], "organizationalUnit", end, err);
	}
	if (status == ST_OK)
		status = ldapstore_make_identity(t->own, link, end, err);
	return status;
}

/* The schema itself is the server's and loaded by its administrator (ldif/README); this makes the
 * entries that all others hang on, below a base that is there. */
enum status
ldapstore_migrate(struct keystore *store, int *from_out, int *to_out, struct err *err)
{
	struct ldapstore *own = store->state;
	struct tree tree = {.own = own};
	enum status status;

	*from_out = *to_out = 0;
	if (!own->write) {
		err_set(err, "%s: opened for reading", store->where);
		return ST_DENIED;
	}
	status =
	    ldappool_run_once(&own->pool, do_tree, &tree, own->pool.config.timeout_ms * 4, err);
	if (status != ST_OK) {
		err_prefix(err, "%s", store->where);
		return status == ST_ABSENT ? ST_INVALID : status;
	}
	*from_out = tree.there ? 1 : 0;
	*to_out = 1;
	return ST_OK;
}
