/*
 * events.c - the thread that reads the audit for all who listen, and looks whether they may still.
 * Started by api.c. It must never ask the store while it holds the lock, nor wait for a listener.
 */
#include "config.h"

#include <string.h>
#include <time.h>

#include "admin-api/events_private.h"
#include "admin-api/operation_call.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define PAGE 500U
#define TEXT_MAX (64U * 1024U) /* of one event */
#define DEGRADED_AFTER 2U      /* failures */

/* ---- rows ---- */

/* With the lock. */
static void
tell_row(struct events *events, const struct store_audit *row)
{
	struct event list[EVENTS_OF_ROW_MAX];
	size_t count = events_of_row(row, list);
	struct buf text;

	buf_init(&text, TEXT_MAX);
	for (size_t i = 0; i < count; i++) {
		buf_reset(&text);
		event_write(row, &list[i], (unsigned)i, (unsigned)count, &text);
		for (struct listener *l = events->listeners; l != NULL; l = l->next)
			if (row->seq > l->until && listener_hears(l, row, &list[i]))
				listener_tell(l, buf_span(&text));
	}
	buf_free(&text);
}

/* With the lock. A look that began before somebody came may have rows that were told. */
static void
tell_rows(struct events *events, const struct keystore_rows *rows)
{
	for (size_t i = 0; i < rows->audit_count; i++) {
		if (rows->audits[i].seq <= events->seq)
			continue;
		tell_row(events, &rows->audits[i]);
		events->seq = rows->audits[i].seq;
	}
}

/* ---- what has no row ---- */

/* With the lock. Of the store, to those who see all of it. */
static void
tell_condition(struct events *events, const char *type)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	buf_add_fmt(&text, "event: %s\ndata: {\"type\":\"%s\"}\n\n", type, type);
	for (struct listener *l = events->listeners; l != NULL; l = l->next)
		if (l->principal.tenant[0] == '\0' && l->principal.domains[0] == '\0' &&
		    (l->types >> event_type_bit(type) & 1) != 0)
			listener_tell(l, buf_span(&text));
	buf_free(&text);
}

/* With the lock. */
static void
note_store(struct events *events, bool answers)
{
	events->failures = answers ? 0 : events->failures + 1;
	if (!events->degraded && events->failures >= DEGRADED_AFTER)
		tell_condition(events, "store.degraded");
	else if (events->degraded && answers)
		tell_condition(events, "store.recovered");
	events->degraded = events->failures >= DEGRADED_AFTER;
}

/* ---- tokens ---- */

struct ticket {
	const struct listener *listener; /* to be found again; never looked into without the lock */
	char token[KEYSTORE_ID_MAX + 1], secret[ADMINROW_HASH_BYTES];
	bool over;
};

static bool
is_over(struct events *events, const struct ticket *ticket, int64_t now_utc)
{
	struct keystore_rows *rows = NULL;
	struct err ignored = ERR_NONE;
	const struct store_token *row;
	bool over;

	if (keystore_token(events->admin->store, STORE_TOKEN_BY_ID, span_str(ticket->token), &rows,
		&ignored) != ST_OK)
		return false;
	row = rows->token_count == 1 ? &rows->tokens[0] : NULL;
	over = row == NULL || row->revoked != 0 || (row->expires != 0 && row->expires <= now_utc) ||
	       !span_eq_str(row->secret, ticket->secret);
	keystore_rows_release(rows);
	return over;
}

