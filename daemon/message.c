/*
 * message.c - what is kept of a message while it comes: its facts, header fields and body hash.
 * Called by session.c. It must never keep more of a message than MaximumHeaders and the limits in
 * frame.h, and never let an unsigned message go without a line in the log that says why.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/message.h"
#include "daemon/shadow.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"

/* In a message's arena beside the header: the index of the fields, addresses, parsed signatures. */
#define MESSAGE_EXTRA 1048576U
#define UNKNOWN_JOB_ID "(unknown-jobid)"

void
message_init(struct session *session)
{
	struct session_message *message = &session->message;

	*message = (struct session_message){.verdict = 0};
	/* Fields, their index and copies of folded values. */
	arena_init(&message->arena, 4 * session->host->settings->header_bytes_max + MESSAGE_EXTRA);
	buf_init(&message->recipients, FRAME_RECIPIENTS_MAX);
	buf_init(&message->macros, FRAME_MACROS_MAX);
}

static void
digest_put_back(struct session_host *host, struct digest *digest)
{
	const unsigned int room = sizeof(host->spare) / sizeof(host->spare[0]);

	if (digest != NULL && host->spare_count < room)
		host->spare[host->spare_count++] = digest;
	else
		digest_free(digest);
}

static struct digest *
digest_take(struct session_host *host)
{
	return host->spare_count > 0 ? host->spare[--host->spare_count] : digest_new();
}

void
message_hashing_stop(struct session *session)
{
	digest_put_back(session->host, session->message.digest);
	session->message.digest = NULL;
	session->message.hashing = false;
}

void
message_free(struct session *session)
{
	verification_reset(session);
	shadow_forget(session);
	message_hashing_stop(session);
	arena_free(&session->message.arena);
	buf_free(&session->message.recipients);
	buf_free(&session->message.macros);
}

void
message_reset(struct session *session)
{
	struct session_message *message = &session->message;
	struct arena arena;
	struct buf recipients, macros;

	verification_reset(session);
	shadow_forget(session);
	message_hashing_stop(session);
	/* Between messages a connection holds none of their memory. */
	arena_free(&message->arena);
	buf_reset(&message->recipients);
	buf_reset(&message->macros);
	arena = message->arena;
	recipients = message->recipients;
	macros = message->macros;
	*message =
	    (struct session_message){.arena = arena, .recipients = recipients, .macros = macros};
}

const char *
message_job_id(const struct session *session)
{
	return session->message.job_id[0] == '\0' ? UNKNOWN_JOB_ID : session->message.job_id;
}

void
message_recipient(struct session *session, struct span address)
{
	struct session_message *message = &session->message;

	if (!session->host->settings->want_recipients)
		return;
	address = span_trim(address);
	if (span_starts(address, SPAN_LIT("<")) && span_ends(address, SPAN_LIT(">")))
		address = span_sub(address, 1, address.n - 2);
	frame_list_add(&message->recipients, address);
	message->recipients_lost = buf_status(&message->recipients) != ST_OK;
}

void
message_macro(struct buf *macros, struct span name, struct span value)
{
	struct span rest = buf_span(macros), known, old;
	size_t at = 0;

	while (frame_list_next(&rest, &known) && frame_list_next(&rest, &old)) {
		if (span_eq(known, name)) {
			memmove(macros->p + at, rest.p, rest.n);
			macros->n = at + rest.n;
			break;
		}
		at = macros->n - rest.n;
	}
	frame_list_add(macros, name);
	frame_list_add(macros, value);
}

void
message_refuse(struct session *session, enum verdict verdict, const char *text, const char *detail)
{
	session->message.verdict = verdict;
	session->message.detail = detail;
	snprintf(session->message.refusal, sizeof(session->message.refusal), "%s", text);
}

static void
too_many_headers(struct session *session)
{
	const struct settings *settings = session->host->settings;
	enum verdict verdict = settings_verdict(settings->on_security);

	log_line(LOG_LEVEL_WARNING,
	    "%s: too much header data, more than %zu octets or %d fields; %s",
	    message_job_id(session), settings->header_bytes_max, HEADER_FIELDS_MAX,
	    conf_action_name(settings->on_security));
	if (settings->verify && !settings->verifying.keep_results &&
	    (verdict == VERDICT_PASS || verdict == VERDICT_QUARANTINE)) {
		verification_cut(session);
		return;
	}
	message_refuse(session, verdict, "too much header data", NULL);
	if (verdict == VERDICT_TEMPFAIL)
		metrics_count(METRIC_TEMPFAIL, METRIC_TEMPFAIL_SIZE, METRIC_NONE);
}

static void
keep_header(struct session *session, struct span name, struct span value, bool too_big)
{
	struct session_message *message = &session->message;
	enum status status = ST_TOO_BIG;

	if (!message->headers_ready) {
		message->headers_ready = header_list_init(&message->headers, &message->arena,
					     session->host->settings->header_bytes_max) == ST_OK;
	}
	if (message->headers_ready && !too_big)
		status = header_list_add(
		    &message->headers, name, value, (session->protocol & SMFIP_HDR_LEADSPC) != 0);
	if (status == ST_TOO_BIG)
		too_many_headers(session);
	else if (status != ST_OK)
		log_line(LOG_LEVEL_WARNING,
		    "%s: a header field with an impossible name is left out",
		    message_job_id(session));
}

void
message_header(struct session *session, struct span name, struct span value, bool too_big)
{
	const struct session_message *message = &session->message;

	if (message->verdict != 0)
		return;
	if (!message->verification.cut)
		keep_header(session, name, value, too_big);
	if (message->verification.cut)
		verification_count_cut(session, name);
}

