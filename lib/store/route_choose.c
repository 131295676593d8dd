/*
 * route_choose.c - from rows to a rule, a domain and keys.
 * Called by route.c between its questions; asks nobody.
 * It must never use a row for a name, a tenant or a domain other than the one it was looked for
 * under: a store that was taken over, or compares names loosely, gives rows of others.
 */
#include <string.h>

#include "lib/store/route_choose.h"

void
route_names_of(struct span domain, struct route_names *out)
{
	size_t dots = 0, skip;

	for (size_t i = 0; i < domain.n; i++)
		dots += domain.p[i] == '.';
	skip = dots > ROUTE_PARENTS_MAX ? dots - ROUTE_PARENTS_MAX : 0;
	out->name[0] = domain;
	out->count = 1;
	for (size_t i = 0; i < domain.n; i++) {
		if (domain.p[i] != '.')
			continue;
		if (skip > 0)
			skip--;
		else
			out->name[out->count++] = span_from(domain, i + 1);
	}
}

const struct store_tenant *
route_tenant_row(const struct keystore_rows *rows, struct span tenant)
{
	for (size_t i = 0; i < rows->tenant_count; i++)
		if (span_eq(rows->tenants[i].name, tenant))
			return &rows->tenants[i];
	return NULL;
}

bool
route_tenant_off(const struct keystore_rows *rows, struct span tenant)
{
	for (size_t i = 0; i < rows->tenant_count; i++)
		if (!rows->tenants[i].enabled && span_eq(rows->tenants[i].name, tenant))
			return true;
	return false;
}

/* ---- rows of domains ---- */

enum status
route_check_domain(const struct store_domain *row, struct err *err)
{
	struct keystore_write write;
	enum status status;

	write.life = false;
	write.what = STORE_DOMAIN;
	write.row.domain = *row;
	status = keystore_write_check(&write, err);
	if (status != ST_OK)
		err_prefix(err, "the row of domain %.*s", SPAN_ARG(row->name));
	return status;
}

enum status
route_row_of(const struct keystore_rows *rows, struct span name, const struct store_domain **out,
    struct err *err)
{
	const struct store_domain *found = NULL;

	*out = NULL;
	for (size_t i = 0; i < rows->domain_count; i++) {
		if (!span_eq(rows->domains[i].name, name))
			continue;
		if (found != NULL) {
			err_set(err,
			    "the store has two rows of domain %.*s; remove the one that is wrong",
			    SPAN_ARG(name));
			return ST_INVALID;
		}
		found = &rows->domains[i];
	}
	*out = found;
	return found == NULL ? ST_ABSENT : ST_OK;
}

enum status
route_owner(const struct route_facts *facts, const struct store_domain **out, struct err *err)
{
	enum status status = ST_ABSENT;

	for (size_t i = 0; i < facts->names.count && status == ST_ABSENT; i++)
		status = route_row_of(facts->senders, facts->names.name[i], out, err);
	return status == ST_OK ? route_check_domain(*out, err) : status;
}

enum status
route_cover(const struct route_facts *facts, struct span tenant, const struct store_domain **out,
    struct err *err)
{
	*out = NULL;
	for (size_t i = 0; i < facts->names.count; i++) {
		const struct store_domain *row;
		enum status status = route_row_of(facts->senders, facts->names.name[i], &row, err);

		if (status == ST_INVALID)
			return status;
		if (status == ST_OK && row->enabled && span_eq(row->tenant, tenant) &&
		    (i == 0 || row->subdomains)) {
			status = route_check_domain(row, err);
			*out = status == ST_OK ? row : NULL;
			return status;
		}
	}
	return ST_ABSENT;
}

/* ---- rules ---- */

static enum status
check_rule(const struct store_rule *rule, struct err *err)
{
	struct keystore_write write;
	enum status status;

	write.life = false;
	write.what = STORE_RULE;
	write.row.rule = *rule;
	status = keystore_write_check(&write, err);
	if (status != ST_OK)
		err_prefix(
		    err, "rule %.*s of tenant %.*s", SPAN_ARG(rule->id), SPAN_ARG(rule->tenant));
	return status;
}

static bool
goes_before(const struct store_rule *a, const struct store_rule *b)
{
	if (b == NULL || a->priority != b->priority)
		return b == NULL || a->priority < b->priority;
	return span_compare(a->id, b->id) < 0;
}

/* A rule for the sender's domain (depth 0), or for all below names.name[depth]. */
static bool
rule_matches(const struct store_rule *rule, const struct route_names *names, size_t depth)
{
	if (depth == 0)
		return rule->kind == STORE_RULE_DOMAIN && span_eq(rule->subject, names->name[0]);
	return rule->kind == STORE_RULE_SUFFIX && rule->subject.n > 0 &&
	       rule->subject.p[0] == '.' &&
	       span_eq(span_from(rule->subject, 1), names->name[depth]);
}

static bool
address_matches(const struct store_rule *rule, struct span address)
{
	return rule->kind == STORE_RULE_ADDRESS && span_eq(rule->subject, address);
}

