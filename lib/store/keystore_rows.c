/*
 * keystore_rows.c - answers of a key store: rows copied into memory of their own.
 * Made by the backends, read by route.c and the tools, kept by the caches.
 * It must never hold a private key outside of secret memory, nor change once it is shared.
 */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/store/keystore_chunk.h"

struct keystore_rows *
keystore_rows_new(void)
{
	struct keystore_rows *rows = mem_zalloc(1, sizeof(*rows));

	atomic_init(&rows->references, 1);
	rows->bytes = sizeof(*rows);
	return rows;
}

void
keystore_rows_hold(struct keystore_rows *rows)
{
	atomic_fetch_add_explicit(&rows->references, 1, memory_order_relaxed);
}

void
keystore_rows_release(struct keystore_rows *rows)
{
	struct keystore_chunk *next;

	if (rows == NULL ||
	    atomic_fetch_sub_explicit(&rows->references, 1, memory_order_acq_rel) > 1)
		return;
	for (struct keystore_chunk *chunk = rows->chunks; chunk != NULL; chunk = next) {
		next = chunk->next;
		if (chunk->secret)
			secret_free(chunk);
		else
			mem_free(chunk);
	}
	if (!rows->packed) {
		mem_free(rows->tenants);
		mem_free(rows->domains);
		mem_free(rows->rules);
		mem_free(rows->keys);
		mem_free(rows->bindings);
		mem_free(rows->policies);
		mem_free(rows->gateways);
		mem_free(rows->tokens);
		mem_free(rows->providers);
		mem_free(rows->quotas);
		mem_free(rows->replies);
		mem_free(rows->audits);
	}
	mem_free(rows);
}

/* Room for bytes of text, or NULL when there is no secret memory. */
static char *
add_chunk(struct keystore_rows *rows, size_t bytes, bool secret)
{
	size_t all = sizeof(struct keystore_chunk) + bytes;
	struct keystore_chunk *chunk = secret ? secret_malloc(all) : mem_alloc(all);

	if (chunk == NULL)
		return NULL;
	chunk->secret = secret;
	chunk->next = rows->chunks;
	rows->chunks = chunk;
	rows->bytes += all;
	return chunk->text;
}

/* Copies the texts of a row behind each other; the spans then point at the copies. */
static bool
copy_texts(struct keystore_rows *rows, bool secret, struct span *const texts[], size_t count)
{
	size_t bytes = 0;
	char *at;

	for (size_t i = 0; i < count; i++)
		bytes += texts[i]->n;
	at = add_chunk(rows, bytes, secret);
	if (at == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		size_t n = texts[i]->n;

		if (n > 0)
			memcpy(at, texts[i]->p, n);
		*texts[i] = n > 0 ? span_of(at, n) : SPAN_EMPTY;
		at += n;
	}
	return true;
}

/* One more place in an array whose size doubles. */
static void *
grow(struct keystore_rows *rows, void *array, size_t count, size_t item_bytes)
{
	if (count > 0 && (count & (count - 1)) != 0)
		return array;
	rows->bytes += (count == 0 ? 1 : count) * item_bytes;
	return mem_resize(array, count == 0 ? 1 : count * 2, item_bytes);
}

void
keystore_rows_add_tenant(struct keystore_rows *rows, const struct store_tenant *row)
{
	struct store_tenant copy = *row;
	struct span *const texts[] = {&copy.name, &copy.failure};

	(void)copy_texts(rows, false, texts, 2);
	rows->tenants = grow(rows, rows->tenants, rows->tenant_count, sizeof(copy));
	rows->tenants[rows->tenant_count++] = copy;
}

void
keystore_rows_add_domain(struct keystore_rows *rows, const struct store_domain *row)
{
	struct store_domain copy = *row;
	struct span *const texts[] = {
	    &copy.name, &copy.tenant, &copy.signs_as, &copy.policy, &copy.failure, &copy.life};

	(void)copy_texts(rows, false, texts, 6);
	rows->domains = grow(rows, rows->domains, rows->domain_count, sizeof(copy));
	rows->domains[rows->domain_count++] = copy;
}

void
keystore_rows_add_rule(struct keystore_rows *rows, const struct store_rule *row)
{
	struct store_rule copy = *row;
	struct span *const texts[] = {
	    &copy.id, &copy.tenant, &copy.subject, &copy.domain, &copy.identity};

	(void)copy_texts(rows, false, texts, 5);
	rows->rules = grow(rows, rows->rules, rows->rule_count, sizeof(copy));
	rows->rules[rows->rule_count++] = copy;
}

