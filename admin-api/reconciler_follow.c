/*
 * reconciler_follow.c - domains that others changed: what the store lists since it was asked last,
 * and, where that says too little, a walk over all domains. Called by each turn, when it has the
 * domains that are due. A domain that is told of here is looked at once, in this turn; nothing is
 * written for that, and what is lost with the process the walk of the next leader finds. It must
 * never keep a turn from what is due: it gives a turn one page, however much was changed.
 */
#include <stdio.h>
#include <string.h>

#include "admin-api/reconciler_private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define SWEEP_EVERY_MS (INT64_C(3600) * 1000)
#define SWEEP_AGAIN_MS 5000 /* for changes that were told before */

/* ---- what this process wrote itself: of that it knows all ---- */

static struct follow_own *
own_place(struct follow *follow, uint64_t name)
{
	size_t at = (size_t)name % FOLLOW_OWN_MAX;

	while (follow->own[at].name != 0 && follow->own[at].name != name)
		at = (at + 1) % FOLLOW_OWN_MAX;
	return &follow->own[at];
}

/* FNV-1a; never 0. */
static uint64_t
name_number(struct span name)
{
	uint64_t number = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < name.n; i++)
		number = (number ^ (unsigned char)name.p[i]) * UINT64_C(1099511628211);
	return number == 0 ? 1 : number;
}

/* Said before it is written: one that is told before it is known would be looked at once more, and
 * one that is known too long would hide a change of somebody else. */
void
follow_wrote(struct reconciler *reconciler, struct span domain)
{
	struct follow *follow = &reconciler->follow;
	struct follow_own *own;

	pthread_mutex_lock(&reconciler->lock);
	if (follow->own_count < FOLLOW_OWN_MAX / 2) {
		own = own_place(follow, name_number(domain));
		follow->own_count += own->name == 0;
		own->name = name_number(domain);
		own->times++;
	}
	pthread_mutex_unlock(&reconciler->lock);
}

/* true: it was ours, and is told. */
static bool
was_own(struct reconciler *reconciler, struct span domain)
{
	struct follow_own *own;
	bool ours;

	pthread_mutex_lock(&reconciler->lock);
	own = own_place(&reconciler->follow, name_number(domain));
	ours = own->times > 0;
	own->times -= ours;
	pthread_mutex_unlock(&reconciler->lock);
	return ours;
}

void
follow_did_not_write(struct reconciler *reconciler, struct span domain)
{
	(void)was_own(reconciler, domain);
}

static void
forget_own(struct reconciler *reconciler)
{
	struct follow *follow = &reconciler->follow;

	pthread_mutex_lock(&reconciler->lock);
	if (follow->own_count > 0)
		memset(follow->own, 0, sizeof(follow->own));
	follow->own_count = 0;
	pthread_mutex_unlock(&reconciler->lock);
}

/* ---- changes ---- */

/* Behind where a walk is now, something may be new: then it goes round once more. */
static void
sweep_all(struct reconciler *reconciler)
{
	reconciler->sweeps_again = reconciler->sweeping && reconciler->sweeps_all;
	if (reconciler->sweeps_again)
		return;
	reconciler->sweeping = reconciler->sweeps_all = true;
	reconciler->swept[0] = '\0';
}

static bool
was_told(struct follow *follow, const struct store_change *change)
{
	const struct follow_tenant told = {
	    .epoch = change->epoch, .name = name_number(span_str(change->subject))};

	for (size_t i = 0; i < FOLLOW_TENANTS_MAX; i++)
		if (follow->tenants[i].epoch == told.epoch && follow->tenants[i].name == told.name)
			return true;
	follow->tenants[follow->tenant_next++ % FOLLOW_TENANTS_MAX] = told;
	return false;
}

static void
take_tenant(struct turn *turn, const struct store_change *change)
{
	struct follow *follow = &turn->reconciler->follow;

	if (was_told(follow, change)) {
		follow->told_again = true;
	} else {
		follow->swept_all_mono_ms = turn->began_mono_ms;
		sweep_all(turn->reconciler);
	}
}

static void
sweep_again(struct turn *turn)
{
	struct follow *follow = &turn->reconciler->follow;

	if (!follow->told_again || turn->reconciler->sweeping ||
	    turn->began_mono_ms - follow->swept_all_mono_ms < SWEEP_AGAIN_MS)
		return;
	follow->told_again = false;
	follow->swept_all_mono_ms = turn->began_mono_ms;
	sweep_all(turn->reconciler);
}

static void
take_change(struct turn *turn, const struct store_change *change)
{
	struct span subject = span_str(change->subject), name = span_from(subject, 2);

	if (span_starts(subject, SPAN_LIT("t:")))
		take_tenant(turn, change); /* a policy, or the tenant: all domains of it */
	else if (span_starts(subject, SPAN_LIT("d:")) && name.n > 0 &&
		 !was_own(turn->reconciler, name))
		load_want(turn, name);
}