static const struct store_rule *
best_rule(const struct route_facts *facts, struct span tenant, size_t depth)
{
	const struct store_rule *best = NULL;

	for (size_t i = 0; i < facts->senders->rule_count; i++) {
		const struct store_rule *rule = &facts->senders->rules[i];

		if (rule->enabled && span_eq(rule->tenant, tenant) &&
		    rule_matches(rule, &facts->names, depth) && goes_before(rule, best))
			best = rule;
	}
	return best;
}

static const struct store_rule *
best_address_rule(const struct route_facts *facts, struct span tenant)
{
	const struct store_rule *best = NULL;

	for (size_t i = 0; facts->addresses != NULL && i < facts->addresses->rule_count; i++) {
		const struct store_rule *rule = &facts->addresses->rules[i];

		if (rule->enabled && span_eq(rule->tenant, tenant) &&
		    address_matches(rule, facts->address) && goes_before(rule, best))
			best = rule;
	}
	return best;
}

static enum status
take_rule(const struct store_rule *rule, struct route_choice *out, struct err *err)
{
	out->rule = rule;
	out->row = NULL;
	out->domain = rule->domain;
	out->identity = rule->identity;
	return check_rule(rule, err);
}

/* The alias of an alias is not followed: one hop. */
static enum status
take_row(const struct store_domain *row, struct route_choice *out)
{
	out->rule = NULL;
	out->row = row;
	out->domain = row->signs_as.n > 0 ? row->signs_as : row->name;
	out->identity = SPAN_EMPTY;
	return ST_OK;
}

enum status
route_choose(const struct route_facts *facts, struct span tenant, const struct store_domain *cover,
    struct route_choice *out, struct err *err)
{
	const struct store_rule *rule = best_address_rule(facts, tenant);

	for (size_t depth = 0; depth < facts->names.count; depth++) {
		if (rule == NULL)
			rule = best_rule(facts, tenant, depth);
		if (rule != NULL)
			return take_rule(rule, out, err);
		if (cover != NULL && span_eq(cover->name, facts->names.name[depth]))
			return take_row(cover, out);
	}
	return ST_ABSENT;
}

/* One more rule that matches. false: it is of another tenant than those before. */
static bool
same_tenant(const struct route_facts *facts, const struct store_rule *rule, struct span *tenant)
{
	if (!rule->enabled || route_tenant_off(facts->senders, rule->tenant) ||
	    (facts->addresses != NULL && route_tenant_off(facts->addresses, rule->tenant)))
		return true;
	if (tenant->p == NULL)
		*tenant = span_of(rule->tenant.n == 0 ? "" : rule->tenant.p, rule->tenant.n);
	return span_eq(*tenant, rule->tenant);
}

enum status
route_rules_tenant(const struct route_facts *facts, struct span *tenant_out)
{
	const struct keystore_rows *senders = facts->senders, *addresses = facts->addresses;

	*tenant_out = SPAN_EMPTY;
	for (size_t i = 0; i < senders->rule_count; i++)
		for (size_t depth = 0; depth < facts->names.count; depth++)
			if (rule_matches(&senders->rules[i], &facts->names, depth) &&
			    !same_tenant(facts, &senders->rules[i], tenant_out))
				return ST_DENIED;
	for (size_t i = 0; addresses != NULL && i < addresses->rule_count; i++)
		if (address_matches(&addresses->rules[i], facts->address) &&
		    !same_tenant(facts, &addresses->rules[i], tenant_out))
			return ST_DENIED;
	return tenant_out->p == NULL ? ST_ABSENT : ST_OK;
}

/* ---- patterns ---- */

/* Of the patterns that match or cannot be used, the first: one that cannot be used might have been
 * meant for this sender, so what stands behind it is not taken instead. */
enum status
route_choose_pattern(const struct keystore_rows *patterns, struct pattern_cache *cache,
    struct span address, struct span tenant, struct route_choice *out, struct err *err)
{
	const struct store_rule *best = NULL;
	enum status found = ST_ABSENT;

	for (size_t i = 0; i < patterns->rule_count; i++) {
		const struct store_rule *rule = &patterns->rules[i];
		enum status status;

		if (rule->kind != STORE_RULE_PATTERN || !rule->enabled ||
		    !span_eq(rule->tenant, tenant) || !goes_before(rule, best))
			continue;
		status = pattern_cache_match(cache, rule->subject, address, err);
		if (status == ST_ABSENT)
			continue;
		best = rule;
		found = status;
	}
	if (found == ST_INVALID)
		err_prefix(err, "the pattern of rule %.*s of tenant %.*s", SPAN_ARG(best->id),
		    SPAN_ARG(tenant));
	return found == ST_OK ? take_rule(best, out, err) : found;
}

struct span
route_identity_within(struct span identity, struct span domain)
{
	size_t at = span_rfind(identity, '@');
	struct span host;

	if (at == SIZE_MAX)
		return SPAN_EMPTY;
	for (size_t i = 0; i < at; i++)
		if ((unsigned char)identity.p[i] < ' ' || identity.p[i] == '\x7f')
			return SPAN_EMPTY;
	host = span_from(identity, at + 1);
	if (!keystore_domain_is_valid(host) || !span_ends(host, domain))
		return SPAN_EMPTY;
	return host.n == domain.n || host.p[host.n - domain.n - 1] == '.' ? identity : SPAN_EMPTY;
}
