/*
 * keystore_ldap_page.c - rows of any kind by their names, for a page of a listing.
 * Called by keystore_ldap_list.c with names that it has sorted, or that somebody asks for.
 * It must never ask for more at once than an index serves.
 */
#include "backends/keystore_ldap_private.h"
#include "lib/base/mem.h"

#define NAMED_AT_ONCE 50U /* rows of one search */

const struct ldapstore_listing ldapstore_listings[STORE_BINDING + 1] = {
    [STORE_TENANT] = {"(objectClass=signpostTenant)", "signpostTenantName", NULL},
    [STORE_POLICY] = {"(objectClass=signpostPolicy)", "signpostOwner", "signpostPolicyName"},
    [STORE_DOMAIN] = {"(objectClass=signpostDomain)", "signpostDomainName", NULL},
    [STORE_RULE] = {"(objectClass=signpostRule)", "signpostOwner", "signpostRuleId"},
    [STORE_KEY] = {"(objectClass=signpostKey)", "signpostKeyDomain", "signpostSelector"},
    [STORE_BINDING] = {"(objectClass=signpostBinding)", "signpostBindingSubject", NULL},
};

struct page {
	struct ldapstore *store;
	enum store_what what;
	const struct span *names;
	size_t count;
	struct keystore_rows *rows, *found;
};

static enum status
take_row(void *context, const struct ldapentry *entry, struct err *err)
{
	struct page *page = context;
	union {
		struct store_tenant tenant;
		struct store_policy policy;
		struct store_domain domain;
		struct store_rule rule;
		struct store_key key;
		struct store_binding binding;
	} row;
	enum status status = ST_OK;

	/* Nobody but a gateway made it, so it says nothing of anybody else. */
	if (ldapstore_kind(entry) == LDAPSTORE_GATEWAY)
		return ST_OK;
	if (page->what == STORE_TENANT &&
	    (status = ldapstore_tenant(entry, &row.tenant, err)) == ST_OK)
		keystore_rows_add_tenant(page->rows, &row.tenant);
	if (page->what == STORE_POLICY &&
	    (status = ldapstore_policy(entry, &row.policy, err)) == ST_OK)
		keystore_rows_add_policy(page->rows, &row.policy);
	if (page->what == STORE_DOMAIN &&
	    (status = ldapstore_domain(entry, &row.domain, err)) == ST_OK)
		keystore_rows_add_domain(page->found, &row.domain);
	if (page->what == STORE_RULE && (status = ldapstore_rule(entry, &row.rule, err)) == ST_OK)
		keystore_rows_add_rule(page->rows, &row.rule);
	if (page->what == STORE_KEY && (status = ldapstore_key(entry, &row.key, err)) == ST_OK)
		status = keystore_rows_add_key(page->rows, &row.key, err);
	if (page->what == STORE_BINDING &&
	    (status = ldapstore_binding(entry, &row.binding, err)) == ST_OK)
		keystore_rows_add_binding(page->rows, &row.binding);
	return status;
}

static void
add_term(struct buf *out, const char *attribute, struct span value)
{
	buf_add_char(out, '(');
	buf_add_str(out, attribute);
	buf_add_char(out, '=');
	ldapurl_escape_filter(out, value);
	buf_add_char(out, ')');
}

static void
add_filter(const struct page *page, struct buf *out)
{
	buf_add_str(out, "(|");
	for (size_t i = 0; i < page->count; i++) {
		struct span second = page->names[i], first = second;

		if (ldapstore_listings[page->what].second == NULL) {
			add_term(out, ldapstore_listings[page->what].first, first);
			continue;
		}
		span_cut(&second, ' ', &first);
		buf_add_str(out, "(&");
		add_term(out, ldapstore_listings[page->what].first, first);
		add_term(out, ldapstore_listings[page->what].second, second);
		buf_add_char(out, ')');
	}
	buf_add_char(out, ')');
}

static void
begin_page(struct page *page)
{
	keystore_rows_release(page->rows);
	keystore_rows_release(page->found);
	page->rows = keystore_rows_new();
	page->found = keystore_rows_new();
}

