/*
 * life_world.h - a domain with keys in any state, what DNS may be seen to say, and what
 * life_decide() is expected to answer. For test_life.c; cmocka is included before it.
 */
#ifndef SIGNPOST_TESTS_UNIT_LIFE_WORLD_H
#define SIGNPOST_TESTS_UNIT_LIFE_WORLD_H

#include <stdio.h>

#include "lib/base/mem.h"
#include "lib/keys/life.h"

#define T 1800000000 /* now, most of the time */
#define DAY 86400

static __attribute__((unused)) const struct life_sight right = {.seen = LIFE_SEEN_RIGHT, .why = ""};
static __attribute__((unused))
const struct life_sight absent = {.seen = LIFE_SEEN_ABSENT, .neg_s = 900, .why = "none"};
static __attribute__((unused))
const struct life_sight foreign = {.seen = LIFE_SEEN_FOREIGN, .prev_s = 7200, .why = "x"};
static __attribute__((unused))
const struct life_sight tomb = {.seen = LIFE_SEEN_TOMBSTONE, .why = "t"};
static __attribute__((unused))
const struct life_sight mixed = {.seen = LIFE_SEEN_MIXED, .why = "lags"};
static __attribute__((unused))
const struct life_sight silent = {.seen = LIFE_SEEN_UNAVAILABLE, .why = "silent"};

static __attribute__((unused)) const struct life_gateways nobody = {.live = 0};
static __attribute__((unused)) const struct life_gateways all = {.live = 2, .tested = 1000000};

static __attribute__((unused)) bool
cannot(const void *context, const char *id, const char **node_out)
{
	*node_out = "gw1";
	return strcmp(context, id) == 0;
}

/* ---- a domain to begin with ---- */

static __attribute__((unused)) int
set_up(void **state)
{
	struct life_domain *domain = mem_zalloc(1, sizeof(*domain));

	domain->keys = mem_zalloc(LIFE_KEYS_MAX, sizeof(*domain->keys));
	domain->name = SPAN_LIT("a.example");
	domain->enabled = true;
	key_plan_default(&domain->plan);
	domain->plan.manage = true;
	domain->plan.jitter_percent = 0;
	snprintf(domain->plan.publisher, sizeof(domain->plan.publisher), "bind1");
	*state = domain;
	return 0;
}

static __attribute__((unused)) int
tear_down(void **state)
{
	struct life_domain *domain = *state;

	mem_free(domain->keys);
	mem_free(domain);
	return 0;
}

/* A key that came as far as state by the ordinary way, that step being done at T. */
static __attribute__((unused)) struct life_key *
add_key(struct life_domain *domain, enum key_state state)
{
	struct life_key *key = &domain->keys[domain->count++];
	struct life_sight none = absent;

	*key = (struct life_key){.algorithm = "rsa-sha256", .bits = 2048};
	snprintf(key->id, sizeof(key->id), "k%zu", domain->count);
	life_prepared(key, &domain->plan, T - 2 * DAY);
	if (state >= KEY_PUBLISHING)
		assert_true(life_surveyed(key, &domain->plan, &none, T - 2 * DAY));
	if (state >= KEY_PUBLISHED)
		key->times.published = T;
	if (state >= KEY_PROVEN) {
		key->life.proofs = 3;
		key->life.auth_first = T - 2 * DAY;
		key->life.auth_last = key->life.looked = T;
		key->times.proven = T;
		key->loading = 5;
	}
	if (state >= KEY_LOADED)
		key->times.loaded = T;
	if (state >= KEY_ACTIVE)
		key->times.active = T;
	if (state >= KEY_RETIRING) {
		key->times.retiring = T;
		key->times.sign_until = T + key->life.lease_s;
	}
	if (state >= KEY_REVOKED)
		key->times.revoking = key->times.revoked = T;
	assert_int_equal(key_state_at(&key->times, T), state);
	key->changed = false;
	return key;
}

static __attribute__((unused)) const struct life_action *
action_of(const struct life_decision *decision, size_t index)
{
	for (size_t i = 0; i < decision->count; i++)
		if (decision->actions[i].what != LIFE_GENERATE && decision->actions[i].key == index)
			return &decision->actions[i];
	return NULL;
}

static __attribute__((unused)) const struct life_wait *
wait_of(const struct life_decision *decision, size_t index)
{
	for (size_t i = 0; i < decision->wait_count; i++)
		if (decision->waits[i].key == index)
			return &decision->waits[i];
	return NULL;
}

static __attribute__((unused)) bool
generates(const struct life_decision *decision)
{
	for (size_t i = 0; i < decision->count; i++)
		if (decision->actions[i].what == LIFE_GENERATE)
			return true;
	return false;
}

static __attribute__((unused)) void
expect_action(struct life_domain *domain, const struct life_gateways *gateways, int64_t now,
    size_t index, enum life_what what)
{
	struct life_decision decision;
	const struct life_action *action;

	life_decide(domain, gateways, now, &decision);
	action = action_of(&decision, index);
	if (action == NULL || action->what != what)
		fail_msg("key %zu: %s, not %s", index,
		    action == NULL ? "nothing" : life_what_name(action->what),
		    life_what_name(what));
	assert_int_equal(decision.due, now);
}

/* Nothing of that kind now; earliest 0 is not compared. */
static __attribute__((unused)) void
expect_wait(struct life_domain *domain, const struct life_gateways *gateways, int64_t now,
    size_t index, enum life_what what, int64_t earliest, const char *by)
{
	struct life_decision decision;
	const struct life_wait *wait;
	const struct life_action *action;

	life_decide(domain, gateways, now, &decision);
	action = action_of(&decision, index);
	assert_true(action == NULL || action->what == LIFE_LOOK);
	wait = wait_of(&decision, index);
	if (wait == NULL || wait->next != what)
		fail_msg("key %zu: waits for %s, not %s", index,
		    wait == NULL ? "nothing" : life_what_name(wait->next), life_what_name(what));
	if (earliest > 0)
		assert_int_equal(wait->earliest, earliest);
	if (by == NULL)
		assert_null(wait->blocked_by);
	else
		assert_string_equal(wait->blocked_by == NULL ? "(null)" : wait->blocked_by, by);
	assert_true(decision.due > now || decision.count > 0);
	if (earliest > 0 && decision.count == 0)
		assert_true(decision.due <= earliest);
}

/* Before a time it waits, from then on it does. */
static __attribute__((unused)) void
expect_from(struct life_domain *domain, const struct life_gateways *gateways, int64_t at,
    size_t index, enum life_what what, const char *by)
{
	expect_wait(domain, gateways, at - 1, index, what, at, by);
	expect_action(domain, gateways, at, index, what);
	expect_action(domain, gateways, at + 1, index, what);
}

#endif
