/*
 * session.c - what all steps of a milter connection share: replies, questions to the keeper, its
 * answers, the end.
 * steps.c and client.c call it event by event, the front-end with the keeper's answers. It must
 * never wait, never see a key, and never let a message go without a verdict or a refusal.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "daemon/message.h"
#include "daemon/selfverify.h"
#include "daemon/session.h"
#include "daemon/shadow.h"
#include "daemon/steps.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"

/* An answer that cannot be written (a bug, or a peer that reads nothing) ends the connection. */
void
session_sent(struct session *session, enum status status)
{
	if (status != ST_OK)
		session_abandon(session, "an answer could not be put together");
}

void
session_put_reply(struct session *session, enum milter_reply reply)
{
	session_sent(session, milter_put_reply(&session->out, reply));
}

/* The reply to a step, unless the MTA does not wait for one. */
void
session_step_done(struct session *session, uint32_t no_reply)
{
	if ((session->protocol & no_reply) == 0)
		session_put_reply(session, SMFIR_CONTINUE);
}

void
session_copy_text(char *to, size_t size, struct span s)
{
	size_t n = s.n < size ? s.n : size - 1;

	if (n > 0)
		memcpy(to, s.p, n);
	to[n] = '\0';
}

void
session_message_over(struct session *session)
{
	message_reset(session);
	/* An answer that could not be written has ended the connection. */
	if (session->state != SESSION_DONE)
		session->state = SESSION_CONNECTED;
}

void
session_begin(struct session *session, enum session_question question)
{
	session->question = question;
	session->question_sent = false;
	session_ask(session);
}

void
session_init(struct session *session, struct session_host *host)
{
	/* 0.0.0.0 until a CONNECT says better: nobody is internal for want of one. */
	*session = (struct session){.host = host, .state = SESSION_FRESH, .family = 4};
	buf_init(&session->out, SESSION_OUT_MAX);
	buf_init(&session->macros, FRAME_MACROS_MAX);
	message_init(session);
}

void
session_free(struct session *session)
{
	message_free(session);
	buf_free(&session->out);
	buf_free(&session->macros);
}

static void
put_quarantine(struct session *session)
{
	if ((session->actions & SMFIF_QUARANTINE) != 0)
		session_sent(session,
		    milter_put_quarantine(&session->out, session->message.role == MESSAGE_VERIFY
							     ? session->message.refusal
							     : "DKIM signing is not possible"));
	else
		log_line(LOG_LEVEL_WARNING, "%s: the MTA has no quarantine; the message goes %s",
		    message_job_id(session),
		    session->message.role == MESSAGE_VERIFY ? "through" : "unsigned");
}

/* What the message got in the end; not what it has until then. */
static void
count_message(const struct session_message *message)
{
	static const enum metric_action actions[] = {[VERDICT_PASS] = METRIC_ACTION_PASSED,
	    [VERDICT_SIGN] = METRIC_ACTION_SIGNED,
	    [VERDICT_PEER] = METRIC_ACTION_PASSED,
	    [VERDICT_TEMPFAIL] = METRIC_ACTION_TEMPFAILED,
	    [VERDICT_REJECT] = METRIC_ACTION_REJECTED,
	    [VERDICT_DISCARD] = METRIC_ACTION_DISCARDED,
	    [VERDICT_QUARANTINE] = METRIC_ACTION_QUARANTINED};
	bool goes_on = message->verdict == VERDICT_SIGN || message->verdict == VERDICT_QUARANTINE;

	if (message->verdict == VERDICT_VERIFY || (goes_on && !message->at_end))
		return;
	if (message->role == MESSAGE_VERIFY && message->verdict == VERDICT_PASS)
		metrics_count(METRIC_MESSAGES, METRIC_ACTION_VERIFIED, METRIC_NONE);
	else
		metrics_count(METRIC_MESSAGES, actions[message->verdict], METRIC_NONE);
}

