/*
 * sqlite_none.c - stands for sqlite.c in a build without libsqlite3 (configure --without-sqlite).
 * Called by sql.c and keystore_sql.c, which refuse a source of this kind. It must never answer
 * anything.
 */
#include "backends/sql.h"

const struct sql_driver sqlite_driver = {.name = "sqlite3"};
