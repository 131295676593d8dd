/*
 * operation_make.c - key.generate and key.import: new keys in the store.
 * Called through the table of operations. It must never put a key under a selector that was used,
 * nor let one that is not proven sign: a new key is PREPARED, or, if its record is there already,
 * PUBLISHED.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/makekey.h"
#include "admin-api/operation_dns.h"
#include "admin-api/operation_lives.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

struct making {
	struct makekey_wanted wanted;
	struct makekey_made made;
	char selector[KEYSTORE_SELECTOR_MAX + 1]; /* of the plan's template */
	bool imported;
	struct dns_look *look; /* of one whose record is there; NULL */
};

/* Never one that was used, destroyed ones among them. */
static enum operation_code
check_selector(struct operation_call *call, const struct making *making)
{
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	enum operation_code code;
	enum status status;
	size_t i;

	status = row_find(call->admin->store, STORE_KEY, making->wanted.domain,
	    making->wanted.selector, &rows, &i, &err);
	if (status == ST_ABSENT)
		return OPERATION_OK;
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	code = rows->keys[i].times.destroyed > 0 ? OPERATION_SELECTOR_REUSED
						 : OPERATION_SELECTOR_EXISTS;
	code = call_refuse(call, code,
	    "there is a key %.*s of %.*s already (%s); a selector is used once: take another one",
	    SPAN_ARG(making->wanted.selector), SPAN_ARG(making->wanted.domain),
	    key_state_name(key_state_at(&rows->keys[i].times, call->now_utc)));
	keystore_rows_release(rows);
	return code;
}

static enum operation_code
choose_selector(struct operation_call *call, const struct lives *lives, struct making *making)
{
	struct err err = ERR_NONE;
	enum operation_code code;

	if (call_has(call, "selector")) {
		code = call_selector(call, "selector", &making->wanted.selector);
		return code == OPERATION_OK ? check_selector(call, making) : code;
	}
	if (makekey_selector(&lives->life.plan, call->now_utc, making->selector, &err) != ST_OK)
		return call_refuse(call, OPERATION_VALIDATION, "%s", err.text);
	making->wanted.selector = span_str(making->selector);
	return check_selector(call, making);
}

/* Without any: as the plan has it first. */
static void
choose_algorithm(
    const struct operation_call *call, const struct lives *lives, struct making *making)
{
	const struct key_plan *plan = &lives->life.plan;
	struct makekey_wanted *wanted = &making->wanted;

	wanted->algorithm = call_text(call, "algorithm");
	wanted->bits = (int)call_number(call, "bits");
	wanted->pem = call_text(call, "pem");
	if (wanted->pem.n > 0)
		return;
	if (wanted->algorithm.n == 0 && plan->algorithm_count > 0) {
		wanted->algorithm = span_str(plan->algorithms[0].name);
		if (wanted->bits == 0)
			wanted->bits = plan->algorithms[0].bits;
	}
	if (wanted->algorithm.n == 0)
		wanted->algorithm = SPAN_LIT("rsa-sha256");
	if (wanted->bits == 0)
		wanted->bits = span_eq_str(wanted->algorithm, "rsa-sha256") ? 2048 : 256;
}

/* ---- the row ---- */

static enum operation_code
add_row(struct operation_call *call, const struct making *making)
{
	struct keystore_write write = {.what = STORE_KEY, .how = WRITE_ADD};
	struct store_key *row = &write.row.key;
	struct err err = ERR_NONE;
	enum status status;

	makekey_row(&making->wanted, &making->made, call->now_utc, row);
	if (making->made.mirror_pem != NULL)
		write.mirror_pem = span_str(making->made.mirror_pem);
	status = call_apply(call, &write, 1, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_SELECTOR_EXISTS, &err);
	call_plan(call, "key", NULL, row_key(row, &row->times, call->now_utc));
	json_object_set_new(call->result, "key", row_key(row, &row->times, call->now_utc));
	return OPERATION_OK;
}

