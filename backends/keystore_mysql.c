/*
 * keystore_mysql.c - key stores in MySQL and MariaDB: "mysql://user@host/database".
 * Called by keystore_open(); everything but the address is in keystore_sql.c and mysql.c.
 * It must never keep a password anywhere but in secret memory.
 */
#include "backends/keystore_sql.h"
#include "backends/keystore_url.h"
#include "backends/registry.h"
#include "lib/base/mem.h"

static const struct sql_dialect dialect = {
    .driver = &mysql_driver,
    .now = "UNIX_TIMESTAMP()",
    .by_index = {"FORCE INDEX (", ")"},
    .primary_has_name = true,
    .begin = "START TRANSACTION",
    .migrations = mysql_migrations,
    .alone = "DO GET_LOCK(MD5(CONCAT('signpost store init ', DATABASE())), 8)",
};

static enum status
mysql_store_open(struct keystore *keystore, struct span value, bool write, struct err *err)
{
	struct sql_store *store = mem_zalloc(1, sizeof(*store));
	struct buf where;
	enum status status =
	    keystore_url_parse(value, &store->source.dsn, &store->password_file, err);

	if (status != ST_OK) {
		mem_free(store);
		return status;
	}
	store->dialect = &dialect;
	buf_init(&where, 2 * KEYSTORE_URL_MAX);
	keystore_url_describe(&store->source.dsn, &where);
	store->where = mem_strdup(buf_text(&where));
	buf_free(&where);
	return sql_store_open(keystore, store, write, err);
}

const struct keystore_ops mysql_keystore_ops = {
    .scheme = "mysql",
    .open = mysql_store_open,
    SQL_STORE_OPS,
};
