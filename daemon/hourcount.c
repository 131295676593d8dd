/*
 * hourcount.c - a ring of twelve slots.
 * Called with the lock of whoever has the count. It must never add what is older than an hour.
 */
#include "daemon/hourcount.h"

/* Slots that have come since are empty. */
static void
move_on(struct hourcount *count, int64_t slot)
{
	int64_t passed = slot - count->slot;

	for (int64_t i = 1; i <= passed && i <= HOURCOUNT_SLOTS; i++)
		count->counts[(count->slot + i) % HOURCOUNT_SLOTS] = 0;
	if (passed > 0)
		count->slot = slot;
}

void
hourcount_add(struct hourcount *count, int64_t slot)
{
	move_on(count, slot);
	count->counts[count->slot % HOURCOUNT_SLOTS]++;
}

void
hourcount_merge(struct hourcount *count, const struct hourcount *more, int64_t slot)
{
	struct hourcount moved = *more;

	move_on(&moved, slot);
	move_on(count, moved.slot);
	move_on(&moved, count->slot);
	for (unsigned i = 0; i < HOURCOUNT_SLOTS; i++)
		count->counts[i] += moved.counts[i];
}

uint64_t
hourcount_sum(const struct hourcount *count, int64_t slot)
{
	struct hourcount moved = *count;
	uint64_t sum = 0;

	move_on(&moved, slot);
	for (unsigned i = 0; i < HOURCOUNT_SLOTS; i++)
		sum += moved.counts[i];
	return sum;
}
