/*
 * ldap_pool.c - connections to the servers of a directory, given to who has a question.
 * Called by ldap.c and the key store in LDAP, from the keeper's workers.
 * It must never hold its lock while a server is asked, let more than one thread wait for a server
 * that is known to be silent, or do a thing twice that was to be done once.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backends/ldap_pool.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"

/* An older connection may have been forgotten by a firewall; a new one costs less than to wait. */
#define IDLE_MOST_MS 60000
#define IDLE_MAX 256U    /* connections that are kept: one for each thread that may ask */
#define IDLE_ONCE_MAX 4U /* of those that were opened for one job, while there are fewer */

/* libldap writes to a connection that the server has closed as if nobody had ever sent SIGPIPE; a
 * program that does not ignore it would end there. Held off for this thread while servers are
 * written to. */
struct quiet {
	sigset_t before;
	bool held; /* it was not blocked, and is now */
};

static void
quiet_begin(struct quiet *quiet)
{
	sigset_t pipe;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	quiet->held = pthread_sigmask(SIG_BLOCK, &pipe, &quiet->before) == 0 &&
		      sigismember(&quiet->before, SIGPIPE) == 0;
}

/* What came meanwhile is taken away first. */
static void
quiet_end(const struct quiet *quiet)
{
	const struct timespec at_once = {0, 0};
	sigset_t pipe;

	if (!quiet->held)
		return;
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	while (sigtimedwait(&pipe, NULL, &at_once) > 0)
		;
	pthread_sigmask(SIG_SETMASK, &quiet->before, NULL);
}

static void
close_links(struct ldaplink *link)
{
	while (link != NULL) {
		struct ldaplink *next = link->next;

		ldaplink_close(link);
		link = next;
	}
}

static void
close_idle(struct ldappool *pool)
{
	struct ldaplink *idle;

	pthread_mutex_lock(&pool->lock);
	idle = pool->idle;
	pool->idle = NULL;
	pool->idle_count = 0;
	pthread_mutex_unlock(&pool->lock);
	close_links(idle);
}

/* NULL: there is none that is fresh enough. */
static struct ldaplink *
take_idle(struct ldappool *pool, int64_t now_ms)
{
	struct ldaplink *link;

	pthread_mutex_lock(&pool->lock);
	link = pool->idle;
	if (link != NULL) {
		pool->idle = link->next;
		pool->idle_count--;
	}
	pthread_mutex_unlock(&pool->lock);
	if (link == NULL || now_ms - link->used_ms < IDLE_MOST_MS)
		return link;
	/* The others are older still. */
	ldaplink_close(link);
	close_idle(pool);
	return NULL;
}

/* What is done once has a connection of its own, and leaves it here: more come than are taken. */
static void
put_idle(struct ldappool *pool, struct ldaplink *link, size_t most)
{
	bool kept;

	pthread_mutex_lock(&pool->lock);
	kept = pool->idle_count < most;
	if (kept) {
		link->next = pool->idle;
		pool->idle = link;
		pool->idle_count++;
	}
	pthread_mutex_unlock(&pool->lock);
	if (!kept)
		ldaplink_close(link);
}

static void
set_current(struct ldappool *pool, size_t at)
{
	size_t before;

	pthread_mutex_lock(&pool->lock);
	before = pool->current;
	pool->current = at;
	pthread_mutex_unlock(&pool->lock);
	if (before != at)
		log_line(LOG_LEVEL_NOTICE, "%s: %s is asked from now on", pool->parameter,
		    pool->url.servers[at].uri);
}

/* The servers in turn, first the one that answered last; each has its share of what time is left,
 * so that a silent one does not take all. */
static enum status
open_any(struct ldappool *pool, int64_t deadline_ms, struct ldaplink **out, struct err *err)
{
	size_t count = pool->url.server_count, first;
	char before[ERR_TEXT_MAX] = "";

	pthread_mutex_lock(&pool->lock);
	first = pool->current;
	pthread_mutex_unlock(&pool->lock);
	for (size_t i = 0; i < count; i++) {
		size_t at = (first + i) % count;
		int64_t now_ms = clock_mono_ms();
		int64_t share_ms = (deadline_ms - now_ms) / (int64_t)(count - i);
		struct err each = ERR_NONE;

		if (ldaplink_open(&pool->config, &pool->url.servers[at], now_ms + share_ms, out,
			&each) == ST_OK) {
			set_current(pool, at);
			return ST_OK;
		}
		err_set(err, "%s%s%s", before, i == 0 ? "" : "; ", each.text);
		snprintf(before, sizeof(before), "%s", err == NULL ? "" : err->text);
	}
	return ST_UNAVAILABLE;
}

