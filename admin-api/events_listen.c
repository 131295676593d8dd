/*
 * events_listen.c - one who listens: what he missed, from the audit, then what comes.
 * Its source is called by a thread of its own (http_source.c). It must never tell of another
 * tenant, nor tell anything twice: rows up to "until" are read here, those behind it are told by
 * events.c.
 */
#include "config.h"

#include <poll.h>
#include <string.h>

#include "admin-api/events_private.h"
#include "admin-api/operation_call.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define PAGE 100U
#define HISTORY_MAX (8U << 20) /* octets of the events of a page */
#define PIECE 32768U           /* octets that are handed over at once */

/* ---- what it may hear ---- */

bool
listener_hears(
    const struct listener *listener, const struct store_audit *row, const struct event *event)
{
	const struct principal *p = &listener->principal;

	if ((listener->types >> event->bit & 1) == 0 || (p->scopes & event->scope) == 0)
		return false;
	if (p->tenant[0] != '\0' && !span_eq_str(row->tenant, p->tenant))
		return false;
	return p->domains[0] == '\0' ||
	       (event->of_domain && scope_domain_fits(span_str(p->domains), row->object));
}

void
listener_tell(struct listener *listener, struct span text)
{
	if (listener->cut || listener->over)
		return;
	if (listener->queue.n + text.n > EVENTS_QUEUE_MAX)
		listener->cut = true;
	else
		buf_add(&listener->queue, text);
}

/* ---- what was before ---- */

static void
recall_row(struct listener *l, const struct store_audit *row)
{
	struct event list[EVENTS_OF_ROW_MAX];
	size_t count = events_of_row(row, list);
	size_t from = row->seq == l->place.seq + 1 ? l->place.more : 0;

	for (size_t i = from; i < count; i++)
		if (listener_hears(l, row, &list[i]))
			event_write(row, &list[i], (unsigned)i, (unsigned)count, &l->history);
}

/* A page of it. What the store does not answer now is asked for again. */
static void
recall(struct listener *l, int wait_ms)
{
	const struct audit_question question = {
	    .seq = l->place.seq, .max = PAGE, .tenant = span_str(l->principal.tenant)};
	struct keystore_rows *rows = NULL;
	struct err ignored = ERR_NONE;

	if (keystore_audits(l->events->admin->store, &question, &rows, &ignored) != ST_OK) {
		poll(NULL, 0, wait_ms);
		return;
	}
	l->caught_up = rows->audit_count < PAGE;
	for (size_t i = 0; i < rows->audit_count; i++) {
		if (rows->audits[i].seq > l->until) {
			l->caught_up = true;
			break;
		}
		recall_row(l, &rows->audits[i]);
		l->place = (struct event_place){.seq = rows->audits[i].seq};
	}
	keystore_rows_release(rows);
}

/* ---- its source ---- */

static void
hand_over(struct buf *from, struct buf *out)
{
	size_t n = from->n < PIECE ? from->n : PIECE;

	buf_add(out, span_of(from->p, n));
	buf_drop_front(from, n);
}

/* That somebody is there; and up to where all is told, for who comes back. */
static void
say_alive(struct listener *l, uint64_t seq, struct buf *out)
{
	char id[48];

	event_place_write(&(struct event_place){.seq = seq}, id);
	buf_add_fmt(out, ": \nid: %s\n\n", id);
	l->said_ms = clock_mono_ms();
}

/* With the lock. */
static bool
take_queue(struct listener *l, int wait_ms, struct buf *out)
{
	if (l->queue.n == 0 && !l->cut && !l->over)
		events_wait(l->events, wait_ms);
	if (l->over || (l->cut && l->queue.n == 0))
		return false;
	if (l->queue.n > 0)
		hand_over(&l->queue, out);
	else if (clock_mono_ms() - l->said_ms >= EVENTS_ALIVE_MS)
		say_alive(l, l->events->seq > l->until ? l->events->seq : l->until, out);
	return true;
}

static bool
is_over(struct listener *l)
{
	bool over;

	pthread_mutex_lock(&l->events->lock);
	over = l->over;
	pthread_mutex_unlock(&l->events->lock);
	return over;
}

static bool
source(void *context, int wait_ms, struct buf *out)
{
	struct listener *l = context;
	bool more = true;

	if (l->history.n == 0 && !l->caught_up)
		recall(l, wait_ms);
	if (l->history.n > 0 || !l->caught_up) {
		more = !is_over(l);
		if (more)
			hand_over(&l->history, out);
	} else {
		buf_free(&l->history);
		pthread_mutex_lock(&l->events->lock);
		more = take_queue(l, wait_ms, out);
		pthread_mutex_unlock(&l->events->lock);
	}
	if (out->n > 0)
		l->said_ms = clock_mono_ms();
	return more;
}

