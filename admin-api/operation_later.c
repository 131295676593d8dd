/*
 * operation_later.c - what was begun: how far it has come, and the end of it if it is not wanted.
 * Called through the table of operations. It must never keep anything of its own: rows say how far
 * it is, also after a restart and at another signpost-admind.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/operation_later.h"
#include "admin-api/operation_table.h"
#include "lib/crypto/digest.h"

#define RETRY_S 2 /* nobody knows when: the next step waits for something, not for a time */
#define RETRY_MAX_S 60
#define DIGEST_SHOWN 16
#define STEPS_TEXT_MAX (256U * 1024U)

/* ---- begun ---- */

void
later_begun(struct operation_call *call, const struct operation_id *id)
{
	char text[OPERATION_ID_MAX + 1];

	if (!call->dry_run && operation_id_write(id, text))
		json_object_set_new(call->result, "operation", json_string(text));
}

void
later_begun_key(
    struct operation_call *call, enum operation_kind kind, const struct lives *lives, size_t key)
{
	const struct store_key *row = lives->rows[key];
	const struct operation_id id = {.kind = kind,
	    .domain = lives->life.name,
	    .name = row->selector.n <= OPERATION_ID_NAME_MAX ? row->selector : row->id};

	later_begun(call, &id);
}

void
later_begun_rotation(struct operation_call *call, enum operation_kind kind,
    const struct lives *lives, const struct rotation_id *rotation)
{
	char name[ROTATION_NAME_BYTES];
	struct operation_id id = {.kind = kind, .domain = lives->life.name};

	rotation_name(rotation, name);
	id.name = span_str(name);
	later_begun(call, &id);
}

/* ---- as it is shown ---- */

static const char *const state_names[] = {[LATER_RUNNING] = "running",
    [LATER_DONE] = "done",
    [LATER_FAILED] = "failed",
    [LATER_CANCELLED] = "cancelled"};

/* Its state, which is compared; and all else that can be seen of it, which is not. */
static void
version_of(const struct operation_call *call, const struct later *later, char out[VERSION_BYTES])
{
	char hex[KEYSTORE_DIGEST_BYTES];
	struct buf text;

	buf_init(&text, STEPS_TEXT_MAX);
	buf_add(&text, call_text(call, "operation"));
	(void)!json_write(later->steps, &text);
	if (later->result != NULL)
		(void)!json_write(later->result, &text);
	keystore_digest(buf_span(&text), hex);
	buf_free(&text);
	snprintf(out, VERSION_BYTES, "o-%s.%.*s", state_names[later->state], DIGEST_SHOWN, hex);
}

enum operation_code
later_show(struct operation_call *call, struct later *later, bool changed)
{
	struct span id = call_text(call, "operation"), rest = id, kind;
	bool running = later->state == LATER_RUNNING;
	char version[VERSION_BYTES];

	(void)span_cut(&rest, '~', &kind);
	version_of(call, later, version);
	json_object_set_new(call->result, "id", json_span(id));
	json_object_set_new(call->result, "kind", json_span(kind));
	json_object_set_new(call->result, "state", json_string(state_names[later->state]));
	json_object_set_new(call->result, "about",
	    later->about[0] == '\0' ? json_null() : json_span(span_str(later->about)));
	json_object_set_new(call->result, "steps", later->steps);
	json_object_set_new(call->result, "retry_after",
	    running ? json_integer((json_int_t)later->retry_s) : json_null());
	json_object_set_new(
	    call->result, "result", later->result == NULL ? json_null() : later->result);
	if (!changed)
		return call_version(call, version);
	call_new_version(call, version);
	return OPERATION_OK;
}

/* ---- steps ---- */

static int64_t
retry_of(int64_t earliest_utc, int64_t now_utc)
{
	int64_t left_s = earliest_utc - now_utc;

	if (earliest_utc <= 0 || left_s < RETRY_S)
		return RETRY_S;
	return left_s < RETRY_MAX_S ? left_s : RETRY_MAX_S;
}

