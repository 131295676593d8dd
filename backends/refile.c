/*
 * refile.c - a file of patterns: the first line whose pattern matches the whole query decides.
 * Looked up by the keeper's workers, refreshed by the watcher.
 * It must never give another answer than trying all lines in order would, although it tries few:
 * literals are hashed; globs are found by the suffix that every match must have; only what is left
 * (true regular expressions, and globs that end in '*') is tried line by line, up to the best
 * line found so far.
 */
#include <stdatomic.h>
#include <string.h>

#include "backends/registry.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/store/flat.h"
#include "lib/store/pattern.h"

#define NO_ROW UINT32_MAX

struct scanned {
	uint32_t row;
	struct pattern_regex *regex; /* NULL: a glob */
	atomic_bool reported;        /* its limit was reached, and that was logged */
};

struct refile {
	const struct rows *rows;
	uint32_t *next;           /* per row: the next row with the same key or suffix */
	uint32_t *last;           /* per first row: the last of its chain; while building */
	struct keyindex suffixes; /* of globs; ids are first rows */
	size_t suffix_max;        /* octets of the longest */
	struct scanned *scan;     /* in the order of the file */
	size_t scan_count;
	size_t scan_capacity;
	bool icase;
};

static struct span
suffix_of_row(const void *context, uint32_t id)
{
	const struct refile *refile = context;

	return pattern_glob_suffix(rows_key(refile->rows, id));
}

static void
refile_free(void *extra)
{
	struct refile *refile = extra;

	for (size_t i = 0; i < refile->scan_count; i++)
		pattern_regex_free(refile->scan[i].regex);
	keyindex_free(&refile->suffixes);
	mem_free(refile->scan);
	mem_free(refile->next);
	mem_free(refile->last);
	mem_free(refile);
}

static void
scan_add(struct refile *refile, uint32_t row, struct pattern_regex *regex)
{
	struct scanned *scanned;

	if (refile->scan_count == refile->scan_capacity) {
		refile->scan_capacity = refile->scan_capacity == 0 ? 8 : refile->scan_capacity * 2;
		refile->scan =
		    mem_resize(refile->scan, refile->scan_capacity, sizeof(*refile->scan));
	}
	scanned = &refile->scan[refile->scan_count++];
	scanned->row = row;
	scanned->regex = regex;
	atomic_init(&scanned->reported, false);
}

/* Rows come in order, so a chain grows at its end. */
static void
chain_add(struct refile *refile, struct keyindex *index, uint32_t row)
{
	uint32_t first = keyindex_put(index, row);

	if (first != row)
		refile->next[refile->last[first]] = row;
	refile->last[first] = row;
}

static void
add_glob(struct refile *refile, uint32_t row)
{
	size_t n = suffix_of_row(refile, row).n;

	if (n == 0) {
		scan_add(refile, row, NULL);
		return;
	}
	if (n > refile->suffix_max)
		refile->suffix_max = n;
	chain_add(refile, &refile->suffixes, row);
}

static void
add_regex(struct refile *refile, struct rows *rows, uint32_t row)
{
	struct pattern_regex *regex;
	struct err err = ERR_NONE;

	if (pattern_regex_compile(rows_key(rows, row), refile->icase, &regex, &err) == ST_OK)
		scan_add(refile, row, regex);
	else
		rows_problem(
		    rows, rows->items[row].line, "the pattern is not used: %.150s", err.text);
}

/* In place: the text is ours, and patterns are not shown in lists. */
static void
lower_row(struct rows *rows, uint32_t row)
{
	char *p = rows->source.text + rows->items[row].key;

	for (size_t i = 0; i < rows->items[row].key_bytes; i++)
		p[i] = ascii_lower(p[i]);
}

static void
add_row(struct refile *refile, struct rows *rows, uint32_t row)
{
	enum pattern_kind kind = pattern_kind(rows_key(rows, row));

	if (kind == PATTERN_REGEX) {
		add_regex(refile, rows, row);
		return;
	}
	if (refile->icase)
		lower_row(rows, row);
	if (kind == PATTERN_GLOB)
		add_glob(refile, row);
	else
		chain_add(refile, &rows->exact, row);
}

static void
index_rows(struct rows *rows, const struct table *table)
{
	struct refile *refile = mem_zalloc(1, sizeof(*refile));

	refile->rows = rows;
	refile->icase = (table->flags & TABLE_ICASE) != 0;
	refile->next = mem_alloc((rows->count + 1) * sizeof(*refile->next));
	refile->last = mem_alloc((rows->count + 1) * sizeof(*refile->last));
	memset(refile->next, 0xff, (rows->count + 1) * sizeof(*refile->next));
	/* All keys are lower-cased already: comparing octets is enough. */
	rows_index_start(rows, false);
	keyindex_init(&refile->suffixes, rows->count, false, suffix_of_row, refile);
	rows->extra = refile;
	rows->extra_free = refile_free;
	for (size_t i = 0; i < rows->count; i++)
		add_row(refile, rows, (uint32_t)i);
	mem_free(refile->last);
	refile->last = NULL;
}

