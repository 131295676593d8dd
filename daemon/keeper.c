/*
 * keeper.c - the process that holds the keys.
 * Worker threads take requests of the front-ends from one socket, decide, sign, answer. It must
 * never parse mail, never open a network socket to a peer, and never answer a request twice.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "daemon/decision.h"
#include "daemon/keeper_private.h"
#include "daemon/keythread.h"
#include "daemon/process.h"
#include "daemon/signer.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"
#include "lib/base/secret.h"

/* How often it is asked whether all keys are in locked memory, and which of them nobody needs. */
#define LOOK_AFTER_S 60

struct worker {
	struct keeper *keeper;
	struct signer signer;
	struct decision decision;
	struct reply reply;
	char ids[DECISION_KEYS_MAX][CANARY_ID_MAX + 1]; /* of keys, in the reply */
	struct sharedcache_answer shared;               /* of DNS_GET, until it is sent */
	struct buf out;
	char *room; /* one request */
};

static void
log_signed(const struct worker *worker, const struct request *request)
{
	const struct decision *decision = &worker->decision;

	if (!worker->keeper->settings->log_success || request->type == REQUEST_SHADOW)
		return;
	for (size_t i = 0; i < decision->key_count; i++)
		log_line(LOG_LEVEL_INFO, "%.*s: DKIM-Signature field added (s=%.*s, d=%.*s)",
		    SPAN_ARG(request->job_id), SPAN_ARG(decision->keys[i].selector),
		    SPAN_ARG(decision->keys[i].domain));
}

/* The decision, and the rows that it has, are gone before the reply is sent. */
static void
mark(struct worker *worker, int64_t now_utc)
{
	struct reply *reply = &worker->reply;

	canary_mark(worker->keeper->canary, &worker->decision, reply, now_utc, clock_mono_ms());
	for (size_t i = 0; i < reply->field_count && i < DECISION_KEYS_MAX; i++) {
		struct reply_field *field = &reply->fields[i];

		snprintf(worker->ids[i], sizeof(worker->ids[i]), "%.*s", SPAN_ARG(field->key_id));
		field->key_id = span_str(worker->ids[i]);
	}
}

static void
sign(struct worker *worker, const struct request *request)
{
	struct keeper *keeper = worker->keeper;
	struct decision *decision = &worker->decision;
	int64_t now = keeper->fixed_time_utc >= 0 ? keeper->fixed_time_utc : clock_utc_s();

	/* Twice at most: with the keys of the decision, and with the one to fall back to. */
	for (int i = 0; i < 2; i++) {
		struct err err = ERR_NONE;
		enum status status = signer_sign(
		    &worker->signer, request, decision, now, clock_mono_ms(), &worker->reply, &err);

		if (status == ST_OK) {
			log_signed(worker, request);
			if (request->type != REQUEST_SHADOW) {
				decision_count_signed(keeper->rules, decision);
				mark(worker, now);
			}
			return;
		}
		if (!decision_sign_failed(keeper->rules, request, decision,
			status == ST_FAILED ? FAILURE_CRYPTO : FAILURE_UNREADABLE, err.text))
			break;
	}
	worker->reply.verdict = decision->verdict;
}

static void
answer(struct worker *worker, const struct request *request)
{
	struct reply *reply = &worker->reply;

	reply->id = request->id;
	reply->text = SPAN_EMPTY;
	reply->field_count = 0;
	if (request->type == REQUEST_PEER) {
		reply->verdict =
		    decision_peer(worker->keeper->rules, request) ? VERDICT_PEER : VERDICT_PASS;
		return;
	}
	if (request->type == REQUEST_DNS_GET) {
		dnsshare_get(worker->keeper->shared, &worker->keeper->dns, request, clock_mono_ms(),
		    &worker->shared, reply);
		return;
	}
	if (request->type == REQUEST_SHADOW)
		keeper_shadow_decide(worker->keeper, request, &worker->decision);
	else
		decision_make(worker->keeper->rules, request, &worker->decision);
	reply->verdict = worker->decision.verdict;
	reply->trusted = worker->decision.trusted;
	if (reply->verdict == VERDICT_SIGN && request->type != REQUEST_ROUTE)
		sign(worker, request);
	if (request->type == REQUEST_SHADOW)
		keeper_shadow_answer(worker->keeper, request, &worker->decision, reply);
	decision_release(&worker->decision);
}

