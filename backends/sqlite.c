/*
 * sqlite.c - SQLite files for dsn: tables.
 * Called by sql.c with a connection of the calling thread's own.
 * It must never write to the file, nor go on reading one that was replaced.
 */
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#include "backends/sql.h"
#include "lib/base/mem.h"

#define BUSY_TIMEOUT_MS 2000 /* while another process writes */

struct connection {
	const struct sql_source *source;
	sqlite3 *db;
	sqlite3_stmt *one, *many;
	struct stat file; /* as it was opened */
};

static bool
same_file(const struct connection *c)
{
	struct stat now;

	return stat(c->source->dsn.database, &now) == 0 && now.st_dev == c->file.st_dev &&
	       now.st_ino == c->file.st_ino;
}

static void
say(const struct connection *c, const char *what, struct err *err)
{
	err_set(err, "%s: %s: %s", c->source->where, what,
	    c->db == NULL ? "no memory" : sqlite3_errmsg(c->db));
}

static void
sqlite_disconnect(void *connection)
{
	struct connection *c = connection;

	sqlite3_finalize(c->one);
	sqlite3_finalize(c->many);
	sqlite3_close(c->db);
	mem_free(c);
}

/* A name that does not exist is an error and no text; a foreign file cannot run code of its own. */
static bool
harden(struct connection *c)
{
	sqlite3_limit(c->db, SQLITE_LIMIT_LENGTH, 16 * (int)SQL_VALUE_MAX);
	return sqlite3_busy_timeout(c->db, BUSY_TIMEOUT_MS) == SQLITE_OK &&
	       sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DML, 0, (int *)NULL) == SQLITE_OK &&
	       sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL) ==
		   SQLITE_OK &&
	       sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL) == SQLITE_OK;
}

static enum status
open_file(struct connection *c, struct err *err)
{
	const char *path = c->source->dsn.database;

	if (stat(path, &c->file) != 0 || !S_ISREG(c->file.st_mode)) {
		err_set(err,
		    "%s: there is no such file, or it cannot be reached; is it there, and may "
		    "UserID read it?",
		    c->source->where);
		return ST_UNAVAILABLE;
	}
	if (sqlite3_open_v2(path, &c->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) !=
		SQLITE_OK ||
	    !harden(c)) {
		say(c, "cannot be opened (may UserID read it?)", err);
		return ST_UNAVAILABLE;
	}
	return ST_OK;
}

static enum status
prepare(struct connection *c, const char *text, sqlite3_stmt **out, struct err *err)
{
	if (sqlite3_prepare_v3(c->db, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) !=
	    SQLITE_OK) {
		say(c, "check table, keycol, datacol and filter of the dsn", err);
		return ST_UNAVAILABLE;
	}
	if (!sqlite3_stmt_readonly(*out) || sqlite3_column_count(*out) > (int)SQL_COLUMNS_MAX) {
		err_set(
		    err, "%s: datacol has more than %u columns", c->source->where, DSN_COLUMNS_MAX);
		return ST_UNAVAILABLE;
	}
	return ST_OK;
}

static enum status
sqlite_connect(const struct sql_source *source, void **out, struct err *err)
{
	struct connection *c = mem_zalloc(1, sizeof(*c));
	enum status status;

	c->source = source;
	status = open_file(c, err);
	if (status == ST_OK)
		status = prepare(c, source->one, &c->one, err);
	if (status == ST_OK)
		status = prepare(c, source->many, &c->many, err);
	if (status == ST_OK)
		*out = c;
	else
		sqlite_disconnect(c);
	return status;
}

static void
give_row(sqlite3_stmt *statement, sql_row *row, void *context)
{
	struct span columns[SQL_COLUMNS_MAX];
	int count = sqlite3_column_count(statement);

	for (int i = 0; i < count; i++) {
		const char *p = (const char *)sqlite3_column_text(statement, i);

		columns[i] = span_of(p, p == NULL ? 0 : (size_t)sqlite3_column_bytes(statement, i));
	}
	row(context, columns, (size_t)count);
}

static enum sql_answer
sqlite_ask(void *connection, const struct span *keys, size_t count, sql_row *row, void *context,
    struct err *err)
{
	struct connection *c = connection;
	sqlite3_stmt *statement = count == 1 ? c->one : c->many;
	int code = SQLITE_OK;

	if (!same_file(c)) {
		err_set(err, "%s: the file was replaced", c->source->where);
		return SQL_GONE;
	}
	for (size_t i = 0; i < count && code == SQLITE_OK; i++)
		code = sqlite3_bind_text(statement, (int)i + 1, keys[i].n == 0 ? "" : keys[i].p,
		    (int)keys[i].n, SQLITE_STATIC);
	while (code == SQLITE_OK || code == SQLITE_ROW) {
		code = sqlite3_step(statement);
		if (code == SQLITE_ROW)
			give_row(statement, row, context);
	}
	if (code != SQLITE_DONE)
		say(c, "cannot be read", err);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return code == SQLITE_DONE ? SQL_ANSWERED : SQL_REFUSED;
}

const struct sql_driver sqlite_driver = {
    .name = "sqlite3",
    .connect = sqlite_connect,
    .ask = sqlite_ask,
    .disconnect = sqlite_disconnect,
};
