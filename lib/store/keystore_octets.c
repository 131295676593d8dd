/*
 * keystore_octets.c - an answer of a key store as octets, and back.
 * Called by cached_keystore.c, which has them sealed (sharedcache.h). Numbers have the highest
 * octet first, a text its length in four octets in front; a text, then, is no longer than what is
 * left. It must never read a row that no store may hold, nor copy a private key to ordinary memory.
 */
#include <string.h>

#include "lib/store/keystore_octets.h"

#define MAGIC "kr1"
#define FAILURE_BYTES_MAX 1024U
#define SIGNATURE_TTL_S_MAX (366 * 86400)

/* Where octets go to; room NULL: they are only counted. */
struct sink {
	char *room;
	size_t n;
};

/* Where they come from. */
struct source {
	struct span rest;
	bool ok; /* false: ended too early, or had what nobody writes */
};

/* ---- pieces ---- */

static void
put_octets(struct sink *sink, struct span s)
{
	if (sink->room != NULL && s.n > 0)
		memcpy(sink->room + sink->n, s.p, s.n);
	sink->n += s.n;
}

static void
put_number(struct sink *sink, uint64_t value, unsigned octets)
{
	char text[8];

	for (unsigned i = 0; i < octets; i++)
		text[i] = (char)(uint8_t)(value >> (8 * (octets - 1 - i)));
	put_octets(sink, span_of(text, octets));
}

static void
put_text(struct sink *sink, struct span text)
{
	put_number(sink, text.n, 4);
	put_octets(sink, text);
}

static uint64_t
take_number(struct source *source, size_t octets)
{
	uint64_t value = 0;

	if (source->rest.n < octets)
		source->ok = false;
	if (!source->ok)
		return 0;
	for (size_t i = 0; i < octets; i++)
		value = value << 8 | (uint8_t)source->rest.p[i];
	source->rest = span_from(source->rest, octets);
	return value;
}

static bool
take_bool(struct source *source)
{
	uint64_t value = take_number(source, 1);

	if (value > 1)
		source->ok = false;
	return value == 1;
}

static int64_t
take_time(struct source *source)
{
	return (int64_t)take_number(source, 8);
}

