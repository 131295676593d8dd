/*
 * cached_keystore_past.c - what changed in a key store before it was opened here. Without that
 * nothing that other gateways asked for before could be believed, and a restart would ask the store
 * for everything. Called by the first poll. It must never call a part of the list read that was cut
 * off, nor go on without end.
 *
 * The list is read backwards in windows of epochs, each twice as long as the one before, and when
 * one cannot be read each half as long, to where the list begins; or until there are as many
 * subjects as leave room for those to come, or until nobody will have an older answer.
 */
#include <string.h>

#include "lib/base/log.h"
#include "lib/store/cached_keystore_private.h"

#define WINDOW_FIRST 512U
#define EPOCHS_MAX 65536U /* back from now */
#define SUBJECTS_ENOUGH 8192U
#define SUBJECTS_MAX 12288U /* more would leave no room for those that come */
#define QUESTIONS_MAX 128U

struct past {
	struct cached_keystore *cached;
	const struct store_state *now;
	unsigned questions;
	bool over; /* the store is away, or is not what it was */
};

/* One page: changes behind *since, and *since is moved. *done_out: all up to `to` were told. */
static bool
read_page(struct past *past, uint64_t *since, uint64_t to, bool *done_out)
{
	struct cached_keystore *cached = past->cached;
	struct store_state now = {.epoch = 0};
	struct err err = ERR_NONE;
	uint64_t last;
	size_t count = 0;
	enum status status = keystore_changes(
	    cached->inner, *since, KEYSTORE_CHANGES_MAX, cached->changes, &count, &now, &err);

	past->questions++;
	past->over = (status != ST_OK && status != ST_TOO_BIG) || now.epoch < past->now->epoch ||
		     strcmp(now.identity, past->now->identity) != 0;
	if (past->over || (status == ST_TOO_BIG && count == 0) ||
	    marks_count(cached->changed) + count > SUBJECTS_MAX ||
	    !follow_some_changed(cached, count, 0, 0))
		return false;
	last = count > 0 ? cached->changes[count - 1].epoch : 0;
	*done_out = status == ST_OK || last > to;
	/* Of the last epoch there may be more. */
	if (!*done_out && last <= *since + 1)
		return false;
	*since = last - 1;
	return true;
}

/* Are all changes of epochs behind from, up to `to`, remembered now? */
static bool
read_window(struct past *past, uint64_t from, uint64_t to)
{
	bool done = false;

	while (!done && past->questions < QUESTIONS_MAX && !atomic_load(&past->cached->closing))
		if (!read_page(past, &from, to, &done))
			return false;
	return done;
}

static bool
is_enough(const struct past *past, uint64_t start)
{
	return start <= 1 || past->over || past->now->epoch - start >= EPOCHS_MAX ||
	       marks_count(past->cached->changed) >= SUBJECTS_ENOUGH ||
	       past->questions >= QUESTIONS_MAX || atomic_load(&past->cached->closing);
}

void
past_read(struct cached_keystore *cached, const struct store_state *now)
{
	struct past past = {.cached = cached, .now = now};
	uint64_t start = now->epoch, window = WINDOW_FIRST;
	bool further = true;

	while (window > 0 && !is_enough(&past, start)) {
		uint64_t from = start > window ? start - window : 1;

		if (read_window(&past, from, start))
			start = from;
		else
			further = false;
		window = further ? window * 2 : window / 2;
	}
	pthread_rwlock_wrlock(&cached->changed_lock);
	if (start < cached->all.number)
		cached->all.number = start;
	pthread_rwlock_unlock(&cached->changed_lock);
	log_line(LOG_LEVEL_DEBUG, "KeyStore %s: changes since epoch %llu are known, now at %llu",
	    cached->inner->where, (unsigned long long)start, (unsigned long long)now->epoch);
}
