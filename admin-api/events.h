/*
 * events.h - GET /v1/events: what happens, as it happens (text/event-stream). The audit is where
 * events come from: each effect of an operation and each step of the reconciler is a row of it,
 * written in the same transaction. So the id of an event is the number of a row, and whoever comes
 * back with Last-Event-ID hears all that he missed, once, also after a restart and at another
 * signpost-admind. One thread reads the audit for all listeners.
 *
 * Beside these there are events without an id, which are not heard again: store.degraded and
 * store.recovered; unsigned.mail, of a tenant and a cause, when gateways say that there is some,
 * and once in EVENTS_MAIL_AGAIN_MS while it gets more; events.reset, where Last-Event-ID is none of
 * this store.
 */
#ifndef SIGNPOST_ADMIN_API_EVENTS_H
#define SIGNPOST_ADMIN_API_EVENTS_H

#include "admin-api/admin.h"
#include "admin-api/http.h"
#include "admin-api/principal.h"

#define EVENTS_LISTENERS_MAX 64U        /* at once; above: 503 */
#define EVENTS_OF_TENANT_MAX 32U        /* of them of one tenant, and of those who see all */
#define EVENTS_OF_ONE_MAX 16U           /* and of one token or user */
#define EVENTS_QUEUE_MAX (256U * 1024U) /* octets for who does not read: then his stream ends */
#define EVENTS_ALIVE_MS 15000           /* a comment after such a silence */
#define EVENTS_LOOK_MS 400              /* from one look at the audit to the next */
#define EVENTS_CHECK_MS 2000            /* from one look at the tokens to the next */
#define EVENTS_MAIL_MS 2000             /* and at what gateways say of their mail */
#define EVENTS_MAIL_AGAIN_MS 60000

struct events;

/* ST_FAILED: no thread. admin: borrowed. */
enum status events_new(struct admin *admin, struct events **out, struct err *err) MUST_USE;
void events_free(struct events *events); /* after all listeners; NULL is fine */

/* Where a listener goes on. */
struct event_place {
	uint64_t seq;  /* all rows up to it were heard */
	unsigned more; /* and so many events of the next row */
};
/* "17", "17.2" (of row 17 the first two). false: it is none. */
bool event_place_parse(struct span text, struct event_place *out);
void event_place_write(const struct event_place *place, char out[48]);
/* A set of types: "key.activated,rotation.*"; what is empty are all. false: there is no such type.
 */
bool event_types_parse(struct span text, uint64_t *out);

/* Makes response a stream of events for who asks. from: of Last-Event-ID; NULL: from now. true: it
 * is one. false: there are too many listeners, *unavailable, or the store is. */
bool events_listen(struct events *events, const struct principal *principal, uint64_t types,
    const struct event_place *from, struct http_response *response, bool *unavailable);
unsigned events_listeners(struct events *events);

#endif
