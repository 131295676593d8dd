/*
 * selfverify.c - signatures of our own, verified as their receivers will do it.
 * A front-end calls it when it has given them to the MTA; what follows happens in later rounds of
 * its loop. It must never make a message wait, keep a part of a body, nor take an answer that did
 * not come for one that says no.
 */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "daemon/message.h"
#include "daemon/selfverify.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"
#include "lib/dkim/signature.h"

/* As receivers have it: RFC 6376 says nothing, 5 minutes are usual. */
#define CLOCK_DRIFT_S 300
#define ARENA_EXTRA (1U << 20) /* octets beside the header: what the verifier makes of it */

struct job;

/* One signature. */
struct checked {
	struct job *job;
	struct span id;   /* of its key; empty: of no KeyStore */
	size_t at;        /* its field in the list */
	size_t signature; /* its number in the verifier; SIZE_MAX: it was not found there */
	struct dns_query *query;
};

struct job {
	struct selfverify *owner;
	struct job *next, *prev;
	struct loop_timer begin;
	struct arena arena;
	struct header_list list;
	struct verify_options options;
	struct verify *verify;
	size_t waiting; /* for answers, and for all to be asked */
	size_t count;
	struct checked checked[FRAME_HEADERS_MAX];
	char job_id[64];
};

struct selfverify {
	struct selfverify_config config;
	struct job *jobs;
	size_t open;
	int64_t lines_since_ms; /* of the log */
	unsigned lines;
};

struct selfverify *
selfverify_new(const struct selfverify_config *config)
{
	struct selfverify *selfverify = mem_zalloc(1, sizeof(*selfverify));

	selfverify->config = *config;
	return selfverify;
}

static void
job_free(struct job *job)
{
	struct selfverify *owner = job->owner;

	loop_timer_clear(owner->config.loop, &job->begin);
	for (size_t i = 0; i < job->count; i++)
		resolver_cancel(owner->config.resolver, &job->checked[i].query);
	*(job->prev != NULL ? &job->prev->next : &owner->jobs) = job->next;
	if (job->next != NULL)
		job->next->prev = job->prev;
	owner->open--;
	verify_free(job->verify);
	arena_free(&job->arena);
	mem_free(job);
}

void
selfverify_free(struct selfverify *selfverify)
{
	while (selfverify != NULL && selfverify->jobs != NULL)
		job_free(selfverify->jobs);
	mem_free(selfverify);
}

size_t
selfverify_open(const struct selfverify *selfverify)
{
	return selfverify->open;
}

/* ---- what it means ---- */

static const struct {
	enum verify_reason reason;
	enum canary_result result;
	enum metric_check_failure failure;
} meanings[] = {
    {VERIFY_OK, CANARY_GOOD, 0}, {VERIFY_KEY_ABSENT, CANARY_FAILED, METRIC_CHECK_FAILURE_ABSENT},
    {VERIFY_KEY_REVOKED, CANARY_FAILED, METRIC_CHECK_FAILURE_REVOKED},
    {VERIFY_SIGNATURE_BAD, CANARY_FAILED, METRIC_CHECK_FAILURE_SIGNATURE},
    {VERIFY_KEY_SYNTAX, CANARY_FAILED, METRIC_CHECK_FAILURE_RECORD},
    {VERIFY_KEY_TYPE, CANARY_FAILED, METRIC_CHECK_FAILURE_RECORD},
    {VERIFY_KEY_HASH, CANARY_FAILED, METRIC_CHECK_FAILURE_RECORD},
    {VERIFY_KEY_SERVICE, CANARY_FAILED, METRIC_CHECK_FAILURE_RECORD},
    {VERIFY_KEY_SUBDOMAIN, CANARY_FAILED, METRIC_CHECK_FAILURE_RECORD},
    {VERIFY_KEY_SMALL, CANARY_FAILED, METRIC_CHECK_FAILURE_RECORD},
    {VERIFY_KEY_BIG, CANARY_FAILED, METRIC_CHECK_FAILURE_RECORD},
    {VERIFY_KEY_MANY, CANARY_FAILED, METRIC_CHECK_FAILURE_RECORD},
    {VERIFY_SYNTAX, CANARY_FAILED, METRIC_CHECK_FAILURE_MESSAGE},
    {VERIFY_ALGORITHM, CANARY_FAILED, METRIC_CHECK_FAILURE_MESSAGE},
    {VERIFY_SHA1, CANARY_FAILED, METRIC_CHECK_FAILURE_MESSAGE},
    {VERIFY_BODY_MISMATCH, CANARY_FAILED, METRIC_CHECK_FAILURE_MESSAGE},
    {VERIFY_BODY_SHORT, CANARY_FAILED, METRIC_CHECK_FAILURE_MESSAGE},
    /* All others: DNS did not answer, or not usefully; a clock; no memory. */
};
#define MEANINGS (sizeof(meanings) / sizeof(meanings[0]))

