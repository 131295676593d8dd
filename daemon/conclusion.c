/*
 * conclusion.c - the end of a verified message: results into a verdict, the log, and
 * Authentication-Results.
 * Called by the session when the body and all keys are there. It must never let a forged
 * Authentication-Results field of our own name stand beside ours, nor write into a field what a
 * peer chose and nobody validated.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/message.h"
#include "daemon/outcome.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"
#include "lib/dkim/authres.h"

#define UNKNOWN_HOST "unknown-host"
/* For the names of one Authentication-Results field. */
#define SCRATCH_BYTES (64U * AUTHRES_ID_MAX)

/* ---- the log ---- */

static void
log_signature(const struct session *session, const struct verify_signature *signature)
{
	log_line(LOG_LEVEL_INFO, "%s: signature=%.*s domain=%.*s selector=%.*s result=\"%s%s%s\"",
	    message_job_id(session),
	    (int)(signature->field.b_text.n < 8 ? signature->field.b_text.n : 8),
	    signature->field.b_text.n == 0 ? "" : signature->field.b_text.p,
	    SPAN_ARG(signature->field.domain), SPAN_ARG(signature->field.selector),
	    verify_result_name(signature->result), signature->result == VERIFY_PASS ? "" : ": ",
	    signature->result == VERIFY_PASS ? "" : verify_reason_text(signature->reason));
}

static void
log_failure(const struct session *session, const struct outcome *outcome)
{
	const struct verify_signature *signature = outcome->signature;

	log_line(LOG_LEVEL_INFO, "%s: s=%.*s d=%.*s a=%.*s: %s%s%.*s%s", message_job_id(session),
	    SPAN_ARG(signature->field.selector), SPAN_ARG(signature->field.domain),
	    SPAN_ARG(signature->field.algorithm_text), verify_reason_text(signature->reason),
	    signature->detail.n > 0 ? ": " : "", SPAN_ARG(signature->detail),
	    signature->testing ? "; the key is for testing (t=y)" : "");
	if (outcome->verdict == VERDICT_PASS)
		log_line(LOG_LEVEL_INFO, "%s: %s", message_job_id(session),
		    outcome_words(outcome->cause));
}

/* RFC 6376 8.2: whoever handled the message may have appended what l= leaves out. */
static void
log_coverage(const struct session *session, const struct verify *verify)
{
	for (size_t i = 0; i < verify_count(verify); i++) {
		const struct verify_signature *signature = verify_signature(verify, i);

		if (signature->result != VERIFY_PASS ||
		    signature->body_covered >= signature->body_octets)
			continue;
		log_line(LOG_LEVEL_INFO,
		    "%s: s=%.*s d=%.*s: passes, but covers %llu of %llu octets of the body (l=); "
		    "Minimum can ask for more",
		    message_job_id(session), SPAN_ARG(signature->field.selector),
		    SPAN_ARG(signature->field.domain), (unsigned long long)signature->body_covered,
		    (unsigned long long)signature->body_octets);
	}
}

static void
log_signatures(
    const struct session *session, const struct verify *verify, const struct outcome *outcome)
{
	const struct settings *settings = session->host->settings;
	const struct verify_signature *decided = outcome->signature;

	for (size_t i = 0; settings->verifying.log_results && i < verify_count(verify); i++)
		log_signature(session, verify_signature(verify, i));
	log_coverage(session, verify);
	if (decided == NULL)
		return;
	if (decided->result != VERIFY_PASS)
		log_failure(session, outcome);
	else if (settings->log_success)
		log_line(LOG_LEVEL_INFO,
		    "%s: DKIM verification successful (s=%.*s, d=%.*s, %d-bit key)",
		    message_job_id(session), SPAN_ARG(decided->field.selector),
		    SPAN_ARG(decided->field.domain), decided->key_bits);
}

static void
log_outcome(const struct session *session, const struct outcome *outcome)
{
	const struct verify *verify = session->message.verification.verify;

	if (verify != NULL)
		log_signatures(session, verify, outcome);
	else if (session->host->settings->log_why)
		log_line(LOG_LEVEL_INFO, "%s: no signature data", message_job_id(session));
	if (outcome->verdict != VERDICT_PASS)
		log_line(LOG_LEVEL_NOTICE, "%s: %s; message %s", message_job_id(session),
		    outcome_words(outcome->cause), outcome_verdict_words(outcome->verdict));
}

static void
count_tempfail(const struct outcome *outcome)
{
	if (outcome->verdict == VERDICT_TEMPFAIL)
		metrics_count(METRIC_TEMPFAIL,
		    outcome->cause == OUTCOME_DNS_ERROR ? METRIC_TEMPFAIL_DNS
							: METRIC_TEMPFAIL_VERIFY,
		    METRIC_NONE);
}

