/*
 * keystore_ldap_quota.c - quotas of tenants in a directory: asked for, in a batch of writes, and
 * what a tenant has counted. An entry is named by its tenant.
 * Called through keystore_ops, and by keystore_ldap_admin_write.c. It must never take a directory
 * that does not give all entries for a tenant that has fewer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "backends/keystore_ldap_admin_private.h"
#include "backends/ldap_url.h"
#include "lib/base/clock.h"

#define PAGE 500U
#define COUNT_MAX 10000000U /* of what one tenant has */
#define BUSY "signpostQuotaBusy"
#define BUSY_S 60       /* a writer that died is waited for no longer */
#define BUSY_LOOK_MS 20 /* until it is looked again whether a batch has ended */

struct asked {
	struct ldapstore *own;
	struct keystore_rows *rows;
	struct span tenant;
	int64_t now_utc; /* of a question; 0: busy is not wanted */
	bool busy;       /* a batch under it was begun not long ago, and has not ended */
};

/* "WHEN NONCE". */
static bool
is_busy(const struct ldapentry *entry, int64_t now_utc)
{
	const struct ldapentry_values *busy = &entry->values[ldapadmin_quota.count];
	struct span rest = busy->count == 1 ? busy->items[0] : SPAN_EMPTY, when;
	int64_t at;

	return span_cut(&rest, ' ', &when) && ldapstore_read_time(when, &at) == ST_OK &&
	       now_utc - at <= BUSY_S;
}

static enum status
take_quota(void *context, const struct ldapentry *entry, struct err *err)
{
	struct asked *asked = context;
	struct store_quota row = {.domains = QUOTA_NONE,
	    .keys = QUOTA_NONE,
	    .rotations = QUOTA_NONE,
	    .requests = QUOTA_NONE};
	enum status status = ldapadmin_read(&ldapadmin_quota, entry, &row, err);

	if (status != ST_OK || !span_eq(row.tenant, asked->tenant))
		return status;
	keystore_rows_add_quota(asked->rows, &row);
	asked->busy = is_busy(entry, asked->now_utc);
	return ST_OK;
}

/* ou=quotas is not there, though a quota is to be written. */
static enum status
no_room(struct ldapadmin *admin)
{
	err_set(admin->err,
	    "there is no \"ou=quotas,ou=admin,%.200s\", or LDAPBindUser may not see it: load "
	    "ldif/quotas.ldif into the server (with slapd.conf: signpost.schema), then run "
	    "signpost store init",
	    admin->own->base);
	return ST_UNAVAILABLE;
}

/* ST_OK also if there is none. ST_UNAVAILABLE: nor room for any. */
static enum status
look(struct ldapadmin *admin, struct asked *asked)
{
	enum status status;

	ldapadmin_dn_quotas(&admin->name, admin->own->base);
	buf_reset(&admin->filter);
	buf_add_str(&admin->filter, "(signpostQuotaTenant=");
	ldapurl_escape_filter(&admin->filter, asked->tenant);
	buf_add_char(&admin->filter, ')');
	status = ldapadmin_children(admin, buf_text(&admin->name), buf_text(&admin->filter),
	    ldapadmin_quota.attributes, 2, take_quota, asked);
	return status == ST_ABSENT ? no_room(admin) : status;
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
	asked->busy = false;
	ldapadmin_begin(&admin, asked->own, link, end, err);
	status = look(&admin, asked);
	ldapadmin_end(&admin);
	return status;
}

enum status
ldapadmin_ask_quota(
    struct keystore *store, struct span tenant, struct keystore_rows **out, struct err *err)
{
	struct asked asked = {.own = store->state, .tenant = tenant};
	enum status status = ldappool_run(&asked.own->pool, do_look, &asked, err);

	*out = NULL;
	if (status == ST_OK) {
		*out = asked.rows;
		return ST_OK;
	}
	keystore_rows_release(asked.rows);
	err_prefix(err, "%s", store->where);
	return status;
}

/* ---- counted ---- */

struct counting {
	struct ldapstore *own;
	struct span tenant;
	struct store_count *out;
};

static enum status
take_one(void *context, const struct ldapentry *entry, struct err *err)
{
	uint64_t *count = context;

	(void)entry;
	(void)err;
	++*count;
	return ST_OK;
}

