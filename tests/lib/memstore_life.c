/*
 * memstore_life.c - the life cycle's questions to the store in memory, gateways and leases.
 * Called through keystore_ops. Its clock is memstore.now_utc, which tests move.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "tests/lib/memstore_private.h"

struct span
memstore_keep(struct memstore *m, struct span text)
{
	struct memstore_text *kept;

	if (text.n == 0)
		return SPAN_EMPTY;
	kept = mem_alloc(sizeof(*kept) + text.n);
	memcpy(kept->text, text.p, text.n);
	kept->next = m->texts;
	m->texts = kept;
	return span_of(kept->text, text.n);
}

void
memstore_texts_free(struct memstore *m)
{
	struct memstore_text *next;

	for (struct memstore_text *text = m->texts; text != NULL; text = next) {
		next = text->next;
		mem_free(text);
	}
	m->texts = NULL;
}

static struct keystore_rows *
answer_of(const struct memstore *m)
{
	struct keystore_rows *rows = keystore_rows_new();

	rows->epoch = m->epoch;
	return rows;
}

/* ---- domains ---- */

static int
by_due(const void *left, const void *right)
{
	const struct store_domain *a = left, *b = right;

	return (a->due > b->due) - (a->due < b->due);
}

enum status
memstore_due(struct keystore *store, int64_t now_utc, size_t max, struct keystore_rows **out,
    struct err *err)
{
	struct memstore *m = memstore_of(store);
	enum status status = memstore_begin(m, MEMSTORE_DUE, err);
	struct keystore_rows *rows;

	*out = NULL;
	if (status != ST_OK)
		return status;
	rows = answer_of(m);
	for (size_t i = 0; i < m->all->domain_count; i++)
		if (m->all->domains[i].due > 0 && m->all->domains[i].due <= now_utc)
			keystore_rows_add_domain(rows, &m->all->domains[i]);
	if (rows->domain_count > 1)
		qsort(rows->domains, rows->domain_count, sizeof(*rows->domains), by_due);
	if (rows->domain_count > max)
		rows->domain_count = max;
	*out = rows;
	return ST_OK;
}

static void
give_tenant(const struct memstore *m, struct keystore_rows *rows, struct span name)
{
	for (size_t i = 0; i < rows->tenant_count; i++)
		if (span_eq(rows->tenants[i].name, name))
			return;
	for (size_t i = 0; i < m->all->tenant_count; i++)
		if (span_eq(m->all->tenants[i].name, name))
			keystore_rows_add_tenant(rows, &m->all->tenants[i]);
}

static bool
is_policy(const struct store_policy *row, struct span tenant, struct span name)
{
	return span_eq(row->tenant, tenant) && span_eq(row->name, name);
}

/* NULL: the domain has none. */
static const struct store_policy *
give_policy(const struct memstore *m, struct keystore_rows *rows, const struct store_domain *domain)
{
	const struct keystore_rows *all = m->all;

	for (size_t i = 0; i < rows->policy_count; i++)
		if (is_policy(&rows->policies[i], domain->tenant, domain->policy))
			return &rows->policies[i];
	for (size_t i = 0; i < all->policy_count; i++)
		if (is_policy(&all->policies[i], domain->tenant, domain->policy)) {
			keystore_rows_add_policy(rows, &all->policies[i]);
			return &all->policies[i];
		}
	return NULL;
}

static enum status
give_domain(const struct memstore *m, struct keystore_rows *rows, struct store_domain domain,
    struct err *err)
{
	const struct store_policy *policy = give_policy(m, rows, &domain);
	enum status status = ST_OK;
	size_t keys = 0;

	if (policy != NULL) {
		domain.failure = policy->failure;
		domain.signature_ttl_s = policy->signature_ttl_s;
	}
	keystore_rows_add_domain(rows, &domain);
	give_tenant(m, rows, domain.tenant);
	for (size_t i = 0; i < m->all->key_count && status == ST_OK; i++) {
		const struct store_key *key = &m->all->keys[i];

		if (!span_eq(key->domain, domain.name) || key->times.destroyed > 0)
			continue;
		status =
		    ++keys > KEYSTORE_KEYS_MAX ? ST_TOO_BIG : keystore_rows_add_key(rows, key, err);
	}
	return status;
}

enum status
memstore_lives(struct keystore *store, const struct span *domains, size_t count,
    struct keystore_rows **out, struct err *err)
{
	struct memstore *m = memstore_of(store);
	enum status status = memstore_begin(m, MEMSTORE_LIVES, err);
	struct keystore_rows *rows;

	*out = NULL;
	if (status != ST_OK || count > KEYSTORE_LIVES_MAX)
		return status != ST_OK ? status : ST_TOO_BIG;
	rows = answer_of(m);
	for (size_t i = 0; i < m->all->domain_count && status == ST_OK; i++)
		for (size_t k = 0; k < count; k++)
			if (span_eq(m->all->domains[i].name, domains[k])) {
				status = give_domain(m, rows, m->all->domains[i], err);
				break;
			}
	if (status == ST_OK)
		*out = rows;
	else
		keystore_rows_release(rows);
	return status;
}

/* ---- gateways ---- */

static int
by_loading(const void *left, const void *right)
{
	const struct store_key *a = left, *b = right;

	return (a->loading > b->loading) - (a->loading < b->loading);
}

