/*
 * keystore_ldap_tree.c - the entries of a key store in a directory that all others hang on.
 * Called through keystore_ops.migrate, once, by an administrator.
 * It must never touch what is there already, nor the schema, which is the server's.
 */
#include <stdio.h>
#include <string.h>

#include "backends/keystore_ldap_admin_private.h"
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

static enum status
take_known(void *context, const struct ldapentry *entry, struct err *err)
{
	bool *known = context;

	(void)entry;
	(void)err;
	*known = true;
	return ST_OK;
}

/* What is said of an attribute that a server does not know is neither true nor false, and so is the
 * contrary (RFC 4511 section 4.5.1.7); cn=store never has that attribute. */
static enum status
knows(struct tree *t, struct ldaplink *link, const char *filter, bool *known_out,
    struct ldaplink_end *end, struct err *err)
{
	struct ldaplink_search search = {.filter = filter,
	    .scope = LDAPURL_BASE,
	    .attributes = ldapadmin_end_attributes,
	    .entries_max = 1};
	enum status status;
	struct buf dn;

	*known_out = false;
	buf_init(&dn, LDAPSTORE_TEXT_MAX);
	ldapstore_dn_store(&dn, t->own->base);
	search.base = buf_text(&dn);
	status = ldaplink_search(link, &search, clock_mono_ms() + t->own->pool.config.timeout_ms,
	    take_known, known_out, end, err);
	buf_free(&dn);
	return status;
}

/* What only administrators see. A schema of before has no class for it: then there is none. */
static enum status
add_admin(struct tree *t, struct ldaplink *link, struct ldaplink_end *end, struct err *err)
{
	static const char *const names[][2] = {{"ou=admin", "admin"},
	    {"ou=tokens,ou=admin", "tokens"}, {"ou=replies,ou=admin", "replies"}};
	const struct span classes[2] = {SPAN_LIT("top"), SPAN_LIT("signpostAuditHead")},
			  named = SPAN_LIT("audit");
	char text[LDAPADMIN_END_BYTES];
	struct span end_text;
	const struct ldaplink_change changes[] = {{LDAPLINK_ADD, "objectClass", classes, 2},
	    {LDAPLINK_ADD, "cn", &named, 1}, {LDAPLINK_ADD, "signpostAuditEnd", &end_text, 1}};
	enum status status;
	struct audit_head none;
	struct buf dn;
	bool known;

	status = knows(t, link, "(!(signpostAuditEnd=*))", &known, end, err);
	if (status != ST_OK || !known)
		return status;
	for (size_t i = 0; i < 3 && status == ST_OK; i++)
		status = add_entry(
		    t, link, names[i][0], "ou", names[i][1], "organizationalUnit", end, err);
	if (status != ST_OK)
		return status;
	audit_head_init(&none);
	ldapadmin_write_end(&none, text);
	end_text = span_str(text);
	buf_init(&dn, LDAPSTORE_TEXT_MAX);
	ldapadmin_dn_head(&dn, t->own->base);
	status = ldaplink_change(link, LDAPLINK_ADD_ENTRY, buf_text(&dn), changes, 3,
	    clock_mono_ms() + t->own->pool.config.timeout_ms, end, err);
	buf_free(&dn);
	return status == ST_DENIED ? ST_OK : status;
}

/* What came later below ou=admin: made only if the server's schema knows its attribute. */
static enum status
add_later(struct tree *t, const char *unit, const char *filter, struct ldaplink *link,
    struct ldaplink_end *end, struct err *err)
{
	char rdn[32];
	bool known;
	enum status status = knows(t, link, filter, &known, end, err);

	if (status != ST_OK || !known)
		return status;
	(void)snprintf(rdn, sizeof(rdn), "ou=%s,ou=admin", unit);
	return add_entry(t, link, rdn, "ou", unit, "organizationalUnit", end, err);
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
		status = add_admin(t, link, end, err);
	if (status == ST_OK)
		status = add_later(t, "providers", "(!(signpostProviderName=*))", link, end, err);
	if (status == ST_OK)
		status = add_later(t, "quotas", "(!(signpostQuotaTenant=*))", link, end, err);
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
