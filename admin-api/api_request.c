/*
 * api_request.c - what a request asks: path, query, head fields and body become arguments.
 * Called by api.c. It must never ignore what it does not know: a word that was misspelt would be a
 * change that nobody wanted, or one that did not come.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "admin-api/api_private.h"
#include "lib/base/buf.h"

static bool
wrong(struct api_call *call, const char *where, const char *name, const char *detail)
{
	json_t *error = json_pack("{s:s, s:s}", where, name, "detail", detail);

	/* A name that is no UTF-8. */
	if (error == NULL)
		error = json_pack("{s:s}", "detail", detail);
	json_array_append_new(call->errors, error);
	return false;
}

static bool
refuse(struct api_call *call)
{
	api_problem(call, 400, "validation", "the request cannot be used", call->errors);
	return false;
}

static const struct operation_argument *
argument_of(const struct api_call *call, const char *name)
{
	const struct operation *operation = operation_find(span_str(call->operation));

	for (size_t i = 0; operation != NULL && i < operation->argument_count; i++)
		if (strcmp(operation->arguments[i].name, name) == 0)
			return &operation->arguments[i];
	return NULL;
}

/* ---- path ---- */

static bool
path_has(const struct api_call *call, const char *name)
{
	const struct route_match *match = &call->match;

	for (size_t i = 0; i < match->count; i++)
		if (span_eq_str(span_of(match->names[i], match->name_bytes[i]), name))
			return true;
	return false;
}

/* Of lists of all tenants' rows the tenant is the filter; of what names a domain, or cannot be told
 * a tenant, the path says whose it has to be, and that is looked at already. */
static bool
takes_tenant(const struct api_call *call, const char *tenant)
{
	const struct operation_argument *argument = argument_of(call, "tenant");

	if (argument == NULL || argument->needed)
		return argument != NULL;
	return !path_has(call, "domain") && strcmp(tenant, ROUTE_ANY_TENANT) != 0;
}

static bool
take_path(struct api_call *call)
{
	const struct route_match *match = &call->match;

	for (size_t i = 0; i < match->count; i++) {
		char name[40] = "";
		json_t *value = json_string(match->values[i]);

		memcpy(name, match->names[i], match->name_bytes[i]);
		if (value == NULL)
			return wrong(call, "parameter", name, "it is no UTF-8");
		if (strcmp(name, "tenant") == 0 && !takes_tenant(call, match->values[i]))
			json_decref(value);
		else
			json_object_set_new(call->arguments, name, value);
	}
	return true;
}

/* ---- query ---- */

/* A word of a query as the argument has it; NULL: it cannot be. */
static json_t *
value_of(const struct operation_argument *argument, const char *text)
{
	uint64_t number;

	switch (argument->type) {
	case OPERATION_NUMBER:
		return span_number(span_str(text), INT64_MAX, &number)
			   ? json_integer((json_int_t)number)
			   : NULL;
	case OPERATION_SWITCH:
		return strcmp(text, "true") == 0    ? json_true()
		       : strcmp(text, "false") == 0 ? json_false()
						    : NULL;
	case OPERATION_TIME:
	case OPERATION_TEXT:
		return json_string(text);
	case OPERATION_LONG:
	case OPERATION_OBJECT:
	case OPERATION_LIST:
		break;
	}
	return NULL;
}

static bool
take_dry_run(struct api_call *call, const char *value)
{
	const struct operation *operation = operation_find(span_str(call->operation));

	if (!call->bulk && (operation == NULL || !operation->changes))
		return wrong(call, "parameter", "dry_run", "this request changes nothing");
	if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
		return wrong(call, "parameter", "dry_run", "true or false is needed");
	if (call->dry_run_given)
		return wrong(call, "parameter", "dry_run", "it is there twice");
	call->dry_run_given = true;
	call->dry_run = value[0] == 't';
	return true;
}

