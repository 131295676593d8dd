/*
 * All orders of all that can happen to the keys of a domain, as far as a small world goes.
 *
 * The world: the rows of three keys, two gateways, one reconciler, DNS with a primary and a lagging
 * secondary, all verifiers with their caches, an operator, and in some worlds a mirror, whose
 * readers sign with the key that it shows. Time is a handful of ticks, with a plan that has waits
 * of one to four of them. What may happen at any moment: the reconciler does one of the actions
 * that life_decide() names, and may die before or after each effect; an answer is lost; a change
 * that was sent arrives much later (a deposed leader's); a server does not answer; the secondary
 * transfers, or not; a gateway hears of the store, or not, and one's clock is slow by E; an
 * operator holds, releases, rolls back, calls an emergency; any gateway says at any time, right or
 * wrong, that the signatures of the key in use do not verify, and what we see ourselves then is
 * right or wrong, too.
 *
 * In a world with slots keys share names: what servers have there is the record of one key of the
 * slot, and the customer's CNAME leads there, or not (yet, or for a while). Whoever asks then is
 * told that there is nothing.
 *
 * A gateway signs whenever it may. A verifier may ask at any time and keep what it was told for as
 * long as it may: so a key can be verified by all of them at v only if no server has said anything
 * else since v less max(NEG, PREV), nor the record of another key, or a tombstone, since v less its
 * TTL. That is all there is to know of verifiers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "tests/unit/life_explorer.h"

/* ---- what must hold, always ---- */

static void
show(const struct explorer *e, uint32_t at)
{
	uint32_t way[200], count = 0;

	for (; count < 200; at = e->nodes[at].parent) {
		way[count++] = at;
		if (at == e->nodes[at].parent)
			break;
	}
	while (count-- > 0) {
		const struct node *node = &e->nodes[way[count]];

		printf("# %-20s", node->event);
		for (int k = 0; k < KEYS; k++) {
			struct life_key key;

			if (!node->world.keys[k].exists)
				continue;
			unpack_key(&node->world.keys[k], k, &key);
			printf(" %s/%d%d", key_state_name(key_state_at(&key.times, NOW)),
			    node->world.keys[k].primary, node->world.keys[k].secondary);
		}
		printf("\n");
	}
}

static void
broken(const struct explorer *e, const char *event, const char *what)
{
	show(e, e->at);
	printf("#    %s: %s\n", event, what);
	fail_msg("%s: %s", e->setting->name, what);
}

static void
check_verifiers(const struct explorer *e, const struct world *w, const char *event)
{
	for (int k = 0; k < KEYS; k++) {
		const struct mini *key = &w->keys[k];
		int keeps = e->setting->wildcard ? PREV : NEG;

		if (key->compromised > 0 || key->signed_at == 0 || NOW - key->signed_at > SIGNATURE)
			continue;
		if (key->bad > 0 && NOW - key->bad < keeps)
			broken(e, event, "a signature cannot be verified everywhere");
		if (key->worse > 0 && NOW - key->worse < SLOT_TTL)
			broken(e, event, "I5: a cache has what was in the slot before");
	}
}

static void
check_rows(struct explorer *e, const struct world *w, const char *event)
{
	const struct world *before = &e->nodes[e->at].world;
	bool signs = false;

	for (int k = 0; k < KEYS; k++) {
		const struct mini *key = &w->keys[k];
		struct life_key row;

		unpack_key(key, k, &row);
		if (!key->exists)
			continue;
		signs = signs || key_may_sign(&row.times, NOW);
		if (key_may_sign(&row.times, NOW) && (key->proven <= 0 || key->sign_until > 0))
			broken(e, event, "I2: a key signs that is not proven");
		if (before->keys[k].revoking > 0 && key->revoking <= 0)
			broken(e, event, "I7: back from revoking");
	}
	if (w->signing && !signs)
		broken(e, event, "I1: no key signs any more");
}

/* ---- events ---- */

/* Everybody who may sign does, and the servers say what they have. */
static void
say(struct world *w, int k)
{
	struct mini *key = &w->keys[k];
	int primary, secondary;

	others(w, k, &primary, &secondary);
	if (key->primary != OURS || key->secondary != OURS || !leads(w, key))
		key->bad = NOW;
	if (key->slot > 0 && leads(w, key) &&
	    (primary != NONE || secondary != NONE || key->primary == TOMB ||
		key->secondary == TOMB))
		key->worse = NOW;
}

