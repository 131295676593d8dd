/*
 * message_request.c - what the keeper is asked about a message.
 * Called by session.c for each question. It must never leave a fact out that the decision looks at:
 * what does not fit is said, and not cut.
 */
#include <string.h>

#include "daemon/message.h"
#include "daemon/shadow.h"
#include "lib/dkim/signature.h"

/* Those of the connection, and over them those of the message. */
static void
add_macros(struct session *session, struct request *request, struct buf *macros)
{
	struct span rest = buf_span(&session->message.macros), name, value;

	buf_add(macros, buf_span(&session->macros));
	while (frame_list_next(&rest, &name) && frame_list_next(&rest, &value))
		message_macro(macros, name, value);
	request->macros = buf_span(macros);
}

/* Nothing that the decision looks at may be missing. */
static bool
facts_whole(const struct session *session, const struct buf *macros)
{
	return !session->message.recipients_lost && !session->login_lost &&
	       buf_status(macros) == ST_OK && buf_status(&session->macros) == ST_OK &&
	       buf_status(&session->message.macros) == ST_OK;
}

static void
add_facts(struct session *session, struct request *request)
{
	struct session_message *message = &session->message;

	request->job_id = span_str(message_job_id(session));
	request->daemon_name = span_str(session->daemon_name);
	request->recipients = buf_span(&message->recipients);
	request->sender_header = span_str(message->sender_header);
	request->user = message->sender.user;
	request->domain = message->sender.domain;
	if (session->authenticated) {
		request->flags |= REQUEST_FLAG_AUTHENTICATED;
		request->login = span_str(session->login);
	}
	if (message->routed)
		request->flags |= REQUEST_FLAG_ROUTED;
}

/* Selects and canonicalises the header; the keeper hashes it. */
static bool
add_header_block(struct session *session, struct request *request, struct buf *names)
{
	struct session_message *message = &session->message;
	struct session_host *host = session->host;
	const struct header_selection *selection = &message->selection;

	/* Once, however often the question is asked. */
	if (!message->selected && header_policy_select(host->settings->policy, &message->headers,
				      &message->arena, &message->selection) != ST_OK)
		return false;
	message->selected = true;
	buf_reset(&host->scratch);
	header_selection_canon(selection, &message->headers, message->header_canon, &host->scratch);
	header_selection_names(selection, names);
	request->canonical = buf_span(&host->scratch);
	request->header_names = buf_span(names);
	if (message->header_canon == CANON_RELAXED)
		request->flags |= REQUEST_FLAG_HEADER_RELAXED;
	if (message->body_canon == CANON_RELAXED)
		request->flags |= REQUEST_FLAG_BODY_RELAXED;
	request->body_length = host->settings->body_limit >= 0 ? (int64_t)message->body_octets : -1;
	memcpy(request->body_hash, message->body_hash, SHA256_BYTES);
	return buf_status(&host->scratch) == ST_OK && buf_status(names) == ST_OK;
}

bool
message_frame(struct session *session)
{
	static const enum request_type types[] = {[QUESTION_PEER] = REQUEST_PEER,
	    [QUESTION_ROUTE] = REQUEST_ROUTE,
	    [QUESTION_SIGN] = REQUEST_SIGN,
	    [QUESTION_SHADOW] = REQUEST_SHADOW};
	struct session_host *host = session->host;
	struct request request = {.type = types[session->question],
	    .frontend = host->frontend,
	    .family = session->family,
	    .id = ++host->next_id,
	    .host = span_str(session->client_host),
	    .body_length = -1};
	struct buf names, macros, signers;
	bool fits;

	session->question_id = request.id;
	memcpy(request.address, session->address, sizeof(request.address));
	buf_init(&names, SIGNATURE_NAMES_MAX);
	buf_init(&macros, FRAME_MACROS_MAX);
	buf_init(&signers, FRAME_SIGNERS_BYTES_MAX);
	if (session->question != QUESTION_PEER) {
		add_facts(session, &request);
		add_macros(session, &request, &macros);
	}
	if (session->question == QUESTION_ROUTE) {
		verification_signers(&session->message.verification, &signers);
		request.signers = buf_span(&signers);
	}
	if (session->question == QUESTION_SHADOW) {
		shadow_signers(session, &signers);
		request.signers = buf_span(&signers);
	}
	fits = facts_whole(session, &macros) && buf_status(&signers) == ST_OK;
	if (session->question == QUESTION_SIGN || session->question == QUESTION_SHADOW)
		fits = fits && add_header_block(session, &request, &names);
	buf_reset(&host->frame);
	fits = fits && request_encode(&request, &host->frame) == ST_OK;
	buf_free(&names);
	buf_free(&macros);
	buf_free(&signers);
	return fits;
}