/* A step of a rotation, as that one has it. */
static json_t *
step_of(const json_t *row, const json_t *algorithm, bool next)
{
	const json_t *at = json_object_get(row, "at");

	return json_pack("{s:O, s:O, s:O, s:s, s:O, s:O, s:O}", "name",
	    json_object_get(row, "step"), "algorithm", algorithm, "selector",
	    json_object_get(row, "selector"), "state",
	    json_is_string(at) ? "done"
	    : next             ? "running"
			       : "waiting",
	    "at", at, "earliest", json_object_get(row, "earliest"), "blocked_by",
	    json_object_get(row, "blocked_by"));
}

/* Those up to the activation: what comes of the keys before is not waited for. */
static void
add_steps(struct later *later, const struct operation_call *call, const json_t *algorithm)
{
	const json_t *steps = json_object_get(algorithm, "steps"), *step;
	bool next = true;
	size_t i;

	json_array_foreach(steps, i, step)
	{
		const char *name = json_string_value(json_object_get(step, "step"));
		const char *earliest = json_string_value(json_object_get(step, "earliest"));
		bool done = json_is_string(json_object_get(step, "at"));
		int64_t at_utc = 0;

		json_array_append_new(later->steps,
		    step_of(step, json_object_get(algorithm, "algorithm"), !done && next));
		if (!done && next && earliest != NULL && time_parse(span_str(earliest), &at_utc))
			later->retry_s = retry_of(at_utc, call->now_utc);
		next = next && done;
		if (name != NULL && strcmp(name, "activate") == 0)
			break;
	}
}

/* ---- a rotation ---- */

static enum later_state
rotation_later(const char *state)
{
	if (strcmp(state, "open") == 0 || strcmp(state, "paused") == 0)
		return LATER_RUNNING;
	if (strcmp(state, "aborted") == 0)
		return LATER_CANCELLED;
	return strcmp(state, "rolled-back") == 0 ? LATER_FAILED : LATER_DONE;
}

/* Another one was asked for since: then it has ended, if a key is there that became ACTIVE by it.
 */
static bool
ended_before(const struct lives *lives, struct span name)
{
	uint64_t at;

	if (name.n < 2 || name.p[0] != 'r' || !span_number(span_from(name, 1), INT64_MAX, &at) ||
	    (int64_t)at >= lives->life.life.rotate_asked)
		return false;
	for (size_t i = 0; i < lives->life.count; i++)
		if (lives->life.keys[i].times.active >= (int64_t)at &&
		    lives->life.keys[i].times.active < lives->life.life.rotate_asked)
			return true;
	return false;
}

static void
path_of(const struct lives *lives, const char *what, struct span name, struct later *later)
{
	snprintf(later->about, sizeof(later->about), "/v1/tenants/%.*s/domains/%.*s/%s/%.*s",
	    SPAN_ARG(lives->row->tenant), SPAN_ARG(lives->row->name), what, SPAN_ARG(name));
}

static enum operation_code
look_at_rotation(struct operation_call *call, const struct lives *lives,
    const struct operation_id *id, struct later *later)
{
	struct rotation_id rotation;
	const json_t *algorithm;
	json_t *row;
	size_t i;

	path_of(lives, "rotations", id->name, later);
	if (!rotation_find(call, lives, id->name, &rotation)) {
		later->state = LATER_DONE;
		return ended_before(lives, id->name)
			   ? OPERATION_OK
			   : call_refuse(call, OPERATION_NOT_FOUND, "there is no such operation");
	}
	row = rotation_row(call, lives, &rotation);
	later->state = rotation_later(rotation_state(call, lives, &rotation));
	if (id->kind == OPERATION_KIND_ROLLBACK)
		later->state = later->state == LATER_FAILED ? LATER_DONE : LATER_FAILED;
	else
		json_array_foreach(json_object_get(row, "algorithms"), i, algorithm)
		    add_steps(later, call, algorithm);
	if (later->state == LATER_RUNNING)
		json_decref(row);
	else
		later->result = json_pack("{s:o}", "rotation", row);
	return OPERATION_OK;
}

