/*
 * api.c - takes a request of HTTP from its beginning to its answer.
 * Called by the server's threads. It must never run an operation before it knows who asks, nor tell
 * one tenant of what another one has.
 */
#include "config.h"

#include <pthread.h>
#include <string.h>

#include "admin-api/api_plain.h"
#include "admin-api/api_private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/crypto/digest.h"

enum status
api_new(struct admin *admin, struct api **out, struct err *err)
{
	uint8_t random[SEAL_KEY_BYTES];
	struct api *api = mem_zalloc(1, sizeof(*api));
	enum status status;

	/* Cursors live as long as the process: whoever pages over its end begins again. */
	random_bytes(random, sizeof(random));
	status =
	    seal_derive(random, SPAN_EMPTY, SPAN_LIT("signpost cursors v1"), &api->cursors, err);
	if (status == ST_OK)
		status = watcher_new(admin, 0, &api->watcher, err);
	if (status == ST_OK)
		status = events_new(admin, &api->events, err);
	if (status != ST_OK) {
		if (api->watcher != NULL)
			watcher_free(api->watcher);
		seal_free(api->cursors);
		mem_free(api);
		return status;
	}
	api->admin = admin;
	principals_new(admin, &api->principals);
	pthread_mutex_init(&api->running.lock, NULL);
	*out = api;
	return ST_OK;
}

void
api_serves(struct api *api, struct http_server *server)
{
	atomic_store(&api->server, server);
}

void
api_free(struct api *api)
{
	if (api == NULL)
		return;
	events_free(api->events);
	watcher_free(api->watcher);
	principals_free(api->principals);
	seal_free(api->cursors);
	pthread_mutex_destroy(&api->running.lock);
	mem_free(api);
}

/* ---- before the body is read ---- */

static enum http_begin
begin(struct http_request *request, struct http_response *response)
{
	struct api *api = request->context;

	if (api_plain_is_open(request))
		return HTTP_WHOLE;
	if (!principal_may_come(api->principals, request, response))
		return HTTP_REFUSED;
	return api_bulk_is_asked(request) ? api_bulk_begin(request) : HTTP_WHOLE;
}

/* ---- which path ---- */

static void
refuse_method(struct api_call *call)
{
	api_problem(call, 405, "method-not-allowed", "this path does not have that method", NULL);
	buf_add_str(&call->response->fields, "Allow: ");
	for (size_t i = 0; call->match.allowed[i] != NULL; i++)
		buf_add_fmt(
		    &call->response->fields, "%s%s", i > 0 ? ", " : "", call->match.allowed[i]);
	buf_add_str(&call->response->fields, "\r\n");
}

static bool
find_route(struct api_call *call)
{
	switch (route_of_path(call->request->method, call->request->path, &call->match)) {
	case ROUTE_FOUND:
		call->operation = call->match.route->operation;
		return true;
	case ROUTE_METHOD:
		refuse_method(call);
		return false;
	case ROUTE_MALFORMED:
		api_problem(call, 400, "validation", "the path is malformed", NULL);
		return false;
	case ROUTE_NONE:
		break;
	}
	api_problem(call, 404, "not-found", "there is nothing at this path", NULL);
	return false;
}

/* ---- running ---- */

/* One that is said. */
static bool
is_tenant(const struct route_match *match, size_t i)
{
	return span_eq_str(span_of(match->names[i], match->name_bytes[i]), "tenant") &&
	       strcmp(match->values[i], ROUTE_ANY_TENANT) != 0;
}

/* The tenant of the path narrows what the principal sees; what it does not see is not there. */
static struct span
tenant_of(const struct api_call *call)
{
	const struct route_match *match = &call->match;

	if (call->principal.tenant[0] != '\0')
		return span_str(call->principal.tenant);
	for (size_t i = 0; i < match->count; i++)
		if (is_tenant(match, i))
			return span_str(match->values[i]);
	return SPAN_EMPTY;
}

/* Of somebody who has one tenant, all other ones' paths lead nowhere. */
static bool
sees_path(struct api_call *call)
{
	const struct route_match *match = &call->match;
	const char *own = call->principal.tenant;

	for (size_t i = 0; i < match->count && own[0] != '\0'; i++)
		if (is_tenant(match, i) && strcmp(match->values[i], own) != 0) {
			api_problem(call, 404, "not-found", "there is nothing at this path", NULL);
			return false;
		}
	return true;
}

/* Is the answer kept for a request that comes again? An older schema has no room for it. */
static bool
is_kept(const struct api_call *call)
{
	return call->key.n > 0 && !call->dry_run && call->api->admin->records;
}

static struct operation_caller
caller_of(const struct api_call *call)
{
	return (struct operation_caller){.actor = call->principal.actor,
	    .method = call->principal.method,
	    .source = call->principal.source,
	    .request = call->request->id,
	    .scopes = call->principal.scopes,
	    .tenant = tenant_of(call),
	    .platform = call->principal.tenant[0] == '\0',
	    .domains = span_str(call->principal.domains),
	    .token = span_str(call->principal.token),
	    .networks = span_str(call->principal.networks),
	    .expires = call->principal.expires};
}

