/*
 * route.c - asks a key store about a sender and puts the answers together.
 * Called by the keeper once for each question of a session, and by "signpost resolve".
 * It must never take a question that failed for an answer, nor let the tenant of a session see
 * what is another's.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/store/route_choose.h"

enum question { SENDERS, ADDRESSES, PATTERNS, KEYS };

/* One question on its way. */
struct finding {
	struct keystore *store;
	const struct route_question *question;
	struct route *out;
	struct err *err;
	struct route_facts facts;
	struct span tenant; /* whose rules and domains count; empty: not known yet */
	const struct store_domain *owner, *cover; /* may be NULL */
	struct route_choice choice;
	struct route_keys keys;
};

/* ---- sentences ---- */

/* What does not fit ends in "..."; what could do something to a log becomes '?'. */
static void PRINTF_LIKE(2, 3) say(struct route *out, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(out->why, sizeof(out->why), fmt, args);
	va_end(args);
	for (char *p = out->why; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	if (n >= (int)sizeof(out->why))
		memcpy(out->why + sizeof(out->why) - 4, "...", 4);
}

static enum status
answer(struct finding *f, enum route_answer what)
{
	f->out->answer = what;
	return ST_OK;
}

/* The question's domain may be anything. */
static struct span
sender(const struct finding *f)
{
	return span_sub(f->question->domain, 0, KEYSTORE_DOMAIN_MAX);
}

/* "rule r1 of tenant a (address x@a.example)"; what chose the signing domain. */
static void
name_choice(const struct finding *f, char text[200])
{
	static const char *const kinds[] = {[STORE_RULE_ADDRESS] = "address",
	    [STORE_RULE_DOMAIN] = "domain",
	    [STORE_RULE_SUFFIX] = "suffix",
	    [STORE_RULE_PATTERN] = "pattern"};
	const struct store_rule *rule = f->choice.rule;
	const struct store_domain *row = f->choice.row;

	if (rule != NULL)
		snprintf(text, 200, "rule %.*s (%s %.*s)", SPAN_ARG(rule->id), kinds[rule->kind],
		    SPAN_ARG(span_sub(rule->subject, 0, 80)));
	else if (row->signs_as.n > 0)
		snprintf(text, 200, "domain %.*s, which is signed as another",
		    SPAN_ARG(span_sub(row->name, 0, 100)));
	else if (span_eq(row->name, f->facts.names.name[0]))
		snprintf(text, 200, "the domain itself");
	else
		snprintf(text, 200, "domain %.*s with its subdomains",
		    SPAN_ARG(span_sub(row->name, 0, 100)));
}

/* ---- answers ---- */

static enum status
no_rule(struct finding *f, const char *why)
{
	if (f->tenant.n > 0)
		say(f->out, "nothing of tenant %.*s is about %.*s: %s", SPAN_ARG(f->tenant),
		    SPAN_ARG(sender(f)), why);
	else
		say(f->out, "nothing is about %.*s: %s", SPAN_ARG(sender(f)), why);
	return answer(f, ROUTE_NO_RULE);
}

static const char *
why_nothing(const struct finding *f)
{
	if (f->owner != NULL && !f->owner->enabled)
		return "its domain is disabled, and no rule or pattern fits";
	if (f->owner != NULL)
		return "its domain does not cover those below it, and no rule or pattern fits";
	return "no rule, no domain and no pattern";
}

/* Without an owner no row says whose the sender is, but there are rules. */
static enum status
foreign(struct finding *f)
{
	const struct store_domain *owner = f->owner;
	struct span tenant = f->question->tenant;

	if (owner != NULL)
		f->out->owner = owner->tenant;
	if (owner != NULL && tenant.n > 0)
		say(f->out, "%.*s is tenant %.*s's by domain %.*s, the session speaks for %.*s",
		    SPAN_ARG(sender(f)), SPAN_ARG(owner->tenant), SPAN_ARG(owner->name),
		    SPAN_ARG(span_sub(tenant, 0, KEYSTORE_TENANT_MAX)));
	else if (owner != NULL)
		say(f->out, "%.*s is tenant %.*s's, and the session speaks for no tenant",
		    SPAN_ARG(sender(f)), SPAN_ARG(owner->tenant));
	else
		say(f->out, "there are rules for %.*s, and the session speaks for no tenant%s",
		    SPAN_ARG(sender(f)), f->question->required ? "" : " while they are of several");
	return answer(f, ROUTE_TENANT);
}

static enum status
no_key(struct finding *f)
{
	const struct route_keys *keys = &f->keys;
	struct span domain = f->out->domain;
	char what[200];

	name_choice(f, what);
	switch (keys->target) {
	case TARGET_NONE:
		say(f->out, "%s: signs as %.*s, which the store does not have", what,
		    SPAN_ARG(domain));
		break;
	case TARGET_FOREIGN:
		say(f->out, "%s: signs as %.*s, which is another tenant's", what, SPAN_ARG(domain));
		break;
	case TARGET_DISABLED:
		say(f->out, "%s: signs as %.*s, which is disabled", what, SPAN_ARG(domain));
		break;
	default:
		if (keys->nearly == NULL)
			say(f->out, "%s: %.*s has no key that was ever active%s", what,
			    SPAN_ARG(domain),
			    keys->row->signs_as.n > 0 ? "; it is signed as another itself" : "");
		else
			say(f->out, "%s: no key of %.*s may sign; %.*s (%.*s) is %s", what,
			    SPAN_ARG(domain), SPAN_ARG(keys->nearly->selector),
			    SPAN_ARG(span_sub(keys->nearly->algorithm, 0, 20)),
			    key_state_name(
				key_state_at(&keys->nearly->times, f->question->now_utc)));
	}
	return answer(f, ROUTE_NO_KEY);
}

static enum status
lease_over(struct finding *f)
{
	char what[200];

	name_choice(f, what);
	say(f->out, "%s: sign_until of key %.*s of %.*s has passed and was not renewed", what,
	    SPAN_ARG(f->keys.nearly->selector), SPAN_ARG(f->out->domain));
	return answer(f, ROUTE_LEASE);
}

static enum status
sign(struct finding *f)
{
	struct route *out = f->out;
	bool dropped;
	char what[200];

	memcpy(out->keys, f->keys.keys, sizeof(out->keys));
	out->key_count = f->keys.count;
	out->identity = route_identity_within(f->choice.identity, out->domain);
	out->signature_ttl_s = f->keys.row->signature_ttl_s;
	dropped = f->choice.identity.n > 0 && out->identity.n == 0;
	name_choice(f, what);
	say(out, "%s: signs as %.*s with %.*s%s%.*s%s", what, SPAN_ARG(out->domain),
	    SPAN_ARG(out->keys[0]->selector), out->key_count > 1 ? " and " : "",
	    SPAN_ARG(out->key_count > 1 ? out->keys[1]->selector : SPAN_EMPTY),
	    dropped ? "; its identity is not within it and is left out" : "");
	return answer(f, ROUTE_SIGN);
}

/* ---- the way ---- */

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
choose_keys(struct finding *f)
{
	struct route *out = f->out;
	enum status status =
	    asked(keystore_keys(f->store, f->choice.domain, &out->rows[KEYS], f->err));

	if (status != ST_OK)
		return status;
	out->domain = f->choice.domain;
	status = route_choose_keys(
	    out->rows[KEYS], out->domain, f->tenant, f->question->now_utc, &f->keys, f->err);
	if (status != ST_OK)
		return status;
	switch (f->keys.target) {
	case TARGET_KEYS:
		return sign(f);
	case TARGET_LEASE:
		return lease_over(f);
	case TARGET_CLOSED:
		out->domain = SPAN_EMPTY;
		return no_rule(f, "the tenant is disabled");
	default:
		return no_key(f);
	}
}

static enum status
try_patterns(struct finding *f)
{
	struct route *out = f->out;
	enum status status =
	    asked(keystore_patterns(f->store, f->tenant, &out->rows[PATTERNS], f->err));

	if (status != ST_OK)
		return status;
	if (route_tenant_off(out->rows[PATTERNS], f->tenant))
		return no_rule(f, "the tenant is disabled");
	status = route_choose_pattern(out->rows[PATTERNS], f->question->patterns, f->facts.address,
	    f->tenant, &f->choice, f->err);
	if (status == ST_ABSENT)
		return no_rule(f, why_nothing(f));
	return status == ST_OK ? choose_keys(f) : status;
}

static enum status
choose(struct finding *f)
{
	enum status status;

	status = route_choose(&f->facts, f->tenant, f->cover, &f->choice, f->err);
	if (status == ST_ABSENT)
		return try_patterns(f);
	return status == ST_OK ? choose_keys(f) : status;
}

static enum status
ask_addresses(struct finding *f)
{
	enum status status;

	if (!f->facts.senders->address_rules)
		return ST_OK;
	status =
	    asked(keystore_address(f->store, f->facts.address, &f->out->rows[ADDRESSES], f->err));
	f->facts.addresses = f->out->rows[ADDRESSES];
	return status;
}

/* Whose rules count is known. */
static enum status
for_tenant(struct finding *f, struct span tenant)
{
	enum status status;

	f->tenant = tenant;
	if (f->question->tenant.n == 0)
		f->out->tenant = tenant;
	if (route_tenant_off(f->facts.senders, tenant))
		return no_rule(f, "the tenant is disabled");
	status = route_cover(&f->facts, tenant, &f->cover, f->err);
	if (status == ST_INVALID)
		return status;
	if (f->facts.addresses == NULL)
		status = ask_addresses(f);
	if (status != ST_OK && status != ST_ABSENT)
		return status;
	if (f->facts.addresses != NULL && route_tenant_off(f->facts.addresses, tenant))
		return no_rule(f, "the tenant is disabled");
	return choose(f);
}

/* Neither the session nor a row of a domain names a tenant. */
static enum status
by_rules(struct finding *f)
{
	enum status status = ask_addresses(f);
	struct span tenant;

	if (status != ST_OK)
		return status;
	status = route_rules_tenant(&f->facts, &tenant);
	if (status == ST_ABSENT)
		return no_rule(f, "no rule, no domain, and no tenant whose patterns could be");
	if (status == ST_DENIED || f->question->required)
		return foreign(f);
	return for_tenant(f, tenant);
}

static enum status
find(struct finding *f)
{
	struct span tenant = f->question->tenant;
	enum status status;

	if (!keystore_domain_is_valid(f->question->domain))
		return no_rule(f, "it is no domain name");
	route_names_of(f->question->domain, &f->facts.names);
	status = asked(keystore_senders(
	    f->store, f->facts.names.name, f->facts.names.count, &f->out->rows[SENDERS], f->err));
	if (status != ST_OK)
		return status;
	f->facts.senders = f->out->rows[SENDERS];
	status = route_owner(&f->facts, &f->owner, f->err);
	if (status == ST_INVALID)
		return status;
	if (status == ST_ABSENT)
		return tenant.n > 0 ? for_tenant(f, tenant) : by_rules(f);
	if (tenant.n > 0 ? !span_eq(f->owner->tenant, tenant) : f->question->required)
		return foreign(f);
	return for_tenant(f, f->owner->tenant);
}

/* ---- what is done if it cannot be signed ---- */

static void
inherit(struct finding *f, const char *whose, struct span name, struct span text)
{
	struct failure_policy policy;
	struct err err = ERR_NONE;
	size_t n = strlen(f->out->why);

	if (text.n == 0)
		return;
	if (failure_parse(text, &policy, &err) == ST_OK)
		failure_inherit(&f->out->failure, &policy);
	else
		snprintf(f->out->why + n, sizeof(f->out->why) - n, "; %s %.*s: %s", whose,
		    SPAN_ARG(name), err.text);
}

static void
set_failure(struct finding *f)
{
	const struct store_domain *target = f->keys.row;
	const struct store_tenant *tenant = NULL;

	if (f->cover != NULL)
		inherit(f, "domain", f->cover->name, f->cover->failure);
	if (target != NULL && target->enabled && span_eq(target->tenant, f->tenant))
		inherit(f, "domain", target->name, target->failure);
	for (size_t i = 0; i < 4 && tenant == NULL && f->out->tenant.n > 0; i++)
		if (f->out->rows[i] != NULL)
			tenant = route_tenant_row(f->out->rows[i], f->out->tenant);
	if (tenant != NULL)
		inherit(f, "tenant", tenant->name, tenant->failure);
}

/* A name that is too long for a tenant is nobody's: it stays what the rules are looked up for, but
 * is not shown. */
static void
set_tenant(struct finding *f)
{
	struct span tenant = f->question->tenant;

	if (tenant.n == 0 || tenant.n > KEYSTORE_TENANT_MAX)
		return;
	f->out->tenant_owned = mem_strndup(tenant.p, tenant.n);
	f->out->tenant = span_of(f->out->tenant_owned, tenant.n);
}

static void
set_address(struct finding *f, struct buf *address)
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
	struct finding f = {.store = store, .question = question, .out = out, .err = err};
	struct buf address;
	enum status status;

	memset(out, 0, sizeof(*out));
	out->answer = ROUTE_NO_RULE;
	out->signature_ttl_s = -1;
	buf_init(&address, question->user.n + question->domain.n + 1);
	set_tenant(&f);
	set_address(&f, &address);
	status = find(&f);
	set_failure(&f);
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