/* ---- a step of a key ---- */

struct goal {
	const char *step; /* by the names of a rotation's steps */
	int64_t at_utc;   /* when it was reached; 0: not yet */
	bool failed;
};

/* What is not here is so in the store before it is answered. */
static struct goal
goal_of(enum operation_kind kind, const struct key_times *t, int64_t now_utc)
{
	switch (kind) {
	case OPERATION_KIND_PUBLISH:
		return (struct goal){"publish", t->published, t->failed > 0};
	case OPERATION_KIND_REVOKE:
	case OPERATION_KIND_EMERGENCY:
		return (struct goal){"revoke", t->revoked > 0 ? t->revoked : t->removed, false};
	case OPERATION_KIND_ACTIVATE:
		return (struct goal){"activate", t->active, false};
	case OPERATION_KIND_RETIRE:
		return (struct goal){"retire", t->retiring, false};
	case OPERATION_KIND_HOLD:
	case OPERATION_KIND_RETURN:
		return (struct goal){"hold", t->held > 0 ? t->held : now_utc, false};
	default:
		return (struct goal){"release", now_utc, false};
	}
}

static json_t *
goal_row(
    const struct goal *goal, const struct store_key *row, const struct life_wait *wait, bool said)
{
	json_t *blocked = json_array();

	if (wait != NULL && wait->blocked_by != NULL)
		json_array_append_new(blocked, json_string(wait->blocked_by));
	return json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:o}", "name", goal->step, "algorithm",
	    json_span(row->algorithm), "selector", json_span(row->selector), "state",
	    goal->at_utc > 0 ? "done"
	    : goal->failed   ? "failed"
			     : "running",
	    "at", json_time(said ? goal->at_utc : 0), "earliest",
	    json_time(wait == NULL ? 0 : wait->earliest), "blocked_by", blocked);
}

static const struct life_wait *
wait_of(const struct life_decision *decision, size_t key)
{
	for (size_t i = 0; i < decision->wait_count; i++)
		if (decision->waits[i].key == key)
			return &decision->waits[i];
	return NULL;
}

static void
show_goal(struct operation_call *call, const struct operation_id *id, const struct store_key *row,
    const struct key_times *times, const struct life_wait *wait, struct later *later)
{
	struct goal goal = goal_of(id->kind, times, call->now_utc);
	/* The time of what is told without one would change with each look. */
	bool said = id->kind != OPERATION_KIND_RELEASE &&
		    (times->held > 0 ||
			(id->kind != OPERATION_KIND_HOLD && id->kind != OPERATION_KIND_RETURN));

	later->state = goal.at_utc > 0 ? LATER_DONE : goal.failed ? LATER_FAILED : LATER_RUNNING;
	if (later->state != LATER_RUNNING) {
		wait = NULL;
		later->result = json_pack("{s:o}", "key", row_key(row, times, call->now_utc));
	}
	if (wait != NULL)
		later->retry_s = retry_of(wait->earliest, call->now_utc);
	json_array_append_new(later->steps, goal_row(&goal, row, wait, said));
}

/* One that is destroyed is not among the lives: all that was begun with it has ended. */
static enum operation_code
look_at_destroyed(struct operation_call *call, const struct lives *lives,
    const struct operation_id *id, struct later *later)
{
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	size_t at;
	enum status status =
	    row_find(call->admin->store, STORE_KEY, lives->life.name, id->name, &rows, &at, &err);

	if (status == ST_ABSENT)
		return call_refuse(call, OPERATION_NOT_FOUND, "there is no such operation");
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	show_goal(call, id, &rows->keys[at], &rows->keys[at].times, NULL, later);
	if (later->state == LATER_RUNNING)
		later->state = LATER_FAILED;
	keystore_rows_release(rows);
	return OPERATION_OK;
}

static enum operation_code
look_at_key(struct operation_call *call, const struct lives *lives, const struct operation_id *id,
    struct later *later)
{
	size_t key = lives_key(lives, id->name);
	struct life_decision decision;

