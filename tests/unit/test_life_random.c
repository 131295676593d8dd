/*
 * Random lives: two algorithms, the default plan, each second life with slots, each third one with
 * mirrors, whose readers sign with the key that is there; any answer of DNS, of publishers and of
 * mirrors, operators who ask for anything, time that stands or leaps. After each event
 * the invariants hold, what was decided can be done, and rows can be written and read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/keys/life.h"

#define LIVES 40
#define EVENTS 4000
#define MIRRORS 2 /* "m0", "m1" */

/* What the test remembers of a key, apart from its row. */
struct memory {
	int64_t signed_at; /* when it might sign last */
	int64_t shown_at;  /* when readers of a mirror might sign with it last */
	bool revoking;
	bool leaving; /* its record is to go, one way or the other */
};

struct life {
	struct life_domain domain;
	struct life_key keys[LIFE_KEYS_MAX]; /* its */
	struct memory memory[LIFE_KEYS_MAX];
	bool had[PLAN_ALGORITHMS_MAX]; /* a key of it that signed */
	bool forced[PLAN_ALGORITHMS_MAX];
	int64_t now;
	uint64_t random, epoch;
	unsigned made;
	unsigned long activated, destroyed, failed, rolled_back, refused;
	int64_t free_at[PLAN_SLOTS_MAX + 1];  /* of a slot, by the key that had it last */
	char shown[MIRRORS][LIFE_ID_MAX + 1]; /* the key that each mirror has; "": none */
	unsigned long written;
	bool mirrors;
};

static const char *const selectors[] = {"", "sp1", "sp2", "sp3", "sp4", "sp5", "sp6", "sp7"};
#define SLOTS 7

static uint64_t
dice(struct life *life, uint64_t sides)
{
	life->random ^= life->random << 13;
	life->random ^= life->random >> 7;
	life->random ^= life->random << 17;
	return (life->random >> 11) % sides;
}

static size_t
algorithm_of(const struct life *life, const struct life_key *key)
{
	return strcmp(key->algorithm, life->domain.plan.algorithms[0].name) == 0 ? 0 : 1;
}

/* ---- what holds ---- */

static void
check_key(struct life *life, size_t i)
{
	const struct life_key *key = &life->domain.keys[i];
	struct memory *memory = &life->memory[i];
	bool signs = key_may_sign(&key->times, life->now);
	bool leaving = key->times.revoking > 0 || key->life.removing > 0;

	if (signs && key->times.proven <= 0)
		fail_msg("I2: %s signs and is not proven", key->id);
	if (key->times.published > 0 && key->times.publishing <= 0)
		fail_msg("I6: %s is published without an intent", key->id);
	if (memory->revoking && (signs || key->times.revoking <= 0))
		fail_msg("I7: %s came back", key->id);
	if (leaving && !memory->leaving && key->times.compromised <= 0 && memory->signed_at > 0 &&
	    life->now <
		memory->signed_at + key->life.lease_s + key->life.signature_s + key->life.error_s)
		fail_msg("I4: %s is revoked too early", key->id);
	if (leaving && !memory->leaving && key->times.compromised <= 0 && memory->shown_at > 0 &&
	    life->now < memory->shown_at + key->life.signature_s + key->life.error_s)
		fail_msg("I4: %s is revoked while a mirror shows it, or soon after", key->id);
	memory->revoking = key->times.revoking > 0;
	memory->leaving = leaving;
	for (size_t m = 0; m < MIRRORS; m++)
		if (strcmp(life->shown[m], key->id) == 0)
			memory->shown_at = life->now;
	if (signs) {
		memory->signed_at = life->now;
		life->had[algorithm_of(life, key)] = true;
	}
}

static void
check(struct life *life)
{
	bool signs[PLAN_ALGORITHMS_MAX] = {false};

	for (size_t i = 0; i < life->domain.count; i++) {
		const struct life_key *key = &life->domain.keys[i];

		check_key(life, i);
		if (key_may_sign(&key->times, life->now))
			signs[algorithm_of(life, key)] = true;
	}
	for (size_t a = 0; a < PLAN_ALGORITHMS_MAX; a++) {
		if (signs[a])
			life->forced[a] = false;
		else if (life->had[a] && !life->forced[a])
			fail_msg("I1: no key signs any more");
	}
}