static void
settle(const struct explorer *e, struct world *w)
{
	if (w->mirror > 0)
		w->keys[w->mirror - 1].signed_at = NOW;
	for (int k = 0; k < KEYS; k++) {
		struct mini *key = &w->keys[k];

		say(w, k);
		for (int g = 0; g < GATEWAYS; g++)
			if ((w->gateways[g].may >> k & 1) &&
			    NOW - (g == 1 ? ERROR : 0) < w->gateways[g].word + LEASE)
				key->signed_at = NOW;
		if (key->active > 0)
			w->signing = 1;
	}
	canonical(w, e->setting);
}

static uint64_t
hash(const struct world *world)
{
	static const uint8_t seed[16] = "explorer";

	return span_hash(span_of(world, sizeof(*world)), seed) | 1;
}

static bool
is_new(struct explorer *e, const struct world *world)
{
	uint64_t print = hash(world);
	size_t at = (size_t)(print >> 8) % e->seen_room;

	for (; e->seen[at] != 0; at = (at + 1) % e->seen_room)
		if (e->seen[at] == print)
			return false;
	e->seen[at] = print;
	return true;
}

static void
reach(struct explorer *e, struct world *w, const char *event)
{
	settle(e, w);
	check_verifiers(e, w, event);
	check_rows(e, w, event);
	if (!is_new(e, w))
		return;
	if (e->count == e->room)
		broken(e, event, "more worlds than there is room for");
	e->nodes[e->count++] = (struct node){.world = *w, .parent = e->at, .event = event};
	e->used += w->keys[0].active > 0;
	e->rotated += w->keys[0].retiring > 0;
	e->rolled_back += w->rolled_back > 0;
	e->resumed += w->rolled_back == 0 && e->nodes[e->at].world.rolled_back > 0;
	e->completed += w->keys[0].destroyed > 0 && w->keys[1].active > 0;
	e->reused +=
	    w->keys[0].slot > 0 && w->keys[2].slot == w->keys[0].slot && w->keys[2].loaded > 0;
}

/* A change at the primary, when it arrives: conditional on what is there. */
static void
arrive(const struct explorer *e, struct world *w, int flying, int k)
{
	struct mini *key = &w->keys[k];
	int there, unused;
	bool signs = false;

	others(w, k, &there, &unused);
	for (int g = 0; g < GATEWAYS; g++)
		signs = signs || ((w->gateways[g].may >> k & 1) &&
				     NOW - (g == 1 ? ERROR : 0) < w->gateways[g].word + LEASE);
	if (flying == FLY_ADD && key->primary == NONE && there == NONE) {
		if (key->publishing <= 0)
			broken(e, "add", "I6: published without an intent");
		key->primary = OURS;
	} else if (flying == FLY_TOMB && key->primary == OURS) {
		if (key->revoking <= 0 || (signs && key->compromised <= 0))
			broken(e, "tombstone", "I4: revoked while somebody may sign");
		key->primary = TOMB;
	} else if (flying == FLY_REMOVE &&
		   key->primary == (key->revoking > 0 || key->revoked > 0 ? TOMB : OURS)) {
		/* The intent may be over: the record came back, and is revoked again. */
		if ((key->removing <= 0 && key->revoking <= 0) || (signs && key->compromised <= 0))
			broken(e, "remove", "I4: removed while somebody may sign");
		key->primary = NONE;
	}
}

static bool
it_is_so(const struct mini *key, int flying)
{
	return key->primary == (flying == FLY_ADD ? OURS : flying == FLY_TOMB ? TOMB : NONE);
}

/* ---- the reconciler ---- */

/* What is at the target, and, of a key that is there as it should be, whether the way leads there.
 */