/* Has no answer. */
static void
take_dns(struct keeper *keeper, const struct request *request)
{
	if (!dnsshare_put(keeper->shared, &keeper->dns, request, clock_mono_ms()))
		log_line(LOG_LEVEL_ERROR,
		    "front-end %u wants to share what is no answer of DNS about a key; ignored",
		    request->frontend);
}

/* Has no answer either. */
static void
take_checked(struct keeper *keeper, const struct request *request)
{
	if (!canary_take(keeper->canary, request, clock_mono_ms()))
		log_line(LOG_LEVEL_ERROR,
		    "front-end %u tells of a signature that nobody asked about; ignored",
		    request->frontend);
}

/* The answer in place of one that is too long. Has it room? */
static bool
send_less(struct worker *worker, const struct request *request)
{
	struct reply *reply = &worker->reply;
	bool shadow = request->type == REQUEST_SHADOW;

	*(shadow ? &reply->would : &reply->verdict) = VERDICT_TEMPFAIL;
	reply->field_count = 0;
	buf_reset(&worker->out);
	if (!shadow)
		metrics_count(METRIC_TEMPFAIL, METRIC_TEMPFAIL_INTERNAL, METRIC_NONE);
	if (reply_encode(reply, &worker->out) != ST_OK)
		return false;
	log_line(LOG_LEVEL_ERROR, "%.*s: the signatures are too long; message %s",
	    SPAN_ARG(request->job_id), shadow ? "would be tempfailed" : "tempfailed");
	return true;
}

static void
send_answer(struct worker *worker, const struct request *request)
{
	const struct channels *channels = worker->keeper->channels;

	buf_reset(&worker->out);
	if (reply_encode(&worker->reply, &worker->out) != ST_OK && !send_less(worker, request))
		return;
	if (channel_send(channels->reply_write[request->frontend], buf_span(&worker->out)) != ST_OK)
		log_line(LOG_LEVEL_ERROR, "%.*s: front-end %u does not take its answer: %s",
		    SPAN_ARG(request->job_id), request->frontend, strerror(errno));
}

static void
handle(struct worker *worker, struct span frame)
{
	struct keeper *keeper = worker->keeper;
	struct request request;

	if (request_decode(frame, &request) != ST_OK ||
	    request.frontend >= keeper->channels->frontends) {
		log_line(LOG_LEVEL_ERROR,
		    "a malformed request of %zu octets from a front-end is ignored", frame.n);
		return;
	}
	if (request.type == REQUEST_DNS_PUT) {
		take_dns(keeper, &request);
		return;
	}
	if (request.type == REQUEST_CHECKED) {
		take_checked(keeper, &request);
		return;
	}
	if (request.type == REQUEST_REPORT) {
		shadowlog_put(keeper->report, request.line);
		return;
	}
	answer(worker, &request);
	send_answer(worker, &request);
	if (request.type == REQUEST_DNS_GET)
		sharedcache_answer_release(&worker->shared);
}

static void *
worker_main(void *arg)
{
	struct worker *worker = arg;
	int fd = worker->keeper->channels->request_read;
	enum status status;
	size_t n;

	while ((status = channel_receive(fd, worker->room, FRAME_MAX, &n)) != ST_ABSENT) {
		if (status == ST_OK)
			handle(worker, span_of(worker->room, n));
		else if (status == ST_FAILED)
			log_line(LOG_LEVEL_ERROR, "keeper cannot receive: %s", strerror(errno));
	}
	return NULL;
}

static void
worker_start(struct keeper *keeper)
{
	struct worker *worker = mem_zalloc(1, sizeof(*worker));
	pthread_t thread;
	int failed;

	worker->keeper = keeper;
	worker->room = mem_alloc(FRAME_MAX);
	buf_init(&worker->out, FRAME_MAX);
	signer_init(&worker->signer, keeper->cache, keeper->rules);
	failed = keythread_start(worker_main, worker, &thread);
	if (failed != 0) {
		log_line(LOG_LEVEL_ERROR, "keeper cannot start a thread: %s", strerror(failed));
		_exit(EX_OSERR);
	}
}

/* The single key is read at the start, as opendkim does: a mistake shows at once. */
static enum status
keeper_try_key(struct keeper *keeper, struct err *err)
{
	struct cached_key *cached = NULL;
	struct digest *digest = digest_new();
	const struct keycache_name name = {.text = span_str(keeper->rules->key_file)};
	enum status status = ST_OK;

	if (name.text.n > 0 && keeper->rules->keys == NULL)
		status = keycache_get(keeper->cache, &name, digest, clock_mono_ms(), &cached, err);
	if (status != ST_OK)
		err_prefix(err, "KeyFile");
	cached_key_release(cached);
	digest_free(digest);
	return status;
}

