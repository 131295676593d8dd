/*
 * shadow.c - messages of shadow mode, from the end of their header to a line of the report.
 * Sessions and the front-end's loop call it. It must never put anything into a session's answers,
 * make one wait, nor keep more than SHADOW_OPEN_MAX messages.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/message.h"
#include "daemon/shadow.h"
#include "daemon/shadow_line.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/dkim/signature.h"

#define ARENA_EXTRA (2U << 20) /* octets beside the header: what is made of it */
#define CLOCK_DRIFT_S 300

struct shadow_job {
	struct shadow *owner;
	struct shadow_job *next, *prev; /* those that wait */
	uint64_t id;                    /* of the request */
	int64_t deadline_ms;            /* 0: it began in this round of the loop */
	struct arena arena;
	struct header_list list;
	struct verify_options options;
	struct verify *verify; /* NULL: no signature of anybody */
	char job_id[64];
	char domain[256];
};

struct shadow {
	struct session_host *host;
	struct shadow_job *waiting;
	size_t open;
};

struct shadow *
shadow_new(struct session_host *host)
{
	struct shadow *shadow = mem_zalloc(1, sizeof(*shadow));

	shadow->host = host;
	return shadow;
}

static void
job_free(struct shadow_job *job)
{
	verify_free(job->verify);
	arena_free(&job->arena);
	mem_free(job);
}

static void
stop_waiting(struct shadow_job *job)
{
	struct shadow *owner = job->owner;

	*(job->prev != NULL ? &job->prev->next : &owner->waiting) = job->next;
	if (job->next != NULL)
		job->next->prev = job->prev;
	job->next = job->prev = NULL;
	owner->open--;
}

void
shadow_free(struct shadow *shadow)
{
	while (shadow != NULL && shadow->waiting != NULL) {
		struct shadow_job *job = shadow->waiting;

		stop_waiting(job);
		job_free(job);
	}
	mem_free(shadow);
}

/* ---- the report ---- */

/* A line that cannot be sent is lost: nobody waits for the keeper. */
static void
send_line(struct shadow *shadow, struct span text)
{
	struct session_host *host = shadow->host;
	const struct request request = {
	    .type = REQUEST_REPORT, .frontend = host->frontend, .line = text};

	buf_reset(&host->frame);
	if (request_encode(&request, &host->frame) != ST_OK || host->send(host) != ST_OK)
		metrics_count(METRIC_SHADOW_LOST, METRIC_NONE, METRIC_NONE);
}

static void
report(struct shadow *shadow, struct span queue, struct span domain, struct span why,
    size_t strangers, const struct shadow_comparison *comparison)
{
	struct shadow_comparison bare = {.word = comparison->word};
	struct shadow_line line = {.time_utc = shadow->host->now_utc,
	    .queue = queue,
	    .domain = domain,
	    .why = why,
	    .strangers = strangers,
	    .comparison = comparison};
	struct buf text;

	metrics_count(METRIC_SHADOW, (unsigned int)comparison->word, METRIC_NONE);
	buf_init(&text, FRAME_REPORT_MAX);
	if (shadow_line_write(&line, &text) != ST_OK) {
		/* Somebody's h= is very long: what it came to is said all the same. */
		buf_reset(&text);
		line.comparison = &bare;
		(void)!shadow_line_write(&line, &text);
	}
	if (buf_status(&text) == ST_OK)
		send_line(shadow, buf_span(&text));
	buf_free(&text);
}

static void
report_nothing(struct shadow *shadow, struct span queue, struct span domain, const char *why)
{
	const struct shadow_comparison none = {.word = METRIC_SHADOW_NOT_COMPARED};

	report(shadow, queue, domain, span_str(why), 0, &none);
}

static void
job_lost(struct shadow_job *job, const char *why)
{
	report_nothing(job->owner, span_str(job->job_id), span_str(job->domain), why);
	job_free(job);
}

/* ---- the message ---- */

