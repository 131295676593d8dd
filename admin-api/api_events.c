/*
 * api_events.c - GET /v1/events as HTTP: who asks, for which types, and from where on.
 * Called by api_plain.c. It must never begin a stream for who may not read keys.
 */
#include "config.h"

#include <string.h>

#include "admin-api/api_plain.h"
#include "admin-api/api_private.h"

#define TYPES_MAX 1024U /* octets of ?types= */

static bool
wrong(struct api_call *call, const char *where, const char *name, const char *detail)
{
	json_array_append_new(call->errors, json_pack("{s:s, s:s}", where, name, "detail", detail));
	api_problem(call, 400, "validation", "the request cannot be used", call->errors);
	return false;
}

/* "types=key.activated,rotation.*", and nothing else. */
static bool
take_types(struct api_call *call, uint64_t *out)
{
	struct span rest = call->request->query, name;
	char word[16], value[TYPES_MAX + 1] = "";

	if (rest.n > 0) {
		(void)span_cut(&rest, '=', &name);
		if (!percent_decode(name, true, word, sizeof(word)) || strcmp(word, "types") != 0)
			return wrong(call, "parameter", "", "there is only \"types\" here");
		if (span_find(rest, '&') != SIZE_MAX ||
		    !percent_decode(rest, true, value, sizeof(value)))
			return wrong(call, "parameter", "types", "it cannot have this value");
	}
	return event_types_parse(span_str(value), out) ||
	       wrong(call, "parameter", "types",
		   "types with commas between them are needed: key.activated,rotation.*");
}

static bool
take_place(struct api_call *call, struct event_place *out, bool *given)
{
	struct span value = http_field_find(call->request, "Last-Event-ID", given);

	return !*given || event_place_parse(span_trim(value), out) ||
	       wrong(call, "header", "Last-Event-ID", "it is no id of an event");
}

static void
refuse_listener(struct api_call *call, bool unavailable)
{
	api_problem(call, 503, unavailable ? "store-unavailable" : "busy",
	    unavailable ? "the audit cannot be read now" : "too many listen already", NULL);
	buf_add_str(&call->response->fields, "Retry-After: 5\r\n");
}

void
api_events_answer(struct api_call *call)
{
	struct http_response *response = call->response;
	struct api *api = call->api;
	struct event_place place;
	bool given, unavailable;
	uint64_t types;

	if (!principal_find(api->principals, call->request, &call->principal, response))
		return;
	if ((call->principal.scopes & SCOPE_KEYS_READ) == 0) {
		api_problem(call, 403, "forbidden", "events need the scope keys:read", NULL);
		return;
	}
	if (!take_types(call, &types) || !take_place(call, &place, &given))
		return;
	if (!events_listen(api->events, &call->principal, types, given ? &place : NULL, response,
		&unavailable)) {
		refuse_listener(call, unavailable);
		return;
	}
	response->status = 200;
	/* The second one is for proxies that would wait for the end. */
	buf_add_str(&response->fields, "Content-Type: text/event-stream\r\n"
				       "X-Accel-Buffering: no\r\n");
}
