/*
 * operation_gateway.c - gateways that report: all of them, one, and one that is gone for good.
 * Called through the table of operations. It must never take a gateway for gone that somebody has
 * not seen as it is: it may have come back meanwhile.
 */
#include "config.h"

#include <stdio.h>

#include "admin-api/operation_call.h"

static enum operation_code
read_gateways(struct operation_call *call, struct keystore_rows **out)
{
	struct keystore *store = call->admin->store;
	struct err err = ERR_NONE;
	enum status status = ST_UNAVAILABLE;

	*out = NULL;
	if (store->ops->gateways == NULL)
		err_set(&err, "%s: gateways cannot report to this store", store->where);
	else
		status = store->ops->gateways(store, out, &err);
	return status == ST_OK ? OPERATION_OK
			       : call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
}

enum operation_code
operation_gateway_list(struct operation_call *call)
{
	json_t *list = json_array();
	struct keystore_rows *rows;
	enum operation_code code;

	json_object_set_new(call->result, "gateways", list);
	code = read_gateways(call, &rows);
	for (size_t i = 0; code == OPERATION_OK && i < rows->gateway_count; i++)
		json_array_append_new(list, row_gateway(&rows->gateways[i], call->now_utc));
	keystore_rows_release(code == OPERATION_OK ? rows : NULL);
	return code;
}

static enum operation_code
forget(struct operation_call *call, const struct store_gateway *row)
{
	struct keystore *store = call->admin->store;
	struct err err = ERR_NONE;
	enum status status;

	call_plan(call, "gateway", row_gateway(row, call->now_utc), NULL);
	json_object_set_new(call->result, "gateway", row_gateway(row, call->now_utc));
	status = call_apply(call, NULL, 0, &err);
	if (status == ST_OK && !call->dry_run)
		status = store->ops->forget(store, row->node, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	call_wake(call);
	return OPERATION_OK;
}

/* OPERATION_OK: release *rows_out, of which it is one. */
static enum operation_code
find(struct operation_call *call, struct keystore_rows **rows_out, const struct store_gateway **out)
{
	struct span name = call_text(call, "gateway");
	char version[VERSION_BYTES];
	enum operation_code code = read_gateways(call, rows_out);

	if (code != OPERATION_OK)
		return code;
	*out = NULL;
	for (size_t i = 0; i < (*rows_out)->gateway_count; i++)
		if (span_eq((*rows_out)->gateways[i].node, name))
			*out = &(*rows_out)->gateways[i];
	if (*out == NULL) {
		code = call_refuse(
		    call, OPERATION_NOT_FOUND, "no gateway %.*s has reported", SPAN_ARG(name));
	} else {
		version_of_gateway(*out, version);
		code = call_version(call, version);
	}
	if (code != OPERATION_OK)
		keystore_rows_release(*rows_out);
	return code;
}

enum operation_code
operation_gateway_show(struct operation_call *call)
{
	const struct store_gateway *row;
	struct keystore_rows *rows;
	enum operation_code code = find(call, &rows, &row);

	if (code != OPERATION_OK)
		return code;
	json_object_set_new(call->result, "gateway", row_gateway(row, call->now_utc));
	keystore_rows_release(rows);
	return OPERATION_OK;
}

enum operation_code
operation_gateway_forget(struct operation_call *call)
{
	const struct store_gateway *row;
	struct keystore_rows *rows;
	enum operation_code code = find(call, &rows, &row);

	if (code != OPERATION_OK)
		return code;
	code = forget(call, row);
	keystore_rows_release(rows);
	return code;
}
