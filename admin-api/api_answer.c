/*
 * api_answer.c - answers of operations as HTTP.
 * Called by api.c. It must never send what an operation did not answer: no sentence of a store, no
 * part of a request but its names.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/api_private.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define RETRY_STORE_S 5
#define RETRY_FROZEN_S 60
#define RETRY_NODES_S 5
#define RETRY_BEGUN_S 2

static const struct {
	const char *code;
	int status;
	int retry_s; /* 0: the same request will not do better */
} codes[] = {
    {"validation", 400, 0},
    {"not-found", 404, 0},
    {"exists", 409, 0},
    {"illegal-transition", 409, 0},
    {"rotation-in-progress", 409, 0},
    {"selector-exists", 409, 0},
    {"selector-reused", 409, 0},
    {"dns-unproven", 409, 0},
    {"dns-conflict", 409, 0},
    {"dns-provider-error", 409, 0},
    {"would-leave-unsigned", 409, 0},
    {"in-use", 409, 0},
    {"key-in-use", 409, 0},
    {"nodes-not-ready", 409, RETRY_NODES_S},
    {"domain-owned-elsewhere", 409, 0},
    {"precondition-failed", 412, 0},
    {"forbidden", 403, 0},
    {"mirror-forbidden", 403, 0},
    {"quota-exceeded", 403, 0},
    {"frozen", 503, RETRY_FROZEN_S},
    {"store-unavailable", 503, RETRY_STORE_S},
    {"internal", 500, 0},
};

int
api_status_of(const char *code)
{
	for (size_t i = 0; i < COUNT(codes); i++)
		if (strcmp(codes[i].code, code) == 0)
			return codes[i].status;
	return 500;
}

static int
retry_of(const char *code)
{
	for (size_t i = 0; i < COUNT(codes); i++)
		if (strcmp(codes[i].code, code) == 0)
			return codes[i].retry_s;
	return 0;
}

/* ---- problems ---- */

json_t *
api_errors(const json_t *errors)
{
	static const char inside[] = "/arguments";
	json_t *out = json_array(), *error;
	size_t i;

	json_array_foreach((json_t *)errors, i, error)
	{
		json_t *copy = json_copy(error);
		const char *pointer = json_string_value(json_object_get(copy, "pointer"));

		if (pointer != NULL && strncmp(pointer, inside, sizeof(inside) - 1) == 0)
			json_object_set_new(
			    copy, "pointer", json_string(pointer + sizeof(inside) - 1));
		json_array_append_new(out, copy);
	}
	return out;
}

/* http_problem() makes the text; this adds what HTTP itself does not know. */
void
api_problem(
    struct api_call *call, int status, const char *code, const char *detail, const json_t *errors)
{
	struct http_response *response = call->response;
	json_t *problem;

	call->answered = true;
	http_problem(response, status, code, detail, call->request->id);
	problem = json_loadb(response->body.p, response->body.n, 0, NULL);
	if (problem == NULL)
		return;
	json_object_set_new(problem, "instance", json_span(call->request->path));
	json_object_set_new(problem, "retryable",
	    json_boolean(status == 503 || status == 429 || retry_of(code) > 0));
	if (errors != NULL && json_array_size(errors) > 0)
		json_object_set_new(problem, "errors", api_errors(errors));
	buf_reset(&response->body);
	(void)!json_write(problem, &response->body);
	json_decref(problem);
}

/* Names of rows have no letter that a path cannot have. */
static bool
is_plain(const char *text)
{
	return text != NULL && text[0] != '\0' &&
	       text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 "._-~")] == '\0';
}

/* Where the rotation is that is in the way of another one. */
static void
link_rotation(struct api_call *call, const json_t *answer)
{
	const char *rotation = json_string_value(json_object_get(answer, "rotation"));
	struct http_response *response = call->response;
	json_t *problem;
	char path[HTTP_TARGET_MAX];

	if (rotation == NULL || !is_plain(rotation))
		return;
	problem = json_loadb(response->body.p, response->body.n, 0, NULL);
	if (problem == NULL)
		return;
	snprintf(path, sizeof(path), "%.*s/%s", SPAN_ARG(call->request->path), rotation);
	json_object_set_new(
	    problem, "links", json_pack("{s:o}", "rotation", json_span(span_str(path))));
	buf_reset(&response->body);
	(void)!json_write(problem, &response->body);
	json_decref(problem);
}

