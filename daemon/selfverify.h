/*
 * selfverify.h - a front-end's part of SelfVerify: signatures that were just made are verified as
 * their receivers will do it, by the resolver and the verifier that mail of others is verified
 * with. It goes by what was sent to the MTA: the field as it was inserted (its leading blank, its
 * folds, above or below the others as the milter protocol has it), old signatures that were removed
 * left out, our own DKIM-Filter put in, the header as the MTA gave it. Of the body there is
 * the hash, nothing else is kept.
 *
 * The keeper says which signatures (canary.h), and is told what came of each (REQUEST_CHECKED).
 * Nothing is done before the MTA has its reply, no message waits for any of it, and none is
 * changed: a job begins in a later round of the loop. At most SELFVERIFY_OPEN_MAX are open; those
 * beyond are dropped, which counts as "unavailable".
 */
#ifndef SIGNPOST_DAEMON_SELFVERIFY_H
#define SIGNPOST_DAEMON_SELFVERIFY_H

#include "daemon/session.h"
#include "lib/base/loop.h"
#include "lib/dns/dns.h"
#include "lib/keys/canary.h"

#define SELFVERIFY_OPEN_MAX 32U
#define SELFVERIFY_LINES_MAX 10U /* of the log, in SELFVERIFY_LINES_MS */
#define SELFVERIFY_LINES_MS 60000

struct selfverify;

struct selfverify_config {
	struct loop *loop;             /* borrowed, as all here */
	struct resolver *resolver;     /* of that loop */
	struct public_key_cache *keys; /* or NULL */
	int64_t timeout_ms;            /* of DNS */
	/* What came of a signature that the keeper asked about. id: empty for one that is in no
	 * KeyStore. */
	void (*tell)(void *context, struct span id, enum canary_result result, struct span why);
	void *context;
};

struct selfverify *selfverify_new(const struct selfverify_config *config);
void selfverify_free(struct selfverify *selfverify); /* NULL is fine */

/* The fields of reply were just given to the MTA of this session. Looks at those that are marked;
 * most replies have none. Everything that is needed is copied. */
void selfverify_message(
    struct selfverify *selfverify, const struct session *session, const struct reply *reply);

/* What a reason of the verifier means for the key; *why_out: words of it. Pure. */
enum canary_result selfverify_result(enum verify_reason reason);

/* Jobs that are open now: for tests. */
size_t selfverify_open(const struct selfverify *selfverify);

#endif
