/*
 * decision_count.c - what became of a message: in the metrics, for its tenant, for its domain.
 * Called where that is known. It must never count for a tenant, or a domain, what somebody else
 * only pretended to be of it, as far as the store could say so.
 */
#include "daemon/decision_private.h"
#include "lib/base/clock.h"

/* Whose mail it is: of whoever sends it, also where another tenant has the sender. */
static struct span
tenant_of(const struct deciding *d)
{
	const struct route *route = &d->decision->route;

	if (d->tenant[0] != '\0' || !d->decision->routed || route->answer == ROUTE_TENANT)
		return span_str(d->tenant);
	return route->tenant;
}

/* What signs it, or would, by the store. */
static struct span
signing_domain(const struct decision *decision)
{
	if (!decision->routed || decision->route.answer == ROUTE_TENANT)
		return SPAN_EMPTY;
	return decision->route.domain;
}

static bool
is_for_the_store(enum metric metric, unsigned int reason)
{
	return metric == METRIC_UNSIGNED ? reason == METRIC_UNSIGNED_STORE
					 : reason == METRIC_TEMPFAIL_TABLE;
}

/* A store that cannot be asked does not say what would have signed: then it is the sender's. */
static struct span
domain_of(const struct deciding *d, enum metric metric, unsigned int reason)
{
	struct span domain = signing_domain(d->decision);

	if (domain.n > 0 || !d->ours || d->rules->store == NULL ||
	    !is_for_the_store(metric, reason) || !keystore_domain_is_valid(d->request->domain))
		return domain;
	return d->request->domain;
}

void
decision_count(const struct deciding *d, enum metric metric, unsigned int reason)
{
	struct rules *rules = d->rules;
	int64_t now_s;

	if (decision_in_shadow(d))
		return; /* it goes on as it is: METRIC_SHADOW has it */
	metrics_count(metric, reason, METRIC_NONE);
	if (rules->mailhour == NULL)
		return;
	now_s = clock_mono_ms() / 1000;
	mailhour_count(rules->mailhour, tenant_of(d), metric, reason, now_s);
	domainhour_count(rules->domainhour, domain_of(d, metric, reason),
	    metric == METRIC_UNSIGNED ? MAIL_UNSIGNED : MAIL_DEFERRED, reason, now_s);
}

void
decision_count_signed(struct rules *rules, const struct decision *decision)
{
	struct span domain = signing_domain(decision);

	if (rules->domainhour != NULL && domain.n > 0)
		domainhour_count(rules->domainhour, domain, MAIL_SIGNED, 0, clock_mono_ms() / 1000);
}
