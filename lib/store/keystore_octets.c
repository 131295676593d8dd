/*
 * keystore_octets.c - an answer of a key store as octets, and back.
 * Called by cached_keystore.c, which has them sealed (sharedcache.h). Numbers have the highest
 * octet first, a text its length in four octets in front; a text, then, is no longer than what is
 * left. It must never read a row that no store may hold, nor copy a private key to ordinary memory.
 */
#include <string.h>

#include "lib/base/octets.h"
#include "lib/store/keystore_octets.h"

#define MAGIC "kr2" /* kr1: without lease_s */
#define FAILURE_BYTES_MAX 1024U
#define SIGNATURE_TTL_S_MAX (366 * 86400)

static int64_t
take_time(struct octets_source *source)
{
	return (int64_t)octets_take_number(source, 8);
}

/* ---- what a row may be ---- */

static bool
text_may_be(struct span text)
{
	return text.n <= FAILURE_BYTES_MAX && span_is_text(text);
}

static bool
tenant_may_be(const struct store_tenant *row)
{
	const struct keystore_write write = {.what = STORE_TENANT, .row.tenant = *row};

	return keystore_write_check(&write, NULL) == ST_OK;
}

/* The policy's members, too, which are no part of what is written to a domain. */
static bool
domain_may_be(const struct store_domain *row)
{
	const struct keystore_write write = {.what = STORE_DOMAIN, .row.domain = *row};

	return keystore_write_check(&write, NULL) == ST_OK && text_may_be(row->failure) &&
	       row->signature_ttl_s >= -1 && row->signature_ttl_s <= SIGNATURE_TTL_S_MAX;
}

static bool
rule_may_be(const struct store_rule *row)
{
	const struct keystore_write write = {.what = STORE_RULE, .row.rule = *row};

	return keystore_write_check(&write, NULL) == ST_OK;
}

static bool
key_may_be(const struct store_key *row)
{
	const struct keystore_write write = {.what = STORE_KEY, .row.key = *row};

	return keystore_write_check(&write, NULL) == ST_OK;
}

static bool
binding_may_be(const struct store_binding *row)
{
	const struct keystore_write write = {.what = STORE_BINDING, .row.binding = *row};

	return keystore_write_check(&write, NULL) == ST_OK;
}

static bool
counts_may_be(const struct keystore_rows *rows)
{
	return rows->tenant_count <= KEYSTORE_OCTETS_ROWS_MAX &&
	       rows->domain_count <= KEYSTORE_OCTETS_ROWS_MAX &&
	       rows->rule_count <= KEYSTORE_OCTETS_ROWS_MAX &&
	       rows->key_count <= KEYSTORE_KEYS_MAX &&
	       rows->binding_count <= KEYSTORE_OCTETS_ROWS_MAX && rows->policy_count == 0 &&
	       rows->gateway_count == 0;
}

static bool
rows_may_be(const struct keystore_rows *rows)
{
	bool ok = counts_may_be(rows);

	for (size_t i = 0; ok && i < rows->tenant_count; i++)
		ok = tenant_may_be(&rows->tenants[i]);
	for (size_t i = 0; ok && i < rows->domain_count; i++)
		ok = domain_may_be(&rows->domains[i]);
	for (size_t i = 0; ok && i < rows->rule_count; i++)
		ok = rule_may_be(&rows->rules[i]);
	for (size_t i = 0; ok && i < rows->key_count; i++)
		ok = key_may_be(&rows->keys[i]);
	for (size_t i = 0; ok && i < rows->binding_count; i++)
		ok = binding_may_be(&rows->bindings[i]);
	return ok;
}

/* What the administration keeps of a row (life, due, loading) is in no answer for signing, and is
 * left out. */

/* ---- rows ---- */

static void
put_tenant(struct octets_sink *sink, const struct store_tenant *row)
{
	octets_put_text(sink, row->name);
	octets_put_text(sink, row->failure);
	octets_put_number(sink, row->enabled ? 1 : 0, 1);
	octets_put_number(sink, row->revision, 8);
}

static void
take_tenant(struct octets_source *source, struct keystore_rows *rows)
{
	struct store_tenant row = {.name = octets_take_text(source)};

	row.failure = octets_take_text(source);
	row.enabled = octets_take_bool(source);
	row.revision = octets_take_number(source, 8);
	source->ok = source->ok && tenant_may_be(&row);
	if (source->ok)
		keystore_rows_add_tenant(rows, &row);
}

