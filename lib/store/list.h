/*
 * list.h - all strings of a small table: SignHeaders, OmitHeaders, Domain, SenderHeaders,
 * MacroList.
 */
#ifndef SIGNPOST_STORE_LIST_H
#define SIGNPOST_STORE_LIST_H

#include "lib/store/table.h"

#define LIST_ITEMS_MAX 65536 /* more is ST_TOO_BIG: such a table is to be looked up, not listed */

struct list {
	char **items;  /* keys, owned, NUL-terminated */
	char **values; /* values[i] belongs to items[i]; "" when there is none */
	size_t count;
};

/* In the order of the table, duplicates kept. ST_OK (count may be 0): free with list_free().
 * ST_INVALID for tables that cannot be walked, in opendkim's words. */
enum status list_read(struct table *table, struct list *out, struct err *err) MUST_USE;
void list_free(struct list *list);

#endif