/* How many of what was told are to be taken, and since when is asked next. Of the last epoch of a
 * list that goes on there may be more. */
static size_t
take_page(struct follow *follow, enum status status, size_t count, const struct store_state *now)
{
	size_t n = count;
	uint64_t last;

	if (status == ST_OK) {
		follow->since = now->epoch;
		return count;
	}
	last = follow->changes[count - 1].epoch;
	while (n > 0 && follow->changes[n - 1].epoch == last)
		n--;
	follow->since = n > 0 ? last - 1 : follow->since;
	return n;
}

static enum status
ask(struct turn *turn, struct err *err)
{
	struct follow *follow = &turn->reconciler->follow;
	struct keystore *store = turn->reconciler->config.store;
	struct store_state now = {.epoch = 0};
	size_t count = 0, taken = 0;
	enum status status = store->ops->changes(
	    store, follow->since, KEYSTORE_CHANGES_MAX, follow->changes, &count, &now, err);

	if (status != ST_OK && status != ST_TOO_BIG)
		return status;
	if (status == ST_OK || count > 0)
		taken = take_page(follow, status, count, &now);
	for (size_t i = 0; i < taken; i++)
		take_change(turn, &follow->changes[i]);
	if (status == ST_TOO_BIG && taken == 0) {
		/* It says nothing that could be gone by: all may be changed. */
		follow->since = now.epoch;
		sweep_all(turn->reconciler);
	}
	turn->more = turn->more || status == ST_TOO_BIG;
	if (follow->since == now.epoch) /* what was written before is told */
		forget_own(turn->reconciler);
	return ST_OK;
}

/* ---- those that were in a lane ---- */

void
follow_later(struct reconciler *reconciler, struct span domain)
{
	if (reconciler->later_count < FOLLOW_LATER_MAX)
		snprintf(reconciler->later[reconciler->later_count++], sizeof(reconciler->later[0]),
		    "%.*s", SPAN_ARG(domain));
	else
		sweep_all(reconciler);
}

static void
want_later(struct turn *turn)
{
	struct reconciler *reconciler = turn->reconciler;
	size_t count = reconciler->later_count;

	reconciler->later_count = 0; /* those that still are in one come back */
	for (size_t i = 0; i < count; i++)
		load_want(turn, span_str(reconciler->later[i]));
}

/* ---- the walk ---- */

static bool
is_wanted(const struct reconciler *reconciler, const struct store_domain *domain)
{
	/* Those without a policy, for the census. */
	return reconciler->sweeps_all || (domain->policy.n > 0 && domain->due == 0);
}

static enum status
sweep_page(struct turn *turn, struct err *err)
{
	struct reconciler *reconciler = turn->reconciler;
	struct keystore *store = reconciler->config.store;
	struct keystore_rows *page;
	enum status status = store->ops->list(
	    store, STORE_DOMAIN, span_str(reconciler->swept), FOLLOW_SWEEP_PAGE, &page, err);

	if (status != ST_OK)
		return status;
	for (size_t i = 0; i < page->domain_count; i++)
		if (is_wanted(reconciler, &page->domains[i]))
			load_want(turn, page->domains[i].name);
	if (page->domain_count > 0) {
		snprintf(reconciler->swept, sizeof(reconciler->swept), "%.*s",
		    SPAN_ARG(page->domains[page->domain_count - 1].name));
		turn->more = true;
	} else {
		reconciler->sweeping = reconciler->sweeps_all = reconciler->sweeps_again;
		reconciler->sweeps_again = false;
		reconciler->swept[0] = '\0';
		reconciler->swept_mono_ms = clock_mono_ms();
		turn->more = turn->more || reconciler->sweeping;
	}
	keystore_rows_release(page);
	return ST_OK;
}

/* What happened while nobody led, or somebody else did, is not known. */
static void
begin(struct turn *turn, uint64_t fence)
{
	struct reconciler *reconciler = turn->reconciler;

	reconciler->follow.since = turn->gateway_rows->epoch;
	reconciler->follow.fence = fence;
	forget_own(reconciler);
	reconciler->later_count = 0;
	sweep_all(reconciler);
}

enum status
follow_changes(struct turn *turn, struct err *err)
{
	struct reconciler *reconciler = turn->reconciler;
	enum status status;
	uint64_t fence;

	pthread_mutex_lock(&reconciler->lock);
	fence = reconciler->lease.fence;
	pthread_mutex_unlock(&reconciler->lock);
	if (reconciler->follow.fence != fence)
		begin(turn, fence);
	want_later(turn);
	status = ask(turn, err);
	sweep_again(turn);
	if (!reconciler->sweeping &&
	    turn->began_mono_ms - reconciler->swept_mono_ms >= SWEEP_EVERY_MS) {
		reconciler->sweeping = true;
		reconciler->swept[0] = '\0';
	}
	return status == ST_OK && reconciler->sweeping ? sweep_page(turn, err) : status;
}
