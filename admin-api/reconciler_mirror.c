/*
 * reconciler_mirror.c - writes the key that is about to sign, or that signs, into the mirror of its
 * domain, and takes one out.
 * Called by each turn before anything of it changes DNS: an emergency is in the mirror first. It
 * must never leave a private key anywhere but in secret memory, nor write without a plan that names
 * the mirror.
 */
#include <stdio.h>
#include <string.h>

#include "admin-api/crash.h"
#include "admin-api/mirror.h"
#include "admin-api/proof.h"
#include "admin-api/reconciler_private.h"
#include "admin-api/record.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

bool
errand_mirrors(enum life_what what)
{
	return what == LIFE_MIRROR || what == LIFE_UNMIRROR;
}

/* Whose trouble it is. */
static void
name_it(const struct mirror *mirror, struct mirror_change *change)
{
	struct mirror_change named = *change;

	if (change->effect == LIFE_DONE)
		return;
	mirror_effect(&named, change->effect, "mirror %s: %s", mirror->name, change->why);
	memcpy(change->why, named.why, sizeof(change->why));
}

/* It answers nobody now: the other domains of this turn get the same trouble, and do not wait for
 * it one after the other. */
static void
note_away(struct turn *turn, size_t at, const struct mirror_change *change)
{
	if (change->effect != LIFE_UNAVAILABLE || !change->away)
		return;
	turn->mirrors_away[at] = arena_copy(&turn->arena, span_str(change->why)).p;
}

static void
ask(struct turn *turn, size_t at, struct mirror_change *change)
{
	struct mirror *mirror = turn->reconciler->config.mirrors[at];

	crash_here(CRASH_BEFORE_MIRROR);
	mirror->ops->apply(mirror, change);
	crash_here(CRASH_AFTER_MIRROR);
	name_it(mirror, change);
	note_away(turn, at, change);
}

/* The mirror of this name; tenant: who wants to have it, NULL: who wants to leave it. NULL: change
 * says why not. */
static const struct mirror *
find(const struct reconciler *reconciler, const char *name, const struct span *tenant,
    struct mirror_change *change)
{
	const struct reconciler_config *config = &reconciler->config;
	const struct mirror *mirror = mirror_find(config->mirrors, config->mirror_count, name);

	if (mirror == NULL) {
		mirror_effect(
		    change, LIFE_REFUSED, "there is no mirror \"%s\" in KeyMirrors", name);
	} else if (tenant != NULL && !mirror_serves(mirror, *tenant)) {
		mirror_effect(change, LIFE_REFUSED,
		    "tenant %.*s may not have the mirror \"%s\": tenants= in KeyMirrors",
		    SPAN_ARG(*tenant), name);
		mirror = NULL;
	}
	return mirror;
}

/* No fence protects a mirror, so the lease has to last until the writing is over, one way or the
 * other; where leases are shorter than two such times, for half of one. */
static int64_t
lease_wanted_ms(const struct reconciler *reconciler)
{
	int64_t half_ms = reconciler->config.lease_s * 500, all_ms = (MIRROR_TIMEOUT_S + 1) * 1000;

	return half_ms < all_ms ? half_ms : all_ms;
}

static void
apply(struct turn *turn, const char *name, struct span tenant, struct mirror_change *change)
{
	struct reconciler *reconciler = turn->reconciler;
	const struct reconciler_config *config = &reconciler->config;
	const struct mirror *mirror =
	    find(reconciler, name, change->pem.n > 0 ? &tenant : NULL, change);
	size_t at = 0;

	if (mirror == NULL)
		return;
	while (config->mirrors[at] != mirror)
		at++;
	if (turn->mirrors_away[at] != NULL) {
		mirror_effect(change, LIFE_UNAVAILABLE, "%s", turn->mirrors_away[at]);
		return;
	}
	pthread_mutex_lock(&reconciler->mirroring[at]);
	if (guard_leads(reconciler, lease_wanted_ms(reconciler)))
		ask(turn, at, change);
	else
		mirror_effect(change, LIFE_UNAVAILABLE,
		    "the lease may be another's before it is written, who may have a newer "
		    "key in mind");
	pthread_mutex_unlock(&reconciler->mirroring[at]);
}

