/*
 * hourcount.h - a count of the last hour, kept in slots of five minutes: what is older falls out,
 * slot by slot. No lock of its own.
 */
#ifndef SIGNPOST_DAEMON_HOURCOUNT_H
#define SIGNPOST_DAEMON_HOURCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#define HOURCOUNT_SLOT_S 300 /* counts of so many seconds are kept together, */
#define HOURCOUNT_SLOTS 12U  /* and so many of those are the last hour */

/* All zero is a count of nothing. slot: of now, in HOURCOUNT_SLOT_S of any clock that is not set
 * back; one before the newest that was counted in counts as that one. */
struct hourcount {
	int64_t slot; /* the newest one that is counted in */
	uint32_t counts[HOURCOUNT_SLOTS];
};

/* One more. */
void hourcount_add(struct hourcount *count, int64_t slot);
/* All of it, each in the slot it came in. */
void hourcount_merge(struct hourcount *count, const struct hourcount *more, int64_t slot);
uint64_t hourcount_sum(const struct hourcount *count, int64_t slot);

#endif
