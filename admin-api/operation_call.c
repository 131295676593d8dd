/*
 * operation_call.c - what operations have in common: arguments, refusals, writing.
 * Called by the operations. It must never write in a dry run.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "admin-api/crash.h"
#include "admin-api/operation_quota.h"
#include "admin-api/operation_record.h"
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

size_t
call_limit(const struct operation_call *call)
{
	int64_t limit = call_number(call, "limit");

	return limit > 0 && limit < (int64_t)OPERATION_PAGE ? (size_t)limit : OPERATION_PAGE;
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
	if (!keystore_tenant_is_valid(*out))
		return call_wrong(call, name,
		    "it is no name: a-z, 0-9, and inside also '-', '_' and '.', at most 63 octets");
	if (strcmp(name, "tenant") == 0 && !call_sees(call, *out, SPAN_EMPTY))
		return call_refuse(
		    call, OPERATION_NOT_FOUND, "there is no tenant %.*s", SPAN_ARG(*out));
	return OPERATION_OK;
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

	if (call->repeated)
		return call_refuse(call, OPERATION_REPLAYED, "the same request was done already");
	if (call->over_quota)
		return call_refuse(call, OPERATION_QUOTA_EXCEEDED, "%s", err->text);
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
	json_array_append_new(call->fresh, json_pack("{s:s, s:o, s:o}", "row", row, "before",
					       before == NULL ? json_null() : before, "after",
					       after == NULL ? json_null() : after));
}

static void
plan_written(struct operation_call *call)
{
	/* A plan of a hundred thousand rows nobody reads, and nobody has room for. */
	for (size_t i = 0; i < json_array_size(call->fresh); i++)
		if (json_array_size(call->plan) < OPERATION_PAGE)
			json_array_append(call->plan, json_array_get(call->fresh, i));
		else
			call->plan_left++;
	json_array_clear(call->fresh);
}

void
call_wake(struct operation_call *call)
{
	if (!call->dry_run && call->admin->reconciler != NULL)
		reconciler_wake(call->admin->reconciler);
}

/* With its record. *late_out: a quota was written by somebody else since it was read. */
static enum status
write_batch(
    struct operation_call *call, const struct quota_batch *batch, bool *late_out, struct err *err)
{
	struct keystore *store = call->admin->store;
	enum status status = ST_TOO_BIG;
	struct record record;
	size_t at = SIZE_MAX;

	err_set(err, "what is to be recorded of it is too long");
	record_begin(&record, call, batch->writes, batch->write_count);
	if (!record.full && record.count == 0)
		status = ST_OK;
	else if (!record.full)
		status = store->ops->apply(store, record.writes, record.count, &at, err);
	*late_out = quota_batch_was_late(batch, status, at);
	if (status == ST_OK) {
		crash_here(CRASH_AFTER_OPERATION);
		call->replied = call->replied || record.reply_at != SIZE_MAX;
		quota_batch_done(batch, call);
	}
	/* The same request, at the same time. */
	if (status == ST_DENIED && record.reply_at != SIZE_MAX && at == record.reply_at)
		call->repeated = true;
	record_end(&record);
	return status;
}

/* Within the quotas of the tenants: counted anew as often as somebody else was faster. */
static enum status
apply(
    struct operation_call *call, const struct keystore_write *writes, size_t count, struct err *err)
{
	struct quota_batch batch;
	enum status status = ST_OK;
	bool late = true;

	if (call->admin->store->ops->apply == NULL && !call->dry_run) {
		err_set(err, "%s: this store cannot be changed", call->admin->store->where);
		return ST_UNAVAILABLE;
	}
	for (unsigned i = 0; i < QUOTA_TRIES && late; i++) {
		late = false;
		status = quota_batch_begin(&batch, call, writes, count, i, err);
		if (status == ST_OK && !call->dry_run)
			status = write_batch(call, &batch, &late, err);
		quota_batch_end(&batch);
	}
	if (late) {
		err_set(err, "too many others add to the same tenant now; try again");
		return ST_UNAVAILABLE;
	}
	if (status == ST_OK && count > 0)
		call_wake(call);
	return status;
}

enum status
call_apply(
    struct operation_call *call, const struct keystore_write *writes, size_t count, struct err *err)
{
	enum status status = ST_OK;

	for (size_t i = 0; i < count && status == ST_OK; i++)
		status = keystore_write_check(&writes[i], err);
	if (status == ST_OK && (count > 0 || (call->admin->records && !call->dry_run)))
		status = apply(call, writes, count, err);
	if (status == ST_OK)
		plan_written(call);
	json_array_clear(call->fresh);
	return status;
}

bool
call_progress(struct operation_call *call, json_t *report)
{
	bool go_on = call->progress == NULL || call->progress(call->context, report);

	json_decref(report);
	return go_on;
}