static struct span
take_text(struct source *source)
{
	size_t n = (size_t)take_number(source, 4);
	struct span text;

	if (n > source->rest.n)
		source->ok = false;
	if (!source->ok || n == 0)
		return SPAN_EMPTY;
	text = span_sub(source->rest, 0, n);
	source->rest = span_from(source->rest, n);
	return text;
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
	       rows->binding_count <= KEYSTORE_OCTETS_ROWS_MAX && rows->policy_count == 0;
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

/* ---- rows ---- */

static void
put_tenant(struct sink *sink, const struct store_tenant *row)
{
	put_text(sink, row->name);
	put_text(sink, row->failure);
	put_number(sink, row->enabled ? 1 : 0, 1);
	put_number(sink, row->revision, 8);
}

static void
take_tenant(struct source *source, struct keystore_rows *rows)
{
	struct store_tenant row = {.name = take_text(source)};

	row.failure = take_text(source);
	row.enabled = take_bool(source);
	row.revision = take_number(source, 8);
	source->ok = source->ok && tenant_may_be(&row);
	if (source->ok)
		keystore_rows_add_tenant(rows, &row);
}

static void
put_domain(struct sink *sink, const struct store_domain *row)
{
	put_text(sink, row->name);
	put_text(sink, row->tenant);
	put_text(sink, row->signs_as);
	put_text(sink, row->policy);
	put_text(sink, row->failure);
	put_number(sink, (uint64_t)row->signature_ttl_s, 8);
	put_number(sink, row->subdomains ? 1 : 0, 1);
	put_number(sink, row->enabled ? 1 : 0, 1);
	put_number(sink, row->revision, 8);
}

static void
take_domain(struct source *source, struct keystore_rows *rows)
{
	struct store_domain row = {.name = take_text(source)};

	row.tenant = take_text(source);
	row.signs_as = take_text(source);
	row.policy = take_text(source);
	row.failure = take_text(source);
	row.signature_ttl_s = take_time(source);
	row.subdomains = take_bool(source);
	row.enabled = take_bool(source);
	row.revision = take_number(source, 8);
	source->ok = source->ok && domain_may_be(&row);
	if (source->ok)
		keystore_rows_add_domain(rows, &row);
}

static void
put_rule(struct sink *sink, const struct store_rule *row)
{
	put_number(sink, row->kind, 1);
	put_text(sink, row->id);
	put_text(sink, row->tenant);
	put_text(sink, row->subject);
	put_text(sink, row->domain);
	put_text(sink, row->identity);
	put_number(sink, (uint32_t)row->priority, 4);
	put_number(sink, row->enabled ? 1 : 0, 1);
	put_number(sink, row->revision, 8);
}

static void
take_rule(struct source *source, struct keystore_rows *rows)
{
	struct store_rule row = {.kind = (enum store_rule_kind)take_number(source, 1)};

	row.id = take_text(source);
	row.tenant = take_text(source);
	row.subject = take_text(source);
	row.domain = take_text(source);
	row.identity = take_text(source);
	row.priority = (int32_t)take_number(source, 4);
	row.enabled = take_bool(source);
	row.revision = take_number(source, 8);
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
put_key(struct sink *sink, const struct store_key *row)
{
	const int64_t *const times[TIME_COUNT] = TIMES(&row->times);

	put_text(sink, row->id);
	put_text(sink, row->tenant);
	put_text(sink, row->domain);
	put_text(sink, row->selector);
	put_text(sink, row->algorithm);
	put_text(sink, row->public_key);
	put_text(sink, row->private_key);
	put_number(sink, (uint32_t)row->bits, 4);
	put_number(sink, row->revision, 8);
	put_number(sink, row->row_revision, 8);
	for (size_t i = 0; i < TIME_COUNT; i++)
		put_number(sink, (uint64_t)*times[i], 8);
}

static enum status
take_key(struct source *source, struct keystore_rows *rows, struct err *err)
{
	struct store_key row = {.id = take_text(source)};
	int64_t *const times[TIME_COUNT] = TIMES(&row.times);

	row.tenant = take_text(source);
	row.domain = take_text(source);
	row.selector = take_text(source);
	row.algorithm = take_text(source);
	row.public_key = take_text(source);
	row.private_key = take_text(source);
	row.bits = (int32_t)take_number(source, 4);
	row.revision = take_number(source, 8);
	row.row_revision = take_number(source, 8);
	for (size_t i = 0; i < TIME_COUNT; i++)
		*times[i] = take_time(source);
	source->ok = source->ok && key_may_be(&row);
	return source->ok ? keystore_rows_add_key(rows, &row, err) : ST_OK;
}

static void
put_binding(struct sink *sink, const struct store_binding *row)
{
	put_text(sink, row->subject);
	put_text(sink, row->tenant);
}

static void
take_binding(struct source *source, struct keystore_rows *rows)
{
	struct store_binding row = {.subject = take_text(source)};

	row.tenant = take_text(source);
	source->ok = source->ok && binding_may_be(&row);
	if (source->ok)
		keystore_rows_add_binding(rows, &row);
}

/* ---- answers ---- */

static void
put_rows(struct sink *sink, const struct keystore_rows *rows)
{
	put_octets(sink, SPAN_LIT(MAGIC));
	put_number(sink, rows->epoch, 8);
	put_number(sink, rows->address_rules ? 1 : 0, 1);
	put_number(sink, rows->tenant_count, 2);
	put_number(sink, rows->domain_count, 2);
	put_number(sink, rows->rule_count, 2);
	put_number(sink, rows->key_count, 2);
	put_number(sink, rows->binding_count, 2);
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
	struct sink sink = {.room = NULL};

	if (!rows_may_be(rows))
		return 0;
	put_rows(&sink, rows);
	return sink.n;
}

void
keystore_octets_write(const struct keystore_rows *rows, char *room)
{
	struct sink sink = {.room = room};

	put_rows(&sink, rows);
}

static enum status
take_rows(struct source *source, struct keystore_rows *rows, struct err *err)
{
	struct keystore_rows counts = {.epoch = take_number(source, 8)};
	enum status status = ST_OK;

	rows->epoch = counts.epoch;
	rows->address_rules = take_bool(source);
	counts.tenant_count = (size_t)take_number(source, 2);
	counts.domain_count = (size_t)take_number(source, 2);
	counts.rule_count = (size_t)take_number(source, 2);
	counts.key_count = (size_t)take_number(source, 2);
	counts.binding_count = (size_t)take_number(source, 2);
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
	struct source source = {.rest = octets, .ok = span_starts(octets, SPAN_LIT(MAGIC))};
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
