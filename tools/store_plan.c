/*
 * store_plan.c - the difference between a line and the store.
 * Called by load for each line. It must never ask for a change where there is no difference: a
 * second run writes nothing.
 */
#include "config.h"

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "tools/store_plan.h"

void
store_plan_free(struct store_plan *plan)
{
	keystore_rows_release(plan->held);
	secret_free(plan->secret);
	secret_free(plan->pem);
	mem_free(plan->texts);
	memset(plan, 0, sizeof(*plan));
}

static enum status
other_tenant(struct span tenant, struct err *err)
{
	err_set(err, "is there and belongs to tenant \"%.*s\"; remove it there first",
	    tenant.n > 64 ? 64 : (int)tenant.n, tenant.n == 0 ? "" : tenant.p);
	return ST_DENIED;
}

static void
change(struct store_plan *out, bool differs)
{
	out->action = differs ? STORE_CHANGE : STORE_NOTHING;
	out->write.how = WRITE_CHANGE;
}

static enum status
plan_tenant(struct store_plan *out, const struct store_tenant *row)
{
	struct store_tenant *wanted = &out->write.row.tenant;

	wanted->revision = row->revision;
	change(out, !span_eq(wanted->failure, row->failure) || wanted->enabled != row->enabled);
	return ST_OK;
}

static enum status
plan_policy(struct store_plan *out, const struct store_policy *row, bool plan_given)
{
	struct store_policy *wanted = &out->write.row.policy;

	wanted->revision = row->revision;
	if (!plan_given)
		wanted->plan = row->plan;
	change(out, !span_eq(wanted->failure, row->failure) ||
			wanted->signature_ttl_s != row->signature_ttl_s ||
			!span_eq(wanted->plan, row->plan));
	return ST_OK;
}

static enum status
plan_domain(struct store_plan *out, const struct store_domain *row, struct err *err)
{
	struct store_domain *wanted = &out->write.row.domain;

	if (!span_eq(wanted->tenant, row->tenant))
		return other_tenant(row->tenant, err);
	wanted->revision = row->revision;
	change(out, !span_eq(wanted->signs_as, row->signs_as) ||
			!span_eq(wanted->policy, row->policy) ||
			wanted->subdomains != row->subdomains || wanted->enabled != row->enabled);
	return ST_OK;
}

static enum status
plan_rule(struct store_plan *out, const struct store_rule *row)
{
	struct store_rule *wanted = &out->write.row.rule;

	wanted->revision = row->revision;
	change(out, wanted->kind != row->kind || !span_eq(wanted->subject, row->subject) ||
			!span_eq(wanted->domain, row->domain) ||
			!span_eq(wanted->identity, row->identity) ||
			wanted->priority != row->priority || wanted->enabled != row->enabled);
	return ST_OK;
}

static enum status
plan_binding(struct store_plan *out, const struct store_binding *row)
{
	change(out, !span_eq(out->write.row.binding.tenant, row->tenant));
	return ST_OK;
}

static enum status
plan_found(struct store_tool *tool, const struct store_line *line, const struct keystore_rows *rows,
    size_t i, int64_t now_utc, struct store_plan *out, struct err *err)
{
	switch (line->write.what) {
	case STORE_TENANT:
		return plan_tenant(out, &rows->tenants[i]);
	case STORE_POLICY:
		return plan_policy(out, &rows->policies[i], line->plan_given);
	case STORE_DOMAIN:
		return plan_domain(out, &rows->domains[i], err);
	case STORE_RULE:
		return plan_rule(out, &rows->rules[i]);
	case STORE_KEY:
		if (!span_eq(line->write.row.key.tenant, rows->keys[i].tenant))
			return other_tenant(rows->keys[i].tenant, err);
		return store_plan_old_key(tool, line, &rows->keys[i], now_utc, out, err);
	case STORE_BINDING:
		return plan_binding(out, &rows->bindings[i]);
	case STORE_TOKEN:
	case STORE_PROVIDER:
	case STORE_QUOTA:
	case STORE_REPLY:
	case STORE_AUDIT:
		break;
	}
	return ST_INVALID;
}

