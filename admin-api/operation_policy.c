/*
 * operation_policy.c - policies: what the keys of a tenant's domains should be like.
 * Called through the table of operations. It must never let a plan in that the life cycle could not
 * go by.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/mirror.h"
#include "admin-api/operation_call.h"
#include "lib/base/mem.h"
#include "lib/store/failure.h"

/* Names of both; the row, unless there is none (OPERATION_NOT_FOUND). */
static enum operation_code
find_policy(struct operation_call *call, struct keystore_rows **rows_out, struct store_policy *out)
{
	struct err err = ERR_NONE;
	enum operation_code code;
	enum status status;
	size_t i;

	*rows_out = NULL;
	*out = (struct store_policy){.signature_ttl_s = -1};
	code = call_tenant(call, "tenant", &out->tenant);
	if (code == OPERATION_OK)
		code = call_tenant(call, "policy", &out->name);
	if (code != OPERATION_OK)
		return code;
	status =
	    row_find(call->admin->store, STORE_POLICY, out->tenant, out->name, rows_out, &i, &err);
	if (status == ST_OK) {
		char version[VERSION_BYTES];

		*out = (*rows_out)->policies[i];
		version_of_policy(out, version);
		return call_version(call, version);
	}
	if (status == ST_ABSENT)
		return call_refuse(call, OPERATION_NOT_FOUND, "tenant %.*s has no policy %.*s",
		    SPAN_ARG(out->tenant), SPAN_ARG(out->name));
	return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
}

static void
warn(struct operation_call *call, const struct key_plan *plan)
{
	struct buf text;

	buf_init(&text, PLAN_TEXT_MAX);
	if (plan_slots_warn(plan, &text))
		json_object_set_new(call->result, "warning", json_span(buf_span(&text)));
	buf_free(&text);
}

/* ---- setting one ---- */

/* Did its plan name this mirror already? */
static bool
had_mirror(const struct store_policy *before, const char *name)
{
	struct err ignored = ERR_NONE;
	struct key_plan plan;

	return before->plan.n > 0 &&
	       key_plan_parse(before->plan, before->signature_ttl_s, &plan, &ignored) == ST_OK &&
	       strcmp(plan.mirror, name) == 0;
}

/* A mirror gets private keys: a tenant writes the name of one into a policy only where the
 * operator's line says so. What an operator wrote there may stay. */
static enum operation_code
check_mirror(
    struct operation_call *call, const struct store_policy *before, const struct key_plan *plan)
{
	const struct mirror *mirror =
	    mirror_find(call->admin->mirrors, call->admin->mirror_count, plan->mirror);
	bool may = plan->mirror[0] == '\0';

	if (mirror != NULL && mirror->tenants != NULL)
		may = mirror_serves(mirror, before->tenant);
	else if (!may)
		may = call->caller->platform || had_mirror(before, plan->mirror);
	if (may)
		return OPERATION_OK;
	return call_refuse(call, OPERATION_MIRROR_FORBIDDEN,
	    "policies of tenant %.*s may not name the mirror %s: KeyMirrors of the operator says "
	    "whose may",
	    SPAN_ARG(before->tenant), plan->mirror);
}

static enum operation_code
take_plan(struct operation_call *call, const struct store_policy *before, struct store_policy *row)
{
	const json_t *given = json_object_get(call->arguments, "plan");
	struct err err = ERR_NONE;
	struct key_plan plan;

	if (given != NULL) {
		struct buf text;

		buf_init(&text, PLAN_TEXT_MAX);
		if (json_write(given, &text) != ST_OK) {
			buf_free(&text);
			return call_wrong(call, "plan", "it is too long");
		}
		row->plan = call_keep(call, buf_span(&text));
		buf_free(&text);
	}
	if (row->plan.n == 0)
		return OPERATION_OK;
	if (key_plan_parse(row->plan, row->signature_ttl_s, &plan, &err) == ST_OK) {
		warn(call, &plan);
		return check_mirror(call, before, &plan);
	}
	return call_wrong(call, "plan", "%s", err.text);
}

static enum operation_code
take_fields(
    struct operation_call *call, const struct store_policy *before, struct store_policy *row)
{
	struct failure_policy failure;
	struct err err = ERR_NONE;

