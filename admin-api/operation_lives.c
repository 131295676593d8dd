/*
 * operation_lives.c - rows into what lib/keys/life.h works on, and back.
 * Called by the operations on keys. It must never write over what the reconciler or another
 * operator wrote since it read.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/operation_lives.h"
#include "admin-api/reconciler.h"
#include "lib/base/mem.h"

/* ---- reading ---- */

static enum status
take_rows(struct lives *lives, size_t domain, struct err *err)
{
	enum status status;

	lives->row = &lives->answer->domains[domain];
	status = liferows_domain(
	    lives->answer, lives->row, &lives->life, lives->rows, &lives->plan_error, err);
	for (size_t i = 0; i < lives->life.count; i++)
		lives->before[i] = lives->life.keys[i].times;
	return status;
}

/* ---- gateways ---- */

static enum status
read_gateways(struct operation_call *call, struct lives *lives, struct err *err)
{
	struct keystore *store = call->admin->store;
	enum status status;

	if (store->ops->gateways == NULL)
		lives->gateway_rows = keystore_rows_new();
	else if ((status = store->ops->gateways(store, &lives->gateway_rows, err)) != ST_OK) {
		lives->gateway_rows = NULL;
		return status;
	}
	lives->words = (struct liferows_gateways){
	    .rows = lives->gateway_rows, .now_utc = call->now_utc, .silence_s = GATEWAY_SILENCE_S};
	liferows_count(&lives->words, &lives->gateways);
	return ST_OK;
}

static enum status
read_rows(struct operation_call *call, struct span domain, struct lives *lives, struct err *err)
{
	struct keystore *store = call->admin->store;
	enum status status;

	if (store->ops->lives == NULL) {
		err_set(err, "%s: this store has no room for the life of keys", store->where);
		return ST_UNAVAILABLE;
	}
	status = store->ops->lives(store, &domain, 1, &lives->answer, err);
	if (status != ST_OK) {
		lives->answer = NULL;
		return status == ST_ABSENT ? ST_FAILED : status;
	}
	if (lives->answer->domain_count == 0) {
		err_set(err, "there is no domain %.*s", SPAN_ARG(domain));
		return ST_ABSENT;
	}
	if (!call_sees(call, lives->answer->domains[0].tenant, domain)) {
		err_set(err, "there is no domain %.*s", SPAN_ARG(domain));
		return ST_ABSENT;
	}
	status = take_rows(lives, 0, err);
	return status == ST_OK ? read_gateways(call, lives, err) : status;
}

enum operation_code
lives_read(struct operation_call *call, struct span domain, struct lives **out)
{
	struct lives *lives = mem_zalloc(1, sizeof(*lives));
	struct err err = ERR_NONE;
	enum status status = read_rows(call, domain, lives, &err);

	*out = lives;
	if (status == ST_OK)
		return OPERATION_OK;
	lives_free(lives);
	*out = NULL;
	if (status == ST_INVALID || status == ST_TOO_BIG)
		return call_refuse(
		    call, OPERATION_INTERNAL, "%.*s: %s", SPAN_ARG(domain), err.text);
	return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
}

void
lives_free(struct lives *lives)
{
	if (lives == NULL)
		return;
	liferows_forget(&lives->life);
	keystore_rows_release(lives->answer);
	keystore_rows_release(lives->gateway_rows);
	mem_free(lives);
}

size_t
lives_key(const struct lives *lives, struct span name)
{
	for (size_t i = 0; i < lives->life.count; i++)
		if (span_eq(lives->rows[i]->selector, name))
			return i;
	for (size_t i = 0; i < lives->life.count; i++)
		if (span_eq(lives->rows[i]->id, name))
			return i;
	return SIZE_MAX;
}

/* ---- writing ---- */

#define LETTER_TEXT_MAX (64U << 20) /* octets of all texts that are written at once */

/* What is written in one transaction. */
struct letter {
	struct keystore_write *writes;
	size_t count;
	struct arena texts; /* that the writes point into */
	bool full;          /* there was no room for a text: nothing may be written */
};

