/*
 * keystore_ldap_provider.c - DNS providers of tenants in a directory: asked for, listed, and in a
 * batch of writes. An entry is named by the SHA-256 of tenant and name.
 * Called through keystore_ops, and by keystore_ldap_admin_write.c. It must never take a directory
 * that has no room for them for one in which there are none.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/keystore_ldap_admin_private.h"
#include "backends/ldap_url.h"

#define PROVIDERS_MAX 10000U /* that can be listed, or hang on one tenant */

struct asked {
	struct ldapstore *own;
	struct keystore_rows *rows;
	struct span tenant, name; /* empty: all */
};

static enum status
take_provider(void *context, const struct ldapentry *entry, struct err *err)
{
	struct asked *asked = context;
	struct store_provider row = {.allow_private = 0};
	enum status status = ldapadmin_read(&ldapadmin_provider, entry, &row, err);

	if (status == ST_OK && row.tenant.n > 0 &&
	    (asked->name.n == 0 ||
		(span_eq(row.name, asked->name) && span_eq(row.tenant, asked->tenant))))
		keystore_rows_add_provider(asked->rows, &row);
	return status;
}

/* What ou=providers is asked for. ST_UNAVAILABLE: it is not there. */
static enum status
need(struct ldapadmin *admin, enum status status)
{
	if (status != ST_ABSENT)
		return status;
	err_set(admin->err,
	    "there is no \"ou=providers,ou=admin,%.200s\", or LDAPBindUser may not see it: load "
	    "ldif/providers.ldif into the server (with slapd.conf: signpost.schema), then run "
	    "signpost store init",
	    admin->own->base);
	return ST_UNAVAILABLE;
}

/* One name, all of a tenant, or all. ST_OK also if there is none. ST_ABSENT: nor room for any. */
static enum status
search(struct ldapadmin *admin, struct span tenant, struct span name, struct asked *asked)
{
	ldapadmin_dn_providers(&admin->name, admin->own->base);
	buf_reset(&admin->filter);
	if (name.n > 0) {
		char id[KEYSTORE_DIGEST_BYTES];

		ldapadmin_provider_id(tenant, name, id);
		buf_add_fmt(&admin->filter, "(signpostDigest=%s)", id);
	} else if (tenant.n > 0) {
		buf_add_str(&admin->filter, "(signpostProviderTenant=");
		ldapurl_escape_filter(&admin->filter, tenant);
		buf_add_char(&admin->filter, ')');
	} else {
		buf_add_str(&admin->filter, "(objectClass=signpostProvider)");
	}
	return ldapadmin_children(admin, buf_text(&admin->name), buf_text(&admin->filter),
	    ldapadmin_provider.attributes, PROVIDERS_MAX, take_provider, asked);
}

static enum status
look(struct ldapadmin *admin, struct span tenant, struct span name, struct asked *asked)
{
	return need(admin, search(admin, tenant, name, asked));
}

static enum status
do_look(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct asked *asked = context;
	struct ldapadmin admin;
	enum status status;

	(void)deadline_ms;
	keystore_rows_release(asked->rows);
	asked->rows = keystore_rows_new();
	ldapadmin_begin(&admin, asked->own, link, end, err);
	status = look(&admin, asked->tenant, asked->name, asked);
	ldapadmin_end(&admin);
	if (status == ST_OK && end->limited) {
		err_set(err,
		    "there are more than %u providers; remove some, or raise the limits of "
		    "LDAPBindUser in the server",
		    PROVIDERS_MAX);
		return ST_TOO_BIG;
	}
	return status;
}

static enum status
ask(struct keystore *store, struct asked *asked, struct err *err)
{
	enum status status;

	asked->own = store->state;
	status = ldappool_run(&asked->own->pool, do_look, asked, err);
	if (status == ST_OK)
		return ST_OK;
	keystore_rows_release(asked->rows);
	asked->rows = NULL;
	err_prefix(err, "%s", store->where);
	return status;
}

enum status
ldapadmin_ask_provider(struct keystore *store, struct span tenant, struct span name,
    struct keystore_rows **out, struct err *err)
{
	struct asked asked = {.tenant = tenant, .name = name};
	enum status status = ask(store, &asked, err);

	*out = asked.rows;
	return status;
}

/* ---- pages ---- */

static int
by_name(const void *left, const void *right)
{
	const struct store_provider *a = left, *b = right;
	int order = span_compare(a->tenant, b->tenant);

	return order != 0 ? order : span_compare(a->name, b->name);
}

enum status
ldapadmin_list_providers(struct keystore *store, struct span after, size_t max,
    struct keystore_rows **out, struct err *err)
{
	struct store_provider last = {.name = after};
	struct asked asked = {.name = SPAN_EMPTY};
	enum status status = ask(store, &asked, err);
	struct keystore_rows *all = asked.rows;

