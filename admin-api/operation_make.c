/*
 * operation_make.c - key.generate and key.import: new keys in the store.
 * Called through the table of operations. It must never put a key under a selector that was used,
 * nor let one that is not proven sign: a new key is PREPARED, or, if its record is there already,
 * PUBLISHED, or, if it signed elsewhere with that record, ACTIVE. Who may do what is unsafe can say
 * that the record is there; nobody looks then.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/cname.h"
#include "admin-api/makekey.h"
#include "admin-api/operation_dns.h"
#include "admin-api/operation_lives.h"
#include "admin-api/record.h"
#include "admin-api/slots.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

struct making {
	struct makekey_wanted wanted;
	struct makekey_made made;
	char selector[KEYSTORE_SELECTOR_MAX + 1]; /* of the plan's template */
	struct slot slot;      /* that it gets, with a delegation; number 0: none */
	bool imported, active; /* active: it signs at once */
	struct dns_look *look; /* of one whose record is there; NULL */
	bool vouched;          /* nobody looked: who asks says that it is there */
	struct key_life found; /* of one whose record has tags of others: head, tail */
	struct span begun; /* p= of a key that was added, and then not marked as imported; empty */
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

/* Who imports writes twice: the row, then what a row that is added cannot have. One that died in
 * between is gone on with, by whoever brings the same private key. */
static enum operation_code
find_begun(struct operation_call *call, const struct lives *lives, struct making *making)
{
	size_t at = lives_key(lives, making->wanted.selector), i;
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	enum status status;

	if (at == SIZE_MAX || lives->life.keys[at].life.imported)
		return OPERATION_OK;
	status = row_find(call->admin->store, STORE_KEY, making->wanted.domain,
	    making->wanted.selector, &rows, &i, &err);
	if (status != ST_OK)
		return status == ST_ABSENT
			   ? OPERATION_OK
			   : call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	making->begun = call_keep(call, rows->keys[i].public_key);
	keystore_rows_release(rows);
	return OPERATION_OK;
}

static enum operation_code
slot_refused(struct operation_call *call, enum status status, struct err *err)
{
	if (status == ST_ABSENT || status == ST_DENIED)
		return call_refuse(call, OPERATION_SELECTOR_EXISTS, "%s", err->text);
	return call_store_failed(call, status, OPERATION_FORBIDDEN, err);
}

/* The selectors of a delegation are its slots. What is imported may have another one: its record
 * is in the customer's zone. */
static enum operation_code
choose_slot(struct operation_call *call, const struct lives *lives, struct making *making)
{
	struct keystore *store = call->admin->store;
	struct err err = ERR_NONE;
	enum operation_code code;
	enum status status;
	int number;

	if (!call_has(call, "selector")) {
		status = slot_choose(store, &lives->life, 0, call->now_utc, &making->slot, &err);
	} else {
		code = call_selector(call, "selector", &making->wanted.selector);
		if (code != OPERATION_OK)
			return code;
		number = plan_slot_of(&lives->life.plan, making->wanted.selector);
		if (number == 0 && making->imported)
			return check_selector(call, making);
		if (number == 0)
			return call_wrong(call, "selector",
			    "it is none of the slots of this policy's plan, and nobody has a CNAME "
			    "for it");
		status = slot_look(store, &lives->life, number, call->now_utc, &making->slot, &err);
	}
	if (status != ST_OK)
		return slot_refused(call, status, &err);
	making->wanted.selector = span_str(making->slot.selector);
	making->wanted.revision = making->slot.revision;
	return OPERATION_OK;
}