static void
tell_parent(int control, char letter, const char *text)
{
	char message[ERR_TEXT_MAX + 1];
	size_t n = strlen(text);
	ssize_t done;

	message[0] = letter;
	memcpy(message + 1, text, n);
	done = write(control, message, n + 1);
	(void)done; /* a parent that is gone needs no word */
	close(control);
}

/* Once. Most keys are loaded long after the start, so it is asked again. */
static void
warn_if_unlocked(bool *warned)
{
	bool locked;

	(void)secret_bytes(&locked);
	if (locked || *warned)
		return;
	*warned = true;
	log_line(LOG_LEVEL_WARNING, "keys could not all be locked into memory: raise the "
				    "limit of locked memory (LimitMEMLOCK=infinity)");
}

struct trial {
	struct keeper *keeper;
	enum status status;
	struct err *err;
};

static void *
trial_main(void *arg)
{
	struct trial *trial = arg;

	trial->status = keeper_try_key(trial->keeper, trial->err);
	return NULL;
}

static enum status
try_key_on_locked_stack(struct keeper *keeper, struct err *err)
{
	struct trial trial = {keeper, ST_FAILED, err};
	pthread_t thread;

	if (keythread_start(trial_main, &trial, &thread) == 0)
		pthread_join(thread, NULL);
	else
		err_set(err, "the keeper cannot start a thread");
	return trial.status;
}

/* Without it mail is signed all the same. */
static void
keeper_start_gateway(struct keeper *keeper, bool draining)
{
	struct err err = ERR_NONE;

	if (keeper->gateway == NULL || draining)
		return;
	if (gateway_start(keeper->gateway, &err) != ST_OK)
		log_line(LOG_LEVEL_ERROR, "%s; mail is signed, and rotations wait for a fixed time",
		    err.text);
}

void
keeper_run(const struct child_args *args)
{
	struct keeper keeper = {.channels = args->channels,
	    .reload = args->reload,
	    .fixed_time_utc = args->fixed_time_utc};
	struct err err = ERR_NONE;
	const struct timespec pause = {.tv_sec = LOOK_AFTER_S};
	bool warned = false;
	sigset_t stop;
	int sig;

	process_begin("sp-keeper", args->parent, true, false);
	channels_keep_keeper(args->channels);
	listeners_close(args->listeners);
	if (keeper_open(&keeper, args->conf, args->cache_key, &err) != ST_OK ||
	    try_key_on_locked_stack(&keeper, &err) != ST_OK ||
	    rules_watch(keeper.rules, &err) != ST_OK) {
		tell_parent(args->control, KEEPER_CANNOT, err.text);
		_exit(EX_CONFIG);
	}
	if (keeper_shadow_start(&keeper, args->conf, &err) != ST_OK) {
		tell_parent(args->control, KEEPER_CANNOT, err.text);
		_exit(EX_OSERR);
	}
	if (conf_bool(args->conf, CONF_CHECK_SIGNING_TABLE))
		rules_check(keeper.rules, false);
	for (unsigned int i = 0; i < args->threads; i++)
		worker_start(&keeper);
	keeper_start_gateway(&keeper, args->draining);
	tell_parent(args->control, KEEPER_READY, "");
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGUSR1);
	do {
		warn_if_unlocked(&warned);
		keycache_sweep(keeper.cache, clock_mono_ms());
		sig = sigtimedwait(&stop, NULL, &pause);
		if (sig == SIGUSR1)
			gateway_retire(keeper.gateway);
	} while (sig != SIGTERM);
	shadowlog_close(keeper.report);
	_exit(0);
}

int
keeper_check_only(const struct conf *conf)
{
	struct keeper keeper = {.fixed_time_utc = -1};
	struct err err = ERR_NONE;
	size_t faults = 1;

	if (keeper_open(&keeper, conf, NULL, &err) != ST_OK ||
	    keeper_try_key(&keeper, &err) != ST_OK)
		log_line(LOG_LEVEL_ERROR, "%s", err.text);
	else
		faults = rules_check(keeper.rules, true);
	gateway_free(keeper.gateway);
	canary_free(keeper.canary);
	mailhour_free(keeper.mailhour);
	domainhour_free(keeper.domainhour);
	keycache_free(keeper.cache);
	rules_close(keeper.rules);
	sharedcache_close(keeper.shared);
	shadowlog_close(keeper.report);
	unsealer_free(keeper.unsealer);
	settings_free(keeper.settings);
	return faults == 0 ? 0 : EX_CONFIG;
}