static void
write_and_read(struct key_life *life)
{
	struct err err = ERR_NONE;
	struct buf text;

	buf_init(&text, LIFE_TEXT_MAX);
	key_life_write(life, &text);
	assert_int_equal(key_life_parse(buf_span(&text), life, &err), ST_OK);
	buf_free(&text);
}

/* As through the store; destroyed rows are not read again. */
static void
through_the_store(struct life *life)
{
	size_t kept = 0;

	for (size_t i = 0; i < life->domain.count; i++) {
		struct life_key *key = &life->domain.keys[i];

		if (key->loading == UINT64_MAX)
			key->loading = ++life->epoch;
		if (dice(life, 10) == 0)
			write_and_read(&key->life);
		if (key->times.destroyed > 0) {
			life->free_at[plan_slot_of(&life->domain.plan, key->selector)] =
			    life_slot_free_at(key);
			life->destroyed++;
			continue;
		}
		life->domain.keys[kept] = *key;
		life->memory[kept++] = life->memory[i];
	}
	life->domain.count = kept;
}

/* ---- events ---- */

static struct life_sight
any_sight(struct life *life)
{
	static const enum life_seen seen[] = {LIFE_SEEN_ABSENT, LIFE_SEEN_TOMBSTONE,
	    LIFE_SEEN_MIXED, LIFE_SEEN_FOREIGN, LIFE_SEEN_WILDCARD, LIFE_SEEN_UNAVAILABLE};
	struct life_sight sight = {.seen = LIFE_SEEN_RIGHT, .why = ""};

	if (dice(life, 10) == 0) {
		sight.seen = seen[dice(life, 6)];
		sight.why = "not \"right\" \xff";
	}
	sight.customer =
	    life->domain.plan.slots > 0 && sight.seen != LIFE_SEEN_RIGHT && dice(life, 2) == 0;
	sight.neg_s = (int64_t)dice(life, 100000);
	sight.prev_s = dice(life, 4) == 0 ? (int64_t)dice(life, 100000) : 0;
	return sight;
}

/* Any that is free: there is one, or no key would be made. */
static void
take_slot(struct life *life, struct life_key *key)
{
	int slot = 1 + (int)dice(life, SLOTS);

	for (int i = 0; i < SLOTS && life_slot_is_taken(&life->domain, slot, life->now); i++)
		slot = slot % SLOTS + 1;
	if (life_slot_is_taken(&life->domain, slot, life->now))
		fail_msg("a key is made, and there is no slot for it");
	if (life->now < life->free_at[slot])
		fail_msg("I5: slot %d is used again while caches have it", slot);
	key->selector = span_str(selectors[slot]);
}

static void
generate(struct life *life, size_t algorithm)
{
	struct life_domain *domain = &life->domain;
	struct life_key *key = &domain->keys[domain->count];

	assert_true(domain->count < LIFE_KEYS_MAX);
	life->memory[domain->count++] = (struct memory){.signed_at = 0};
	*key = (struct life_key){.bits = 2048};
	memcpy(key->algorithm, domain->plan.algorithms[algorithm].name, sizeof(key->algorithm));
	snprintf(key->id, sizeof(key->id), "k%u", ++life->made);
	if (domain->plan.slots > 0)
		take_slot(life, key);
	life_prepared(key, &domain->plan, life->now);
}

static bool
answered(struct life *life, struct life_key *key, enum life_what what)
{
	const struct key_plan *plan = &life->domain.plan;
	enum life_effect effect = dice(life, 4) == 0 ? (enum life_effect)dice(life, 5) : LIFE_DONE;

	if (what == LIFE_PUBLISH)
		return life_published(key, plan, effect, "p", life->now);
	if (what == LIFE_REVOKE)
		return life_revoked(key, plan, effect, "r", life->now);
	return life_removed(key, plan, effect, "m", life->now);
}

/* What was said to have failed may have been done; and we may die before anything is written of it.
 */
