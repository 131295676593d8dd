/*
 * csl.c - a list written in the configuration itself: "a,b=c,d".
 * Opened at start and at reload; it has no file and never changes.
 * It must never keep the text outside of secret memory when the table is TABLE_SECRET.
 */
#include <string.h>

#include "backends/registry.h"
#include "lib/base/mem.h"
#include "lib/store/flat.h"

/* MacroList: "name=a|b" is two records of one name. */
static void
add_item(struct rows *rows, struct span item, bool value_list, unsigned number)
{
	struct span rest = item, key, value;
	bool more = span_cut(&rest, '=', &key);

	key = span_trim(key);
	rest = span_trim(rest);
	if (item.n == 0)
		return;
	if (key.n > TABLE_KEY_MAX) {
		rows_drop(
		    rows, number, "item has more than %d octets; it is not used", TABLE_KEY_MAX);
		return;
	}
	if (!value_list || !more) {
		rows_add(rows, key, rest, number);
		return;
	}
	do {
		more = span_cut(&rest, '|', &value);
		rows_add(rows, key, span_trim(value), number);
	} while (more);
}

static void
parse(struct rows *rows, const struct table *table)
{
	struct span rest = span_of(rows->source.text, rows->source.n), item;
	unsigned number = 0;
	bool more;

	do {
		more = span_cut(&rest, ',', &item);
		add_item(rows, span_trim(item), (table->flags & TABLE_VALUE_LIST) != 0, ++number);
	} while (more);
	rows_index_all(rows, (table->flags & TABLE_ICASE) != 0);
}

static enum status
csl_open(struct table *table, struct span value, struct err *err)
{
	struct slurp source = {0};
	struct rows *rows;

	if (value.n > TABLE_LINE_MAX) {
		err_set(
		    err, "the list has more than %u octets; put it into a file", TABLE_LINE_MAX);
		return ST_INVALID;
	}
	slurp_make(&source, value.n, (table->flags & TABLE_SECRET) != 0);
	if (source.text == NULL) {
		err_set(err, "no secret memory left for the list");
		return ST_UNAVAILABLE;
	}
	if (value.n > 0)
		memcpy(source.text, value.p, value.n);
	rows = rows_new(&source);
	parse(rows, table);
	flat_adopt(table, rows);
	table->where = mem_strdup("(list)");
	return ST_OK;
}

/* The rows of a list never change, and the table outlives the call: still the value takes a
 * reference, so that all three flat types behave alike. */
static enum status
csl_lookup(struct table *table, struct span key, struct table_value *out, struct err *err)
{
	struct rows *rows = flat_acquire(table);
	enum status status = rows_lookup(rows, table, key, out, err);

	rows_release(rows);
	return status;
}

static enum status
csl_walk(struct table *table, table_visit *visit, void *context, struct err *err)
{
	struct rows *rows = flat_acquire(table);

	(void)err;
	rows_walk(rows, visit, context);
	rows_release(rows);
	return ST_OK;
}

const struct table_ops csl_table_ops = {
    .type = "csl",
    .open = csl_open,
    .lookup = csl_lookup,
    .walk = csl_walk,
    .report = flat_report,
    .close = flat_close,
};
