/*
 * operation_tenant.c - tenants and gateways.
 * Called through the table of operations. It must never remove a tenant that something hangs on:
 * the store refuses that.
 */
#include "config.h"

#include <stdio.h>

#include "admin-api/operation_quota.h"
#include "admin-api/quota.h"
#include "lib/store/failure.h"

static enum operation_code
check_failure(struct operation_call *call, struct span text)
{
	struct failure_policy policy;
	struct err err = ERR_NONE;

	if (failure_parse(text, &policy, &err) == ST_OK)
		return OPERATION_OK;
	return call_wrong(call, "failure", "%s", err.text);
}

static enum operation_code
find_tenant(struct operation_call *call, struct span name, struct keystore_rows **rows_out,
    struct store_tenant *out)
{
	struct err err = ERR_NONE;
	enum status status;
	size_t i;

	status = row_find(call->admin->store, STORE_TENANT, name, SPAN_EMPTY, rows_out, &i, &err);
	if (status == ST_ABSENT)
		return call_refuse(
		    call, OPERATION_NOT_FOUND, "there is no tenant %.*s", SPAN_ARG(name));
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	*out = (*rows_out)->tenants[i];
	return OPERATION_OK;
}

/* ---- its quota ---- */

static const struct store_quota no_quota = {
    .domains = QUOTA_NONE, .keys = QUOTA_NONE, .rotations = QUOTA_NONE, .requests = QUOTA_NONE};

/* revision 0: it has none. */
static enum operation_code
find_quota(struct operation_call *call, struct span tenant, struct store_quota *out)
{
	struct err err = ERR_NONE;
	enum status status = ST_OK;
	bool found = false;

	*out = no_quota;
	out->tenant = tenant;
	if (call->admin->quotas != NULL)
		status = quotas_find(call->admin->quotas, tenant, out, &found, &err);
	return status == ST_OK ? OPERATION_OK
			       : call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
}

/* Both, with the version that the caller has seen. */
static enum operation_code
find_to_change(struct operation_call *call, struct span name, struct keystore_rows **rows_out,
    struct store_tenant *out, struct store_quota *quota_out)
{
	char version[VERSION_BYTES];
	enum operation_code code = find_tenant(call, name, rows_out, out);

	if (code == OPERATION_OK)
		code = find_quota(call, name, quota_out);
	if (code != OPERATION_OK)
		return code;
	version_of_tenant(out, quota_out, version);
	return call_version(call, version);
}

/* With its quota, if there is one. */
static json_t *
row_with_quota(const struct store_tenant *row, const struct store_quota *quota)
{
	json_t *out = row_tenant(row);

	if (quota != NULL && !quota_is_empty(quota))
		json_object_set_new(out, "quota", quota_row(quota));
	return out;
}

/* What makes the quota this one; false: nothing has to be done. */
static bool
write_of_quota(const struct store_quota *quota, struct keystore_write *out)
{
	bool there = quota->revision > 0, empty = quota_is_empty(quota);

	*out = (struct keystore_write){.what = STORE_QUOTA,
	    .how = !there  ? WRITE_ADD
		   : empty ? WRITE_REMOVE
			   : WRITE_CHANGE};
	out->row.quota = *quota;
	return there || !empty;
}

/* ---- written ---- */

/* A tenant, and its quota, as they are to be. */
struct change {
	enum store_how how;
	struct store_tenant before, after; /* before: revision 0: there is none */
	struct store_quota quota_before, quota;
	bool with_quota; /* the quota is written, too */
};

static enum status
write_change(struct operation_call *call, const struct change *change, struct err *err)
{
	struct keystore_write writes[2] = {{.what = STORE_TENANT, .how = change->how}}, quota;
	size_t count = 1;
	char version[VERSION_BYTES];

	writes[0].row.tenant = change->after;
	/* What hangs on a tenant is there after it, and gone before it. */
	if (change->with_quota && write_of_quota(&change->quota, &quota)) {
		writes[1] = change->how == WRITE_REMOVE ? writes[0] : quota;
		writes[0] = change->how == WRITE_REMOVE ? quota : writes[0];
		count = 2;
	}
	call_plan(call, "tenant",
	    change->how == WRITE_ADD ? NULL
				     : row_with_quota(&change->before, &change->quota_before),
	    change->how == WRITE_REMOVE ? NULL : row_with_quota(&change->after, &change->quota));
	json_object_set_new(call->result, "tenant", row_with_quota(&change->after, &change->quota));
	version_of_tenant(&change->after, &change->quota, version);
	call_new_version(call, version);
	return call_apply(call, writes, count, err);
}

enum operation_code
operation_tenant_add(struct operation_call *call)
{
	struct change change = {.how = WRITE_ADD, .quota = no_quota, .with_quota = true};
	struct store_tenant *row = &change.after, there;
	enum operation_code code = call_tenant(call, "tenant", &row->name);
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	enum status status;

	change.quota.tenant = row->name;
	row->failure = call_text(call, "failure");
	row->enabled = call_switch(call, "enabled", true);
	if (code == OPERATION_OK)
		code = check_failure(call, row->failure);
	if (code == OPERATION_OK)
		code = quota_take(call, &change.quota);
	if (code != OPERATION_OK)
		return code;
	code = find_tenant(call, row->name, &rows, &there);
	keystore_rows_release(rows);
	if (code == OPERATION_OK)
		return call_refuse(
		    call, OPERATION_EXISTS, "there is a tenant %.*s already", SPAN_ARG(row->name));
	if (code != OPERATION_NOT_FOUND)
		return code;
	status = write_change(call, &change, &err);
	return status == ST_OK ? OPERATION_OK
			       : call_store_failed(call, status, OPERATION_EXISTS, &err);
}

