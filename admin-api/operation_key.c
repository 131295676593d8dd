/*
 * operation_key.c - keys as they are: lists, one key, its record.
 * Called through the table of operations. It must never answer with a private key, nor with a
 * record for a key that DNS must not have any more.
 */
#include "config.h"

#include <stdio.h>

#include "admin-api/cname.h"
#include "admin-api/operation_dns.h"
#include "admin-api/operation_lives.h"
#include "admin-api/record.h"

/* One that is destroyed has no next step any more, but a row, which says why it failed, if it did.
 */
static json_t *
destroyed_row(const struct operation_call *call, const struct store_key *row)
{
	json_t *out = row_key(row, &row->times, call->now_utc);
	struct err ignored = ERR_NONE;
	struct key_life life;

	if (key_life_parse(row->life, &life, &ignored) == ST_OK)
		json_object_set_new(out, "failure", json_span(span_str(life.failure)));
	return out;
}

static enum operation_code
list_destroyed(struct operation_call *call, struct span domain, json_t *list)
{
	struct keystore *store = call->admin->store;
	char after[KEYSTORE_DOMAIN_MAX + 2];
	struct keystore_rows *page;
	struct err err = ERR_NONE;
	enum status status;

	snprintf(after, sizeof(after), "%.*s ", SPAN_ARG(domain));
	status = store->ops->list(store, STORE_KEY, span_str(after), OPERATION_PAGE, &page, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	for (size_t i = 0; i < page->key_count; i++) {
		const struct store_key *row = &page->keys[i];

		if (span_eq(row->domain, domain) && row->times.destroyed > 0)
			json_array_append_new(list, destroyed_row(call, row));
	}
	keystore_rows_release(page);
	return OPERATION_OK;
}

enum operation_code
operation_key_list(struct operation_call *call)
{
	struct life_decision decision;
	struct lives *lives = NULL;
	struct span domain;
	enum operation_code code = call_domain(call, "domain", &domain);
	json_t *list = json_array();

	json_object_set_new(call->result, "keys", list);
	if (code == OPERATION_OK)
		code = lives_read(call, domain, &lives);
	if (code != OPERATION_OK)
		return code;
	life_decide(&lives->life, &lives->gateways, call->now_utc, &decision);
	for (size_t i = 0; i < lives->life.count; i++)
		json_array_append_new(list, lives_row(call, lives, i, &decision));
	if (call_switch(call, "destroyed", false))
		code = list_destroyed(call, domain, list);
	lives_free(lives);
	return code;
}

/* ---- records ---- */

/* Where it is to be put; and the CNAME that leads there, if that is somewhere else. */
static enum status
place_of(struct operation_call *call, const struct lives *lives, size_t key, struct buf *name)
{
	const struct store_key *row = lives->rows[key];
	enum status status = cname_target(&lives->life, &lives->life.keys[key], name);
	struct buf own;

	if (status != ST_OK)
		return status;
	if (name->n == 0) {
		record_name(row->selector, row->domain, name);
		return buf_status(name);
	}
	buf_init(&own, PUBLISH_VALUE_MAX);
	record_name(row->selector, row->domain, &own);
	json_object_set_new(call->result, "cname",
	    json_pack("{s:o, s:o}", "name", json_span(buf_span(&own)), "target",
		json_span(buf_span(name))));
	buf_free(&own);
	return ST_OK;
}

static enum operation_code
add_record(struct operation_call *call, const struct lives *lives, size_t key, int64_t ttl_s)
{
	const struct store_key *row = lives->rows[key];
	const struct key_times *times = &lives->life.keys[key].times;
	enum publish_notation notation = PUBLISH_SINGLE;
	struct buf name, value, text;
	enum operation_code code = call_notation(call, "notation", &notation);
	enum key_state state = key_state_at(times, call->now_utc);
	enum status status = ST_OK;

	if (code != OPERATION_OK)
		return code;
	if (state == KEY_REMOVED || state == KEY_DESTROYED || row->public_key.n == 0)
		return call_refuse(call, OPERATION_ILLEGAL_TRANSITION,
		    "key %.*s is %s: nothing is to be in DNS for it", SPAN_ARG(row->selector),
		    key_state_name(state));
	buf_init(&name, PUBLISH_VALUE_MAX);
	buf_init(&value, PUBLISH_VALUE_MAX);
	buf_init(&text, PUBLISH_VALUE_MAX * 4);
	status = place_of(call, lives, key, &name);
	(void)key_record_value(row, &lives->life.keys[key], &value);
	if (status == ST_OK)
		status = publish_write(
		    notation, buf_span(&name), buf_span(&value), (uint32_t)ttl_s, &text);
	json_object_set_new(call->result, "record",
	    json_pack("{s:o, s:o, s:I, s:s, s:o}", "name", json_span(buf_span(&name)), "value",
		json_span(buf_span(&value)), "ttl", (json_int_t)ttl_s, "notation",
		publish_notation_name(notation), "text", json_span(buf_span(&text))));
	buf_free(&name);
	buf_free(&value);
	buf_free(&text);
	return status == ST_OK
		   ? OPERATION_OK
		   : call_refuse(call, OPERATION_INTERNAL, "the record is too long to be written");
}

/* ---- one key ---- */

/* selector may be the id. */
static enum operation_code
read_key(struct operation_call *call, struct lives **lives_out, size_t *key_out)
{
	struct span domain, name = call_text(call, "selector");
	enum operation_code code = call_domain(call, "domain", &domain);

	*lives_out = NULL;
	if (code == OPERATION_OK)
		code = lives_read(call, domain, lives_out);
	if (code != OPERATION_OK)
		return code;
	*key_out = lives_key(*lives_out, name);
	if (*key_out == SIZE_MAX) {
		lives_free(*lives_out);
		*lives_out = NULL;
		code = call_refuse(call, OPERATION_NOT_FOUND,
		    "domain %.*s has no key %.*s (or it is destroyed)", SPAN_ARG(domain),
		    SPAN_ARG(name));
	} else {
		version_of_key((*lives_out)->rows[*key_out],
		    &(*lives_out)->life.keys[*key_out].times, call->now_utc, call->version);
	}
	return code;
}

/* Those that have not tried it yet, or cannot use it. */
static json_t *
gateways_of(const struct operation_call *call, const struct lives *lives, size_t key)
{
	const struct life_key *k = &lives->life.keys[key];
	json_t *missing = json_array();
	size_t tested = 0;

	for (size_t i = 0; lives->gateway_rows != NULL && i < lives->gateway_rows->gateway_count;
	     i++) {
		const struct store_gateway *row = &lives->gateway_rows->gateways[i];

		if (row->at + GATEWAY_SILENCE_S < call->now_utc)
			continue;
		if (k->loading > 0 && row->tested >= k->loading)
			tested++;
		else
			json_array_append_new(missing, json_span(row->node));
	}
	return json_pack("{s:I, s:I, s:o, s:s}", "live", (json_int_t)lives->gateways.live, "tested",
	    (json_int_t)tested, "missing", missing, "ack",
	    lives->gateways.live > 0 ? "reported" : "timed");
}

/* By its selector: no row is found by its id. */
static enum operation_code
show_destroyed(struct operation_call *call)
{
	enum operation_code code = OPERATION_NOT_FOUND;
	struct keystore_rows *rows;
	struct err ignored = ERR_NONE;
	struct span domain;
	size_t i;

	if (call_domain(call, "domain", &domain) != OPERATION_OK ||
	    row_find(call->admin->store, STORE_KEY, domain, call_text(call, "selector"), &rows, &i,
		&ignored) != ST_OK)
		return code;
	/* The domain was not found, perhaps, because it is somebody else's. */
	if (rows->keys[i].times.destroyed > 0 && call_sees(call, rows->keys[i].tenant, domain)) {
		json_object_set_new(call->result, "key", destroyed_row(call, &rows->keys[i]));
		code = OPERATION_OK;
	}
	keystore_rows_release(rows);
	return code;
}

enum operation_code
operation_key_show(struct operation_call *call)
{
	struct life_decision decision;
	struct lives *lives;
	enum key_state state;
	enum operation_code code;
	json_t *key;
	size_t i;

	code = read_key(call, &lives, &i);
	if (code == OPERATION_NOT_FOUND && show_destroyed(call) == OPERATION_OK)
		return OPERATION_OK;
	if (code != OPERATION_OK)
		return code;
	life_decide(&lives->life, &lives->gateways, call->now_utc, &decision);
	key = lives_row(call, lives, i, &decision);
	json_object_set_new(key, "gateways", gateways_of(call, lives, i));
	json_object_set_new(
	    key, "conditions", conditions_of(lives, i, json_object_get(key, "gateways")));
	json_object_set_new(call->result, "key", key);
	state = key_state_at(&lives->life.keys[i].times, call->now_utc);
	if (state != KEY_REMOVED && state != KEY_DESTROYED && lives->rows[i]->public_key.n > 0)
		code = add_record(call, lives, i, key_record_ttl(lives, i));
	lives_free(lives);
	return code;
}

enum operation_code
operation_key_record(struct operation_call *call)
{
	struct lives *lives;
	enum operation_code code;
	size_t i;

	code = read_key(call, &lives, &i);
	if (code != OPERATION_OK)
		return code;
	code = add_record(call, lives, i, key_record_ttl(lives, i));
	lives_free(lives);
	return code;
}