	if (call_has(call, "failure"))
		row->failure = call_text(call, "failure");
	if (failure_parse(row->failure, &failure, &err) != ST_OK)
		return call_wrong(call, "failure", "%s", err.text);
	if (call_has(call, "signature_ttl"))
		row->signature_ttl_s = call_number(call, "signature_ttl");
	if (call_switch(call, "no_signature_ttl", false))
		row->signature_ttl_s = -1;
	return take_plan(call, before, row);
}

struct touched {
	struct span tenant, policy;
	uint64_t count;
	struct keystore_write writes[OPERATION_PAGE];
};

/* Those of a page in one transaction; one by one where somebody else changes some of them, too. */
static enum operation_code
touch_page(struct operation_call *call, const struct keystore_rows *page, void *context)
{
	struct touched *touched = context;
	enum operation_code code = OPERATION_OK;
	struct err err = ERR_NONE;
	enum status status;
	size_t count = 0;

	for (size_t i = 0; i < page->domain_count && count < OPERATION_PAGE; i++) {
		const struct store_domain *row = &page->domains[i];

		if (!span_eq(row->tenant, touched->tenant) ||
		    !span_eq(row->policy, touched->policy))
			continue;
		touched->writes[count] = (struct keystore_write){
		    .what = STORE_DOMAIN, .how = WRITE_CHANGE, .life = true, .row.domain = *row};
		touched->writes[count++].row.domain.due = call->now_utc;
	}
	touched->count += count;
	status = call_apply(call, touched->writes, count, &err);
	if (status == ST_DENIED || status == ST_ABSENT)
		for (size_t i = 0; code == OPERATION_OK && i < count; i++)
			code = row_make_due(call, touched->writes[i].row.domain.name);
	else if (status != ST_OK)
		code = call_store_failed(call, status, OPERATION_PRECONDITION_FAILED, &err);
	if (code == OPERATION_OK &&
	    !call_progress(call, json_pack("{s:I}", "domains", (json_int_t)touched->count)))
		code = call_refuse(call, OPERATION_PRECONDITION_FAILED, "nobody listens any more");
	return code;
}

/* The domains that have it are looked at now. */
static enum operation_code
touch_domains(struct operation_call *call, const struct store_policy *row)
{
	struct touched *touched = mem_zalloc(1, sizeof(*touched));
	enum operation_code code;

	touched->tenant = row->tenant;
	touched->policy = row->name;
	code = row_walk_pages(call, row->tenant, touch_page, touched);
	json_object_set_new(call->result, "domains", json_integer((json_int_t)touched->count));
	mem_free(touched);
	return code;
}

static enum operation_code
write_policy(struct operation_call *call, const struct store_policy *before,
    const struct keystore_write *write)
{
	struct err err = ERR_NONE;
	char version[VERSION_BYTES];
	enum status status;

	call_plan(call, "policy", before == NULL ? NULL : row_policy(before),
	    write->how == WRITE_REMOVE ? NULL : row_policy(&write->row.policy));
	json_object_set_new(call->result, "policy", row_policy(&write->row.policy));
	version_of_policy(&write->row.policy, version);
	call_new_version(call, version);
	status = call_apply(call, write, 1, &err);
	if (status == ST_ABSENT)
		return call_refuse(call, OPERATION_NOT_FOUND, "there is no tenant %.*s",
		    SPAN_ARG(write->row.policy.tenant));
	if (status != ST_OK)
		return call_store_failed(call, status,
		    write->how == WRITE_REMOVE ? OPERATION_IN_USE : OPERATION_PRECONDITION_FAILED,
		    &err);
	return OPERATION_OK;
}

static enum operation_code
tenant_there(struct operation_call *call, struct span name)
{
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	enum status status;
	size_t i;

	status = row_find(call->admin->store, STORE_TENANT, name, SPAN_EMPTY, &rows, &i, &err);
	if (status == ST_ABSENT)
		return call_refuse(
		    call, OPERATION_NOT_FOUND, "there is no tenant %.*s", SPAN_ARG(name));
	keystore_rows_release(rows);
	return status == ST_OK ? OPERATION_OK
			       : call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
}

