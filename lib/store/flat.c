/*
 * flat.c - opens a file as a snapshot and swaps in the next one.
 * Called by the backends csl, file and refile; refresh by the watcher's thread.
 * It must never leave a table without a usable snapshot, nor hold its lock while it reads.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/store/flat.h"

struct flat {
	pthread_mutex_t lock; /* of current, for the few instructions that take a reference */
	struct rows *current;
	flat_index *index;
};

static void
add_advice(const char *path, enum status status, struct err *err)
{
	struct err what;

	if (err == NULL)
		return;
	what = *err;
	if (status == ST_ABSENT)
		err_set(err, "%s; is it there, and is its name correct?", what.text);
	else if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0 && errno == EACCES)
		err_set(err, "%s; may UserID read it, and enter the folders above it?", what.text);
}

static enum status
load(const struct table *table, flat_index *index, struct rows **out, struct err *err)
{
	struct slurp source;
	enum status status = slurp_file(
	    table->path, TABLE_FILE_MAX, (table->flags & TABLE_SECRET) != 0, &source, err);

	if (status != ST_OK) {
		add_advice(table->path, status, err);
		return status;
	}
	if (table->settled != NULL && !keyfile_stamp_equal(&source.stamp, table->settled)) {
		err_set(err, "%s: is being written; it is read again later", table->path);
		slurp_free(&source);
		return ST_UNAVAILABLE;
	}
	*out = rows_new(&source);
	rows_parse_lines(*out, (table->flags & TABLE_VALUE_NEEDED) != 0);
	if ((table->flags & TABLE_ASCII_ONLY) != 0)
		rows_report_unicode(*out);
	index(*out, table);
	return ST_OK;
}

void
flat_adopt(struct table *table, struct rows *rows)
{
	struct flat *flat = mem_zalloc(1, sizeof(*flat));

	pthread_mutex_init(&flat->lock, NULL);
	flat->current = rows;
	table->state = flat;
}

enum status
flat_open(struct table *table, struct span value, flat_index *index, struct err *err)
{
	struct rows *rows;
	enum status status;

	table->path = span_dup(span_trim(value));
	table->where = mem_strdup(table->path);
	status = load(table, index, &rows, err);
	if (status != ST_OK)
		return ST_INVALID;
	flat_adopt(table, rows);
	((struct flat *)table->state)->index = index;
	return ST_OK;
}

struct rows *
flat_acquire(const struct table *table)
{
	struct flat *flat = table->state;
	struct rows *rows;

	pthread_mutex_lock(&flat->lock);
	rows = flat->current;
	rows_hold(rows);
	pthread_mutex_unlock(&flat->lock);
	return rows;
}

/* The same octets under a new date (touch, a rewritten configuration) are no change. */
static bool
same_text(const struct rows *a, const struct rows *b)
{
	return a->source.n == b->source.n &&
	       memcmp(a->source.text, b->source.text, a->source.n) == 0;
}

static void
swap(struct flat *flat, struct rows *next)
{
	struct rows *old;

	pthread_mutex_lock(&flat->lock);
	old = flat->current;
	flat->current = next;
	pthread_mutex_unlock(&flat->lock);
	rows_release(old);
}

enum status
flat_refresh(struct table *table, struct err *err)
{
	struct flat *flat = table->state;
	struct rows *next;
	enum status status;
	bool same;

	/* Only this thread replaces current, so it may read it without the lock. */
	if (table->path == NULL || !keyfile_changed(table->path, &flat->current->source.stamp))
		return ST_ABSENT;
	status = load(table, flat->index, &next, err);
	if (status != ST_OK)
		return status == ST_ABSENT ? ST_UNAVAILABLE : status;
	same = same_text(next, flat->current);
	swap(flat, next);
	return same ? ST_ABSENT : ST_OK;
}

void
flat_report(struct table *table, struct table_report *out)
{
	struct rows *rows = flat_acquire(table);

	*out = rows->report;
	rows_release(rows);
}

void
flat_close(struct table *table)
{
	struct flat *flat = table->state;

	if (flat == NULL)
		return;
	rows_release(flat->current);
	pthread_mutex_destroy(&flat->lock);
	mem_free(flat);
	table->state = NULL;
}
