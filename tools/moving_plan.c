/*
 * moving_plan.c - a site as rows of a store: domains, keys, and rules where the row of a domain
 * does not say it already.
 * Called by import. It must never choose in silence: of two that cannot both be, one is left out
 * and found, and so is a sender whose signatures would be others than before.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dkim/address.h"
#include "lib/store/keyindex.h"
#include "lib/store/pattern.h"
#include "tools/moving.h"

struct planning {
	struct moving_site *site;
	struct keyindex domains; /* of senders: those of whole domains, by their subject */
};

/* ---- keys ---- */

static struct span
name_of_key(const void *context, uint32_t id)
{
	const struct moving_site *site = context;

	return site->keys[id].name;
}

/* Of two keys of one name the first stays; senders of the other are its. */
static void
join_keys(struct moving_site *site)
{
	struct keyindex index;

	keyindex_init(&index, site->key_count, false, name_of_key, site);
	for (size_t i = 0; i < site->key_count; i++) {
		size_t first = keyindex_put(&index, (uint32_t)i);
		struct moving_key *key = &site->keys[i];

		if (first == i)
			continue;
		key->left_out = true;
		if (span_eq(site->keys[first].public_key, key->public_key))
			continue;
		moving_find(site, SEVERITY_ERROR, "two-keys", key->name, key->where, key->line,
		    "there is another key of this name at %.*s line %u, which is taken",
		    SHOWN(site->keys[first].where), site->keys[first].line);
	}
	for (size_t i = 0; i < site->sender_count; i++) {
		struct span name = site->keys[site->senders[i].key].name;

		site->senders[i].key = keyindex_find(&index, name);
	}
	keyindex_free(&index);
}

/* ---- senders twice ---- */

static struct span
subject_of(const void *context, uint32_t id)
{
	const struct moving_site *site = context;

	return site->senders[id].subject;
}

/* Keys of two algorithms of one domain sign together. */
static bool
sign_together(
    const struct moving_site *site, const struct moving_sender *a, const struct moving_sender *b)
{
	const struct moving_key *one = &site->keys[a->key], *other = &site->keys[b->key];

	return a->key == b->key || (site->many && span_eq(one->domain, other->domain) &&
				       one->algorithm != other->algorithm);
}

static void
join_senders(struct moving_site *site)
{
	struct keyindex index;

	keyindex_init(&index, site->sender_count, false, subject_of, site);
	for (size_t i = 0; i < site->sender_count; i++) {
		size_t first = keyindex_put(&index, (uint32_t)i);
		struct moving_sender *row = &site->senders[i];

		if (first == i)
			continue;
		row->left_out = true;
		if (!sign_together(site, &site->senders[first], row))
			moving_find(site, SEVERITY_WARNING, "two-rules", row->written, row->where,
			    row->line,
			    "line %u has another key for the same senders, which is taken",
			    site->senders[first].line);
	}
	keyindex_free(&index);
}

static void
index_domains(struct planning *planning)
{
	struct moving_site *site = planning->site;

	keyindex_init(&planning->domains, site->sender_count, false, subject_of, site);
	for (size_t i = 0; i < site->sender_count; i++)
		if (!site->senders[i].left_out && site->senders[i].kind == MOVING_DOMAIN)
			(void)keyindex_put(&planning->domains, (uint32_t)i);
}

/* The row for all of a domain; NULL: there is none. */
static const struct moving_sender *
row_of_domain(const struct planning *planning, struct span domain)
{
	uint32_t at = keyindex_find(&planning->domains, domain);

	return at == KEYINDEX_NONE ? NULL : &planning->site->senders[at];
}

/* ---- which key of a domain signs ---- */

struct choice {
	const struct planning *planning;
	size_t key;
	unsigned rank; /* 0: all of its domain; 1: some senders; 2: none */
};

static int
compare_choices(const void *a, const void *b)
{
	const struct choice *left = a, *right = b;
	const struct moving_key *one = &left->planning->site->keys[left->key];
	const struct moving_key *other = &left->planning->site->keys[right->key];
	int order = strcmp(one->domain.p, other->domain.p);

	if (order == 0)
		order = (int)one->algorithm - (int)other->algorithm;
	if (order == 0)
		order = (int)left->rank - (int)right->rank;
	return order != 0 ? order : left->key < right->key ? -1 : left->key > right->key;
}

static void
find_stand_by(
    struct moving_site *site, struct moving_key *key, const struct moving_key *first, unsigned rank)
{
	key->stand_by = true;
	if (rank < 2)
		moving_find(site, SEVERITY_WARNING, "one-selector", key->name, key->where,
		    key->line,
		    "one key of each algorithm signs for a domain: its senders are signed with "
		    "s=%.*s, and this one comes as a key that does not sign",
		    SHOWN(first->selector));
}