static struct span
keep_text(struct letter *letter, struct buf *text)
{
	struct span kept = arena_copy(&letter->texts, buf_span(text));

	if (kept.p == NULL)
		letter->full = true;
	buf_free(text);
	return kept;
}

static struct keystore_write
write_of_key(struct letter *letter, const struct lives *lives, size_t i)
{
	const struct life_key *key = &lives->life.keys[i];
	struct keystore_write write = {.what = STORE_KEY, .how = WRITE_CHANGE, .life = true};
	struct buf text;

	buf_init(&text, LIFE_TEXT_MAX);
	key_life_write(&key->life, &text);
	write.row.key = *lives->rows[i];
	write.row.key.times = key->times;
	write.row.key.loading = key->loading;
	write.row.key.lease_s = key->life.lease_s;
	write.row.key.life = keep_text(letter, &text);
	return write;
}

static struct keystore_write
write_of_domain(struct letter *letter, const struct operation_call *call, const struct lives *lives)
{
	struct keystore_write write = {.what = STORE_DOMAIN, .how = WRITE_CHANGE, .life = true};
	struct buf text;

	buf_init(&text, LIFE_TEXT_MAX);
	domain_life_write(&lives->life.life, &text);
	write.row.domain = *lives->row;
	write.row.domain.due = call->now_utc;
	write.row.domain.life = keep_text(letter, &text);
	return write;
}

static json_t *
short_row(const struct store_key *row, const struct key_times *times, int64_t now_utc)
{
	return json_pack("{s:o, s:o, s:o, s:s, s:o}", "tenant", json_span(row->tenant), "domain",
	    json_span(row->domain), "selector", json_span(row->selector), "state",
	    key_state_name(key_state_at(times, now_utc)), "times", row_times(times));
}

static json_t *
short_domain(const struct store_domain *row, struct span life)
{
	struct store_domain shown = *row;

	shown.life = life;
	return row_domain(&shown);
}

static void
plan_changes(
    struct operation_call *call, const struct lives *lives, const struct keystore_write *domain)
{
	json_t *keys = json_object_get(call->result, "keys");

	if (keys == NULL)
		json_object_set_new(call->result, "keys", keys = json_array());
	if (lives->life.changed)
		call_plan(call, "domain", short_domain(lives->row, lives->row->life),
		    short_domain(lives->row, domain->row.domain.life));
	for (size_t i = 0; i < lives->life.count; i++) {
		const struct life_key *key = &lives->life.keys[i];

		if (!key->changed)
			continue;
		call_plan(call, "key", short_row(lives->rows[i], &lives->before[i], call->now_utc),
		    short_row(lives->rows[i], &key->times, call->now_utc));
		json_array_append_new(keys, row_key(lives->rows[i], &key->times, call->now_utc));
	}
}

static size_t
rows_of(const struct lives *lives)
{
	size_t n = 1;

	for (size_t i = 0; i < lives->life.count; i++)
		n += lives->life.keys[i].changed;
	return n;
}

static void
add_writes(struct letter *letter, const struct operation_call *call, const struct lives *lives)
{
	letter->writes[letter->count++] = write_of_domain(letter, call, lives);
	for (size_t i = 0; i < lives->life.count; i++)
		if (lives->life.keys[i].changed)
			letter->writes[letter->count++] = write_of_key(letter, lives, i);
}

/* All or nothing. ST_TOO_BIG: more rows than one transaction may have. */
static enum status
write_all(struct operation_call *call, struct lives *const *lives, size_t count, struct err *err)
{
	struct letter letter = {.count = 0};
	enum status status = ST_TOO_BIG;
	size_t rows = 0, at = 0;

	for (size_t i = 0; i < count; i++)
		rows += rows_of(lives[i]);
	err_set(err, "%zu rows are more than can be changed at once", rows);
	letter.writes = mem_zalloc(rows + 1, sizeof(*letter.writes));
	arena_init(&letter.texts, LETTER_TEXT_MAX);
	for (size_t i = 0; i < count; i++)
		add_writes(&letter, call, lives[i]);
	for (size_t i = 0; i < count; at += rows_of(lives[i++]))
		plan_changes(call, lives[i], &letter.writes[at]);
	if (rows <= OPERATION_WRITES_MAX && !letter.full) {
		err->text[0] = '\0';
		status = call_apply(call, letter.writes, letter.count, err);
	}
	/* The next try says it anew. */
	if (status != ST_OK)
		json_object_del(call->result, "keys");
	arena_free(&letter.texts);
	mem_free(letter.writes);
	return status;
}

