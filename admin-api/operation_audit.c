/*
 * operation_audit.c - reading the audit.
 * Called through the table of operations. It must never show a row of another tenant.
 */
#include "config.h"

#include <stdio.h>

#include "admin-api/operation_call.h"

static json_t *
row_audit(const struct store_audit *row)
{
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
			 "s:o, s:o}",
	    "seq", (json_int_t)row->seq, "at", json_time(row->at), "actor", json_span(row->actor),
	    "method", json_span(row->method), "source", json_span(row->source), "tenant",
	    row->tenant.n == 0 ? json_null() : json_span(row->tenant), "action",
	    json_span(row->action), "object", json_span(row->object), "before",
	    json_span(row->before), "after", json_span(row->after), "request",
	    json_span(row->request), "idempotency_key", json_span(row->key), "detail",
	    json_span(row->detail), "result", json_span(row->result), "prev", json_span(row->prev),
	    "hash", json_span(row->hash));
}

/* Who may see some domains only, sees what was done to them; the store knows the tenant alone. */
static bool
sees_audit(const struct operation_call *call, const struct store_audit *row)
{
	return call->caller->domains.n == 0 ||
	       scope_domain_fits(call->caller->domains, row->object);
}

static enum operation_code
take_question(struct operation_call *call, struct audit_question *out)
{
	struct span after = call_text(call, "after");
	enum operation_code code = OPERATION_OK;

	*out = (struct audit_question){.max = call_limit(call),
	    .newest_first = call_switch(call, "newest_first", false),
	    .tenant = call->caller->tenant,
	    .actor = call_text(call, "actor"),
	    .object = call_text(call, "object"),
	    .seq = (uint64_t)call_number(call, "since")};
	if (call_has(call, "tenant"))
		code = call_tenant(call, "tenant", &out->tenant);
	if (code != OPERATION_OK)
		return code;
	if (after.n > 0 && !span_number(after, INT64_MAX, &out->seq))
		return call_wrong(call, "after", "it is no number of a row");
	if (out->actor.n > 0 && out->object.n > 0)
		return call_wrong(call, "actor", "give \"actor\" or \"object\", not both");
	return OPERATION_OK;
}

enum operation_code
operation_audit_list(struct operation_call *call)
{
	json_t *list = json_array();
	struct audit_question question;
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	enum operation_code code = take_question(call, &question);
	enum status status;

	json_object_set_new(call->result, "audit", list);
	if (code != OPERATION_OK)
		return code;
	status = keystore_audits(call->admin->store, &question, &rows, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	for (size_t i = 0; i < rows->audit_count; i++)
		if (sees_audit(call, &rows->audits[i]))
			json_array_append_new(list, row_audit(&rows->audits[i]));
	if (rows->audit_count == call_limit(call)) {
		char next[24];

		snprintf(next, sizeof(next), "%llu",
		    (unsigned long long)rows->audits[rows->audit_count - 1].seq);
		json_object_set_new(call->result, "next", json_string(next));
	}
	keystore_rows_release(rows);
	return OPERATION_OK;
}

enum operation_code
operation_audit_head(struct operation_call *call)
{
	struct audit_head head;
	struct err err = ERR_NONE;
	enum status status = keystore_audit_head(call->admin->store, &head, &err);

	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	json_object_set_new(call->result, "head",
	    json_pack("{s:I, s:s}", "seq", (json_int_t)head.seq, "hash", head.hash));
	return OPERATION_OK;
}