static void
choose_keys(const struct planning *planning)
{
	struct moving_site *site = planning->site;
	struct choice *all = mem_zalloc(site->key_count + 1, sizeof(*all));
	size_t count = 0;

	for (size_t i = 0; i < site->key_count; i++)
		all[i] = (struct choice){planning, i, 2};
	for (size_t i = 0; i < site->sender_count; i++) {
		const struct moving_sender *row = &site->senders[i];
		bool whole = row->kind == MOVING_DOMAIN &&
			     span_eq(row->subject, site->keys[row->key].domain);

		if (!row->left_out && all[row->key].rank > (whole ? 0U : 1U))
			all[row->key].rank = whole ? 0 : 1;
	}
	for (size_t i = 0; i < site->key_count; i++)
		if (!site->keys[i].left_out && site->keys[i].pem != NULL)
			all[count++] = all[i];
	qsort(all, count, sizeof(*all), compare_choices);
	for (size_t i = 0, first = 0; i < count; i++) {
		struct moving_key *key = &site->keys[all[i].key],
				  *one = &site->keys[all[first].key];

		if (!span_eq(key->domain, one->domain) || key->algorithm != one->algorithm)
			first = i;
		else if (i > first)
			find_stand_by(site, key, one, all[i].rank);
	}
	mem_free(all);
}

/* ---- domains ---- */

static int
compare_domains(const void *a, const void *b)
{
	const struct moving_domain *left = a, *right = b;

	return strcmp(left->name.p, right->name.p);
}

struct moving_domain *
moving_domain_of(const struct moving_site *site, struct span name)
{
	struct moving_domain wanted = {.name = name};

	return site->domain_count == 0 ? NULL
				       : bsearch(&wanted, site->domains, site->domain_count,
					     sizeof(wanted), compare_domains);
}

static void
make_domains(struct moving_site *site, const char *tenant)
{
	size_t count = 0;

	site->domains = mem_zalloc(site->key_count + 1, sizeof(*site->domains));
	for (size_t i = 0; i < site->key_count; i++)
		if (!site->keys[i].left_out && site->keys[i].pem != NULL)
			site->domains[count++] =
			    (struct moving_domain){.name = site->keys[i].domain,
				.tenant = tenant != NULL ? span_str(tenant) : site->keys[i].domain};
	qsort(site->domains, count, sizeof(*site->domains), compare_domains);
	for (size_t i = 0; i < count; i++)
		if (site->domain_count == 0 ||
		    !span_eq(site->domains[site->domain_count - 1].name, site->domains[i].name))
			site->domains[site->domain_count++] = site->domains[i];
}

/* ---- rules ---- */

static void
set_id(struct moving_sender *row)
{
	char hex[KEYSTORE_DIGEST_BYTES];
	struct buf text;

	buf_init(&text, TABLE_KEY_MAX + 16);
	buf_add_fmt(&text, "%d ", (int)row->kind);
	buf_add(&text, row->subject);
	keystore_digest(buf_span(&text), hex);
	snprintf(row->id, sizeof(row->id), "import-%.16s", hex);
	buf_free(&text);
}

static void
leave_out(struct moving_site *site, struct moving_sender *row, const char *code, const char *why)
{
	row->left_out = true;
	moving_find(site, SEVERITY_ERROR, code, row->written, row->where, row->line, "%s", why);
}

/* A row of the store, or one of the site, stands in front of a pattern. */
static bool
is_hidden(const struct planning *planning, const struct moving_sender *row)
{
	const struct moving_site *site = planning->site;
	struct span host = moving_host_of(row->subject);

	if (domain_is_valid(host) &&
	    (moving_domain_of(site, host) != NULL || row_of_domain(planning, host) != NULL))
		return true;
	for (size_t at = 0; at < host.n && !site->first_wins; at++)
		if (host.p[at] == '.' && span_find(span_from(host, at), '*') == SIZE_MAX)
			for (size_t i = 0; i < site->sender_count; i++)
				if (site->senders[i].kind == MOVING_SUFFIX &&
				    span_eq(site->senders[i].subject, span_from(host, at)))
					return true;
	return false;
}

static bool
is_said_by_row(const struct planning *planning, const struct moving_sender *row)
{
	struct span domain = planning->site->keys[row->key].domain;
	struct span host = moving_host_of(row->subject);
	const struct moving_sender *whole = row_of_domain(planning, host);

	if (row->identity.n > 0)
		return false;
	if (row->kind == MOVING_SUFFIX)
		return span_eq(span_from(host, 1), domain) &&
		       row_of_domain(planning, domain) != NULL;
	if (row->kind == MOVING_ALL || !span_eq(host, domain))
		return false;
	return whole == NULL || whole == row ||
	       (span_eq(planning->site->keys[whole->key].domain, domain) && whole->identity.n == 0);
}