static struct life_sight
sight_of(const struct explorer *e, const struct world *w, int k)
{
	const struct mini *key = &w->keys[k];
	struct life_sight sight = {.neg_s = NEG, .why = "", .target = key->slot > 0 ? "t" : ""};
	int primary, secondary;

	others(w, k, &primary, &secondary);
	if (primary == OURS || secondary == OURS) {
		sight.seen = LIFE_SEEN_FOREIGN;
		return sight;
	}
	if (primary == TOMB || secondary == TOMB) {
		sight.seen = primary == secondary ? LIFE_SEEN_TOMBSTONE : LIFE_SEEN_MIXED;
		return sight;
	}
	if (key->primary != key->secondary)
		sight.seen = LIFE_SEEN_MIXED;
	else if (key->primary == OURS)
		sight.seen = LIFE_SEEN_RIGHT;
	else if (key->primary == TOMB)
		sight.seen = LIFE_SEEN_TOMBSTONE;
	else
		sight.seen = e->setting->wildcard ? LIFE_SEEN_WILDCARD : LIFE_SEEN_ABSENT;
	if (sight.seen == LIFE_SEEN_WILDCARD ||
	    (sight.seen == LIFE_SEEN_MIXED && e->setting->wildcard))
		sight.prev_s = PREV;
	if (sight.seen == LIFE_SEEN_RIGHT && !leads(w, key)) {
		sight.seen = LIFE_SEEN_ABSENT;
		sight.customer = true;
	}
	return sight;
}

/* What is being ended is looked at where it stands. */
static struct life_sight
look_of(const struct explorer *e, const struct world *w, int k)
{
	const struct mini *key = &w->keys[k];
	struct world there = *w;

	if (key->revoking > 0 || key->removing > 0)
		there.lost = 0;
	return sight_of(e, &there, k);
}

/* The result of an effect, in a transaction of its own. */
static void
effect_over(struct explorer *e, const struct world *from, const struct life_action *action,
    enum life_effect effect, const char *event)
{
	struct world w = *from;
	struct life_key *key = &e->domain->keys[action->key];
	const struct key_plan *plan = &e->domain->plan;
	int which[KEYS];
	bool changed;

	unpack(e, &w, which);
	if (action->what == LIFE_PUBLISH)
		changed = life_published(key, plan, effect, "", NOW);
	else if (action->what == LIFE_REVOKE)
		changed = life_revoked(key, plan, effect, "", NOW);
	else
		changed = life_removed(key, plan, effect, "", NOW);
	if (!changed)
		return;
	commit(e, &w, which);
	reach(e, &w, event);
}

static void
do_effect(
    struct explorer *e, const struct world *from, const struct life_action *action, int number)
{
	int flying = action->what == LIFE_PUBLISH  ? FLY_ADD
		     : action->what == LIFE_REVOKE ? FLY_TOMB
						   : FLY_REMOVE;
	const char *name = life_what_name(action->what);
	struct world w = *from;

	if (e->setting->by_hand) {
		effect_over(e, from, action, LIFE_PENDING, name);
		return;
	}
	arrive(e, &w, flying, number);
	effect_over(
	    e, &w, action, it_is_so(&w.keys[number], flying) ? LIFE_DONE : LIFE_CONFLICT, name);
	if (from->faults <= 0)
		return;
	w.faults--;
	reach(e, &w, "...and dies"); /* nothing is written of it */
	effect_over(e, &w, action, LIFE_UNAVAILABLE, "...answer lost");
	w = *from;
	w.faults--;
	effect_over(e, &w, action, LIFE_UNAVAILABLE, "...not sent");
	if (w.flying == FLY_NOTHING) {
		w.flying = (int8_t)flying;
		w.flying_key = (int8_t)number;
		reach(e, &w, "...on its way");
	}
}

static void
mirror_over(struct explorer *e, const struct world *from, const struct life_action *action,
    enum life_effect effect, const char *event)
{
	struct world w = *from;
	int which[KEYS];
	bool changed;

	unpack(e, &w, which);
	changed = action->what == LIFE_MIRROR
		      ? life_mirrored(e->domain, action->key, effect, "", NOW)
		      : life_unmirrored(e->domain, action->key, effect, "", NOW);
	if (!changed)
		broken(e, event, "what was decided cannot be done");
	commit(e, &w, which);
	reach(e, &w, event);
}

/* The mirror has one key of the domain, this one or none. */
static void
do_mirror(
    struct explorer *e, const struct world *from, const struct life_action *action, int number)
{
	const char *name = life_what_name(action->what);
	struct world w = *from;

	if (action->what == LIFE_MIRROR && w.keys[number].proven <= 0)
		broken(e, name, "I2: readers sign with a key that is not proven");
	w.mirror = action->what == LIFE_MIRROR ? (int8_t)(number + 1) : 0;
	mirror_over(e, &w, action, LIFE_DONE, name);
	if (from->faults <= 0)
		return;
	w.faults--;
	reach(e, &w, "...and dies");
	mirror_over(e, &w, action, LIFE_UNAVAILABLE, "...answer lost");
	w = *from;
	w.faults--;
	mirror_over(e, &w, action, LIFE_UNAVAILABLE, "...not sent");
}

