/*
 * reconciler_errands.c - what a turn asks DNS, and what it changes there.
 * Called by each turn for keys whose intent was committed by an earlier one. Whatever is to be
 * changed is looked at first, at the authoritative servers: what is so already needs no publisher,
 * and what is not ours is not touched. It must never ask a recursive resolver before the
 * authoritative servers are right.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin-api/cname.h"
#include "admin-api/crash.h"
#include "admin-api/proof.h"
#include "admin-api/reconciler_private.h"
#include "admin-api/record.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

bool
errand_asks_dns(enum life_what what)
{
	switch (what) {
	case LIFE_SURVEY:
	case LIFE_PUBLISH:
	case LIFE_PROVE:
	case LIFE_CONFIRM:
	case LIFE_REVOKE:
	case LIFE_REMOVE:
	case LIFE_LOOK:
	case LIFE_CHECK:
		return true;
	default:
		return false;
	}
}

bool
errand_changes_dns(enum life_what what)
{
	return what == LIFE_PUBLISH || what == LIFE_REVOKE || what == LIFE_REMOVE;
}

/* ---- the list ---- */

static struct span
keep(struct turn *turn, struct buf *text)
{
	struct span kept = arena_copy(&turn->arena, buf_span(text));

	buf_reset(text);
	return kept;
}

static struct authority_question *
ask_for(struct turn *turn, const struct errand *errand, struct span name)
{
	struct authority_question *question = &turn->questions[turn->question_count++];

	*question = (struct authority_question){.name = name,
	    .value = errand->value,
	    .other = SPAN_LIT(RECORD_TOMBSTONE),
	    .quiet = errand->what == LIFE_SURVEY || errand_changes_dns(errand->what)};
	return question;
}

/* A record that is put somewhere, or goes, is looked at where it stands; one that is to be seen by
 * the world is asked for at its own name, too. */
static void
ask_about(struct turn *turn, struct errand *errand)
{
	const struct life_key *key = &errand->work->life.keys[errand->key];
	bool going = key->times.revoking > 0 || key->life.removing > 0;

	errand->question = ask_for(turn, errand, errand->target);
	if (span_eq(errand->target, errand->name) || going || errand_changes_dns(errand->what))
		return;
	errand->way = ask_for(turn, errand, errand->name);
	errand->way->leads_to = errand->target;
}

static void
collect_one(
    struct turn *turn, struct work *work, const struct life_action *action, struct buf *text)
{
	struct errand *errand = &turn->errands[turn->errand_count];
	const struct store_key *row = work->rows[action->key];

	*errand = (struct errand){.work = work, .key = action->key, .what = action->what};
	record_name(row->selector, row->domain, text);
	errand->name = errand->target = keep(turn, text);
	record_of_key(row, &work->life.keys[action->key].life, text);
	errand->value = keep(turn, text);
	errand->too_long = cname_target(&work->life, &work->life.keys[action->key], text) != ST_OK;
	if (text->n > 0)
		errand->target = keep(turn, text);
	buf_reset(text);
	if (errand->name.p == NULL || errand->value.p == NULL || errand->target.p == NULL)
		return; /* no memory for more in this turn; the next one goes on */
	ask_about(turn, errand);
	turn->errand_count++;
}

static size_t
wanted_count(const struct turn *turn)
{
	size_t n = 0;

	for (size_t i = 0; i < turn->work_count; i++)
		n += turn->works[i].decision.count;
	return n;
}

void
errands_collect(struct turn *turn)
{
	size_t most = wanted_count(turn);
	struct buf text;

	turn->errands = mem_zalloc(most + 1, sizeof(*turn->errands));
	turn->questions = mem_zalloc(2 * most + 1, sizeof(*turn->questions));
	buf_init(&text, RECORD_TEXT_MAX);
	for (size_t i = 0; i < turn->work_count; i++) {
		struct work *work = &turn->works[i];

		for (size_t k = 0; !work->stepped && k < work->decision.count; k++)
			if (errand_asks_dns(work->decision.actions[k].what))
				collect_one(turn, work, &work->decision.actions[k], &text);
	}
	buf_free(&text);
}

/* ---- the authoritative servers ---- */

static void
ask_some(void *context, size_t index, unsigned thread)
{
	struct turn *turn = context;
	size_t parts = turn->reconciler->config.provers;
	size_t from = turn->question_count * index / parts;
	size_t to = turn->question_count * (index + 1) / parts;

	while (from < to) {
		size_t n = to - from < AUTHORITY_BATCH_MAX ? to - from : AUTHORITY_BATCH_MAX;

		authority_ask(turn->authorities[thread], turn->questions + from, n);
		from += n;
	}
}

void
errands_ask(struct turn *turn)
{
	if (turn->errand_count == 0)
		return;
	parallel(
	    turn->reconciler->config.provers, turn->reconciler->config.provers, ask_some, turn);
	crash_here(CRASH_SURVEYED);
}

/* ---- recursive resolvers, and a message ---- */

/* Two of three agree, or all of fewer. */
static bool
enough(const struct authority_view *view)
{
	unsigned needed =
	    view->resolvers < 3 ? view->resolvers : view->resolvers - view->resolvers / 3;

	return needed > 0 && view->right >= needed;
}

static const struct authority_question *
seen_by_world(const struct errand *errand)
{
	return errand->way != NULL ? errand->way : errand->question;
}