static void
source_end(void *context)
{
	struct listener *l = context, **place;
	struct events *events = l->events;

	pthread_mutex_lock(&events->lock);
	for (place = &events->listeners; *place != l; place = &(*place)->next)
		;
	*place = l->next;
	events->count--;
	pthread_mutex_unlock(&events->lock);
	buf_free(&l->history);
	buf_free(&l->queue);
	mem_free(l);
}

/* ---- beginning ---- */

/* With the lock. */
static bool
has_room(const struct events *events, const struct principal *principal)
{
	unsigned tenant = 0, one = 0;

	for (const struct listener *l = events->listeners; l != NULL; l = l->next) {
		tenant += strcmp(l->principal.tenant, principal->tenant) == 0;
		one += strcmp(l->principal.actor, principal->actor) == 0;
	}
	return events->count < EVENTS_LISTENERS_MAX && tenant < EVENTS_OF_TENANT_MAX &&
	       one < EVENTS_OF_ONE_MAX;
}

/* With the lock. head: of the audit, a moment ago. */
static void
join(struct events *events, struct listener *l, uint64_t head, const struct event_place *from)
{
	uint64_t heard = from == NULL ? 0 : from->seq + (from->more > 0);
	bool reset;

	if (events->count == 0) {
		events->seq = head;
		events->failures = 0;
		events->degraded = false;
	}
	if (head < events->seq)
		head = events->seq;
	reset = heard > head;
	l->until = heard > events->seq ? heard : events->seq;
	l->place = from == NULL || reset ? (struct event_place){.seq = head} : *from;
	l->caught_up = from == NULL || reset;
	/* Rows between the two: he hears of what comes from now on. */
	if (l->caught_up)
		l->until = head;
	buf_add_str(l->caught_up ? &l->queue : &l->history, "retry: 2000\n");
	if (reset)
		buf_add_str(&l->queue, "event: events.reset\ndata: {\"type\":\"events.reset\"}\n");
	if (l->caught_up)
		say_alive(l, head, &l->queue);
	else
		buf_add_str(&l->history, "\n");
	l->next = events->listeners;
	events->listeners = l;
	events->count++;
	pthread_cond_broadcast(&events->wake);
}

/* What its token is like now, so that another secret of it ends the stream. */
static enum status
remember_token(struct events *events, struct listener *l, struct err *err)
{
	struct keystore_rows *rows = NULL;
	enum status status;

	if (l->principal.token[0] == '\0')
		return ST_OK;
	status = keystore_token(
	    events->admin->store, STORE_TOKEN_BY_ID, span_str(l->principal.token), &rows, err);
	if (status != ST_OK)
		return status;
	if (rows->token_count == 1 && rows->tokens[0].secret.n < sizeof(l->secret))
		memcpy(l->secret, rows->tokens[0].secret.p, rows->tokens[0].secret.n);
	else
		l->over = true;
	keystore_rows_release(rows);
	return ST_OK;
}

static struct listener *
listener_new(struct events *events, const struct principal *principal, uint64_t types)
{
	struct listener *l = mem_zalloc(1, sizeof(*l));

	l->events = events;
	l->principal = *principal;
	l->types = types;
	l->said_ms = clock_mono_ms();
	buf_init(&l->history, HISTORY_MAX);
	buf_init(&l->queue, EVENTS_QUEUE_MAX + 1024U);
	return l;
}

bool
events_listen(struct events *events, const struct principal *principal, uint64_t types,
    const struct event_place *from, struct http_response *response, bool *unavailable)
{
	struct listener *l = listener_new(events, principal, types);
	struct err ignored = ERR_NONE;
	struct audit_head head;
	bool room = false;

	*unavailable = keystore_audit_head(events->admin->store, &head, &ignored) != ST_OK ||
		       remember_token(events, l, &ignored) != ST_OK;
	if (!*unavailable) {
		pthread_mutex_lock(&events->lock);
		room = has_room(events, principal);
		if (room)
			join(events, l, head.seq, from);
		pthread_mutex_unlock(&events->lock);
	}
	if (!room) {
		buf_free(&l->history);
		buf_free(&l->queue);
		mem_free(l);
		return false;
	}
	response->source = source;
	response->source_end = source_end;
	response->source_context = l;
	return true;
}
