/*
 * steps.c - the steps of a milter connection, in the order in which an MTA takes them.
 * Called by the front-end with one event after the other. It must never answer a step twice, nor
 * take one out of order.
 */
#include <stdio.h>

#include "daemon/message.h"
#include "daemon/shadow.h"
#include "daemon/steps.h"
#include "lib/base/metrics.h"

#define STATE(s) (1U << (unsigned int)(s))
#define AFTER_NEGOTIATION                                                                          \
	(STATE(SESSION_NEGOTIATED) | STATE(SESSION_CONNECTED) | STATE(SESSION_ENVELOPE) |          \
	    STATE(SESSION_HEADERS) | STATE(SESSION_BODY))
#define AFTER_CONNECT (AFTER_NEGOTIATION & ~STATE(SESSION_NEGOTIATED))

/* HELO may come again (after STARTTLS) and ends what was begun. */
static void
on_helo(struct session *session, const struct milter_event *event)
{
	(void)event;
	message_reset(session);
	session->state = SESSION_CONNECTED;
	session_step_done(session, SMFIP_NR_HELO);
}

static void
on_mail(struct session *session, const struct milter_event *event)
{
	(void)event;
	if (session->state != SESSION_CONNECTED && session->state != SESSION_NEGOTIATED)
		message_reset(session);
	session->state = SESSION_ENVELOPE;
	session_step_done(session, SMFIP_NR_MAIL);
}

static void
on_rcpt(struct session *session, const struct milter_event *event)
{
	message_recipient(session, event->u.rcpt.address);
	session_step_done(session, SMFIP_NR_RCPT);
}

static void
on_data(struct session *session, const struct milter_event *event)
{
	(void)event;
	session_step_done(session, SMFIP_NR_DATA);
}

static void
on_unknown(struct session *session, const struct milter_event *event)
{
	(void)event;
	session_step_done(session, SMFIP_NR_UNKN);
}

static void
on_header(struct session *session, const struct milter_event *event)
{
	session->state = SESSION_HEADERS;
	if (!session->peer)
		message_header(
		    session, event->u.header.name, event->u.header.value, event->u.header.too_big);
	session_step_done(session, SMFIP_NR_HDR);
}

/* Nothing is decided before the end, and then everything is accepted. */
static void
headers_end_in_shadow(struct session *session)
{
	message_headers_done(session);
	shadow_begin(session);
	if ((session->protocol & SMFIP_NR_EOH) == 0)
		session_put_reply(session, SMFIR_CONTINUE);
}

static void
on_eoh(struct session *session, const struct milter_event *event)
{
	struct session_message *message = &session->message;

	(void)event;
	session->state = SESSION_BODY;
	if (session->host->shadow != NULL) {
		headers_end_in_shadow(session);
		return;
	}
	if (session->peer) {
		message->verdict = VERDICT_PASS;
		metrics_count(METRIC_UNSIGNED, METRIC_UNSIGNED_PEER, METRIC_NONE);
	} else
		message_headers_done(session);
	message->asked_at_eoh = (session->protocol & SMFIP_NR_EOH) == 0;
	if (message->verdict == 0 && message->role == MESSAGE_UNDECIDED &&
	    (message->asked_at_eoh || message->ask_role)) {
		session_begin(session, QUESTION_ROUTE);
		return;
	}
	if (message->asked_at_eoh && message->verdict != 0)
		session_put_verdict(session);
	else if (message->asked_at_eoh)
		session_put_reply(session, SMFIR_CONTINUE);
	message->asked_at_eoh = false;
}

static void
body_step_done(struct session *session)
{
	struct session_message *message = &session->message;

	if (!message->hashing && !verification_wants_body(&message->verification) &&
	    !shadow_wants_body(session) && (session->protocol & SMFIP_SKIP) != 0)
		session_put_reply(session, SMFIR_SKIP);
	else
		session_put_reply(session, SMFIR_CONTINUE);
}

static void
on_body(struct session *session, const struct milter_event *event)
{
	struct session_message *message = &session->message;

	message_body(session, event->u.body.data);
	if (!event->u.body.more && (session->protocol & SMFIP_NR_BODY) == 0)
		body_step_done(session);
	if (message->verdict == 0 && message->role == MESSAGE_UNDECIDED &&
	    session->host->shadow == NULL && message->body_bytes > SESSION_ROUTE_AFTER)
		session_begin(session, QUESTION_ROUTE);
}

static void
on_eom(struct session *session, const struct milter_event *event)
{
	message_body(session, event->u.eom.data);
	session_end_of_message(session);
}

static void
on_abort(struct session *session, const struct milter_event *event)
{
	(void)event;
	session_message_over(session);
}

static void
on_quit(struct session *session, const struct milter_event *event)
{
	(void)event;
	session->state = SESSION_DONE;
}

struct step {
	unsigned int allowed; /* STATE() bits */
	const char *name;
	void (*run)(struct session *session, const struct milter_event *event);
};

static const struct step steps[] = {
    [MILTER_OPTNEG] = {STATE(SESSION_FRESH), "option negotiation", client_optneg},
    [MILTER_MACRO] = {AFTER_NEGOTIATION, "macros", client_macro},
    [MILTER_CONNECT] = {STATE(SESSION_NEGOTIATED) | STATE(SESSION_CONNECTED), "CONNECT",
	client_connect},
    [MILTER_HELO] = {AFTER_NEGOTIATION, "HELO", on_helo},
    [MILTER_MAIL] = {AFTER_NEGOTIATION, "MAIL", on_mail},
    [MILTER_RCPT] = {STATE(SESSION_ENVELOPE), "RCPT", on_rcpt},
    [MILTER_DATA] = {STATE(SESSION_ENVELOPE), "DATA", on_data},
    [MILTER_HEADER] = {STATE(SESSION_ENVELOPE) | STATE(SESSION_HEADERS), "a header", on_header},
    [MILTER_EOH] = {STATE(SESSION_ENVELOPE) | STATE(SESSION_HEADERS), "end of headers", on_eoh},
    [MILTER_BODY] = {STATE(SESSION_BODY), "body", on_body},
    [MILTER_EOM] = {STATE(SESSION_BODY), "end of message", on_eom},
    [MILTER_ABORT] = {AFTER_NEGOTIATION, "ABORT", on_abort},
    [MILTER_QUIT] = {AFTER_NEGOTIATION | STATE(SESSION_FRESH), "QUIT", on_quit},
    [MILTER_QUIT_NC] = {AFTER_NEGOTIATION, "QUIT_NC", client_quit_nc},
    [MILTER_UNKNOWN] = {AFTER_NEGOTIATION, "an unknown command", on_unknown},
};

void
session_event(struct session *session, const struct milter_event *event)
{
	const struct step *step = &steps[event->type];
	char why[128];

	if (session->state == SESSION_DONE)
		return;
	if ((step->allowed & STATE(session->state)) == 0) {
		snprintf(why, sizeof(why), "the MTA sent %s out of order", step->name);
		session_abandon(session, why);
		return;
	}
	step->run(session, event);
}
