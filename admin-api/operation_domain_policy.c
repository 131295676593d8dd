/*
 * operation_domain_policy.c - which of its tenant's policies a domain has: that one in full, and
 * another one in its place.
 * Called through the table of operations. It must never change a policy: other domains have it,
 * too.
 */
#include "config.h"

#include "admin-api/operation_many.h"

struct choice {
	struct keystore_rows *domains, *policies;
	const struct store_domain *domain;
	const struct store_policy *policy; /* NULL: none */
};

static void
release(struct choice *choice)
{
	keystore_rows_release(choice->domains);
	keystore_rows_release(choice->policies);
}

static enum operation_code
find(struct operation_call *call, struct span name, struct choice *out)
{
	struct keystore *store = call->admin->store;
	struct err err = ERR_NONE;
	enum status status;
	size_t i;

	status = row_find(store, STORE_DOMAIN, name, SPAN_EMPTY, &out->domains, &i, &err);
	if (status == ST_ABSENT ||
	    (status == ST_OK && !call_sees(call, out->domains->domains[i].tenant, name)))
		return call_refuse(
		    call, OPERATION_NOT_FOUND, "there is no domain %.*s", SPAN_ARG(name));
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	out->domain = &out->domains->domains[i];
	if (out->domain->policy.n == 0)
		return OPERATION_OK;
	status = row_find(store, STORE_POLICY, out->domain->tenant, out->domain->policy,
	    &out->policies, &i, &err);
	if (status == ST_OK)
		out->policy = &out->policies->policies[i];
	return status == ST_OK || status == ST_ABSENT
		   ? OPERATION_OK
		   : call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
}

/* With the version that the caller has seen. */
static enum operation_code
read_choice(struct operation_call *call, struct choice *out)
{
	char version[VERSION_BYTES];
	struct span name;
	enum operation_code code = call_domain(call, "domain", &name);

	*out = (struct choice){.domains = NULL};
	if (code == OPERATION_OK)
		code = find(call, name, out);
	if (code != OPERATION_OK)
		return code;
	version_of_choice(out->policy, version);
	return call_version(call, version);
}

static void
show(struct operation_call *call, struct span domain, const struct store_policy *policy)
{
	char version[VERSION_BYTES];

	json_object_set_new(call->result, "domain", json_span(domain));
	json_object_set_new(call->result, "policy", json_null());
	if (policy != NULL)
		policy_show(call, policy);
	version_of_choice(policy, version);
	call_new_version(call, version);
}

enum operation_code
operation_domain_policy_show(struct operation_call *call)
{
	struct choice choice;
	enum operation_code code = read_choice(call, &choice);

	if (code == OPERATION_OK)
		show(call, choice.domain->name, choice.policy);
	release(&choice);
	return code;
}

/* The one that is wanted, in *rows_out (released by the caller); *out NULL: none is. */
static enum operation_code
find_wanted(struct operation_call *call, struct span tenant, struct keystore_rows **rows_out,
    const struct store_policy **out)
{
	struct span name = call_text(call, "policy");
	struct err err = ERR_NONE;
	enum status status;
	size_t i;

	*rows_out = NULL;
	*out = NULL;
	if (name.n == 0)
		return OPERATION_OK;
	if (!keystore_tenant_is_valid(name))
		return call_wrong(call, "policy", "it is no name of a policy");
	status = row_find(call->admin->store, STORE_POLICY, tenant, name, rows_out, &i, &err);
	if (status == ST_OK)
		*out = &(*rows_out)->policies[i];
	if (status == ST_ABSENT)
		return call_refuse(call, OPERATION_NOT_FOUND, "tenant %.*s has no policy %.*s",
		    SPAN_ARG(tenant), SPAN_ARG(name));
	return status == ST_OK ? OPERATION_OK
			       : call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
}

/* OPERATION_EXISTS: somebody wrote the row meanwhile, the reconciler for one. */
static enum operation_code
choose(struct operation_call *call, const struct store_domain *before,
    const struct store_policy *policy)
{
	struct keystore_write write = {
	    .what = STORE_DOMAIN, .how = WRITE_CHANGE, .row.domain = *before};
	struct err err = ERR_NONE;
	enum status status;

	write.row.domain.policy = policy == NULL ? SPAN_EMPTY : policy->name;
	call_plan(call, "domain", row_domain(before), row_domain(&write.row.domain));
	show(call, before->name, policy);
	status = call_apply(call, &write, 1, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_EXISTS, &err);
	return row_make_due(call, before->name);
}

static enum operation_code
set(struct operation_call *call)
{
	const struct store_policy *wanted = NULL;
	struct keystore_rows *rows = NULL;
	struct choice choice;
	enum operation_code code = read_choice(call, &choice);

	if (code == OPERATION_OK)
		code = find_wanted(call, choice.domain->tenant, &rows, &wanted);
	if (code == OPERATION_OK)
		code = choose(call, choice.domain, wanted);
	keystore_rows_release(rows);
	release(&choice);
	return code;
}

enum operation_code
operation_domain_policy_set(struct operation_call *call)
{
	enum operation_code code = set(call);

	for (unsigned i = 1; code == OPERATION_EXISTS && i < OPERATION_ATTEMPTS; i++)
		code = set(call);
	if (code == OPERATION_EXISTS)
		return call_refuse(call, OPERATION_PRECONDITION_FAILED,
		    "somebody else changes this domain, too; try again");
	return code;
}
