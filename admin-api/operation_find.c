/*
 * operation_find.c - walks over domains.
 * Called by the operations. It must never hold more than a page, nor go on with what was read when
 * the store fails in between.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/operation_call.h"

/* ---- walks ---- */

struct span
call_only_tenant(const struct operation_call *call)
{
	struct span tenant = call_text(call, "tenant");

	return tenant.n > 0 ? tenant : call->caller->tenant;
}

struct span
call_list_begin(
    const struct operation_call *call, struct span only, char begin[KEYSTORE_TENANT_MAX + 2])
{
	struct span after = call_text(call, "after");

	if (after.n > 0 || only.n == 0 || only.n > KEYSTORE_TENANT_MAX)
		return after;
	snprintf(begin, KEYSTORE_TENANT_MAX + 2, "%.*s ", SPAN_ARG(only));
	return span_str(begin);
}

enum operation_code
row_walk_pages(
    struct operation_call *call, struct span tenant, row_visit_page *visit, void *context)
{
	struct keystore *store = call->admin->store;
	enum operation_code code = OPERATION_OK;
	char after[KEYSTORE_DOMAIN_MAX + 1] = "";
	struct err err = ERR_NONE;
	bool ended = false;

	while (code == OPERATION_OK && !ended) {
		struct keystore_rows *page = NULL;
		enum status status =
		    keystore_domains(store, tenant, span_str(after), OPERATION_PAGE, &page, &err);

		if (status != ST_OK)
			return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
		ended = page->domain_count == 0;
		if (!ended)
			snprintf(after, sizeof(after), "%.*s",
			    SPAN_ARG(page->domains[page->domain_count - 1].name));
		if (!ended)
			code = visit(call, page, context);
		keystore_rows_release(page);
	}
	return code;
}

struct walk {
	struct span tenant;
	row_visit *visit;
	void *context;
};

static enum operation_code
visit_each(struct operation_call *call, const struct keystore_rows *page, void *context)
{
	const struct walk *walk = context;
	enum operation_code code = OPERATION_OK;

	for (size_t i = 0; code == OPERATION_OK && i < page->domain_count; i++)
		if ((walk->tenant.n == 0 || span_eq(page->domains[i].tenant, walk->tenant)) &&
		    call_sees(call, page->domains[i].tenant, page->domains[i].name))
			code = walk->visit(call, &page->domains[i], walk->context);
	return code;
}

enum operation_code
row_walk_domains(struct operation_call *call, struct span tenant, row_visit *visit, void *context)
{
	struct walk walk = {.tenant = tenant, .visit = visit, .context = context};

	if (tenant.n == 0)
		tenant = call->caller->tenant;
	return row_walk_pages(call, tenant, visit_each, &walk);
}

/* ---- due ---- */

/* ST_DENIED: somebody changed the row meanwhile. */
static enum status
write_due(struct operation_call *call, struct span domain, struct err *err)
{
	struct keystore_write write = {.what = STORE_DOMAIN, .how = WRITE_CHANGE, .life = true};
	struct keystore_rows *rows;
	enum status status;
	size_t i;

	status = row_find(call->admin->store, STORE_DOMAIN, domain, SPAN_EMPTY, &rows, &i, err);
	if (status != ST_OK)
		return status;
	write.row.domain = rows->domains[i];
	write.row.domain.due = call->now_utc;
	status = call_apply(call, &write, 1, err);
	keystore_rows_release(rows);
	return status;
}

enum operation_code
row_make_due(struct operation_call *call, struct span domain)
{
	enum status status = ST_DENIED;
	struct err err = ERR_NONE;

	if (call->dry_run)
		return OPERATION_OK;
	for (unsigned i = 0; status == ST_DENIED && i < OPERATION_ATTEMPTS; i++)
		status = write_due(call, domain, &err);
	/* Somebody writes this row again and again: the reconciler, who looks at it, then. */
	return status == ST_OK || status == ST_DENIED
		   ? OPERATION_OK
		   : call_store_failed(call, status, OPERATION_PRECONDITION_FAILED, &err);
}

enum operation_code
call_gateways(struct operation_call *call, struct keystore_rows **rows)
{
	struct keystore *store = call->admin->store;
	struct err err = ERR_NONE;
	enum status status = ST_OK;

	*rows = NULL;
	if (store->ops->gateways != NULL)
		status = store->ops->gateways(store, rows, &err);
	return status == ST_OK ? OPERATION_OK
			       : call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
}
