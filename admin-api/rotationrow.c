/*
 * rotationrow.c - rotations as people see them: which there are, and what each of their steps waits
 * for. Called by the operations on rotations. It must never take a key for one of a rotation that
 * was there before it and was not replaced by it.
 */
#include "config.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "admin-api/operation_rotation.h"

void
rotation_name(const struct rotation_id *rotation, char out[ROTATION_NAME_BYTES])
{
	snprintf(out, ROTATION_NAME_BYTES, "%c%" PRId64, rotation->kind, rotation->at);
}

void
rotation_new_version(struct operation_call *call, const struct lives *lives)
{
	struct store_domain row = *lives->row;
	char version[VERSION_BYTES];
	struct buf life;

	buf_init(&life, LIFE_TEXT_MAX);
	domain_life_write(&lives->life.life, &life);
	row.life = buf_span(&life);
	version_of_domain(&row, version);
	call_new_version(call, version);
	buf_free(&life);
}

static bool
is_planned(const struct key_plan *plan, const char *algorithm)
{
	for (size_t i = 0; i < plan->algorithm_count; i++)
		if (strcmp(plan->algorithms[i].name, algorithm) == 0)
			return true;
	return false;
}

bool
rotation_in_progress(const struct life_domain *domain, int64_t now_utc)
{
	return life_is_rotating(domain, now_utc);
}

/* ---- which keys a rotation is about ---- */

/* Which one of two keys on the way will be there first. */
static bool
is_further(const struct life_key *a, const struct life_key *b, int64_t now_utc)
{
	return key_state_at(&a->times, now_utc) > key_state_at(&b->times, now_utc);
}

/* The key that signs since the rotation, or is going to; SIZE_MAX: it is not made yet. */
static size_t
successor(const struct operation_call *call, const struct lives *lives,
    const struct rotation_id *rotation, const char *algorithm)
{
	const struct life_domain *life = &lives->life;
	size_t done = SIZE_MAX, next = SIZE_MAX;

	for (size_t i = 0; i < life->count; i++) {
		const struct life_key *key = &life->keys[i];

		if (strcmp(key->algorithm, algorithm) != 0)
			continue;
		if (rotation->kind == 'a' ? key->times.active == rotation->at
					  : key->times.active >= rotation->at)
			done = done == SIZE_MAX || key->times.active < life->keys[done].times.active
				   ? i
				   : done;
		else if (key_state_at(&key->times, call->now_utc) <= KEY_LOADED &&
			 (next == SIZE_MAX || is_further(key, &life->keys[next], call->now_utc)))
			next = i;
	}
	return done != SIZE_MAX || rotation->kind == 'a' ? done : next;
}

/* The key that signed before; SIZE_MAX: none did, or it is destroyed. */
static size_t
predecessor(
    const struct operation_call *call, const struct lives *lives, size_t to, const char *algorithm)
{
	const struct life_domain *life = &lives->life;
	int64_t until = to == SIZE_MAX ? 0 : life->keys[to].times.active;
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < life->count; i++) {
		const struct key_times *t = &life->keys[i].times;

		if (i == to || strcmp(life->keys[i].algorithm, algorithm) != 0 || t->active <= 0)
			continue;
		if (until > 0 ? t->retiring != until : key_state_at(t, call->now_utc) != KEY_ACTIVE)
			continue;
		if (best == SIZE_MAX || t->active > life->keys[best].times.active)
			best = i;
	}
	return best;
}

/* ---- steps ---- */

struct step {
	const char *name;
	size_t at; /* offset in struct key_times */
};

#define STEP(member, word)                                                                         \
	{                                                                                          \
		word, offsetof(struct key_times, member)                                           \
	}
static const struct step to_steps[] = {STEP(created, "generate"), STEP(published, "publish"),
    STEP(proven, "prove"), STEP(loaded, "load"), STEP(active, "activate")};
static const struct step from_steps[] = {STEP(retiring, "retire"), STEP(revoked, "revoke"),
    STEP(removed, "remove"), STEP(destroyed, "destroy")};

/* Why the next step of a key is not done now; NULL: it is about to be, or there is none. A look at
 * what is published is no step. */
static const struct life_wait *
wait_of(const struct life_decision *decision, size_t key)
{
	for (size_t i = 0; i < decision->wait_count; i++)
		if (decision->waits[i].key == key)
			return &decision->waits[i];
	return NULL;
}

static json_t *
selector_of(const struct lives *lives, size_t key)
{
	return key == SIZE_MAX ? json_null() : json_span(lives->rows[key]->selector);
}

static json_t *
step_row(const char *name, json_t *selector, int64_t at_utc, const struct life_wait *wait)
{
	json_t *blocked = json_array();

	if (wait != NULL && wait->blocked_by != NULL)
		json_array_append_new(blocked, json_string(wait->blocked_by));
	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "step", name, "selector", selector, "at",
	    json_time(at_utc), "earliest", json_time(wait == NULL ? 0 : wait->earliest),
	    "blocked_by", blocked);
}

/* Those of one key (SIZE_MAX: of one that is not made yet); the first that is not done waits for
 * what the key waits for. */
static void
add_steps(json_t *out, const struct lives *lives, size_t key, const struct step *steps,
    size_t count, const struct life_decision *decision)
{
	const struct life_wait *wait = wait_of(decision, key == SIZE_MAX ? LIFE_NO_KEY : key);
	const struct key_times *times = key == SIZE_MAX ? NULL : &lives->life.keys[key].times;

	for (size_t i = 0; i < count; i++) {
		int64_t at =
		    times == NULL ? 0 : *(const int64_t *)((const char *)times + steps[i].at);

		json_array_append_new(out,
		    step_row(steps[i].name, selector_of(lives, key), at, at > 0 ? NULL : wait));
		if (at <= 0)
			wait = NULL;
	}
}

