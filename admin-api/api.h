/*
 * api.h - the HTTP API of signpost-admind: requests of http.h become operations (operations.h), by
 * the table of route.h, for whom principal.h says.
 *
 *   - an answer's body is the operation's "result"; of a dry run (?dry_run=true) also its "plan"
 *   - "version" is the ETag. Where the route wants it, If-Match has to come (428) and to fit (412)
 *   - Idempotency-Key: the answer is kept for 48 hours with the effect, and given again with
 *     Idempotency-Replayed: true; of another request 422
 *   - refusals are problems (RFC 9457) with the operation's code
 *   - "next" of a list is a cursor: sealed, for this list alone
 */
#ifndef SIGNPOST_ADMIN_API_API_H
#define SIGNPOST_ADMIN_API_API_H

#include "admin-api/admin.h"
#include "admin-api/http.h"

struct api;

/* admin: borrowed. Give api and api_handler to http_server_new(). ST_FAILED: the crypto library. */
enum status api_new(struct admin *admin, struct api **out, struct err *err) MUST_USE;
/* Whose counts /metrics has; NULL: nobody's any more. */
void api_serves(struct api *api, struct http_server *server);
void api_free(struct api *api); /* NULL is fine; after the server */
extern const struct http_handler api_handler;

#endif