static enum status
do_page(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct page *page = context;
	struct ldapstore_stage stage = {.visit = take_row, .context = page};
	struct ldapstore_policies policies = {NULL};
	struct buf filter;
	enum status status;

	begin_page(page);
	buf_init(&filter, LDAPSTORE_TEXT_MAX * 2);
	add_filter(page, &filter);
	stage.search = (struct ldaplink_search){.base = page->store->base,
	    .filter = buf_text(&filter),
	    .scope = LDAPURL_SUB,
	    .attributes = ldapstore_row_attributes,
	    .entries_max = page->count + LDAPSTORE_STRANGERS_MAX,
	    .secret = true};
	status = ldapstore_ask(page->store, link, &stage, 1, deadline_ms, end, err);
	if (status == ST_OK && page->found->domain_count > 0)
		status = ldapstore_ask_owners(page->store, link, page->found, NULL, SPAN_EMPTY,
		    &policies, deadline_ms, end, err);
	if (status == ST_OK)
		ldapstore_add_domains(page->found, &policies, page->rows);
	ldapstore_policies_free(&policies);
	buf_free(&filter);
	return status;
}

struct span
ldapstore_row_name(
    const struct keystore_rows *rows, enum store_what what, size_t i, struct span *second)
{
	*second = SPAN_EMPTY;
	switch (what) {
	case STORE_TENANT:
		return rows->tenants[i].name;
	case STORE_POLICY:
		*second = rows->policies[i].name;
		return rows->policies[i].tenant;
	case STORE_DOMAIN:
		return rows->domains[i].name;
	case STORE_RULE:
		*second = rows->rules[i].id;
		return rows->rules[i].tenant;
	case STORE_KEY:
		*second = rows->keys[i].selector;
		return rows->keys[i].domain;
	default:
		return rows->bindings[i].subject;
	}
}

/* Is the row the one of this name? */
static bool
is_named(const struct keystore_rows *rows, enum store_what what, size_t i, struct span name)
{
	struct span second, first = ldapstore_row_name(rows, what, i, &second);

	if (second.n == 0)
		return span_eq(first, name);
	return name.n == first.n + 1 + second.n && span_starts(name, first) &&
	       name.p[first.n] == ' ' && span_ends(name, second);
}

size_t
ldapstore_row_count(const struct keystore_rows *rows, enum store_what what)
{
	switch (what) {
	case STORE_TENANT:
		return rows->tenant_count;
	case STORE_POLICY:
		return rows->policy_count;
	case STORE_DOMAIN:
		return rows->domain_count;
	case STORE_RULE:
		return rows->rule_count;
	case STORE_KEY:
		return rows->key_count;
	default:
		return rows->binding_count;
	}
}

static enum status
add_row(struct keystore_rows *out, const struct keystore_rows *rows, enum store_what what, size_t i,
    struct err *err)
{
	switch (what) {
	case STORE_TENANT:
		keystore_rows_add_tenant(out, &rows->tenants[i]);
		return ST_OK;
	case STORE_POLICY:
		keystore_rows_add_policy(out, &rows->policies[i]);
		return ST_OK;
	case STORE_DOMAIN:
		keystore_rows_add_domain(out, &rows->domains[i]);
		return ST_OK;
	case STORE_RULE:
		keystore_rows_add_rule(out, &rows->rules[i]);
		return ST_OK;
	case STORE_KEY:
		return keystore_rows_add_key(out, &rows->keys[i], err);
	default:
		keystore_rows_add_binding(out, &rows->bindings[i]);
		return ST_OK;
	}
}

/* In the order of the names; what is gone by now is left out. */
static enum status
add_in_order(const struct page *page, struct keystore_rows *out, struct err *err)
{
	enum status status = ST_OK;

	for (size_t n = 0; n < page->count; n++)
		for (size_t i = 0;
		     i < ldapstore_row_count(page->rows, page->what) && status == ST_OK; i++)
			if (is_named(page->rows, page->what, i, page->names[n])) {
				status = add_row(out, page->rows, page->what, i, err);
				break;
			}
	return status;
}

enum status
ldapstore_read_rows(struct ldapstore *own, enum store_what what, const struct span *names,
    size_t count, struct keystore_rows *out, struct err *err)
{
	struct page page = {.store = own, .what = what};
	enum status status = ST_OK;

	for (size_t at = 0; at < count && status == ST_OK; at += page.count) {
		page.names = names + at;
		page.count = count - at < NAMED_AT_ONCE ? count - at : NAMED_AT_ONCE;
		status = ldappool_run(&own->pool, do_page, &page, err);
		if (status == ST_OK)
			status = add_in_order(&page, out, err);
	}
	keystore_rows_release(page.rows);
	keystore_rows_release(page.found);
	return status;
}