static json_t *
algorithm_row(const struct operation_call *call, const struct lives *lives,
    const struct rotation_id *rotation, const char *algorithm, const struct life_decision *decision)
{
	size_t to = successor(call, lives, rotation, algorithm);
	bool done = to != SIZE_MAX && lives->life.keys[to].times.active >= rotation->at;
	size_t from = predecessor(call, lives, done ? to : SIZE_MAX, algorithm);
	json_t *steps = json_array();

	add_steps(steps, lives, to, to_steps, sizeof(to_steps) / sizeof(to_steps[0]), decision);
	if (from != SIZE_MAX)
		add_steps(steps, lives, from, from_steps,
		    sizeof(from_steps) / sizeof(from_steps[0]), decision);
	return json_pack("{s:s, s:o, s:o, s:b, s:o}", "algorithm", algorithm, "from",
	    selector_of(lives, from), "to", selector_of(lives, to), "done", done ? 1 : 0, "steps",
	    steps);
}

/* What "a" has of an algorithm that was not activated then is nothing. */
static json_t *
algorithm_rows(const struct operation_call *call, const struct lives *lives,
    const struct rotation_id *rotation)
{
	static const char *const names[] = {"rsa-sha256", "ed25519-sha256"};
	struct life_decision decision;
	json_t *out = json_array();

	life_decide(&lives->life, &lives->gateways, call->now_utc, &decision);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (rotation->kind == 'a' ? successor(call, lives, rotation, names[i]) != SIZE_MAX
					  : is_planned(&lives->life.plan, names[i]))
			json_array_append_new(
			    out, algorithm_row(call, lives, rotation, names[i], &decision));
	return out;
}

/* ---- one rotation ---- */

const char *
rotation_state(const struct operation_call *call, const struct lives *lives,
    const struct rotation_id *rotation)
{
	const struct domain_life *life = &lives->life.life;

	if (rotation->kind == 'a')
		return "done";
	if (rotation->at == life->rotate_aborted)
		return "aborted";
	if (rotation->at == life->rotate_undone)
		return "rolled-back";
	if (!rotation_in_progress(&lives->life, call->now_utc))
		return life->rolled_back >= rotation->at ? "rolled-back" : "done";
	return life->paused > 0 ? "paused" : "open";
}

/* The reason is of this one: each asking writes its own. */
static bool
is_newest(const struct domain_life *life, int64_t at_utc)
{
	return at_utc >= life->rotate_asked && at_utc >= life->rotate_aborted &&
	       at_utc >= life->rotate_undone;
}

/* Of one that was taken back, nothing more is said than that. */
json_t *
rotation_row(const struct operation_call *call, const struct lives *lives,
    const struct rotation_id *rotation)
{
	const struct domain_life *life = &lives->life.life;
	bool asked = rotation->kind == 'r', current = asked && rotation->at == life->rotate_asked;
	bool told = asked && is_newest(life, rotation->at);
	char name[ROTATION_NAME_BYTES];

	rotation_name(rotation, name);
	return json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "rotation", name,
	    "domain", json_span(lives->row->name), "tenant", json_span(lives->row->tenant), "state",
	    rotation_state(call, lives, rotation), "asked",
	    asked ? json_time(rotation->at) : json_null(), "not_before",
	    current ? json_time(life->rotate_at) : json_null(), "paused",
	    json_time(current ? life->paused : 0), "reason",
	    json_span(span_str(told ? life->reason : "")), "algorithms",
	    asked && !current ? json_array() : algorithm_rows(call, lives, rotation));
}

/* ---- which there are ---- */

static void
note(struct rotation_ids *out, char kind, int64_t at_utc)
{
	size_t i = out->count;

	if (at_utc <= 0)
		return;
	for (size_t k = 0; k < out->count; k++)
		if (out->all[k].kind == kind && out->all[k].at == at_utc)
			return;
	for (; i > 0 && out->all[i - 1].at < at_utc; i--)
		out->all[i] = out->all[i - 1];
	out->all[i] = (struct rotation_id){.kind = kind, .at = at_utc};
	out->count++;
}

/* Newest first. What was activated since somebody asked is what was asked for, once for each
 * algorithm; later activations are their own. */
void
rotation_find_all(
    const struct operation_call *call, const struct lives *lives, struct rotation_ids *out)
{
	const struct domain_life *life = &lives->life.life;
	const struct rotation_id asked = {.kind = 'r', .at = life->rotate_asked};

	out->count = 0;
	note(out, 'r', life->rotate_asked);
	note(out, 'r', life->rotate_aborted);
	note(out, 'r', life->rotate_undone);
	for (size_t i = 0; i < lives->life.count; i++) {
		const struct life_key *key = &lives->life.keys[i];

		if (life->rotate_asked <= 0 || successor(call, lives, &asked, key->algorithm) != i)
			note(out, 'a', key->times.active);
	}
}

bool
rotation_find(const struct operation_call *call, const struct lives *lives, struct span name,
    struct rotation_id *out)
{
	char text[ROTATION_NAME_BYTES];
	struct rotation_ids rotations;

	rotation_find_all(call, lives, &rotations);
	for (size_t i = 0; i < rotations.count; i++) {
		rotation_name(&rotations.all[i], text);
		if (!span_eq_str(name, text))
			continue;
		*out = rotations.all[i];
		return true;
	}
	return false;
}