/* class: of the entries, with what else is asked of them. */
static enum status
count_class(const struct counting *counting, const char *class, uint64_t *out,
    struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end, struct err *err)
{
	const char *owner = ldapstore_attributes[LDAPSTORE_OWNER];
	const char *const attributes[] = {owner, NULL};
	struct ldaplink_search search = {.base = counting->own->base,
	    .scope = LDAPURL_SUB,
	    .attributes = attributes,
	    .entries_max = COUNT_MAX,
	    .page = PAGE};
	enum status status;
	struct buf filter;

	buf_init(&filter, LDAPSTORE_TEXT_MAX);
	buf_add_fmt(&filter, "(&%s(%s=", class, owner);
	ldapurl_escape_filter(&filter, counting->tenant);
	buf_add_str(&filter, "))");
	search.filter = buf_text(&filter);
	*out = 0;
	status = ldaplink_search(link, &search, deadline_ms, take_one, out, end, err);
	buf_free(&filter);
	if (status != ST_OK || !end->limited)
		return status;
	err_set(err,
	    "%s gives no more than %zu entries: LDAPBindUser needs no size limit to hold "
	    "tenants to quotas",
	    link->uri, end->entries);
	return ST_TOO_BIG;
}

static enum status
do_count(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct counting *counting = context;
	enum status status = count_class(counting, "(objectClass=signpostDomain)",
	    &counting->out->domains, link, deadline_ms, end, err);

	return status == ST_OK
		   ? count_class(counting, "(objectClass=signpostKey)(!(signpostDestroyedAt=*))",
			 &counting->out->keys, link, deadline_ms, end, err)
		   : status;
}

/* While a batch is written under the quota, what there is is less than what it was counted to be.
 */
static enum status
wait_for_others(struct keystore *store, struct span tenant, struct err *err)
{
	const struct timespec pause = {.tv_nsec = BUSY_LOOK_MS * 1000000L};
	struct ldapstore *own = store->state;
	int64_t until_ms = clock_mono_ms() + own->pool.config.timeout_ms;
	struct asked asked = {.own = own, .tenant = tenant};
	enum status status;

	for (;;) {
		pthread_mutex_lock(&own->lock);
		asked.now_utc = clock_utc_s() + own->ahead_s;
		pthread_mutex_unlock(&own->lock);
		status = ldappool_run(&own->pool, do_look, &asked, err);
		if (status != ST_OK || !asked.busy || clock_mono_ms() > until_ms)
			break;
		(void)nanosleep(&pause, NULL);
	}
	keystore_rows_release(asked.rows);
	if (status != ST_OK || !asked.busy)
		return status;
	err_set(err,
	    "tenant %.*s: somebody else adds to it, and has not ended since %d seconds or less; "
	    "try again",
	    SPAN_ARG(tenant), BUSY_S);
	return ST_UNAVAILABLE;
}

enum status
ldapadmin_count(
    struct keystore *store, struct span tenant, struct store_count *out, struct err *err)
{
	struct counting counting = {.own = store->state, .tenant = tenant, .out = out};
	enum status status = wait_for_others(store, tenant, err);

	/* All of them take longer than one row may. */
	if (status == ST_OK)
		status = ldappool_run_once(&counting.own->pool, do_count, &counting,
		    counting.own->pool.config.timeout_ms * 20, err);
	if (status != ST_OK)
		err_prefix(err, "%s", store->where);
	return status;
}

/* ---- in a batch ---- */

static enum status
refuse(struct ldapadmin *admin, enum status status, struct span tenant, const char *why)
{
	err_set(admin->err, "quota of %.*s: %s", SPAN_ARG(tenant), why);
	return status;
}

/* *revision_out: 0: it is not there. */
static enum status
find(struct ldapadmin *admin, const struct store_quota *row, uint64_t *revision_out)
{
	struct asked found = {.tenant = row->tenant};
	enum status status;

	found.rows = keystore_rows_new();
	status = look(admin, &found);
	*revision_out = found.rows->quota_count == 1 ? found.rows->quotas[0].revision : 0;
	keystore_rows_release(found.rows);
	return status;
}

