/*
 * leaseclock.c - time that two clocks have measured.
 * Asked by cached_keystore.c for each answer with keys, and by each poll. It must never say that
 * less time has passed than one of the clocks saw, but for what they are steered apart.
 */
#include <stddef.h>

#include "lib/base/clock.h"
#include "lib/store/leaseclock.h"

void
leaseclock_init(struct leaseclock *clock, int64_t now_ms, int64_t (*utc_ms)(void))
{
	clock->utc_ms = utc_ms != NULL ? utc_ms : clock_utc_ms;
	atomic_init(&clock->apart_ms, clock->utc_ms() - now_ms);
	atomic_init(&clock->jumped_ms, INT64_MIN);
	atomic_init(&clock->lost_ms, 0);
}

/* One thread counts a jump. What it lost is there before it is said when: who reads the time first
 * finds all of it. */
void
leaseclock_look(struct leaseclock *clock, int64_t now_ms)
{
	int_least64_t seen_ms = atomic_load_explicit(&clock->apart_ms, memory_order_relaxed);
	int64_t apart_ms = clock->utc_ms() - now_ms, jump_ms = apart_ms - seen_ms;

	if (jump_ms < LEASECLOCK_JUMP_MS && jump_ms > -LEASECLOCK_JUMP_MS)
		return;
	if (!atomic_compare_exchange_strong(&clock->apart_ms, &seen_ms, apart_ms) || jump_ms < 0)
		return;
	atomic_fetch_add(&clock->lost_ms, jump_ms);
	atomic_store(&clock->jumped_ms, now_ms);
}

int64_t
leaseclock_silent_ms(struct leaseclock *clock, int64_t known_ms, int64_t now_ms)
{
	int64_t silent_ms = now_ms - known_ms;

	leaseclock_look(clock, now_ms);
	if (known_ms < atomic_load(&clock->jumped_ms))
		silent_ms += atomic_load(&clock->lost_ms);
	return silent_ms > 0 ? silent_ms : 0;
}