enum canary_result
selfverify_result(enum verify_reason reason)
{
	for (size_t i = 0; i < MEANINGS; i++)
		if (meanings[i].reason == reason)
			return meanings[i].result;
	return CANARY_UNAVAILABLE;
}

static void
count(enum verify_reason reason, enum canary_result result)
{
	metrics_count(METRIC_SELFVERIFY,
	    result == CANARY_GOOD     ? METRIC_CHECKED_GOOD
	    : result == CANARY_FAILED ? METRIC_CHECKED_FAILED
				      : METRIC_CHECKED_UNAVAILABLE,
	    METRIC_NONE);
	for (size_t i = 0; i < MEANINGS && result == CANARY_FAILED; i++)
		if (meanings[i].reason == reason)
			metrics_count(METRIC_SELFVERIFY_FAILURES, meanings[i].failure, METRIC_NONE);
}

/* A key that is wrong is wrong in each message. */
static bool
may_say(struct selfverify *selfverify)
{
	int64_t now_ms = selfverify->config.loop->now_ms;

	if (now_ms - selfverify->lines_since_ms >= SELFVERIFY_LINES_MS) {
		selfverify->lines_since_ms = now_ms;
		selfverify->lines = 0;
	}
	return selfverify->lines++ < SELFVERIFY_LINES_MAX;
}

static void
say(const struct checked *checked, const struct verify_signature *signature)
{
	const struct job *job = checked->job;

	if (!may_say(job->owner))
		return;
	log_line(LOG_LEVEL_ERROR,
	    "%s: the signature it was just given (s=%.*s, d=%.*s) cannot be verified by its "
	    "receivers: %s%s%.*s; compare what DNS says at %.*s with \"signpost key show\"",
	    job->job_id, SPAN_ARG(signature->field.selector), SPAN_ARG(signature->field.domain),
	    verify_reason_text(signature->reason), signature->detail.n > 0 ? ": " : "",
	    SPAN_ARG(signature->detail), SPAN_ARG(signature->field.query));
}

static void
conclude(const struct checked *checked)
{
	const struct job *job = checked->job;
	const struct selfverify_config *config = &job->owner->config;
	const struct verify_signature *signature = NULL;
	enum canary_result result = CANARY_UNAVAILABLE;
	const char *why = "";

	if (checked->signature != SIZE_MAX)
		signature = verify_signature(job->verify, checked->signature);
	if (signature != NULL) {
		result = selfverify_result(signature->reason);
		why = verify_reason_text(signature->reason);
		count(signature->reason, result);
		if (result == CANARY_FAILED)
			say(checked, signature);
	}
	config->tell(config->context, checked->id, result,
	    span_sub(span_str(result == CANARY_GOOD ? "" : why), 0, CANARY_WHY_MAX));
}

static void
job_end(struct job *job)
{
	verify_finish(job->verify);
	for (size_t i = 0; i < job->count; i++)
		conclude(&job->checked[i]);
	job_free(job);
}

/* ---- keys ---- */

static void
on_answer(void *owner, const struct dns_answer *answer)
{
	struct checked *checked = owner;
	struct job *job = checked->job;
	struct span texts[DNS_TEXTS_MAX];
	const struct verify_key key = {.status = answer->status,
	    .texts = texts,
	    .count = answer->count < DNS_TEXTS_MAX ? answer->count : DNS_TEXTS_MAX,
	    .dnssec = answer->security == DNS_BOGUS ? VERIFY_DNSSEC_BOGUS : VERIFY_DNSSEC_UNKNOWN};

	for (size_t i = 0; i < key.count; i++)
		texts[i] = answer->texts[i].joined;
	verify_key(job->verify, checked->signature, &key);
	if (--job->waiting == 0)
		job_end(job);
}

/* Behind the reply to the MTA. */
static void
on_begin(struct loop_timer *timer)
{
	struct job *job = timer->owner;
	const struct selfverify_config *config = &job->owner->config;

	job->waiting = 1; /* an answer that is known comes before the next is asked for */
	for (size_t i = 0; i < job->count; i++) {
		struct checked *checked = &job->checked[i];
		struct span name = checked->signature == SIZE_MAX
				       ? SPAN_EMPTY
				       : verify_query(job->verify, checked->signature, NULL);

		if (name.n == 0)
			continue;
		job->waiting++;
		resolver_txt(config->resolver, name, config->timeout_ms, on_answer, checked,
		    &checked->query);
	}
	if (--job->waiting == 0)
		job_end(job);
}

/* ---- the message as it was emitted ---- */

/* As message_put_field() gave it to the MTA, and as that makes a line of it. */
static bool
add_inserted(struct job *job, const struct session *session, struct span name, struct span value)
{
	bool leading_blank = (session->protocol & SMFIP_HDR_LEADSPC) != 0;

	if (!leading_blank && value.n > 0 && value.p[0] == ' ')
		value = span_from(value, 1);
	return header_list_add(&job->list, name, value, leading_blank) == ST_OK;
}

