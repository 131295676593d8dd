/*
 * admin_sse.h - text/event-stream as signpost-admind writes it: events out of octets, in any
 * pieces. Pure, but for memory.
 */
#ifndef SIGNPOST_TOOLS_ADMIN_SSE_H
#define SIGNPOST_TOOLS_ADMIN_SSE_H

#include <stdbool.h>

#include "lib/base/buf.h"

#define ADMIN_EVENT_ID_MAX 100U      /* octets */
#define ADMIN_EVENT_DATA_MAX 262144U /* octets of an event; of a line */

struct admin_sse {
	struct buf line, data;
	bool has_data;
	char next_id[ADMIN_EVENT_ID_MAX + 1]; /* of the event that is being read; "": it has none */
	char id[ADMIN_EVENT_ID_MAX + 1];      /* all up to it was taken; "": nothing yet */
	/* An event with data. false: no more is wanted. */
	bool (*take)(void *context, struct span data, const char *id);
	void *context;
};

void admin_sse_init(struct admin_sse *sse,
    bool (*take)(void *context, struct span data, const char *id), void *context);
void admin_sse_free(struct admin_sse *sse);
/* What was begun is forgotten, as after a lost connection; id stays. */
void admin_sse_again(struct admin_sse *sse);
/* Octets as they come. false: they are no such stream, or take has said so. */
bool admin_sse_take(struct admin_sse *sse, struct span piece);

#endif
