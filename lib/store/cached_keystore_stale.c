/*
 * cached_keystore_stale.c - an answer that another gateway left, while the store cannot be asked.
 * Called by cached_keystore.c, which would have to refuse the message without it; so a shared cache
 * that is late, as on a machine that has too little time for it, is asked again for late_ms. It
 * must never keep message after message waiting for one that is gone.
 */
#include <time.h>

#include "lib/store/cached_keystore_private.h"

#define STEP_MS 25 /* between two questions to a shared cache that is late */

/* One try; found->late says whether "nothing" means that nobody answered. */
static void
look(struct cached_keystore *cached, struct span name, struct view *view, struct found *found)
{
	int64_t now_ms = cached->config.now_ms();
	/* A current one was asked for before the store was. */
	bool again = found->late || !view->current;

	found->late = false;
	if (!view->polled)
		shared_guess(cached, view, now_ms, found);
	if (view->identity[0] != '\0' && again)
		shared_find(cached, view, name, now_ms, found);
}

/* false: it had its time, now or lately, and nobody waits until it answers again. */
static bool
wait_for_it(struct cached_keystore *cached, int64_t waited_ms)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};

	if (atomic_load(&cached->others_silent) || atomic_load(&cached->closing))
		return false;
	if (waited_ms >= cached->config.late_ms) {
		atomic_store(&cached->others_silent, true);
		return false;
	}
	nanosleep(&step, NULL);
	return true;
}

bool
stale_find(struct cached_keystore *cached, struct span name, struct view *view, struct found *found)
{
	int64_t waited_ms = 0;

	if (cached->config.shared == NULL)
		return false;
	look(cached, name, view, found);
	while (found->belief == BELIEF_NONE && found->late && wait_for_it(cached, waited_ms)) {
		look(cached, name, view, found);
		waited_ms += STEP_MS;
	}
	return found->belief != BELIEF_NONE;
}