/* The reply that a decided message gets at the step where it was decided. */
void
session_put_verdict(struct session *session)
{
	const struct session_message *message = &session->message;
	bool permanent = message->verdict == VERDICT_REJECT;
	char code[8];

	count_message(message);
	switch (message->verdict) {
	case VERDICT_PASS:
	case VERDICT_PEER:
		session_put_reply(session, SMFIR_ACCEPT);
		return;
	case VERDICT_DISCARD:
		session_put_reply(session, SMFIR_DISCARD);
		return;
	case VERDICT_SIGN:
	case VERDICT_VERIFY:
		session_put_reply(session, SMFIR_CONTINUE);
		return;
	case VERDICT_QUARANTINE:
		/* Only possible at the end; until then the message goes on. */
		if (message->at_end)
			put_quarantine(session);
		session_put_reply(session, SMFIR_CONTINUE);
		return;
	default:
		snprintf(code, sizeof(code), "%c.%s", permanent ? '5' : '4',
		    message->detail == NULL ? "7.0" : message->detail);
		session_sent(session, milter_put_replycode(&session->out, permanent ? "550" : "451",
					  code, message->refusal));
		return;
	}
}

bool
session_ask(struct session *session)
{
	enum status status = ST_TOO_BIG;

	if (message_frame(session))
		status = session->host->send(session->host);
	session->question_sent = status == ST_OK;
	if (status == ST_TOO_BIG)
		session_keeper_lost(session, "it does not fit into a request to the keeper");
	else if (status == ST_FAILED)
		session_keeper_lost(session, "the request cannot be sent to the keeper");
	return status != ST_UNAVAILABLE;
}

static void
answer_peer(struct session *session, const struct reply *reply)
{
	session->peer = reply->verdict == VERDICT_PEER;
	if ((session->protocol & SMFIP_NR_CONN) != 0)
		return;
	session_put_reply(session, session->peer ? SMFIR_ACCEPT : SMFIR_CONTINUE);
}

static void
take_verdict(struct session *session, const struct reply *reply)
{
	struct session_message *message = &session->message;

	message->verdict = reply->verdict;
	if (reply->text.n > 0)
		session_copy_text(message->refusal, sizeof(message->refusal), reply->text);
	else
		snprintf(message->refusal, sizeof(message->refusal), "%s",
		    reply->verdict == VERDICT_REJECT
			? "this message cannot be signed with DKIM"
			: "DKIM signing is not available, try again later");
}

/* The end of a message that is verified. */
static void
finish_verifying(struct session *session)
{
	verification_conclude(session);
	if (session->state == SESSION_DONE)
		return;
	session_put_verdict(session);
	session_message_over(session);
}

static void
end_verifying(struct session *session)
{
	if (verification_end(session))
		finish_verifying(session);
}

void
session_keys_ready(struct session *session)
{
	session->question = QUESTION_NONE;
	finish_verifying(session);
}

/* Not ours to sign. */
static void
verify_instead(struct session *session, const struct reply *reply)
{
	struct session_message *message = &session->message;

	message_hashing_stop(session);
	if (message->at_end && message->verification.verify != NULL) {
		log_line(LOG_LEVEL_NOTICE,
		    "%s: it was to be signed when its body came, and now it is not: the tables "
		    "have "
		    "changed; message tempfailed",
		    message_job_id(session));
		message_refuse(session, VERDICT_TEMPFAIL, "try again later", NULL);
		session_put_verdict(session);
		session_message_over(session);
		return;
	}
	verification_start(session, reply->trusted);
	if (message->at_end) {
		end_verifying(session);
		return;
	}
	if (message->asked_at_eoh)
		session_put_reply(session, SMFIR_CONTINUE);
	message->verdict = 0;
	message->asked_at_eoh = false;
}

/* It would be signed, were it not for its header. */
static void
check_header(struct session *session)
{
	struct session_message *message = &session->message;

	if (message->defective) {
		message_refuse(session, VERDICT_REJECT, "not RFC 5322 compliant", "0.0");
	} else if (message->unsignable) {
		log_line(LOG_LEVEL_NOTICE,
		    "%s: its header is not RFC 5322 compliant (StrictHeaders); not signed",
		    message_job_id(session));
		message->verdict = VERDICT_PASS;
		metrics_count(METRIC_UNSIGNED, METRIC_UNSIGNED_ERROR, METRIC_NONE);
	}
}