static void
count_results(const struct verify *verify, const struct outcome *outcome)
{
	static const enum metric_verify_result results[] = {[VERIFY_NONE] = METRIC_VERIFY_NONE,
	    [VERIFY_PASS] = METRIC_VERIFY_PASS,
	    [VERIFY_FAIL] = METRIC_VERIFY_FAIL,
	    [VERIFY_NEUTRAL] = METRIC_VERIFY_NEUTRAL,
	    [VERIFY_POLICY] = METRIC_VERIFY_POLICY,
	    [VERIFY_TEMPERROR] = METRIC_VERIFY_TEMPERROR,
	    [VERIFY_PERMERROR] = METRIC_VERIFY_PERMERROR};
	size_t count = verify == NULL ? 0 : verify_count(verify);

	count_tempfail(outcome);
	if (count == 0)
		metrics_count(METRIC_VERIFY, METRIC_VERIFY_NONE, METRIC_NONE);
	for (size_t i = 0; i < count; i++) {
		metrics_count(
		    METRIC_VERIFY, results[verify_signature(verify, i)->result], METRIC_NONE);
		if (verify_signature(verify, i)->reason == VERIFY_IGNORED)
			metrics_count(METRIC_SIGNATURES_IGNORED, METRIC_NONE, METRIC_NONE);
	}
	if (count > 0)
		metrics_add(
		    METRIC_SIGNATURES_IGNORED, METRIC_NONE, METRIC_NONE, verify_uncounted(verify));
}

/* ---- Authentication-Results ---- */

static const char *
authserv_id(const struct session *session)
{
	const char *configured = session->host->settings->verifying.authserv_id;

	if (configured != NULL)
		return configured;
	return session->mta_name[0] == '\0' ? UNKNOWN_HOST : session->mta_name;
}

/* Our own name and those of RemoveARFrom, NULL-terminated; mem_free. */
static const char **
own_ids(const struct session *session)
{
	char *const *more = session->host->settings->verifying.remove_from;
	const char **ids;
	size_t count = 0;

	while (more != NULL && more[count] != NULL)
		count++;
	ids = mem_zalloc(count + 2, sizeof(*ids));
	ids[0] = authserv_id(session);
	for (size_t i = 0; i < count; i++)
		ids[i + 1] = more[i];
	return ids;
}

static bool
delete_result(struct session *session, size_t at)
{
	metrics_count(METRIC_AUTHRES_REMOVED, METRIC_NONE, METRIC_NONE);
	return milter_put_chgheader(
		   &session->out, (uint32_t)at, SPAN_LIT(AUTHRES_FIELD_NAME), SPAN_EMPTY) == ST_OK;
}

/* From the last to the first, so that no index moves before it is used (CVE-2022-48521). at: how
 * many there are. */
static bool
delete_from_last(struct session *session, const char *const *ids, size_t at, struct arena *scratch)
{
	const struct header_list *headers = &session->message.headers;
	const struct span name = SPAN_LIT(AUTHRES_FIELD_NAME);
	bool all = session->host->settings->verifying.remove_all;

	/* What was not kept cannot be judged, and goes. */
	for (size_t i = session->message.verification.results_cut; i > 0; i--)
		if (!delete_result(session, at + i))
			return false;
	for (size_t i = headers->count; at > 0 && i > 0; i--) {
		const struct header_field *field = &headers->fields[i - 1];

		if (!header_name_eq(field->name, name))
			continue;
		arena_reset(scratch);
		if (authres_is_forged(field->value, ids, all, scratch) &&
		    !delete_result(session, at))
			return false;
		at--;
	}
	return true;
}

/* Nothing of this from the arena of the message: one that fills it must not end the connection, for
 * an MTA may then let it through as it is. */
static bool
delete_forged(struct session *session)
{
	const struct session_message *message = &session->message;
	size_t count = message->headers_ready
			   ? header_list_count(&message->headers, SPAN_LIT(AUTHRES_FIELD_NAME))
			   : 0;
	struct arena scratch;
	const char **ids;
	bool ok;

	if (count == 0 && message->verification.results_cut == 0)
		return true;
	ids = own_ids(session);
	arena_init(&scratch, SCRATCH_BYTES);
	ok = delete_from_last(session, ids, count, &scratch);
	arena_free(&scratch);
	mem_free(ids);
	return ok;
}