static void
put_domain(struct octets_sink *sink, const struct store_domain *row)
{
	octets_put_text(sink, row->name);
	octets_put_text(sink, row->tenant);
	octets_put_text(sink, row->signs_as);
	octets_put_text(sink, row->policy);
	octets_put_text(sink, row->failure);
	octets_put_number(sink, (uint64_t)row->signature_ttl_s, 8);
	octets_put_number(sink, row->subdomains ? 1 : 0, 1);
	octets_put_number(sink, row->enabled ? 1 : 0, 1);
	octets_put_number(sink, row->revision, 8);
}

static void
take_domain(struct octets_source *source, struct keystore_rows *rows)
{
	struct store_domain row = {.name = octets_take_text(source)};

	row.tenant = octets_take_text(source);
	row.signs_as = octets_take_text(source);
	row.policy = octets_take_text(source);
	row.failure = octets_take_text(source);
	row.signature_ttl_s = take_time(source);
	row.subdomains = octets_take_bool(source);
	row.enabled = octets_take_bool(source);
	row.revision = octets_take_number(source, 8);
	source->ok = source->ok && domain_may_be(&row);
	if (source->ok)
		keystore_rows_add_domain(rows, &row);
}

static void
put_rule(struct octets_sink *sink, const struct store_rule *row)
{
	octets_put_number(sink, row->kind, 1);
	octets_put_text(sink, row->id);
	octets_put_text(sink, row->tenant);
	octets_put_text(sink, row->subject);
	octets_put_text(sink, row->domain);
	octets_put_text(sink, row->identity);
	octets_put_number(sink, (uint32_t)row->priority, 4);
	octets_put_number(sink, row->enabled ? 1 : 0, 1);
	octets_put_number(sink, row->revision, 8);
}

static void
take_rule(struct octets_source *source, struct keystore_rows *rows)
{
	struct store_rule row = {.kind = (enum store_rule_kind)octets_take_number(source, 1)};

	row.id = octets_take_text(source);
	row.tenant = octets_take_text(source);
	row.subject = octets_take_text(source);
	row.domain = octets_take_text(source);
	row.identity = octets_take_text(source);
	row.priority = (int32_t)octets_take_number(source, 4);
	row.enabled = octets_take_bool(source);
	row.revision = octets_take_number(source, 8);
	source->ok = source->ok && rule_may_be(&row);
	if (source->ok)
		keystore_rows_add_rule(rows, &row);
}

/* In the order of the file; a time that is added is added here. */
#define TIMES(t)                                                                                   \
	{                                                                                          \
		&(t)->created, &(t)->publishing, &(t)->published, &(t)->proven, &(t)->loaded,      \
		    &(t)->active, &(t)->retiring, &(t)->revoking, &(t)->revoked, &(t)->removed,    \
		    &(t)->destroyed, &(t)->held, &(t)->compromised, &(t)->failed, &(t)->sign_until \
	}
#define TIME_COUNT 15U

_Static_assert(sizeof(struct key_times) == TIME_COUNT * sizeof(int64_t), "all times are written");

static void
put_key(struct octets_sink *sink, const struct store_key *row)
{
	const int64_t *const times[TIME_COUNT] = TIMES(&row->times);

	octets_put_text(sink, row->id);
	octets_put_text(sink, row->tenant);
	octets_put_text(sink, row->domain);
	octets_put_text(sink, row->selector);
	octets_put_text(sink, row->algorithm);
	octets_put_text(sink, row->public_key);
	octets_put_text(sink, row->private_key);
	octets_put_number(sink, (uint32_t)row->bits, 4);
	octets_put_number(sink, row->revision, 8);
	octets_put_number(sink, row->row_revision, 8);
	octets_put_number(sink, (uint64_t)row->lease_s, 8);
	for (size_t i = 0; i < TIME_COUNT; i++)
		octets_put_number(sink, (uint64_t)*times[i], 8);
}

static enum status
take_key(struct octets_source *source, struct keystore_rows *rows, struct err *err)
{
	struct store_key row = {.id = octets_take_text(source)};
	int64_t *const times[TIME_COUNT] = TIMES(&row.times);

	row.tenant = octets_take_text(source);
	row.domain = octets_take_text(source);
	row.selector = octets_take_text(source);
	row.algorithm = octets_take_text(source);
	row.public_key = octets_take_text(source);
	row.private_key = octets_take_text(source);
	row.bits = (int32_t)octets_take_number(source, 4);
	row.revision = octets_take_number(source, 8);
	row.row_revision = octets_take_number(source, 8);
	row.lease_s = take_time(source);
	for (size_t i = 0; i < TIME_COUNT; i++)
		*times[i] = take_time(source);
	source->ok = source->ok && key_may_be(&row);
	return source->ok ? keystore_rows_add_key(rows, &row, err) : ST_OK;
}

