/*
 * operation_provider_use.c - what of a tenant uses a DNS provider: policies that name it, and keys
 * whose record was put there, or waits to be.
 * Called when one is changed or removed. It must never say that nothing uses one because the store
 * did not answer.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/operation_provider.h"
#include "lib/base/mem.h"

/* ---- policies ---- */

static enum operation_code
policies_unused(struct operation_call *call, const struct keystore_rows *page, struct span tenant,
    struct span name)
{
	for (size_t i = 0; i < page->policy_count; i++) {
		const struct store_policy *row = &page->policies[i];
		struct err ignored = ERR_NONE;
		struct key_plan plan;

		/* One that cannot be read publishes nothing. */
		if (span_eq(row->tenant, tenant) &&
		    key_plan_parse(row->plan, row->signature_ttl_s, &plan, &ignored) == ST_OK &&
		    span_eq_str(name, plan.publisher))
			return call_refuse(call, OPERATION_IN_USE,
			    "policy %.*s has it as its publisher", SPAN_ARG(row->name));
	}
	return OPERATION_OK;
}

static enum operation_code
walk_policies(struct operation_call *call, struct span tenant, struct span name)
{
	struct keystore *store = call->admin->store;
	char after[2 * KEYSTORE_TENANT_MAX + 3];
	enum operation_code code = OPERATION_OK;
	bool ended = false;

	(void)snprintf(after, sizeof(after), "%.*s ", SPAN_ARG(tenant));
	while (code == OPERATION_OK && !ended) {
		struct err err = ERR_NONE;
		struct keystore_rows *page;
		const struct store_policy *last;
		enum status status = store->ops->list(
		    store, STORE_POLICY, span_str(after), OPERATION_PAGE, &page, &err);

		if (status != ST_OK)
			return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
		code = policies_unused(call, page, tenant, name);
		last = page->policy_count == 0 ? NULL : &page->policies[page->policy_count - 1];
		ended = last == NULL || !span_eq(last->tenant, tenant);
		if (!ended)
			(void)snprintf(after, sizeof(after), "%.*s %.*s", SPAN_ARG(last->tenant),
			    SPAN_ARG(last->name));
		keystore_rows_release(page);
	}
	return code;
}

/* ---- keys ---- */

struct use {
	struct span tenant, name;
	/* Of some domains and their keys. */
	enum operation_code (*take)(
	    struct operation_call *call, const struct use *use, const struct keystore_rows *lives);
};

/* Domains of a page, as many as can be read at once. */
static enum operation_code
take_some(struct operation_call *call, const struct use *use, const struct span *names, size_t n)
{
	struct keystore *store = call->admin->store;
	struct keystore_rows *lives = NULL;
	struct err err = ERR_NONE;
	enum operation_code code;
	enum status status;

	if (n == 0)
		return OPERATION_OK;
	if (store->ops->lives == NULL)
		return call_refuse(
		    call, OPERATION_STORE_UNAVAILABLE, "this store cannot be administered");
	status = store->ops->lives(store, names, n, &lives, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	code = use->take(call, use, lives);
	keystore_rows_release(lives);
	return code;
}

static enum operation_code
visit_page(struct operation_call *call, const struct keystore_rows *page, void *context)
{
	const struct use *use = context;
	struct span names[KEYSTORE_LIVES_MAX];
	enum operation_code code = OPERATION_OK;
	size_t n = 0;

	for (size_t i = 0; i < page->domain_count && code == OPERATION_OK; i++) {
		if (!span_eq(page->domains[i].tenant, use->tenant))
			continue;
		names[n++] = page->domains[i].name;
		if (n < KEYSTORE_LIVES_MAX)
			continue;
		code = take_some(call, use, names, n);
		n = 0;
	}
	return code == OPERATION_OK ? take_some(call, use, names, n) : code;
}

static bool
is_used_by(const struct store_key *row, const struct use *use, struct key_life *life)
{
	struct err ignored = ERR_NONE;

	return span_eq(row->tenant, use->tenant) &&
	       key_life_parse(row->life, life, &ignored) == ST_OK &&
	       span_eq_str(use->name, life->publisher);
}

static enum operation_code
keys_unused(struct operation_call *call, const struct use *use, const struct keystore_rows *lives)
{
	struct key_life life;

	for (size_t i = 0; i < lives->key_count; i++)
		if (is_used_by(&lives->keys[i], use, &life))
			return call_refuse(call, OPERATION_IN_USE,
			    "it has, or is to have, the record of the key %.*s of %.*s",
			    SPAN_ARG(lives->keys[i].selector), SPAN_ARG(lives->keys[i].domain));
	return OPERATION_OK;
}

enum operation_code
provider_unused(struct operation_call *call, struct span tenant, struct span name)
{
	struct use use = {tenant, name, keys_unused};
	enum operation_code code = walk_policies(call, tenant, name);

	return code == OPERATION_OK ? row_walk_pages(call, tenant, visit_page, &use) : code;
}

/* ---- another try ---- */

/* The key, to be tried at once, and its domain, due. */
static void
hurry_key(struct operation_call *call, const struct keystore_rows *lives,
    const struct store_key *row, struct key_life *life)
{
	struct keystore_write writes[2] = {
	    {.what = STORE_KEY, .how = WRITE_CHANGE, .life = true, .row.key = *row},
	    {.what = STORE_DOMAIN, .how = WRITE_CHANGE, .life = true}};
	struct err ignored = ERR_NONE;
	struct buf text;
	size_t i = 0;

	while (i < lives->domain_count && !span_eq(lives->domains[i].name, row->domain))
		i++;
	if (i == lives->domain_count)
		return;
	buf_init(&text, LIFE_TEXT_MAX);
	life->next_try = 0;
	key_life_write(life, &text);
	writes[0].row.key.life = buf_span(&text);
	if (buf_status(&text) != ST_OK || call_apply(call, writes, 1, &ignored) != ST_OK) {
		buf_free(&text);
		return; /* somebody works on it now */
	}
	buf_free(&text);
	if (row_make_due(call, row->domain) != OPERATION_OK)
		call->detail.text[0] = '\0';
}

static enum operation_code
hurry_keys(struct operation_call *call, const struct use *use, const struct keystore_rows *lives)
{
	struct key_life life;

	for (size_t i = 0; i < lives->key_count; i++)
		if (is_used_by(&lives->keys[i], use, &life) && life.next_try > call->now_utc)
			hurry_key(call, lives, &lives->keys[i], &life);
	return OPERATION_OK;
}

void
provider_hurry(struct operation_call *call, struct span tenant, struct span name)
{
	struct use use = {tenant, name, hurry_keys};

	if (!call->dry_run && row_walk_pages(call, tenant, visit_page, &use) != OPERATION_OK)
		call->detail.text[0] = '\0';
}