/* What a question says about the servers. */
enum outcome {
	SERVER_THERE,
	SERVER_MOVED, /* one is silent; the next of them is asked from now on */
	SERVERS_AWAY
};

/* The server at uri is silent. SERVERS_AWAY when all of them have been, one after the other. */
static enum outcome
leave_server(struct ldappool *pool, const char *uri)
{
	size_t count = pool->url.server_count;
	enum outcome outcome = SERVER_MOVED;

	pthread_mutex_lock(&pool->lock);
	if (pool->url.servers[pool->current].uri == uri) {
		pool->current = (pool->current + 1) % count;
		if (++pool->silent >= count)
			outcome = SERVERS_AWAY;
	}
	pthread_mutex_unlock(&pool->lock);
	close_idle(pool);
	return outcome;
}

/* A job, and how often it may be begun. */
struct work {
	ldappool_job *job;
	void *context;
	bool once;
};

/* An idle connection that turns out to be lost gets one retry, on a fresh one. */
static enum status
do_work(struct ldappool *pool, struct ldaplink *link, const struct work *work, int64_t deadline_ms,
    enum outcome *outcome_out, struct err *err)
{
	bool fresh = link == NULL;
	struct ldaplink_end end;
	enum status status;

	*outcome_out = SERVERS_AWAY;
	for (;;) {
		if (link == NULL && open_any(pool, deadline_ms, &link, err) != ST_OK)
			return ST_UNAVAILABLE;
		memset(&end, 0, sizeof(end));
		status = work->job(work->context, link, deadline_ms, &end, err);
		if (!end.lost && !end.silent) {
			*outcome_out = SERVER_THERE;
			put_idle(pool, link, work->once ? IDLE_ONCE_MAX : IDLE_MAX);
			return status;
		}
		if (end.silent)
			*outcome_out = leave_server(pool, link->uri);
		ldaplink_close(link);
		link = NULL;
		if (fresh || end.silent || work->once)
			return ST_UNAVAILABLE;
		close_idle(pool);
		fresh = true;
	}
}

static void
circuit_count(const struct ldappool *pool, int64_t by)
{
	metrics_gauge_add_at(METRIC_CIRCUITS,
	    strcmp(pool->parameter, "KeyStore") == 0 ? METRIC_STORE_KIND_KEYSTORE
						     : METRIC_STORE_KIND_TABLE,
	    by);
}

static void
note_away(struct ldappool *pool, enum breaker_turn turn, int64_t began_ms, const char *why)
{
	bool news;

	pthread_mutex_lock(&pool->lock);
	news = breaker_bad(&pool->breaker, turn, began_ms, clock_mono_ms());
	if (news)
		circuit_count(pool, 1);
	snprintf(pool->reason, sizeof(pool->reason), "%s", why);
	pthread_mutex_unlock(&pool->lock);
	close_idle(pool);
	if (news)
		log_line(LOG_LEVEL_WARNING,
		    "%s %s cannot be asked, and mail that needs it is tempfailed until it can: "
		    "%s",
		    pool->parameter, pool->where, why);
}

static void
note_there(struct ldappool *pool)
{
	bool news;

	pthread_mutex_lock(&pool->lock);
	news = breaker_good(&pool->breaker);
	if (news)
		circuit_count(pool, -1);
	pool->silent = 0;
	pthread_mutex_unlock(&pool->lock);
	if (news)
		log_line(LOG_LEVEL_NOTICE, "%s %s answers again", pool->parameter, pool->where);
}

/* Whether to ask, and with what; on BREAKER_REFUSE the sentence is set. */
static enum breaker_turn
begin(struct ldappool *pool, int64_t now_ms, struct err *err)
{
	enum breaker_turn turn;

	pthread_mutex_lock(&pool->lock);
	turn = breaker_turn(&pool->breaker, now_ms);
	if (turn == BREAKER_REFUSE)
		err_set(err, "%s", pool->reason);
	pthread_mutex_unlock(&pool->lock);
	return turn;
}