static enum operation_code
choose_selector(struct operation_call *call, const struct lives *lives, struct making *making)
{
	struct err err = ERR_NONE;
	enum operation_code code = OPERATION_OK;

	if (making->imported && call_has(call, "selector"))
		code = call_selector(call, "selector", &making->wanted.selector);
	if (code == OPERATION_OK && making->wanted.selector.n > 0)
		code = find_begun(call, lives, making);
	if (code != OPERATION_OK || making->begun.n > 0)
		return code;
	if (lives->life.plan.manage && lives->life.plan.delegation[0] != '\0')
		return choose_slot(call, lives, making);
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
	char version[VERSION_BYTES];
	struct err err = ERR_NONE;
	enum status status;
	struct buf life;

	makekey_row(&making->wanted, &making->made, call->now_utc, row);
	/* Of a slot that a key had before: its row is written over. */
	buf_init(&life, LIFE_TEXT_MAX);
	slot_write(&making->slot, &life, &write);
	if (making->made.mirror_pem != NULL)
		write.mirror_pem = span_str(making->made.mirror_pem);
	call_plan(call, "key", NULL, row_key(row, &row->times, call->now_utc));
	json_object_set_new(call->result, "key", row_key(row, &row->times, call->now_utc));
	version_of_key(row, &row->times, call->now_utc, version);
	call_new_version(call, version);
	status = call_apply(call, &write, 1, &err);
	buf_free(&life);
	return status == ST_OK ? OPERATION_OK
			       : call_store_failed(call, status, OPERATION_SELECTOR_EXISTS, &err);
}

/* Where it stands: in a slot whose CNAME leads to it, or at its own name. */
static const char *
target_of(const struct lives *lives, const struct life_key *key, const struct dns_look *look)
{
	struct buf target;
	bool leads;

	buf_init(&target, LIFE_TARGET_MAX);
	leads = cname_target(&lives->life, key, &target) == ST_OK && target.n > 0 &&
		cname_is_right(&look->question, buf_span(&target));
	buf_free(&target);
	return leads ? look->question.alias : "";
}

static enum operation_code
refuse_second(struct operation_call *call, const struct making *making)
{
	return call_refuse(call, OPERATION_ILLEGAL_TRANSITION,
	    "%.*s has an ACTIVE %s key already: import this one without \"active\", and "
	    "activate it when it is proven",
	    SPAN_ARG(making->wanted.domain), making->made.algorithm);
}

/* Before anything is written. */
static enum operation_code
check_second(struct operation_call *call, const struct lives *lives, const struct making *making)
{
	for (size_t i = 0; making->active && i < lives->life.count; i++) {
		const struct life_key *other = &lives->life.keys[i];

		if (strcmp(other->algorithm, making->made.algorithm) == 0 &&
		    !span_eq(other->selector, making->wanted.selector) &&
		    key_state_at(&other->times, call->now_utc) == KEY_ACTIVE)
			return refuse_second(call, making);
	}
	return OPERATION_OK;
}

/* What was seen of its record, or is said of it. */
static bool
mark_published(struct lives *lives, const struct making *making, struct life_key *key,
    const struct operation_call *call)
{
	struct life_sight sight = {.seen = LIFE_SEEN_RIGHT, .why = ""};
	enum key_state state = key_state_at(&key->times, call->now_utc);

	if (!making->vouched) {
		sight = dns_look_sight(making->look);
		sight.target = target_of(lives, key, making->look);
	}
	/* Since its row was added the reconciler may have begun. */
	if (state == KEY_PUBLISHED)
		return true;
	if (state == KEY_PUBLISHING)
		return life_published(key, &lives->life.plan, LIFE_DONE, "", call->now_utc);
	return life_surveyed(key, &lives->life.plan, &sight, call->now_utc) &&
	       life_published(key, &lives->life.plan, LIFE_DONE, "", call->now_utc);
}

/* Does it sign already, as it was to? By the reconciler, or by a write whose answer was not heard.
 */
static bool
is_done(const struct making *making, const struct life_key *key, int64_t now_utc)
{
	return making->active && key_state_at(&key->times, now_utc) == KEY_ACTIVE;
}

