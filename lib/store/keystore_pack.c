/*
 * keystore_pack.c - an answer of a key store in as little memory as it can be.
 * Called by caches with what they are going to keep: with 100,000 domains the room that each row
 * takes decides how often a store is asked. It must never leave a private key outside of secret
 * memory, nor anything that points into the rows it was made from.
 */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/store/keystore_chunk.h"

typedef void visit_text(struct span *text, void *context);

static void
visit_all(struct span *const *texts, size_t count, visit_text *visit, void *context)
{
	for (size_t i = 0; i < count; i++)
		visit(texts[i], context);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
each_rule_text(struct keystore_rows *rows, visit_text *visit, void *context)
{
	for (size_t i = 0; i < rows->rule_count; i++) {
		struct store_rule *row = &rows->rules[i];
		struct span *const texts[] = {
		    &row->id, &row->tenant, &row->subject, &row->domain, &row->identity};

		visit_all(texts, COUNT(texts), visit, context);
	}
	for (size_t i = 0; i < rows->binding_count; i++) {
		struct store_binding *row = &rows->bindings[i];
		struct span *const texts[] = {&row->subject, &row->tenant};

		visit_all(texts, COUNT(texts), visit, context);
	}
}

/* Of all texts that are no private keys. */
static void
each_text(struct keystore_rows *rows, visit_text *visit, void *context)
{
	for (size_t i = 0; i < rows->tenant_count; i++) {
		struct store_tenant *row = &rows->tenants[i];
		struct span *const texts[] = {&row->name, &row->failure};

		visit_all(texts, COUNT(texts), visit, context);
	}
	for (size_t i = 0; i < rows->domain_count; i++) {
		struct store_domain *row = &rows->domains[i];
		struct span *const texts[] = {&row->name, &row->tenant, &row->signs_as,
		    &row->policy, &row->failure, &row->life};

		visit_all(texts, COUNT(texts), visit, context);
	}
	for (size_t i = 0; i < rows->key_count; i++) {
		struct store_key *row = &rows->keys[i];
		struct span *const texts[] = {
		    &row->id, &row->tenant, &row->domain, &row->selector, &row->algorithm};

		visit_all(texts, COUNT(texts), visit, context);
	}
	each_rule_text(rows, visit, context);
}

static void
add_bytes(struct span *text, void *context)
{
	size_t *bytes = context;

	*bytes += text->n;
}

/* context: where it goes. */
static void
move_text(struct span *text, void *context)
{
	char **at = context;

	if (text->n == 0) {
		*text = SPAN_EMPTY;
		return;
	}
	memcpy(*at, text->p, text->n);
	*text = span_of(*at, text->n);
	*at += text->n;
}

/* NULL if there are none. */
static void *
move_array(char **at, const void *array, size_t count, size_t item_bytes)
{
	void *to = *at;

	if (count == 0)
		return NULL;
	memcpy(to, array, count * item_bytes);
	*at += count * item_bytes;
	return to;
}

static size_t
array_bytes(const struct keystore_rows *rows)
{
	return rows->tenant_count * sizeof(rows->tenants[0]) +
	       rows->domain_count * sizeof(rows->domains[0]) +
	       rows->rule_count * sizeof(rows->rules[0]) + rows->key_count * sizeof(rows->keys[0]) +
	       rows->binding_count * sizeof(rows->bindings[0]);
}

static void
move_arrays(struct keystore_rows *rows, char **at)
{
	rows->tenants = move_array(at, rows->tenants, rows->tenant_count, sizeof(rows->tenants[0]));
	rows->domains = move_array(at, rows->domains, rows->domain_count, sizeof(rows->domains[0]));
	rows->rules = move_array(at, rows->rules, rows->rule_count, sizeof(rows->rules[0]));
	rows->keys = move_array(at, rows->keys, rows->key_count, sizeof(rows->keys[0]));
	rows->bindings =
	    move_array(at, rows->bindings, rows->binding_count, sizeof(rows->bindings[0]));
}

/* false: no secret memory. *out: NULL if there is no private key. */
static bool
make_secrets(const struct keystore_rows *rows, struct keystore_chunk **out, size_t *bytes)
{
	size_t all = sizeof(**out);

	*out = NULL;
	*bytes = 0;
	for (size_t i = 0; i < rows->key_count; i++)
		all += rows->keys[i].private_key.n;
	if (all == sizeof(**out))
		return true;
	*out = secret_malloc(all);
	if (*out == NULL)
		return false;
	**out = (struct keystore_chunk){.secret = true};
	*bytes = all;
	return true;
}

static void
move_secrets(struct keystore_rows *rows, struct keystore_chunk *secrets)
{
	char *at = secrets == NULL ? NULL : secrets->text;

	for (size_t i = 0; i < rows->key_count; i++) {
		move_text(&rows->keys[i].private_key, &at);
		rows->keys[i].public_key = rows->keys[i].life = SPAN_EMPTY;
		rows->keys[i].loading = 0;
	}
	rows->chunks = secrets;
}

/* What only administrators ask for is not kept. */
static bool
has_others(const struct keystore_rows *rows)
{
	return rows->policy_count + rows->gateway_count + rows->token_count + rows->provider_count +
		   rows->quota_count + rows->reply_count + rows->audit_count >
	       0;
}

struct keystore_rows *
keystore_rows_pack(struct keystore_rows *rows)
{
	struct keystore_chunk *secrets;
	struct keystore_rows *packed;
	size_t bytes = sizeof(*rows) + array_bytes(rows), secret_bytes;
	char *at;

	if (rows->packed || has_others(rows) || !make_secrets(rows, &secrets, &secret_bytes))
		return rows;
	each_text(rows, add_bytes, &bytes);
	packed = mem_alloc(bytes);
	memcpy(packed, rows, sizeof(*rows));
	atomic_init(&packed->references, 1);
	packed->packed = true;
	packed->bytes = bytes + secret_bytes;
	at = (char *)(packed + 1);
	move_arrays(packed, &at);
	each_text(packed, move_text, &at);
	move_secrets(packed, secrets);
	keystore_rows_release(rows);
	return packed;
}