static bool
mirrored(struct life *life, const struct life_action *action)
{
	struct life_domain *domain = &life->domain;
	struct life_key *key = &domain->keys[action->key];
	bool in = action->what == LIFE_MIRROR;
	const char *name = in ? domain->plan.mirror : key->life.mirror;
	char *shown = life->shown[name[1] - '0'];
	enum life_effect effect = dice(life, 3) == 0 ? (enum life_effect)dice(life, 5) : LIFE_DONE;

	if (in && key->times.proven <= 0)
		fail_msg("I2: readers sign with %s, which is not proven", key->id);
	if (effect == LIFE_DONE || (effect == LIFE_UNAVAILABLE && dice(life, 2) == 0)) {
		snprintf(shown, sizeof(life->shown[0]), "%s", in ? key->id : "");
		life->written++;
	}
	if (dice(life, 10) == 0)
		return true;
	if (effect == LIFE_CONFLICT && !in)
		effect = LIFE_REFUSED; /* none but ours are there */
	return in ? life_mirrored(domain, action->key, effect, "i", life->now)
		  : life_unmirrored(domain, action->key, effect, "u", life->now);
}

static bool
do_action(struct life *life, const struct life_action *action)
{
	struct life_domain *domain = &life->domain;
	struct life_key *key = &domain->keys[action->key];
	struct life_sight sight = any_sight(life);

	switch (action->what) {
	case LIFE_GENERATE:
		generate(life, action->algorithm);
		return true;
	case LIFE_SURVEY:
		if (sight.seen == LIFE_SEEN_RIGHT)
			sight.seen = LIFE_SEEN_ABSENT;
		sight.target = domain->plan.slots > 0 ? "t" : "";
		return life_surveyed(key, &domain->plan, &sight, life->now);
	case LIFE_PUBLISH:
	case LIFE_REVOKE:
	case LIFE_REMOVE:
		return answered(life, key, action->what);
	case LIFE_PROVE:
	case LIFE_LOOK:
		return life_looked(key, &domain->plan, &sight, life->now);
	case LIFE_CHECK:
		return life_checked(key, &domain->plan, &sight, (enum life_found)dice(life, 3), "w",
		    &(struct life_failing){1, 2, "g", "x"}, life->now);
	case LIFE_INTEND_MIRROR:
		return life_intend_mirror(domain, action->key, life->now);
	case LIFE_MIRROR:
	case LIFE_UNMIRROR:
		return mirrored(life, action);
	case LIFE_ROLLBACK:
		life->rolled_back++;
		return life_rolled_back(domain, action->key, life->now);
	case LIFE_CONFIRM:
		return life_confirmed(key, &domain->plan, dice(life, 5) > 0, "c", life->now);
	case LIFE_LOAD:
		return life_loaded(key, life->now);
	case LIFE_ACTIVATE:
		life->activated++;
		return life_activate(domain, action->key, life->now);
	case LIFE_INTEND_REVOKE:
		return life_intend_revoke(domain, action->key, life->now);
	case LIFE_INTEND_REMOVE:
		return life_intend_remove(domain, action->key, life->now);
	case LIFE_DESTROY:
		return life_destroyed(key, life->now);
	case LIFE_FAIL:
		life->failed++;
		return life_failed(key, "given up", life->now);
	}
	return false;
}

/* What they say of whichever key it is, right or wrong. */
static bool
any_failing(const void *context, const struct life_key *key, struct life_failing *out)
{
	(void)key;
	*out = (struct life_failing){1, 2, "g", "x"};
	return context != NULL;
}

/* Some of what is to be done, in any order: they do not depend on each other. */
static void
turn(struct life *life)
{
	struct life_gateways gateways = {.live = (size_t)dice(life, 3),
	    .failing = any_failing,
	    .context = dice(life, 4) == 0 ? life : NULL};
	struct life_decision decision;

	gateways.tested = dice(life, 3) > 0 ? life->epoch : life->epoch / 2;
	life_decide(&life->domain, &gateways, life->now, &decision);
	assert_true(decision.count > 0 || decision.due > life->now);
	while (decision.count > 0) {
		size_t i = (size_t)dice(life, decision.count);

		if (dice(life, 8) > 0 && !do_action(life, &decision.actions[i]))
			fail_msg("%s was decided and cannot be done",
			    life_what_name(decision.actions[i].what));
		check(life);
		decision.actions[i] = decision.actions[--decision.count];
	}
	through_the_store(life);
	if (decision.due > life->now && decision.due < INT64_MAX && dice(life, 2) == 0)
		life->now = decision.due;
}