	path_of(lives, "keys", id->name, later);
	if (key == SIZE_MAX)
		return look_at_destroyed(call, lives, id, later);
	life_decide(&lives->life, &lives->gateways, call->now_utc, &decision);
	show_goal(call, id, lives->rows[key], &lives->life.keys[key].times, wait_of(&decision, key),
	    later);
	return OPERATION_OK;
}

/* ---- showing one ---- */

static enum operation_code
take_id(struct operation_call *call, struct operation_id *out)
{
	if (operation_id_parse(call_text(call, "operation"), out))
		return OPERATION_OK;
	return call_refuse(call, OPERATION_NOT_FOUND, "there is no such operation");
}

static enum operation_code
look_at(struct operation_call *call, const struct lives *lives, const struct operation_id *id,
    bool changed)
{
	struct later later = {.steps = json_array(), .retry_s = RETRY_S};
	enum operation_code code = operation_kind_is_of_key(id->kind)
				       ? look_at_key(call, lives, id, &later)
				       : look_at_rotation(call, lives, id, &later);

	if (code == OPERATION_OK)
		return later_show(call, &later, changed);
	json_decref(later.steps);
	json_decref(later.result);
	return code;
}

static enum operation_code
show_many(struct operation_call *call, const struct operation_id *id)
{
	struct later later = {.steps = json_array(), .retry_s = RETRY_S};
	enum operation_code code = later_of_many(call, id, &later);

	if (code == OPERATION_OK)
		return later_show(call, &later, false);
	json_decref(later.steps);
	json_decref(later.result);
	return code;
}

enum operation_code
operation_operation_show(struct operation_call *call)
{
	struct operation_id id;
	struct lives *lives;
	enum operation_code code = take_id(call, &id);

	if (code == OPERATION_OK && id.kind == OPERATION_KIND_ROTATIONS)
		return show_many(call, &id);
	if (code == OPERATION_OK)
		code = lives_read(call, id.domain, &lives);
	if (code == OPERATION_NOT_FOUND)
		return call_refuse(call, code, "there is no such operation");
	if (code != OPERATION_OK)
		return code;
	code = look_at(call, lives, &id, false);
	lives_free(lives);
	return code;
}

/* ---- ending one ---- */

static enum operation_code
cancel_rotation(struct operation_call *call, struct lives *lives, void *context)
{
	const struct operation_id *id = context;
	struct rotation_id rotation;
	enum operation_code code = look_at(call, lives, id, false);

	if (code == OPERATION_OK && !rotation_find(call, lives, id->name, &rotation))
		code = call_refuse(call, OPERATION_ILLEGAL_TRANSITION, "it has ended");
	if (code == OPERATION_OK)
		code = rotation_abort(call, lives, &rotation);
	if (code != OPERATION_OK)
		return code;
	/* As it is when that is written. */
	return look_at(call, lives, id, true);
}

enum operation_code
operation_operation_cancel(struct operation_call *call)
{
	struct operation_id id;
	enum operation_code code = take_id(call, &id);

	if (code == OPERATION_OK && id.kind == OPERATION_KIND_ROTATION)
		code = lives_update(call, id.domain, cancel_rotation, &id);
	else if (code == OPERATION_OK)
		code = operation_operation_show(call);
	if (code == OPERATION_NOT_FOUND)
		return call_refuse(call, code, "there is no such operation");
	json_object_del(call->result, "keys");
	if (code != OPERATION_OK || id.kind == OPERATION_KIND_ROTATION)
		return code;
	if (id.kind == OPERATION_KIND_ROTATIONS)
		return call_refuse(call, OPERATION_ILLEGAL_TRANSITION,
		    "these are many: cancel the rotation of each domain");
	return call_refuse(call, OPERATION_ILLEGAL_TRANSITION,
	    "a step of a key is not taken back: allowed are rotations that are open and of which "
	    "no key signs yet; for keys there are hold, release and rollback");
}