static void
answer_refusal(struct api_call *call, const json_t *answer)
{
	const char *code = json_string_value(json_object_get(answer, "code"));
	const char *detail = json_string_value(json_object_get(answer, "detail"));
	int retry_s;

	if (code == NULL)
		code = "internal";
	retry_s = retry_of(code);
	api_problem(call, api_status_of(code), code, detail == NULL ? "" : detail,
	    json_object_get(answer, "errors"));
	link_rotation(call, answer);
	if (retry_s > 0)
		buf_add_fmt(&call->response->fields, "Retry-After: %d\r\n", retry_s);
	if (strcmp(code, "precondition-failed") == 0 &&
	    json_is_string(json_object_get(answer, "version")))
		buf_add_fmt(&call->response->fields, "ETag: \"%s\"\r\n",
		    json_string_value(json_object_get(answer, "version")));
}

/* ---- what went well ---- */

/* With all that was asked of this page, but where it began. */
static void
link_next(struct api_call *call, const char *cursor)
{
	struct span rest = call->request->query, part;
	struct buf *fields = &call->response->fields;

	buf_add_fmt(fields, "Link: <%.*s?", SPAN_ARG(call->request->path));
	while (rest.n > 0) {
		struct span value, name;
		char text[16];

		(void)span_cut(&rest, '&', &part);
		value = part;
		(void)span_cut(&value, '=', &name);
		if (!percent_decode(name, true, text, sizeof(text)) || strcmp(text, "cursor") != 0)
			buf_add_fmt(fields, "%.*s&", SPAN_ARG(part));
	}
	buf_add_fmt(fields, "cursor=%s>; rel=\"next\"\r\n", cursor);
}

static void
take_cursor(struct api_call *call, json_t *body)
{
	const char *next = json_string_value(json_object_get(body, "next"));
	json_t *cursor;

	if ((call->match.route->flags & ROUTE_PAGES) == 0 || next == NULL)
		return;
	cursor = api_cursor_close(call, next);
	if (cursor == NULL) {
		json_object_del(body, "next");
		return;
	}
	link_next(call, json_string_value(cursor));
	json_object_set_new(body, "next", cursor);
}

/* A name of a location, from the arguments, or from what was made. */
static const char *
part_of(const struct api_call *call, const json_t *body, const char *name)
{
	static const char *const objects[] = {
	    "rotation", "key", "domain", "tenant", "policy", "token"};
	const json_t *value = NULL;

	for (size_t i = 0; i < COUNT(objects) && !json_is_string(value); i++)
		value = json_object_get(json_object_get(body, objects[i]), name);
	if (!json_is_string(value))
		value = json_object_get(call->arguments, name);
	for (size_t i = 0; !json_is_string(value) && i < call->match.count; i++)
		if (span_eq_str(span_of(call->match.names[i], call->match.name_bytes[i]), name))
			return call->match.values[i];
	return json_string_value(value);
}

/* The route's location, with all names in their places; "": one of them cannot be. */
static void
write_location(struct api_call *call, const json_t *body, char *out, size_t room)
{
	const char *path = call->match.route->location;
	size_t at = 0, from = 0;
	struct span name;
	struct buf text;

	out[0] = '\0';
	if (path == NULL)
		return;
	buf_init(&text, HTTP_TARGET_MAX);
	while (route_next_name(path, &at, &name)) {
		char key[40];
		const char *part;

		snprintf(key, sizeof(key), "%.*s", SPAN_ARG(name));
		part = part_of(call, body, key);
		if (!is_plain(part)) {
			buf_free(&text);
			return;
		}
		buf_add(&text, span_of(path + from, (size_t)(name.p - path) - 1 - from));
		buf_add_str(&text, part);
		from = at;
	}
	snprintf(out, room, "%s%s", buf_text(&text), path + from);
	buf_free(&text);
}

/* What was made is where it is. What was begun is asked for by its operation, and the thing that it
 * is about is linked (RFC 6903). */