/* The first of SenderHeaders that is there, else From. */
static const struct header_field *
sender_field(struct session *session)
{
	struct session_message *message = &session->message;
	char **names = session->host->settings->sender_headers;
	const struct header_field *field = NULL;

	if (!message->headers_ready)
		return NULL;
	for (size_t i = 0; names[i] != NULL && field == NULL; i++) {
		field = header_list_find(&message->headers, span_str(names[i]));
		message->sender_header = names[i];
	}
	if (field == NULL) {
		field = header_list_find(&message->headers, SPAN_LIT("From"));
		message->sender_header = "From";
	}
	return field;
}

static bool
find_sender(struct session *session)
{
	struct session_message *message = &session->message;
	const struct header_field *field = sender_field(session);
	struct err err = ERR_NONE;
	size_t count;

	if (field == NULL) {
		log_line(LOG_LEVEL_NOTICE, "%s: can't determine message sender; accepting",
		    message_job_id(session));
		return false;
	}
	if (address_parse(field->value, &message->arena, &message->sender, &count, &err) != ST_OK) {
		log_line(LOG_LEVEL_NOTICE,
		    "%s: can't parse %s: header value '%.*s' (%s); not signed",
		    message_job_id(session), message->sender_header,
		    (int)(field->value.n < 200 ? field->value.n : 200), field->value.p, err.text);
		return false;
	}
	/* SenderHeaders may name another; a signature covers From all the same, RFC 6376 5.4. */
	if (header_list_find(&message->headers, SPAN_LIT("From")) == NULL) {
		log_line(LOG_LEVEL_NOTICE, "%s: there is no From: header; not signed",
		    message_job_id(session));
		return false;
	}
	return true;
}

/* A "Canonicalization:" field in the message overrides the configuration, as in opendkim. */
static void
choose_canon(struct session *session)
{
	struct session_message *message = &session->message;
	const struct settings *settings = session->host->settings;
	const struct header_field *field =
	    header_list_find(&message->headers, SPAN_LIT("Canonicalization"));
	bool header_relaxed, body_relaxed;
	char text[64];

	message->header_canon = settings->header_canon;
	message->body_canon = settings->body_canon;
	if (field == NULL || field->value.n >= sizeof(text))
		return;
	snprintf(
	    text, sizeof(text), "%.*s", (int)span_trim(field->value).n, span_trim(field->value).p);
	if (conf_canonicalization(text, &header_relaxed, &body_relaxed, NULL) != ST_OK)
		return;
	message->header_canon = header_relaxed ? CANON_RELAXED : CANON_SIMPLE;
	message->body_canon = body_relaxed ? CANON_RELAXED : CANON_SIMPLE;
}

bool
message_counts_right(const struct session_message *message)
{
	static const char *const single[] = {"Sender", "Reply-To", "To", "Cc", "Bcc", "Message-ID",
	    "In-Reply-To", "References", "Subject"};
	const struct header_list *headers = &message->headers;

	if (header_list_count(headers, SPAN_LIT("From")) != 1 ||
	    header_list_count(headers, SPAN_LIT("Date")) != 1)
		return false;
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
		if (header_list_count(headers, span_str(single[i])) > 1)
			return false;
	return true;
}

void
message_hashing_start(struct session *session)
{
	struct session_message *message = &session->message;
	const struct settings *settings = session->host->settings;

	choose_canon(session);
	message->digest = digest_take(session->host);
	canon_body_init(&message->body, message->body_canon, message->digest, settings->body_limit,
	    settings->fix_crlf);
	message->hashing = true;
}

/* Without s in Mode most configurations need not ask the keeper at all. */
static bool
role_in_question(const struct session *session)
{
	const struct settings *settings = session->host->settings;
	const struct verification *verification = &session->message.verification;

	return settings->sign || settings->verifying.ask_role ||
	       (settings->verifying.ask_trusted && verification->verify != NULL);
}

void
message_headers_done(struct session *session)
{
	struct session_message *message = &session->message;
	const struct settings *settings = session->host->settings;
	bool sender_known;

	if (message->verdict != 0 || message->verification.cut)
		return;
	sender_known = find_sender(session);
	if (!sender_known && settings->sign && !settings->shadow)
		metrics_count(METRIC_UNSIGNED, METRIC_UNSIGNED_NO_SENDER, METRIC_NONE);
	message->defective = settings->required_headers && !message_counts_right(message);
	message->unsignable = settings->verifying.strict_headers && !message_counts_right(message);
	if (settings->verify && verification_has_signatures(session))
		verification_read(session);
	if (settings->verify && (!sender_known || !role_in_question(session)))
		verification_start(session, 0);
	else if (!sender_known || (!settings->sign && !settings->verify))
		message_refuse(session, VERDICT_PASS, "", NULL);
	else if (message->verification.verify != NULL || !settings->sign || message->unsignable)
		message->ask_role = true;
	else
		message_hashing_start(session);
}

void
message_body(struct session *session, struct span data)
{
	struct session_message *message = &session->message;

	if (data.n == 0)
		return;
	shadow_body(session, data);
	if (message->role == MESSAGE_VERIFY)
		verification_body(&message->verification, data);
	if (!message->hashing)
		return;
	canon_body_update(&message->body, data);
	message->body_bytes += data.n;
}

void
message_body_done(struct session *session)
{
	struct session_message *message = &session->message;

	canon_body_finish(&message->body, message->body_hash, &message->body_octets);
	message_hashing_stop(session);
}