/* One query on its way through the classes. */
struct query {
	const struct table *table;
	const struct rows *rows;
	const struct refile *refile;
	struct span folded;  /* for literals and globs */
	struct span written; /* for PCRE2, which knows case itself */
	uint32_t from;       /* rows before it are not asked */
	uint32_t best;       /* the first row that matches, so far */
};

static void
try_exact(struct query *q)
{
	uint32_t row = keyindex_find(&q->rows->exact, q->folded);

	while (row != NO_ROW && row < q->from)
		row = q->refile->next[row];
	if (row < q->best)
		q->best = row;
}

static void
try_chain(struct query *q, uint32_t row)
{
	for (; row < q->best; row = q->refile->next[row])
		if (row >= q->from && pattern_glob_match(rows_key(q->rows, row), q->folded)) {
			q->best = row;
			return;
		}
}

static void
try_suffixes(struct query *q)
{
	struct span key = q->folded;
	size_t longest = q->refile->suffix_max < key.n ? q->refile->suffix_max : key.n;

	for (size_t n = 1; n <= longest; n++) {
		char c = key.p[key.n - n];

		if (c == '@' || c == '.')
			try_chain(
			    q, keyindex_find(&q->refile->suffixes, span_from(key, key.n - n)));
	}
}

static enum status
limit_reached(const struct query *q, struct scanned *scanned, struct err *err)
{
	unsigned line = q->rows->items[scanned->row].line;

	err_set(err, "%s %s line %u: the pattern needs too many steps; write it simpler",
	    q->table->parameter, q->table->where, line);
	if (!atomic_exchange(&scanned->reported, true) && err != NULL)
		log_line(LOG_LEVEL_ERROR, "%s", err->text);
	return ST_INVALID;
}

static enum status
try_scan(struct query *q, struct err *err)
{
	for (size_t i = 0; i < q->refile->scan_count; i++) {
		struct scanned *scanned = &q->refile->scan[i];
		enum status status;

		if (scanned->row >= q->best)
			break;
		if (scanned->row < q->from)
			continue;
		if (scanned->regex != NULL)
			status = pattern_regex_match(scanned->regex, q->written);
		else
			status = pattern_glob_match(rows_key(q->rows, scanned->row), q->folded)
				     ? ST_OK
				     : ST_ABSENT;
		if (status == ST_INVALID)
			return limit_reached(q, scanned, err);
		if (status == ST_OK)
			q->best = scanned->row;
	}
	return ST_OK;
}

/* The first row from q->from on that matches, in q->best. */
static enum status
next_match(struct query *q, struct err *err)
{
	enum status status;

	q->best = NO_ROW;
	try_exact(q);
	try_suffixes(q);
	status = try_scan(q, err);
	if (status != ST_OK)
		return status;
	return q->best == NO_ROW ? ST_ABSENT : ST_OK;
}

static enum status
collect(struct query *q, struct rows *rows, size_t max, struct table_value *out, size_t *count_out,
    struct err *err)
{
	enum status status = ST_OK;

	while (*count_out < max) {
		status = next_match(q, err);
		if (status == ST_OK)
			status = rows_answer(rows, q->table, q->best, &out[*count_out], err);
		if (status != ST_OK)
			break;
		(*count_out)++;
		q->from = q->best + 1;
	}
	if (status == ST_ABSENT && *count_out > 0)
		status = ST_OK;
	if (status != ST_OK)
		while (*count_out > 0)
			table_value_release(&out[--*count_out]);
	return status;
}

static enum status
refile_lookup_all(struct table *table, struct span key, size_t max, struct table_value *out,
    size_t *count_out, struct err *err)
{
	struct rows *rows = flat_acquire(table);
	struct refile *refile = rows->extra;
	char room[TABLE_KEY_MAX];
	struct query q = {.table = table, .rows = rows, .refile = refile, .written = key};
	enum status status;

	q.folded = keyindex_fold(key, refile->icase, room);
	*count_out = 0;
	status = collect(&q, rows, max, out, count_out, err);
	rows_release(rows);
	return status;
}

static enum status
refile_lookup(struct table *table, struct span key, struct table_value *out, struct err *err)
{
	size_t count;

	return refile_lookup_all(table, key, 1, out, &count, err);
}

static enum status
refile_walk_patterns(struct table *table, table_visit *visit, void *context)
{
	struct rows *rows = flat_acquire(table);

	rows_walk(rows, visit, context);
	rows_release(rows);
	return ST_OK;
}

static enum status
refile_open(struct table *table, struct span value, struct err *err)
{
	return flat_open(table, value, index_rows, err);
}

const struct table_ops refile_table_ops = {
    .type = "refile",
    .open = refile_open,
    .lookup = refile_lookup,
    .lookup_all = refile_lookup_all,
    .walk_patterns = refile_walk_patterns,
    .refresh = flat_refresh,
    .report = flat_report,
    .close = flat_close,
    .no_walk = "failed to generate DB array: a refile table has patterns, not a list; "
	       "use file: or csl:",
    .patterns = true,
};