static void
add_location(struct api_call *call, const json_t *body)
{
	const char *operation = json_string_value(json_object_get(body, "operation"));
	struct buf *fields = &call->response->fields;
	char path[HTTP_TARGET_MAX];

	write_location(call, body, path, sizeof(path));
	if (call->response->status == 202 && is_plain(operation)) {
		buf_add_fmt(fields, "Location: " API_OPERATIONS "%s\r\n", operation);
		buf_add_fmt(fields, "Retry-After: %d\r\n", RETRY_BEGUN_S);
		if (path[0] != '\0')
			buf_add_fmt(fields, "Link: <%s>; rel=\"about\"\r\n", path);
	} else if (path[0] != '\0') {
		buf_add_fmt(fields, "Location: %s\r\n", path);
	}
}

/* Of an operation that runs: when to ask for it again. */
static void
add_retry(struct api_call *call, const json_t *body)
{
	const json_t *retry = json_object_get(body, "retry_after");

	if (json_is_integer(retry))
		buf_add_fmt(&call->response->fields, "Retry-After: %lld\r\n",
		    (long long)json_integer_value(retry));
}

/* Has it one of the ETags that the client has? Weak ones count, too (RFC 9110, 13.1.2). */
static bool
is_known(const struct api_call *call, const char *version)
{
	bool found;
	struct span rest = http_field_find(call->request, "If-None-Match", &found), tag;

	while (found && span_eq_str(call->request->method, "GET") && rest.n > 0) {
		(void)span_cut(&rest, ',', &tag);
		tag = span_trim(tag);
		if (span_starts(tag, SPAN_LIT("W/")))
			tag = span_from(tag, 2);
		if (span_eq_str(tag, "*") ||
		    (tag.n >= 2 && tag.p[0] == '"' && tag.p[tag.n - 1] == '"' &&
			span_eq_str(span_sub(tag, 1, tag.n - 2), version)))
			return true;
	}
	return false;
}

static json_t *
body_of(const struct api_call *call, const json_t *answer)
{
	json_t *body = json_copy(json_object_get(answer, "result"));

	if (body == NULL)
		body = json_object();
	if (call->dry_run) {
		json_object_set_new(body, "dry_run", json_true());
		json_object_set(body, "plan", json_object_get(answer, "plan"));
		if (json_object_get(answer, "plan_left") != NULL)
			json_object_set(body, "plan_left", json_object_get(answer, "plan_left"));
	}
	return body;
}

/* body, as the last of the lines: beside it what is said in fields elsewhere, and the plan of what
 * was changed. */
static json_t *
line_of(const json_t *answer, json_t *body)
{
	json_t *line = json_copy((json_t *)answer);

	json_object_del(body, "dry_run");
	json_object_del(body, "plan");
	json_object_del(body, "plan_left");
	json_object_set(line, "result", body);
	return line;
}

static enum status
write_body(struct api_call *call, const json_t *answer, json_t *body)
{
	struct http_response *response = call->response;
	enum status status;
	json_t *line;

	if (!call->lines) {
		buf_add_str(&response->fields, "Content-Type: application/json\r\n");
		return json_write(body, &response->body);
	}
	buf_add_str(&response->fields, "Content-Type: application/x-ndjson\r\n");
	line = line_of(answer, body);
	status = json_write(line, &response->body);
	buf_add_char(&response->body, '\n');
	json_decref(line);
	return status;
}

static void
answer_result(struct api_call *call, const json_t *answer, int status, bool replayed)
{
	const char *version = json_string_value(json_object_get(answer, "version"));
	struct http_response *response = call->response;
	json_t *body = body_of(call, answer);

	response->status = call->dry_run ? 200 : status;
	if (version != NULL && !call->dry_run)
		buf_add_fmt(&response->fields, "ETag: \"%s\"\r\n", version);
	if (replayed)
		buf_add_str(&response->fields, "Idempotency-Replayed: true\r\n");
	if (version != NULL && is_known(call, version)) {
		response->status = 304;
	} else {
		if (response->status == 201 || response->status == 202)
			add_location(call, body);
		take_cursor(call, body);
		add_retry(call, body);
		if (write_body(call, answer, body) != ST_OK)
			api_problem(call, 500, "internal", "the answer is too long", NULL);
	}
	json_decref(body);
}

void
api_answer(
    struct api_call *call, enum operation_code code, json_t *answer, int status, bool replayed)
{
	if (code == OPERATION_OK)
		answer_result(call, answer, status, replayed);
	else
		answer_refusal(call, answer);
}