static enum status
run(struct ldappool *pool, const struct work *work, int64_t limit_ms, struct err *err)
{
	int64_t now_ms = clock_mono_ms();
	enum breaker_turn turn = begin(pool, now_ms, err);
	struct ldaplink *link = NULL;
	struct err why = ERR_NONE;
	enum status status;
	enum outcome outcome;

	if (turn == BREAKER_REFUSE)
		return ST_UNAVAILABLE;
	if (turn == BREAKER_TRY && limit_ms > BREAKER_MOST_MS)
		limit_ms = BREAKER_MOST_MS;
	if (turn == BREAKER_ASK && !work->once)
		link = take_idle(pool, now_ms);
	status = do_work(pool, link, work, now_ms + limit_ms, &outcome, &why);
	if (outcome == SERVERS_AWAY || (outcome == SERVER_MOVED && turn == BREAKER_TRY))
		note_away(pool, turn, now_ms, why.text);
	else if (outcome == SERVER_THERE)
		note_there(pool);
	if (status != ST_OK)
		err_set(err, "%s", why.text);
	return status;
}

static enum status
run_quietly(struct ldappool *pool, const struct work *work, int64_t limit_ms, struct err *err)
{
	struct quiet quiet;
	enum status status;

	quiet_begin(&quiet);
	status = run(pool, work, limit_ms, err);
	quiet_end(&quiet);
	return status;
}

enum status
ldappool_run(struct ldappool *pool, ldappool_job *job, void *context, struct err *err)
{
	const struct work work = {job, context, false};

	return run_quietly(pool, &work, pool->config.timeout_ms, err);
}

enum status
ldappool_run_once(
    struct ldappool *pool, ldappool_job *job, void *context, int64_t limit_ms, struct err *err)
{
	const struct work work = {job, context, true};

	return run_quietly(pool, &work, limit_ms, err);
}

/* A part of the data is elsewhere: that is to be mended, not each message to be blamed. */
void
ldappool_note_referred(struct ldappool *pool)
{
	if (!atomic_exchange(&pool->said_referred, true))
		log_line(LOG_LEVEL_WARNING,
		    "%s %s refers to another server for a part of the answer, which is not "
		    "followed; name that server in the URL (said once)",
		    pool->parameter, pool->where);
}

/* A server that is not there yet is no reason not to start: lookups say so until it is. */
static void
try_at_start(struct ldappool *pool)
{
	int64_t now_ms = clock_mono_ms(), limit_ms = pool->config.timeout_ms;
	struct ldaplink *link = NULL;
	struct err err = ERR_NONE;

	if (limit_ms > BREAKER_MOST_MS)
		limit_ms = BREAKER_MOST_MS;
	if (open_any(pool, now_ms + limit_ms, &link, &err) == ST_OK) {
		link->used_ms = now_ms;
		put_idle(pool, link, IDLE_MAX);
	} else {
		note_away(pool, BREAKER_ASK, now_ms, err.text);
	}
}

enum status
ldappool_open(struct ldappool *pool, struct ldapurl *url, const struct table_settings *settings,
    const char *parameter, const char *where, struct err *err)
{
	struct quiet quiet;
	enum status status;

	memset(pool, 0, sizeof(*pool));
	status = ldaplink_config_read(settings, &pool->config, err);
	if (status != ST_OK) {
		ldaplink_config_free(&pool->config);
		return status;
	}
	pool->url = *url;
	memset(url, 0, sizeof(*url));
	pool->parameter = parameter;
	pool->where = where;
	pthread_mutex_init(&pool->lock, NULL);
	quiet_begin(&quiet);
	try_at_start(pool);
	quiet_end(&quiet);
	return ST_OK;
}

void
ldappool_close(struct ldappool *pool)
{
	struct quiet quiet;

	if (pool->breaker.open)
		circuit_count(pool, -1);
	quiet_begin(&quiet);
	close_links(pool->idle);
	quiet_end(&quiet);
	ldapurl_free(&pool->url);
	ldaplink_config_free(&pool->config);
	pthread_mutex_destroy(&pool->lock);
}