static bool
take_cursor(struct api_call *call, const char *value)
{
	char after[ROUTE_PART_MAX + 1];

	if (json_object_get(call->arguments, "after") != NULL)
		return wrong(call, "parameter", "cursor", "it is there twice");
	if (!api_cursor_open(call, span_str(value), after))
		return wrong(call, "parameter", "cursor", "it is none of this list; begin again");
	json_object_set_new(call->arguments, "after", json_string(after));
	return true;
}

static bool
take_parameter(struct api_call *call, const char *name, const char *value)
{
	const struct operation_argument *argument = argument_of(call, name);
	json_t *json;

	if (strcmp(name, "dry_run") == 0)
		return take_dry_run(call, value);
	if (strcmp(name, "cursor") == 0 && (call->match.route->flags & ROUTE_PAGES) != 0)
		return take_cursor(call, value);
	/* "after" is what a cursor has in it. What changes something has it in its body. */
	if (argument == NULL || strcmp(name, "after") == 0 ||
	    (call->match.route->flags & ROUTE_BODY) != 0)
		return wrong(call, "parameter", name, "there is no such parameter here");
	if (json_object_get(call->arguments, name) != NULL)
		return wrong(call, "parameter", name, "it is there twice");
	json = value_of(argument, value);
	if (json == NULL)
		return wrong(call, "parameter", name, "it cannot have this value");
	json_object_set_new(call->arguments, name, json);
	return true;
}

static bool
take_query(struct api_call *call)
{
	struct span rest = call->request->query, part;
	char name[80], value[2048];
	bool good = true;

	for (unsigned i = 0; rest.n > 0; i++) {
		struct span left;

		(void)span_cut(&rest, '&', &part);
		(void)span_cut(&part, '=', &left);
		if (i == API_QUERY_MAX || left.n == 0 ||
		    !percent_decode(left, true, name, sizeof(name)) ||
		    !percent_decode(part, true, value, sizeof(value)))
			return wrong(call, "parameter", "", "the query is malformed or too long");
		good = take_parameter(call, name, value) && good;
	}
	return good;
}

/* ---- body ---- */

static bool
is_type(const struct http_request *request, const char *wanted)
{
	bool found;
	struct span type = http_field_find(request, "Content-Type", &found), name;

	(void)span_cut(&type, ';', &name);
	return found && span_ieq_str(span_trim(name), wanted);
}

static bool
take_member(struct api_call *call, const char *name, json_t *value)
{
	if (json_object_get(call->arguments, name) != NULL)
		return wrong(call, "pointer", name, "the path says that");
	json_object_set(call->arguments, name, value);
	return true;
}

static bool
take_object(struct api_call *call, json_t *body)
{
	const char *name;
	json_t *value;
	bool good = true;

	/* One path for both: a key that is brought, and one that is made. */
	if (strcmp(call->operation, "key.generate") == 0 && json_object_get(body, "pem") != NULL)
		call->operation = "key.import";
	json_object_foreach(body, name, value) good = take_member(call, name, value) && good;
	return good;
}

/* The operation reads it from the request. */
static bool
take_message(struct api_call *call)
{
	if (!is_type(call->request, "message/rfc822")) {
		api_problem(call, 415, "unsupported-media-type",
		    "Content-Type: message/rfc822 is needed", NULL);
		return false;
	}
	return call->request->body.n > 0 || wrong(call, "pointer", "", "a message is needed");
}

static bool
take_body(struct api_call *call)
{
	struct span text = call->request->body;
	json_error_t error;
	json_t *body;
	bool good;

	if ((call->match.route->flags & ROUTE_MESSAGE) != 0)
		return take_message(call);
	if (text.n == 0)
		return true;
	if ((call->match.route->flags & ROUTE_BODY) == 0)
		return wrong(call, "pointer", "", "this request takes no body");
	if (!is_type(call->request, "application/json")) {
		api_problem(call, 415, "unsupported-media-type",
		    "Content-Type: application/json is needed", NULL);
		return false;
	}
	if (!operation_text_is_flat(text))
		return wrong(call, "pointer", "", "the body is more than 32 levels deep");
	body = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &error);
	good = json_is_object(body) && take_object(call, body);
	/* Not what stands there: it may be a private key. */
	if (body == NULL)
		(void)wrong(call, "pointer", "", "the body is no JSON");
	else if (!json_is_object(body))
		(void)wrong(call, "pointer", "", "the body has to be an object");
	json_decref(body);
	return good;
}