static enum life_found
found_wrong(struct errand *errand, enum life_found found, const char *why)
{
	snprintf(errand->why, sizeof(errand->why), "%.*s", (int)sizeof(errand->why) - 1, why);
	return found;
}

static enum life_found
confirm(struct turn *turn, struct errand *errand, struct authority *authority)
{
	struct authority_view *view = mem_zalloc(1, sizeof(*view));
	const struct store_key *row = errand->work->rows[errand->key];
	enum life_found found = LIFE_FOUND_RIGHT;
	struct err err = ERR_NONE;

	authority_recursive(authority, errand->name, errand->value, view);
	if (!enough(view))
		found = found_wrong(errand,
		    view->wrong > view->right ? LIFE_FOUND_WRONG : LIFE_FOUND_UNAVAILABLE,
		    view->why[0] != '\0' ? view->why : "no recursive resolver is configured");
	else if (seen_by_world(errand)->signed_zone && !view->validated)
		found = found_wrong(errand, LIFE_FOUND_UNAVAILABLE,
		    "its zone is signed, but no resolver validated the answer");
	else if (proof_verify(turn->reconciler->config.sitekey, row,
		     span_of(view->text, view->text_bytes), guard_now(turn), &err) != ST_OK)
		found = found_wrong(errand, LIFE_FOUND_WRONG, err.text);
	mem_free(view);
	return found;
}

static void
confirm_one(void *context, size_t index, unsigned thread)
{
	struct turn *turn = context;
	struct errand *errand = &turn->errands[index];

	if ((errand->what == LIFE_CONFIRM || errand->what == LIFE_CHECK) &&
	    errand_sight(errand).seen == LIFE_SEEN_RIGHT)
		errand->found = confirm(turn, errand, turn->authorities[thread]);
}

void
errands_confirm(struct turn *turn)
{
	parallel(turn->reconciler->config.provers, turn->errand_count, confirm_one, turn);
	if (turn->errand_count > 0)
		crash_here(CRASH_PROVEN);
}

/* ---- what came of them ---- */

/* Asked again, what gateways say: their words are as when it was decided. */
static bool
checked(const struct turn *turn, struct errand *errand, const struct life_sight *sight, int64_t now)
{
	struct life_key *key = &errand->work->life.keys[errand->key];
	const struct life_gateways *gateways = &turn->gateways;
	struct life_failing failing = {.node = "?", .why = ""};

	(void)gateways->failing(gateways->context, key, &failing);
	return life_checked(
	    key, &errand->work->life.plan, sight, errand->found, errand->why, &failing, now);
}

static bool
take(const struct turn *turn, struct errand *errand)
{
	struct life_key *key = &errand->work->life.keys[errand->key];
	const struct key_plan *plan = &errand->work->life.plan;
	struct life_sight sight = errand_sight(errand);
	int64_t now = guard_now(turn);

	switch (errand->what) {
	case LIFE_SURVEY:
		return life_surveyed(key, plan, &sight, now);
	case LIFE_PUBLISH:
		return life_published(key, plan, errand->effect, errand->why, now);
	case LIFE_REVOKE:
		return life_revoked(key, plan, errand->effect, errand->why, now);
	case LIFE_REMOVE:
		return life_removed(key, plan, errand->effect, errand->why, now);
	case LIFE_CONFIRM:
		if (sight.seen == LIFE_SEEN_RIGHT)
			return life_confirmed(
			    key, plan, errand->found == LIFE_FOUND_RIGHT, errand->why, now);
		return life_looked(key, plan, &sight, now);
	case LIFE_CHECK:
		return checked(turn, errand, &sight, now);
	default:
		return life_looked(key, plan, &sight, now);
	}
}

static void
say(const struct errand *errand, const struct key_times *before)
{
	const struct life_key *key = &errand->work->life.keys[errand->key];
	enum log_level level = key->life.trouble[0] != '\0' ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO;

	if (errand->what == LIFE_CHECK)
		level = key->life.suspect ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING;
	if (key->life.trouble[0] != '\0' || memcmp(before, &key->times, sizeof(*before)) != 0)
		log_line(level, "domain %.*s: key %s (%.*s): %s%s%s",
		    SPAN_ARG(errand->work->life.name), key->id, SPAN_ARG(errand->name),
		    life_what_name(errand->what), key->life.trouble[0] != '\0' ? ": " : "",
		    key->life.trouble);
}

static void
count(struct reconciler_state *state, const struct errand *errand, const struct key_times *before)
{
	const struct key_times *after = &errand->work->life.keys[errand->key].times;

	state->published += before->published == 0 && after->published != 0;
	state->proven += before->proven == 0 && after->proven != 0;
	state->revoked += before->revoked == 0 && after->revoked != 0;
	state->removed += before->removed == 0 && after->removed != 0;
	state->failed += before->failed == 0 && after->failed != 0;
	state->publisher_errors += errand_changes_dns(errand->what) &&
				   errand->effect != LIFE_DONE && errand->effect != LIFE_PENDING;
}

void
errands_take(struct turn *turn)
{
	for (size_t i = 0; i < turn->errand_count; i++) {
		struct errand *errand = &turn->errands[i];
		struct key_times before = errand->work->life.keys[errand->key].times;

		if (errand->left || !take(turn, errand))
			continue;
		errand->work->write = true;
		say(errand, &before);
		pthread_mutex_lock(&turn->reconciler->lock);
		count(&turn->reconciler->state, errand, &before);
		pthread_mutex_unlock(&turn->reconciler->lock);
	}
}
