/*
 * memcached_asker.c - the thread that talks to one memcached: asks for the names that wait, and
 * finds out whether a server that was away is back.
 * Started by memcached_pool.c; nobody ever waits for it without a time limit.
 * It must never hold the pool's lock while it waits for the server, nor touch a name's question
 * after it gave the name back.
 */
#include <string.h>

#include "backends/memcached_pool_private.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"

#define TRY_FIRST_MS 20

/* A name that nobody has; what counts is that the answer is one. */
#define PROBE_NAME "signpost-is-it-there"

static void
free_octets(const struct asker *asker, struct mcvalue *value)
{
	mclink_octets_free(&asker->pool->config.limits, value->octets);
	*value = (struct mcvalue){.found = false};
}

/* With the lock held. false: the caller has an answer already. */
static bool
finish(struct waiting *waiting, enum status status, char *octets, size_t n)
{
	struct question *question = waiting->question;

	if (question->done[waiting->at])
		return false;
	question->done[waiting->at] = true;
	question->out[waiting->at] =
	    (struct shared_value){.status = status, .octets = octets, .n = n};
	if (--question->unfinished == 0)
		pthread_cond_signal(&question->finished);
	return true;
}

static void
drop_queue(struct asker *asker)
{
	while (asker->first != NULL) {
		struct waiting *waiting = asker->first;

		asker->first = waiting->next;
		finish(waiting, ST_UNAVAILABLE, NULL, 0);
		mcpool_question_unref(waiting->question);
	}
	asker->last = NULL;
	asker->waiting_count = 0;
}

void
mcpool_went_away(struct asker *asker)
{
	if (!asker->away) {
		asker->away = true;
		asker->since_ms = clock_mono_ms();
		asker->delay_ms = TRY_FIRST_MS;
		asker->next_ms = asker->since_ms + TRY_FIRST_MS;
		if (asker->pool->config.gauge)
			metrics_gauge_add(METRIC_SHARED_AWAY, 1);
		pthread_cond_signal(&asker->wake);
	}
	for (size_t i = 0; i < asker->flight_count; i++)
		finish(asker->flight[i], ST_UNAVAILABLE, NULL, 0);
	drop_queue(asker);
}

/* With the lock held, as the next three. */
static void
became_known(struct asker *asker)
{
	asker->known = true;
	pthread_cond_broadcast(&asker->pool->changed);
}

/* true: this is to be logged. */
static bool
try_failed(struct asker *asker, int64_t now_ms)
{
	bool say = !asker->said && now_ms - asker->since_ms >= MCPOOL_SAY_MS;

	asker->said = asker->said || say;
	asker->next_ms = now_ms + asker->delay_ms;
	asker->delay_ms = asker->delay_ms * 2 < MCPOOL_TRY_MS ? asker->delay_ms * 2 : MCPOOL_TRY_MS;
	return say;
}

/* true: this is to be logged. */
static bool
came_back(struct asker *asker)
{
	bool say = asker->said;

	asker->away = false;
	asker->said = false;
	if (asker->pool->config.gauge)
		metrics_gauge_add(METRIC_SHARED_AWAY, -1);
	return say;
}

static void
take_batch(struct asker *asker)
{
	while (asker->first != NULL && asker->flight_count < BATCH_MAX) {
		asker->flight[asker->flight_count++] = asker->first;
		asker->first = asker->first->next;
		asker->waiting_count--;
	}
	if (asker->first == NULL)
		asker->last = NULL;
	asker->asked_ms = clock_mono_ms();
}

static enum status
connect_to_server(struct asker *asker, int64_t deadline_ms, struct err *err)
{
	if (mclink_open(&asker->link, &asker->where, deadline_ms, err) != ST_OK)
		return ST_UNAVAILABLE;
	pthread_mutex_lock(&asker->pool->lock);
	asker->connection++;
	pthread_mutex_unlock(&asker->pool->lock);
	return ST_OK;
}

/* A connection that was idle may have been closed meanwhile: once more with a fresh one. */
static enum mclink_end
ask(struct asker *asker, const struct span *names, size_t count, int64_t deadline_ms,
    struct mcvalue *values, struct err *err)
{
	const struct mclink_limits *limits = &asker->pool->config.limits;
	bool fresh = asker->link.fd < 0;
	enum mclink_end end;

	for (;; fresh = true) {
		if (fresh && connect_to_server(asker, deadline_ms, err) != ST_OK)
			return MCLINK_FAILED;
		end = mclink_get(&asker->link, names, count, limits, deadline_ms, values, err);
		if (end != MCLINK_DONE)
			mclink_close(&asker->link);
		if (end != MCLINK_LOST || fresh)
			return end;
	}
}

