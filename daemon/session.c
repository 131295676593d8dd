/*
 * session.c - the steps of a milter connection, in the order in which an MTA takes them.
 * Called by the front-end with one event after the other. It must never wait, never see a key, and
 * never let a message go without a verdict that was given or a refusal.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "daemon/message.h"
#include "daemon/session.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

#define STATE(s) (1U << (unsigned int)(s))
#define AFTER_NEGOTIATION                                                                          \
	(STATE(SESSION_NEGOTIATED) | STATE(SESSION_CONNECTED) | STATE(SESSION_ENVELOPE) |          \
	    STATE(SESSION_HEADERS) | STATE(SESSION_BODY))
#define AFTER_CONNECT (AFTER_NEGOTIATION & ~STATE(SESSION_NEGOTIATED))

void
session_init(struct session *session, struct session_host *host)
{
	*session = (struct session){.host = host, .state = SESSION_FRESH};
	buf_init(&session->out, SESSION_OUT_MAX);
	message_init(session);
}

void
session_free(struct session *session)
{
	message_free(session);
	buf_free(&session->out);
}

/* An answer that cannot be written (a bug, or a peer that reads nothing) ends the connection. */
static void
sent(struct session *session, enum status status)
{
	if (status != ST_OK)
		session_abandon(session, "an answer could not be put together");
}

static void
put_reply(struct session *session, enum milter_reply reply)
{
	sent(session, milter_put_reply(&session->out, reply));
}

/* The reply to a step, unless the MTA does not wait for one. */
static void
step_done(struct session *session, uint32_t no_reply)
{
	if ((session->protocol & no_reply) == 0)
		put_reply(session, SMFIR_CONTINUE);
}

static void
on_optneg(struct session *session, const struct milter_event *event)
{
	const struct settings *settings = session->host->settings;
	struct milter_want want = {.actions_needed = SMFIF_ADDHDRS,
	    .actions_liked = SMFIF_SETSYMLIST | SMFIF_QUARANTINE,
	    .protocol = SMFIP_NOHELO | SMFIP_NODATA | SMFIP_NOUNKNOWN | SMFIP_SKIP |
			SMFIP_HDR_LEADSPC | SMFIP_NR_ALL,
	    .pipelining = settings->pipelining};
	const struct milter_symlist lists[] = {
	    {SMFIM_CONNECT, settings->connect_macros}, {SMFIM_ENVFROM, settings->mail_macros}};
	struct milter_options agreed;
	struct err err = ERR_NONE;

	if (settings->remove_old_signatures)
		want.actions_needed |= SMFIF_CHGHDRS;
	/* A peer of PeerList is let go at connect, which needs the MTA to wait there. */
	if (settings->ask_peer)
		want.protocol &= ~SMFIP_NR_CONN;
	if (!settings->want_recipients)
		want.protocol |= SMFIP_NORCPT;
	if (milter_negotiate(&event->u.optneg, &want, &agreed, &err) != ST_OK) {
		session_abandon(session, err.text);
		return;
	}
	session->version = agreed.version;
	session->actions = agreed.actions;
	session->protocol = agreed.protocol;
	session->state = SESSION_NEGOTIATED;
	sent(session, milter_put_optneg(&session->out, &agreed, lists, 2));
}

static void
copy_text(char *to, size_t size, struct span s)
{
	size_t n = s.n < size ? s.n : size - 1;

	if (n > 0)
		memcpy(to, s.p, n);
	to[n] = '\0';
}

static void
on_macro(struct session *session, const struct milter_event *event)
{
	struct milter_args pairs = event->u.macro.pairs;
	struct span name, value;

	/* Each MAIL says anew whether its client has logged in. */
	if (event->u.macro.command == SMFIC_MAIL)
		session->authenticated = false;
	while (milter_macros_next(&pairs, &name, &value)) {
		if (span_starts(name, SPAN_LIT("{")) && span_ends(name, SPAN_LIT("}")))
			name = span_sub(name, 1, name.n - 2);
		if (span_eq_str(name, "i"))
			copy_text(session->message.job_id, sizeof(session->message.job_id), value);
		else if (span_eq_str(name, "daemon_name"))
			copy_text(session->daemon_name, sizeof(session->daemon_name), value);
		else if (span_eq_str(name, "auth_type"))
			session->authenticated = value.n > 0;
		if (session->host->settings->want_macros) {
			frame_list_add(&session->message.macros, name);
			frame_list_add(&session->message.macros, value);
		}
	}
}

