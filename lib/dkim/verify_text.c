/*
 * verify_text.c - what each reason is called and which result it gives: the one table. The results
 * are those of RFC 8601 2.7.1 as OpenDKIM gives them; where that has nothing to say: what can never
 * verify is permerror (RFC 8301 3.1 for rsa-sha1), what we do not accept is policy, what asking
 * later may help is temperror. The texts are quoted in header fields: no quote, no backslash.
 */
#include "lib/dkim/verify_private.h"

static const struct {
	enum verify_result result;
	const char *text;
} reasons[] = {
    [VERIFY_OK] = {VERIFY_PASS, "the signature verifies"},
    [VERIFY_IGNORED] = {VERIFY_NEUTRAL, "signature ignored, the message has too many"},
    [VERIFY_SYNTAX] = {VERIFY_PERMERROR, "signature syntax error"},
    [VERIFY_ALGORITHM] = {VERIFY_PERMERROR, "unknown signature algorithm"},
    [VERIFY_SHA1] = {VERIFY_PERMERROR, "rsa-sha1 is not accepted"},
    [VERIFY_EXPIRED] = {VERIFY_PERMERROR, "signature expired"},
    [VERIFY_FUTURE] = {VERIFY_PERMERROR, "signature made in the future"},
    [VERIFY_HEADER_UNSIGNED] = {VERIFY_POLICY, "a required header field is not signed"},
    [VERIFY_BODY_MISMATCH] = {VERIFY_FAIL, "body hash mismatch"},
    [VERIFY_BODY_SHORT] = {VERIFY_PERMERROR, "body shorter than signed"},
    [VERIFY_BODY_PART] = {VERIFY_POLICY, "too little of the body is signed"},
    [VERIFY_SIGNATURE_BAD] = {VERIFY_FAIL, "signature verification failed"},
    [VERIFY_KEY_ABSENT] = {VERIFY_PERMERROR, "no key record"},
    [VERIFY_KEY_REVOKED] = {VERIFY_FAIL, "key revoked"},
    [VERIFY_KEY_SYNTAX] = {VERIFY_PERMERROR, "key record syntax error"},
    [VERIFY_KEY_TYPE] = {VERIFY_PERMERROR, "key type does not fit the signature"},
    [VERIFY_KEY_HASH] = {VERIFY_PERMERROR, "key record does not allow sha256"},
    [VERIFY_KEY_SERVICE] = {VERIFY_PERMERROR, "key record is not for email"},
    [VERIFY_KEY_SUBDOMAIN] = {VERIFY_PERMERROR, "key record does not allow subdomains"},
    [VERIFY_KEY_SMALL] = {VERIFY_POLICY, "key too small"},
    [VERIFY_KEY_BIG] = {VERIFY_POLICY, "key too big"},
    [VERIFY_KEY_MANY] = {VERIFY_TEMPERROR, "multiple key records"},
    [VERIFY_KEY_UNPROTECTED] = {VERIFY_POLICY, "key not protected by DNSSEC"},
    [VERIFY_KEY_BOGUS] = {VERIFY_FAIL, "DNSSEC validation of the key failed"},
    [VERIFY_DNS_UNAVAILABLE] = {VERIFY_TEMPERROR, "key unavailable"},
    [VERIFY_DNS_SYNTAX] = {VERIFY_TEMPERROR, "DNS answer syntax error"},
    [VERIFY_INTERNAL] = {VERIFY_TEMPERROR, "internal error"},
};

static const char *const results[] = {
    [VERIFY_NONE] = "none",
    [VERIFY_PASS] = "pass",
    [VERIFY_FAIL] = "fail",
    [VERIFY_NEUTRAL] = "neutral",
    [VERIFY_POLICY] = "policy",
    [VERIFY_TEMPERROR] = "temperror",
    [VERIFY_PERMERROR] = "permerror",
};

const char *
verify_result_name(enum verify_result result)
{
	return results[result];
}

const char *
verify_reason_text(enum verify_reason reason)
{
	return reasons[reason].text;
}

struct verify_verdict
verify_verdict_of(enum verify_reason reason)
{
	return (struct verify_verdict){.result = reasons[reason].result, .reason = reason};
}

/* The detail is copied; it is left out when the arena is full. */
struct verify_verdict
verify_verdict_with(struct verify *verify, enum verify_reason reason, const char *detail)
{
	struct verify_verdict verdict = verify_verdict_of(reason);

	verdict.detail = arena_copy(verify->arena, span_str(detail));
	return verdict;
}

void
verify_decide(struct verify_signature *signature, const struct verify_verdict *verdict)
{
	signature->result = verdict->result;
	signature->reason = verdict->reason;
	signature->detail = verdict->detail;
}
