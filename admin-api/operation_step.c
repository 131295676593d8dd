/*
 * operation_step.c - the steps of a key's life that an operator takes: activate, retire, revoke,
 * hold, release, rollback, remove, emergency; and rotations. Called through the table of
 * operations. It must never decide whether a step may be taken: that is lib/keys/life.h, for
 * operators and for the reconciler alike.
 */
#include "config.h"

#include <stdio.h>
#include <time.h>

#include "admin-api/operation_later.h"
#include "lib/base/mem.h"

struct step {
	struct span selector; /* or id */
	bool force;
	bool ends; /* with the answer: nothing goes on that one could ask for */
	enum operation_kind kind;
	enum operation_code refusal; /* where it does not follow from what "take" says */
	/* false: why says why not. */
	bool (*take)(
	    struct lives *lives, size_t key, int64_t now_utc, struct step *step, struct err *why);
};

/* What it would do, or wait for, if it went by itself. */
static void
explain_wait(
    const struct operation_call *call, const struct lives *lives, size_t key, struct err *why)
{
	struct life_decision decision;

	if (why->text[0] != '\0')
		return;
	err_set(why, "this step does not follow that state");
	life_decide(&lives->life, &lives->gateways, call->now_utc, &decision);
	for (size_t i = 0; i < decision.count; i++)
		if (decision.actions[i].what != LIFE_GENERATE && decision.actions[i].key == key)
			err_set(why, "its next step is to %s, which can be done now",
			    life_what_name(decision.actions[i].what));
	for (size_t i = 0; i < decision.wait_count; i++) {
		const struct life_wait *wait = &decision.waits[i];

		if (wait->key == key)
			err_set(why, "its next step is to %s, which waits for %s",
			    life_what_name(wait->next),
			    wait->blocked_by == NULL ? "its time" : wait->blocked_by);
	}
}

static enum operation_code
check_revision(struct operation_call *call, const struct store_key *row)
{
	if (!call_has(call, "revision") ||
	    (uint64_t)call_number(call, "revision") == row->row_revision)
		return OPERATION_OK;
	return call_refuse(call, OPERATION_PRECONDITION_FAILED,
	    "the key was changed meanwhile; its revision is %llu now",
	    (unsigned long long)row->row_revision);
}

/* An emergency is the domain's, whichever key it is about; all else is a key's. */
static enum operation_code
check_version(struct operation_call *call, const struct lives *lives, size_t key)
{
	enum operation_code code = check_revision(call, lives->rows[key]);
	char version[VERSION_BYTES];

	if (code != OPERATION_OK)
		return code;
	if (call->operation->run == operation_emergency)
		version_of_domain(lives->row, version);
	else
		version_of_key(
		    lives->rows[key], &lives->life.keys[key].times, call->now_utc, version);
	return call_version(call, version);
}

/* The only ACTIVE key, where none is named. */
static size_t
only_active(const struct operation_call *call, const struct lives *lives)
{
	size_t found = SIZE_MAX;

	for (size_t i = 0; i < lives->life.count; i++) {
		if (key_state_at(&lives->life.keys[i].times, call->now_utc) != KEY_ACTIVE)
			continue;
		if (found != SIZE_MAX)
			return SIZE_MAX;
		found = i;
	}
	return found;
}

static enum operation_code
find_key(struct operation_call *call, const struct lives *lives, const struct step *step,
    size_t *key_out)
{
	*key_out =
	    step->selector.n > 0 ? lives_key(lives, step->selector) : only_active(call, lives);
	if (*key_out != SIZE_MAX)
		return check_version(call, lives, *key_out);
	if (step->selector.n == 0)
		return call_wrong(call, "selector",
		    "is needed where not exactly one key of the domain is ACTIVE");
	return call_refuse(call, OPERATION_NOT_FOUND,
	    "domain %.*s has no key %.*s (or it is destroyed)", SPAN_ARG(lives->life.name),
	    SPAN_ARG(step->selector));
}

/* Is it the last one that signs, by its algorithm? */
static bool
is_last_active(const struct operation_call *call, const struct lives *lives, size_t key)
{
	const struct life_key *keys = lives->life.keys;

	if (key_state_at(&keys[key].times, call->now_utc) != KEY_ACTIVE)
		return false;
	for (size_t i = 0; i < lives->life.count; i++)
		if (i != key && strcmp(keys[i].algorithm, keys[key].algorithm) == 0 &&
		    key_state_at(&keys[i].times, call->now_utc) == KEY_ACTIVE)
			return false;
	return true;
}

static enum operation_code
refuse_step(struct operation_call *call, const struct lives *lives, size_t key,
    const struct step *step, const struct err *why)
{
	const char *state = key_state_name(key_state_at(&lives->before[key], call->now_utc));
	enum operation_code code = OPERATION_ILLEGAL_TRANSITION;

	if (step->refusal != OPERATION_OK)
		code = step->refusal;
	else if (is_last_active(call, lives, key))
		code = OPERATION_WOULD_LEAVE_UNSIGNED;
	return call_refuse(call, code, "key %.*s is %s: %s", SPAN_ARG(lives->rows[key]->selector),
	    state, why->text);
}