	*out = NULL;
	if (status != ST_OK)
		return status;
	(void)span_cut(&last.name, ' ', &last.tenant);
	if (all->provider_count > 0)
		qsort(all->providers, all->provider_count, sizeof(all->providers[0]), by_name);
	*out = keystore_rows_new();
	for (size_t i = 0; i < all->provider_count && (*out)->provider_count < max; i++)
		if (after.n == 0 || by_name(&all->providers[i], &last) > 0)
			keystore_rows_add_provider(*out, &all->providers[i]);
	keystore_rows_release(all);
	return ST_OK;
}

/* ---- in a batch ---- */

static enum status
refuse(struct ldapadmin *admin, enum status status, struct span name, const char *why)
{
	err_set(admin->err, "provider %.*s: %s", SPAN_ARG(name), why);
	return status;
}

/* *revision_out: 0: it is not there. */
static enum status
find(struct ldapadmin *admin, const struct store_provider *row, uint64_t *revision_out)
{
	struct asked found = {.tenant = row->tenant, .name = row->name};
	enum status status;

	found.rows = keystore_rows_new();
	status = look(admin, row->tenant, row->name, &found);
	*revision_out = found.rows->provider_count == 1 ? found.rows->providers[0].revision : 0;
	keystore_rows_release(found.rows);
	return status;
}

enum status
ldapadmin_provider_check(struct ldapadmin *admin, const struct ldapadmin_batch *batch, size_t at)
{
	const struct keystore_write *write = &batch->writes[at];
	const struct store_provider *row = &write->row.provider;
	uint64_t revision;
	enum status status = find(admin, row, &revision);

	if (status != ST_OK)
		return status;
	if (write->how == WRITE_ADD && revision > 0)
		return refuse(admin, ST_DENIED, row->name, "there already");
	if (write->how == WRITE_ADD) {
		status = ldapadmin_need_tenant(admin, batch, at, row->tenant);
		return status != ST_ABSENT
			   ? status
			   : refuse(admin, status, row->name, "there is no such tenant");
	}
	if (revision == 0)
		return refuse(admin, ST_ABSENT, row->name, "there is none");
	if (row->revision != 0 && row->revision != revision)
		return refuse(admin, ST_DENIED, row->name, "it was changed meanwhile");
	return ST_OK;
}

enum status
ldapadmin_provider_write(struct ldapadmin *admin, const struct keystore_write *write)
{
	struct store_provider row = write->row.provider;
	uint64_t revision = row.revision;
	char id[KEYSTORE_DIGEST_BYTES];
	enum status status = ST_OK;

	if (write->how != WRITE_ADD && revision == 0)
		status = find(admin, &row, &revision);
	ldapadmin_provider_id(row.tenant, row.name, id);
	ldapadmin_dn_provider(&admin->name, admin->own->base, id);
	if (status != ST_OK)
		return status;
	if (write->how == WRITE_REMOVE)
		return ldapadmin_write(
		    admin, LDAPLINK_DELETE_ENTRY, buf_text(&admin->name), NULL, 0);
	if (write->how == WRITE_CHANGE)
		return ldapadmin_change(admin, &ldapadmin_provider, &row, revision, NULL);
	row.revision = 1;
	return ldapadmin_add(admin, &ldapadmin_provider, buf_text(&admin->name), id, &row);
}

/* One that the batch does not remove before. */
static bool
hangs(const struct ldapadmin_batch *batch, size_t at, const struct store_provider *row)
{
	for (size_t i = 0; i < at; i++) {
		const struct keystore_write *write = &batch->writes[i];

		if (write->what == STORE_PROVIDER && write->how == WRITE_REMOVE &&
		    span_eq(write->row.provider.tenant, row->tenant) &&
		    span_eq(write->row.provider.name, row->name))
			return false;
	}
	return true;
}

enum status
ldapadmin_provider_gone_tenant(
    struct ldapadmin *admin, const struct ldapadmin_batch *batch, size_t at)
{
	struct span tenant = batch->writes[at].row.tenant.name;
	struct asked asked = {.tenant = tenant};
	enum status status;
	bool any = false;

	asked.rows = keystore_rows_new();
	status = search(admin, tenant, SPAN_EMPTY, &asked);
	for (size_t i = 0; i < asked.rows->provider_count; i++)
		any = any || hangs(batch, at, &asked.rows->providers[i]);
	keystore_rows_release(asked.rows);
	if (status == ST_OK && (any || admin->end->limited)) {
		err_set(admin->err, "tenant %.*s: it has DNS providers", SPAN_ARG(tenant));
		return ST_DENIED;
	}
	/* A directory of before has none. */
	return status == ST_ABSENT ? ST_OK : status;
}
