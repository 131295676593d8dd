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
#include "lib/base/secret.h"

bool
errand_mirrors(enum life_what what)
{
	return what == LIFE_MIRROR || what == LIFE_UNMIRROR;
}

/* NULL: there is none of that name. */
static size_t
find_mirror(const struct reconciler_config *config, const char *name)
{
	for (size_t i = 0; i < config->mirror_count; i++)
		if (strcmp(config->mirrors[i]->name, name) == 0)
			return i;
	return SIZE_MAX;
}

static void
apply(struct turn *turn, const char *name, struct span tenant, struct mirror_change *change)
{
	struct reconciler *reconciler = turn->reconciler;
	size_t at = find_mirror(&reconciler->config, name);
	const struct mirror *mirror = at == SIZE_MAX ? NULL : reconciler->config.mirrors[at];

	if (at == SIZE_MAX) {
		mirror_effect(
		    change, LIFE_REFUSED, "there is no mirror \"%s\" in KeyMirrors", name);
		return;
	}
	if (change->pem.n > 0 && !mirror_serves(mirror, tenant)) {
		mirror_effect(change, LIFE_REFUSED,
		    "tenant %.*s may not have the mirror \"%s\": tenants= in KeyMirrors",
		    SPAN_ARG(tenant), name);
		return;
	}
	pthread_mutex_lock(&reconciler->mirroring[at]);
	if (guard_leads(reconciler)) {
		crash_here(CRASH_BEFORE_MIRROR);
		reconciler->config.mirrors[at]->ops->apply(reconciler->config.mirrors[at], change);
		crash_here(CRASH_AFTER_MIRROR);
	} else {
		mirror_effect(change, LIFE_UNAVAILABLE,
		    "the lease may be another's by now, who may have a newer key in mind");
	}
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

void
mirrors_run(struct turn *turn)
{
	for (size_t i = 0; i < turn->work_count; i++) {
		struct work *work = &turn->works[i];

		for (size_t k = 0; !work->stepped && k < work->decision.count; k++)
			if (errand_mirrors(work->decision.actions[k].what))
				mirror_one(turn, work, &work->decision.actions[k]);
	}
}
