/*
 * life_explorer.h - the world of test_life_explorer.c: rows in ticks, what is at each name, what
 * time does to them. Small, so that many of them fit into memory. For test_life_explorer.c.
 */
#ifndef SIGNPOST_TESTS_UNIT_LIFE_EXPLORER_H
#define SIGNPOST_TESTS_UNIT_LIFE_EXPLORER_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/keys/life.h"

#define KEYS 3
#define GATEWAYS 2
#define NOW 60 /* always: time is how long ago something was, or in how long it will be */
#define OLD 20 /* longer ago than any wait */

#define NEG 2
#define PREV 4     /* of a wildcard */
#define SLOT_TTL 4 /* of a record in a slot */
#define LEASE 3
#define SIGNATURE 2
#define ERROR 1
#define WINDOW 2  /* of the canary */
#define SILENCE 2 /* a gateway that said nothing for longer is not waited for */

enum record { NONE, OURS, TOMB };
enum flying { FLY_NOTHING, FLY_ADD, FLY_TOMB, FLY_REMOVE };

/* A row and its record, in ticks. */
struct mini {
	int8_t exists;
	int8_t publishing, published, proven, loaded, active, retiring, revoking, revoked, removed,
	    destroyed, held, compromised, failed, sign_until;
	int8_t removing, auth_first, auth_last, proofs, looked, drifted, tries, next_try, pending,
	    neg, prev, loading, checked, suspect;
	int8_t mirrored, mirroring, mirror_try, mirror_tries;
	int8_t primary, secondary; /* enum record */
	int8_t bad;                /* the last tick at which a server said something else */
	int8_t worse;              /* the last tick at which it was another key of the slot */
	int8_t slot;               /* from 1 */
	int8_t signed_at;          /* the last tick at which somebody signed with it */
};

struct world {
	int8_t epoch;
	struct mini keys[KEYS];
	struct {
		int8_t may; /* bits: the keys that its rows let it sign with */
		int8_t word, epoch;
	} gateways[GATEWAYS];
	int8_t flying, flying_key;
	int8_t paused, rolled_back; /* the domain */
	int8_t faults, orders;      /* that are left */
	int8_t signing;             /* the domain had an ACTIVE key */
	int8_t lost;                /* bits: the slots whose CNAME is not there */
	int8_t mirror;              /* the key that the mirror shows, from 1; 0: none */
};

struct node {
	struct world world;
	uint32_t parent;
	const char *event;
};

struct setting {
	const char *name;
	uint32_t at_least; /* worlds that are to be found */
	int keys;          /* that can be made; at most KEYS */
	bool standing;     /* begins with an ACTIVE and a stand-by key */
	bool by_hand;
	bool wildcard; /* *._domainkey answers where nothing is */
	int faults, orders;
	int interval, drift; /* 0: never */
	bool canary;         /* gateways say that signatures do not verify */
	int slots;           /* 0: each key has a name of its own */
	int lost;            /* bits: the slots whose CNAME is not there at first */
	bool mirror;         /* the plan has one, and its readers sign with what it shows */
	bool moves;          /* the customer takes the CNAME away of a key that does not sign */
};

struct explorer {
	const struct setting *setting;
	struct life_domain *domain; /* where rows are unpacked */
	struct node *nodes;
	uint32_t count, room;
	uint64_t *seen; /* open addressing; 0: free */
	size_t seen_room;
	uint32_t at; /* the node whose successors are made */
	uint32_t used, rotated, completed, reused, rolled_back, resumed;
};

/* ---- rows ---- */

/* clang-format off */
#define TIMES(X) \
	X(publishing) X(published) X(proven) X(loaded) X(active) X(retiring) X(revoking) \
	X(revoked) X(removed) X(destroyed) X(held) X(compromised) X(failed) X(sign_until)
#define LIVES(X) X(removing) X(auth_first) X(auth_last) X(looked) X(next_try) X(checked) \
	X(mirrored) X(mirroring) X(mirror_try)
/* clang-format on */

static const char *const selectors[] = {"", "s1", "s2", "s3"};

static int
ttl_of(const struct setting *setting)
{
	return setting->slots > 0 ? SLOT_TTL : 1;
}

