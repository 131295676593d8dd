/*
 * operation_rules.c - the signing rules of a tenant: which sender signs as which domain.
 * Called through the table of operations. All of a set is written, or nothing of it; a rule must
 * never sign as the domain of another tenant.
 */
#include "config.h"

#include <stdio.h>

#include "admin-api/operation_rules.h"
#include "lib/base/mem.h"

/* The record of it, and the tenant. */
#define CHANGES_MAX (KEYSTORE_BATCH_MAX - 10U)

struct change {
	struct span tenant;
	struct store_tenant row;
	struct keystore_rows *tenant_rows;
	struct rules *before, *after;
	struct keystore_write *writes;
	size_t count;
};

static enum operation_code
read_tenant(struct operation_call *call, struct change *change)
{
	struct err err = ERR_NONE;
	enum operation_code code = call_tenant(call, "tenant", &change->tenant);
	enum status status;
	size_t i;

	if (code != OPERATION_OK)
		return code;
	status = row_find(call->admin->store, STORE_TENANT, change->tenant, SPAN_EMPTY,
	    &change->tenant_rows, &i, &err);
	if (status == ST_ABSENT)
		return call_refuse(
		    call, OPERATION_NOT_FOUND, "there is no tenant %.*s", SPAN_ARG(change->tenant));
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	change->row = change->tenant_rows->tenants[i];
	return OPERATION_OK;
}

static enum operation_code
begin(struct operation_call *call, struct change *change)
{
	char version[VERSION_BYTES];
	enum operation_code code = read_tenant(call, change);

	if (code == OPERATION_OK)
		code = rules_read(call, change->tenant, &change->before);
	if (code != OPERATION_OK)
		return code;
	rules_version(change->before, version);
	return call_version(call, version);
}

static void
end(struct change *change)
{
	keystore_rows_release(change->tenant_rows);
	rules_free(change->before);
	rules_free(change->after);
	mem_free(change->writes);
}

/* ---- showing ---- */

/* Those that sign as a domain that who asks may see. */
static json_t *
shown(const struct operation_call *call, const struct rules *rules)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rules->count; i++)
		if (call_sees(call, SPAN_EMPTY, rules->all[i].domain))
			json_array_append_new(list, rules_row(&rules->all[i]));
	return list;
}

static void
show(struct operation_call *call, const struct change *change, const struct rules *rules)
{
	json_object_set_new(call->result, "tenant", json_span(change->tenant));
	json_object_set_new(call->result, "rules", shown(call, rules));
	if (rules->more)
		json_object_set_new(call->result, "more", json_true());
}

enum operation_code
operation_rules_show(struct operation_call *call)
{
	struct change change = {.before = NULL};
	enum operation_code code = begin(call, &change);

	if (code == OPERATION_OK)
		show(call, &change, change.before);
	end(&change);
	return code;
}

/* ---- changing ---- */

static enum operation_code
begin_change(struct operation_call *call, struct change *change)
{
	enum operation_code code = begin(call, change);

	if (code != OPERATION_OK)
		return code;
	if (call->caller->domains.n > 0)
		return call_refuse(call, OPERATION_FORBIDDEN,
		    "a rule may be about any sender of the tenant; who may see some of its "
		    "domains only cannot change one");
	if (change->before->more)
		return call_refuse(call, OPERATION_IN_USE,
		    "the tenant has more than %u rules; \"signpost store load\" changes them",
		    KEYSTORE_RULES_MAX);
	change->after = rules_new();
	return OPERATION_OK;
}

/* once: an id may not be there before. */
static enum operation_code
take_rules(struct operation_call *call, struct change *change, bool once)
{
	const json_t *list = json_object_get(call->arguments, "rules");

	for (size_t i = 0; i < json_array_size(list); i++) {
		struct store_rule rule;
		enum operation_code code;
		char where[40];

		snprintf(where, sizeof(where), "rules/%zu", i);
		code = rules_take(call, where, json_array_get(list, i), change->tenant, &rule);
		if (code != OPERATION_OK)
			return code;
		if (once && rules_find(change->after, rule.id) != NULL)
			return call_wrong(
			    call, where, "there is a rule %.*s before it", SPAN_ARG(rule.id));
		if (!rules_put(change->after, &rule))
			return call_wrong(
			    call, "rules", "there can be %u at most", KEYSTORE_RULES_MAX);
	}
	return OPERATION_OK;
}

static enum operation_code
take_removals(struct operation_call *call, struct change *change)
{
	const json_t *list = json_object_get(call->arguments, "remove");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *id = json_array_get(list, i);

		if (!json_is_string(id) ||
		    !rules_remove(
			change->after, span_of(json_string_value(id), json_string_length(id))))
			return call_wrong(call, "remove", "at %zu: there is no such rule", i);
	}
	return OPERATION_OK;
}