static void
do_sight(struct explorer *e, const struct world *from, const struct life_action *action, int number,
    struct life_sight sight)
{
	struct world w = *from;
	struct life_key *key = &e->domain->keys[action->key];
	int which[KEYS];
	bool changed;

	unpack(e, &w, which);
	if (sight.seen == LIFE_SEEN_UNAVAILABLE)
		w.faults--;
	if (action->what == LIFE_SURVEY)
		changed = life_surveyed(key, &e->domain->plan, &sight, NOW);
	else if (action->what == LIFE_CONFIRM && sight.seen == LIFE_SEEN_RIGHT)
		changed =
		    life_confirmed(key, &e->domain->plan, w.keys[number].bad + NEG <= NOW, "", NOW);
	else if (action->what == LIFE_CHECK)
		changed = life_checked(key, &e->domain->plan, &sight, LIFE_FOUND_RIGHT, "",
		    &(struct life_failing){1, 1, "g", "x"}, NOW);
	else
		changed = life_looked(key, &e->domain->plan, &sight, NOW);
	if (!changed)
		broken(e, life_what_name(action->what), "what was decided cannot be done");
	commit(e, &w, which);
	reach(e, &w, life_what_name(action->what));
}

/* All servers have it, and resolvers or our message say no. */
static void
do_suspect(struct explorer *e, const struct world *from, const struct life_action *action)
{
	struct world w = *from;
	struct life_sight sight = {.seen = LIFE_SEEN_RIGHT, .neg_s = NEG, .why = ""};
	int which[KEYS];

	unpack(e, &w, which);
	w.faults--;
	if (!life_checked(&e->domain->keys[action->key], &e->domain->plan, &sight, LIFE_FOUND_WRONG,
		"", &(struct life_failing){1, 1, "g", "x"}, NOW))
		broken(e, "check", "what was decided cannot be done");
	commit(e, &w, which);
	reach(e, &w, "check: wrong");
}

/* Has each gateway that speaks tried the key? */
static void
check_tried(const struct explorer *e, const struct world *w, const struct mini *key)
{
	for (int g = 0; g < GATEWAYS; g++)
		if (NOW - w->gateways[g].word <= SILENCE && w->gateways[g].epoch < key->loading)
			broken(e, "load, activate", "a gateway has not tried it");
}

/* What needs no DNS. */
static void
do_row(struct explorer *e, const struct world *from, const struct life_action *action)
{
	struct world w = *from;
	struct life_key *key = &e->domain->keys[action->key];
	int which[KEYS];
	bool changed = false;

	unpack(e, &w, which);
	if (action->what == LIFE_LOAD || action->what == LIFE_ACTIVATE)
		check_tried(e, &w, &w.keys[which[action->key]]);
	if (action->what == LIFE_LOAD)
		changed = life_loaded(key, NOW);
	else if (action->what == LIFE_ACTIVATE)
		changed = life_activate(e->domain, action->key, NOW);
	else if (action->what == LIFE_INTEND_REVOKE)
		changed = life_intend_revoke(e->domain, action->key, NOW);
	else if (action->what == LIFE_INTEND_REMOVE)
		changed = life_intend_remove(e->domain, action->key, NOW);
	else if (action->what == LIFE_INTEND_MIRROR)
		changed = life_intend_mirror(e->domain, action->key, NOW);
	else if (action->what == LIFE_DESTROY)
		changed = life_destroyed(key, NOW);
	else if (action->what == LIFE_FAIL)
		changed = life_failed(key, "", NOW);
	else if (action->what == LIFE_ROLLBACK)
		changed = life_rolled_back(e->domain, action->key, NOW);
	if (!changed)
		broken(e, life_what_name(action->what), "what was decided cannot be done");
	commit(e, &w, which);
	reach(e, &w, life_what_name(action->what));
}

/* The key that had the slot last. */
static const struct mini *
last_in(const struct world *w, int slot)
{
	for (int k = KEYS - 1; k >= 0; k--)
		if (w->keys[k].exists && w->keys[k].slot == slot)
			return &w->keys[k];
	return NULL;
}