static void
set_plan(struct key_plan *plan, const struct setting *setting)
{
	key_plan_default(plan);
	plan->manage = true;
	snprintf(plan->publisher, sizeof(plan->publisher), "p");
	plan->interval_s = setting->interval;
	plan->jitter_percent = 0;
	plan->ttl_s = ttl_of(setting);
	plan->neg_floor_s = plan->neg_cap_s = NEG;
	plan->lease_s = LEASE;
	plan->signature_s = SIGNATURE;
	plan->error_s = ERROR;
	plan->tomb_s = 2;
	plan->activation_wait_s = 0;
	plan->proofs = 2;
	plan->proof_gap_s = 1;
	plan->timed_ack_s = 1;
	plan->drift_s = setting->drift > 0 ? setting->drift : 1000;
	plan->retry_s = plan->retry_max_s = 1;
	plan->canary_window_s = setting->canary ? WINDOW : 0;
	plan->give_up_s = 0;
	if (setting->mirror)
		plan->mirror[0] = 'm';
	if (setting->slots == 0)
		return;
	snprintf(plan->delegation, sizeof(plan->delegation), "d.example");
	snprintf(plan->selector, sizeof(plan->selector), "s{slot}");
	plan->slots = setting->slots;
}

static void
unpack_key(const struct mini *from, int number, struct life_key *to)
{
	*to = (struct life_key){.algorithm = "rsa-sha256", .bits = 2048};
	to->id[0] = (char)('a' + number);
	to->times.created = 1;
#define X(field) to->times.field = from->field;
	TIMES(X)
#undef X
#define X(field) to->life.field = from->field;
	LIVES(X)
#undef X
	to->life.proofs = from->proofs;
	to->life.tries = from->tries;
	to->life.drifted = from->drifted;
	to->life.pending = from->pending;
	to->life.suspect = from->suspect;
	to->life.neg_s = from->neg;
	to->life.prev_s = from->prev;
	to->loading = (uint64_t)from->loading;
	to->life.mirror_tries = from->mirror_tries;
	if (from->mirrored > 0 || from->mirroring > 0)
		to->life.mirror[0] = 'm';
	to->selector = span_str(selectors[from->slot]);
	if (from->publishing <= 0)
		return;
	to->life.publisher[0] = 'p';
	if (from->slot > 0)
		to->life.target[0] = 't';
	to->life.ttl_s = from->slot > 0 ? SLOT_TTL : 1;
	to->life.lease_s = LEASE;
	to->life.signature_s = SIGNATURE;
	to->life.error_s = ERROR;
	to->life.tomb_s = 2;
}

static void
pack_key(const struct life_key *from, struct mini *to)
{
#define X(field) to->field = (int8_t)from->times.field;
	TIMES(X)
#undef X
#define X(field) to->field = (int8_t)from->life.field;
	LIVES(X)
#undef X
	to->proofs = (int8_t)from->life.proofs;
	to->tries = (int8_t)from->life.tries;
	to->drifted = from->life.drifted;
	to->pending = from->life.pending;
	to->suspect = from->life.suspect;
	to->neg = (int8_t)from->life.neg_s;
	to->prev = (int8_t)from->life.prev_s;
	to->loading = (int8_t)from->loading;
	to->mirror_tries = (int8_t)from->life.mirror_tries;
}

/* The keys that are there; which[i]: the number of keys[i]. */
static void
unpack(struct explorer *e, const struct world *world, int *which)
{
	struct life_domain *domain = e->domain;

	domain->life.paused = world->paused;
	domain->life.rolled_back = world->rolled_back;
	domain->count = 0;
	for (int k = 0; k < KEYS; k++) {
		if (!world->keys[k].exists || world->keys[k].destroyed > 0)
			continue;
		unpack_key(&world->keys[k], k, &domain->keys[domain->count]);
		which[domain->count++] = k;
	}
}

/* One transaction. A loading that is to be the epoch becomes it. */
static void
commit(struct explorer *e, struct world *world, const int *which)
{
	for (size_t i = 0; i < e->domain->count; i++) {
		struct life_key *key = &e->domain->keys[i];

		if (key->loading == UINT64_MAX)
			key->loading = (uint64_t)++world->epoch;
		pack_key(key, &world->keys[which[i]]);
	}
	world->paused = e->domain->life.paused > 0;
	world->rolled_back = e->domain->life.rolled_back > 0;
}

