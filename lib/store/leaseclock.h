/*
 * leaseclock.h - for how long a store has not been heard of. The monotonic clock stands still while
 * a machine sleeps or a virtual one is paused, and the clock of the day may be set back: so the
 * longer of the two counts. For cached_keystore.c; any thread.
 */
#ifndef SIGNPOST_STORE_LEASECLOCK_H
#define SIGNPOST_STORE_LEASECLOCK_H

#include <stdatomic.h>
#include <stdint.h>

#define LEASECLOCK_JUMP_MS 1000 /* less is how clocks are steered */

struct leaseclock {
	int64_t (*utc_ms)(void);
	atomic_int_least64_t
	    apart_ms; /* the day's clock less the monotonic one, at the last look */
	atomic_int_least64_t jumped_ms; /* monotonic: when the last jump forward was noticed */
	atomic_int_least64_t lost_ms;   /* of all jumps forward */
};

/* utc_ms NULL: clock_utc_ms(). */
void leaseclock_init(struct leaseclock *clock, int64_t now_ms, int64_t (*utc_ms)(void));
/* Before a word of the store that counts from now_ms on: what comes after it is not counted against
 * it. now_ms: monotonic, as everywhere here. */
void leaseclock_look(struct leaseclock *clock, int64_t now_ms);
/* Since known_ms; not negative. What was known before the last jump forward is older by all of
 * them: rather a lease that is over too early. */
int64_t leaseclock_silent_ms(struct leaseclock *clock, int64_t known_ms, int64_t now_ms);

#endif
