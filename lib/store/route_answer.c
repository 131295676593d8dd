/*
 * route_answer.c - what a question ends in, and the sentence that says why.
 * Called by route.c at the end of its way. It must never show octets as they came, nor let what
 * another tenant wants to be done decide about a session.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/store/route_finding.h"

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
answer(struct route_finding *f, enum route_answer what)
{
	f->out->answer = what;
	return ST_OK;
}

/* The question's domain may be anything. */
static struct span
sender(const struct route_finding *f)
{
	return span_sub(f->question->domain, 0, KEYSTORE_DOMAIN_MAX);
}

/* What chose the signing domain: "rule r1 (address x@a.example)". */
static void
name_choice(const struct route_finding *f, char text[200])
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

enum status
route_no_rule(struct route_finding *f, const char *why)
{
	if (f->tenant.n > 0)
		say(f->out, "nothing of tenant %.*s is about %.*s: %s", SPAN_ARG(f->tenant),
		    SPAN_ARG(sender(f)), why);
	else
		say(f->out, "nothing is about %.*s: %s", SPAN_ARG(sender(f)), why);
	return answer(f, ROUTE_NO_RULE);
}

enum status
route_nothing(struct route_finding *f)
{
	if (f->owner != NULL && !f->owner->enabled)
		return route_no_rule(f, "its domain is disabled, and no rule or pattern fits");
	if (f->owner != NULL)
		return route_no_rule(
		    f, "its domain does not cover those below it, and no rule or pattern fits");
	return route_no_rule(f, "no rule, no domain and no pattern");
}

enum status
route_foreign(struct route_finding *f)
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

/* For a key whose time has not come: or else the clock of this machine is wrong. */
static void
name_start(const struct route_finding *f, char text[80])
{
	int64_t active = f->keys.nearly->times.active;

	text[0] = '\0';
	if (active > f->question->now_utc)
		snprintf(text, 80, ", and its active time comes in %lld s by our clock",
		    (long long)(active - f->question->now_utc));
}

static enum status
no_key(struct route_finding *f)
{
	const struct route_keys *keys = &f->keys;
	struct span domain = f->out->domain;
	char what[200], start[80];

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
		else {
			name_start(f, start);
			say(f->out, "%s: no key of %.*s may sign; %.*s (%.*s) is %s%s", what,
			    SPAN_ARG(domain), SPAN_ARG(keys->nearly->selector),
			    SPAN_ARG(span_sub(keys->nearly->algorithm, 0, 20)),
			    key_state_name(
				key_state_at(&keys->nearly->times, f->question->now_utc)),
			    start);
		}
	}
	return answer(f, ROUTE_NO_KEY);
}

static enum status
lease_over(struct route_finding *f)
{
	const struct store_key *key = f->keys.nearly;
	char what[200];

	name_choice(f, what);
	if (key_lease_over(&key->times, f->question->now_utc))
		say(f->out, "%s: sign_until of key %.*s of %.*s has passed and was not renewed",
		    what, SPAN_ARG(key->selector), SPAN_ARG(f->out->domain));
	else
		say(f->out,
		    "%s: key %.*s of %.*s may be used for %lld s without a word of the KeyStore, "
		    "and the last one came %lld s ago",
		    what, SPAN_ARG(key->selector), SPAN_ARG(f->out->domain),
		    (long long)key->lease_s, (long long)(f->keys.silent_ms / 1000));
	return answer(f, ROUTE_LEASE);
}

static enum status
sign(struct route_finding *f)
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

enum status
route_by_keys(struct route_finding *f)
{
	switch (f->keys.target) {
	case TARGET_KEYS:
		return sign(f);
	case TARGET_LEASE:
		return lease_over(f);
	case TARGET_CLOSED:
		f->out->domain = SPAN_EMPTY;
		return route_no_rule(f, "the tenant is disabled");
	default:
		return no_key(f);
	}
}

/* ---- what is done if it cannot be signed ---- */

static void
inherit(struct route_finding *f, const char *whose, struct span name, struct span text)
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

void
route_set_failure(struct route_finding *f)
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
