/*
 * fuzz_keytable.c - any KeyTable and SigningTable, any author: entries are whole or refused, and a
 * From domain never leaves the folder of the administrator.
 */
#include "tests/fuzz/store_fuzz.h"

#include "lib/store/keytable.h"
#include "lib/store/signing.h"

static void
check_entry(struct table *keys, struct span name, struct span domain)
{
	struct keytable_entry entry;
	struct err err = ERR_NONE;
	enum status status = keytable_lookup(keys, name, domain, &entry, &err);

	if (status != ST_OK && err.text[0] == '\0')
		abort();
	if (status == ST_OK && (entry.selector.n == 0 || entry.key.n == 0))
		abort();
	if (status == ST_OK && entry.key_is_path &&
	    (entry.key.p[entry.key.n] != '\0' || strlen(entry.path_owned) > entry.key.n))
		abort();
	if (status == ST_OK && entry.key_is_path && span_find(domain, '/') != SIZE_MAX &&
	    span_find(entry.value.text, '%') == SIZE_MAX && span_find(entry.key, '%') != SIZE_MAX)
		abort();
	keytable_entry_release(&entry);
}

static void
sign(struct table *table, struct table *keys, struct span user, struct span domain)
{
	struct signing_match matches[4];
	struct err err = ERR_NONE;
	size_t count;

	if (signing_lookup(table, user, domain, 4, matches, &count, &err) == ST_OK && count == 0)
		abort();
	for (size_t i = 0; i < count; i++) {
		if (matches[i].keyname.n == 0 && domain.n > 0)
			abort();
		check_entry(keys, matches[i].keyname, domain);
	}
	signing_matches_release(matches, count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span queries, query, user, text = fuzz_split(data, size, &queries);
	struct table *keys = fuzz_table("file", text, TABLE_SECRET | TABLE_VALUE_NEEDED);
	struct table *file = fuzz_table("file", text, TABLE_ICASE | TABLE_ASCII_ONLY);
	struct table *refile = fuzz_table("refile", span_sub(text, 0, 300), TABLE_ICASE);
	bool more = true;

	for (int i = 0; more && i < 4; i++) {
		more = span_cut(&queries, '\n', &query);
		check_entry(keys, query, SPAN_LIT("from.example"));
		span_cut(&query, '@', &user);
		sign(file, keys, user, query);
		sign(refile, keys, user, query);
	}
	table_close(keys);
	table_close(file);
	table_close(refile);
	return 0;
}