/* What is asked for, of the tenant as it is now. */
static enum operation_code
take_change(struct operation_call *call, struct change *change)
{
	struct store_tenant *row = &change->after;
	enum operation_code code;

	*row = change->before;
	if (call_has(call, "failure"))
		row->failure = call_text(call, "failure");
	row->enabled = call_switch(call, "enabled", change->before.enabled);
	code = check_failure(call, row->failure);
	change->quota = change->quota_before;
	change->with_quota = call_has(call, "quota");
	return code == OPERATION_OK ? quota_take(call, &change->quota) : code;
}

enum operation_code
operation_tenant_set(struct operation_call *call)
{
	struct change change = {.how = WRITE_CHANGE};
	struct keystore_rows *rows = NULL;
	struct span name;
	enum operation_code code = call_tenant(call, "tenant", &name);
	struct err err = ERR_NONE;
	enum status status = ST_OK;

	if (code == OPERATION_OK)
		code = find_to_change(call, name, &rows, &change.before, &change.quota_before);
	/* A quota is written with all that is held to it: that is no other change of the tenant,
	 * whose own revision says whether there was one. */
	for (unsigned i = 0; code == OPERATION_OK && i < QUOTA_TRIES; i++) {
		code = take_change(call, &change);
		if (code != OPERATION_OK)
			break;
		status = write_change(call, &change, &err);
		if (status != ST_DENIED || !change.with_quota)
			break;
		code = find_quota(call, name, &change.quota_before);
	}
	if (code == OPERATION_OK && status != ST_OK)
		code = call_store_failed(call, status, OPERATION_PRECONDITION_FAILED, &err);
	keystore_rows_release(rows);
	return code;
}

enum operation_code
operation_tenant_show(struct operation_call *call)
{
	struct keystore_rows *rows = NULL;
	struct store_quota quota = no_quota;
	struct store_tenant row;
	struct span name;
	enum operation_code code = call_tenant(call, "tenant", &name);
	json_t *shown;

	if (code == OPERATION_OK)
		code = find_to_change(call, name, &rows, &row, &quota);
	if (code == OPERATION_OK) {
		shown = row_with_quota(&row, &quota);
		json_object_set_new(call->result, "tenant", shown);
		if (quota.revision > 0)
			code = quota_show_usage(call, &quota, shown);
	}
	keystore_rows_release(rows);
	return code;
}

enum operation_code
operation_tenant_list(struct operation_call *call)
{
	struct keystore *store = call->admin->store;
	json_t *list = json_array();
	struct keystore_rows *page;
	struct err err = ERR_NONE;
	enum status status;

	json_object_set_new(call->result, "tenants", list);
	status = store->ops->list(
	    store, STORE_TENANT, call_text(call, "after"), call_limit(call), &page, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	for (size_t i = 0; i < page->tenant_count; i++)
		if (call_sees(call, page->tenants[i].name, SPAN_EMPTY))
			json_array_append_new(list, row_tenant(&page->tenants[i]));
	if (page->tenant_count == call_limit(call))
		json_object_set_new(
		    call->result, "next", json_span(page->tenants[page->tenant_count - 1].name));
	keystore_rows_release(page);
	return OPERATION_OK;
}

/* ---- removing ---- */

static enum operation_code
has_domain(struct operation_call *call, const struct store_domain *row, void *context)
{
	(void)context;
	return call_refuse(call, OPERATION_IN_USE,
	    "the tenant has domains (%.*s is one): remove them first", SPAN_ARG(row->name));
}

enum operation_code
operation_tenant_remove(struct operation_call *call)
{
	struct change change = {.how = WRITE_REMOVE};
	struct keystore_rows *rows = NULL;
	struct span name;
	enum operation_code code = call_tenant(call, "tenant", &name);
	struct err err = ERR_NONE;
	enum status status = ST_OK;

	if (code == OPERATION_OK)
		code = find_to_change(call, name, &rows, &change.before, &change.quota_before);
	/* The store finds one faster, and refuses; a dry run does not ask it. */
	if (code == OPERATION_OK && call->dry_run)
		code = row_walk_domains(call, name, has_domain, NULL);
	if (code == OPERATION_OK) {
		change.after = change.before;
		change.quota = no_quota;
		change.quota.tenant = name;
		/* Whatever it says by then: it goes with its tenant. */
		change.with_quota = change.quota_before.revision > 0;
		change.quota.revision = change.quota_before.revision;
		status = write_change(call, &change, &err);
	}
	if (status != ST_OK)
		code = call_store_failed(call, status, OPERATION_IN_USE, &err);
	keystore_rows_release(rows);
	return code;
}
