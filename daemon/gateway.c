/*
 * gateway.c - the two threads of a gateway: one follows the store's epoch and tries keys, one
 * reports. Started by the keeper after its workers. It must never hold a lock while a store is
 * asked, ask one more often than every poll_ms, nor say that a change is in force which is not.
 */
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "backends/settings.h"
#include "daemon/gateway.h"
#include "daemon/gateway_report.h"
#include "daemon/keythread.h"
#include "daemon/keytrial.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"
#include "lib/store/cached_keystore.h"

#define FAILED_ROUND_MS 10000 /* to the next try, where a store did not answer, at least */
#define SLICE_MS 1000         /* in which a thread that waits for the store looks up */
#define NICENESS 10           /* of the thread that tries keys: mail comes first */

struct gateway {
	struct gateway_config config;
	char *node;
	struct keytrial *trial;
	struct gateway_reporter reporter;
	atomic_uint_least64_t epoch;
	uint64_t shown_epoch, shown_tested; /* in the gauges */

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	bool closing, retired;
	bool news; /* since the last report began */

	pthread_t follower, reporting;
	bool has_follower, has_reporting;
};

/* ---- waiting ---- */

/* With the lock: until somebody has news, or ms have passed. */
static void
wait_ms(struct gateway *gateway, int64_t ms)
{
	struct timespec until;

	if (ms <= 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms % 1000 * 1000000;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	(void)pthread_cond_timedwait(&gateway->wake, &gateway->lock, &until);
}

static void
tell(struct gateway *gateway, bool *what)
{
	pthread_mutex_lock(&gateway->lock);
	*what = true;
	pthread_cond_broadcast(&gateway->wake);
	pthread_mutex_unlock(&gateway->lock);
}

/* false: it is closing. */
static bool
pause_until(struct gateway *gateway, int64_t at_ms)
{
	bool closing;

	pthread_mutex_lock(&gateway->lock);
	for (int64_t left; !gateway->closing && (left = at_ms - clock_mono_ms()) > 0;)
		wait_ms(gateway, left);
	closing = gateway->closing;
	pthread_mutex_unlock(&gateway->lock);
	return !closing;
}

/* ---- following and trying ---- */

/* Of a store without a cache in front: nothing is kept, so what it says now is in force. */
static uint64_t
ask_epoch(struct gateway *gateway, uint64_t epoch)
{
	struct store_change change;
	struct store_state state;
	struct err err = ERR_NONE;
	size_t count;
	enum status status =
	    keystore_changes(gateway->config.store, epoch, 1, &change, &count, &state, &err);

	return status == ST_OK || status == ST_TOO_BIG ? state.epoch : epoch;
}

static uint64_t
next_epoch(struct gateway *gateway, uint64_t epoch)
{
	int64_t poll_ms = gateway->config.poll_ms;
	bool cached;
	uint64_t next = cached_keystore_wait(
	    gateway->config.store, epoch, poll_ms < SLICE_MS ? poll_ms : SLICE_MS, &cached);

	if (cached)
		return next;
	return pause_until(gateway, clock_mono_ms() + poll_ms) ? ask_epoch(gateway, epoch) : epoch;
}

static void
show(struct gateway *gateway, uint64_t epoch, uint64_t tested)
{
	metrics_gauge_add(METRIC_GATEWAY_EPOCH, (int64_t)(epoch - gateway->shown_epoch));
	metrics_gauge_add(METRIC_GATEWAY_TESTED, (int64_t)(tested - gateway->shown_tested));
	gateway->shown_epoch = epoch;
	gateway->shown_tested = tested;
}

static bool
is_retired(struct gateway *gateway)
{
	bool retired;

	pthread_mutex_lock(&gateway->lock);
	retired = gateway->retired;
	pthread_mutex_unlock(&gateway->lock);
	return retired;
}

static void
follow(struct gateway *gateway, uint64_t epoch)
{
	struct buf failed;

	buf_init(&failed, KEYSTORE_FAILED_TEXT);
	atomic_store(&gateway->epoch, epoch);
	show(gateway, epoch, keytrial_tested(gateway->trial, &failed));
	buf_free(&failed);
	tell(gateway, &gateway->news);
}

/* *next_ms: when the store may be asked again. */
static bool
try_keys(struct gateway *gateway, int64_t *next_ms)
{
	int64_t now_ms = clock_mono_ms(), pause_ms = gateway->config.poll_ms;
	struct err err = ERR_NONE;
	enum status status = keytrial_round(gateway->trial, gateway->config.store, now_ms, &err);

	if (status != ST_OK) {
		log_line(LOG_LEVEL_DEBUG, "keys that wait to be used are not tried: %s", err.text);
		pause_ms = pause_ms > FAILED_ROUND_MS ? pause_ms : FAILED_ROUND_MS;
	}
	*next_ms = now_ms + pause_ms;
	return status == ST_OK;
}

static void *
follower_main(void *arg)
{
	struct gateway *gateway = arg;
	uint64_t epoch = 0, tried = 0;
	int64_t next_ms = 0;

	/* On Linux of this thread alone. */
	(void)setpriority(PRIO_PROCESS, 0, NICENESS);
	while (pause_until(gateway, 0) && !is_retired(gateway)) {
		uint64_t now = next_epoch(gateway, epoch);
		bool due = now != tried || keytrial_is_behind(gateway->trial, now) ||
			   clock_mono_ms() >= keytrial_due_ms(gateway->trial);

		if (due && clock_mono_ms() >= next_ms && try_keys(gateway, &next_ms))
			tried = now;
		else if (now == epoch)
			continue;
		epoch = now;
		follow(gateway, epoch);
	}
	/* A gauge is the sum over all keepers: only one of a gateway shows its own. */
	show(gateway, 0, 0);
	return NULL;
}

/* ---- reporting ---- */

/* With the lock. false: nobody wants to hear of it any more. */
static bool
wait_for_report(struct gateway *gateway, int64_t soonest_ms, int64_t latest_ms)
{
	while (!gateway->closing && !gateway->retired) {
		int64_t now_ms = clock_mono_ms();
		int64_t at_ms = gateway->news ? soonest_ms : latest_ms;

		if (now_ms >= at_ms)
			return true;
		wait_ms(gateway, at_ms - now_ms);
	}
	return false;
}

/* The keys that cannot be used come first, and leave room for those that fail in use, and for the
 * mail; domains have what is left. What they were tried up to. */
static uint64_t
tell_all(struct gateway *gateway, struct buf *failed)
{
	const struct gateway_config *config = &gateway->config;
	size_t mail = config->mailhour == NULL ? 0 : MAILHOUR_TEXT;
	uint64_t tested;

	failed->max = KEYSTORE_FAILED_TEXT - mail - (config->canary == NULL ? 0 : CANARY_TEXT);
	tested = keytrial_tested(gateway->trial, failed);
	failed->max = KEYSTORE_FAILED_TEXT - mail;
	if (config->canary != NULL)
		canary_lines(config->canary, clock_utc_s(), failed);
	failed->max = KEYSTORE_FAILED_TEXT;
	if (config->mailhour != NULL)
		mailhour_lines(config->mailhour, clock_mono_ms() / 1000, failed);
	if (config->domainhour != NULL)
		domainhour_lines(config->domainhour, clock_mono_ms() / 1000, failed);
	return tested;
}

static int64_t
report(struct gateway *gateway)
{
	struct buf failed;
	enum status status;
	uint64_t epoch = gateway_epoch(gateway), tested;

	buf_init(&failed, KEYSTORE_FAILED_TEXT);
	tested = tell_all(gateway, &failed);
	status = gateway_report_send(&gateway->reporter, epoch, tested, buf_span(&failed));
	buf_free(&failed);
	return status == ST_DENIED ? GATEWAY_DENIED_MS : 0;
}

static void *
reporting_main(void *arg)
{
	struct gateway *gateway = arg;
	const struct gateway_config *config = &gateway->config;
	int64_t between_ms =
	    config->poll_ms < config->report_ms ? config->poll_ms : config->report_ms;
	int64_t soonest_ms = 0, latest_ms = 0, began_ms, denied_ms;

	pthread_mutex_lock(&gateway->lock);
	while (wait_for_report(gateway, soonest_ms, latest_ms)) {
		gateway->news = false;
		pthread_mutex_unlock(&gateway->lock);
		began_ms = clock_mono_ms();
		denied_ms = report(gateway);
		soonest_ms = began_ms + (denied_ms > 0 ? denied_ms : between_ms);
		latest_ms = began_ms + (denied_ms > 0 ? denied_ms : config->report_ms);
		pthread_mutex_lock(&gateway->lock);
	}
	pthread_mutex_unlock(&gateway->lock);
	return NULL;
}

/* ---- opening ---- */

static char *
lower_copy(const char *name)
{
	char *copy = mem_strdup(name);

	for (char *p = copy; *p != '\0'; p++)
		*p = ascii_lower(*p);
	return copy;
}

static enum status
take_name(struct gateway *gateway, const char *name, struct err *err)
{
	char host[HOST_NAME_MAX + 1] = "";
	struct store_gateway row = {.node = SPAN_EMPTY};
	enum status status;

	if (name == NULL && gethostname(host, sizeof(host) - 1) != 0)
		host[0] = '\0';
	gateway->node = lower_copy(name != NULL ? name : host);
	row.node = span_str(gateway->node);
	status = keystore_gateway_check(&row, err);
	if (status != ST_OK)
		err_prefix(
		    err, "%s", name != NULL ? "GatewayName" : "the host's name; set GatewayName");
	return status;
}

enum status
gateway_new(const struct gateway_config *config, struct gateway **out, struct err *err)
{
	struct gateway *gateway = mem_zalloc(1, sizeof(*gateway));
	pthread_condattr_t attributes;
	enum status status = ST_OK;

	*out = NULL;
	gateway->config = *config;
	gateway->trial = keytrial_new(config->unsealer);
	pthread_mutex_init(&gateway->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&gateway->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	if (config->report != NULL)
		status = take_name(gateway, config->node, err);
	if (status != ST_OK) {
		gateway_free(gateway);
		return status;
	}
	gateway->reporter = (struct gateway_reporter){.store = config->report,
	    .node = span_str(gateway->node),
	    .started_utc = clock_utc_s(),
	    .utc_ms = clock_utc_ms};
	*out = gateway;
	return ST_OK;
}

/* Where to report to; *out NULL: nowhere. */
static enum status
open_report(const struct conf *conf, struct keystore **out, struct err *err)
{
	const char *spec = conf_string(conf, CONF_GATEWAY_REPORT);
	struct backend_settings settings;
	struct span word = span_str(spec);
	enum status status;

	*out = NULL;
	if (span_ieq_str(word, "no"))
		return ST_OK;
	if (span_ieq_str(word, "yes"))
		spec = conf_string(conf, CONF_KEY_STORE);
	status = keystore_open(backend_keystores_for(conf, &settings), spec, true, out, err);
	if (status == ST_OK && (*out)->ops->report == NULL) {
		err_set(err, "gateways cannot report to KeyStore %s; write no", (*out)->where);
		keystore_close(*out);
		*out = NULL;
		status = ST_INVALID;
	}
	if (status != ST_OK)
		err_prefix(err, "GatewayReport");
	return status;
}

enum status
gateway_open(const struct conf *conf, const struct gateway_config *borrowed, struct gateway **out,
    struct err *err)
{
	struct gateway_config config = *borrowed;
	enum status status;

	*out = NULL;
	if (config.store == NULL)
		return ST_OK;
	config.node = conf_string(conf, CONF_GATEWAY_NAME);
	config.poll_ms = conf_int(conf, CONF_KEY_STORE_POLL_INTERVAL) * 1000;
	config.report_ms = conf_int(conf, CONF_GATEWAY_REPORT_INTERVAL) * 1000;
	status = open_report(conf, &config.report, err);
	return status == ST_OK ? gateway_new(&config, out, err) : status;
}

enum status
gateway_start(struct gateway *gateway, struct err *err)
{
	int failed = keythread_start(follower_main, gateway, &gateway->follower);

	gateway->has_follower = failed == 0;
	if (failed == 0 && gateway->config.report != NULL) {
		failed = pthread_create(&gateway->reporting, NULL, reporting_main, gateway);
		gateway->has_reporting = failed == 0;
	}
	if (failed == 0)
		return ST_OK;
	err_set(err, "no thread that tries keys and reports: %s", strerror(failed));
	return ST_FAILED;
}

void
gateway_news(struct gateway *gateway)
{
	if (gateway != NULL)
		tell(gateway, &gateway->news);
}

void
gateway_retire(struct gateway *gateway)
{
	if (gateway != NULL)
		tell(gateway, &gateway->retired);
}

void
gateway_free(struct gateway *gateway)
{
	if (gateway == NULL)
		return;
	tell(gateway, &gateway->closing);
	if (gateway->has_follower)
		pthread_join(gateway->follower, NULL);
	if (gateway->has_reporting)
		pthread_join(gateway->reporting, NULL);
	keystore_close(gateway->config.report);
	keytrial_free(gateway->trial);
	pthread_cond_destroy(&gateway->wake);
	pthread_mutex_destroy(&gateway->lock);
	mem_free(gateway->node);
	mem_free(gateway);
}

uint64_t
gateway_epoch(const struct gateway *gateway)
{
	/* Not what the other thread saw of it: that may be busy with keys. */
	uint64_t epoch = cached_keystore_epoch(gateway->config.store);

	return epoch != 0 ? epoch : atomic_load(&gateway->epoch);
}

uint64_t
gateway_tested(struct gateway *gateway, struct buf *failed)
{
	return keytrial_tested(gateway->trial, failed);
}

const char *
gateway_name(const struct gateway *gateway)
{
	return gateway->node;
}