enum status
lives_write(struct operation_call *call, struct lives *lives, struct err *err)
{
	return write_all(call, &lives, 1, err);
}

/* A clock that jumped, or a store older than what gateways have seen: what would be decided now
 * would be wrong. */
static enum operation_code
check_frozen(struct operation_call *call)
{
	struct reconciler_state state = {.leader = false};

	if (call->admin->reconciler == NULL)
		return OPERATION_OK;
	reconciler_state(call->admin->reconciler, &state);
	if (state.frozen[0] == '\0' || call_switch(call, "force", false))
		return OPERATION_OK;
	return call_refuse(call, OPERATION_FROZEN, "nothing is changed now: %s", state.frozen);
}

enum operation_code
lives_update(struct operation_call *call, struct span domain, lives_change *change, void *context)
{
	enum operation_code code = check_frozen(call);
	struct err err = ERR_NONE;

	if (code != OPERATION_OK)
		return code;
	for (unsigned i = 0; i < OPERATION_ATTEMPTS; i++) {
		enum status status;
		struct lives *lives;

		code = lives_read(call, domain, &lives);
		if (code != OPERATION_OK)
			return code;
		code = change(call, lives, context);
		status = code == OPERATION_OK ? lives_write(call, lives, &err) : ST_OK;
		lives_free(lives);
		if (code != OPERATION_OK || status == ST_OK)
			return code;
		if (status != ST_DENIED || call->repeated)
			return call_store_failed(call, status, OPERATION_PRECONDITION_FAILED, &err);
	}
	return call_refuse(call, OPERATION_PRECONDITION_FAILED,
	    "somebody else changes the keys of this domain, too; try again: %s", err.text);
}

/* ---- many at once ---- */

/* Domains that were read together. */
struct crowd {
	struct lives *all[KEYSTORE_LIVES_MAX]; /* those that change wanted to be written */
	size_t count;
};

/* Its answer and its gateways are another one's. */
static void
member_free(struct lives *lives)
{
	liferows_forget(&lives->life);
	mem_free(lives);
}

/* The one at a place of what was read, if it is to be written. answer: its owner keeps it. */
static void
crowd_take(struct crowd *crowd, struct operation_call *call, const struct lives *answer,
    size_t domain, lives_change *change, void *context)
{
	struct lives *lives = mem_zalloc(1, sizeof(*lives));
	struct err ignored = ERR_NONE;

	lives->answer = answer->answer;
	lives->gateways = answer->gateways;
	if (take_rows(lives, domain, &ignored) == ST_OK &&
	    change(call, lives, context) == OPERATION_OK)
		crowd->all[crowd->count++] = lives;
	else
		member_free(lives);
}

static void
crowd_done(struct crowd *crowd, const struct span *domains, size_t count, bool *done_out)
{
	for (size_t i = 0; i < crowd->count; i++)
		for (size_t k = 0; k < count; k++)
			if (span_eq(domains[k], crowd->all[i]->life.name))
				done_out[k] = true;
}

void
lives_update_together(struct operation_call *call, const struct span *domains, size_t count,
    lives_change *change, void *context, bool *done_out)
{
	struct keystore *store = call->admin->store;
	struct lives *answer;
	struct crowd crowd = {.count = 0};
	struct err ignored = ERR_NONE;

	memset(done_out, 0, count * sizeof(*done_out));
	if (count == 0 || count > KEYSTORE_LIVES_MAX || store->ops->lives == NULL ||
	    check_frozen(call) != OPERATION_OK)
		return;
	answer = mem_zalloc(1, sizeof(*answer));
	if (store->ops->lives(store, domains, count, &answer->answer, &ignored) != ST_OK)
		answer->answer = NULL;
	else if (read_gateways(call, answer, &ignored) == ST_OK)
		for (size_t i = 0; i < answer->answer->domain_count; i++)
			crowd_take(&crowd, call, answer, i, change, context);
	if (crowd.count > 0 && write_all(call, crowd.all, crowd.count, &ignored) == ST_OK)
		crowd_done(&crowd, domains, count, done_out);
	for (size_t i = 0; i < crowd.count; i++)
		member_free(crowd.all[i]);
	lives_free(answer);
}