static void
set_address(struct session *session, char family, struct span text)
{
	char address[64];

	session->family = 0;
	copy_text(address, sizeof(address), text);
	if (family == SMFIA_UNIX)
		session->family = 'U';
	else if (family == SMFIA_INET && inet_pton(AF_INET, address, session->address) == 1)
		session->family = 4;
	else if (family == SMFIA_INET6 &&
		 inet_pton(AF_INET6, strncasecmp(address, "IPv6:", 5) == 0 ? address + 5 : address,
		     session->address) == 1)
		session->family = 6;
}

static void
on_connect(struct session *session, const struct milter_event *event)
{
	message_reset(session);
	copy_text(session->client_host, sizeof(session->client_host), event->u.connect.host);
	set_address(session, event->u.connect.family, event->u.connect.address);
	session->authenticated = false;
	session->peer = false;
	session->state = SESSION_CONNECTED;
	if (!session->host->settings->ask_peer) {
		step_done(session, SMFIP_NR_CONN);
		return;
	}
	session->question = QUESTION_PEER;
	session_ask(session);
}

/* HELO may come again (after STARTTLS) and ends what was begun. */
static void
on_helo(struct session *session, const struct milter_event *event)
{
	(void)event;
	message_reset(session);
	session->state = SESSION_CONNECTED;
	step_done(session, SMFIP_NR_HELO);
}

static void
on_mail(struct session *session, const struct milter_event *event)
{
	(void)event;
	if (session->state != SESSION_CONNECTED && session->state != SESSION_NEGOTIATED)
		message_reset(session);
	session->state = SESSION_ENVELOPE;
	step_done(session, SMFIP_NR_MAIL);
}

static void
on_rcpt(struct session *session, const struct milter_event *event)
{
	message_recipient(session, event->u.rcpt.address);
	step_done(session, SMFIP_NR_RCPT);
}

static void
on_data(struct session *session, const struct milter_event *event)
{
	(void)event;
	step_done(session, SMFIP_NR_DATA);
}

static void
on_unknown(struct session *session, const struct milter_event *event)
{
	(void)event;
	step_done(session, SMFIP_NR_UNKN);
}

static void
on_header(struct session *session, const struct milter_event *event)
{
	session->state = SESSION_HEADERS;
	if (!session->peer)
		message_header(
		    session, event->u.header.name, event->u.header.value, event->u.header.too_big);
	step_done(session, SMFIP_NR_HDR);
}

static void
put_quarantine(struct session *session)
{
	if ((session->actions & SMFIF_QUARANTINE) != 0)
		sent(session, milter_put_quarantine(&session->out, "DKIM signing is not possible"));
	else
		log_line(LOG_LEVEL_WARNING,
		    "%s: the MTA has no quarantine; the message goes unsigned",
		    message_job_id(session));
}

/* The reply that a decided message gets at the step where it was decided. */
static void
put_verdict(struct session *session)
{
	const struct session_message *message = &session->message;
	bool permanent = message->verdict == VERDICT_REJECT;

	switch (message->verdict) {
	case VERDICT_PASS:
	case VERDICT_PEER:
		put_reply(session, SMFIR_ACCEPT);
		return;
	case VERDICT_DISCARD:
		put_reply(session, SMFIR_DISCARD);
		return;
	case VERDICT_SIGN:
		put_reply(session, SMFIR_CONTINUE);
		return;
	case VERDICT_QUARANTINE:
		/* Only possible at the end; until then the message goes on. */
		if (message->at_end)
			put_quarantine(session);
		put_reply(session, SMFIR_CONTINUE);
		return;
	default:
		sent(session, milter_put_replycode(&session->out, permanent ? "550" : "451",
				  permanent ? "5.7.0" : "4.7.0", message->refusal));
		return;
	}
}

static void
begin_question(struct session *session, enum session_question question)
{
	session->question = question;
	session->question_sent = false;
	session_ask(session);
}

static void
on_eoh(struct session *session, const struct milter_event *event)
{
	(void)event;
	session->state = SESSION_BODY;
	if (session->peer)
		session->message.verdict = VERDICT_PASS;
	else
		message_headers_done(session);
	if ((session->protocol & SMFIP_NR_EOH) != 0)
		return;
	if (session->message.verdict != 0) {
		put_verdict(session);
		return;
	}
	session->message.asked_at_eoh = true;
	begin_question(session, QUESTION_ROUTE);
}

