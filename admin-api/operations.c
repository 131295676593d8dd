/*
 * operations.c - the one way in: a request is checked against the table of operations, run, and
 * answered.
 * Called by api.c, and by whatever else lets operators in. It must never run anything of
 * a request that has a field which it does not know: a typing error is not ignored.
 */
#include "config.h"

#include <stdlib.h>
#include <unistd.h>

#include "admin-api/operation_record.h"
#include "admin-api/operation_table.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

#define EXIT_NO_MEMORY 71

static const char *const code_names[OPERATION_CODES] = {
    [OPERATION_OK] = "ok",
    [OPERATION_VALIDATION] = "validation",
    [OPERATION_NOT_FOUND] = "not-found",
    [OPERATION_EXISTS] = "exists",
    [OPERATION_ILLEGAL_TRANSITION] = "illegal-transition",
    [OPERATION_ROTATION_IN_PROGRESS] = "rotation-in-progress",
    [OPERATION_SELECTOR_EXISTS] = "selector-exists",
    [OPERATION_SELECTOR_REUSED] = "selector-reused",
    [OPERATION_DNS_UNPROVEN] = "dns-unproven",
    [OPERATION_DNS_CONFLICT] = "dns-conflict",
    [OPERATION_DNS_PROVIDER_ERROR] = "dns-provider-error",
    [OPERATION_WOULD_LEAVE_UNSIGNED] = "would-leave-unsigned",
    [OPERATION_IN_USE] = "in-use",
    [OPERATION_KEY_IN_USE] = "key-in-use",
    [OPERATION_NODES_NOT_READY] = "nodes-not-ready",
    [OPERATION_PRECONDITION_FAILED] = "precondition-failed",
    [OPERATION_OWNED_ELSEWHERE] = "domain-owned-elsewhere",
    [OPERATION_REPLAYED] = "replayed",
    [OPERATION_FROZEN] = "frozen",
    [OPERATION_FORBIDDEN] = "forbidden",
    [OPERATION_MIRROR_FORBIDDEN] = "mirror-forbidden",
    [OPERATION_QUOTA_EXCEEDED] = "quota-exceeded",
    [OPERATION_STORE_UNAVAILABLE] = "store-unavailable",
    [OPERATION_INTERNAL] = "internal",
};

const char *
operation_code_name(enum operation_code code)
{
	return (size_t)code < OPERATION_CODES ? code_names[code] : "internal";
}

/* jansson would answer NULL, and half of an answer is none. */
static void *
json_memory(size_t bytes)
{
	void *p = secret_malloc(bytes);

	if (p == NULL && bytes > 0) {
		log_line(LOG_LEVEL_ERROR, "no memory is left for %zu octets; ending", bytes);
		_exit(EXIT_NO_MEMORY);
	}
	return p;
}

void
operations_begin(void)
{
	json_set_alloc_funcs(json_memory, secret_free);
	json_object_seed(0);
}

static int
take_text(const char *text, size_t n, void *context)
{
	buf_add(context, span_of(text, n));
	return 0;
}

enum status
json_write(const json_t *json, struct buf *out)
{
	if (json_dump_callback(json, take_text, out, JSON_COMPACT) != 0)
		return ST_FAILED;
	return buf_status(out);
}

/* ---- refusals before there is an operation ---- */

static json_t *
refusal(enum operation_code code, const char *detail, json_t *errors)
{
	json_t *answer = json_pack("{s:b, s:s, s:o}", "ok", 0, "code", operation_code_name(code),
	    "detail", json_span(span_str(detail)));

	if (errors != NULL && json_array_size(errors) > 0)
		json_object_set(answer, "errors", errors);
	return answer;
}

static void
add_error(json_t *errors, const char *base, const char *name, const char *detail)
{
	struct buf pointer;

	/* RFC 6901: '~' and '/' in a name are written as ~0 and ~1. */
	buf_init(&pointer, OPERATION_TEXT_MAX);
	buf_add_str(&pointer, base);
	buf_add_char(&pointer, '/');
	for (const char *p = name; *p != '\0' && pointer.n < 200; p++)
		if (*p == '~' || *p == '/')
			buf_add_str(&pointer, *p == '~' ? "~0" : "~1");
		else
			buf_add_char(&pointer, *p);
	json_array_append_new(errors,
	    json_pack("{s:o, s:s}", "pointer", json_span(buf_span(&pointer)), "detail", detail));
	buf_free(&pointer);
}

/* ---- arguments ---- */

static bool
time_is_right(const json_t *value)
{
	int64_t at;

	return (json_is_integer(value) && json_integer_value(value) >= 0) ||
	       (json_is_string(value) && time_parse(span_str(json_string_value(value)), &at));
}

