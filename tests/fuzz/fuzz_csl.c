/*
 * fuzz_csl.c - any text after "csl:" is a list; any text at all is a table or a refusal.
 */
#include "tests/fuzz/store_fuzz.h"

#include "lib/store/list.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *spec = malloc(size + 8);
	struct table *table = NULL;
	struct table_value value;
	struct err err = ERR_NONE;
	struct list list;

	if (spec == NULL)
		abort();
	memcpy(spec, "csl:", 4);
	if (size > 0)
		memcpy(spec + 4, data, size);
	spec[size + 4] = '\0';
	if (table_open(backend_registry(), "fuzz", spec, size % 2 ? TABLE_VALUE_LIST : TABLE_ICASE,
		&table, &err) != ST_OK ||
	    list_read(table, &list, &err) != ST_OK)
		abort();
	for (size_t i = 0; i < list.count && i < 100; i++) {
		if (table_lookup(table, span_str(list.items[i]), &value, &err) != ST_OK)
			abort();
		table_value_release(&value);
	}
	list_free(&list);
	table_close(table);
	/* The type by opendkim's rule; files of this machine are left alone. */
	if (memchr(spec + 4, '/', size) == NULL &&
	    table_open(backend_registry(), "fuzz", spec + 4, 0, &table, &err) == ST_OK)
		table_close(table);
	free(spec);
	return 0;
}