/* Once it is so long ago that no wait is open any more, it is only known that it was. */
static void
age(int8_t *at, int most)
{
	if (*at > 0 && *at < NOW - most)
		*at = NOW - OLD;
}

/* What no later step asks for is forgotten, so that worlds that go on alike are one. */
static void
canonical_key(struct mini *key, const struct setting *setting)
{
	int most = setting->canary && setting->interval < WINDOW ? WINDOW : setting->interval;

	age(&key->publishing, -1);
	age(&key->published, -1);
	age(&key->proven, key->loaded > 0 ? -1 : 1);
	age(&key->loaded, OLD);
	age(&key->active, most);
	if (key->checked < key->active)
		key->checked = 0;
	age(&key->checked, most);
	age(&key->retiring, OLD);
	age(&key->revoking, -1);
	age(&key->revoked, setting->slots > 0 ? SLOT_TTL : 2);
	age(&key->removing, -1);
	age(&key->removed, setting->slots > 0 ? SLOT_TTL + NEG + ERROR : -1);
	age(&key->held, -1);
	age(&key->compromised, -1);
	age(&key->failed, 1);
	age(&key->sign_until, SIGNATURE + ERROR);
	age(&key->auth_first, PREV + ERROR);
	age(&key->auth_last, setting->drift > 0 ? setting->drift : key->proofs >= 2 ? -1 : 1);
	age(&key->looked, setting->drift > 0 ? setting->drift : -1);
	age(&key->mirrored, setting->drift > 0 ? setting->drift : -1);
	age(&key->mirroring, -1);
	if (key->mirror_try <= NOW)
		key->mirror_try = 0;
	if (key->mirror_tries > 1)
		key->mirror_tries = 1;
	if (key->next_try <= NOW)
		key->next_try = 0;
	if (key->tries > 4)
		key->tries = (int8_t)(key->tries - 4);
	if (NOW - key->signed_at > SIGNATURE)
		key->signed_at = 0;
	if (NOW - key->bad >= PREV)
		key->bad = 0;
	if (NOW - key->worse >= SLOT_TTL)
		key->worse = 0;
	if (key->revoking > 0 && key->signed_at == 0)
		key->bad = key->worse = 0;
	if (key->destroyed > 0)
		*key = (struct mini){.exists = 1,
		    .destroyed = NOW - OLD,
		    .publishing = key->publishing,
		    .revoking = key->revoking,
		    .removing = key->removing,
		    .compromised = key->compromised,
		    .primary = key->primary,
		    .secondary = key->secondary,
		    .signed_at = key->signed_at,
		    .bad = key->bad,
		    .worse = key->worse,
		    .slot = key->slot,
		    .removed = setting->slots > 0 ? key->removed : 0};
}

static void
canonical(struct world *w, const struct setting *setting)
{
	for (int k = 0; k < KEYS; k++)
		canonical_key(&w->keys[k], setting);
	for (int g = 0; g < GATEWAYS; g++)
		age(&w->gateways[g].word, LEASE + ERROR);
}

static void
back(int8_t *at)
{
	if (*at > NOW - OLD)
		--*at;
}

/* Now is always NOW: all that was is one tick longer ago. */
static void
tick(struct world *w)
{
	for (int k = 0; k < KEYS; k++) {
		struct mini *key = &w->keys[k];

#define X(field) back(&key->field);
		TIMES(X)
		LIVES(X)
#undef X
		back(&key->bad);
		back(&key->worse);
		back(&key->signed_at);
	}
	for (int g = 0; g < GATEWAYS; g++)
		back(&w->gateways[g].word);
}

/* ---- names that keys share ---- */

/* What the others of its slot have at the same name. */
static void
others(const struct world *w, int k, int *primary_out, int *secondary_out)
{
	*primary_out = *secondary_out = NONE;
	for (int i = 0; i < KEYS; i++) {
		const struct mini *other = &w->keys[i];

		if (i == k || w->keys[k].slot == 0 || other->slot != w->keys[k].slot)
			continue;
		if (other->primary != NONE)
			*primary_out = other->primary;
		if (other->secondary != NONE)
			*secondary_out = other->secondary;
	}
}

static bool
leads(const struct world *w, const struct mini *key)
{
	return key->slot == 0 || (w->lost >> key->slot & 1) == 0;
}

#endif