/* Has the tenant the domain as which the rule signs? Whose it is otherwise is not said. */
static enum operation_code
check_domain(
    struct operation_call *call, const struct store_rule *rule, const struct change *change)
{
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	bool own;
	size_t i;
	enum status status =
	    row_find(call->admin->store, STORE_DOMAIN, rule->domain, SPAN_EMPTY, &rows, &i, &err);

	if (status != ST_OK && status != ST_ABSENT)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	own = status == ST_OK && span_eq(rows->domains[i].tenant, change->tenant);
	if (status == ST_OK)
		keystore_rows_release(rows);
	return own ? OPERATION_OK
		   : call_wrong(call, "rules", "rule %.*s: the tenant has no domain %.*s",
			 SPAN_ARG(rule->id), SPAN_ARG(rule->domain));
}

static void
add_write(
    struct change *change, const struct store_rule *rule, uint64_t revision, enum store_how how)
{
	struct keystore_write *write = &change->writes[change->count++];

	*write = (struct keystore_write){.what = STORE_RULE, .row.rule = *rule};
	write->how = how;
	write->row.rule.revision = revision;
}

/* Removals first, so that there is room for what takes their place. before, after: those that
 * change. */
static enum operation_code
find_changes(struct operation_call *call, struct change *change, json_t *before, json_t *after)
{
	enum operation_code code = OPERATION_OK;

	change->writes = mem_zalloc(2U * KEYSTORE_RULES_MAX + 1U, sizeof(*change->writes));
	for (size_t i = 0; i < change->before->count; i++) {
		const struct store_rule *rule = &change->before->all[i];

		if (rules_find(change->after, rule->id) != NULL)
			continue;
		add_write(change, rule, rule->revision, WRITE_REMOVE);
		json_array_append_new(before, rules_row(rule));
	}
	for (size_t i = 0; code == OPERATION_OK && i < change->after->count; i++) {
		const struct store_rule *rule = &change->after->all[i];
		const struct store_rule *old = rules_find(change->before, rule->id);

		if (old != NULL && !rules_differ(old, rule))
			continue;
		code = check_domain(call, rule, change);
		add_write(change, rule, old == NULL ? 0 : old->revision,
		    old == NULL ? WRITE_ADD : WRITE_CHANGE);
		if (old != NULL)
			json_array_append_new(before, rules_row(old));
		json_array_append_new(after, rules_row(rule));
	}
	return code;
}

static json_t *
set_row(const struct change *change, json_t *rules)
{
	return json_pack("{s:o, s:o}", "tenant", json_span(change->tenant), "rules", rules);
}

/* With the tenant's row, so that of two who write at once one is told. */
static enum operation_code
write_all(struct operation_call *call, struct change *change)
{
	struct keystore_write *tenant = &change->writes[change->count];
	struct err err = ERR_NONE;
	enum status status;

	if (change->count == 0)
		return OPERATION_OK;
	*tenant = (struct keystore_write){
	    .what = STORE_TENANT, .how = WRITE_CHANGE, .row.tenant = change->row};
	status = call_apply(call, change->writes, change->count + 1, &err);
	if (status == ST_OK)
		return OPERATION_OK;
	if (status == ST_ABSENT)
		status = ST_DENIED; /* it was there a moment ago */
	return call_store_failed(call, status, OPERATION_PRECONDITION_FAILED, &err);
}

static enum operation_code
finish(struct operation_call *call, struct change *change)
{
	json_t *before = json_array(), *after = json_array();
	enum operation_code code = find_changes(call, change, before, after);
	char version[VERSION_BYTES];

	rules_version(change->after, version);
	if (code == OPERATION_OK && change->count > CHANGES_MAX)
		code = call_wrong(call, "rules",
		    "%zu rules would change, and %u can at once: do it in two steps", change->count,
		    CHANGES_MAX);
	if (code == OPERATION_OK && change->count > 0)
		call_plan(call, "rules", set_row(change, json_incref(before)),
		    set_row(change, json_incref(after)));
	json_decref(before);
	json_decref(after);
	if (code != OPERATION_OK)
		return code;
	show(call, change, change->after);
	call_new_version(call, version);
	return write_all(call, change);
}

enum operation_code
operation_rules_replace(struct operation_call *call)
{
	struct change change = {.before = NULL};
	enum operation_code code = begin_change(call, &change);

	if (code == OPERATION_OK)
		code = take_rules(call, &change, true);
	if (code == OPERATION_OK)
		code = finish(call, &change);
	end(&change);
	return code;
}

enum operation_code
operation_rules_change(struct operation_call *call)
{
	struct change change = {.before = NULL};
	enum operation_code code = begin_change(call, &change);

	for (size_t i = 0; code == OPERATION_OK && i < change.before->count; i++)
		(void)rules_put(change.after, &change.before->all[i]);
	if (code == OPERATION_OK)
		code = take_removals(call, &change);
	if (code == OPERATION_OK)
		code = take_rules(call, &change, false);
	if (code == OPERATION_OK)
		code = finish(call, &change);
	end(&change);
	return code;
}
