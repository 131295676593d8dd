/*
 * fuzz_file.c - any text is a file table; what a walk shows, a lookup finds (the first of equals).
 */
#include "tests/fuzz/store_fuzz.h"

#include "lib/store/list.h"

struct seen {
	struct table *table;
	unsigned flags;
};

static bool
check(void *context, struct span key, struct span value, unsigned line)
{
	struct seen *seen = context;
	struct table_value found;
	struct err err = ERR_NONE;

	(void)value;
	if (key.n == 0 || line == 0)
		abort();
	if (table_lookup(seen->table, key, &found, &err) != ST_OK || found.line > line)
		abort();
	if (found.line == line && (found.text.n != value.n ||
				      (value.n > 0 && memcmp(found.text.p, value.p, value.n) != 0)))
		abort();
	table_value_release(&found);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen seen = {.flags = size % 2 == 0 ? TABLE_ICASE : TABLE_SECRET};
	struct table_report report;
	struct err err = ERR_NONE;
	char text[512];

	seen.table = fuzz_table("file", span_of(data, size), seen.flags);
	if (table_walk(seen.table, check, &seen, &err) != ST_OK)
		abort();
	table_report(seen.table, &report);
	table_report_text(&report, text, sizeof(text));
	table_close(seen.table);
	return 0;
}
