/*
 * reconciler_load.c - which domains are due, and their rows as lib/keys/life.h wants them.
 * Called by each turn. It must never leave out a key of a domain: what is decided for the others
 * depends on all of them.
 */
#include <stdio.h>
#include <string.h>

#include "admin-api/reconciler_private.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

#define SWEEP_PAGE 500U
#define SWEEP_EVERY_MS (INT64_C(3600) * 1000)
#define PUT_OFF_S 600
#define SOON_S 1 /* a domain that says "now" and has nothing to do is not looked at in a loop */

/* A fact of the future: the clock was set back after it was written. */
static bool
from_the_future(const struct work *work, int64_t now_utc)
{
	for (size_t i = 0; i < work->life.count; i++) {
		const struct key_times *t = &work->life.keys[i].times;
		const int64_t facts[] = {t->created, t->publishing, t->published, t->proven,
		    t->loaded, t->revoking, t->revoked, t->removed};

		for (size_t k = 0; k < sizeof(facts) / sizeof(facts[0]); k++)
			if (facts[k] > now_utc + work->life.plan.error_s) {
				log_line(LOG_LEVEL_ERROR,
				    "domain %.*s has times that are still to come: was the clock "
				    "of the "
				    "store set back? It is left as it is",
				    SPAN_ARG(work->life.name));
				return true;
			}
	}
	return false;
}

/* false: it cannot be read. Whoever goes on with a guess might end a key that others need. A plan
 * that cannot be read is no plan: nothing is begun by it, and what was begun ends. */
static bool
take_domain(struct work *work, const struct keystore_rows *rows, const struct store_domain *domain)
{
	struct err err = ERR_NONE, plan_error = ERR_NONE;

	work->row = domain;
	work->due = domain->due;
	if (liferows_domain(rows, domain, &work->life, work->rows, &plan_error, &err) != ST_OK) {
		log_line(LOG_LEVEL_ERROR, "domain %.*s: %s; it is left as it is",
		    SPAN_ARG(domain->name), err.text);
		return false;
	}
	if (plan_error.text[0] != '\0')
		log_line(LOG_LEVEL_ERROR,
		    "policy %.*s of tenant %.*s: %s; no key is made or rotated by it",
		    SPAN_ARG(domain->policy), SPAN_ARG(domain->tenant), plan_error.text);
	return true;
}

/* When to look again if nothing happens. */
void
load_decide(struct turn *turn, struct work *work)
{
	int64_t now = guard_now(turn);

	life_decide(&work->life, &turn->gateways, now, &work->decision);
	if (work->decision.count > 0)
		work->due = now;
	else if (work->decision.due == INT64_MAX)
		work->due = 0;
	else
		work->due = work->decision.due > now ? work->decision.due : now + SOON_S;
}

/* It cannot be worked on, and must not stand in front of all others for ever. */
static void
put_off(struct turn *turn, struct work *work)
{
	work->life.count = 0;
	work->life.changed = false;
	work->due = turn->now_utc + PUT_OFF_S;
	work->stepped = work->write = true;
}

static void
take_answer(struct turn *turn, struct keystore_rows *rows)
{
	turn->answers[turn->answer_count++] = rows;
	for (size_t i = 0; i < rows->domain_count; i++) {
		struct work *work = &turn->works[turn->work_count];

		memset(work, 0, sizeof(*work));
		if (!take_domain(work, rows, &rows->domains[i]) ||
		    from_the_future(work, turn->now_utc))
			put_off(turn, work);
		else
			load_decide(turn, work);
		turn->work_count++;
	}
}

static enum status
load_lives(struct turn *turn, const struct keystore_rows *due, struct err *err)
{
	struct keystore *store = turn->reconciler->config.store;
	struct span names[KEYSTORE_LIVES_MAX];
	struct keystore_rows *rows;
	enum status status;

	for (size_t at = 0; at < due->domain_count;) {
		size_t n = 0;

		while (n < KEYSTORE_LIVES_MAX && at < due->domain_count)
			names[n++] = due->domains[at++].name;
		status = store->ops->lives(store, names, n, &rows, err);
		if (status != ST_OK)
			return status;
		take_answer(turn, rows);
	}
	return ST_OK;
}