/* Before a change that may leave an algorithm without a key that signs. */
static void
force(struct life *life, size_t i)
{
	if (key_may_sign(&life->domain.keys[i].times, life->now))
		life->forced[algorithm_of(life, &life->domain.keys[i])] = true;
}

static void
order(struct life *life)
{
	static bool (*const orders[])(struct life_domain *, size_t, int64_t, struct err *) = {
	    life_hold, life_release, life_release, life_retire, life_rollback, life_discard};
	struct life_domain *domain = &life->domain;
	struct err why = ERR_NONE;
	uint64_t what = dice(life, 9);
	size_t i;

	if (life->mirrors && dice(life, 10) == 0)
		snprintf(domain->plan.mirror, sizeof(domain->plan.mirror), "m%u",
		    (unsigned)dice(life, MIRRORS));
	else if (life->mirrors && dice(life, 20) == 0)
		domain->plan.mirror[0] = '\0';

	if (what == 8) {
		(void)life_rotate(domain, life->now + (int64_t)dice(life, 9), "", life->now, &why);
		return;
	}
	if (domain->count == 0)
		return;
	i = (size_t)dice(life, domain->count);
	if (what < sizeof(orders) / sizeof(orders[0])) {
		life->refused += !orders[what](domain, i, life->now, &why);
	} else {
		bool forced = dice(life, 10) == 0;

		if (forced)
			force(life, i);
		life->refused += !life_emergency(domain, i, forced, life->now, &why);
	}
	check(life);
}

/* ---- a run ---- */

struct totals {
	unsigned long activated, destroyed, failed, rolled_back, written;
};

static void
live(uint64_t seed, struct totals *totals)
{
	struct life *life = mem_zalloc(1, sizeof(*life));

	life->random = seed * 0x9e3779b97f4a7c15U + 1;
	life->now = 1800000000;
	life->domain.keys = life->keys;
	life->domain.name = SPAN_LIT("a.example");
	life->domain.enabled = true;
	key_plan_default(&life->domain.plan);
	life->domain.plan.manage = true;
	life->domain.plan.algorithms[1] = (struct plan_algorithm){"ed25519-sha256", 256};
	life->domain.plan.algorithm_count = 2;
	snprintf(life->domain.plan.publisher, sizeof(life->domain.plan.publisher), "p");
	if (seed % 2 == 0) {
		snprintf(life->domain.plan.delegation, sizeof(life->domain.plan.delegation),
		    "d.example");
		snprintf(
		    life->domain.plan.selector, sizeof(life->domain.plan.selector), "sp{slot}");
		life->domain.plan.slots = SLOTS;
	}
	life->mirrors = seed % 3 == 0;
	if (life->mirrors)
		memcpy(life->domain.plan.mirror, "m0", 3);
	for (int i = 0; i < EVENTS; i++) {
		if (dice(life, 60) == 0)
			order(life);
		else if (dice(life, 4) == 0)
			life->now += (int64_t)dice(life, 1U << dice(life, 22));
		else
			turn(life);
		check(life);
	}
	totals->activated += life->activated;
	totals->destroyed += life->destroyed;
	totals->failed += life->failed;
	totals->rolled_back += life->rolled_back;
	totals->written += life->written;
	mem_free(life);
}

static void
test_lives(void **state)
{
	struct totals totals = {.activated = 0};

	(void)state;
	for (uint64_t seed = 1; seed <= LIVES; seed++)
		live(seed, &totals);
	printf("# %d lives of %d events: %lu activations, %lu rolled back, %lu keys destroyed, "
	       "%lu given up, mirrors written %lu times\n",
	    LIVES, EVENTS, totals.activated, totals.rolled_back, totals.destroyed, totals.failed,
	    totals.written);
	assert_true(totals.activated > 10 * LIVES);
	assert_true(totals.destroyed > 10 * LIVES);
	assert_true(totals.rolled_back > LIVES / 10);
	assert_true(totals.written > 10 * LIVES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lives)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
