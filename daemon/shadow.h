/*
 * shadow.h - a front-end's part of shadow mode (ShadowReport): Signpost runs beside another signer
 * of the same MTA, behind it, signs into a report in place of the message, and says where the two
 * differ.
 *
 * Nothing is negotiated with the MTA that would let us change a message, every message is accepted,
 * and the MTA has its reply before the keeper is asked: a store that is away, a keeper that
 * died or a key that is broken delay nothing. A job is a message between EOH and the keeper's
 * answer; it owns all it needs.
 *
 *   EOH   shadow_begin    the header is copied, the other's signatures parsed
 *   BODY  shadow_body     hashed for each of them, as a verifier does it
 *   EOM   shadow_send     REQUEST_SHADOW; the MTA gets "accept"
 *         shadow_take     the keeper's answer: what we would have signed, and the public keys, with
 *                         which the other's signatures are verified; a line (REQUEST_REPORT)
 */
#ifndef SIGNPOST_DAEMON_SHADOW_H
#define SIGNPOST_DAEMON_SHADOW_H

#include "daemon/session.h"

#define SHADOW_OPEN_MAX 256U    /* messages that wait for the keeper */
#define SHADOW_TIMEOUT_MS 60000 /* after this nobody waits for its answer */

struct shadow;
struct shadow_job;

struct shadow *shadow_new(struct session_host *host);
void shadow_free(struct shadow *shadow); /* NULL is fine */

/* After message_headers_done(): the message has a job from now on. */
void shadow_begin(struct session *session);
bool shadow_wants_body(const struct session *session);
void shadow_body(struct session *session, struct span data);
/* The names of the keys of the other's signatures: struct request, signers. */
void shadow_signers(const struct session *session, struct buf *list);
/* The end of the message: the keeper is asked, and the session has no job any more. */
void shadow_send(struct session *session);
/* The message ended otherwise. */
void shadow_forget(struct session *session);

/* VERDICT_SHADOW. */
void shadow_take(struct shadow *shadow, const struct reply *reply);
/* VERDICT_RESET: what it had been asked is lost. */
void shadow_keeper_lost(struct shadow *shadow);
/* Every second. */
void shadow_tick(struct shadow *shadow, int64_t now_ms);

#endif