static enum status
write_results(const struct session *session, struct buf *value)
{
	const struct settings_verify *settings = &session->host->settings->verifying;
	const struct verification *verification = &session->message.verification;
	const struct authres_style style = {.authserv_id = span_str(authserv_id(session)),
	    .job_id = settings->id_with_job_id && session->message.job_id[0] != '\0'
			  ? span_str(session->message.job_id)
			  : SPAN_EMPTY,
	    .no_header_b = settings->no_header_b};

	if (verification->malformed || verification->lost)
		return authres_write_plain(
		    &style, "permerror", "bad message/signature format", value);
	if (verification->verify != NULL)
		return authres_write(&style, verification->verify, value);
	return authres_write_plain(&style, "none", NULL, value);
}

static bool
put_results(struct session *session)
{
	const struct settings_verify *settings = &session->host->settings->verifying;
	const struct verification *verification = &session->message.verification;
	struct buf value;
	bool silent = verification->malformed && settings->ignore_malformed;
	bool ok = settings->keep_results || delete_forged(session);

	if (!ok || silent ||
	    (verification->verify == NULL && !verification->malformed && !verification->lost &&
		!settings->always_add))
		return ok && message_put_software_field(session);
	buf_init(&value, AUTHRES_VALUE_MAX);
	ok = write_results(session, &value) == ST_OK && message_put_software_field(session) &&
	     message_put_field(session, SPAN_LIT(AUTHRES_FIELD_NAME), buf_span(&value));
	buf_free(&value);
	return ok;
}

/* ---- the verdict ---- */

/* Its signatures can mean nothing: it fares as one with a bad signature, or with none, so that a
 * second From is no way around these actions. Without From no author is spoken for: accepted, as by
 * opendkim. */
static enum outcome_cause
malformed_cause(const struct session *session)
{
	if (session->host->settings->verifying.ignore_malformed ||
	    !session->message.headers_ready ||
	    header_list_find(&session->message.headers, SPAN_LIT("From")) == NULL)
		return OUTCOME_FINE;
	return verification_has_signatures(session) ? OUTCOME_BAD_SIGNATURE : OUTCOME_NO_SIGNATURE;
}

static void
conclude_malformed(struct session *session)
{
	struct outcome outcome = outcome_for(session->host->settings, malformed_cause(session));

	log_line(LOG_LEVEL_NOTICE,
	    "%s: bad message format: From: is missing, there twice or cannot be "
	    "read, or StrictHeaders forbids it; signatures not looked at; message %s",
	    message_job_id(session), outcome_verdict_words(outcome.verdict));
	metrics_count(METRIC_VERIFY, METRIC_VERIFY_PERMERROR, METRIC_NONE);
	count_tempfail(&outcome);
	message_refuse(session, outcome.verdict, outcome.text, outcome.detail);
}

static void
conclude_lost(struct session *session)
{
	const struct verification *verification = &session->message.verification;
	enum verdict verdict = settings_verdict(session->host->settings->on_security);

	/* More than can be removed: nobody has so many in good faith. */
	if (verification->results_cut > HEADER_FIELDS_MAX)
		verdict = VERDICT_TEMPFAIL;
	log_line(LOG_LEVEL_NOTICE, "%s: too much %s data (On-Security); message %s",
	    message_job_id(session), verification->cut ? "header" : "DKIM signature",
	    outcome_verdict_words(verdict));
	metrics_count(METRIC_VERIFY, METRIC_VERIFY_PERMERROR, METRIC_NONE);
	if (verdict == VERDICT_TEMPFAIL)
		metrics_count(METRIC_TEMPFAIL, METRIC_TEMPFAIL_SIZE, METRIC_NONE);
	message_refuse(session, verdict,
	    verification->cut ? "too much header data" : "too much DKIM signature data", NULL);
}

static void
conclude_results(struct session *session)
{
	struct verification *verification = &session->message.verification;
	struct outcome outcome;

	if (verification->verify != NULL)
		verify_finish(verification->verify);
	outcome = outcome_of(session->host->settings, verification->verify);
	log_outcome(session, &outcome);
	count_results(verification->verify, &outcome);
	message_refuse(session, outcome.verdict, outcome.text, outcome.detail);
}

void
verification_conclude(struct session *session)
{
	struct session_message *message = &session->message;

	if (message->defective)
		message_refuse(session, VERDICT_REJECT, "not RFC 5322 compliant", "0.0");
	else if (message->verification.malformed)
		conclude_malformed(session);
	else if (message->verification.lost)
		conclude_lost(session);
	else
		conclude_results(session);
	if (message->verdict != VERDICT_PASS && message->verdict != VERDICT_QUARANTINE)
		return;
	if (!put_results(session))
		session_abandon(session, "the results could not be put together");
}
