/*
 * operation_version.c - what exists for who asks, and which version of it that one has seen.
 * Called by the operations wherever a row was read. It must never let somebody learn that a row of
 * another tenant is there.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/operation_quota.h"
#include "lib/crypto/digest.h"

#define DIGEST_SHOWN 16 /* hexadecimal digits of a digest that are enough for a version */

bool
call_sees(const struct operation_call *call, struct span tenant, struct span domain)
{
	const struct operation_caller *caller = call->caller;

	if (tenant.n > 0 && caller->tenant.n > 0 && !span_eq(tenant, caller->tenant))
		return false;
	return domain.n == 0 || scope_domain_fits(caller->domains, domain);
}

/* ---- versions ---- */

void
version_of_revision(uint64_t revision, char out[VERSION_BYTES])
{
	snprintf(out, VERSION_BYTES, "r%llu", (unsigned long long)revision);
}

static void
version_of_text(char kind, const struct buf *text, char out[VERSION_BYTES])
{
	char hex[KEYSTORE_DIGEST_BYTES];

	keystore_digest(buf_span(text), hex);
	snprintf(out, VERSION_BYTES, "%c%.*s", kind, DIGEST_SHOWN, hex);
}

/* What people set of it: which revision a change will have, the store knows when it is done. */
void
version_of_tenant(
    const struct store_tenant *row, const struct store_quota *quota, char out[VERSION_BYTES])
{
	struct buf text;

	buf_init(&text, KEYSTORE_TEXT_MAX);
	buf_add_fmt(&text, "%d\n%.*s", row->enabled, SPAN_ARG(row->failure));
	if (!quota_is_empty(quota))
		buf_add_fmt(&text, "\n%lld %lld %lld %lld", (long long)quota->domains,
		    (long long)quota->keys, (long long)quota->rotations,
		    (long long)quota->requests);
	version_of_text('t', &text, out);
	buf_free(&text);
}

void
version_of_policy(const struct store_policy *row, char out[VERSION_BYTES])
{
	struct buf text;

	buf_init(&text, 2U * KEYSTORE_TEXT_MAX);
	buf_add_fmt(&text, "%lld\n%.*s\n%.*s", (long long)row->signature_ttl_s,
	    SPAN_ARG(row->failure), SPAN_ARG(row->plan));
	version_of_text('p', &text, out);
	buf_free(&text);
}

void
version_of_choice(const struct store_policy *row, char out[VERSION_BYTES])
{
	char content[VERSION_BYTES] = "";
	struct buf text;

	if (row != NULL)
		version_of_policy(row, content);
	buf_init(&text, KEYSTORE_SUBJECT_MAX);
	if (row != NULL)
		buf_add_fmt(&text, "%.*s\n%s", SPAN_ARG(row->name), content);
	version_of_text('c', &text, out);
	buf_free(&text);
}

/* The same, and then its row's revision, which grows with each look at the domain. */
void
version_of_domain(const struct store_domain *row, char out[VERSION_BYTES])
{
	char digest[VERSION_BYTES];
	struct domain_life life;
	struct err ignored = ERR_NONE;
	struct buf text;

	if (domain_life_parse(row->life, &life, &ignored) != ST_OK)
		memset(&life, 0, sizeof(life));
	buf_init(&text, KEYSTORE_TEXT_MAX);
	buf_add_fmt(&text, "%.*s\n%.*s\n%.*s\n%d %d %lld %lld %lld", SPAN_ARG(row->tenant),
	    SPAN_ARG(row->policy), SPAN_ARG(row->signs_as), row->subdomains, row->enabled,
	    (long long)life.paused, (long long)life.rotate_asked, (long long)life.rotate_at);
	version_of_text('d', &text, digest);
	buf_free(&text);
	snprintf(out, VERSION_BYTES, "%.40s.%llu", digest, (unsigned long long)row->revision);
}

/* Which key it is and what state it is in, and then its row's revision. */
void
version_of_key(const struct store_key *row, const struct key_times *times, int64_t now_utc,
    char out[VERSION_BYTES])
{
	snprintf(out, VERSION_BYTES, "%.*s-%s.%llu", SPAN_ARG(row->id),
	    key_state_name(key_state_at(times, now_utc)), (unsigned long long)row->row_revision);
}

/* Since when it runs, and then its last word, which it says every few seconds. */
void
version_of_gateway(const struct store_gateway *row, char out[VERSION_BYTES])
{
	snprintf(out, VERSION_BYTES, "g%lld.%lld", (long long)row->started, (long long)row->at);
}

/* Without what stands behind the last '.'. */
static struct span
compared(struct span version)
{
	size_t dot = span_rfind(version, '.');

	return dot == SIZE_MAX ? version : span_of(version.p, dot);
}

void
call_new_version(struct operation_call *call, const char *version)
{
	struct span kept = compared(span_str(version));

	snprintf(call->version, sizeof(call->version), "%.*s", SPAN_ARG(kept));
}

enum operation_code
call_version(struct operation_call *call, const char *version)
{
	struct span seen = call->caller->version;

	snprintf(call->version, sizeof(call->version), "%s", version);
	if (seen.n == 0 || span_eq_str(seen, "*") ||
	    span_eq(compared(seen), compared(span_str(version))))
		return OPERATION_OK;
	return call_refuse(call, OPERATION_PRECONDITION_FAILED,
	    "it was changed meanwhile: its version is \"%s\" now", version);
}
