/*
 * reconciler_load.c - which domains a turn looks at, and their rows as lib/keys/life.h wants them.
 * Called by each turn. It must never leave out a key of a domain: what is decided for the others
 * depends on all of them.
 */
#include <stdlib.h>
#include <string.h>

#include "admin-api/reconciler_private.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

#define PUT_OFF_S 600
#define FAILING_EVERY_MS 5000
#define FAILING_PAGE 100U /* domains of them in one turn */
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

		if (!take_domain(work, rows, &rows->domains[i]) ||
		    from_the_future(work, turn->now_utc))
			put_off(turn, work);
		else
			load_decide(turn, work);
		turn->work_count++;
	}
}

/* ---- which domains ---- */

#define WANTED_MORE (KEYSTORE_CHANGES_MAX + FOLLOW_SWEEP_PAGE) /* that are not due */

static void
want(struct turn *turn, struct span name, enum wanted_why why)
{
	struct wanted *wanted = &turn->wanted[turn->wanted_count];

	wanted->name = arena_copy(&turn->arena, name);
	wanted->why = why;
	wanted->at = turn->wanted_count;
	turn->wanted_count += wanted->name.p != NULL;
}

void
load_want(struct turn *turn, struct span name)
{
	if (turn->told >= WANTED_MORE)
		return;
	turn->told++;
	want(turn, name, WANTED_TOLD);
}

static void
want_busy(struct turn *turn, struct span name)
{
	want(turn, name, WANTED_BUSY);
}

static int
by_name(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;
	size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
	int order = memcmp(x->name.p, y->name.p, n);

	if (order == 0)
		order = (x->name.n > y->name.n) - (x->name.n < y->name.n);
	return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

static int
by_place(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* Each once: rows that are written twice would be refused the second time. And none that is in a
 * lane, which come first. */
static void
leave_out_twins(struct turn *turn)
{
	struct wanted *wanted = turn->wanted;
	size_t kept = 0;

	qsort(wanted, turn->wanted_count, sizeof(*wanted), by_name);
	for (size_t i = 0; i < turn->wanted_count; i++) {
		if (kept == 0 || !span_eq(wanted[kept - 1].name, wanted[i].name))
			wanted[kept++] = wanted[i];
		else if (wanted[kept - 1].why == WANTED_BUSY && wanted[i].why == WANTED_TOLD)
			follow_later(turn->reconciler, wanted[i].name);
	}
	qsort(wanted, kept, sizeof(*wanted), by_place);
	turn->wanted_count = 0;
	for (size_t i = 0; i < kept; i++)
		if (wanted[i].why != WANTED_BUSY)
			wanted[turn->wanted_count++] = wanted[i];
}

static enum status
load_lives(struct turn *turn, struct err *err)
{
	struct keystore *store = turn->reconciler->config.store;
	struct span names[KEYSTORE_LIVES_MAX];
	struct keystore_rows *rows;
	enum status status;

	for (size_t at = 0; at < turn->wanted_count;) {
		size_t n = 0;

		while (n < KEYSTORE_LIVES_MAX && at < turn->wanted_count)
			names[n++] = turn->wanted[at++].name;
		status = store->ops->lives(store, names, n, &rows, err);
		if (status != ST_OK)
			return status;
		take_answer(turn, rows);
	}
	return ST_OK;
}

static enum status
load_due(struct turn *turn, struct err *err)
{
	struct reconciler *reconciler = turn->reconciler;
	struct keystore *store = reconciler->config.store;
	size_t most = reconciler->config.batch + lanes_busy(reconciler);
	struct keystore_rows *due;
	enum status status = store->ops->due(store, turn->now_utc, most, &due, err);

	if (status != ST_OK)
		return status;
	turn->more = turn->crowded = due->domain_count == most;
	for (size_t i = 0; i < due->domain_count && i < most; i++)
		want(turn, due->domains[i].name, WANTED_DUE);
	keystore_rows_release(due);
	return ST_OK;
}

/* Domains with keys of which gateways say that their signatures do not verify: nobody planned a
 * look at them for that. */
static void
want_failing(struct turn *turn)
{
	struct reconciler *reconciler = turn->reconciler;
	const struct liferows_gateways *words = &turn->words;
	size_t count = words->failing_count;

	if (count == 0 || (reconciler->failing_mono_ms != 0 &&
			      turn->began_mono_ms - reconciler->failing_mono_ms < FAILING_EVERY_MS))
		return;
	reconciler->failing_mono_ms = turn->began_mono_ms;
	for (size_t i = 0; i < count && i < FAILING_PAGE; i++) {
		struct span name = words->failing[reconciler->failing_at++ % count].word.domain;

		if (keystore_domain_is_valid(name))
			want(turn, name, WANTED_DUE);
	}
}

enum status
load_works(struct turn *turn, struct err *err)
{
	struct reconciler *reconciler = turn->reconciler;
	size_t busy = lanes_busy(reconciler);
	enum status status;

	/* Those in lanes may be due, too. */
	turn->wanted = mem_zalloc(reconciler->config.batch + WANTED_MORE + FAILING_PAGE + 2 * busy,
	    sizeof(*turn->wanted));
	lanes_each_busy(reconciler, want_busy, turn);
	status = load_due(turn, err);
	if (status == ST_OK)
		status = follow_changes(turn, err);
	if (status != ST_OK)
		return status;
	want_failing(turn);
	leave_out_twins(turn);
	turn->answers =
	    mem_zalloc(turn->wanted_count / KEYSTORE_LIVES_MAX + 1, sizeof(*turn->answers));
	turn->works = mem_zalloc(turn->wanted_count + 1, sizeof(*turn->works));
	return load_lives(turn, err);
}

static void
forget(struct work *work)
{
	for (size_t k = 0; k < PLAN_ALGORITHMS_MAX; k++)
		if (work->made[k] != NULL) {
			makekey_forget(work->made[k]);
			mem_free(work->made[k]);
		}
	liferows_forget(&work->life);
}

void
load_free(struct turn *turn)
{
	for (size_t i = 0; i < turn->work_count; i++)
		forget(&turn->works[i]);
	for (size_t i = 0; i < turn->answer_count; i++)
		keystore_rows_release(turn->answers[i]);
	providers_close(turn);
	keystore_rows_release(turn->gateway_rows);
	mem_free(turn->wanted);
	mem_free(turn->answers);
	mem_free(turn->works);
	mem_free(turn->errands);
	mem_free(turn->questions);
	arena_free(&turn->arena);
	mem_free(turn);
}
