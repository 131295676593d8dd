/*
 * api_bulk.c - POST /v1/bulk: a body of NDJSON is run while it comes in (bulk.h), and answered when
 * all of it was.
 * Called by api.c. It must never run a line before it knows who asks, nor hold the body, nor go on
 * for somebody whose token has ended meanwhile.
 */
#include "config.h"

#include <string.h>

#include "admin-api/api_private.h"
#include "admin-api/bulk.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define LOOK_AGAIN_MS 10000 /* at who asks */

/* http_request.stream */
struct api_bulk {
	struct api_call call;
	struct bulk *bulk;     /* NULL: nothing was looked at yet */
	bool counted, running; /* in api->bulks; its Idempotency-Key */
	int64_t looked_ms;
};

bool
api_bulk_is_asked(const struct http_request *request)
{
	return span_eq_str(request->method, "POST") && span_eq_str(request->path, "/v1/bulk");
}

enum http_begin
api_bulk_begin(struct http_request *request)
{
	struct api_bulk *stream = mem_zalloc(1, sizeof(*stream));

	stream->call.api = request->context;
	stream->call.bulk = true;
	stream->call.rate.limit = QUOTA_NONE;
	request->stream = stream;
	return HTTP_STREAMED;
}

void
api_bulk_end(struct http_request *request)
{
	struct api_bulk *stream = request->stream;

	if (stream == NULL)
		return;
	request->stream = NULL;
	if (stream->running)
		api_end_running(&stream->call);
	if (stream->counted)
		atomic_fetch_sub(&stream->call.api->bulks, 1);
	bulk_free(stream->bulk);
	json_decref(stream->call.arguments);
	json_decref(stream->call.errors);
	mem_free(stream);
}

/* ---- before the first line ---- */

static bool
refuse_busy(struct api_call *call)
{
	api_problem(call, 503, "busy", "too many such requests run now", NULL);
	buf_add_str(&call->response->fields, "Retry-After: 5\r\n");
	return false;
}

static bool
take_place(struct api_bulk *stream)
{
	struct api_call *call = &stream->call;

	stream->counted = true;
	if (atomic_fetch_add(&call->api->bulks, 1) >= API_BULKS_MAX)
		return refuse_busy(call);
	if (call->key.n == 0)
		return true;
	stream->running = api_begin_running(call);
	if (stream->running)
		return true;
	api_problem(
	    call, 409, "request-in-progress", "a request with this Idempotency-Key runs now", NULL);
	buf_add_str(&call->response->fields, "Retry-After: 1\r\n");
	return false;
}

static bool
begin(struct api_bulk *stream)
{
	struct api_call *call = &stream->call;

	call->arguments = json_object();
	call->errors = json_array();
	if (!principal_find(
		call->api->principals, call->request, &call->principal, call->response) ||
	    !api_within_rate(call))
		return false;
	if (route_of_path(call->request->method, call->request->path, &call->match) !=
	    ROUTE_FOUND) {
		api_problem(call, 404, "not-found", "there is nothing at this path", NULL);
		return false;
	}
	if ((call->principal.scopes & bulk_scopes()) == 0) {
		api_problem(
		    call, 403, "forbidden", "who asks may do nothing that can be in a line", NULL);
		return false;
	}
	if (!api_take_bulk(call) || !take_place(stream))
		return false;
	stream->looked_ms = clock_mono_ms();
	stream->bulk =
	    bulk_new(call->api->admin, span_str(call->key_scope), call->key, call->dry_run);
	return true;
}

/* ---- while it comes ---- */

/* A store that does not answer, or too many questions, is no reason to end: the lines will tell. */
static bool
is_still_allowed(struct api_bulk *stream)
{
	struct http_response *response = stream->call.response;
	struct principal principal;
	int64_t now_ms = clock_mono_ms();

	if (now_ms - stream->looked_ms < LOOK_AGAIN_MS)
		return true;
	stream->looked_ms = now_ms;
	if (principal_find(
		stream->call.api->principals, stream->call.request, &principal, response)) {
		stream->call.principal = principal;
		return true;
	}
	if (response->status == 401 || response->status == 403)
		return false;
	buf_reset(&response->fields);
	buf_reset(&response->body);
	return true;
}

static struct operation_caller
caller_of(const struct api_call *call)
{
	return (struct operation_caller){.actor = call->principal.actor,
	    .method = call->principal.method,
	    .source = call->principal.source,
	    .request = call->request->id,
	    .scopes = call->principal.scopes,
	    .tenant = span_str(call->principal.tenant),
	    .platform = call->principal.tenant[0] == '\0',
	    .domains = span_str(call->principal.domains),
	    .networks = span_str(call->principal.networks),
	    .expires = call->principal.expires,
	    .token = span_str(call->principal.token)};
}

static bool
go_on(struct api_bulk *stream, struct http_request *request, struct http_response *response)
{
	bool good;

	stream->call.request = request;
	stream->call.response = response;
	good = stream->bulk == NULL ? begin(stream) : is_still_allowed(stream);
	if (!good)
		api_add_rate(&stream->call);
	return good;
}

bool
api_bulk_piece(struct http_request *request, struct span piece, struct http_response *response)
{
	struct api_bulk *stream = request->stream;
	struct operation_caller caller;

	if (!go_on(stream, request, response))
		return false;
	caller = caller_of(&stream->call);
	bulk_take(stream->bulk, &caller, piece);
	return true;
}

/* ---- the answer ---- */

void
api_bulk_answer(struct http_request *request, struct http_response *response)
{
	struct api_bulk *stream = request->stream;
	struct operation_caller caller;

	if (!go_on(stream, request, response))
		return;
	caller = caller_of(&stream->call);
	bulk_end(stream->bulk, &caller);
	response->status = 200;
	buf_add_str(&response->fields, "Content-Type: application/x-ndjson\r\n");
	bulk_results(stream->bulk, &response->body);
	api_add_rate(&stream->call);
}
