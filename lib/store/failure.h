/*
 * failure.h - the failure policy: what is done to a message that should be signed and cannot be,
 * by cause. Written as "cause=action" separated by blanks or commas:
 *
 *   no-rule=unsigned no-key=tempfail store=stale unreadable=fallback:backup lease=tempfail
 */
#ifndef SIGNPOST_STORE_FAILURE_H
#define SIGNPOST_STORE_FAILURE_H

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"

enum failure_cause {
	FAILURE_NO_RULE,    /* "no-rule": nothing says that this sender is signed */
	FAILURE_TENANT,     /* "tenant": the session's tenant may not send as this domain */
	FAILURE_NO_KEY,     /* "no-key": a rule, and no key that signs */
	FAILURE_STORE,      /* "store": the source of rules or keys could not be asked */
	FAILURE_UNREADABLE, /* "unreadable": the key does not open, or is no key */
	FAILURE_LEASE,  /* "lease": sign_until, or the key's time without a word of the store, is
			   over */
	FAILURE_CRYPTO, /* "crypto": the signature could not be made */
	FAILURE_CAUSES
};

enum failure_action {
	FAILURE_ACTION_UNSET, /* the policy above decides */
	FAILURE_ACTION_TEMPFAIL,
	FAILURE_ACTION_STALE, /* "stale": what was known last, else tempfail; for store only */
	FAILURE_ACTION_UNSIGNED,
	FAILURE_ACTION_FALLBACK, /* "fallback:NAME": the key NAME of the KeyTable */
	FAILURE_ACTION_REJECT
};

#define FAILURE_NAME_MAX 64U /* octets of a fallback key's name with its NUL */
#define FAILURE_TEXT_MAX 1024U

struct failure_policy {
	unsigned char action[FAILURE_CAUSES]; /* enum failure_action */
	char fallback[FAILURE_CAUSES][FAILURE_NAME_MAX];
};

/* ST_INVALID: *err names the word. Words after a bad one are not looked at; *out is unchanged then.
 * Causes that are not named are FAILURE_ACTION_UNSET. An empty text is fine. */
enum status failure_parse(struct span text, struct failure_policy *out, struct err *err) MUST_USE;
/* What base says wherever *policy is unset. */
void failure_inherit(struct failure_policy *policy, const struct failure_policy *base);
/* no-rule, tenant: unsigned; store: stale; all others: tempfail. */
extern const struct failure_policy failure_defaults;
/* "no-key", "tempfail"; static. */
const char *failure_cause_name(enum failure_cause cause);
const char *failure_action_name(enum failure_action action);

#endif
