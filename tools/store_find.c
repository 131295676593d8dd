/*
 * store_find.c - the row of a name, also in a store that can only list rows behind a name.
 * Called by load for each line. Where rows are listed, lines that come in the order of the names
 * find most of them in the page that was read last. It must never answer from a page after
 * something was written.
 */
#include <stdio.h>
#include <string.h>

#include "tools/store.h"

#define AHEAD_MAX 512U

void
store_finder_begin(struct store_finder *finder, struct keystore *store)
{
	memset(finder, 0, sizeof(*finder));
	finder->store = store;
	finder->ahead = 1;
}

void
store_finder_forget(struct store_finder *finder)
{
	keystore_rows_release(finder->page);
	finder->page = NULL;
}

/* The order of the store: octet by octet, the first name before the second. */
static int
compare_names(
    struct span first, struct span second, struct span other_first, struct span other_second)
{
	int order = span_compare(first, other_first);

	return order != 0 ? order : span_compare(second, other_second);
}

/* A text that no row can have as its name, in front of name and behind all that come before it: the
 * last octet less one, and '~', which is behind every letter of a name. */
static void
just_before(struct span name, char room[KEYSTORE_SUBJECT_MAX + 1])
{
	room[0] = '\0';
	if (name.n == 0 || name.n > KEYSTORE_SUBJECT_MAX - 1)
		return;
	memcpy(room, name.p, name.n);
	room[name.n - 1]--;
	room[name.n] = '~';
	room[name.n + 1] = '\0';
}

/* Is name where the page would have it? */
static bool
covers(
    const struct store_finder *finder, enum store_what what, struct span first, struct span second)
{
	struct span last_first, last_second;
	size_t count;

	if (finder->page == NULL || finder->what != what ||
	    compare_names(first, second, span_str(finder->first), span_str(finder->second)) <= 0)
		return false;
	count = store_row_count(finder->page, what);
	if (finder->last || count == 0)
		return finder->last;
	store_row_names(finder->page, what, count - 1, &last_first, &last_second);
	return compare_names(first, second, last_first, last_second) <= 0;
}

static enum status
read_page(struct store_finder *finder, enum store_what what, struct span first, struct span second,
    struct err *err)
{
	char after[KEYSTORE_SUBJECT_MAX * 2 + 4];
	enum status status;

	/* As far ahead as it was of use. */
	if (finder->hits * 2 >= finder->ahead)
		finder->ahead = finder->ahead < AHEAD_MAX ? finder->ahead * 2 : AHEAD_MAX;
	else
		finder->ahead = finder->ahead > 4 ? finder->ahead / 4 : 1;
	finder->hits = 0;
	store_finder_forget(finder);
	finder->what = what;
	if (second.n == 0) {
		just_before(first, finder->first);
		finder->second[0] = '\0';
	} else {
		snprintf(finder->first, sizeof(finder->first), "%.*s", SPAN_ARG(first));
		just_before(second, finder->second);
	}
	snprintf(after, sizeof(after), "%s%s%s", finder->first, second.n == 0 ? "" : " ",
	    finder->second);
	status = finder->store->ops->list(
	    finder->store, what, span_str(after), finder->ahead, &finder->page, err);
	if (status != ST_OK) {
		finder->page = NULL;
		return status == ST_ABSENT ? ST_FAILED : status;
	}
	/* A page may be shorter than it could be; only an empty one is the end. */
	finder->last = store_row_count(finder->page, what) == 0;
	return ST_OK;
}

/* ST_ABSENT when it is not in the page. */
static enum status
search_page(struct store_finder *finder, struct span first, struct span second, size_t *index_out)
{
	size_t low = 0, high = store_row_count(finder->page, finder->what);

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct span row_first, row_second;
		int order;

		store_row_names(finder->page, finder->what, middle, &row_first, &row_second);
		order = compare_names(first, second, row_first, row_second);
		if (order == 0) {
			*index_out = middle;
			finder->hits++;
			return ST_OK;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return ST_ABSENT;
}

/* Subjects of bindings have letters behind '~'; they can be asked for by name. */
static enum status
find_binding(struct store_finder *finder, struct span subject, size_t *index_out, struct err *err)
{
	enum status status;

	store_finder_forget(finder);
	status = keystore_bindings(finder->store, &subject, 1, &finder->page, err);
	if (status != ST_OK) {
		finder->page = NULL;
		return status;
	}
	finder->what = STORE_BINDING;
	finder->last = false;
	for (*index_out = 0; *index_out < finder->page->binding_count; (*index_out)++)
		if (span_eq(finder->page->bindings[*index_out].subject, subject))
			return ST_OK;
	return ST_ABSENT;
}

/* A store that finds rows by their names is asked for this one. */
static enum status
find_named(struct store_finder *finder, enum store_what what, struct span first, struct span second,
    struct err *err)
{
	char room[KEYSTORE_SUBJECT_MAX * 2 + 4];
	struct span name;
	enum status status;
	int n = snprintf(room, sizeof(room), "%.*s%s%.*s", SPAN_ARG(first), second.n > 0 ? " " : "",
	    SPAN_ARG(second));

	/* The room is that of the longest names; nobody has a longer one. */
	if (n < 0 || (size_t)n >= sizeof(room))
		return ST_ABSENT;
	name = span_of(room, (size_t)n);
	store_finder_forget(finder);
	status = finder->store->ops->find(finder->store, what, &name, 1, &finder->page, err);
	finder->what = what;
	finder->last = false;
	finder->first[0] = finder->second[0] = '\0';
	if (status == ST_OK)
		return ST_OK;
	finder->page = NULL;
	return status == ST_ABSENT ? ST_FAILED : status;
}

enum status
store_find(struct store_finder *finder, enum store_what what, struct span first, struct span second,
    struct keystore_rows **rows_out, size_t *index_out, struct err *err)
{
	enum status status = ST_OK;

	*rows_out = NULL;
	if (what == STORE_BINDING)
		status = find_binding(finder, first, index_out, err);
	else if (finder->store->ops->find != NULL)
		status = find_named(finder, what, first, second, err);
	else if (!covers(finder, what, first, second))
		status = read_page(finder, what, first, second, err);
	if (status == ST_OK && what != STORE_BINDING)
		status = search_page(finder, first, second, index_out);
	if (status == ST_OK)
		*rows_out = finder->page;
	return status;
}