static enum operation_code
take_step(struct operation_call *call, struct lives *lives, void *context)
{
	struct step *step = context;
	struct err why = ERR_NONE;
	enum operation_code code;
	size_t key;

	code = find_key(call, lives, step, &key);
	if (code != OPERATION_OK)
		return code;
	if (step->take(lives, key, call->now_utc, step, &why)) {
		char version[VERSION_BYTES];

		version_of_key(
		    lives->rows[key], &lives->life.keys[key].times, call->now_utc, version);
		if (call->operation->run != operation_emergency)
			call_new_version(call, version);
		if (!step->ends)
			later_begun_key(call, step->kind, lives, key);
		return OPERATION_OK;
	}
	explain_wait(call, lives, key, &why);
	return refuse_step(call, lives, key, step, &why);
}

static enum operation_code
run_step(struct operation_call *call, struct step *step)
{
	struct span domain;
	enum operation_code code = call_domain(call, "domain", &domain);

	step->selector = call_text(call, "selector");
	step->force = call_switch(call, "force", false);
	return code == OPERATION_OK ? lives_update(call, domain, take_step, step) : code;
}

/* ---- the steps ---- */

/* Those that report have not all tried it. */
static bool
waits_for_gateways(const struct lives *lives, size_t key, int64_t now_utc)
{
	const struct life_key *row = &lives->life.keys[key];

	return key_state_at(&row->times, now_utc) == KEY_PROVEN && lives->gateways.live > 0 &&
	       lives->gateways.tested < row->loading;
}

static bool
activate(struct lives *lives, size_t key, int64_t now_utc, struct step *step, struct err *why)
{
	step->refusal = OPERATION_OK;
	if (waits_for_gateways(lives, key, now_utc)) {
		step->refusal = OPERATION_NODES_NOT_READY;
		err_set(why, "not all of the %zu gateways that report have tried it",
		    lives->gateways.live);
		return false;
	}
	if (life_activate(&lives->life, key, now_utc))
		return true;
	if (key_state_at(&lives->life.keys[key].times, now_utc) == KEY_LOADED)
		err_set(why, "%s",
		    lives->life.keys[key].life.drifted
			? "its record in DNS is not what it should be"
			: "it is not sure yet that everybody sees its record: whoever asked "
			  "before it was there may remember that for a while");
	return false;
}

static bool
retire(struct lives *lives, size_t key, int64_t now_utc, struct step *step, struct err *why)
{
	(void)step;
	return life_retire(&lives->life, key, now_utc, why);
}

static bool
revoke(struct lives *lives, size_t key, int64_t now_utc, struct step *step, struct err *why)
{
	(void)step;
	(void)why;
	return life_intend_revoke(&lives->life, key, now_utc);
}

static bool
hold(struct lives *lives, size_t key, int64_t now_utc, struct step *step, struct err *why)
{
	(void)step;
	return life_hold(&lives->life, key, now_utc, why);
}

static bool
release(struct lives *lives, size_t key, int64_t now_utc, struct step *step, struct err *why)
{
	(void)step;
	return life_release(&lives->life, key, now_utc, why);
}

static bool
rollback(struct lives *lives, size_t key, int64_t now_utc, struct step *step, struct err *why)
{
	(void)step;
	return life_rollback(&lives->life, key, now_utc, why);
}

static bool
discard(struct lives *lives, size_t key, int64_t now_utc, struct step *step, struct err *why)
{
	(void)step;
	return life_discard(&lives->life, key, now_utc, why);
}

static bool
emergency(struct lives *lives, size_t key, int64_t now_utc, struct step *step, struct err *why)
{
	return life_emergency(&lives->life, key, step->force, now_utc, why);
}

enum operation_code
operation_key_activate(struct operation_call *call)
{
	return run_step(call, &(struct step){.take = activate, .kind = OPERATION_KIND_ACTIVATE});
}

enum operation_code
operation_key_retire(struct operation_call *call)
{
	return run_step(call, &(struct step){.take = retire, .kind = OPERATION_KIND_RETIRE});
}

enum operation_code
operation_key_revoke(struct operation_call *call)
{
	return run_step(call, &(struct step){.take = revoke, .kind = OPERATION_KIND_REVOKE});
}

enum operation_code
operation_key_hold(struct operation_call *call)
{
	return run_step(call, &(struct step){.take = hold, .kind = OPERATION_KIND_HOLD});
}

enum operation_code
operation_key_release(struct operation_call *call)
{
	return run_step(call, &(struct step){.take = release, .kind = OPERATION_KIND_RELEASE});
}

enum operation_code
operation_key_rollback(struct operation_call *call)
{
	return run_step(call, &(struct step){.take = rollback, .kind = OPERATION_KIND_RETURN});
}

enum operation_code
operation_key_remove(struct operation_call *call)
{
	return run_step(
	    call, &(struct step){.take = discard, .ends = true, .refusal = OPERATION_KEY_IN_USE});
}

enum operation_code
operation_emergency(struct operation_call *call)
{
	return run_step(call, &(struct step){.take = emergency, .kind = OPERATION_KIND_EMERGENCY});
}