/* Gives the names of the flight back, with what came for them. Lock held. */
static void
land(struct asker *asker, struct mcvalue *values)
{
	for (size_t i = 0; i < asker->flight_count; i++) {
		struct mcvalue *value = &values[i];
		enum status status = value->found ? ST_OK : ST_ABSENT;

		if (!value->found)
			free_octets(asker, value);
		if (!finish(asker->flight[i], status, value->octets, value->n))
			free_octets(asker, value);
		mcpool_question_unref(asker->flight[i]->question);
	}
	asker->flight_count = 0;
}

static void
ask_batch(struct asker *asker)
{
	struct mcvalue values[BATCH_MAX] = {{.found = false}};
	struct span names[BATCH_MAX];
	struct err err = ERR_NONE;
	enum mclink_end end;

	for (size_t i = 0; i < asker->flight_count; i++)
		names[i] = asker->flight[i]->question->names[asker->flight[i]->at];
	end = ask(asker, names, asker->flight_count,
	    clock_mono_ms() + asker->pool->config.answer_ms, values, &err);
	if (end != MCLINK_DONE)
		for (size_t i = 0; i < asker->flight_count; i++)
			free_octets(asker, &values[i]);
	pthread_mutex_lock(&asker->pool->lock);
	if (end != MCLINK_DONE)
		mcpool_went_away(asker);
	else if (asker->away) /* late; the next try tells whether it is back */
		asker->next_ms = clock_mono_ms();
	land(asker, values);
	pthread_mutex_unlock(&asker->pool->lock);
}

static void
log_news(const struct asker *asker, bool there, const char *why)
{
	const struct mcpool_config *config = &asker->pool->config;

	if (there)
		log_line(LOG_LEVEL_NOTICE, "%s: memcached %s answers again", config->parameter,
		    asker->where.text);
	else
		log_line(LOG_LEVEL_WARNING,
		    "%s: memcached %s does not answer, and %s until it does: %s", config->parameter,
		    asker->where.text, config->cost, why);
}

static void
note_try(struct asker *asker, bool there, const char *why)
{
	bool say;

	pthread_mutex_lock(&asker->pool->lock);
	if (!there && !asker->away)
		mcpool_went_away(asker);
	say = there ? asker->away && came_back(asker) : try_failed(asker, clock_mono_ms());
	say = say && !asker->pool->closing;
	became_known(asker);
	pthread_mutex_unlock(&asker->pool->lock);
	if (say)
		log_news(asker, there, why);
}

static void
try_it(struct asker *asker)
{
	const struct mcpool_config *config = &asker->pool->config;
	const struct span name = SPAN_LIT(PROBE_NAME);
	struct mcvalue value = {.found = false};
	struct err err = ERR_NONE;
	int64_t began_ms;
	bool there;

	if (asker->link.fd < 0 &&
	    connect_to_server(asker, clock_mono_ms() + config->answer_ms, &err) != ST_OK) {
		note_try(asker, false, err.text);
		return;
	}
	began_ms = clock_mono_ms();
	there = ask(asker, &name, 1, began_ms + config->answer_ms, &value, &err) == MCLINK_DONE;
	free_octets(asker, &value);
	if (there && clock_mono_ms() - began_ms >= config->patience_ms) {
		there = false;
		err_set(&err, "it takes longer than %d ms", (int)config->patience_ms);
	}
	note_try(asker, there, err.text);
}

/* With the lock held: until there is something to do. */
static void
wait_for_work(struct asker *asker)
{
	struct mcpool *pool = asker->pool;

	while (!pool->closing && asker->first == NULL) {
		struct timespec until = {asker->next_ms / 1000, asker->next_ms % 1000 * 1000000};

		if (!asker->away)
			pthread_cond_wait(&asker->wake, &pool->lock);
		else if (clock_mono_ms() < asker->next_ms)
			pthread_cond_timedwait(&asker->wake, &pool->lock, &until);
		else
			break;
	}
}

void *
mcpool_asker_run(void *arg)
{
	struct asker *asker = arg;
	struct mcpool *pool = asker->pool;
	bool closing, away;

	try_it(asker);
	for (;;) {
		pthread_mutex_lock(&pool->lock);
		wait_for_work(asker);
		closing = pool->closing;
		away = asker->away;
		if (!closing && !away)
			take_batch(asker);
		pthread_mutex_unlock(&pool->lock);
		if (closing)
			break;
		if (away)
			try_it(asker);
		else
			ask_batch(asker);
	}
	mclink_close(&asker->link);
	mcpool_asker_done(asker);
	return NULL;
}