/* Whoever has a row in the store is signed for by its tenant only. */
static bool
is_of_other_tenant(const struct moving_site *site, const struct moving_sender *row)
{
	const struct moving_domain *sender = moving_domain_of(site, moving_host_of(row->subject));
	const struct moving_domain *signer = moving_domain_of(site, site->keys[row->key].domain);

	return sender != NULL && signer != NULL && !span_eq(sender->tenant, signer->tenant);
}

static void
check_rule(struct moving_site *site, struct moving_sender *row)
{
	struct moving_domain *domain = moving_domain_of(site, site->keys[row->key].domain);
	struct keystore_write write = {.what = STORE_RULE, .how = WRITE_PUT};
	struct err err = ERR_NONE;
	static const enum store_rule_kind kinds[] = {STORE_RULE_ADDRESS, STORE_RULE_DOMAIN,
	    STORE_RULE_SUFFIX, STORE_RULE_PATTERN, STORE_RULE_PATTERN};

	set_id(row);
	write.row.rule = (struct store_rule){.kind = kinds[row->kind],
	    .id = span_str(row->id),
	    .tenant = domain->tenant,
	    .subject = row->subject,
	    .domain = domain->name,
	    .identity = row->identity,
	    .enabled = true};
	if (keystore_write_check(&write, &err) != ST_OK ||
	    (kinds[row->kind] == STORE_RULE_PATTERN && pattern_check(row->subject, &err) != ST_OK))
		leave_out(site, row, "no-rule", err.text);
}

static void
make_rule(const struct planning *planning, struct moving_sender *row)
{
	struct moving_site *site = planning->site;
	struct moving_domain *domain = moving_domain_of(site, site->keys[row->key].domain);

	if (is_said_by_row(planning, row)) {
		if (row->kind == MOVING_SUFFIX)
			domain->subdomains = true;
		return;
	}
	if (row->kind == MOVING_PATTERN && is_hidden(planning, row)) {
		leave_out(site, row, "order",
		    "in a store rows of whole domains go before patterns: this one would never be "
		    "asked; write its senders one by one");
		return;
	}
	if (is_of_other_tenant(site, row)) {
		leave_out(site, row, "other-tenant",
		    "the sender's domain and the signing domain would be of two tenants, and none "
		    "signs for another's mail; use --tenant");
		return;
	}
	row->rule = true;
	check_rule(site, row);
}

/* ---- what changes ---- */

static bool
is_signed_before(const struct planning *planning, struct span domain)
{
	const struct moving_site *site = planning->site;

	if (row_of_domain(planning, domain) != NULL)
		return true;
	for (size_t i = 0; i < site->sender_count; i++) {
		const struct moving_sender *row = &site->senders[i];

		if (!row->left_out && span_eq(site->keys[row->key].domain, domain) &&
		    (row->kind == MOVING_ALL ||
			(row->kind == MOVING_SUFFIX && domain.n > row->subject.n &&
			    span_ends(domain, row->subject))))
			return true;
	}
	return false;
}

static void
find_changes(const struct planning *planning)
{
	struct moving_site *site = planning->site;
	bool patterns = false;

	for (size_t i = 0; i < site->domain_count; i++)
		if (!is_signed_before(planning, site->domains[i].name))
			moving_find(site, SEVERITY_WARNING, "wider", site->domains[i].name,
			    SPAN_EMPTY, 0,
			    "until now not all of this domain is signed as itself; in a store a "
			    "domain with a key signs for all its senders");
	for (size_t i = 0; i < site->sender_count; i++)
		patterns = patterns || (site->senders[i].rule && !site->senders[i].left_out &&
					   site->senders[i].kind >= MOVING_PATTERN);
	if (site->domain_count > 0)
		moving_find(site, patterns ? SEVERITY_WARNING : SEVERITY_NOTE, "needs-tenant",
		    SPAN_LIT("gateways"), SPAN_EMPTY, 0,
		    "they sign for sessions whose tenant is known: TenantMap or bindings say it%s",
		    patterns ? ", and patterns are for those alone"
			     : ", or RequireTenant is \"no\"");
}

void
moving_plan(struct moving_site *site, const char *tenant)
{
	struct planning planning = {.site = site};

	join_keys(site);
	join_senders(site);
	if (site->first_wins)
		moving_cover(site);
	index_domains(&planning);
	choose_keys(&planning);
	make_domains(site, tenant);
	for (size_t i = 0; i < site->sender_count; i++)
		if (!site->senders[i].left_out)
			make_rule(&planning, &site->senders[i]);
	find_changes(&planning);
	keyindex_free(&planning.domains);
}