/* What a row that is added cannot have yet. */
static enum operation_code
mark_imported(struct operation_call *call, struct lives *lives, void *context)
{
	struct making *making = context;
	size_t i = lives_key(lives, making->wanted.selector);
	char version[VERSION_BYTES];
	struct life_key *key;

	if (i == SIZE_MAX)
		return call_refuse(call, OPERATION_PRECONDITION_FAILED, "somebody removed key %.*s",
		    SPAN_ARG(making->wanted.selector));
	key = &lives->life.keys[i];
	/* Of one that was begun the reconciler may have done the rest. */
	key->changed = key->life.imported =
	    (making->begun.n == 0 && !is_done(making, key, call->now_utc)) ||
	    key_state_at(&key->times, call->now_utc) == KEY_PREPARED;
	if (key->changed && making->found.head[0] != '\0') {
		snprintf(key->life.head, sizeof(key->life.head), "%s", making->found.head);
		snprintf(key->life.tail, sizeof(key->life.tail), "%s", making->found.tail);
	}
	if ((making->look != NULL || making->vouched) && key->changed &&
	    !mark_published(lives, making, key, call))
		return call_refuse(call, OPERATION_ILLEGAL_TRANSITION, "key %.*s is %s already",
		    SPAN_ARG(making->wanted.selector),
		    key_state_name(key_state_at(&key->times, call->now_utc)));
	if (making->active && key->changed && !life_adopted(&lives->life, i, call->now_utc))
		return refuse_second(call, making);
	/* Here, since what is answered is kept together with what is written. */
	json_object_set_new(
	    call->result, "key", row_key(lives->rows[i], &key->times, call->now_utc));
	version_of_key(lives->rows[i], &key->times, call->now_utc, version);
	call_new_version(call, version);
	return OPERATION_OK;
}

static enum operation_code
finish(struct operation_call *call, struct making *making)
{
	/* A dry run has added nothing that could be marked. */
	if (!making->imported || call->dry_run)
		return row_make_due(call, making->wanted.domain);
	call->late_reply = false;
	return lives_update(call, making->wanted.domain, mark_imported, making);
}

/* Programs that make keys write other tags than Signpost (h=sha256; no k=; a semicolon at the end).
 * What is there is this key's, too, if it is the same at all servers: asked for once more. */
static enum operation_code
look_at_others(struct operation_call *call, struct making *making, const struct store_key *row)
{
	const struct authority_question *seen = &making->look->question;
	struct err err = ERR_NONE;

	if (seen->text_count != 1)
		return OPERATION_OK;
	if (record_adopt(span_str(seen->texts[0]), row, &making->found, &err) != ST_OK)
		return call_refuse(call, OPERATION_DNS_CONFLICT, "the record that %s has %s: %s",
		    making->look->name, err.text, seen->why);
	if (!dns_look_make(making->look, row, &row->times, &making->found))
		return call_wrong(call, "pem", "its record is too long");
	return dns_look_ask(call, &making->look, 1);
}

/* Is what stands in DNS this key? */
static enum operation_code
check_published(struct operation_call *call, struct making *making)
{
	struct store_key row;
	enum operation_code code = OPERATION_OK;

	making->active = call_switch(call, "active", false);
	making->vouched = call_switch(call, "unproven", false);
	if (making->vouched && (call->caller->scopes & (uint32_t)SCOPE_KEYS_UNSAFE) == 0)
		return call_refuse(
		    call, OPERATION_FORBIDDEN, "\"unproven\" needs the scope keys:unsafe");
	if (making->vouched && !making->active)
		return call_wrong(call, "unproven", "it is for a key that is \"active\"");
	if (making->vouched || (!making->active && !call_switch(call, "published", false)))
		return OPERATION_OK;
	makekey_row(&making->wanted, &making->made, call->now_utc, &row);
	making->look = mem_alloc(sizeof(*making->look));
	if (!dns_look_make(making->look, &row, &row.times, &making->found))
		return call_wrong(call, "pem", "its record would be too long");
	code = dns_look_ask(call, &making->look, 1);
	if (code == OPERATION_OK && making->look->question.seen == AUTHORITY_FOREIGN)
		code = look_at_others(call, making, &row);
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
	if (making->begun.n > 0 && !span_eq_str(making->begun, making->made.public_key))
		return check_selector(call, making);
	code = check_published(call, making);
	if (code == OPERATION_OK)
		code = check_second(call, lives, making);
	/* The answer is kept with what is written last: who dies before that can be asked again. */
	call->late_reply = making->imported;
	if (code == OPERATION_OK && making->begun.n == 0)
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