static void
body_step_done(struct session *session)
{
	struct session_message *message = &session->message;

	if (!message->hashing && (session->protocol & SMFIP_SKIP) != 0)
		put_reply(session, SMFIR_SKIP);
	else
		put_reply(session, SMFIR_CONTINUE);
}

static void
on_body(struct session *session, const struct milter_event *event)
{
	struct session_message *message = &session->message;

	message_body(session, event->u.body.data);
	if (!event->u.body.more && (session->protocol & SMFIP_NR_BODY) == 0)
		body_step_done(session);
	if (message->verdict == 0 && message->body_bytes > SESSION_ROUTE_AFTER)
		begin_question(session, QUESTION_ROUTE);
}

static void
message_over(struct session *session)
{
	message_reset(session);
	session->state = SESSION_CONNECTED;
}

static void
on_eom(struct session *session, const struct milter_event *event)
{
	struct session_message *message = &session->message;

	message_body(session, event->u.eom.data);
	message->at_end = true;
	if (message->verdict != 0 && message->verdict != VERDICT_SIGN) {
		put_verdict(session);
		message_over(session);
		return;
	}
	message_body_done(session);
	/* A defective message is refused if it would have been signed, else let go. */
	begin_question(session, message->defective ? QUESTION_ROUTE : QUESTION_SIGN);
}

static void
on_abort(struct session *session, const struct milter_event *event)
{
	(void)event;
	message_over(session);
}

static void
on_quit(struct session *session, const struct milter_event *event)
{
	(void)event;
	session->state = SESSION_DONE;
}

static void
on_quit_nc(struct session *session, const struct milter_event *event)
{
	(void)event;
	message_reset(session);
	session->state = SESSION_NEGOTIATED;
}

struct step {
	unsigned int allowed; /* STATE() bits */
	const char *name;
	void (*run)(struct session *session, const struct milter_event *event);
};

static const struct step steps[] = {
    [MILTER_OPTNEG] = {STATE(SESSION_FRESH), "option negotiation", on_optneg},
    [MILTER_MACRO] = {AFTER_NEGOTIATION, "macros", on_macro},
    [MILTER_CONNECT] = {STATE(SESSION_NEGOTIATED) | STATE(SESSION_CONNECTED), "CONNECT",
	on_connect},
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
    [MILTER_QUIT_NC] = {AFTER_NEGOTIATION, "QUIT_NC", on_quit_nc},
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
	put_reply(session, session->peer ? SMFIR_ACCEPT : SMFIR_CONTINUE);
}

static void
take_verdict(struct session *session, const struct reply *reply)
{
	struct session_message *message = &session->message;

	message->verdict = reply->verdict;
	copy_text(message->refusal, sizeof(message->refusal),
	    reply->text.n > 0 ? reply->text
			      : SPAN_LIT("DKIM signing is not available, try again later"));
}

static void
answer_route(struct session *session, const struct reply *reply)
{
	struct session_message *message = &session->message;

	take_verdict(session, reply);
	message->routed = true;
	if (message->verdict == VERDICT_SIGN && message->defective) {
		message->verdict = VERDICT_REJECT;
		snprintf(message->refusal, sizeof(message->refusal), "not RFC 5322 compliant");
	}
	if (message->verdict != VERDICT_SIGN)
		message_hashing_stop(session);
	if (message->at_end || message->asked_at_eoh)
		put_verdict(session);
	if (message->at_end)
		message_over(session);
	message->asked_at_eoh = false;
}

static void
answer_sign(struct session *session, const struct reply *reply)
{
	take_verdict(session, reply);
	if (reply->verdict == VERDICT_SIGN && !message_put_fields(session, reply)) {
		session_abandon(session, "the header fields could not be put together");
		return;
	}
	put_verdict(session);
	message_over(session);
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
	case QUESTION_NONE:
		return;
	}
}

void
session_keeper_lost(struct session *session, const char *why)
{
	const struct reply reply = {
	    .verdict = session->question == QUESTION_PEER ? VERDICT_PASS : VERDICT_TEMPFAIL,
	    .text = SPAN_LIT("DKIM signing is not available, try again later")};

	if (session->question == QUESTION_NONE)
		return;
	log_line(LOG_LEVEL_ERROR, "%s: %s; message tempfailed", message_job_id(session), why);
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
