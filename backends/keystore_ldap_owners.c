/*
 * keystore_ldap_owners.c - the second half of an answer: the tenants of what was found, and what
 * the policies of domains say. A directory does not join, so they are asked for by their names, all
 * at once. Called by keystore_ldap.c for a question, and when domains are listed. It must never
 * give a domain the policy of another tenant.
 */
#include "backends/keystore_ldap_private.h"
#include "lib/base/mem.h"

/* What is asked for at once; more tenants in one answer is ST_TOO_BIG. */
#define TENANTS_MAX 1100U
#define POLICIES_MAX 64U

struct owners {
	struct ldapstore *store;
	struct span tenants[TENANTS_MAX];
	size_t tenant_count;
	struct span policies[POLICIES_MAX][2]; /* tenant, name */
	size_t policy_count;
	struct keystore_rows *out;
	struct ldapstore_policies *said;
};

static bool
want_tenant(struct owners *o, struct span name)
{
	for (size_t i = 0; i < o->tenant_count; i++)
		if (span_eq(o->tenants[i], name))
			return true;
	if (o->tenant_count == TENANTS_MAX)
		return false;
	o->tenants[o->tenant_count++] = name;
	return true;
}

static bool
want_policy(struct owners *o, struct span tenant, struct span name)
{
	for (size_t i = 0; i < o->policy_count; i++)
		if (span_eq(o->policies[i][0], tenant) && span_eq(o->policies[i][1], name))
			return true;
	if (o->policy_count == POLICIES_MAX)
		return false;
	o->policies[o->policy_count][0] = tenant;
	o->policies[o->policy_count++][1] = name;
	return true;
}

static enum status
take_tenant(void *context, const struct ldapentry *entry, struct err *err)
{
	struct owners *o = context;
	struct store_tenant row;
	enum status status;

	if (ldapstore_kind(entry) != LDAPSTORE_TENANT)
		return ST_OK;
	status = ldapstore_tenant(entry, &row, err);
	for (size_t i = 0; i < o->tenant_count && status == ST_OK; i++)
		if (span_eq(row.name, o->tenants[i])) {
			keystore_rows_add_tenant(o->out, &row);
			break;
		}
	return status;
}

static enum status
take_policy(void *context, const struct ldapentry *entry, struct err *err)
{
	struct owners *o = context;
	struct store_policy row;
	enum status status;

	if (ldapstore_kind(entry) != LDAPSTORE_POLICY_ENTRY)
		return ST_OK;
	status = ldapstore_policy(entry, &row, err);
	if (status == ST_OK)
		keystore_rows_add_policy(o->said->rows, &row);
	return status;
}

static void
add_tenants_filter(struct buf *out, const struct owners *o)
{
	buf_add_str(out, "(|");
	for (size_t i = 0; i < o->tenant_count; i++) {
		buf_add_str(out, "(signpostTenantName=");
		ldapurl_escape_filter(out, o->tenants[i]);
		buf_add_char(out, ')');
	}
	buf_add_char(out, ')');
}

static enum status
ask_all(struct owners *o, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct ldapstore_stage stages[POLICIES_MAX + 1];
	struct buf names[POLICIES_MAX], filter;
	size_t n = 0;
	enum status status;

	memset(stages, 0, sizeof(stages));
	buf_init(&filter, LDAPSTORE_TEXT_MAX * 2);
	add_tenants_filter(&filter, o);
	for (size_t i = 0; i < o->policy_count; i++) {
		buf_init(&names[i], LDAPSTORE_TEXT_MAX);
		ldapstore_dn_policy(
		    &names[i], o->store->base, o->policies[i][0], o->policies[i][1]);
		stages[n++] = (struct ldapstore_stage){
		    .search = {buf_text(&names[i]), "(objectClass=signpostPolicy)", LDAPURL_BASE,
			ldapstore_row_attributes, 1, true, false, 0},
		    .visit = take_policy,
		    .context = o};
	}
	if (o->tenant_count > 0)
		stages[n++] = (struct ldapstore_stage){
		    .search = {o->store->base, buf_text(&filter), LDAPURL_SUB,
			ldapstore_row_attributes, o->tenant_count + LDAPSTORE_STRANGERS_MAX, false,
			false, 0},
		    .visit = take_tenant,
		    .context = o};
	status = ldapstore_ask(o->store, link, stages, n, deadline_ms, end, err);
	for (size_t i = 0; i < o->policy_count; i++)
		buf_free(&names[i]);
	buf_free(&filter);
	return status;
}

enum status
ldapstore_ask_owners(struct ldapstore *store, struct ldaplink *link,
    const struct keystore_rows *found, struct keystore_rows *out, struct span tenant,
    struct ldapstore_policies *policies, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct owners *o = mem_zalloc(1, sizeof(*o));
	bool fits = true;
	enum status status;

	o->store = store;
	o->out = out;
	o->said = policies;
	policies->rows = keystore_rows_new();
	if (out != NULL && tenant.n > 0)
		fits = want_tenant(o, tenant);
	for (size_t i = 0; i < found->domain_count && fits; i++) {
		const struct store_domain *row = &found->domains[i];

		fits = (out == NULL || want_tenant(o, row->tenant)) &&
		       (row->policy.n == 0 || want_policy(o, row->tenant, row->policy));
	}
	for (size_t i = 0; i < found->rule_count && fits && out != NULL; i++)
		fits = want_tenant(o, found->rules[i].tenant);
	if (fits) {
		status = ask_all(o, link, deadline_ms, end, err);
	} else {
		err_set(err, "the rows of one answer have too many tenants or policies");
		status = ST_TOO_BIG;
	}
	mem_free(o);
	return status;
}

void
ldapstore_add_domains(const struct keystore_rows *found, const struct ldapstore_policies *policies,
    struct keystore_rows *out)
{
	const struct keystore_rows *said = policies->rows;

	for (size_t i = 0; i < found->domain_count; i++) {
		struct store_domain row = found->domains[i];

		for (size_t p = 0; said != NULL && p < said->policy_count && row.policy.n > 0; p++)
			if (span_eq(said->policies[p].tenant, row.tenant) &&
			    span_eq(said->policies[p].name, row.policy)) {
				row.failure = said->policies[p].failure;
				row.signature_ttl_s = said->policies[p].signature_ttl_s;
			}
		keystore_rows_add_domain(out, &row);
	}
}

void
ldapstore_policies_free(struct ldapstore_policies *policies)
{
	keystore_rows_release(policies->rows);
	policies->rows = NULL;
}