enum status
keystore_rows_add_key(struct keystore_rows *rows, const struct store_key *row, struct err *err)
{
	struct store_key copy = *row;
	struct span *const texts[] = {&copy.id, &copy.tenant, &copy.domain, &copy.selector,
	    &copy.algorithm, &copy.public_key, &copy.private_key, &copy.life};

	if (!copy_texts(rows, true, texts, 8)) {
		err_set(err, "no secret memory left for a key");
		return ST_UNAVAILABLE;
	}
	rows->keys = grow(rows, rows->keys, rows->key_count, sizeof(copy));
	rows->keys[rows->key_count++] = copy;
	return ST_OK;
}

void
keystore_rows_add_binding(struct keystore_rows *rows, const struct store_binding *row)
{
	struct store_binding copy = *row;
	struct span *const texts[] = {&copy.subject, &copy.tenant};

	(void)copy_texts(rows, false, texts, 2);
	rows->bindings = grow(rows, rows->bindings, rows->binding_count, sizeof(copy));
	rows->bindings[rows->binding_count++] = copy;
}

void
keystore_rows_add_policy(struct keystore_rows *rows, const struct store_policy *row)
{
	struct store_policy copy = *row;
	struct span *const texts[] = {&copy.tenant, &copy.name, &copy.failure, &copy.plan};

	(void)copy_texts(rows, false, texts, 4);
	rows->policies = grow(rows, rows->policies, rows->policy_count, sizeof(copy));
	rows->policies[rows->policy_count++] = copy;
}

void
keystore_rows_add_gateway(struct keystore_rows *rows, const struct store_gateway *row)
{
	struct store_gateway copy = *row;
	struct span *const texts[] = {&copy.node, &copy.version, &copy.failed};

	(void)copy_texts(rows, false, texts, 3);
	rows->gateways = grow(rows, rows->gateways, rows->gateway_count, sizeof(copy));
	rows->gateways[rows->gateway_count++] = copy;
}

void
keystore_rows_add_token(struct keystore_rows *rows, const struct store_token *row)
{
	struct store_token copy = *row;
	struct span *const texts[] = {&copy.id, &copy.tenant, &copy.name, &copy.secret,
	    &copy.scopes, &copy.domains, &copy.networks, &copy.maker};

	(void)copy_texts(rows, false, texts, 8);
	rows->tokens = grow(rows, rows->tokens, rows->token_count, sizeof(copy));
	rows->tokens[rows->token_count++] = copy;
}

void
keystore_rows_add_provider(struct keystore_rows *rows, const struct store_provider *row)
{
	struct store_provider copy = *row;
	struct span *const texts[] = {
	    &copy.tenant, &copy.name, &copy.kind, &copy.address, &copy.secret};

	(void)copy_texts(rows, false, texts, 5);
	rows->providers = grow(rows, rows->providers, rows->provider_count, sizeof(copy));
	rows->providers[rows->provider_count++] = copy;
}

void
keystore_rows_add_quota(struct keystore_rows *rows, const struct store_quota *row)
{
	struct store_quota copy = *row;
	struct span *const texts[] = {&copy.tenant};

	(void)copy_texts(rows, false, texts, 1);
	rows->quotas = grow(rows, rows->quotas, rows->quota_count, sizeof(copy));
	rows->quotas[rows->quota_count++] = copy;
}

void
keystore_rows_add_reply(struct keystore_rows *rows, const struct store_reply *row)
{
	struct store_reply copy = *row;
	struct span *const texts[] = {&copy.scope, &copy.key, &copy.body, &copy.answer};

	(void)copy_texts(rows, false, texts, 4);
	rows->replies = grow(rows, rows->replies, rows->reply_count, sizeof(copy));
	rows->replies[rows->reply_count++] = copy;
}

void
keystore_rows_add_audit(struct keystore_rows *rows, const struct store_audit *row)
{
	struct store_audit copy = *row;
	struct span *const texts[] = {&copy.actor, &copy.method, &copy.source, &copy.tenant,
	    &copy.action, &copy.object, &copy.before, &copy.after, &copy.request, &copy.key,
	    &copy.detail, &copy.result, &copy.prev, &copy.hash};

	(void)copy_texts(rows, false, texts, sizeof(texts) / sizeof(texts[0]));
	rows->audits = grow(rows, rows->audits, rows->audit_count, sizeof(copy));
	rows->audits[rows->audit_count++] = copy;
}