static void
answer_route(struct session *session, const struct reply *reply)
{
	struct session_message *message = &session->message;

	take_verdict(session, reply);
	message->routed = true;
	if (message->verdict == VERDICT_VERIFY) {
		verify_instead(session, reply);
		return;
	}
	if (message->verdict == VERDICT_SIGN)
		check_header(session);
	if (message->verdict != VERDICT_SIGN)
		message_hashing_stop(session);
	else if (!message->hashing && !message->at_end)
		message_hashing_start(session);
	if (message->at_end || message->asked_at_eoh)
		session_put_verdict(session);
	if (message->at_end)
		session_message_over(session);
	message->asked_at_eoh = false;
}

static void
answer_sign(struct session *session, const struct reply *reply)
{
	take_verdict(session, reply);
	if (reply->verdict == VERDICT_VERIFY) {
		verify_instead(session, reply);
		return;
	}
	if (reply->verdict == VERDICT_SIGN && reply->field_count == 0) {
		log_line(LOG_LEVEL_ERROR,
		    "%s: the keeper signed without a field; message tempfailed",
		    message_job_id(session));
		session->message.verdict = VERDICT_TEMPFAIL;
	} else if (reply->verdict == VERDICT_SIGN && !message_put_fields(session, reply)) {
		session_abandon(session, "the header fields could not be put together");
		return;
	} else if (reply->verdict == VERDICT_SIGN) {
		selfverify_message(session->host->selfverify, session, reply);
	}
	session_put_verdict(session);
	session_message_over(session);
}

void
session_answer(struct session *session, const struct reply *reply)
{
	enum session_question question = session->question;

	session->question = QUESTION_NONE;
	switch (question) {
	case QUESTION_PEER:
		answer_peer(session, reply);
		return;
	case QUESTION_ROUTE:
		answer_route(session, reply);
		return;
	case QUESTION_SIGN:
		answer_sign(session, reply);
		return;
	case QUESTION_KEYS:
	case QUESTION_SHADOW:
	case QUESTION_NONE:
		return;
	}
}

/* Whatever comes of it: the MTA has its reply, and nothing was changed. */
static void
end_in_shadow(struct session *session)
{
	struct session_message *message = &session->message;

	if (message->hashing)
		message_body_done(session);
	shadow_send(session);
	message->verdict = VERDICT_PASS;
	session_put_verdict(session);
	session_message_over(session);
}

void
session_end_of_message(struct session *session)
{
	struct session_message *message = &session->message;

	message->at_end = true;
	if (session->host->shadow != NULL) {
		end_in_shadow(session);
		return;
	}
	if (message->verdict != 0 && message->verdict != VERDICT_SIGN) {
		session_put_verdict(session);
		session_message_over(session);
	} else if (message->role == MESSAGE_VERIFY) {
		end_verifying(session);
	} else {
		message_body_done(session);
		/* A defective message is refused if it would have been signed, else let go. */
		session_begin(session, message->defective ? QUESTION_ROUTE : QUESTION_SIGN);
	}
}

void
session_keeper_lost(struct session *session, const char *why)
{
	const struct reply reply = {
	    .verdict = session->question == QUESTION_PEER ? VERDICT_PASS : VERDICT_TEMPFAIL,
	    .text = SPAN_LIT("DKIM signing is not available, try again later")};

	if (session->question == QUESTION_NONE || session->question == QUESTION_KEYS)
		return;
	log_line(LOG_LEVEL_ERROR, "%s: %s; %s", message_job_id(session), why,
	    session->question == QUESTION_PEER ? "taken for no peer" : "message tempfailed");
	if (session->question != QUESTION_PEER)
		metrics_count(METRIC_TEMPFAIL, METRIC_TEMPFAIL_KEEPER, METRIC_NONE);
	session_answer(session, &reply);
}

void
session_abandon(struct session *session, const char *why)
{
	log_line(LOG_LEVEL_WARNING, "%s: connection from the MTA closed: %s (client %s)",
	    message_job_id(session), why,
	    session->client_host[0] == '\0' ? "unknown" : session->client_host);
	message_reset(session);
	session->question = QUESTION_NONE;
	session->state = SESSION_DONE;
}
