/*
 * verification.c - the signatures of a message, and the keys that are asked for them.
 * Called by a session between the end of the headers and the end of the message. It must never
 * wait, never ask for a name that was not validated, nor for more than VERIFY_SIGNATURES_MAX.
 */
#include <string.h>

#include "daemon/message.h"
#include "daemon/verification.h"
#include "lib/base/log.h"
#include "lib/dkim/authres.h"
#include "lib/dkim/signature.h"

void
verification_reset(struct session *session)
{
	struct verification *verification = &session->message.verification;

	for (size_t i = 0; verification->waiting > 0 && i < VERIFY_SIGNATURES_MAX; i++)
		resolver_cancel(session->host->resolver, &verification->questions[i].query);
	verify_free(verification->verify);
	*verification = (struct verification){.verify = NULL};
}

/* One From that can be read: whom else would a result speak of? RFC 6376 section 8.15. */
static bool
author_known(struct session *session)
{
	struct session_message *message = &session->message;
	const struct header_field *from;
	struct address author;
	size_t count;

	if (!message->headers_ready)
		return false;
	from = header_list_find(&message->headers, SPAN_LIT("From"));
	if (from == NULL || header_list_count(&message->headers, SPAN_LIT("From")) != 1 ||
	    address_parse(from->value, &message->arena, &author, &count, NULL) != ST_OK)
		return false;
	message->verification.author = author.domain;
	return true;
}

static bool
well_formed(struct session *session)
{
	const struct settings_verify *settings = &session->host->settings->verifying;

	if (settings->strict_headers && !message_counts_right(&session->message))
		return false;
	return author_known(session) || settings->weak_syntax;
}

bool
verification_has_signatures(const struct session *session)
{
	const struct session_message *message = &session->message;

	return message->headers_ready &&
	       header_list_find(&message->headers, SPAN_LIT(SIGNATURE_FIELD_NAME)) != NULL;
}

void
verification_read(struct session *session)
{
	struct session_message *message = &session->message;
	struct verification *verification = &message->verification;
	struct err err = ERR_NONE;

	verification->read = true;
	verification->malformed = !well_formed(session);
	if (verification->malformed || !verification_has_signatures(session))
		return;
	verification->options = session->host->settings->verifying.options;
	verification->options.now_utc = session->host->now_utc;
	verification->options.keys = session->host->keys;
	if (verify_new(&message->headers, &verification->options, &message->arena,
		&verification->verify, &err) == ST_OK)
		return;
	log_line(LOG_LEVEL_WARNING, "%s: its signatures are too big to be looked at: %s",
	    message_job_id(session), err.text);
	verification->lost = true;
}

void
verification_signers(const struct verification *verification, struct buf *list)
{
	size_t count = verification->verify == NULL ? 0 : verify_count(verification->verify);

	for (size_t i = 0; i < count; i++)
		frame_list_add(list, verify_signature(verification->verify, i)->field.domain);
}

void
verification_cut(struct session *session)
{
	struct verification *verification = &session->message.verification;

	session->message.role = MESSAGE_VERIFY;
	verification->read = verification->lost = verification->cut = true;
}

void
verification_count_cut(struct session *session, struct span name)
{
	if (header_name_eq(name, SPAN_LIT(AUTHRES_FIELD_NAME)))
		session->message.verification.results_cut++;
}

/* ---- keys ---- */

static enum verify_dnssec
dnssec_of(enum dns_security security)
{
	static const enum verify_dnssec words[] = {[DNS_UNKNOWN] = VERIFY_DNSSEC_UNKNOWN,
	    [DNS_INSECURE] = VERIFY_DNSSEC_INSECURE,
	    [DNS_SECURE] = VERIFY_DNSSEC_SECURE,
	    [DNS_BOGUS] = VERIFY_DNSSEC_BOGUS};

	return words[security];
}

static void
log_answer(const struct session *session, struct span name, const struct dns_answer *answer)
{
	if (answer->status == ST_OK || answer->status == ST_ABSENT)
		return;
	log_line(LOG_LEVEL_NOTICE, "%s: key %.*s: %s", message_job_id(session), SPAN_ARG(name),
	    answer->why == NULL ? status_name(answer->status) : answer->why);
}

/* One answer serves all signatures that name the same key. */
static void
on_answer(void *owner, const struct dns_answer *answer)
{
	struct verification_question *question = owner;
	struct session *session = question->session;
	struct verification *verification = &session->message.verification;
	struct span texts[DNS_TEXTS_MAX];
	const struct verify_key key = {answer->status, texts,
	    answer->count < DNS_TEXTS_MAX ? answer->count : DNS_TEXTS_MAX,
	    dnssec_of(answer->security)};
	size_t same_as;

	for (size_t i = 0; i < key.count; i++)
		texts[i] = answer->texts[i].joined;
	log_answer(session, verify_query(verification->verify, question->index, &same_as), answer);
	for (size_t i = question->index; i < verify_count(verification->verify); i++)
		if (verify_query(verification->verify, i, &same_as).n > 0 &&
		    same_as == question->index)
			verify_key(verification->verify, i, &key);
	verification->waiting--;
	if (verification->waiting == 0 && session->question == QUESTION_KEYS)
		session->host->resume(session);
}

static void
ask_for_keys(struct session *session)
{
	struct verification *verification = &session->message.verification;
	const struct settings_verify *settings = &session->host->settings->verifying;
	size_t count = verify_count(verification->verify), same_as;

	for (size_t i = 0; i < count; i++) {
		struct verification_question *question = &verification->questions[i];
		struct span name = verify_query(verification->verify, i, &same_as);

		if (name.n == 0 || same_as != i)
			continue;
		*question = (struct verification_question){session, i, NULL};
		verification->waiting++;
		resolver_txt(session->host->resolver, name, settings->dns_timeout_ms, on_answer,
		    question, &question->query);
	}
}

static void
choose_signatures(struct session *session, uint32_t trusted)
{
	struct verification *verification = &session->message.verification;
	bool first[VERIFY_SIGNATURES_MAX] = {false};
	size_t count = verify_count(verification->verify);

	for (size_t i = 0; i < count; i++) {
		const struct sigfield *field = &verify_signature(verification->verify, i)->field;

		first[i] = (trusted >> i & 1U) != 0 ||
			   (field->domain.n > 0 && span_eq(field->domain, verification->author));
	}
	verify_choose(
	    verification->verify, session->host->settings->verifying.signatures_max, first);
}

void
verification_start(struct session *session, uint32_t trusted)
{
	session->message.role = MESSAGE_VERIFY;
	if (!session->message.verification.read)
		verification_read(session);
	if (session->message.verification.verify == NULL)
		return;
	choose_signatures(session, trusted);
	ask_for_keys(session);
}

/* ---- the body, the end ---- */

bool
verification_wants_body(const struct verification *verification)
{
	return verification->verify != NULL && verify_wants_body(verification->verify);
}

void
verification_body(struct verification *verification, struct span piece)
{
	if (verification->verify != NULL)
		verify_body(verification->verify, piece);
}

bool
verification_end(struct session *session)
{
	struct verification *verification = &session->message.verification;

	if (verification->verify != NULL)
		verify_body_done(verification->verify);
	if (verification->waiting == 0)
		return true;
	session->question = QUESTION_KEYS;
	return false;
}
