/*
 * operation_keys.c - keys of all domains, a page at a time: for whoever compares a site with the
 * store, and would ask for each domain else.
 * Called through the table of operations. It must never answer with a private key, nor with a key
 * that does not exist for who asks.
 */
#include "config.h"

#include "admin-api/operation_lives.h"

/* Of the store for one answer: where others' keys stand between, a page may have fewer rows than
 * were asked for, and another one behind it. */
#define LOOKS_MAX 20U

struct keys_page {
	json_t *list;
	size_t limit;
	struct span only; /* the tenant; empty: all */
	bool destroyed;
	struct span state, algorithm, condition; /* empty: any */
	struct buf last; /* "domain selector" of the row that was looked at last */
};

static bool
has_condition(const struct store_key *row, struct span condition)
{
	struct err ignored = ERR_NONE;
	struct key_life life;

	if (row->times.destroyed > 0 || key_life_parse(row->life, &life, &ignored) != ST_OK)
		return false;
	return (span_eq_str(condition, "stuck") && life.trouble[0] != '\0') ||
	       (span_eq_str(condition, "drifted") && life.drifted) ||
	       (span_eq_str(condition, "suspect") && life.suspect);
}

static bool
is_wanted(
    const struct operation_call *call, const struct keys_page *page, const struct store_key *row)
{
	if ((page->only.n > 0 && !span_eq(row->tenant, page->only)) ||
	    !call_sees(call, row->tenant, row->domain))
		return false;
	if (page->algorithm.n > 0 && !span_eq(row->algorithm, page->algorithm))
		return false;
	if (page->condition.n > 0 && !has_condition(row, page->condition))
		return false;
	if (page->state.n > 0)
		return span_eq_str(
		    page->state, key_state_name(key_state_at(&row->times, call->now_utc)));
	return page->destroyed || row->times.destroyed == 0;
}

/* Until the page is full. Was all of rows looked at? */
static bool
take_keys(struct operation_call *call, const struct keystore_rows *rows, struct keys_page *page)
{
	for (size_t i = 0; i < rows->key_count; i++) {
		const struct store_key *row = &rows->keys[i];

		if (json_array_size(page->list) == page->limit)
			return false;
		buf_reset(&page->last);
		buf_add_fmt(
		    &page->last, "%.*s %.*s", SPAN_ARG(row->domain), SPAN_ARG(row->selector));
		if (is_wanted(call, page, row))
			json_array_append_new(page->list, row_key(row, &row->times, call->now_utc));
	}
	return true;
}

/* One question to the store, behind the last one. *more_out: there may be rows behind it. */
static enum status
look(struct operation_call *call, struct keys_page *page, bool *more_out, struct err *err)
{
	struct keystore *store = call->admin->store;
	struct keystore_rows *rows;
	enum status status =
	    store->ops->list(store, STORE_KEY, buf_span(&page->last), OPERATION_PAGE, &rows, err);

	if (status != ST_OK)
		return status;
	*more_out = !take_keys(call, rows, page) || rows->key_count == OPERATION_PAGE;
	keystore_rows_release(rows);
	return ST_OK;
}

/* A name that no key ever has would be answered with an empty list, as if all were well. */
static enum operation_code
take_filter(struct operation_call *call, struct keys_page *page)
{
	bool known = false;

	page->state = call_text(call, "state");
	page->algorithm = call_text(call, "algorithm");
	page->condition = call_text(call, "condition");
	for (int s = KEY_PREPARED; s <= KEY_FAILED; s++)
		known = known || span_eq_str(page->state, key_state_name((enum key_state)s));
	if (page->state.n > 0 && !known)
		return call_wrong(call, "state", "is no state of a key");
	if (page->algorithm.n > 0 && !span_eq_str(page->algorithm, "rsa-sha256") &&
	    !span_eq_str(page->algorithm, "ed25519-sha256"))
		return call_wrong(call, "algorithm", "is rsa-sha256 or ed25519-sha256");
	if (page->condition.n > 0 && !span_eq_str(page->condition, "stuck") &&
	    !span_eq_str(page->condition, "drifted") && !span_eq_str(page->condition, "suspect"))
		return call_wrong(call, "condition", "is stuck, drifted or suspect");
	return OPERATION_OK;
}

enum operation_code
operation_keys_list(struct operation_call *call)
{
	struct keys_page page = {.list = json_array(),
	    .limit = call_limit(call),
	    .only = call_only_tenant(call),
	    .destroyed = call_switch(call, "destroyed", false)};
	struct err err = ERR_NONE;
	enum status status = ST_OK;
	bool more = true;

	json_object_set_new(call->result, "keys", page.list);
	if (take_filter(call, &page) != OPERATION_OK)
		return OPERATION_VALIDATION;
	buf_init(&page.last, KEYSTORE_SUBJECT_MAX + KEYSTORE_DOMAIN_MAX);
	buf_add(&page.last, call_text(call, "after"));
	for (unsigned i = 0; i < LOOKS_MAX && more && status == ST_OK; i++) {
		if (json_array_size(page.list) == page.limit)
			break;
		status = look(call, &page, &more, &err);
	}
	if (status == ST_OK && more)
		json_object_set_new(call->result, "next", json_span(buf_span(&page.last)));
	buf_free(&page.last);
	return status == ST_OK ? OPERATION_OK
			       : call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
}