enum operation_code
operation_policy_set(struct operation_call *call)
{
	struct keystore_write write = {.what = STORE_POLICY, .how = WRITE_CHANGE};
	struct store_policy before;
	struct keystore_rows *rows;
	enum operation_code code = find_policy(call, &rows, &before);
	bool there = code == OPERATION_OK;

	if (there && call_switch(call, "new", false))
		code = call_refuse(call, OPERATION_PRECONDITION_FAILED,
		    "there is a policy %.*s already", SPAN_ARG(before.name));
	if (code == OPERATION_NOT_FOUND && call->caller->version.n > 0)
		code = call_refuse(call, OPERATION_PRECONDITION_FAILED,
		    "there is no policy %.*s any more", SPAN_ARG(before.name));
	if (code == OPERATION_NOT_FOUND) {
		write.how = WRITE_ADD;
		code = tenant_there(call, before.tenant);
	}
	write.row.policy = before;
	if (code == OPERATION_OK)
		code = take_fields(call, &before, &write.row.policy);
	if (code == OPERATION_OK)
		code = write_policy(call, there ? &before : NULL, &write);
	if (code == OPERATION_OK)
		code = touch_domains(call, &write.row.policy);
	keystore_rows_release(rows);
	return code;
}

void
policy_show(struct operation_call *call, const struct store_policy *row)
{
	struct key_plan plan;
	struct err err = ERR_NONE;
	struct buf text;

	json_object_set_new(call->result, "policy", row_policy(row));
	buf_init(&text, PLAN_TEXT_MAX);
	/* With all that it leaves out. */
	if (key_plan_parse(row->plan, row->signature_ttl_s, &plan, &err) == ST_OK) {
		key_plan_write(&plan, &text);
		warn(call, &plan);
	} else {
		json_object_set_new(call->result, "trouble", json_span(span_str(err.text)));
	}
	if (text.n > 0)
		json_object_set_new(call->result, "in_full",
		    json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL));
	buf_free(&text);
}

enum operation_code
operation_policy_show(struct operation_call *call)
{
	struct store_policy row;
	struct keystore_rows *rows;
	enum operation_code code = find_policy(call, &rows, &row);

	if (code == OPERATION_OK)
		policy_show(call, &row);
	keystore_rows_release(rows);
	return code;
}

enum operation_code
operation_policy_list(struct operation_call *call)
{
	struct keystore *store = call->admin->store;
	json_t *list = json_array();
	struct span only = call_only_tenant(call);
	char begin[KEYSTORE_TENANT_MAX + 2];
	struct keystore_rows *page;
	struct err err = ERR_NONE;
	enum status status;

	json_object_set_new(call->result, "policies", list);
	status = store->ops->list(
	    store, STORE_POLICY, call_list_begin(call, only, begin), call_limit(call), &page, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	for (size_t i = 0; i < page->policy_count; i++)
		if ((only.n == 0 || span_eq(page->policies[i].tenant, only)) &&
		    call_sees(call, page->policies[i].tenant, SPAN_EMPTY))
			json_array_append_new(list, row_policy(&page->policies[i]));
	if (page->policy_count == call_limit(call) &&
	    (only.n == 0 || span_eq(page->policies[page->policy_count - 1].tenant, only))) {
		const struct store_policy *last = &page->policies[page->policy_count - 1];
		struct buf text;

		buf_init(&text, KEYSTORE_SUBJECT_MAX);
		buf_add_fmt(&text, "%.*s %.*s", SPAN_ARG(last->tenant), SPAN_ARG(last->name));
		json_object_set_new(call->result, "next", json_span(buf_span(&text)));
		buf_free(&text);
	}
	keystore_rows_release(page);
	return OPERATION_OK;
}

/* ---- removing ---- */

static enum operation_code
has_policy(struct operation_call *call, const struct store_domain *row, void *context)
{
	const struct store_policy *policy = context;

	if (!span_eq(row->policy, policy->name))
		return OPERATION_OK;
	return call_refuse(call, OPERATION_IN_USE,
	    "domains have this policy (%.*s is one): give them another one first",
	    SPAN_ARG(row->name));
}

enum operation_code
operation_policy_remove(struct operation_call *call)
{
	struct keystore_write write = {.what = STORE_POLICY, .how = WRITE_REMOVE};
	struct store_policy before;
	struct keystore_rows *rows;
	enum operation_code code = find_policy(call, &rows, &before);

	if (code == OPERATION_OK)
		code = row_walk_domains(call, before.tenant, has_policy, &before);
	write.row.policy = before;
	if (code == OPERATION_OK)
		code = write_policy(call, &before, &write);
	keystore_rows_release(rows);
	return code;
}
