/*
 * operation_status.c - what all is like: counts of keys by state, what is overdue or stuck, who
 * leads, which gateways report. Called through the table of operations. It must never hold more
 * than a page of rows, nor change anything.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/operation_lives.h"
#include "admin-api/reconciler.h"

#define STATES (KEY_FAILED + 1)
#define OVERDUE_S 300 /* what was due so long ago, nobody looks at */
#define SHOWN_MAX 100U

struct counting {
	struct span tenant;
	uint64_t states[STATES], keys, domains;
	uint64_t stuck_count, overdue_count, drifted_count;
	json_t *stuck;
};

static void
count_key(struct operation_call *call, struct counting *counting, const struct store_key *row)
{
	enum key_state state = key_state_at(&row->times, call->now_utc);
	struct err ignored = ERR_NONE;
	struct key_life life;

	counting->keys++;
	counting->states[state]++;
	if (state == KEY_DESTROYED || key_life_parse(row->life, &life, &ignored) != ST_OK)
		return;
	counting->drifted_count += life.drifted ? 1 : 0;
	if (life.trouble[0] == '\0')
		return;
	if (counting->stuck_count++ < SHOWN_MAX)
		json_array_append_new(counting->stuck,
		    json_pack("{s:o, s:o, s:s, s:i, s:o, s:o}", "domain", json_span(row->domain),
			"selector", json_span(row->selector), "state", key_state_name(state),
			"tries", life.tries, "next_try", json_time(life.next_try), "trouble",
			json_span(span_str(life.trouble))));
}

static void
remember(char after[], size_t room, const struct store_key *row)
{
	snprintf(after, room, "%.*s %.*s", SPAN_ARG(row->domain), SPAN_ARG(row->selector));
}

static enum operation_code
count_keys(struct operation_call *call, struct counting *counting)
{
	struct keystore *store = call->admin->store;
	char after[KEYSTORE_DOMAIN_MAX + KEYSTORE_SELECTOR_MAX + 2] = "";
	struct err err = ERR_NONE;
	size_t count = 1;

	while (count > 0) {
		struct keystore_rows *page;
		enum status status = store->ops->list(
		    store, STORE_KEY, span_str(after), OPERATION_PAGE, &page, &err);

		if (status != ST_OK)
			return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
		count = page->key_count;
		for (size_t i = 0; i < count; i++)
			if (counting->tenant.n == 0 ||
			    span_eq(page->keys[i].tenant, counting->tenant))
				count_key(call, counting, &page->keys[i]);
		if (count > 0)
			remember(after, sizeof(after), &page->keys[count - 1]);
		keystore_rows_release(page);
		if (count > 0 &&
		    !call_progress(call, json_pack("{s:I}", "keys", (json_int_t)counting->keys)))
			return call_refuse(
			    call, OPERATION_PRECONDITION_FAILED, "nobody listens any more");
	}
	return OPERATION_OK;
}

static json_t *
states_json(const struct counting *counting)
{
	json_t *out = json_object();

	for (unsigned i = 0; i < STATES; i++)
		if (counting->states[i] > 0)
			json_object_set_new(out, key_state_name((enum key_state)i),
			    json_integer((json_int_t)counting->states[i]));
	return out;
}

/* Those that nobody has looked at although it was time. */
static enum operation_code
add_overdue(struct operation_call *call)
{
	struct keystore *store = call->admin->store;
	json_t *list = json_array();
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	enum status status;

	json_object_set_new(call->result, "overdue", list);
	if (store->ops->due == NULL)
		return OPERATION_OK;
	status = store->ops->due(store, call->now_utc - OVERDUE_S, SHOWN_MAX, &rows, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	for (size_t i = 0; i < rows->domain_count; i++)
		json_array_append_new(
		    list, json_pack("{s:o, s:o}", "domain", json_span(rows->domains[i].name), "due",
			      json_time(rows->domains[i].due)));
	keystore_rows_release(rows);
	return OPERATION_OK;
}

static void
add_reconciler(struct operation_call *call)
{
	struct reconciler_state state;

	if (call->admin->reconciler == NULL) {
		json_object_set_new(call->result, "reconciler", json_null());
		return;
	}
	memset(&state, 0, sizeof(state));
	reconciler_state(call->admin->reconciler, &state);
	json_object_set_new(call->result, "reconciler",
	    json_pack("{s:b, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"leader", state.leader ? 1 : 0, "leader_name",
		json_span(span_str(state.leader_name)), "frozen",
		state.frozen[0] == '\0' ? json_null() : json_span(span_str(state.frozen)), "turns",
		(json_int_t)state.turns, "generated", (json_int_t)state.generated, "published",
		(json_int_t)state.published, "proven", (json_int_t)state.proven, "activated",
		(json_int_t)state.activated, "revoked", (json_int_t)state.revoked, "removed",
		(json_int_t)state.removed, "destroyed", (json_int_t)state.destroyed, "failed",
		(json_int_t)state.failed, "store_errors", (json_int_t)state.store_errors,
		"publisher_errors", (json_int_t)state.publisher_errors));
}

static enum operation_code
add_store(struct operation_call *call)
{
	struct keystore *store = call->admin->store;
	struct store_state state = {.epoch = 0};
	struct store_change none;
	struct err err = ERR_NONE;
	enum status status;
	size_t count = 0;

	/* Nothing comes behind the last epoch that can be. */
	status = keystore_changes(store, INT64_MAX, 1, &none, &count, &state, &err);
	if (status != ST_OK && status != ST_TOO_BIG)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	json_object_set_new(call->result, "store",
	    json_pack("{s:o, s:I, s:o, s:i, s:o}", "where", json_span(span_str(store->where)),
		"epoch", (json_int_t)state.epoch, "identity", json_span(span_str(state.identity)),
		"schema", state.schema, "now", json_time(call->now_utc)));
	return OPERATION_OK;
}

static enum operation_code
status_of_all(struct operation_call *call)
{
	struct counting counting = {.stuck = json_array()};
	enum operation_code code = OPERATION_OK;

	json_object_set_new(call->result, "stuck", counting.stuck);
	if (call_has(call, "tenant"))
		code = call_tenant(call, "tenant", &counting.tenant);
	if (code == OPERATION_OK)
		code = add_store(call);
	if (code == OPERATION_OK)
		code = count_keys(call, &counting);
	if (code == OPERATION_OK && counting.tenant.n == 0)
		code = add_overdue(call);
	if (code == OPERATION_OK && call->admin->store->ops->gateways != NULL)
		code = operation_gateway_list(call);
	if (code != OPERATION_OK)
		return code;
	add_reconciler(call);
	json_object_set_new(call->result, "states", states_json(&counting));
	json_object_set_new(call->result, "keys", json_integer((json_int_t)counting.keys));
	json_object_set_new(
	    call->result, "stuck_keys", json_integer((json_int_t)counting.stuck_count));
	json_object_set_new(
	    call->result, "drifted_keys", json_integer((json_int_t)counting.drifted_count));
	return OPERATION_OK;
}

enum operation_code
operation_status(struct operation_call *call)
{
	if (!call_has(call, "domain"))
		return status_of_all(call);
	if (call_has(call, "tenant"))
		return call_wrong(call, "tenant", "give \"domain\" or \"tenant\", not both");
	return operation_domain_show(call);
}
