/*
 * sql.h - what a kind of SQL server brings to dsn: tables. sql.c does the rest for all of them:
 * connections, trying again, waiting, values.
 */
#ifndef SIGNPOST_BACKENDS_SQL_H
#define SIGNPOST_BACKENDS_SQL_H

#include "backends/dsn.h"
#include "lib/store/table.h"

#define SQL_SLOTS                                                                                  \
	18U /* keys of the statement for many keys: TABLE_KEYS_MAX, some of them twice             \
	     */
#define SQL_COLUMNS_MAX (DSN_COLUMNS_MAX + 1U) /* with the key */
#define SQL_VALUE_MAX TABLE_LINE_MAX           /* octets of one column */
#define SQL_CONNECT_TIMEOUT_S 2U               /* to be connected, and logged in */
#define SQL_ANSWER_TIMEOUT_S 3U                /* of one question */

/* Where a table is. Immutable. */
struct sql_source {
	struct dsn dsn;
	const char *where;      /* for messages */
	const char *one, *many; /* statements with 1 and with SQL_SLOTS slots */
	bool tls, tls_verify;
	const char *tls_ca_file;
};

enum sql_answer {
	SQL_ANSWERED, /* every row was given out */
	SQL_REFUSED,  /* the server said no; the connection is good */
	SQL_GONE      /* the connection is of no use any more */
};

/* One row: the key as it is stored, then the data columns; valid during the call. */
typedef void sql_row(void *context, const struct span *columns, size_t count);

struct sql_driver {
	const char *name; /* in a dsn */
	/* First and longest time for which a server that failed is left alone; 0: asking one that
	 * is away costs nothing. */
	int64_t pause_min_ms, pause_max_ms;
	/* NULL: not in this build. ST_OK, or ST_UNAVAILABLE with a sentence that has no password.
	 * Bounded by SQL_CONNECT_TIMEOUT_S. Any thread; one connection is used by one at a time. */
	enum status (*connect)(const struct sql_source *source, void **out, struct err *err);
	/* count: 1 or SQL_SLOTS. Bounded by SQL_ANSWER_TIMEOUT_S for each wait. */
	enum sql_answer (*ask)(void *connection, const struct span *keys, size_t count,
	    sql_row *row, void *context, struct err *err);
	void (*disconnect)(void *connection);
};

/* Static. mysql.c or mysql_none.c, sqlite.c or sqlite_none.c. */
extern const struct sql_driver mysql_driver;
extern const struct sql_driver sqlite_driver;

#endif
