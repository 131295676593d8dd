/*
 * events_private.h - what the files of events.h share.
 */
#ifndef SIGNPOST_ADMIN_API_EVENTS_PRIVATE_H
#define SIGNPOST_ADMIN_API_EVENTS_PRIVATE_H

#include <pthread.h>

#include "admin-api/events.h"
#include "lib/base/buf.h"

#define EVENTS_OF_ROW_MAX 64U

/* ---- events_name.c: rows of the audit as events. Pure. ---- */

struct event {
	const char *type;                   /* "key.activated"; static */
	unsigned bit;                       /* in a set of types */
	uint32_t scope;                     /* who has this one may hear of it */
	bool of_domain;                     /* object is a domain */
	struct span subject, from, to, why; /* of a step (audit_step.h) */
};

/* What one row of the audit tells; the same each time. The spans point into the row. */
size_t events_of_row(const struct store_audit *row, struct event out[EVENTS_OF_ROW_MAX]);
/* The bit of a type without a row; SIZE_MAX: there is no such type. */
unsigned event_type_bit(const char *type);
/* Appends event number n (0, 1, ...) of count as text/event-stream. */
void event_write(const struct store_audit *row, const struct event *event, unsigned n,
    unsigned count, struct buf *out);

/* ---- events_listen.c ---- */

struct listener {
	struct events *events;
	struct listener *next;
	struct principal principal;
	char secret[ADMINROW_HASH_BYTES]; /* of the token when it began; "": a local user */
	uint64_t types;
	/* Of its own thread: what was before it came. */
	struct event_place place; /* heard up to here */
	uint64_t until;           /* all behind it comes by the queue */
	bool caught_up;
	struct buf history;
	int64_t said_ms;
	/* With the lock of events. */
	struct buf queue;
	bool cut;  /* it does not read: what is in the queue, and no more */
	bool over; /* its token has ended: nothing more */
};

/* May it hear this? */
bool listener_hears(
    const struct listener *listener, const struct store_audit *row, const struct event *event);
/* With the lock: puts a text into its queue, or cuts it. */
void listener_tell(struct listener *listener, struct span text);

/* ---- events_mail.c: mail that was not signed ---- */

/* What was told of it last. */
struct events_mail;

/* Asks what the gateways say, and tells of what is more than it was. Without the lock, by the
 * thread of events alone; *mail: NULL at first. */
void events_mail_look(struct events *events, struct events_mail **mail);
void events_mail_free(struct events_mail *mail); /* NULL is fine */

struct events {
	struct admin *admin;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;  /* something is in a queue, or the thread is to look */
	bool closing;
	struct listener *listeners;
	unsigned count;
	uint64_t seq;      /* all rows up to it were told, while there are listeners */
	unsigned failures; /* of looks at the store, one after the other */
	bool degraded;
};

void events_wait(struct events *events, int64_t ms); /* with the lock */

#endif
