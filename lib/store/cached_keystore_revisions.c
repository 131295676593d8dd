/*
 * cached_keystore_revisions.c - the highest revisions of keys that were seen, so that an old row
 * that is put back is not signed with. Called for each answer that has keys, of the store and of
 * the shared cache. It must never let rows of one history of a store count in another.
 *
 * They are remembered by domain and selector, whatever the id: where a slot is used again both
 * revisions go on, so that the row of its former key is old, too.
 */
#include <stdio.h>

#include "lib/base/mem.h"
#include "lib/store/cached_keystore_private.h"

#define REVISIONS_MAX 32768U /* numbers, twice */

void
revisions_init(struct cached_keystore *cached)
{
	pthread_mutex_init(&cached->revisions_lock, NULL);
	cached->revisions = marks_new(REVISIONS_MAX);
	cached->old_revisions = marks_new(REVISIONS_MAX);
}

void
revisions_free(struct cached_keystore *cached)
{
	pthread_mutex_destroy(&cached->revisions_lock);
	marks_free(cached->revisions);
	marks_free(cached->old_revisions);
}

void
revisions_forget(struct cached_keystore *cached, unsigned history)
{
	pthread_mutex_lock(&cached->revisions_lock);
	marks_clear(cached->revisions);
	marks_clear(cached->old_revisions);
	cached->revisions_history = history;
	pthread_mutex_unlock(&cached->revisions_lock);
}

/* Is number at least what was seen under this name? */
static bool
revision_passes(struct cached_keystore *cached, struct span name, uint64_t number, uint64_t *seen)
{
	const struct mark mark = {.number = number};
	uint64_t old = marks_get(cached->old_revisions, name).number;

	*seen = marks_get(cached->revisions, name).number;
	if (old > *seen)
		*seen = old;
	if (number < *seen)
		return false;
	if (!marks_raise(cached->revisions, name, mark)) {
		struct marks *full = cached->revisions;

		cached->revisions = cached->old_revisions;
		cached->old_revisions = full;
		marks_clear(cached->revisions);
		(void)!marks_raise(cached->revisions, name, mark);
	}
	return true;
}

static enum status
check_revision(struct cached_keystore *cached, const struct store_key *key, const char *what,
    uint64_t number, struct err *err)
{
	char name[KEYSTORE_DOMAIN_MAX + KEYSTORE_SELECTOR_MAX + 8];
	int n = snprintf(name, sizeof(name), "%s %.*s %.*s", what, SPAN_ARG(key->domain),
	    SPAN_ARG(key->selector));
	uint64_t seen;

	if (n < 0 || (size_t)n >= sizeof(name))
		return ST_OK; /* no name that a row may have: route.c says so */
	if (revision_passes(cached, span_of(name, (size_t)n), number, &seen))
		return ST_OK;
	err_set(err,
	    "%s: the key %.*s (%.*s of %.*s) has revision %llu%s, and %llu was seen before under "
	    "this selector: an old row was put back; put the newer one there, or reload signpostd "
	    "if this is right",
	    cached->inner->where, SPAN_ARG(key->id), SPAN_ARG(key->selector), SPAN_ARG(key->domain),
	    (unsigned long long)number, what[0] == 'r' ? " of its row" : "",
	    (unsigned long long)seen);
	return ST_INVALID;
}

enum status
revisions_check(struct cached_keystore *cached, unsigned history, const struct keystore_rows *rows,
    struct err *err)
{
	enum status status = ST_OK;

	if (rows->key_count == 0)
		return ST_OK;
	pthread_mutex_lock(&cached->revisions_lock);
	if (history != cached->revisions_history) {
		err_set(err, "%s became another store while it was asked", cached->inner->where);
		status = ST_UNAVAILABLE;
	}
	for (size_t i = 0; i < rows->key_count && status == ST_OK; i++) {
		const struct store_key *key = &rows->keys[i];

		status = check_revision(cached, key, "k", key->revision, err);
		if (status == ST_OK)
			status = check_revision(cached, key, "r", key->row_revision, err);
	}
	pthread_mutex_unlock(&cached->revisions_lock);
	return status;
}