/* ---- head fields ---- */

/* "\"TEXT\"" or "*". */
static bool
take_if_match(struct api_call *call, struct span value)
{
	value = span_trim(value);
	if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
		value = span_sub(value, 1, value.n - 2);
	else if (!span_eq_str(value, "*"))
		return wrong(call, "header", "If-Match", "one strong entity tag is needed, or *");
	if (value.n == 0 || value.n >= sizeof(call->version) || span_find(value, '"') != SIZE_MAX)
		return wrong(call, "header", "If-Match", "one strong entity tag is needed, or *");
	memcpy(call->version, value.p, value.n);
	call->version[value.n] = '\0';
	return true;
}

static bool
take_put(struct api_call *call)
{
	bool found;
	struct span value = http_field_find(call->request, "If-None-Match", &found);

	if (!found)
		return false;
	if (!span_eq_str(span_trim(value), "*"))
		return wrong(call, "header", "If-None-Match", "only * can be used here");
	json_object_set_new(call->arguments, "new", json_true());
	return true;
}

static bool
take_conditions(struct api_call *call)
{
	unsigned flags = call->match.route->flags;
	bool found;
	struct span value = http_field_find(call->request, "If-Match", &found);

	if (found && (flags & (ROUTE_IF_MATCH | ROUTE_PUT | ROUTE_ONCE)) != 0)
		return take_if_match(call, value);
	if ((flags & ROUTE_PUT) != 0 && take_put(call))
		return true;
	if ((flags & (ROUTE_IF_MATCH | ROUTE_PUT)) == 0 || call->dry_run ||
	    json_array_size(call->errors) > 0)
		return true;
	api_problem(call, 428, "precondition-required",
	    (flags & ROUTE_PUT) != 0
		? "If-Match with the ETag of what you have seen is needed, or If-None-Match: *"
		: "If-Match with the ETag of what you have seen is needed",
	    NULL);
	return false;
}

static bool
is_printable(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < ' ' || text.p[i] > '~')
			return false;
	return true;
}

static bool
take_key(struct api_call *call)
{
	bool found;

	call->key = span_trim(http_field_find(call->request, "Idempotency-Key", &found));
	if ((call->match.route->flags & ROUTE_ONCE) == 0 || call->dry_run) {
		call->key = SPAN_EMPTY;
		return true;
	}
	if (!found || call->key.n == 0) {
		api_problem(call, 400, "idempotency-key-required",
		    "Idempotency-Key is needed: a new one for each thing to do, the same one for "
		    "each try",
		    NULL);
		return false;
	}
	if (call->key.n > ADMINROW_KEY_MAX || !is_printable(call->key))
		return wrong(call, "header", "Idempotency-Key", "at most 255 printable letters");
	return true;
}

bool
api_take_request(struct api_call *call)
{
	bool good = take_path(call);

	good = take_query(call) && good;
	good = take_body(call) && good;
	if (call->answered)
		return false;
	if (!take_conditions(call))
		return call->answered ? false : refuse(call);
	if (!take_key(call))
		return call->answered ? false : refuse(call);
	return good && json_array_size(call->errors) == 0 ? true : refuse(call);
}

bool
api_take_bulk(struct api_call *call)
{
	if (!take_query(call))
		return refuse(call);
	if (!is_type(call->request, "application/x-ndjson")) {
		api_problem(call, 415, "unsupported-media-type",
		    "Content-Type: application/x-ndjson is needed", NULL);
		return false;
	}
	if (take_key(call))
		return true;
	return call->answered ? false : refuse(call);
}
