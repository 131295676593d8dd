/*
 * operation_rotation.c - rotations: which there are, what each waits for, and how one is paused,
 * taken back or rolled back. Called through the table of operations. It must never end a rotation
 * whose keys sign already without going back to those before.
 */
#include "config.h"

#include "admin-api/operation_later.h"
#include "admin-api/operation_rotation.h"

static enum operation_code
check_version(struct operation_call *call, const struct lives *lives)
{
	char version[VERSION_BYTES];

	version_of_domain(lives->row, version);
	return call_version(call, version);
}

enum operation_code
operation_rotation_list(struct operation_call *call)
{
	json_t *list = json_array();
	struct rotation_ids rotations;
	struct lives *lives;
	struct span domain;
	enum operation_code code = call_domain(call, "domain", &domain);

	json_object_set_new(call->result, "rotations", list);
	if (code == OPERATION_OK)
		code = lives_read(call, domain, &lives);
	if (code != OPERATION_OK)
		return code;
	rotation_find_all(call, lives, &rotations);
	for (size_t i = 0; i < rotations.count; i++)
		json_array_append_new(list, rotation_row(call, lives, &rotations.all[i]));
	lives_free(lives);
	return code;
}

static enum operation_code
find_rotation(struct operation_call *call, const struct lives *lives, struct rotation_id *out)
{
	if (rotation_find(call, lives, call_text(call, "rotation"), out))
		return OPERATION_OK;
	return call_refuse(call, OPERATION_NOT_FOUND, "domain %.*s has no rotation %.*s",
	    SPAN_ARG(lives->life.name), SPAN_ARG(call_text(call, "rotation")));
}

enum operation_code
operation_rotation_show(struct operation_call *call)
{
	struct rotation_id rotation;
	struct lives *lives;
	struct span domain;
	enum operation_code code = call_domain(call, "domain", &domain);

	if (code == OPERATION_OK)
		code = lives_read(call, domain, &lives);
	if (code != OPERATION_OK)
		return code;
	code = find_rotation(call, lives, &rotation);
	if (code == OPERATION_OK)
		code = check_version(call, lives);
	if (code == OPERATION_OK)
		json_object_set_new(call->result, "rotation", rotation_row(call, lives, &rotation));
	lives_free(lives);
	return code;
}

/* ---- what is done to one ---- */

/* Answers what the operation is to answer; changes the domain's life and keys. */
typedef enum operation_code change_rotation(
    struct operation_call *call, struct lives *lives, const struct rotation_id *rotation);

static enum operation_code
refuse_ended(struct operation_call *call, const struct lives *lives,
    const struct rotation_id *rotation, const char *what)
{
	return call_refuse(call, OPERATION_ILLEGAL_TRANSITION,
	    "the rotation is %s: it cannot be %s", rotation_state(call, lives, rotation), what);
}

static bool
is_current(const struct operation_call *call, const struct lives *lives,
    const struct rotation_id *rotation)
{
	return rotation->kind == 'r' && rotation->at == lives->life.life.rotate_asked &&
	       rotation_in_progress(&lives->life, call->now_utc);
}

static enum operation_code
change_pause(struct operation_call *call, struct lives *lives, const struct rotation_id *rotation)
{
	if (!is_current(call, lives, rotation))
		return refuse_ended(call, lives, rotation, "paused");
	if (lives->life.life.paused == 0)
		lives->life.life.paused = call->now_utc;
	return OPERATION_OK;
}

static enum operation_code
change_resume(struct operation_call *call, struct lives *lives, const struct rotation_id *rotation)
{
	if (!is_current(call, lives, rotation))
		return refuse_ended(call, lives, rotation, "resumed");
	lives->life.life.paused = 0;
	return OPERATION_OK;
}

static bool
any_activated(const struct lives *lives, const struct rotation_id *rotation)
{
	for (size_t i = 0; i < lives->life.count; i++)
		if (lives->life.keys[i].times.active >= rotation->at)
			return true;
	return false;
}

enum operation_code
rotation_abort(struct operation_call *call, struct lives *lives, const struct rotation_id *rotation)
{
	struct domain_life *life = &lives->life.life;

	if (!is_current(call, lives, rotation))
		return refuse_ended(call, lives, rotation, "taken back");
	if (any_activated(lives, rotation))
		return call_refuse(call, OPERATION_ILLEGAL_TRANSITION,
		    "a key of this rotation signs already: roll it back");
	life->rotate_aborted = rotation->at;
	life->rotate_asked = life->rotate_at = 0;
	lives->life.changed = true;
	return OPERATION_OK;
}

/* Each key that signs since the rotation is held, the one before it signs again. */
static enum operation_code
change_rollback(
    struct operation_call *call, struct lives *lives, const struct rotation_id *rotation)
{
	struct domain_life *life = &lives->life.life;
	struct err why = ERR_NONE;
	size_t count = 0;

	if (rotation->kind != 'r' || rotation->at != life->rotate_asked)
		return call_refuse(call, OPERATION_ILLEGAL_TRANSITION,
		    "only the rotation that was asked for last can be rolled back; key.rollback "
		    "is for others");
	for (size_t i = 0; i < lives->life.count; i++) {
		const struct life_key *key = &lives->life.keys[i];

		/* Not those that were given back their place a moment ago. */
		if (key->changed || key_state_at(&key->times, call->now_utc) != KEY_ACTIVE ||
		    key->times.active < rotation->at)
			continue;
		if (!life_rollback(&lives->life, i, call->now_utc, &why))
			return call_refuse(call, OPERATION_ILLEGAL_TRANSITION, "%s", why.text);
		count++;
	}
	if (count == 0)
		return call_refuse(call, OPERATION_ILLEGAL_TRANSITION,
		    "no key of this rotation signs yet: abort it");
	life->rotate_undone = rotation->at;
	life->rotate_asked = life->rotate_at = 0;
	return OPERATION_OK;
}

static enum operation_code
change_found(struct operation_call *call, struct lives *lives, void *context)
{
	change_rotation *const *change = context;
	struct rotation_id rotation;
	enum operation_code code = find_rotation(call, lives, &rotation);

	if (code == OPERATION_OK)
		code = check_version(call, lives);
	if (code == OPERATION_OK)
		code = (*change)(call, lives, &rotation);
	if (code != OPERATION_OK)
		return code;
	lives->life.changed = true;
	json_object_set_new(call->result, "rotation", rotation_row(call, lives, &rotation));
	if (call->operation->run == operation_rotation_rollback)
		later_begun_rotation(call, OPERATION_KIND_ROLLBACK, lives, &rotation);
	rotation_new_version(call, lives);
	return OPERATION_OK;
}

static enum operation_code
run(struct operation_call *call, change_rotation *change)
{
	struct span domain;
	enum operation_code code = call_domain(call, "domain", &domain);

	return code == OPERATION_OK ? lives_update(call, domain, change_found, &change) : code;
}

enum operation_code
operation_rotation_pause(struct operation_call *call)
{
	return run(call, change_pause);
}

enum operation_code
operation_rotation_resume(struct operation_call *call)
{
	return run(call, change_resume);
}

enum operation_code
operation_rotation_abort(struct operation_call *call)
{
	return run(call, rotation_abort);
}

enum operation_code
operation_rotation_rollback(struct operation_call *call)
{
	return run(call, change_rollback);
}