/* Any of the slots that nobody has. */
static void
do_generate_slot(struct explorer *e, const struct world *from, int k)
{
	bool any = false;

	for (int slot = 1; slot <= e->setting->slots; slot++) {
		const struct mini *last = last_in(from, slot);
		struct world w = *from;
		struct life_key row, old;
		int which[KEYS];

		unpack(e, from, which);
		if (life_slot_is_taken(e->domain, slot, NOW))
			continue;
		any = true;
		w.keys[k].exists = 1;
		w.keys[k].slot = (int8_t)slot;
		if (last != NULL && last->removed > 0 &&
		    NOW < last->removed + SLOT_TTL + NEG + ERROR)
			broken(e, "generate", "I5: a slot is used again while caches have it");
		if (last != NULL) {
			unpack_key(last, 0, &old);
			unpack_key(&w.keys[k], k, &row);
			life_slot_follow(&row, &old);
			pack_key(&row, &w.keys[k]);
			w.keys[k].worse = last->worse;
		}
		reach(e, &w, "generate in a slot");
	}
	if (!any)
		broken(e, "generate", "there is no slot for it");
}

static void
do_generate(struct explorer *e, const struct world *from)
{
	struct world w = *from;

	for (int k = 0; k < e->setting->keys; k++) {
		if (w.keys[k].exists)
			continue;
		if (e->setting->slots > 0) {
			do_generate_slot(e, from, k);
			return;
		}
		w.keys[k].exists = 1;
		reach(e, &w, "generate");
		return;
	}
}

static void
do_action(
    struct explorer *e, const struct world *w, const struct life_action *action, const int *which)
{
	int number = which[action->key];
	struct life_sight silent = {.seen = LIFE_SEEN_UNAVAILABLE, .why = "silent"};

	switch (action->what) {
	case LIFE_GENERATE:
		do_generate(e, w);
		break;
	case LIFE_PUBLISH:
	case LIFE_REVOKE:
	case LIFE_REMOVE:
		do_effect(e, w, action, number);
		break;
	case LIFE_MIRROR:
	case LIFE_UNMIRROR:
		do_mirror(e, w, action, number);
		break;
	case LIFE_SURVEY:
	case LIFE_PROVE:
	case LIFE_CONFIRM:
	case LIFE_LOOK:
	case LIFE_CHECK:
		if (action->what == LIFE_CHECK && w->faults > 0 &&
		    w->keys[number].primary == OURS && w->keys[number].secondary == OURS)
			do_suspect(e, w, action);
		do_sight(e, w, action, number, look_of(e, w, number));
		if (w->faults > 0)
			do_sight(e, w, action, number, silent);
		break;
	default:
		do_row(e, w, action);
		break;
	}
}

/* They say so of any. */
static bool
any_failing(const void *context, const struct life_key *key, struct life_failing *out)
{
	(void)context;
	(void)key;
	*out = (struct life_failing){1, 1, "g", "x"};
	return true;
}

static void
reconcile(struct explorer *e, const struct world *w, bool failing)
{
	struct life_gateways gateways = {
	    .live = 0, .tested = UINT64_MAX, .failing = failing ? any_failing : NULL};
	struct life_decision decision;
	int which[KEYS];

	for (int g = 0; g < GATEWAYS; g++) {
		if (NOW - w->gateways[g].word > SILENCE)
			continue;
		gateways.live++;
		if ((uint64_t)w->gateways[g].epoch < gateways.tested)
			gateways.tested = (uint64_t)w->gateways[g].epoch;
	}
	unpack(e, w, which);
	life_decide(e->domain, &gateways, NOW, &decision);
	if (decision.count == 0 && decision.due <= NOW)
		broken(e, "decide", "nothing to do, and at once");
	for (size_t i = 0; i < decision.count; i++)
		do_action(e, w, &decision.actions[i], which);
}

/* ---- the others ---- */

static void
hear(struct explorer *e, const struct world *from, int g)
{
	struct world w = *from;

	w.gateways[g].may = 0;
	for (int k = 0; k < KEYS; k++) {
		struct life_key row;

		unpack_key(&w.keys[k], k, &row);
		if (w.keys[k].exists && key_may_sign(&row.times, NOW))
			w.gateways[g].may = (int8_t)(w.gateways[g].may | 1 << k);
	}
	w.gateways[g].word = NOW;
	w.gateways[g].epoch = w.epoch;
	reach(e, &w, g == 0 ? "gateway 0 hears" : "gateway 1 hears");
}

