/*
 * quota.h - what is remembered of tenants with a quota (struct store_quota): how much they have,
 * counted not long ago, and how much they asked by HTTP. The quotas themselves are in the store.
 */
#ifndef SIGNPOST_ADMIN_API_QUOTA_H
#define SIGNPOST_ADMIN_API_QUOTA_H

#include "lib/store/keystore.h"

#define QUOTA_COUNT_KEPT_MS 2000 /* for so long a count is believed that nobody else changes */
#define QUOTA_RATE_KEPT_MS 5000  /* and a limit of requests */
#define QUOTA_TURN_S 1           /* a store that is slow for one tenant holds up others no longer */
#define QUOTA_RATE_S 60          /* store_quota.requests are of so many seconds */

/* Of one store. Any thread. */
struct quotas;
void quotas_new(struct keystore *store, struct quotas **out);
void quotas_free(struct quotas *quotas); /* NULL is fine */

/* The quota of a tenant. ST_OK: *out, whose tenant is the span that was given, and *found_out. Of a
 * store whose schema has no room for quotas nobody has one; that is said once in the log, and asked
 * again. ST_UNAVAILABLE. Blocking. */
enum status quotas_find(struct quotas *quotas, struct span tenant, struct store_quota *out,
    bool *found_out, struct err *err) MUST_USE;

/* Threads of this process that add to one tenant go one after the other, so that they do not make
 * each other late: from what is read of its quota until it is written. A bit for each of the
 * tenants that had a quota when it was read last (always: also for those of which that is not
 * known); several bits are taken together, and those that were are answered: whoever waited
 * QUOTA_TURN_S goes on without, and may be late. */
uint64_t quotas_turn_of(struct quotas *quotas, struct span tenant, bool always);
uint64_t quotas_take_turn(struct quotas *quotas, uint64_t turns) MUST_USE;
void quotas_end_turn(struct quotas *quotas, uint64_t turns);

/* What the tenant of this row has, no older than the row or QUOTA_COUNT_KEPT_MS. Blocking. */
enum status quotas_count(struct quotas *quotas, const struct store_quota *row,
    struct store_count *out, struct err *err) MUST_USE;
/* The row was written, with so much more than was counted under it. */
void quotas_added(
    struct quotas *quotas, const struct store_quota *row, const struct store_count *more);
/* Something of it was removed, or its quota changed: nothing is remembered but its requests. */
void quotas_forget(struct quotas *quotas, struct span tenant);

/* What one more request of a tenant is told. */
struct quota_rate {
	int64_t limit;   /* in QUOTA_RATE_S; QUOTA_NONE: there is none */
	int64_t left;    /* so many more may come at once */
	int64_t reset_s; /* until all may */
	int64_t wait_s;  /* it was one too many: until the next one may; 0: it was not */
};
/* Counts it, unless it is one too many. A store that does not answer is no reason to refuse: what
 * it said last holds. Blocking: may ask the store. */
void quotas_request(struct quotas *quotas, struct span tenant, struct quota_rate *out);

/* The rate alone (GCRA), pure: *full_us is when all may come at once again, 0 at first; for tests
 * of time. limit: 0 or more. */
void quota_rate_take(int64_t limit, int64_t now_us, int64_t *full_us, struct quota_rate *out);

#endif