enum status
ldapadmin_quota_check(struct ldapadmin *admin, const struct ldapadmin_batch *batch, size_t at)
{
	const struct keystore_write *write = &batch->writes[at];
	const struct store_quota *row = &write->row.quota;
	uint64_t revision;
	enum status status = find(admin, row, &revision);

	if (status != ST_OK)
		return status;
	if (write->how == WRITE_ADD && revision > 0)
		return refuse(admin, ST_DENIED, row->tenant, "there already");
	if (write->how == WRITE_ADD) {
		status = ldapadmin_need_tenant(admin, batch, at, row->tenant);
		return status != ST_ABSENT
			   ? status
			   : refuse(admin, status, row->tenant, "there is no such tenant");
	}
	if (revision == 0)
		return refuse(admin, ST_ABSENT, row->tenant, "there is none");
	if (row->revision != 0 && row->revision != revision)
		return refuse(admin, ST_DENIED, row->tenant, "it was changed meanwhile");
	return ST_OK;
}

static void
name_busy(struct ldapadmin_batch *batch, int64_t now_utc)
{
	uint64_t nonce = 0;
	char when[24];

	if (batch->busy[0] != '\0')
		return;
	/* It only keeps what two writers say apart. */
	if (getrandom(&nonce, sizeof(nonce), 0) != sizeof(nonce))
		nonce = (uint64_t)clock_mono_us();
	ldapstore_write_time(now_utc, when);
	(void)snprintf(batch->busy, sizeof(batch->busy), "%s %016" PRIx64, when, nonce);
}

enum status
ldapadmin_quota_write(struct ldapadmin *admin, struct ldapadmin_batch *batch,
    const struct keystore_write *write, int64_t now_utc)
{
	struct store_quota row = write->row.quota;
	struct ldaplink_change busy = {LDAPLINK_REPLACE, BUSY, NULL, 1};
	struct span value;
	uint64_t revision = row.revision;
	enum status status = ST_OK;

	if (write->how != WRITE_ADD && revision == 0)
		status = find(admin, &row, &revision);
	ldapadmin_dn_quota(&admin->name, admin->own->base, row.tenant);
	if (status != ST_OK)
		return status;
	if (write->how == WRITE_REMOVE)
		return ldapadmin_write(
		    admin, LDAPLINK_DELETE_ENTRY, buf_text(&admin->name), NULL, 0);
	if (write->how == WRITE_CHANGE) {
		name_busy(batch, now_utc);
		value = span_str(batch->busy);
		busy.values = &value;
		return ldapadmin_change(admin, &ldapadmin_quota, &row, revision, &busy);
	}
	row.revision = 1;
	return ldapadmin_add(admin, &ldapadmin_quota, buf_text(&admin->name), NULL, &row);
}

void
ldapadmin_quotas_end(struct ldapadmin *admin, const struct ldapadmin_batch *batch)
{
	const struct span value = span_str(batch->busy);
	const struct ldaplink_change gone = {LDAPLINK_DELETE, BUSY, &value, 1};
	struct err ignored = ERR_NONE, *err = admin->err;

	admin->err = &ignored;
	/* Not there any more: another one was begun meanwhile, and that one ends it. */
	for (size_t i = 0; i < batch->count && value.n > 0 && !admin->end->lost; i++) {
		const struct keystore_write *write = &batch->writes[i];

		if (write->what != STORE_QUOTA || write->how != WRITE_CHANGE)
			continue;
		ldapadmin_dn_quota(&admin->name, admin->own->base, write->row.quota.tenant);
		(void)!ldapadmin_write(
		    admin, LDAPLINK_MODIFY_ENTRY, buf_text(&admin->name), &gone, 1);
	}
	admin->err = err;
}

static bool
goes_before(const struct ldapadmin_batch *batch, size_t at, struct span tenant)
{
	for (size_t i = 0; i < at; i++) {
		const struct keystore_write *write = &batch->writes[i];

		if (write->what == STORE_QUOTA && write->how == WRITE_REMOVE &&
		    span_eq(write->row.quota.tenant, tenant))
			return true;
	}
	return false;
}

enum status
ldapadmin_quota_gone_tenant(struct ldapadmin *admin, const struct ldapadmin_batch *batch, size_t at)
{
	struct span tenant = batch->writes[at].row.tenant.name;
	enum status status = ST_ABSENT;

	ldapadmin_dn_quota(&admin->name, admin->own->base, tenant);
	if (!goes_before(batch, at, tenant))
		status = ldapadmin_exists(admin, buf_text(&admin->name));
	if (status == ST_ABSENT)
		return ST_OK; /* also a directory of before, which has none */
	return status == ST_OK ? refuse(admin, ST_DENIED, tenant, "it is there still") : status;
}