enum operation_code
lives_read_together(struct operation_call *call, const struct span *domains, size_t count,
    lives_change *visit, void *context)
{
	struct keystore *store = call->admin->store;
	struct lives *answer = mem_zalloc(1, sizeof(*answer));
	struct crowd crowd = {.count = 0};
	struct err err = ERR_NONE;
	enum status status = store->ops->lives(store, domains, count, &answer->answer, &err);

	if (status != ST_OK)
		answer->answer = NULL;
	for (size_t i = 0; status == ST_OK && i < answer->answer->domain_count; i++)
		crowd_take(&crowd, call, answer, i, visit, context);
	for (size_t i = 0; i < crowd.count; i++)
		member_free(crowd.all[i]);
	lives_free(answer);
	return status == ST_OK ? OPERATION_OK
			       : call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
}

/* ---- what operators see ---- */

json_t *
lives_next(const struct lives *lives, size_t key, const struct life_decision *decision)
{
	const char *blocked;
	json_t *out;

	(void)lives;
	for (size_t i = 0; i < decision->count; i++)
		if (decision->actions[i].key == key && decision->actions[i].what != LIFE_GENERATE)
			return json_pack("{s:s, s:n, s:[]}", "action",
			    life_what_name(decision->actions[i].what), "earliest", "blocked_by");
	for (size_t i = 0; i < decision->wait_count; i++) {
		if (decision->waits[i].key != key)
			continue;
		blocked = decision->waits[i].blocked_by;
		out =
		    json_pack("{s:s, s:o, s:[]}", "action", life_what_name(decision->waits[i].next),
			"earliest", json_time(decision->waits[i].earliest), "blocked_by");
		if (blocked != NULL)
			json_array_append_new(
			    json_object_get(out, "blocked_by"), json_string(blocked));
		return out;
	}
	return json_null();
}

/* By how many gateways mail was seen that was signed with it, and verified. */
static void
add_seen(json_t *out, const struct lives *lives, size_t key)
{
	const struct life_key *row = &lives->life.keys[key];
	size_t good = 0, failing = 0;

	if (lives->words.rows != NULL)
		liferows_seen(&lives->words, row->id, row->times.active, &good, &failing);
	json_object_set_new(out, "verified_by", json_integer((json_int_t)good));
	json_object_set_new(out, "failing_at", json_integer((json_int_t)failing));
}

json_t *
lives_row(const struct operation_call *call, const struct lives *lives, size_t key,
    const struct life_decision *decision)
{
	const struct key_life *life = &lives->life.keys[key].life;
	json_t *out = row_key(lives->rows[key], &lives->life.keys[key].times, call->now_utc);

	json_object_set_new(out, "next", lives_next(lives, key, decision));
	json_object_set_new(out, "trouble", json_span(span_str(life->trouble)));
	json_object_set_new(out, "failure", json_span(span_str(life->failure)));
	json_object_set_new(out, "publisher", json_span(span_str(life->publisher)));
	if (life->target[0] != '\0')
		json_object_set_new(out, "target", json_span(span_str(life->target)));
	json_object_set_new(out, "imported", json_boolean(life->imported));
	json_object_set_new(out, "drifted", json_boolean(life->drifted));
	json_object_set_new(out, "proofs", json_integer(life->proofs));
	json_object_set_new(out, "tries", json_integer(life->tries));
	json_object_set_new(out, "looked", json_time(life->looked));
	json_object_set_new(out, "suspect", json_boolean(life->suspect));
	add_seen(out, lives, key);
	return out;
}
