/*
 * list.c - collects the keys of a small table.
 * Called by the daemons at start and at reload for lists of header names, domains, macros.
 * It must never be used for tables that grow with the number of customers.
 */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/store/list.h"

struct collector {
	struct list *list;
	size_t capacity;
	bool too_big;
};

static bool
collect(void *context, struct span key, struct span value, unsigned line)
{
	struct collector *c = context;
	struct list *list = c->list;

	(void)line;
	if (list->count == LIST_ITEMS_MAX) {
		c->too_big = true;
		return false;
	}
	if (list->count == c->capacity) {
		c->capacity = c->capacity == 0 ? 16 : c->capacity * 2;
		list->items = mem_resize(list->items, c->capacity, sizeof(*list->items));
		list->values = mem_resize(list->values, c->capacity, sizeof(*list->values));
	}
	list->items[list->count] = span_dup(key);
	list->values[list->count++] = span_dup(value);
	return true;
}

enum status
list_read(struct table *table, struct list *out, struct err *err)
{
	struct collector c = {.list = out};
	enum status status;

	memset(out, 0, sizeof(*out));
	status = table_walk(table, collect, &c, err);
	if (status == ST_OK && c.too_big) {
		err_set(err, "%s %s: has more than %d entries", table->parameter, table->where,
		    LIST_ITEMS_MAX);
		status = ST_TOO_BIG;
	}
	if (status != ST_OK)
		list_free(out);
	return status;
}

void
list_free(struct list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		mem_free(list->items[i]);
		mem_free(list->values[i]);
	}
	mem_free(list->items);
	mem_free(list->values);
	memset(list, 0, sizeof(*list));
}