enum status
memstore_loading(
    struct keystore *store, uint64_t since, size_t max, struct keystore_rows **out, struct err *err)
{
	struct memstore *m = memstore_of(store);
	enum status status = memstore_begin(m, MEMSTORE_LOADING, err);
	struct keystore_rows *rows;

	*out = NULL;
	if (status != ST_OK)
		return status;
	rows = answer_of(m);
	for (size_t i = 0; i < m->all->key_count && status == ST_OK; i++) {
		const struct store_key *key = &m->all->keys[i];

		if (key->loading > since && key->times.destroyed <= 0)
			status = keystore_rows_add_key(rows, key, err);
	}
	if (rows->key_count > 1)
		qsort(rows->keys, rows->key_count, sizeof(*rows->keys), by_loading);
	for (size_t i = max == 0 ? 1 : max; i < rows->key_count; i++)
		if (rows->keys[i].loading != rows->keys[i - 1].loading)
			rows->key_count = i;
	if (status == ST_OK)
		*out = rows;
	else
		keystore_rows_release(rows);
	return status;
}

enum status
memstore_gateways(struct keystore *store, struct keystore_rows **out, struct err *err)
{
	struct memstore *m = memstore_of(store);
	enum status status = memstore_begin(m, MEMSTORE_GATEWAYS, err);

	*out = NULL;
	if (status != ST_OK)
		return status;
	*out = answer_of(m);
	for (size_t i = 0; i < m->all->gateway_count; i++)
		keystore_rows_add_gateway(*out, &m->all->gateways[i]);
	return ST_OK;
}

static struct store_gateway *
gateway_of(struct memstore *m, struct span node)
{
	for (size_t i = 0; i < m->all->gateway_count; i++)
		if (span_eq(m->all->gateways[i].node, node))
			return &m->all->gateways[i];
	return NULL;
}

enum status
memstore_forget(struct keystore *store, struct span node, struct err *err)
{
	struct memstore *m = memstore_of(store);
	enum status status = memstore_begin(m, MEMSTORE_GATEWAYS, err);
	struct store_gateway *row = gateway_of(m, node);

	if (status != ST_OK)
		return status;
	if (row == NULL) {
		err_set(err, "memory: no such gateway");
		return ST_ABSENT;
	}
	*row = m->all->gateways[--m->all->gateway_count];
	return ST_OK;
}

enum status
memstore_report(struct keystore *store, const struct store_gateway *row, struct err *err)
{
	struct memstore *m = memstore_of(store);
	enum status status = memstore_begin(m, MEMSTORE_REPORT, err);
	struct store_gateway copy = *row, *there = gateway_of(m, row->node);

	if (status == ST_OK)
		status = keystore_gateway_check(row, err);
	if (status != ST_OK)
		return status;
	copy.at = m->now_utc;
	if (there == NULL) {
		keystore_rows_add_gateway(m->all, &copy);
		return ST_OK;
	}
	copy.node = there->node;
	copy.version = memstore_keep(m, row->version);
	copy.failed = memstore_keep(m, row->failed);
	*there = copy;
	return ST_OK;
}

/* ---- leases ---- */

static struct store_lease *
lease_of(struct memstore *m, const char *name)
{
	for (size_t i = 0; i < m->lease_count; i++)
		if (strcmp(m->leases[i].name, name) == 0)
			return &m->leases[i];
	return NULL;
}

bool
memstore_holds(const struct memstore *m, const struct store_lease *lease)
{
	for (size_t i = 0; i < m->lease_count; i++)
		if (strcmp(m->leases[i].name, lease->name) == 0)
			return strcmp(m->leases[i].owner, lease->owner) == 0 &&
			       m->leases[i].fence == lease->fence &&
			       m->leases[i].expires > m->now_utc;
	return false;
}

static void
take(struct memstore *m, struct store_lease *row, const struct store_lease *wanted, int64_t ttl_s)
{
	bool mine = strcmp(row->owner, wanted->owner) == 0;

	if (ttl_s == 0) {
		row->expires = mine ? 0 : row->expires;
		return;
	}
	if (!mine || row->expires <= m->now_utc)
		row->fence++;
	memcpy(row->owner, wanted->owner, sizeof(row->owner));
	row->expires = m->now_utc + ttl_s;
}

enum status
memstore_lease(struct keystore *store, const struct store_lease *wanted, int64_t ttl_s,
    struct store_lease *out, struct err *err)
{
	struct memstore *m = memstore_of(store);
	enum status status = memstore_begin(m, MEMSTORE_LEASE, err);
	struct store_lease *row;

	*out = (struct store_lease){.fence = 0};
	if (status == ST_OK)
		status = keystore_lease_check(wanted, ttl_s, err);
	if (status != ST_OK)
		return status;
	row = lease_of(m, wanted->name);
	if (row == NULL) {
		if (m->lease_count == MEMSTORE_LEASES_MAX)
			abort();
		row = &m->leases[m->lease_count++];
		memcpy(row->name, wanted->name, sizeof(row->name));
	}
	if (row->expires > m->now_utc && strcmp(row->owner, wanted->owner) != 0)
		status = ST_DENIED;
	else
		take(m, row, wanted, ttl_s);
	if (status == ST_DENIED)
		err_set(err, "memory: the lease %s is held by %s", row->name, row->owner);
	*out = *row;
	return status;
}
