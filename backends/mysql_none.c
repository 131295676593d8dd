/*
 * mysql_none.c - stands for mysql.c in a build without libmariadb (configure --without-mysql).
 * Called by sql.c and keystore_sql.c, which refuse a source of this kind. It must never answer
 * anything.
 */
#include "backends/sql.h"

const struct sql_driver mysql_driver = {.name = "mysql"};
