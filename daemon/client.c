/*
 * client.c - what is known of a connection's client: the options of its MTA, macros, name, address.
 * The first steps of a session; steps.c has the others. It must never take a client for internal
 * because something about it could not be read.
 */
#include <arpa/inet.h>
#include <string.h>

#include "daemon/message.h"
#include "daemon/steps.h"

void
client_optneg(struct session *session, const struct milter_event *event)
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

	/* The MTA itself takes care then that nothing is changed. */
	if (session->host->shadow != NULL)
		want = (struct milter_want){.actions_liked = SMFIF_SETSYMLIST,
		    .protocol = want.protocol,
		    .pipelining = want.pipelining};

	if (settings->remove_old_signatures ||
	    (settings->verify && !settings->verifying.keep_results))
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
	session_sent(session, milter_put_optneg(&session->out, &agreed, lists, 2));
}

static void
forget_login(struct session *session)
{
	session->authenticated = session->login_lost = false;
	session->login[0] = '\0';
}

/* A login that was cut could be somebody else's. */
static void
set_login(struct session *session, struct span value)
{
	session->login_lost = value.n > FRAME_LOGIN_MAX;
	session_copy_text(session->login, sizeof(session->login), value);
}

/* The macros of a stage that begins something come before its command. */
static void
macros_begin(struct session *session, char command)
{
	if (command == SMFIC_CONNECT) {
		buf_reset(&session->macros);
		session->daemon_name[0] = '\0';
	}
	if (command != SMFIC_MAIL)
		return;
	/* Each MAIL says anew whether its client has logged in. */
	forget_login(session);
	if (session->state > SESSION_CONNECTED)
		session_message_over(session);
}

void
client_macro(struct session *session, const struct milter_event *event)
{
	char command = event->u.macro.command;
	bool of_connection = command == SMFIC_CONNECT || command == SMFIC_HELO;
	struct milter_args pairs = event->u.macro.pairs;
	struct span name, value;

	macros_begin(session, command);
	while (milter_macros_next(&pairs, &name, &value)) {
		if (span_starts(name, SPAN_LIT("{")) && span_ends(name, SPAN_LIT("}")))
			name = span_sub(name, 1, name.n - 2);
		if (span_eq_str(name, "i"))
			session_copy_text(
			    session->message.job_id, sizeof(session->message.job_id), value);
		else if (span_eq_str(name, "daemon_name"))
			session_copy_text(
			    session->daemon_name, sizeof(session->daemon_name), value);
		else if (span_eq_str(name, "j"))
			session_copy_text(session->mta_name, sizeof(session->mta_name), value);
		else if (span_eq_str(name, "auth_type"))
			session->authenticated = value.n > 0;
		else if (span_eq_str(name, "auth_authen"))
			set_login(session, value);
		if (session->host->settings->want_macros)
			message_macro(of_connection ? &session->macros : &session->message.macros,
			    name, value);
	}
}

static void
set_address(struct session *session, char family, struct span text)
{
	char address[64];

	/* An address that cannot be read is nobody's: 0.0.0.0, not the 127.0.0.1 that a client
	 * without an address counts as. */
	session->family = family == SMFIA_UNKNOWN ? 0 : 4;
	memset(session->address, 0, sizeof(session->address));
	session_copy_text(address, sizeof(address), text);
	if (family == SMFIA_UNIX)
		session->family = 'U';
	else if (family == SMFIA_INET && inet_pton(AF_INET, address, session->address) == 1)
		session->family = 4;
	else if (family == SMFIA_INET6 &&
		 inet_pton(AF_INET6, strncasecmp(address, "IPv6:", 5) == 0 ? address + 5 : address,
		     session->address) == 1)
		session->family = 6;
}

void
client_connect(struct session *session, const struct milter_event *event)
{
	message_reset(session);
	session_copy_text(
	    session->client_host, sizeof(session->client_host), event->u.connect.host);
	set_address(session, event->u.connect.family, event->u.connect.address);
	forget_login(session);
	session->peer = false;
	session->state = SESSION_CONNECTED;
	if (!session->host->settings->ask_peer) {
		session_step_done(session, SMFIP_NR_CONN);
		return;
	}
	session_begin(session, QUESTION_PEER);
}

void
client_quit_nc(struct session *session, const struct milter_event *event)
{
	(void)event;
	message_reset(session);
	buf_reset(&session->macros);
	session->peer = false;
	forget_login(session);
	session->family = 4; /* 0.0.0.0 */
	memset(session->address, 0, sizeof(session->address));
	session->client_host[0] = session->daemon_name[0] = session->mta_name[0] = '\0';
	session->state = SESSION_NEGOTIATED;
}
