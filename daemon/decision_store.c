/*
 * decision_store.c - the KeyStore's part of the decision: for which tenant does the session speak,
 * and what signs for this sender inside that tenant?
 * Called by decision.c when the mail is known to be ours. It must never take a store that could not
 * answer for one that says nothing, nor tell a session whose domain it is.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/decision_private.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/store/cached_keystore.h"
#include "lib/store/tenant.h"

static void
fail_with(struct deciding *d, enum failure_cause cause, const char *prefix, struct err *err)
{
	err_prefix(err, "%s", prefix);
	decision_failed(d, cause, err->text);
}

/* The session's tenant. false: nobody knows, or it has none and needs one. */
static bool
find_tenant(struct deciding *d)
{
	const struct request *request = d->request;
	struct tenant_session session = {.login = request->login,
	    .listener = request->daemon_name,
	    .host = request->host,
	    .family = request->family,
	    .address = request->address};
	struct err err = ERR_NONE;
	enum status status;

	status =
	    tenant_of_session(d->rules->tenant_map, d->rules->store, &session, d->tenant, &err);
	if (status == ST_OK || (status == ST_ABSENT && !d->rules->require_tenant))
		return true;
	if (status != ST_ABSENT) {
		fail_with(d, FAILURE_STORE, "error finding the session's tenant", &err);
		return false;
	}
	return true; /* route_find() says so, and whether anybody would have signed it */
}

static void
add_keys(struct deciding *d, const struct route *route)
{
	struct decision *decision = d->decision;

	for (size_t i = 0; i < route->key_count && decision->key_count < DECISION_KEYS_MAX; i++) {
		const struct store_key *key = route->keys[i];

		decision->keys[decision->key_count++] =
		    (struct decision_key){.domain = route->domain,
			.selector = key->selector,
			.identity = route->identity,
			.key = key->private_key,
			.algorithm = key->algorithm,
			.keyname = key->selector,
			.stored = key};
	}
	decision->signature_ttl_s = route->signature_ttl_s;
}

/* Someone else's sender: said aloud, because nobody does that by chance. */
static void
other_tenant(struct deciding *d, const char *why)
{
	char who[KEYSTORE_TENANT_MAX + 16] = "the session", text[512];

	if (d->tenant[0] != '\0')
		snprintf(who, sizeof(who), "tenant '%s'", d->tenant);
	snprintf(text, sizeof(text), "%s may not send as %.*s@%.*s: %s", who,
	    SPAN_ARG(d->request->user), SPAN_ARG(d->request->domain), why);
	decision_failed(d, FAILURE_TENANT, text);
}

/* What is held is old, and the policy may want none of it. */
static bool
stale_is_fine(struct deciding *d)
{
	unsigned action = d->decision->failure.action[FAILURE_STORE];

	if (action == FAILURE_ACTION_UNSET || action == FAILURE_ACTION_STALE ||
	    !cached_keystore_away(d->rules->store))
		return true;
	decision_failed(d, FAILURE_STORE,
	    "the KeyStore cannot be asked, and its policy is not "
	    "to use what was known");
	return false;
}

/* false: the store says nothing about the sender. */
static bool
follow(struct deciding *d, const struct route *route)
{
	switch (route->answer) {
	case ROUTE_SIGN:
		add_keys(d, route);
		return true;
	case ROUTE_TENANT:
		other_tenant(d, route->why);
		return true;
	case ROUTE_NO_KEY:
		decision_failed(d, FAILURE_NO_KEY, route->why);
		return true;
	case ROUTE_LEASE:
		decision_failed(d, FAILURE_LEASE, route->why);
		return true;
	case ROUTE_NO_RULE:
		break;
	}
	decision_why(d, "%s", route->why);
	return false;
}

bool
decision_by_store(struct deciding *d)
{
	struct decision *decision = d->decision;
	struct route_question question = {.user = d->request->user,
	    .domain = d->request->domain,
	    .required = d->rules->require_tenant,
	    .patterns = d->rules->patterns,
	    .now_utc = d->rules->fixed_time_utc >= 0 ? d->rules->fixed_time_utc : clock_utc_s()};
	struct err err = ERR_NONE;
	enum status status;

	if (!find_tenant(d))
		return true;
	question.tenant = span_str(d->tenant);
	status = route_find(d->rules->store, &question, &decision->route, &err);
	decision->routed = true;
	decision->failure = decision->route.failure;
	failure_inherit(&decision->failure, &d->rules->failure);
	if (status != ST_OK) {
		fail_with(d, FAILURE_STORE, "error reading KeyStore", &err);
		return true;
	}
	return !stale_is_fine(d) || follow(d, &decision->route);
}

bool
decision_sender_matches(struct deciding *d)
{
	const struct request *request = d->request;
	enum conf_sender_match match = d->rules->sender_match;
	char why[1024];

	if (match == CONF_SENDER_ANY || (request->flags & REQUEST_FLAG_AUTHENTICATED) == 0 ||
	    tenant_sender_match(request->login, request->user, request->domain,
		match == CONF_SENDER_ADDRESS) == ST_OK)
		return true;
	snprintf(why, sizeof(why), "login '%.*s' may not send as %.*s@%.*s (RequireSenderMatch)",
	    SPAN_ARG(request->login), SPAN_ARG(request->user), SPAN_ARG(request->domain));
	decision_failed(d, FAILURE_TENANT, why);
	return false;
}
