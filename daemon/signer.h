/*
 * signer.h - from a SIGN request and the keys chosen for it to DKIM-Signature fields. One struct
 * signer per keeper thread.
 */
#ifndef SIGNPOST_DAEMON_SIGNER_H
#define SIGNPOST_DAEMON_SIGNER_H

#include "daemon/decision.h"
#include "daemon/keycache.h"
#include "lib/base/buf.h"

struct signer {
	struct keycache *cache;    /* shared by all threads */
	const struct rules *rules; /* shared */
	struct digest *digest;     /* this thread's */
	struct buf value;
	struct buf fields[DECISION_KEYS_MAX];  /* the values of the answer */
	struct buf records[DECISION_KEYS_MAX]; /* in shadow mode: of the public keys */
};

void signer_init(struct signer *signer, struct keycache *cache, const struct rules *rules);
void signer_free(struct signer *signer);

/* Signs with every key of the decision. ST_OK: the answer's fields point into signer until the next
 * call. Anything else: no field; *err says which key and why (ST_FAILED: signing itself failed). */
enum status signer_sign(struct signer *signer, const struct request *request,
    const struct decision *decision, int64_t now_utc, int64_t now_mono_ms, struct reply *reply,
    struct err *err) MUST_USE;

#endif