enum status
load_due(struct turn *turn, struct err *err)
{
	struct reconciler *reconciler = turn->reconciler;
	struct keystore *store = reconciler->config.store;
	struct keystore_rows *due;
	enum status status =
	    store->ops->due(store, turn->now_utc, reconciler->config.batch, &due, err);

	if (status != ST_OK)
		return status;
	turn->more = due->domain_count == reconciler->config.batch;
	turn->answers =
	    mem_zalloc(due->domain_count / KEYSTORE_LIVES_MAX + 1, sizeof(*turn->answers));
	turn->works = mem_zalloc(due->domain_count + 1, sizeof(*turn->works));
	status = load_lives(turn, due, err);
	keystore_rows_release(due);
	return status;
}

/* ---- domains that nobody told us of ---- */

static enum status
plan_looks(struct turn *turn, const struct keystore_rows *page, struct err *err)
{
	struct keystore *store = turn->reconciler->config.store;
	struct keystore_write writes[SWEEP_PAGE];
	size_t count = 0, at;

	for (size_t i = 0; i < page->domain_count; i++) {
		if (page->domains[i].due != 0 || page->domains[i].policy.n == 0)
			continue;
		writes[count] = (struct keystore_write){.what = STORE_DOMAIN,
		    .how = WRITE_CHANGE,
		    .life = true,
		    .row.domain = page->domains[i]};
		writes[count++].row.domain.due = turn->now_utc;
	}
	if (count == 0)
		return ST_OK;
	turn->more = true;
	return store->ops->apply_fenced(store, &turn->reconciler->lease, writes, count, &at, err);
}

/* A domain that was loaded by other means than ours, or whose policy got a plan, is due too. */
enum status
load_sweep(struct turn *turn, struct err *err)
{
	struct reconciler *reconciler = turn->reconciler;
	struct keystore *store = reconciler->config.store;
	struct keystore_rows *page;
	struct span last;
	enum status status;

	if (!reconciler->sweeping && reconciler->swept_mono_ms != 0 &&
	    turn->began_mono_ms - reconciler->swept_mono_ms < SWEEP_EVERY_MS)
		return ST_OK;
	if (!reconciler->sweeping)
		reconciler->swept[0] = '\0';
	reconciler->sweeping = true;
	status = store->ops->list(
	    store, STORE_DOMAIN, span_str(reconciler->swept), SWEEP_PAGE, &page, err);
	if (status != ST_OK)
		return status;
	if (page->domain_count > 0) {
		last = page->domains[page->domain_count - 1].name;
		snprintf(reconciler->swept, sizeof(reconciler->swept), "%.*s", SPAN_ARG(last));
		/* A row that somebody changed meanwhile comes by again in an hour. */
		status = plan_looks(turn, page, err);
		if (status == ST_DENIED || status == ST_ABSENT)
			status = ST_OK;
		turn->more = true;
	} else {
		reconciler->sweeping = false;
		reconciler->swept_mono_ms = clock_mono_ms();
	}
	keystore_rows_release(page);
	return status;
}

void
load_free(struct turn *turn)
{
	for (size_t i = 0; i < turn->work_count; i++)
		for (size_t k = 0; k < PLAN_ALGORITHMS_MAX; k++)
			if (turn->works[i].made[k] != NULL) {
				makekey_forget(turn->works[i].made[k]);
				mem_free(turn->works[i].made[k]);
			}
	for (size_t i = 0; i < turn->answer_count; i++)
		keystore_rows_release(turn->answers[i]);
	keystore_rows_release(turn->gateway_rows);
	mem_free(turn->answers);
	mem_free(turn->works);
	mem_free(turn->errands);
	mem_free(turn->questions);
	arena_free(&turn->arena);
}