/* The whole row is given to the backend, with its revision: what changed meanwhile stays. */
static enum status
plan_remove(const struct keystore_rows *rows, size_t i, struct store_plan *out, struct err *err)
{
	struct keystore_write *write = &out->write;
	struct span tenant = SPAN_EMPTY, owner = SPAN_EMPTY;

	switch (write->what) {
	case STORE_TENANT:
		write->row.tenant = rows->tenants[i];
		break;
	case STORE_POLICY:
		write->row.policy = rows->policies[i];
		break;
	case STORE_DOMAIN:
		tenant = write->row.domain.tenant;
		owner = rows->domains[i].tenant;
		write->row.domain = rows->domains[i];
		break;
	case STORE_RULE:
		write->row.rule = rows->rules[i];
		break;
	case STORE_KEY:
		tenant = write->row.key.tenant;
		owner = rows->keys[i].tenant;
		write->row.key = rows->keys[i];
		break;
	case STORE_BINDING:
		write->row.binding = rows->bindings[i];
		break;
	case STORE_TOKEN:
	case STORE_PROVIDER:
	case STORE_QUOTA:
	case STORE_REPLY:
	case STORE_AUDIT:
		break;
	}
	if (!span_eq(tenant, owner))
		return other_tenant(owner, err);
	write->how = WRITE_REMOVE;
	out->action = STORE_REMOVE;
	return ST_OK;
}

static enum status
plan_absent(struct store_tool *tool, const struct store_line *line, int64_t now_utc,
    struct store_plan *out, struct err *err)
{
	if (line->remove)
		return ST_OK;
	out->action = STORE_ADD;
	out->write.how = WRITE_ADD;
	if (line->write.what == STORE_KEY)
		return store_plan_new_key(tool, line, now_utc, out, err);
	return ST_OK;
}

static enum status
check_names(enum store_what what, struct span first, struct span second, struct err *err)
{
	size_t most = what == STORE_BINDING ? KEYSTORE_SUBJECT_MAX : KEYSTORE_DOMAIN_MAX;
	bool two = what == STORE_POLICY || what == STORE_RULE || what == STORE_KEY;

	if (first.n > 0 && first.n <= most && second.n <= most && (second.n > 0) == two)
		return ST_OK;
	err_set(err, "a name is empty or longer than %zu octets", most);
	return ST_INVALID;
}

enum status
store_plan_make(struct store_tool *tool, struct store_finder *finder, const struct store_line *line,
    int64_t now_utc, struct store_plan *out, struct err *err)
{
	struct keystore_rows *rows = NULL;
	struct span first, second;
	enum status status;
	size_t i = 0;

	memset(out, 0, sizeof(*out));
	out->write = line->write;
	store_line_names(line, &first, &second);
	status = check_names(line->write.what, first, second, err);
	if (status != ST_OK)
		return status;
	status = store_find(finder, line->write.what, first, second, &rows, &i, err);
	if (status == ST_OK) {
		keystore_rows_hold(rows);
		out->held = rows;
		if (line->remove)
			status = plan_remove(rows, i, out, err);
		else
			status = plan_found(tool, line, rows, i, now_utc, out, err);
		if (status != ST_OK)
			err_prefix(err, "%.*s%s%.*s", SPAN_ARG(first), second.n > 0 ? " " : "",
			    SPAN_ARG(second));
	} else if (status == ST_ABSENT) {
		status = plan_absent(tool, line, now_utc, out, err);
	}
	if (status == ST_OK && out->action != STORE_NOTHING && out->action != STORE_REMOVE)
		status = keystore_write_check(&out->write, err);
	if (status != ST_OK || out->action == STORE_NOTHING)
		store_plan_free(out);
	return status;
}
