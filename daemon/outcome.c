/*
 * outcome.c - what the results of all signatures together mean for the message.
 * Called once per verified message. It must never let a failing signature outweigh a passing one.
 */
#include "daemon/outcome.h"

static enum outcome_cause
cause_of(const struct verify_signature *signature)
{
	switch (signature->reason) {
	case VERIFY_OK:
	case VERIFY_IGNORED:
		return OUTCOME_FINE;
	case VERIFY_DNS_UNAVAILABLE:
		return OUTCOME_DNS_ERROR;
	case VERIFY_KEY_ABSENT:
		return OUTCOME_KEY_ABSENT;
	case VERIFY_INTERNAL:
		return OUTCOME_INTERNAL;
	default:
		/* An answer that cannot be read will be there tomorrow too: no reason to wait. */
		return signature->result == VERIFY_NEUTRAL ? OUTCOME_FINE : OUTCOME_BAD_SIGNATURE;
	}
}

/* The later in this list, the more it counts. */
static int
weight(enum outcome_cause cause)
{
	static const int weights[] = {[OUTCOME_FINE] = 0,
	    [OUTCOME_KEY_ABSENT] = 1,
	    [OUTCOME_BAD_SIGNATURE] = 2,
	    [OUTCOME_INTERNAL] = 3,
	    [OUTCOME_DNS_ERROR] = 4};

	return weights[cause];
}

/* How much it counts; one that was not processed least of all. */
static int
rank(const struct verify_signature *signature)
{
	enum outcome_cause cause = cause_of(signature);

	if (signature->testing && cause == OUTCOME_BAD_SIGNATURE)
		cause = OUTCOME_FINE; /* RFC 6376 3.6.1 */
	return signature->reason == VERIFY_IGNORED ? -1 : weight(cause);
}

/* The first that passes, else the first of those that count most. */
static const struct verify_signature *
deciding_signature(const struct verify *verify)
{
	const struct verify_signature *worst = NULL;

	for (size_t i = 0; verify != NULL && i < verify_count(verify); i++) {
		const struct verify_signature *signature = verify_signature(verify, i);

		if (signature->result == VERIFY_PASS)
			return signature;
		if (worst == NULL || rank(signature) > rank(worst))
			worst = signature;
	}
	return worst;
}

static enum verdict
verdict_for(const struct settings *settings, enum outcome_cause cause)
{
	const struct settings_verify *verifying = &settings->verifying;

	switch (cause) {
	case OUTCOME_NO_SIGNATURE:
		return settings_verdict(verifying->on_no_signature);
	case OUTCOME_BAD_SIGNATURE:
		return settings_verdict(verifying->on_bad_signature);
	case OUTCOME_KEY_ABSENT:
		return settings_verdict(verifying->on_key_not_found);
	case OUTCOME_DNS_ERROR:
		return settings_verdict(verifying->on_dns_error);
	case OUTCOME_INTERNAL:
		return verifying->quarantine_errors ? VERDICT_QUARANTINE
						    : settings_verdict(settings->on_internal_error);
	default:
		return VERDICT_PASS;
	}
}

struct outcome
outcome_for(const struct settings *settings, enum outcome_cause cause)
{
	static const struct {
		const char *text, *detail;
	} refusals[] = {[OUTCOME_FINE] = {"", "7.0"},
	    [OUTCOME_NO_SIGNATURE] = {"no DKIM signature data", "7.0"},
	    [OUTCOME_BAD_SIGNATURE] = {"bad DKIM signature data", "7.0"},
	    [OUTCOME_KEY_ABSENT] = {"DKIM key retrieval failed", "7.5"},
	    [OUTCOME_DNS_ERROR] = {"DKIM key retrieval failed", "7.5"},
	    [OUTCOME_INTERNAL] = {"internal DKIM error", "7.0"}};

	return (struct outcome){cause, verdict_for(settings, cause), refusals[cause].text,
	    refusals[cause].detail, NULL};
}

struct outcome
outcome_of(const struct settings *settings, const struct verify *verify)
{
	const struct verify_signature *signature = deciding_signature(verify);
	enum outcome_cause cause = OUTCOME_NO_SIGNATURE;
	struct outcome outcome;

	if (signature != NULL)
		cause = rank(signature) > 0 ? cause_of(signature) : OUTCOME_FINE;
	outcome = outcome_for(settings, cause);
	outcome.signature = signature;
	return outcome;
}

const char *
outcome_words(enum outcome_cause cause)
{
	static const char *const words[] = {
	    [OUTCOME_FINE] = "no signature counts against the message",
	    [OUTCOME_NO_SIGNATURE] = "no signature data",
	    [OUTCOME_BAD_SIGNATURE] = "bad signature data",
	    [OUTCOME_KEY_ABSENT] = "key not found",
	    [OUTCOME_DNS_ERROR] = "key retrieval failed",
	    [OUTCOME_INTERNAL] = "internal error"};

	return words[cause];
}

const char *
outcome_verdict_words(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_REJECT:
		return "rejected";
	case VERDICT_TEMPFAIL:
		return "tempfailed";
	case VERDICT_DISCARD:
		return "discarded";
	case VERDICT_QUARANTINE:
		return "quarantined";
	default:
		return "accepted";
	}
}