enum operation_code
api_run_again(struct api_call *call, const char *operation, json_t *arguments, json_t **answer_out)
{
	const struct operation_caller caller = caller_of(call);
	json_t *request = json_pack("{s:s, s:o}", "operation", operation, "arguments", arguments);
	enum operation_code code =
	    operation_run(call->api->admin, &caller, request, NULL, NULL, answer_out);

	json_decref(request);
	return code;
}

static void
run_operation(struct api_call *call)
{
	const struct operation_reply reply = {.scope = span_str(call->key_scope),
	    .key = call->key,
	    .body = span_str(call->body_hash),
	    .status = call->match.route->status};
	struct operation_caller caller = caller_of(call);
	json_t *request =
	    json_pack("{s:s, s:O}", "operation", call->operation, "arguments", call->arguments);
	enum operation_code code;
	json_t *answer;

	if ((call->match.route->flags & ROUTE_MESSAGE) != 0)
		caller.message = call->request->body;
	caller.version = span_str(call->version);
	caller.reply = is_kept(call) ? &reply : NULL;
	if (call->dry_run)
		json_object_set_new(request, "dry_run", json_true());
	code = operation_run(
	    call->api->admin, &caller, request, call->progress, call->progress_context, &answer);
	if (code == OPERATION_OK && !call->dry_run &&
	    operation_find(span_str(call->operation))->changes)
		atomic_fetch_add(&call->api->requests.changes, 1);
	/* Somebody was faster with the same request: what that one heard. */
	if (code != OPERATION_REPLAYED || !api_replay(call))
		api_answer(call, code, answer, call->match.route->status, false);
	json_decref(answer);
	json_decref(request);
}

/* Does it wait for the DNS servers of others, or look at all that there is? */
static bool
is_slow(const struct api_call *call)
{
	const struct operation *operation = operation_find(span_str(call->operation));

	if (operation == NULL)
		return false;
	if (strcmp(operation->name, "operation.show") == 0) {
		const char *id = json_string_value(json_object_get(call->arguments, "operation"));

		return id != NULL && strncmp(id, "rotations~", 10) == 0;
	}
	if (operation->scope == SCOPE_DNS_TEST || operation->scope == SCOPE_DNS_WRITE ||
	    strcmp(operation->name, "verify") == 0)
		return true;
	return (strcmp(operation->name, "status") == 0 || strcmp(operation->name, "rotate") == 0) &&
	       json_object_get(call->arguments, "domain") == NULL;
}

static void
run(struct api_call *call)
{
	if (!is_kept(call)) {
		run_operation(call);
		return;
	}
	if (!api_begin_running(call)) {
		api_problem(call, 409, "request-in-progress",
		    "a request with this Idempotency-Key runs now", NULL);
		buf_add_str(&call->response->fields, "Retry-After: 1\r\n");
		return;
	}
	if (!api_replay(call))
		run_operation(call);
	api_end_running(call);
}

/* Slow ones leave threads for the others. */
void
api_run(struct api_call *call)
{
	struct api *api = call->api;

	if (!is_slow(call)) {
		run(call);
		return;
	}
	if (atomic_fetch_add(&api->slow, 1) < API_SLOW_MAX) {
		run(call);
	} else {
		api_problem(call, 503, "busy", "too many such requests run now", NULL);
		buf_add_str(&call->response->fields, "Retry-After: 2\r\n");
	}
	atomic_fetch_sub(&api->slow, 1);
}

/* One who wants lines is told how far the slow ones are. A message lies in the request, which is
 * gone while lines are told, and has no progress to tell. */
static void
run_or_stream(struct api_call *call)
{
	bool found;
	struct span accept = http_field_find(call->request, "Accept", &found);

	call->lines = found && span_ieq_str(span_trim(accept), "application/x-ndjson");
	if (call->lines && is_slow(call) && (call->match.route->flags & ROUTE_MESSAGE) == 0)
		api_stream(call);
	else
		api_run(call);
}

static void
answer(struct http_request *request, struct http_response *response)
{
	int64_t began_us = clock_mono_us();
	struct api_call *call;

	if (request->stream != NULL) {
		api_bulk_answer(request, response);
		return;
	}
	call = mem_zalloc(1, sizeof(*call));
	call->api = request->context;
	call->request = request;
	call->response = response;
	call->arguments = json_object();
	call->errors = json_array();
	call->rate.limit = QUOTA_NONE;
	if (!api_plain_answer(call) &&
	    principal_find(call->api->principals, request, &call->principal, response) &&
	    api_within_rate(call) && find_route(call) && sees_path(call) && api_take_request(call))
		run_or_stream(call);
	api_wait(call);
	api_add_rate(call);
	request_counts_add(&call->api->requests, clock_mono_us() - began_us);
	json_decref(call->arguments);
	json_decref(call->errors);
	mem_free(call);
}

const struct http_handler api_handler = {
    .begin = begin, .piece = api_bulk_piece, .answer = answer, .end = api_bulk_end};