/* What a row that is added cannot have yet. */
static enum operation_code
mark_imported(struct operation_call *call, struct lives *lives, void *context)
{
	struct making *making = context;
	size_t i = lives_key(lives, making->wanted.selector);
	struct life_key *key;

	if (i == SIZE_MAX)
		return call_refuse(call, OPERATION_PRECONDITION_FAILED, "somebody removed key %.*s",
		    SPAN_ARG(making->wanted.selector));
	key = &lives->life.keys[i];
	key->life.imported = true;
	key->changed = true;
	if (making->look != NULL) {
		struct life_sight sight = dns_look_sight(making->look);

		if (!life_surveyed(key, &lives->life.plan, &sight, call->now_utc) ||
		    !life_published(key, &lives->life.plan, LIFE_DONE, "", call->now_utc))
			return call_refuse(call, OPERATION_ILLEGAL_TRANSITION,
			    "key %.*s is %s already", SPAN_ARG(making->wanted.selector),
			    key_state_name(key_state_at(&key->times, call->now_utc)));
	}
	return OPERATION_OK;
}

static enum operation_code
finish(struct operation_call *call, struct making *making)
{
	enum operation_code code;
	json_t *keys;

	/* A dry run has added nothing that could be marked. */
	if (!making->imported || call->dry_run)
		return row_make_due(call, making->wanted.domain);
	code = lives_update(call, making->wanted.domain, mark_imported, making);
	keys = json_object_get(call->result, "keys");
	if (code == OPERATION_OK && json_array_size(keys) > 0)
		json_object_set(call->result, "key", json_array_get(keys, 0));
	return code;
}

/* Is what stands in DNS this key? */
static enum operation_code
check_published(struct operation_call *call, struct making *making)
{
	struct store_key row;
	enum operation_code code = OPERATION_OK;

	if (!call_switch(call, "published", false))
		return OPERATION_OK;
	makekey_row(&making->wanted, &making->made, call->now_utc, &row);
	making->look = mem_alloc(sizeof(*making->look));
	if (!dns_look_make(making->look, &row, &row.times))
		return call_wrong(call, "pem", "its record would be too long");
	code = dns_look_ask(call, &making->look, 1);
	if (code != OPERATION_OK)
		return code;
	json_object_set_new(call->result, "dns", dns_look_row(making->look));
	if (making->look->question.seen == AUTHORITY_RIGHT)
		return OPERATION_OK;
	return call_refuse(call,
	    making->look->question.seen == AUTHORITY_FOREIGN ? OPERATION_DNS_CONFLICT
							     : OPERATION_DNS_UNPROVEN,
	    "%s does not have the record of this key at all servers: %s", making->look->name,
	    making->look->question.why);
}

static enum operation_code
make(struct operation_call *call, const struct lives *lives, struct making *making)
{
	struct err err = ERR_NONE;
	enum operation_code code;
	enum status status;

	making->wanted.tenant = lives->row->tenant;
	making->wanted.domain = lives->row->name;
	making->wanted.mirror = call->admin->store->ops->mirrors;
	code = choose_selector(call, lives, making);
	if (code != OPERATION_OK)
		return code;
	choose_algorithm(call, lives, making);
	status = makekey(call->admin->sitekey, &making->wanted, &making->made, &err);
	if (status == ST_INVALID)
		return call_wrong(call, making->imported ? "pem" : "algorithm", "%s", err.text);
	if (status == ST_DENIED)
		return call_refuse(call, OPERATION_FORBIDDEN, "%s", err.text);
	if (status != ST_OK)
		return call_refuse(call, OPERATION_INTERNAL, "%s", err.text);
	code = check_published(call, making);
	if (code == OPERATION_OK)
		code = add_row(call, making);
	return code == OPERATION_OK ? finish(call, making) : code;
}

static enum operation_code
make_for_domain(struct operation_call *call, bool imported)
{
	struct making *making = mem_zalloc(1, sizeof(*making));
	struct lives *lives = NULL;
	struct span domain;
	enum operation_code code = call_domain(call, "domain", &domain);

	making->imported = imported;
	if (code == OPERATION_OK)
		code = lives_read(call, domain, &lives);
	if (code == OPERATION_OK)
		code = make(call, lives, making);
	makekey_forget(&making->made);
	mem_free(making->look);
	mem_free(making);
	lives_free(lives);
	return code;
}

enum operation_code
operation_key_generate(struct operation_call *call)
{
	return make_for_domain(call, false);
}

enum operation_code
operation_key_import(struct operation_call *call)
{
	return make_for_domain(call, true);
}
