/*
 * sharedcache_value.c - how a shared answer and its name are written: the fields in front of the
 * seal, what is sealed with them, and what is behind it. Called by sharedcache.c. Pure. It must
 * never read one value in two ways, nor let two questions have one context.
 */
#include <string.h>

#include "lib/base/octets.h"
#include "lib/crypto/digest.h"
#include "lib/store/keystore.h"
#include "lib/store/sharedcache_private.h"

#define CONTEXT_NAME "signpost shared cache v1"
#define VALUE_MAGIC "sc1"
#define SERVER_NAME_MAGIC "sc1:"
#define TIME_MAX ((uint64_t)1 << 47) /* milliseconds: the year 6429 */

_Static_assert(SHAREDCACHE_TENANT_MAX == KEYSTORE_TENANT_MAX, "a tenant is one of a key store");
_Static_assert(
    SHAREDCACHE_PLAIN_MAX + SHAREDCACHE_HEAD_BYTES + SHAREDCACHE_TENANT_MAX + 1 + SEAL_OVERHEAD <=
	SHARED_VALUE_MAX,
    "the biggest plain text makes a value");
_Static_assert(SHAREDCACHE_SERVER_NAME_BYTES <= SHARED_NAME_MAX, "it is a name at the server");

/* ---- reading ---- */

static int64_t
take_time(struct octets_source *source)
{
	uint64_t value = octets_take_number(source, 8);

	if (value > TIME_MAX)
		source->ok = false;
	return source->ok ? (int64_t)value : 0;
}

bool
sharedcache_head_read(struct span value, struct sharedcache_head *out)
{
	struct octets_source source = {.rest = value,
	    .ok = value.n <= SHARED_VALUE_MAX && span_starts(value, SPAN_LIT(VALUE_MAGIC))};

	(void)octets_take(&source, sizeof(VALUE_MAGIC) - 1);
	out->purpose = (unsigned)octets_take_number(&source, 1);
	out->version = (uint32_t)octets_take_number(&source, 4);
	out->epoch = octets_take_number(&source, 8);
	out->asked_utc_ms = take_time(&source);
	out->not_after_utc_ms = take_time(&source);
	return source.ok && source.rest.n >= SEAL_OVERHEAD;
}

static bool
tenant_may_be(struct span tenant)
{
	return tenant.n == 0 || keystore_tenant_is_valid(tenant);
}

bool
sharedcache_plain_read(struct span octets, struct span *plain_out, struct span *tenant_out)
{
	size_t n = octets.n == 0 ? 0 : (uint8_t)octets.p[octets.n - 1];

	if (octets.n < n + 1)
		return false;
	*plain_out = span_sub(octets, 0, octets.n - n - 1);
	*tenant_out = span_sub(octets, octets.n - n - 1, n);
	return tenant_may_be(*tenant_out);
}

/* ---- writing ---- */

static void
add_number(struct buf *out, uint64_t value, unsigned octets)
{
	while (octets-- > 0)
		buf_add_char(out, (char)(uint8_t)(value >> (8 * octets)));
}

void
sharedcache_head_write(const struct sharedcache_head *head, struct buf *out)
{
	buf_add(out, SPAN_LIT(VALUE_MAGIC));
	add_number(out, head->purpose, 1);
	add_number(out, head->version, 4);
	add_number(out, head->epoch, 8);
	add_number(out, (uint64_t)head->asked_utc_ms, 8);
	add_number(out, (uint64_t)head->not_after_utc_ms, 8);
}

size_t
sharedcache_plain_write(struct span plain, struct span tenant, char *room)
{
	if (!tenant_may_be(tenant))
		return 0;
	if (plain.n > 0)
		memcpy(room, plain.p, plain.n);
	if (tenant.n > 0)
		memcpy(room + plain.n, tenant.p, tenant.n);
	room[plain.n + tenant.n] = (char)(uint8_t)tenant.n;
	return plain.n + tenant.n + 1;
}

void
sharedcache_context(struct span scope, struct span name, struct span head, struct buf *out)
{
	seal_add_field(out, SPAN_LIT(CONTEXT_NAME));
	seal_add_field(out, scope);
	seal_add_field(out, name);
	seal_add_field(out, head);
}

void
sharedcache_name_text(unsigned purpose, struct span scope, struct span name, struct buf *out)
{
	uint8_t octet = (uint8_t)purpose;

	seal_add_field(out, span_of(&octet, 1));
	seal_add_field(out, scope);
	seal_add_field(out, name);
}

void
sharedcache_name_write(const uint8_t *digest, char out[SHAREDCACHE_SERVER_NAME_BYTES])
{
	size_t at = sizeof(SERVER_NAME_MAGIC) - 1;

	memcpy(out, SERVER_NAME_MAGIC, at);
	base64_encode(digest, SHAREDCACHE_NAME_DIGEST_BYTES, out + at);
	for (; at < SHAREDCACHE_SERVER_NAME_BYTES; at++) {
		if (out[at] == '+')
			out[at] = '-';
		else if (out[at] == '/')
			out[at] = '_';
	}
}
