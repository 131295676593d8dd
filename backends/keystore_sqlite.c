/*
 * keystore_sqlite.c - key stores in a SQLite file: "sqlite:/path".
 * Called by keystore_open(); everything but the path is in keystore_sql.c and sqlite.c.
 * It must never take a relative path, which is another file in another folder.
 */
#include <stdio.h>

#include "backends/keystore_sql.h"
#include "backends/registry.h"
#include "lib/base/mem.h"

static const struct sql_dialect dialect = {
    .driver = &sqlite_driver,
    .now = "CAST(strftime('%s','now') AS INTEGER)",
    .by_index = {"INDEXED BY ", ""},
    .begin = "BEGIN IMMEDIATE",
    .migrations = sqlite_migrations,
    .migrates_at_once = true,
};

static enum status
sqlite_store_open(struct keystore *keystore, struct span value, bool write, struct err *err)
{
	struct sql_store *store;
	char where[300];

	while (span_starts(value, SPAN_LIT("//")))
		value = span_from(value, 1);
	if (value.n == 0 || value.p[0] != '/' || span_find(value, '\0') != SIZE_MAX) {
		err_set(err, "the path does not begin with a slash; write sqlite:/PATH");
		return ST_INVALID;
	}
	store = mem_zalloc(1, sizeof(*store));
	store->dialect = &dialect;
	store->source.dsn.database = span_dup(value);
	snprintf(where, sizeof(where), "sqlite:%.250s", store->source.dsn.database);
	store->where = mem_strdup(where);
	keystore->file = mem_strdup(store->source.dsn.database);
	return sql_store_open(keystore, store, write, err);
}

const struct keystore_ops sqlite_keystore_ops = {
    .scheme = "sqlite",
    .open = sqlite_store_open,
    SQL_STORE_OPS,
};