static bool
add_signature(struct job *job, const struct session *session, const struct reply_field *field)
{
	if (field->check && job->count < FRAME_HEADERS_MAX)
		job->checked[job->count++] = (struct checked){.job = job,
		    .id = arena_copy(&job->arena, field->key_id),
		    .at = job->list.count,
		    .signature = SIZE_MAX};
	return add_inserted(job, session, field->name, field->value);
}

static bool
add_software_field(struct job *job, const struct session *session)
{
	/* Its name is what can be signed of it by mistake. */
	return !session->host->settings->software_header ||
	       add_inserted(job, session, SPAN_LIT("DKIM-Filter"), SPAN_LIT(" Signpost"));
}

static bool
add_message(struct job *job, const struct session *session)
{
	const struct header_list *headers = &session->message.headers;
	bool removes = session->host->settings->remove_old_signatures;

	for (size_t i = 0; i < headers->count; i++) {
		const struct header_field *field = &headers->fields[i];

		if (removes && header_name_eq(field->name, SPAN_LIT(SIGNATURE_FIELD_NAME)))
			continue;
		if (header_list_add(&job->list, field->name, field->value, true) != ST_OK)
			return false;
	}
	return true;
}

/* Inserted on top, the first signature first; or, of MTAs that cannot, added below all. */
static bool
add_fields(struct job *job, const struct session *session, const struct reply *reply)
{
	size_t n = reply->field_count;
	bool below = session->version < 3, ok = true;

	if (below)
		ok = add_message(job, session) && add_software_field(job, session);
	for (size_t i = 0; i < n && ok; i++)
		ok = add_signature(job, session, &reply->fields[below ? n - 1 - i : i]);
	if (!below)
		ok = ok && add_software_field(job, session) && add_message(job, session);
	return ok;
}

static void
find_signatures(struct job *job)
{
	bool ours[VERIFY_SIGNATURES_MAX] = {false};

	for (size_t i = 0; i < verify_count(job->verify); i++)
		for (size_t k = 0; k < job->count; k++)
			if (verify_signature(job->verify, i)->field_index == job->checked[k].at) {
				job->checked[k].signature = i;
				ours[i] = true;
			}
	verify_choose(job->verify, job->count, ours);
}

static bool
job_fill(struct job *job, const struct session *session, const struct reply *reply)
{
	const struct session_message *message = &session->message;
	int64_t length =
	    session->host->settings->body_limit >= 0 ? (int64_t)message->body_octets : -1;
	struct err err = ERR_NONE;

	job->options = (struct verify_options){.now_utc = session->host->now_utc,
	    .clock_drift_s = CLOCK_DRIFT_S,
	    .bogus = VERIFY_DNSSEC_FAIL,
	    .keys = job->owner->config.keys};
	snprintf(job->job_id, sizeof(job->job_id), "%s", message_job_id(session));
	if (header_list_init(&job->list, &job->arena, message->headers.bytes + ARENA_EXTRA) !=
		ST_OK ||
	    !add_fields(job, session, reply) ||
	    verify_new(&job->list, &job->options, &job->arena, &job->verify, &err) != ST_OK)
		return false;
	find_signatures(job);
	verify_body_hashed(job->verify, message->body_canon, length,
	    span_of(message->body_hash, sizeof(message->body_hash)), message->body_octets);
	return true;
}

static bool
is_wanted(const struct reply *reply)
{
	for (size_t i = 0; i < reply->field_count; i++)
		if (reply->fields[i].check)
			return true;
	return false;
}

/* Those that wait for slow answers shall not pile up. */
static void
drop(struct selfverify *selfverify, const struct reply *reply)
{
	const struct selfverify_config *config = &selfverify->config;

	for (size_t i = 0; i < reply->field_count; i++) {
		if (!reply->fields[i].check)
			continue;
		metrics_count(METRIC_SELFVERIFY, METRIC_CHECKED_DROPPED, METRIC_NONE);
		config->tell(config->context, reply->fields[i].key_id, CANARY_UNAVAILABLE,
		    SPAN_LIT("dropped"));
	}
}

void
selfverify_message(
    struct selfverify *selfverify, const struct session *session, const struct reply *reply)
{
	struct job *job;

	if (selfverify == NULL || !is_wanted(reply))
		return;
	if (selfverify->open >= SELFVERIFY_OPEN_MAX) {
		drop(selfverify, reply);
		return;
	}
	job = mem_zalloc(1, sizeof(*job));
	*job = (struct job){.owner = selfverify,
	    .next = selfverify->jobs,
	    .begin = {.fire = on_begin, .owner = job}};
	if (job->next != NULL)
		job->next->prev = job;
	selfverify->jobs = job;
	selfverify->open++;
	arena_init(&job->arena, 2 * (session->message.headers.bytes + ARENA_EXTRA));
	if (job_fill(job, session, reply)) {
		loop_timer_set(selfverify->config.loop, &job->begin, 0);
		return;
	}
	job_free(job);
	drop(selfverify, reply);
}
