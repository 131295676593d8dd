/*
 * sql.h - what a kind of SQL server brings, for dsn: tables and for key stores: connections and
 * statements on them. sql.c and keystore_sql.c do the rest for all kinds: trying again, waiting,
 * rows.
 */
#ifndef SIGNPOST_BACKENDS_SQL_H
#define SIGNPOST_BACKENDS_SQL_H

#include "backends/dsn.h"
#include "lib/store/table.h"

#define SQL_SLOTS                                                                                  \
	18U /* keys of the statement for many keys: TABLE_KEYS_MAX, some of them twice             \
	     */
#define SQL_COLUMNS_MAX 40U          /* of an answer */
#define SQL_VALUE_MAX TABLE_LINE_MAX /* octets of one column */
#define SQL_CONNECT_TIMEOUT_S 2U     /* to be connected, and logged in */
#define SQL_ANSWER_TIMEOUT_S 3U      /* of one question */
#define SQL_WRITE_TIMEOUT_S 10U      /* of a statement that writes: a commit waits for disks */

/* What to tell an operator, by cause. Static. */
struct sql_advice {
	const char *login, *database, *rights, *schema, *file;
};

enum sql_use {
	SQL_TABLE,  /* dsn: as the server or file gives it */
	SQL_READER, /* a key store, for signing: nothing can be written */
	SQL_WRITER, /* a key store, for an administrator */
	SQL_CREATOR /* likewise, and the file is made if it is not there */
};

/* Where rows are, and what is asked there. Immutable while it is used. */
struct sql_source {
	struct dsn dsn;    /* of a key store without table, columns and filter */
	const char *where; /* for messages */
	enum sql_use use;
	/* Prepared when they are asked for first; the first at_once of them when it is connected.
	 */
	const char *const *statements;
	unsigned statement_count, at_once;
	unsigned columns_max;      /* of any of them, at most SQL_COLUMNS_MAX */
	const char *password_file; /* NULL: the password is in dsn; read at each log-in */
	const struct sql_advice *advice;
	bool tls, tls_verify;
	const char *tls_ca_file;
};

enum sql_answer {
	SQL_ANSWERED,  /* every row was given out */
	SQL_REFUSED,   /* the server said no; the connection is good */
	SQL_TAKEN,     /* likewise: such a row is there already */
	SQL_ORPHAN,    /* likewise: a row that this one hangs on is missing, or one hangs on it */
	SQL_BAD_VALUE, /* likewise: a column cannot hold the value */
	SQL_NO_RIGHT,  /* likewise: this user may not, or nobody may here */
	SQL_AGAIN,     /* another one writes; the transaction is to be rolled back and repeated */
	SQL_GONE       /* the connection is of no use any more */
};

/* A bound parameter. */
struct sql_value {
	enum { SQL_TEXT, SQL_NUMBER, SQL_NULL } kind;
	struct span text; /* borrowed */
	int64_t number;
};

/* One row; valid during the call. A column that is NULL has p NULL. One with more octets than
 * SQL_VALUE_MAX may only be looked at for its length. */
typedef void sql_row(void *context, const struct span *columns, size_t count);

struct sql_question {
	unsigned statement; /* of the source */
	const struct sql_value *values;
	size_t count;
	sql_row *row; /* NULL: there are none */
	void *context;
	uint64_t changed; /* set: rows that a writing statement met */
};

struct sql_driver {
	const char *name; /* in a dsn */
	/* First and longest time for which a server that failed is left alone; 0: asking one that
	 * is away costs nothing. */
	int64_t pause_min_ms, pause_max_ms;
	/* NULL: not in this build. ST_OK, or ST_UNAVAILABLE with a sentence that has no password.
	 * Bounded by SQL_CONNECT_TIMEOUT_S. Any thread; one connection is used by one at a time. */
	enum status (*connect)(const struct sql_source *source, void **out, struct err *err);
	/* Bounded by SQL_ANSWER_TIMEOUT_S for each wait. */
	enum sql_answer (*ask)(void *connection, struct sql_question *question, struct err *err);
	/* A statement of the program's own, without values and rows: transactions, the schema. */
	enum sql_answer (*run)(void *connection, const char *text, struct err *err);
	/* Outside of a transaction: what was overwritten is in no file of the driver any more.
	 * false: somebody reads, ask again after the next transaction. Does not wait. NULL: it
	 * cannot. */
	bool (*scrub)(void *connection);
	void (*disconnect)(void *connection);
};

/* Static. mysql.c or mysql_none.c, sqlite.c or sqlite_none.c. */
extern const struct sql_driver mysql_driver;
extern const struct sql_driver sqlite_driver;

#endif