/* With the lock, which it gives back while it asks. */
static void
check_tokens(struct events *events)
{
	struct ticket *tickets = mem_zalloc(EVENTS_LISTENERS_MAX, sizeof(*tickets));
	struct keystore *store = events->admin->store;
	struct err ignored = ERR_NONE;
	int64_t now_utc = 0;
	size_t count = 0;

	for (struct listener *l = events->listeners; l != NULL; l = l->next) {
		if (l->secret[0] == '\0' || l->over || count == EVENTS_LISTENERS_MAX)
			continue;
		tickets[count].listener = l;
		memcpy(tickets[count].token, l->principal.token, sizeof(tickets[0].token));
		memcpy(tickets[count++].secret, l->secret, sizeof(tickets[0].secret));
	}
	pthread_mutex_unlock(&events->lock);
	if (count > 0 && store->ops->now(store, &now_utc, &ignored) == ST_OK)
		for (size_t i = 0; i < count; i++)
			tickets[i].over = is_over(events, &tickets[i], now_utc);
	pthread_mutex_lock(&events->lock);
	for (struct listener *l = events->listeners; l != NULL; l = l->next)
		for (size_t i = 0; i < count; i++)
			if (tickets[i].listener == l && tickets[i].over &&
			    strcmp(tickets[i].secret, l->secret) == 0)
				l->over = true;
	pthread_cond_broadcast(&events->wake);
	mem_free(tickets);
}

/* ---- the thread ---- */

/* With the lock, which it gives back while it asks. true: there may be more at once. */
static bool
look(struct events *events)
{
	const struct audit_question question = {.seq = events->seq, .max = PAGE};
	struct keystore_rows *rows = NULL;
	struct err ignored = ERR_NONE;
	enum status status;
	bool more = false;

	pthread_mutex_unlock(&events->lock);
	status = keystore_audits(events->admin->store, &question, &rows, &ignored);
	pthread_mutex_lock(&events->lock);
	note_store(events, status == ST_OK);
	if (status == ST_OK) {
		more = rows->audit_count == PAGE;
		tell_rows(events, rows);
		keystore_rows_release(rows);
	}
	if (events->seq != question.seq || status != ST_OK || events->failures > 0)
		pthread_cond_broadcast(&events->wake);
	return more;
}

void
events_wait(struct events *events, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms % 1000 * 1000000;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	(void)pthread_cond_timedwait(&events->wake, &events->lock, &until);
}

static void *
run(void *context)
{
	struct events *events = context;
	int64_t checked_ms = 0, looked_ms = 0, mail_ms = 0;
	struct events_mail *mail = NULL;

	pthread_mutex_lock(&events->lock);
	while (!events->closing) {
		int64_t left_ms = looked_ms + EVENTS_LOOK_MS - clock_mono_ms();

		if (events->count == 0 || left_ms > 0) {
			events_wait(events, events->count == 0 ? 60000 : left_ms);
			continue;
		}
		looked_ms = look(events) ? 0 : clock_mono_ms();
		if (checked_ms + EVENTS_CHECK_MS <= clock_mono_ms()) {
			check_tokens(events);
			checked_ms = clock_mono_ms();
		}
		if (mail_ms + EVENTS_MAIL_MS <= clock_mono_ms()) {
			pthread_mutex_unlock(&events->lock);
			events_mail_look(events, &mail);
			pthread_mutex_lock(&events->lock);
			mail_ms = clock_mono_ms();
		}
	}
	pthread_mutex_unlock(&events->lock);
	events_mail_free(mail);
	return NULL;
}

enum status
events_new(struct admin *admin, struct events **out, struct err *err)
{
	struct events *events = mem_zalloc(1, sizeof(*events));
	pthread_condattr_t attributes;
	int failed;

	events->admin = admin;
	pthread_mutex_init(&events->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&events->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	failed = pthread_create(&events->thread, NULL, run, events);
	if (failed == 0) {
		*out = events;
		return ST_OK;
	}
	err_set(err, "no thread for events: %s", strerror(failed));
	pthread_cond_destroy(&events->wake);
	pthread_mutex_destroy(&events->lock);
	mem_free(events);
	return ST_FAILED;
}

void
events_free(struct events *events)
{
	if (events == NULL)
		return;
	pthread_mutex_lock(&events->lock);
	events->closing = true;
	pthread_cond_broadcast(&events->wake);
	pthread_mutex_unlock(&events->lock);
	pthread_join(events->thread, NULL);
	pthread_cond_destroy(&events->wake);
	pthread_mutex_destroy(&events->lock);
	mem_free(events);
}

unsigned
events_listeners(struct events *events)
{
	unsigned count;

	pthread_mutex_lock(&events->lock);
	count = events->count;
	pthread_mutex_unlock(&events->lock);
	return count;
}