static bool
text_is_right(const json_t *value)
{
	const char *text = json_string_value(value);

	if (text == NULL || json_string_length(value) > OPERATION_ARGUMENT_MAX)
		return false;
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static const char *
what_is_wrong(const json_t *value, enum operation_type type)
{
	switch (type) {
	case OPERATION_TEXT:
		return text_is_right(value)
			   ? NULL
			   : "a text without control characters is needed, of at most 512 octets";
	case OPERATION_LONG:
		return json_is_string(value) ? NULL : "a text is needed";
	case OPERATION_NUMBER:
		return json_is_integer(value) && json_integer_value(value) >= 0
			   ? NULL
			   : "a number is needed, an integer that is not negative";
	case OPERATION_SWITCH:
		return json_is_boolean(value) ? NULL : "true or false is needed";
	case OPERATION_TIME:
		return time_is_right(value)
			   ? NULL
			   : "a time is needed: \"2026-12-31T12:00:00Z\", or seconds since 1970";
	case OPERATION_OBJECT:
		return json_is_object(value) ? NULL : "an object is needed";
	case OPERATION_LIST:
		return json_is_array(value) && json_array_size(value) <= OPERATION_LIST_MAX
			   ? NULL
			   : "an array is needed, of at most 1000 members";
	}
	return "this cannot be";
}

static const struct operation_argument *
argument_find(const struct operation *operation, const char *name)
{
	for (size_t i = 0; i < operation->argument_count; i++)
		if (strcmp(operation->arguments[i].name, name) == 0)
			return &operation->arguments[i];
	return NULL;
}

static void
check_arguments(const struct operation *operation, json_t *arguments, json_t *errors)
{
	const char *name;
	json_t *value;

	json_object_foreach(arguments, name, value)
	{
		const struct operation_argument *argument = argument_find(operation, name);
		const char *wrong = argument == NULL ? "there is no such argument"
						     : what_is_wrong(value, argument->type);

		if (wrong != NULL)
			add_error(errors, "/arguments", name, wrong);
	}
	for (size_t i = 0; i < operation->argument_count; i++)
		if (operation->arguments[i].needed &&
		    json_object_get(arguments, operation->arguments[i].name) == NULL)
			add_error(errors, "/arguments", operation->arguments[i].name, "is needed");
}

bool
operation_arguments_are_right(const struct operation *operation, json_t *arguments)
{
	json_t *errors = json_array();
	bool right;

	check_arguments(operation, arguments, errors);
	right = json_array_size(errors) == 0;
	json_decref(errors);
	return right;
}

/* ---- the request ---- */

struct request {
	const struct operation *operation;
	json_t *arguments; /* borrowed; or empty */
	json_t *none;      /* owned */
	bool dry_run;
};

static void
take_operation(struct request *request, const json_t *value, json_t *errors)
{
	const char *name = json_string_value(value);

	request->operation =
	    name == NULL ? NULL : operation_find(span_of(name, json_string_length(value)));
	if (request->operation == NULL)
		add_error(errors, "", "operation",
		    value == NULL ? "is needed" : "there is no such operation");
}

static void
take_field(struct request *request, const char *name, json_t *value, json_t *errors)
{
	if (strcmp(name, "operation") == 0)
		return;
	if (strcmp(name, "arguments") == 0) {
		if (json_is_object(value))
			request->arguments = value;
		else
			add_error(errors, "", name, "an object is needed");
	} else if (strcmp(name, "dry_run") == 0) {
		request->dry_run = json_is_true(value);
		if (!json_is_boolean(value))
			add_error(errors, "", name, "true or false is needed");
		else if (request->operation != NULL && !request->operation->changes &&
			 request->dry_run)
			add_error(errors, "", name, "this operation changes nothing");
	} else {
		add_error(errors, "", name, "there is no such field");
	}
}

/* *errors gets what is wrong. */
static void
take_request(const json_t *json, struct request *request, json_t *errors)
{
	const char *name;
	json_t *value;

	*request = (struct request){.none = json_object()};
	request->arguments = request->none;
	if (!json_is_object(json)) {
		add_error(errors, "", "", "a request is an object");
		return;
	}
	take_operation(request, json_object_get(json, "operation"), errors);
	json_object_foreach((json_t *)json, name, value) take_field(request, name, value, errors);
	if (request->operation != NULL)
		check_arguments(request->operation, request->arguments, errors);
}

/* ---- running ---- */

static enum operation_code
run(struct operation_call *call)
{
	struct err err = ERR_NONE;
	enum status status;

	if ((call->caller->scopes & (uint32_t)call->operation->scope) == 0)
		return call_refuse(call, OPERATION_FORBIDDEN, "%s needs the scope %s",
		    call->operation->name, scope_name(call->operation->scope));
	status = call->admin->store->ops->now(call->admin->store, &call->now_utc, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_STORE_UNAVAILABLE, &err);
	return call->operation->run(call);
}

/* The one that has to end first. */
static void
add_rotation(const struct operation_call *call, enum operation_code code, json_t *answer)
{
	json_t *name = json_object_get(json_object_get(call->result, "rotation"), "rotation");

	if (code == OPERATION_ROTATION_IN_PROGRESS && json_is_string(name))
		json_object_set(answer, "rotation", name);
}

json_t *
call_answer(struct operation_call *call, enum operation_code code)
{
	json_t *answer;

	if (code != OPERATION_OK) {
		answer = refusal(code, call->detail.text, call->errors);
		add_rotation(call, code, answer);
		return answer;
	}
	answer = json_pack("{s:b, s:O}", "ok", 1, "result", call->result);
	if (call->version[0] != '\0')
		json_object_set_new(answer, "version", json_string(call->version));
	if (call->dry_run)
		json_object_set_new(answer, "dry_run", json_true());
	if (call->operation->changes)
		json_object_set(answer, "plan", call->plan);
	if (call->plan_left > 0)
		json_object_set_new(answer, "plan_left", json_integer((json_int_t)call->plan_left));
	return answer;
}

/* What it was about; only these, for another may be a private key. */
static void
add_names(const struct operation_call *call, struct buf *out)
{
	static const char *const names[] = {
	    "tenant", "policy", "domain", "selector", "gateway", "reason"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct span text = call_text(call, names[i]);

		if (text.n > 0)
			buf_add_fmt(out, " %s=%.*s", names[i], SPAN_ARG(text));
	}
}

static void
log_call(const struct operation_call *call, enum operation_code code)
{
	struct buf about;

	if (!call->operation->changes || call->dry_run)
		return;
	buf_init(&about, LOG_LINE_MAX);
	add_names(call, &about);
	log_line(code == OPERATION_OK ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING, "%s: %s%s: %s%s%s",
	    call->caller->actor, call->operation->name, buf_text(&about), operation_code_name(code),
	    code == OPERATION_OK ? "" : ": ", code == OPERATION_OK ? "" : call->detail.text);
	buf_free(&about);
}

/* What many transactions have done: a repetition would find it done, and say so; better it hears
 * what the first one heard. */
static void
keep_late_reply(struct operation_call *call)
{
	struct err err = ERR_NONE;

	if (!call->late_reply || call->replied || call->dry_run)
		return;
	call->late_reply = false;
	if (call_apply(call, NULL, 0, &err) != ST_OK)
		log_line(LOG_LEVEL_WARNING, "%s: the answer to %s could not be kept: %s",
		    call->caller->actor, call->operation->name, err.text);
}

static enum operation_code
run_request(struct operation_call *call, json_t **answer_out)
{
	enum operation_code code;

	arena_init(&call->arena, OPERATION_ARENA_MAX);
	call->result = json_object();
	call->plan = json_array();
	call->fresh = json_array();
	call->errors = json_array();
	code = run(call);
	if (code == OPERATION_OK)
		keep_late_reply(call);
	*answer_out = call_answer(call, code);
	log_call(call, code);
	json_decref(call->result);
	json_decref(call->plan);
	json_decref(call->fresh);
	json_decref(call->errors);
	arena_free(&call->arena);
	return code;
}

enum operation_code
operation_run(struct admin *admin, const struct operation_caller *caller, const json_t *json,
    operation_progress *progress, void *context, json_t **answer_out)
{
	json_t *errors = json_array();
	enum operation_code code = OPERATION_VALIDATION;
	struct request request;

	take_request(json, &request, errors);
	if (json_array_size(errors) > 0) {
		*answer_out = refusal(code, "the request cannot be used", errors);
	} else {
		struct operation_call call = {.admin = admin,
		    .caller = caller,
		    .operation = request.operation,
		    .arguments = request.arguments,
		    .dry_run = request.dry_run,
		    .progress = progress,
		    .context = context};

		code = run_request(&call, answer_out);
	}
	json_decref(errors);
	json_decref(request.none);
	return code;
}

bool
operation_text_is_flat(struct span text)
{
	bool quoted = false;
	unsigned depth = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '[') && ++depth > OPERATION_DEPTH_MAX)
			return false;
		else if (!quoted && (c == '}' || c == ']') && depth > 0)
			depth--;
	}
	return true;
}

enum operation_code
operation_run_text(struct admin *admin, const struct operation_caller *caller, struct span text,
    operation_progress *progress, void *context, json_t **answer_out)
{
	enum operation_code code = OPERATION_VALIDATION;
	char detail[JSON_ERROR_TEXT_LENGTH + 40];
	json_error_t error;
	json_t *json;

	if (text.n > OPERATION_TEXT_MAX || !operation_text_is_flat(text)) {
		*answer_out = refusal(code,
		    text.n > OPERATION_TEXT_MAX ? "the request is longer than 1 MiB"
						: "the request is more than 32 levels deep",
		    NULL);
		return code;
	}
	json = json_loadb(text.p == NULL ? "" : text.p, text.n, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL) {
		/* Not what stands there: it may be a private key. */
		snprintf(
		    detail, sizeof(detail), "the request is no JSON: at octet %d", error.position);
		*answer_out = refusal(code, detail, NULL);
		return code;
	}
	code = operation_run(admin, caller, json, progress, context, answer_out);
	json_decref(json);
	return code;
}
