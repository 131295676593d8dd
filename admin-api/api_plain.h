/*
 * api_plain.h - paths of the API behind which no operation stands (routes whose operation is NULL):
 * health, metrics. Each is a row of a table in api_plain.c; a new one is a row there and one in
 * route.c.
 */
#ifndef SIGNPOST_ADMIN_API_API_PLAIN_H
#define SIGNPOST_ADMIN_API_API_PLAIN_H

#include "admin-api/api_private.h"

/* May anybody ask this, without a word of who it is? */
bool api_plain_is_open(const struct http_request *request);
/* true: it is such a path, and response has the answer. */
bool api_plain_answer(struct api_call *call);

/* api_events.c: GET /v1/events. */
void api_events_answer(struct api_call *call);

#endif
