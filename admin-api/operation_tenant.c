/*
 * operation_tenant.c - tenants and gateways.
 * Called through the table of operations. It must never remove a tenant that something hangs on:
 * the store refuses that.
 */
#include "config.h"

#include <stdio.h>

#include "admin-api/operation_call.h"
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

/* With the version that the caller has seen. */
static enum operation_code
find_to_change(struct operation_call *call, struct span name, struct keystore_rows **rows_out,
    struct store_tenant *out)
{
	char version[VERSION_BYTES];
	enum operation_code code = find_tenant(call, name, rows_out, out);

	if (code != OPERATION_OK)
		return code;
	version_of_tenant(out, version);
	return call_version(call, version);
}

static enum operation_code
write_tenant(struct operation_call *call, const struct store_tenant *before,
    const struct keystore_write *write, enum operation_code denied)
{
	const struct store_tenant *after = &write->row.tenant;
	struct err err = ERR_NONE;
	char version[VERSION_BYTES];
	enum status status;

	call_plan(call, "tenant", before == NULL ? NULL : row_tenant(before),
	    write->how == WRITE_REMOVE ? NULL : row_tenant(after));
	json_object_set_new(call->result, "tenant", row_tenant(after));
	version_of_tenant(after, version);
	call_new_version(call, version);
	status = call_apply(call, write, 1, &err);
	return status == ST_OK ? OPERATION_OK : call_store_failed(call, status, denied, &err);
}

enum operation_code
operation_tenant_add(struct operation_call *call)
{
	struct keystore_write write = {.what = STORE_TENANT, .how = WRITE_ADD};
	struct store_tenant *row = &write.row.tenant, there;
	enum operation_code code = call_tenant(call, "tenant", &row->name);
	struct keystore_rows *rows = NULL;

	row->failure = call_text(call, "failure");
	row->enabled = call_switch(call, "enabled", true);
	if (code == OPERATION_OK)
		code = check_failure(call, row->failure);
	if (code != OPERATION_OK)
		return code;
	code = find_tenant(call, row->name, &rows, &there);
	keystore_rows_release(rows);
	if (code == OPERATION_OK)
		return call_refuse(
		    call, OPERATION_EXISTS, "there is a tenant %.*s already", SPAN_ARG(row->name));
	return code != OPERATION_NOT_FOUND ? code
					   : write_tenant(call, NULL, &write, OPERATION_EXISTS);
}

enum operation_code
operation_tenant_set(struct operation_call *call)
{
	struct keystore_write write = {.what = STORE_TENANT, .how = WRITE_CHANGE};
	struct store_tenant *row = &write.row.tenant, before;
	struct keystore_rows *rows = NULL;
	struct span name;
	enum operation_code code = call_tenant(call, "tenant", &name);

	if (code == OPERATION_OK)
		code = find_to_change(call, name, &rows, &before);
	if (code != OPERATION_OK) {
		keystore_rows_release(rows);
		return code;
	}
	*row = before;
	if (call_has(call, "failure"))
		row->failure = call_text(call, "failure");
	row->enabled = call_switch(call, "enabled", before.enabled);
	code = check_failure(call, row->failure);
	if (code == OPERATION_OK)
		code = write_tenant(call, &before, &write, OPERATION_PRECONDITION_FAILED);
	keystore_rows_release(rows);
	return code;
}

enum operation_code
operation_tenant_show(struct operation_call *call)
{
	struct keystore_rows *rows = NULL;
	struct store_tenant row;
	struct span name;
	enum operation_code code = call_tenant(call, "tenant", &name);

	if (code == OPERATION_OK)
		code = find_to_change(call, name, &rows, &row);
	if (code == OPERATION_OK)
		json_object_set_new(call->result, "tenant", row_tenant(&row));
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
	struct keystore_write write = {.what = STORE_TENANT, .how = WRITE_REMOVE};
	struct keystore_rows *rows = NULL;
	struct store_tenant before = {.revision = 0};
	struct span name;
	enum operation_code code = call_tenant(call, "tenant", &name);

	if (code == OPERATION_OK)
		code = find_to_change(call, name, &rows, &before);
	/* The store finds one faster, and refuses; a dry run does not ask it. */
	if (code == OPERATION_OK && call->dry_run)
		code = row_walk_domains(call, name, has_domain, NULL);
	write.row.tenant = before;
	if (code == OPERATION_OK)
		code = write_tenant(call, &before, &write, OPERATION_IN_USE);
	keystore_rows_release(rows);
	return code;
}