static void
put(struct turn *turn, const struct work *work, size_t index, struct mirror_change *change)
{
	const struct store_key *row = work->rows[index];
	struct err err = ERR_NONE;
	struct buf record;
	struct key *key;
	char *pem = NULL;

	if (proof_open_key(turn->reconciler->config.sitekey, row, &key, &err) != ST_OK) {
		mirror_effect(change, LIFE_REFUSED, "%.250s", err.text);
		return;
	}
	buf_init(&record, RECORD_TEXT_MAX);
	record_of_key(row, &work->life.keys[index].life, &record);
	change->record = buf_span(&record);
	if (key_private_pem(key, &pem, &err) == ST_OK) {
		change->pem = span_str(pem);
		apply(turn, work->life.plan.mirror, row->tenant, change);
	} else {
		mirror_effect(change, LIFE_UNAVAILABLE, "%.250s", err.text);
	}
	key_free(key);
	secret_free(pem);
	buf_free(&record);
}

static void
say(const struct work *work, size_t index, enum life_what what, const struct mirror_change *change)
{
	enum log_level level = change->effect == LIFE_DONE       ? LOG_LEVEL_INFO
			       : change->effect == LIFE_CONFLICT ? LOG_LEVEL_ERROR
								 : LOG_LEVEL_WARNING;

	log_line(level, "domain %.*s: key %s: %s%s%s", SPAN_ARG(work->life.name),
	    work->life.keys[index].id, life_what_name(what),
	    change->effect == LIFE_DONE ? "" : ": ", change->why);
}

static void
mirror_one(struct turn *turn, struct work *work, const struct life_action *action)
{
	struct mirror_known known[LIFE_KEYS_MAX];
	const struct store_key *row = work->rows[action->key];
	struct mirror_change change = {.domain = work->life.name,
	    .selector = row->selector,
	    .public_key = row->public_key,
	    .known = known,
	    .known_count = work->life.count};
	bool taken;

	for (size_t i = 0; i < work->life.count; i++)
		known[i] =
		    (struct mirror_known){work->rows[i]->selector, work->rows[i]->public_key};
	if (action->what == LIFE_MIRROR)
		put(turn, work, action->key, &change);
	else
		apply(turn, work->life.keys[action->key].life.mirror, row->tenant, &change);
	if (action->what == LIFE_MIRROR)
		taken = life_mirrored(
		    &work->life, action->key, change.effect, change.why, guard_now(turn));
	else
		taken = life_unmirrored(
		    &work->life, action->key, change.effect, change.why, guard_now(turn));
	work->write = work->write || taken;
	say(work, action->key, action->what, &change);
}

bool
mirror_intend(struct turn *turn, struct work *work, size_t index)
{
	struct mirror_change change = {.domain = work->life.name};
	struct span tenant = work->rows[index]->tenant;

	if (find(turn->reconciler, work->life.plan.mirror, &tenant, &change) != NULL)
		return life_intend_mirror(&work->life, index, turn->now_utc);
	if (life_mirrored(&work->life, index, change.effect, change.why, turn->now_utc))
		work->write = true;
	say(work, index, LIFE_MIRROR, &change);
	return false;
}

void
mirrors_run(struct turn *turn)
{
	turn->mirrors_away =
	    mem_zalloc(turn->reconciler->config.mirror_count + 1, sizeof(*turn->mirrors_away));
	for (size_t i = 0; i < turn->work_count; i++) {
		struct work *work = &turn->works[i];

		for (size_t k = 0; !work->stepped && k < work->decision.count; k++)
			if (errand_mirrors(work->decision.actions[k].what))
				mirror_one(turn, work, &work->decision.actions[k]);
	}
	mem_free(turn->mirrors_away);
	turn->mirrors_away = NULL;
}