static bool
job_fill(struct shadow_job *job, const struct session *session)
{
	const struct header_list *headers = &session->message.headers;
	struct err err = ERR_NONE;

	job->options = (struct verify_options){.now_utc = session->host->now_utc,
	    .clock_drift_s = CLOCK_DRIFT_S,
	    .fix_crlf = session->host->settings->fix_crlf};
	if (header_list_init(&job->list, &job->arena, headers->bytes + ARENA_EXTRA) != ST_OK)
		return false;
	for (size_t i = 0; i < headers->count; i++)
		if (header_list_add(&job->list, headers->fields[i].name, headers->fields[i].value,
			true) != ST_OK)
			return false;
	return verify_new(&job->list, &job->options, &job->arena, &job->verify, &err) == ST_OK;
}

void
shadow_begin(struct session *session)
{
	struct session_message *message = &session->message;
	struct shadow *shadow = session->host->shadow;
	struct shadow_job *job;

	if (!message->hashing)
		return; /* no sender, or too much header: shadow_send() says so */
	job = mem_zalloc(1, sizeof(*job));
	job->owner = shadow;
	snprintf(job->job_id, sizeof(job->job_id), "%s", message_job_id(session));
	snprintf(job->domain, sizeof(job->domain), "%.*s", SPAN_ARG(message->sender.domain));
	arena_init(&job->arena, 2 * (message->headers.bytes + ARENA_EXTRA));
	if (job_fill(job, session))
		message->shadow_job = job;
	else
		job_free(job);
}

bool
shadow_wants_body(const struct session *session)
{
	const struct shadow_job *job = session->message.shadow_job;

	return job != NULL && verify_wants_body(job->verify);
}

void
shadow_body(struct session *session, struct span data)
{
	if (shadow_wants_body(session))
		verify_body(session->message.shadow_job->verify, data);
}

void
shadow_signers(const struct session *session, struct buf *list)
{
	const struct shadow_job *job = session->message.shadow_job;

	for (size_t i = 0; job != NULL && i < verify_count(job->verify); i++)
		frame_list_add(list, verify_signature(job->verify, i)->field.query);
}

static void
wait_for_keeper(struct session *session, struct shadow_job *job)
{
	struct shadow *shadow = job->owner;

	session->message.shadow_job = NULL;
	job->id = session->question_id;
	job->next = shadow->waiting;
	if (job->next != NULL)
		job->next->prev = job;
	shadow->waiting = job;
	shadow->open++;
}

void
shadow_send(struct session *session)
{
	struct session_host *host = session->host;
	struct shadow_job *job = session->message.shadow_job;
	const char *why = NULL;

	if (job == NULL) {
		report_nothing(host->shadow, span_str(message_job_id(session)),
		    session->message.sender.domain,
		    session->message.verdict == 0 ? "its header is too big to be compared"
						  : "it has no sender, or too much header data");
		return;
	}
	if (verify_wants_body(job->verify))
		verify_body_done(job->verify);
	session->question = QUESTION_SHADOW;
	if (host->shadow->open >= SHADOW_OPEN_MAX)
		why = "too many messages wait for the keeper";
	else if (!message_frame(session))
		why = "it does not fit into a request to the keeper";
	else if (host->send(host) != ST_OK)
		why = "the keeper takes no more requests";
	session->question = QUESTION_NONE;
	if (why == NULL) {
		wait_for_keeper(session, job);
		return;
	}
	session->message.shadow_job = NULL;
	job_lost(job, why);
}

void
shadow_forget(struct session *session)
{
	if (session->message.shadow_job != NULL)
		job_free(session->message.shadow_job);
	session->message.shadow_job = NULL;
}

/* ---- the keeper's answer ---- */

struct comparing {
	struct shadow_job *job;
	const struct reply *reply;
	size_t our_count, their_count, strangers;
	struct sigfield ours[SHADOW_SIGNATURES_MAX];
	struct shadow_theirs theirs[SHADOW_SIGNATURES_MAX];
};

