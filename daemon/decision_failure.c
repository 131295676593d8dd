/*
 * decision_failure.c - what is done with a message that should be signed and cannot be.
 * Called wherever the decision or the signer cannot go on. It must never let a message go unsigned
 * without counting it and saying so.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/decision_private.h"
#include "lib/base/log.h"

#define FALLBACK_MAX (KEYSTORE_TENANT_MAX + 1 + FAILURE_NAME_MAX)

static const struct {
	enum metric_unsigned_reason without;
	enum metric_tempfail_reason later;
} reasons[FAILURE_CAUSES] = {
    [FAILURE_NO_RULE] = {METRIC_UNSIGNED_NO_RULE, METRIC_TEMPFAIL_RULE},
    [FAILURE_TENANT] = {METRIC_UNSIGNED_TENANT, METRIC_TEMPFAIL_TENANT},
    [FAILURE_NO_KEY] = {METRIC_UNSIGNED_NO_KEY, METRIC_TEMPFAIL_KEY},
    [FAILURE_STORE] = {METRIC_UNSIGNED_STORE, METRIC_TEMPFAIL_TABLE},
    [FAILURE_UNREADABLE] = {METRIC_UNSIGNED_UNREADABLE, METRIC_TEMPFAIL_KEY},
    [FAILURE_LEASE] = {METRIC_UNSIGNED_LEASE, METRIC_TEMPFAIL_LEASE},
    [FAILURE_CRYPTO] = {METRIC_UNSIGNED_CRYPTO, METRIC_TEMPFAIL_SIGNATURE},
};

static enum verdict
verdict_for(const struct deciding *d, enum failure_cause cause)
{
	switch ((enum failure_action)d->decision->failure.action[cause]) {
	case FAILURE_ACTION_UNSIGNED:
		return VERDICT_PASS;
	case FAILURE_ACTION_REJECT:
		return VERDICT_REJECT;
	case FAILURE_ACTION_UNSET:
		return d->rules->failure_else[cause];
	default:
		return VERDICT_TEMPFAIL; /* "stale", too: there was nothing */
	}
}

/* In shadow mode: what would have become of it. */
static const char *
verdict_words(enum verdict verdict, bool shadow)
{
	switch (verdict) {
	case VERDICT_PASS:
		return shadow ? "message would go unsigned" : "message goes unsigned";
	case VERDICT_DISCARD:
		return shadow ? "message would be discarded" : "message discarded";
	case VERDICT_REJECT:
		return shadow ? "message would be rejected" : "message rejected";
	case VERDICT_QUARANTINE:
		return shadow ? "message would be quarantined" : "message quarantined";
	default:
		return shadow ? "message would be tempfailed" : "message tempfailed";
	}
}

/* The name in the KeyTable. What the store says for a tenant names keys of that tenant only. */
static void
fallback_name(const struct decision *decision, enum failure_cause cause, char name[FALLBACK_MAX])
{
	const struct route *route = &decision->route;
	const char *word = decision->failure.fallback[cause];

	if (decision->routed && route->failure.action[cause] == FAILURE_ACTION_FALLBACK)
		snprintf(name, FALLBACK_MAX, "%.*s/%s", SPAN_ARG(route->tenant), word);
	else
		snprintf(name, FALLBACK_MAX, "%s", word);
}

static bool
fall_back(struct deciding *d, enum failure_cause cause, const char *why)
{
	struct decision *decision = d->decision;
	char name[FALLBACK_MAX];
	struct err err = ERR_NONE;
	enum status status;

	/* As long as nobody knows whose mail it is, nothing signs it. */
	if (decision->failure.action[cause] != FAILURE_ACTION_FALLBACK || !d->ours)
		return false;
	fallback_name(decision, cause, name);
	decision->key_count = 0;
	status = d->rules->keys == NULL || decision->entry_count == DECISION_KEYS_MAX
		     ? ST_ABSENT
		     : decision_add_table_key(d, span_str(name), SPAN_EMPTY, &err);
	if (status == ST_OK && decision->key_count > 0) {
		decision->fell_back = true;
		log_line(LOG_LEVEL_WARNING, "%.*s: %s; %s with key '%s' instead",
		    SPAN_ARG(d->request->job_id), why,
		    decision_in_shadow(d) ? "would be signed" : "signed", name);
		return true;
	}
	log_line(LOG_LEVEL_ERROR, "%.*s: the fallback key '%s' cannot be used%s%s",
	    SPAN_ARG(d->request->job_id), name, err.text[0] == '\0' ? "" : ": ", err.text);
	return false;
}

void
decision_failed(struct deciding *d, enum failure_cause cause, const char *why)
{
	struct decision *decision = d->decision;
	enum verdict verdict = verdict_for(d, cause);

	decision->reason = reasons[cause].without;
	/* A sender about whom nothing is said is somebody else's, and may be verified. */
	d->failed = cause != FAILURE_NO_RULE || verdict != VERDICT_PASS;
	if (fall_back(d, cause, why)) {
		d->failed = false;
		return;
	}
	decision->verdict = verdict;
	decision->key_count = 0;
	if (verdict == VERDICT_TEMPFAIL)
		decision_count(d, METRIC_TEMPFAIL, (unsigned int)reasons[cause].later);
	if (cause == FAILURE_NO_RULE && verdict == VERDICT_PASS)
		decision_why(d, "%s", why);
	else
		log_line(verdict == VERDICT_PASS ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR,
		    "%.*s: %s; %s", SPAN_ARG(d->request->job_id), why,
		    verdict_words(verdict, decision_in_shadow(d)));
}

void
decision_table_failed(struct deciding *d, enum status status, struct err *err)
{
	(void)status; /* also a table that is broken for good: an operator mends it */
	decision_failed(d, FAILURE_STORE, err->text);
}

bool
decision_sign_failed(struct rules *rules, const struct request *request, struct decision *decision,
    enum failure_cause cause, const char *why)
{
	struct deciding d = {
	    .rules = rules, .request = request, .decision = decision, .ours = true};

	/* The fallback key has failed itself. */
	if (decision->fell_back)
		decision->failure.action[cause] = FAILURE_ACTION_TEMPFAIL;
	decision_failed(&d, cause, why);
	if (decision->verdict == VERDICT_PASS)
		decision_count(&d, METRIC_UNSIGNED, (unsigned int)decision->reason);
	return decision->key_count > 0;
}
