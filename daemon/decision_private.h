/*
 * decision_private.h - between the files of the decision: decision.c (whose mail it is, and the
 * tables), decision_store.c (the KeyStore), decision_failure.c (what is done when it goes wrong),
 * decision_count.c (what became of it).
 */
#ifndef SIGNPOST_DAEMON_DECISION_PRIVATE_H
#define SIGNPOST_DAEMON_DECISION_PRIVATE_H

#include "daemon/decision.h"

struct deciding {
	struct rules *rules;
	const struct request *request;
	struct decision *decision;
	bool why;    /* log the reasons */
	bool ours;   /* the mail comes from us */
	bool failed; /* a failure has decided the verdict: nothing more is asked */
	char tenant[KEYSTORE_TENANT_MAX + 1]; /* of the session; "": none, or nobody knows */
};

/* Nothing becomes of it: the mail goes on as it is. */
static inline bool
decision_in_shadow(const struct deciding *d)
{
	return d->request->type == REQUEST_SHADOW;
}

/* For LogWhy. */
void decision_why(const struct deciding *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A message that is not signed (METRIC_UNSIGNED) or deferred (METRIC_TEMPFAIL), for this reason: in
 * the metrics, for its tenant and for its domain. Nothing in shadow mode, where it is one of
 * neither. */
void decision_count(const struct deciding *d, enum metric metric, unsigned int reason);
/* The failure policy decides: verdict, or a fallback key. why: a sentence for the log. */
void decision_failed(struct deciding *d, enum failure_cause cause, const char *why);
/* A table could not answer: the cause is "store" if asking later may help. */
void decision_table_failed(struct deciding *d, enum status status, struct err *err);
/* One more key of the KeyTable, for a rule of the SigningTable or as a fallback. ST_OK also when no
 * signature with it could be verified, and none is made. */
enum status decision_add_table_key(
    struct deciding *d, struct span keyname, struct span signer, struct err *err) MUST_USE;
/* i= only if its domain is d= or below. */
struct span decision_identity(const struct deciding *d, struct span signer, struct span domain);

/* The KeyStore's part. false: it says nothing about this sender, other tables may. */
bool decision_by_store(struct deciding *d);
/* May this login be signed as this sender (RequireSenderMatch)? false: failed. */
bool decision_sender_matches(struct deciding *d);

#endif