static void
read_ours(struct comparing *c)
{
	for (size_t i = 0; i < c->reply->field_count && i < SHADOW_SIGNATURES_MAX; i++) {
		struct err err = ERR_NONE;

		if (sigfield_parse(c->reply->fields[i].value, &c->job->arena,
			&c->ours[c->our_count], &err) == ST_OK)
			c->our_count++;
		else
			log_line(LOG_LEVEL_ERROR,
			    "%s: the signature that would have been made cannot be read: %s",
			    c->job->job_id, err.text);
	}
}

/* Our public key for a signature of theirs with the same d=, s= and a=, or nothing. */
static struct span
our_record(const struct comparing *c, const struct sigfield *field)
{
	for (size_t i = 0; i < c->our_count && i < c->reply->field_count; i++)
		if (span_eq(c->ours[i].query, field->query) &&
		    span_ieq(c->ours[i].algorithm_text, field->algorithm_text))
			return c->reply->fields[i].record;
	return SPAN_EMPTY;
}

static void
give_keys(struct comparing *c)
{
	struct verify *verify = c->job->verify;

	for (size_t i = 0; i < verify_count(verify); i++) {
		struct span record = our_record(c, &verify_signature(verify, i)->field);
		const struct verify_key key = {.status = ST_OK, .texts = &record, .count = 1};

		if (record.n > 0 && verify_query(verify, i, NULL).n > 0)
			verify_key(verify, i, &key);
		c->theirs[i].key_known = record.n > 0;
	}
	verify_finish(verify);
}

static void
read_theirs(struct comparing *c)
{
	struct verify *verify = c->job->verify;

	give_keys(c);
	for (size_t i = 0; i < verify_count(verify); i++) {
		const struct verify_signature *signature = verify_signature(verify, i);
		struct shadow_theirs *theirs = &c->theirs[c->their_count++];
		bool named = signature->field.query.n > 0;

		theirs->field = &signature->field;
		theirs->trusted = named && (c->reply->trusted & ((uint32_t)1 << i)) != 0;
		theirs->body_bad = signature->reason == VERIFY_BODY_MISMATCH ||
				   signature->reason == VERIFY_BODY_SHORT;
		theirs->key_fits = signature->result == VERIFY_PASS;
		c->strangers += !theirs->trusted;
	}
}

static enum metric_shadow
word_of(const struct reply *reply, const struct shadow_comparison *comparison)
{
	return reply->would == VERDICT_PASS || reply->would == VERDICT_SIGN ||
		       reply->would == VERDICT_PEER
		   ? comparison->word
		   : METRIC_SHADOW_WOULD_FAIL;
}

static void
conclude(struct shadow_job *job, const struct reply *reply)
{
	struct comparing *c = mem_zalloc(1, sizeof(*c));
	struct shadow_comparison comparison;

	c->job = job;
	c->reply = reply;
	read_ours(c);
	read_theirs(c);
	shadow_compare(c->ours, c->our_count, c->theirs, c->their_count, &comparison);
	comparison.word = word_of(reply, &comparison);
	report(job->owner, span_str(job->job_id), span_str(job->domain), reply->text, c->strangers,
	    &comparison);
	mem_free(c);
}

void
shadow_take(struct shadow *shadow, const struct reply *reply)
{
	struct shadow_job *job = shadow == NULL ? NULL : shadow->waiting;

	while (job != NULL && job->id != reply->id)
		job = job->next;
	if (job == NULL)
		return; /* given up */
	stop_waiting(job);
	conclude(job, reply);
	job_free(job);
}

void
shadow_keeper_lost(struct shadow *shadow)
{
	while (shadow != NULL && shadow->waiting != NULL) {
		struct shadow_job *job = shadow->waiting;

		stop_waiting(job);
		job_lost(job, "the keeper died while it had the message");
	}
}

void
shadow_tick(struct shadow *shadow, int64_t now_ms)
{
	struct shadow_job *job = shadow == NULL ? NULL : shadow->waiting, *next;

	for (; job != NULL; job = next) {
		next = job->next;
		if (job->deadline_ms == 0)
			job->deadline_ms = now_ms + SHADOW_TIMEOUT_MS;
		if (job->deadline_ms > now_ms)
			continue;
		stop_waiting(job);
		job_lost(job, "the keeper does not answer");
	}
}
