/*
 * life_private.h - what the files of the life cycle share. All pure; any thread.
 */
#ifndef SIGNPOST_KEYS_LIFE_PRIVATE_H
#define SIGNPOST_KEYS_LIFE_PRIVATE_H

#include "lib/keys/life.h"

/* Between two looks for what somebody does by hand, and between two proofs, at most. */
#define LIFE_LOOK_GAP_S 300
/* Proofs that are further apart than this (or than three of the plan's gaps) begin anew: nobody
 * knows what was between them. */
#define LIFE_PROOF_GAP_MAX_S 600
/* Two algorithms of a domain are not activated closer together than this (or than the plan's
 * activation_wait, if that is shorter). */
#define LIFE_APART_S 3600
/* After so many looks in a row that found nothing, what was published is published again. */
#define LIFE_ABSENT_MAX 4

/* a + b, or the nearest there is: rows may have any number. */
static inline int64_t
life_sum(int64_t a, int64_t b)
{
	int64_t sum;

	if (!__builtin_add_overflow(a, b, &sum))
		return sum;
	return a < 0 ? INT64_MIN : INT64_MAX;
}

static inline int64_t
life_max(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static inline int64_t
life_min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* ---- life_guard.c: the times of a key, from its row; nothing else computes them ---- */

enum key_state life_state(const struct life_key *key, int64_t now_utc);
/* Gateways may have signed with it, or others before it came here. */
bool life_has_signed(const struct life_key *key);
/* Something of ours may be at its name. */
bool life_in_dns(const struct life_key *key);
/* When no signature can be verified by any cache's negative or older answer any more. */
int64_t life_confirm_at(const struct life_key *key);
/* When every signature made with it has had its time; plan: for symbols the row does not have. */
int64_t life_revoke_at(const struct life_key *key, const struct key_plan *plan);
int64_t life_remove_at(const struct life_key *key, const struct key_plan *plan);
/* When a key that is REMOVED may be forgotten: what stood in a slot is in no cache then. */
int64_t life_destroy_at(const struct life_key *key);
/* Who publishes at this target: with a delegation we do only there, and the customer elsewhere. */
const char *life_publisher(const struct key_plan *plan, const char *target);
/* For how long a gateway that heard nothing since may go on with it. */
int64_t life_lease(const struct life_key *key, const struct key_plan *plan);
/* How far apart two proofs may be. */
int64_t life_proof_gap_max(const struct key_plan *plan);
bool life_same_algorithm(const struct life_key *a, const struct life_key *b);
bool life_wanted(const struct key_plan *plan, const struct life_key *key);
/* Another key that is ACTIVE, of the same algorithm; any: of whichever. */
bool life_other_active(const struct life_domain *domain, size_t index, bool any, int64_t now_utc);
/* May this one stop signing for good: is there another that does, or is nothing to be signed? */
bool life_may_leave(const struct life_domain *domain, size_t index, int64_t now_utc);

/* The key of its algorithm that retired last and can still be verified; SIZE_MAX: none.
 * life_orders.c. */
size_t life_predecessor(const struct life_domain *domain, size_t index, int64_t now_utc);

/* ---- life_slots.c: a plan with a delegation ---- */

/* How many keys of algorithms[algorithm] can be made, when made[] of each are about to be: what the
 * other ones need to go on stays free. Any number without a delegation. */
int life_slots_free(const struct life_domain *domain, size_t algorithm,
    const int made[PLAN_ALGORITHMS_MAX], int64_t now_utc);
/* When the next one is free, if nothing comes between; INT64_MAX: unknown. */
int64_t life_slots_next_at(const struct life_domain *domain, int64_t now_utc);
/* A new key whose selector is none of the slots: nobody has a CNAME for it. */
bool life_is_misplaced(const struct life_domain *domain, const struct life_key *key);

/* ---- life_steps.c ---- */

/* What is to be done next failed: it is done again, later each time, never later than most_s from
 * now. */
void life_retry(struct life_key *key, const struct key_plan *plan, int64_t most_s, const char *why,
    int64_t now_utc);
/* It went well. */
void life_well(struct life_key *key);
void life_say(struct life_key *key, const char *why);
/* Symbols that the row does not have are those of the plan from now on. */
void life_symbols(struct life_key *key, const struct key_plan *plan);
/* keys[index] is ACTIVE from now on, the others of its algorithm retire. No guard is asked. */
void life_take_over(struct life_domain *domain, size_t index, int64_t now_utc);
/* An ACTIVE key stops signing: no gateway signs with it from sign_until on. */
void life_freeze(struct life_key *key, const struct key_plan *plan, int64_t now_utc);

/* ---- life_next.c: what one key waits for ---- */

struct life_step {
	bool set;
	enum life_what what;
	int64_t at;     /* not before */
	bool stuck;     /* not at any time, until something else changes */
	bool poll;      /* which nobody tells: it is asked for again soon */
	const char *by; /* as in life_wait */
};

struct life_view {
	const struct life_domain *domain;
	const struct life_gateways *gateways;
	int64_t now;
	bool activating; /* one key of this domain is activated already */
};

/* next: the step that its life goes on with; look: what is to be seen, or mended, beside that. */
void life_next(
    const struct life_view *view, size_t index, struct life_step *next, struct life_step *look);
/* ---- life_canary.c ---- */
/* Of an ACTIVE key of which gateways say that its signatures do not verify. */
void life_next_failing(
    const struct life_view *view, size_t index, struct life_step *next, struct life_step *look);
/* Of a RETIRING key that such a one would be rolled back to. */
void life_next_needed(
    const struct life_view *view, size_t index, struct life_step *next, struct life_step *look);
/* Is a key of this domain about to be rolled back? */
bool life_rolls_back(const struct life_view *view);
/* An operator decided about the key that was rolled back. */
void life_go_on(struct life_domain *domain);

/* ---- life_mirror.c ---- */
/* Is it not in the mirror where it has to be, for sure? */
bool life_mirror_lacks(const struct life_domain *domain, const struct life_key *key);
/* Do its readers sign with this key, or may they, and does its record have to stay therefore? */
bool life_mirror_keeps(const struct life_domain *domain, size_t index, int64_t now_utc);
/* How it gets there. */
struct life_step life_mirror_step(const struct life_view *view, const struct life_key *key);
/* What the mirror needs of this key comes before, or beside, what is next. */
void life_next_mirror(
    const struct life_view *view, size_t index, struct life_step *next, struct life_step *look);
/* A revocation or removal that is next waits until the mirror has another key. */
void life_wait_for_mirror(const struct life_view *view, size_t index, struct life_step *next);

/* ---- life_next_activate.c: the same of a LOADED key ---- */
void life_next_activate(
    const struct life_view *view, size_t index, struct life_step *next, struct life_step *look);
static inline bool
life_ready(const struct life_step *step, int64_t now_utc)
{
	return step->set && !step->stuck && step->at <= now_utc;
}
/* Have all gateways tried it, with success? */
bool life_gateways_have(const struct life_view *view, const struct life_key *key);
/* Was the record right lately: not longer than most_s ago? */
bool life_fresh(const struct life_view *view, const struct life_key *key, int64_t most_s);

#endif