static void
move_dns(struct explorer *e, const struct world *from)
{
	struct world w = *from;

	for (int k = 0; k < KEYS; k++)
		w.keys[k].secondary = w.keys[k].primary;
	if (memcmp(&w, from, sizeof(w)) != 0)
		reach(e, &w, "transfer");
	if (from->flying == FLY_NOTHING)
		return;
	w = *from;
	arrive(e, &w, w.flying, w.flying_key);
	w.flying = w.flying_key = FLY_NOTHING;
	reach(e, &w, "arrives late");
}

/* A customer who does what he was told, sooner or later. */
static void
by_hand(struct explorer *e, const struct world *from)
{
	for (int k = 0; k < KEYS; k++) {
		const struct mini *key = &from->keys[k];
		struct world w = *from;

		if (!key->pending || key->destroyed > 0)
			continue;
		arrive(e, &w,
		    key->removing > 0   ? FLY_REMOVE
		    : key->revoking > 0 ? FLY_TOMB
					: FLY_ADD,
		    k);
		if (w.keys[k].primary != key->primary)
			reach(e, &w, "by hand");
	}
}

/* Sets a CNAME that was not there. One whose key is not needed for anything yet may go. */
static void
customer(struct explorer *e, const struct world *from)
{
	for (int slot = 1; slot <= e->setting->slots; slot++) {
		const struct mini *last = last_in(from, slot);
		bool idle = last != NULL && last->proven <= 0;
		struct world w = *from;

		if ((from->lost >> slot & 1) == 0 && (!e->setting->moves || !idle))
			continue;
		w.lost = (int8_t)(w.lost ^ 1 << slot);
		reach(e, &w, "CNAME");
	}
}

static bool
activate(struct life_domain *domain, size_t index, int64_t now_utc, struct err *why)
{
	(void)why;
	return life_activate(domain, index, now_utc);
}

/* Decided when the rows were others. */
static bool
intend_revoke(struct life_domain *domain, size_t index, int64_t now_utc, struct err *why)
{
	(void)why;
	return life_intend_revoke(domain, index, now_utc);
}

static bool
intend_remove(struct life_domain *domain, size_t index, int64_t now_utc, struct err *why)
{
	(void)why;
	return life_intend_remove(domain, index, now_utc);
}

static bool
emergency(struct life_domain *domain, size_t index, int64_t now_utc, struct err *why)
{
	return life_emergency(domain, index, false, now_utc, why);
}

static void
order(struct explorer *e, const struct world *from)
{
	static bool (*const orders[])(struct life_domain *, size_t, int64_t, struct err *) = {
	    life_release, intend_revoke, intend_remove, life_hold, life_rollback, life_retire,
	    emergency, activate, life_discard};
	const size_t at_any_time = 3; /* what was held may be released; old decisions */
	static const char *const names[] = {"release", "intends late", "intends late", "hold",
	    "rollback", "retire", "emergency", "activate", "discard"};
	int which[KEYS];

	unpack(e, from, which);
	for (size_t i = 0, count = e->domain->count; i < count; i++)
		for (size_t what = 0; what < sizeof(orders) / sizeof(orders[0]); what++) {
			struct world w = *from;
			struct err why = ERR_NONE;

			if (w.orders <= 0 && what >= at_any_time)
				continue;
			unpack(e, &w, which);
			if (!orders[what](e->domain, i, NOW, &why))
				continue;
			if (what >= at_any_time)
				w.orders--;
			commit(e, &w, which);
			reach(e, &w, names[what]);
		}
}

static void
successors(struct explorer *e)
{
	struct world w = e->nodes[e->at].world, later = w;

	reconcile(e, &w, false);
	if (e->setting->canary)
		reconcile(e, &w, true);
	move_dns(e, &w);
	for (int g = 0; g < GATEWAYS; g++)
		hear(e, &w, g);
	if (e->setting->by_hand)
		by_hand(e, &w);
	customer(e, &w);
	order(e, &w);
	tick(&later);
	reach(e, &later, "tick");
}

/* ---- a run ---- */

