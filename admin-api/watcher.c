/*
 * watcher.c - the thread that looks at the key store for /readyz and /metrics.
 * Started by api.c. It must never hold its lock while the store is asked, nor ask anything that
 * grows with the number of domains.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admin-api/watcher.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

struct watcher {
	struct admin *admin;
	int64_t every_ms;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool closing;
	int64_t began_ms; /* of the look that is under way; 0: none is */
	struct watched watched;
};

/* ---- a look ---- */

static void
take_node(const struct store_gateway *row, uint64_t epoch, struct watched_node *out)
{
	snprintf(out->name, sizeof(out->name), "%.*s", SPAN_ARG(row->node));
	out->lag = epoch > row->epoch ? epoch - row->epoch : 0;
	out->said = row->at;
	out->offset_ms = row->offset_ms;
}

static enum status
look_at_nodes(struct keystore *store, struct watched *out, struct err *err)
{
	struct keystore_rows *rows;
	enum status status;

	if (store->ops->gateways == NULL)
		return ST_OK;
	status = store->ops->gateways(store, &rows, err);
	if (status != ST_OK)
		return status;
	out->epoch = rows->epoch;
	out->nodes = mem_zalloc(rows->gateway_count + 1, sizeof(*out->nodes));
	for (size_t i = 0; i < rows->gateway_count; i++)
		take_node(&rows->gateways[i], rows->epoch, &out->nodes[out->node_count++]);
	keystore_rows_release(rows);
	return ST_OK;
}

static enum status
look(struct admin *admin, struct watched *out, struct err *err)
{
	struct keystore *store = admin->store;
	enum status status = store->ops->now(store, &out->now_utc, err);

	if (status == ST_OK)
		status = look_at_nodes(store, out, err);
	if (status == ST_OK && admin->records) {
		status = keystore_audit_head(store, &out->head, err);
		out->audits = status == ST_OK;
	}
	return status;
}

/* ---- what is known ---- */

/* With the lock. What was known stays when nothing new is. */
static void
take(struct watcher *watcher, enum status status, struct watched *fresh, const struct err *err)
{
	struct watched *watched = &watcher->watched;

	if (status == ST_OK) {
		watched_free(watched);
		*watched = *fresh;
		watched->up = watched->known = true;
	} else {
		watched_free(fresh);
		watched->up = false;
		snprintf(watched->why, sizeof(watched->why), "%s", err->text);
	}
}

/* With the lock, which it gives back while it asks. true: the store answered. */
static bool
look_once(struct watcher *watcher)
{
	struct watched fresh = {.up = false};
	struct err err = ERR_NONE;
	enum status status;

	watcher->began_ms = clock_mono_ms();
	pthread_mutex_unlock(&watcher->lock);
	status = look(watcher->admin, &fresh, &err);
	fresh.looked_ms = clock_mono_ms();
	pthread_mutex_lock(&watcher->lock);
	watcher->began_ms = 0;
	take(watcher, status, &fresh, &err);
	return status == ST_OK;
}

static void
wait_ms(struct watcher *watcher, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms % 1000 * 1000000;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (!watcher->closing &&
	       pthread_cond_timedwait(&watcher->wake, &watcher->lock, &until) == 0)
		;
}

static void *
run(void *context)
{
	struct watcher *watcher = context;
	int64_t again_ms =
	    watcher->every_ms < WATCHER_AGAIN_MS ? watcher->every_ms : WATCHER_AGAIN_MS;

	pthread_mutex_lock(&watcher->lock);
	while (!watcher->closing)
		wait_ms(watcher, look_once(watcher) ? watcher->every_ms : again_ms);
	pthread_mutex_unlock(&watcher->lock);
	return NULL;
}

void
watcher_read(struct watcher *watcher, struct watched *out)
{
	pthread_mutex_lock(&watcher->lock);
	*out = watcher->watched;
	out->nodes = mem_zalloc(out->node_count + 1, sizeof(*out->nodes));
	if (out->node_count > 0)
		memcpy(out->nodes, watcher->watched.nodes, out->node_count * sizeof(*out->nodes));
	if (watcher->began_ms != 0 && clock_mono_ms() - watcher->began_ms > WATCHER_LATE_MS) {
		out->up = false;
		snprintf(out->why, sizeof(out->why), "the key store does not answer");
	}
	pthread_mutex_unlock(&watcher->lock);
}

void
watched_free(struct watched *watched)
{
	mem_free(watched->nodes);
	watched->nodes = NULL;
	watched->node_count = 0;
}

/* ---- beginning and end ---- */

enum status
watcher_new(struct admin *admin, int64_t every_ms, struct watcher **out, struct err *err)
{
	struct watcher *watcher = mem_zalloc(1, sizeof(*watcher));
	pthread_condattr_t attributes;
	int failed;

	watcher->admin = admin;
	watcher->every_ms = every_ms == 0 ? WATCHER_EVERY_MS : every_ms;
	snprintf(watcher->watched.why, sizeof(watcher->watched.why), "it was not asked yet");
	pthread_mutex_init(&watcher->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&watcher->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	failed = pthread_create(&watcher->thread, NULL, run, watcher);
	if (failed == 0) {
		*out = watcher;
		return ST_OK;
	}
	err_set(err, "no thread that looks at the key store: %s", strerror(failed));
	pthread_cond_destroy(&watcher->wake);
	pthread_mutex_destroy(&watcher->lock);
	mem_free(watcher);
	return ST_FAILED;
}

void
watcher_free(struct watcher *watcher)
{
	if (watcher == NULL)
		return;
	pthread_mutex_lock(&watcher->lock);
	watcher->closing = true;
	pthread_cond_broadcast(&watcher->wake);
	pthread_mutex_unlock(&watcher->lock);
	pthread_join(watcher->thread, NULL);
	watched_free(&watcher->watched);
	pthread_cond_destroy(&watcher->wake);
	pthread_mutex_destroy(&watcher->lock);
	mem_free(watcher);
}
