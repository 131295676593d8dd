/*
 * breaker.c - the times at which a server that is away is tried again.
 * Called by backends that ask servers, under their own lock.
 * It must never let two threads wait for one silent server, nor keep a server that is back from
 * use for longer than BREAKER_MOST_MS.
 */
#include "backends/breaker.h"

enum breaker_turn
breaker_turn(struct breaker *breaker, int64_t now_ms)
{
	if (!breaker->open)
		return BREAKER_ASK;
	if (breaker->trying || now_ms < breaker->next_ms)
		return BREAKER_REFUSE;
	breaker->trying = true;
	return BREAKER_TRY;
}

bool
breaker_good(struct breaker *breaker)
{
	bool was_open = breaker->open;

	*breaker = (struct breaker){.open = false};
	return was_open;
}

/* A thread that began before the breaker opened brings no news, and leaves the times alone. */
bool
breaker_bad(struct breaker *breaker, enum breaker_turn turn, int64_t began_ms, int64_t now_ms)
{
	bool was_open = breaker->open;

	if (was_open && turn != BREAKER_TRY)
		return false;
	if (!was_open) {
		breaker->delay_ms = BREAKER_FIRST_MS;
		breaker->next_ms = now_ms + BREAKER_FIRST_MS;
	} else {
		breaker->delay_ms *= 2;
		if (breaker->delay_ms > BREAKER_MOST_MS)
			breaker->delay_ms = BREAKER_MOST_MS;
		breaker->next_ms = began_ms + breaker->delay_ms;
		if (breaker->next_ms < now_ms + BREAKER_PAUSE_MS)
			breaker->next_ms = now_ms + BREAKER_PAUSE_MS;
	}
	breaker->open = true;
	breaker->trying = false;
	return !was_open;
}
