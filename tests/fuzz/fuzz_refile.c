/*
 * fuzz_refile.c - for any text and any query, the indexed answer is that of trying all lines in
 * order with PCRE2.
 */
#include "tests/fuzz/store_fuzz.h"

#include "lib/store/flat.h"
#include "lib/store/pattern.h"

#define LINES_MAX 64

struct expected {
	enum status status;
	uint32_t line;
};

/* Every line is a pattern, literals and globs too. */
static struct expected
scan(const struct rows *rows, struct span key, bool icase)
{
	for (size_t i = 0; i < rows->count; i++) {
		struct pattern_regex *regex;
		struct err err = ERR_NONE;
		enum status status;

		if (pattern_regex_compile(rows_key(rows, i), icase, &regex, &err) != ST_OK)
			continue;
		status = pattern_regex_match(regex, key);
		pattern_regex_free(regex);
		if (status != ST_ABSENT)
			return (struct expected){status, rows->items[i].line};
	}
	return (struct expected){ST_ABSENT, 0};
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span queries, key, text = fuzz_split(data, size, &queries);
	bool icase = size % 2 == 0, more = true;
	struct table *table = fuzz_table("refile", text, icase ? TABLE_ICASE : 0);
	struct rows *rows = flat_acquire(table);

	for (int i = 0; more && i < 8 && rows->count < LINES_MAX; i++) {
		struct table_value value;
		struct err err = ERR_NONE;
		struct expected want;
		enum status have;

		more = span_cut(&queries, '\n', &key);
		key = span_sub(key, 0, 200);
		want = scan(rows, key, icase);
		have = table_lookup(table, key, &value, &err);
		/* A limit of PCRE2 that only the scan reached (a glob as a regular expression)
		 * proves nothing. */
		if (want.status != ST_INVALID &&
		    (have != want.status || (have == ST_OK && value.line != want.line)))
			abort();
		table_value_release(&value);
	}
	rows_release(rows);
	table_close(table);
	return 0;
}