static void
put_binding(struct octets_sink *sink, const struct store_binding *row)
{
	octets_put_text(sink, row->subject);
	octets_put_text(sink, row->tenant);
}

static void
take_binding(struct octets_source *source, struct keystore_rows *rows)
{
	struct store_binding row = {.subject = octets_take_text(source)};

	row.tenant = octets_take_text(source);
	source->ok = source->ok && binding_may_be(&row);
	if (source->ok)
		keystore_rows_add_binding(rows, &row);
}

/* ---- answers ---- */

static void
put_rows(struct octets_sink *sink, const struct keystore_rows *rows)
{
	octets_put(sink, SPAN_LIT(MAGIC));
	octets_put_number(sink, rows->epoch, 8);
	octets_put_number(sink, rows->address_rules ? 1 : 0, 1);
	octets_put_number(sink, rows->tenant_count, 2);
	octets_put_number(sink, rows->domain_count, 2);
	octets_put_number(sink, rows->rule_count, 2);
	octets_put_number(sink, rows->key_count, 2);
	octets_put_number(sink, rows->binding_count, 2);
	for (size_t i = 0; i < rows->tenant_count; i++)
		put_tenant(sink, &rows->tenants[i]);
	for (size_t i = 0; i < rows->domain_count; i++)
		put_domain(sink, &rows->domains[i]);
	for (size_t i = 0; i < rows->rule_count; i++)
		put_rule(sink, &rows->rules[i]);
	for (size_t i = 0; i < rows->key_count; i++)
		put_key(sink, &rows->keys[i]);
	for (size_t i = 0; i < rows->binding_count; i++)
		put_binding(sink, &rows->bindings[i]);
}

size_t
keystore_octets_bytes(const struct keystore_rows *rows)
{
	struct octets_sink sink = {.room = NULL};

	if (!rows_may_be(rows))
		return 0;
	put_rows(&sink, rows);
	return sink.n;
}

void
keystore_octets_write(const struct keystore_rows *rows, char *room)
{
	struct octets_sink sink = {.room = room};

	put_rows(&sink, rows);
}

static enum status
take_rows(struct octets_source *source, struct keystore_rows *rows, struct err *err)
{
	struct keystore_rows counts = {.epoch = octets_take_number(source, 8)};
	enum status status = ST_OK;

	rows->epoch = counts.epoch;
	rows->address_rules = octets_take_bool(source);
	counts.tenant_count = (size_t)octets_take_number(source, 2);
	counts.domain_count = (size_t)octets_take_number(source, 2);
	counts.rule_count = (size_t)octets_take_number(source, 2);
	counts.key_count = (size_t)octets_take_number(source, 2);
	counts.binding_count = (size_t)octets_take_number(source, 2);
	source->ok = source->ok && counts_may_be(&counts);
	for (size_t i = 0; source->ok && i < counts.tenant_count; i++)
		take_tenant(source, rows);
	for (size_t i = 0; source->ok && i < counts.domain_count; i++)
		take_domain(source, rows);
	for (size_t i = 0; source->ok && i < counts.rule_count; i++)
		take_rule(source, rows);
	for (size_t i = 0; status == ST_OK && source->ok && i < counts.key_count; i++)
		status = take_key(source, rows, err);
	for (size_t i = 0; status == ST_OK && source->ok && i < counts.binding_count; i++)
		take_binding(source, rows);
	return status;
}

enum status
keystore_octets_read(struct span octets, struct keystore_rows **out, struct err *err)
{
	struct octets_source source = {.rest = octets, .ok = span_starts(octets, SPAN_LIT(MAGIC))};
	struct keystore_rows *rows = keystore_rows_new();
	enum status status = ST_OK;

	*out = NULL;
	if (source.ok) {
		source.rest = span_from(octets, sizeof(MAGIC) - 1);
		status = take_rows(&source, rows, err);
	}
	if (status == ST_OK && (!source.ok || source.rest.n > 0)) {
		err_set(err, "what was kept of an answer is none that a store can give");
		status = ST_INVALID;
	}
	if (status == ST_OK)
		*out = rows;
	else
		keystore_rows_release(rows);
	return status;
}