static void
stand(struct world *w, const struct setting *setting)
{
	for (int k = 0; k < 2; k++)
		w->keys[k] = (struct mini){.exists = 1,
		    .publishing = NOW - OLD,
		    .published = NOW - OLD,
		    .proven = NOW - OLD,
		    .loaded = NOW - OLD,
		    .active = k == 0 ? NOW - 4 : 0,
		    .auth_first = NOW - OLD,
		    .auth_last = NOW,
		    .looked = NOW,
		    .proofs = 2,
		    .neg = NEG,
		    .primary = OURS,
		    .secondary = OURS,
		    .slot = (int8_t)(setting->slots > 0 ? k + 1 : 0)};
	if (setting->mirror) {
		w->keys[0].mirrored = NOW;
		w->mirror = 1;
	}
	for (int g = 0; g < GATEWAYS; g++) {
		w->gateways[g].may = 1;
		w->gateways[g].word = NOW;
	}
}

static void
explore(void **state)
{
	const struct setting *setting = *state;
	struct explorer e = {.setting = setting, .room = 2000000, .seen_room = 1 << 22};
	struct world first;

	e.domain = mem_zalloc(1, sizeof(*e.domain));
	e.domain->keys = mem_zalloc(KEYS, sizeof(*e.domain->keys));
	e.nodes = mem_alloc(e.room * sizeof(*e.nodes));
	e.seen = mem_zalloc(e.seen_room, sizeof(*e.seen));
	e.domain->name = SPAN_LIT("a.example");
	e.domain->enabled = true;
	set_plan(&e.domain->plan, setting);
	memset(&first, 0, sizeof(first));
	first.faults = (int8_t)setting->faults;
	first.orders = (int8_t)setting->orders;
	for (int g = 0; g < GATEWAYS; g++)
		first.gateways[g].word = NOW;
	if (setting->standing)
		stand(&first, setting);
	first.lost = (int8_t)setting->lost;
	reach(&e, &first, "begin");
	for (e.at = 0; e.at < e.count; e.at++)
		successors(&e);
	printf(
	    "# %s: %u worlds, %u with a key in use, %u after a rotation, %u after a whole one, %u "
	    "with a slot used again\n",
	    setting->name, e.count, e.used, e.rotated, e.completed, e.reused);
	/* Nothing holds because nothing happens. */
	assert_true(e.count >= setting->at_least);
	assert_true(e.used > 0);
	assert_true(!setting->canary || (e.rolled_back > 0 && e.resumed > 0));
	assert_true(setting->keys == 1 || (e.rotated > 0 && e.completed > 0));
	assert_true(setting->slots == 0 || setting->keys < KEYS || e.reused > 0);
	mem_free(e.domain->keys);
	mem_free(e.domain);
	mem_free(e.nodes);
	mem_free(e.seen);
}

/* A build with sanitizers is ten times slower: it looks for other faults than this test does. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(undefined_behavior_sanitizer)
#define SLOW 1
#endif
#endif

static const struct setting settings[] = {
    {"a first key", 20000, 1, .faults = 2},
    {"a first key under a wildcard, watched", 100000, 1, .wildcard = true, .faults = 2, .drift = 2},
    {"a rotation", 10000, 2, .standing = true, .interval = 3},
    {"a rotation that a mirror shows, with a fault", 10000, 2, .standing = true, .faults = 1,
	.interval = 3, .mirror = true},
    {"a first key in a slot, whose CNAME comes later", 100000, 1, .slots = 2, .lost = 6,
	.moves = true, .faults = 1},
    {"a rotation that uses a slot again", 200000, 3, .standing = true, .slots = 2, .interval = 3},
#ifndef SLOW
    {"a rotation, and gateways that doubt it", 500000, 2, .standing = true, .faults = 1,
	.interval = 3, .canary = true},
    {"a rotation that uses a slot again, with a fault", 1000000, 3, .standing = true, .slots = 2,
	.faults = 1, .interval = 3},
    {"a first key, with an order", 100000, 1, .faults = 1, .orders = 1},
    {"two keys, from nothing", 500000, 2, .interval = 3},
    {"a rotation that a mirror shows, with a fault and an order", 200000, 2, .standing = true,
	.faults = 1, .orders = 1, .interval = 3, .mirror = true},
    {"a rotation by hand", 100000, 2, .standing = true, .by_hand = true, .faults = 1, .orders = 1,
	.interval = 3},
    {"a rotation, with faults and orders", 500000, 2, .standing = true, .faults = 2, .orders = 1,
	.interval = 3},
#endif
};
#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

int
main(void)
{
	struct CMUnitTest tests[SETTINGS];

	for (size_t i = 0; i < SETTINGS; i++)
		tests[i] = (struct CMUnitTest){
		    settings[i].name, explore, NULL, NULL, (void *)(uintptr_t)&settings[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
