/*
 * operation_call.c - what operations have in common: arguments, refusals, writing.
 * Called by the operations. It must never write in a dry run.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>

#include "admin-api/operation_call.h"
#include "admin-api/operation_table.h"
#include "admin-api/reconciler.h"
#include "lib/dkim/address.h"

bool
call_has(const struct operation_call *call, const char *name)
{
	return json_object_get(call->arguments, name) != NULL;
}

struct span
call_text(const struct operation_call *call, const char *name)
{
	const json_t *value = json_object_get(call->arguments, name);

	return span_of(json_string_value(value), json_string_length(value));
}

int64_t
call_number(const struct operation_call *call, const char *name)
{
	return json_integer_value(json_object_get(call->arguments, name));
}

int64_t
call_time(const struct operation_call *call, const char *name)
{
	const json_t *value = json_object_get(call->arguments, name);
	int64_t at = 0;

	if (json_is_integer(value))
		return json_integer_value(value);
	return json_is_string(value) && time_parse(span_str(json_string_value(value)), &at) ? at
											    : 0;
}

bool
call_switch(const struct operation_call *call, const char *name, bool otherwise)
{
	const json_t *value = json_object_get(call->arguments, name);

	return value == NULL ? otherwise : json_is_true(value);
}

struct span
call_keep(struct operation_call *call, struct span text)
{
	struct span copy = arena_copy(&call->arena, text);

	return copy.p == NULL ? SPAN_EMPTY : copy;
}

enum operation_code
call_domain(struct operation_call *call, const char *name, struct span *out)
{
	if (domain_normalise(call_text(call, name), &call->arena, out) == ST_OK &&
	    keystore_domain_is_valid(*out))
		return OPERATION_OK;
	return call_wrong(call, name, "it is no domain");
}

enum operation_code
call_tenant(struct operation_call *call, const char *name, struct span *out)
{
	*out = call_text(call, name);
	if (keystore_tenant_is_valid(*out))
		return OPERATION_OK;
	return call_wrong(call, name,
	    "it is no name: a-z, 0-9, and inside also '-', '_' and '.', at most 63 octets");
}

enum operation_code
call_selector(struct operation_call *call, const char *name, struct span *out)
{
	*out = call_text(call, name);
	if (keystore_domain_is_valid(*out))
		return OPERATION_OK;
	return call_wrong(call, name, "it is no selector: labels of a-z, 0-9, '-' and '_'");
}

/* ---- refusals ---- */

enum operation_code
call_refuse(struct operation_call *call, enum operation_code code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(call->detail.text, sizeof(call->detail.text), fmt, args);
	va_end(args);
	return code;
}

enum operation_code
call_wrong(struct operation_call *call, const char *argument, const char *fmt, ...)
{
	char why[ERR_TEXT_MAX], pointer[80];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	snprintf(pointer, sizeof(pointer), "/arguments/%s", argument);
	json_array_append_new(call->errors,
	    json_pack("{s:s, s:o}", "pointer", pointer, "detail", json_span(span_str(why))));
	return call_refuse(call, OPERATION_VALIDATION, "%s: %s", argument, why);
}

enum operation_code
call_store_failed(struct operation_call *call, enum status status, enum operation_code denied,
    const struct err *err)
{
	enum operation_code code = OPERATION_INTERNAL;

	if (status == ST_ABSENT)
		code = OPERATION_NOT_FOUND;
	else if (status == ST_UNAVAILABLE)
		code = OPERATION_STORE_UNAVAILABLE;
	else if (status == ST_DENIED)
		code = denied;
	else if (status == ST_INVALID || status == ST_TOO_BIG)
		code = OPERATION_VALIDATION;
	return call_refuse(
	    call, code, "%s", err->text[0] != '\0' ? err->text : "the store gives no reason");
}

/* ---- what is written ---- */

void
call_plan(struct operation_call *call, const char *row, json_t *before, json_t *after)
{
	json_array_append_new(call->plan, json_pack("{s:s, s:o, s:o}", "row", row, "before",
					      before == NULL ? json_null() : before, "after",
					      after == NULL ? json_null() : after));
}

void
call_wake(struct operation_call *call)
{
	if (!call->dry_run && call->admin->reconciler != NULL)
		reconciler_wake(call->admin->reconciler);
}

enum status
call_apply(
    struct operation_call *call, const struct keystore_write *writes, size_t count, struct err *err)
{
	struct keystore *store = call->admin->store;
	enum status status = ST_OK;
	size_t at = 0;

	for (size_t i = 0; i < count && status == ST_OK; i++)
		status = keystore_write_check(&writes[i], err);
	if (status != ST_OK || call->dry_run || count == 0)
		return status;
	if (store->ops->apply == NULL) {
		err_set(err, "%s: this store cannot be changed", store->where);
		return ST_UNAVAILABLE;
	}
	status = store->ops->apply(store, writes, count, &at, err);
	if (status == ST_OK)
		call_wake(call);
	return status;
}

bool
call_progress(struct operation_call *call, json_t *report)
{
	bool go_on = call->progress == NULL || call->progress(call->context, report);

	json_decref(report);
	return go_on;
}
