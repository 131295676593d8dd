/*
 * rows.c - the snapshot of a flat table: its life, its exact index, its answers.
 * Built by the thread that opens or refreshes a table, read by the keeper's workers.
 * It must never change after it was published, nor copy a value out of secret memory.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/store/rows.h"

struct rows *
rows_new(struct slurp *source)
{
	struct rows *rows = mem_zalloc(1, sizeof(*rows));

	atomic_init(&rows->references, 1);
	rows->source = *source;
	source->text = NULL;
	return rows;
}

void
rows_hold(struct rows *rows)
{
	atomic_fetch_add_explicit(&rows->references, 1, memory_order_relaxed);
}

void
rows_release(struct rows *rows)
{
	if (rows == NULL ||
	    atomic_fetch_sub_explicit(&rows->references, 1, memory_order_acq_rel) != 1)
		return;
	if (rows->extra != NULL)
		rows->extra_free(rows->extra);
	keyindex_free(&rows->exact);
	slurp_free(&rows->source);
	mem_free(rows->items);
	mem_free(rows);
}

void
rows_add(struct rows *rows, struct span key, struct span value, unsigned line)
{
	struct row *row;

	if (rows->count == rows->capacity) {
		rows->capacity = rows->capacity == 0 ? 16 : rows->capacity * 2;
		rows->items = mem_resize(rows->items, rows->capacity, sizeof(*rows->items));
	}
	row = &rows->items[rows->count++];
	row->key = (uint32_t)(key.p - rows->source.text);
	row->key_bytes = (uint32_t)key.n;
	row->value = value.n == 0 ? 0 : (uint32_t)(value.p - rows->source.text);
	row->value_bytes = (uint32_t)value.n;
	row->line = line;
	rows->report.entries++;
}

static void add_problem(struct rows *rows, unsigned line, bool dropped, const char *fmt, va_list ap)
    __attribute__((format(printf, 4, 0)));

static void
add_problem(struct rows *rows, unsigned line, bool dropped, const char *fmt, va_list ap)
{
	struct table_report *report = &rows->report;
	struct table_problem *problem;

	report->dropped += dropped;
	if (report->problem_count++ >= TABLE_PROBLEMS_MAX)
		return;
	problem = &report->problems[report->problem_count - 1];
	problem->line = line;
	problem->dropped = dropped;
	vsnprintf(problem->text, sizeof(problem->text), fmt, ap);
}

void
rows_problem(struct rows *rows, unsigned line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_problem(rows, line, false, fmt, ap);
	va_end(ap);
}

void
rows_drop(struct rows *rows, unsigned line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_problem(rows, line, true, fmt, ap);
	va_end(ap);
}

struct span
rows_key(const struct rows *rows, size_t at)
{
	return span_of(rows->source.text + rows->items[at].key, rows->items[at].key_bytes);
}

struct span
rows_value(const struct rows *rows, size_t at)
{
	return span_of(rows->source.text + rows->items[at].value, rows->items[at].value_bytes);
}

static struct span
key_of_row(const void *context, uint32_t id)
{
	return rows_key(context, id);
}

void
rows_index_start(struct rows *rows, bool icase)
{
	keyindex_init(&rows->exact, rows->count, icase, key_of_row, rows);
}

void
rows_index_all(struct rows *rows, bool icase)
{
	rows_index_start(rows, icase);
	for (size_t i = 0; i < rows->count; i++)
		keyindex_put(&rows->exact, (uint32_t)i);
}

static void
release_owner(void *owner)
{
	rows_release(owner);
}

enum status
rows_answer(struct rows *rows, const struct table *table, size_t at, struct table_value *out,
    struct err *err)
{
	const struct row *row = &rows->items[at];

	if (row->value_bytes == 0 && (table->flags & TABLE_VALUE_NEEDED) != 0) {
		err_set(err,
		    "%s %s line %u: the entry has no value; write it behind the first word",
		    table->parameter, table->where, row->line);
		return ST_INVALID;
	}
	rows_hold(rows);
	*out = TABLE_VALUE_NONE;
	out->text = rows_value(rows, at);
	out->line = row->line;
	out->release = release_owner;
	out->owner = rows;
	return ST_OK;
}

enum status
rows_lookup(struct rows *rows, const struct table *table, struct span key, struct table_value *out,
    struct err *err)
{
	char room[TABLE_KEY_MAX];
	uint32_t at = keyindex_find(&rows->exact, keyindex_fold(key, rows->exact.icase, room));

	if (at == KEYINDEX_NONE)
		return ST_ABSENT;
	return rows_answer(rows, table, at, out, err);
}

void
rows_walk(const struct rows *rows, table_visit *visit, void *context)
{
	for (size_t i = 0; i < rows->count; i++)
		if (!visit(context, rows_key(rows, i), rows_value(rows, i), rows->items[i].line))
			return;
}

static bool
word_blank(char c)
{
	return ascii_blank(c) || c == '\v' || c == '\f';
}

void
rows_report_unicode(struct rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		struct span key = rows_key(rows, i);
		size_t at = span_rfind(key, '@');

		for (at = at == SIZE_MAX ? 0 : at; at < key.n; at++)
			if ((unsigned char)key.p[at] >= 0x80) {
				rows_problem(rows, rows->items[i].line,
				    "never matches: the domain is compared in its ASCII form; "
				    "write it as xn--...");
				break;
			}
	}
}

/* One line without its end and without its comment. */
static void
parse_line(struct rows *rows, struct span text, bool value_needed, unsigned line)
{
	size_t start = 0, end, from, to = text.n;

	while (start < text.n && word_blank(text.p[start]))
		start++;
	if (start == text.n)
		return;
	for (end = start; end < text.n && !word_blank(text.p[end]);)
		end++;
	for (from = end; from < text.n && word_blank(text.p[from]);)
		from++;
	while (to > from && word_blank(text.p[to - 1]))
		to--;
	if (span_find(text, '\0') != SIZE_MAX) {
		rows_drop(rows, line, "has a NUL octet; the line is not used");
	} else if (end - start > TABLE_KEY_MAX) {
		rows_drop(rows, line,
		    "the first word has more than %d octets; the line is not used", TABLE_KEY_MAX);
	} else {
		if (value_needed && from == to)
			rows_problem(rows, line,
			    "nothing stands behind the first word; write a key name there "
			    "(SigningTable) or domain:selector:key (KeyTable)");
		rows_add(rows, span_sub(text, start, end - start), span_sub(text, from, to - from),
		    line);
	}
}

void
rows_parse_lines(struct rows *rows, bool value_needed)
{
	struct span rest = span_of(rows->source.text, rows->source.n), text, body;
	unsigned line = 0;
	bool more = rest.n > 0;

	while (more) {
		more = span_cut(&rest, '\n', &text);
		line++;
		span_cut(&text, '#', &body);
		if (body.n > TABLE_LINE_MAX)
			rows_drop(rows, line, "has more than %u octets; the line is not used",
			    TABLE_LINE_MAX);
		else
			parse_line(rows, body, value_needed, line);
	}
}
