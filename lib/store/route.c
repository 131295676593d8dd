/*
 * route.c - asks a key store about a sender and puts the answers together.
 * Called by the keeper once for each question of a session, and by "signpost resolve".
 * It must never take a question that failed for an answer, nor let the tenant of a session see
 * what is another's.
 */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/store/route_finding.h"

/* Of the answers of a store only these three are told apart; more rows than a question may have
 * are for somebody to mend, and none of the others says that there are no rows. */
static enum status
asked(enum status status)
{
	if (status == ST_OK || status == ST_UNAVAILABLE)
		return status;
	return status == ST_FAILED ? ST_UNAVAILABLE : ST_INVALID;
}

static enum status
choose_keys(struct route_finding *f)
{
	struct store_moment moment = {.now_utc = f->question->now_utc};
	struct route *out = f->out;
	enum status status = asked(keystore_keys_heard(
	    f->store, f->choice.domain, &out->rows[ROUTE_KEYS], &moment.silent_ms, f->err));

	if (status != ST_OK)
		return status;
	out->domain = f->choice.domain;
	out->rule = f->choice.rule;
	out->row = f->choice.row;
	status = route_choose_keys(
	    out->rows[ROUTE_KEYS], out->domain, f->tenant, &moment, &f->keys, f->err);
	if (status != ST_OK)
		return status;
	return route_by_keys(f);
}

static enum status
try_patterns(struct route_finding *f)
{
	struct route *out = f->out;
	enum status status =
	    asked(keystore_patterns(f->store, f->tenant, &out->rows[ROUTE_PATTERNS], f->err));

	if (status != ST_OK)
		return status;
	if (route_tenant_off(out->rows[ROUTE_PATTERNS], f->tenant))
		return route_no_rule(f, "the tenant is disabled");
	status = route_choose_pattern(out->rows[ROUTE_PATTERNS], f->question->patterns,
	    f->facts.address, f->tenant, &f->choice, f->err);
	if (status == ST_ABSENT)
		return route_nothing(f);
	return status == ST_OK ? choose_keys(f) : status;
}

static enum status
choose(struct route_finding *f)
{
	enum status status;

	status = route_choose(&f->facts, f->tenant, f->cover, &f->choice, f->err);
	if (status == ST_ABSENT)
		return try_patterns(f);
	return status == ST_OK ? choose_keys(f) : status;
}

static enum status
ask_addresses(struct route_finding *f)
{
	enum status status;

	if (!f->facts.senders->address_rules)
		return ST_OK;
	status = asked(
	    keystore_address(f->store, f->facts.address, &f->out->rows[ROUTE_ADDRESSES], f->err));
	f->facts.addresses = f->out->rows[ROUTE_ADDRESSES];
	return status;
}

/* Whose rules count is known. */
static enum status
for_tenant(struct route_finding *f, struct span tenant)
{
	enum status status;

	f->tenant = tenant;
	if (f->question->tenant.n == 0)
		f->out->tenant = tenant;
	if (route_tenant_off(f->facts.senders, tenant))
		return route_no_rule(f, "the tenant is disabled");
	status = route_cover(&f->facts, tenant, &f->cover, f->err);
	if (status == ST_INVALID)
		return status;
	if (f->facts.addresses == NULL)
		status = ask_addresses(f);
	if (status != ST_OK && status != ST_ABSENT)
		return status;
	if (f->facts.addresses != NULL && route_tenant_off(f->facts.addresses, tenant))
		return route_no_rule(f, "the tenant is disabled");
	return choose(f);
}

/* Neither the session nor a row of a domain names a tenant. */
static enum status
by_rules(struct route_finding *f)
{
	enum status status = ask_addresses(f);
	struct span tenant;

	if (status != ST_OK)
		return status;
	status = route_rules_tenant(&f->facts, &tenant);
	if (status == ST_ABSENT)
		return route_no_rule(
		    f, "no rule, no domain, and no tenant whose patterns could be");
	if (status == ST_DENIED || f->question->required)
		return route_foreign(f);
	return for_tenant(f, tenant);
}

static enum status
find(struct route_finding *f)
{
	struct span tenant = f->question->tenant;
	enum status status;

	if (!keystore_domain_is_valid(f->question->domain))
		return route_no_rule(f, "it is no domain name");
	route_names_of(f->question->domain, &f->facts.names);
	status = asked(keystore_senders(f->store, f->facts.names.name, f->facts.names.count,
	    &f->out->rows[ROUTE_SENDERS], f->err));
	if (status != ST_OK)
		return status;
	f->facts.senders = f->out->rows[ROUTE_SENDERS];
	status = route_owner(&f->facts, &f->owner, f->err);
	if (status == ST_INVALID)
		return status;
	if (status == ST_ABSENT)
		return tenant.n > 0 ? for_tenant(f, tenant) : by_rules(f);
	if (tenant.n > 0 ? !span_eq(f->owner->tenant, tenant) : f->question->required)
		return route_foreign(f);
	return for_tenant(f, f->owner->tenant);
}

/* A name that is too long for a tenant is nobody's: it stays what the rules are looked up for, but
 * is not shown. */
static void
set_tenant(struct route_finding *f)
{
	struct span tenant = f->question->tenant;

	if (tenant.n == 0 || tenant.n > KEYSTORE_TENANT_MAX)
		return;
	f->out->tenant_owned = mem_strndup(tenant.p, tenant.n);
	f->out->tenant = span_of(f->out->tenant_owned, tenant.n);
}

static void
set_address(struct route_finding *f, struct buf *address)
{
	buf_add(address, f->question->user);
	buf_add_char(address, '@');
	buf_add(address, f->question->domain);
	for (size_t i = 0; i < address->n; i++)
		address->p[i] = ascii_lower(address->p[i]);
	f->facts.address = buf_span(address);
}

enum status
route_find(struct keystore *store, const struct route_question *question, struct route *out,
    struct err *err)
{
	struct route_finding f = {.store = store, .question = question, .out = out, .err = err};
	struct buf address;
	enum status status;

	memset(out, 0, sizeof(*out));
	out->answer = ROUTE_NO_RULE;
	out->signature_ttl_s = -1;
	buf_init(&address, question->user.n + question->domain.n + 1);
	set_tenant(&f);
	set_address(&f, &address);
	status = find(&f);
	route_set_failure(&f);
	buf_free(&address);
	return status;
}

void
route_release(struct route *route)
{
	for (size_t i = 0; i < sizeof(route->rows) / sizeof(route->rows[0]); i++)
		keystore_rows_release(route->rows[i]);
	mem_free(route->tenant_owned);
	memset(route, 0, sizeof(*route));
}
