/*
 * state.h - the state of a key as a pure function of its timestamps and the time. Nothing else
 * says what a key may do: no column "active", no flag that somebody could forget to change.
 */
#ifndef SIGNPOST_KEYS_STATE_H
#define SIGNPOST_KEYS_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* When each step was reached: seconds since 1970 UTC by the store's clock; 0 (or less): not
 * reached. A time that is still to come has not been reached, so that steps can be planned. Not so
 * compromised, revoking, revoked, removed and destroyed: nobody plans them, they are written when
 * they happen, and a gateway whose clock is slow must not sign on until it agrees. */
struct key_times {
	int64_t created, publishing, published, proven, loaded, active, retiring, revoking, revoked,
	    removed, destroyed;
	int64_t held;        /* by an operator or a rollback; 0 again when released */
	int64_t compromised; /* emergency */
	int64_t failed;
	int64_t sign_until; /* no gateway signs with it from then on; 0: no such limit */
};

enum key_state {
	KEY_PREPARED,
	KEY_PUBLISHING,
	KEY_PUBLISHED,
	KEY_PROVEN,
	KEY_LOADED, /* the stand-by key */
	KEY_ACTIVE,
	KEY_RETIRING,
	KEY_REVOKED,
	KEY_REMOVED,
	KEY_DESTROYED,
	KEY_HELD,
	KEY_COMPROMISED,
	KEY_FAILED
};

/* The furthest step that was reached, whatever the order of the times. DESTROYED, REMOVED and
 * REVOKED win over everything, then COMPROMISED, FAILED, HELD. "revoking" is the delete intent, the
 * point of no return: the state is RETIRING (or COMPROMISED), and the key never signs again. */
enum key_state key_state_at(const struct key_times *times, int64_t now_utc);
/* ACTIVE, and sign_until not reached. Also while RETIRING no: only ACTIVE signs. */
bool key_may_sign(const struct key_times *times, int64_t now_utc);
/* ACTIVE, and only sign_until keeps it from signing: the lease is over. */
bool key_lease_over(const struct key_times *times, int64_t now_utc);
/* "ACTIVE", ...; static. */
const char *key_state_name(enum key_state state);

#endif
