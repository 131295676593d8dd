/*
 * outcome.h - from the results of the signatures to what becomes of the message: the On-* actions.
 * Pure; any thread. RFC 6376 section 6.3.
 */
#ifndef SIGNPOST_DAEMON_OUTCOME_H
#define SIGNPOST_DAEMON_OUTCOME_H

#include "daemon/settings.h"
#include "lib/dkim/verify.h"

enum outcome_cause {
	OUTCOME_FINE,          /* a signature passed, or nothing speaks against it */
	OUTCOME_NO_SIGNATURE,  /* On-NoSignature */
	OUTCOME_BAD_SIGNATURE, /* On-BadSignature */
	OUTCOME_KEY_ABSENT,    /* On-KeyNotFound */
	OUTCOME_DNS_ERROR,     /* On-DNSError */
	OUTCOME_INTERNAL       /* On-InternalError */
};

struct outcome {
	enum outcome_cause cause;
	enum verdict verdict;
	const char *text;   /* for the MTA, with a refusal. Static */
	const char *detail; /* of the enhanced status code: "7.0". Static */
	/* The one that decided: it passed, or it is the cause. NULL: there is none. Borrowed. */
	const struct verify_signature *signature;
};

/* One passing signature is enough. Else, of the causes that remain, the one that a later attempt
 * may cure comes first (a key that could not be asked for may still make the message pass), then
 * our own failure, then a bad signature, then an absent key. A signature whose key record says t=y
 * counts as none for a refusal (RFC 6376 3.6.1), one that was not processed likewise.
 * verify: NULL for a message without signatures. */
struct outcome outcome_of(const struct settings *settings, const struct verify *verify);

/* What follows from a cause that is known without a verifier. */
struct outcome outcome_for(const struct settings *settings, enum outcome_cause cause);

/* Words for the log: "rejected". Static. */
const char *outcome_verdict_words(enum verdict verdict);
/* "bad signature data". Static. */
const char *outcome_words(enum outcome_cause cause);

#endif
