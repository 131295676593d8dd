/*
 * sqlite.c - SQLite files for dsn: tables and key stores.
 * Called by sql.c and keystore_sql.c with a connection of the calling thread's own.
 * It must never write to a file that is opened for reading, nor go on with one that was replaced.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/sql.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define READER_PATIENCE_MS 2000  /* while another process writes */
#define WRITER_PATIENCE_MS 30000 /* a tool rather waits than fails; a load may take as long */
#define SCRUB_PATIENCE_MS 50

struct connection {
	const struct sql_source *source;
	sqlite3 *db;
	sqlite3_stmt **statements; /* as many as the source has; NULL: not yet */
	struct stat file;          /* as it was opened */
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

/* Else each list of names in a question, which SQLite makes a table of, takes 90 KB at once for the
 * pages that it might have, touches all of them, and gives them back to the kernel. Before the
 * library is used; if somebody was faster it stays as it is, and works. */
static void
use_few_pages(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
}

static bool
same_file(const struct connection *c)
{
	struct stat now;

	return stat(c->source->dsn.database, &now) == 0 && now.st_dev == c->file.st_dev &&
	       now.st_ino == c->file.st_ino;
}

/* What to do about it, where the library's words leave that open. */
static const char *
remedy(int code)
{
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return "; another process has locked it for too long: end that one (see fuser), "
		       "or give the file journal_mode=WAL, where readers do not wait";
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return "; put a backup back while nobody has the file open, and remove the files "
		       "-wal and -shm beside it";
	case SQLITE_FULL:
		return "; make room";
	case SQLITE_IOERR:
		return "; check the disk: is it full or broken?";
	case SQLITE_READONLY:
		return "; the files -wal and -shm beside it are missing, or this user may not use "
		       "them: run 'signpost store status' as its owner, who makes them";
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		return "; check the rights of the file, of its folder, and of the -wal and -shm "
		       "beside it";
	default:
		return "";
	}
}

static void
say(const struct connection *c, const char *what, struct err *err)
{
	err_set(err, "%s: %s: %s%s", c->source->where, what,
	    c->db == NULL ? "no memory" : sqlite3_errmsg(c->db),
	    c->db == NULL ? "" : remedy(sqlite3_errcode(c->db)));
}

static void
sqlite_disconnect(void *connection)
{
	struct connection *c = connection;

	for (unsigned i = 0; i < c->source->statement_count; i++)
		sqlite3_finalize(c->statements[i]);
	sqlite3_close(c->db);
	mem_free(c->statements);
	mem_free(c);
}

static bool
writes(const struct connection *c)
{
	return c->source->use == SQL_WRITER || c->source->use == SQL_CREATOR;
}

/* A name that does not exist is an error and no text; a foreign file cannot run code of its own. */
static bool
harden(struct connection *c)
{
	sqlite3_limit(c->db, SQLITE_LIMIT_LENGTH, 16 * (int)SQL_VALUE_MAX);
	sqlite3_extended_result_codes(c->db, 1);
	return sqlite3_busy_timeout(c->db, writes(c) ? WRITER_PATIENCE_MS : READER_PATIENCE_MS) ==
		   SQLITE_OK &&
	       sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DML, 0, (int *)NULL) == SQLITE_OK &&
	       sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL) ==
		   SQLITE_OK &&
	       sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL) == SQLITE_OK;
}

/* Of two that give a new file its log at the same moment SQLite refuses one at once and does not
 * ask the busy handler, for each holds what the other waits for. */
static bool
use_log(struct connection *c)
{
	int64_t until_ms = clock_mono_ms() + WRITER_PATIENCE_MS;
	int code;

	for (;;) {
		code = sqlite3_exec(c->db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);
		if ((code & 0xff) != SQLITE_BUSY || clock_mono_ms() >= until_ms)
			break;
		sqlite3_sleep(10);
	}
	return code == SQLITE_OK;
}

/* With a log (WAL) readers do not wait for a writer, nor a writer for them. Its files stay when the
 * last writer goes, so that a reader that may not make files finds them. A commit is on the disk
 * before it is answered. What is deleted, a private key, is overwritten. */
static bool
settle(struct connection *c)
{
	int keep = 1;

	if (c->source->use == SQL_TABLE)
		return true;
	if (c->source->use == SQL_READER)
		return sqlite3_exec(c->db, "PRAGMA query_only=1", NULL, NULL, NULL) == SQLITE_OK;
	return use_log(c) &&
	       sqlite3_exec(c->db,
		   "PRAGMA journal_size_limit=16777216; PRAGMA synchronous=FULL; "
		   "PRAGMA foreign_keys=1; PRAGMA secure_delete=1",
		   NULL, NULL, NULL) == SQLITE_OK &&
	       sqlite3_file_control(c->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep) == SQLITE_OK;
}

/* SQLite makes files that others may read; this one holds keys. */
static enum status
make_file(const struct connection *c, struct err *err)
{
	int fd = open(c->source->dsn.database, O_RDWR | O_CREAT | O_CLOEXEC, 0640);

	if (fd < 0) {
		err_set(err, "%s: cannot be made: %s", c->source->where, strerror(errno));
		return ST_UNAVAILABLE;
	}
	close(fd);
	return ST_OK;
}

static enum status
open_file(struct connection *c, struct err *err)
{
	const char *path = c->source->dsn.database;
	bool write = writes(c);
	int flags = write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;

	if (c->source->use == SQL_CREATOR && make_file(c, err) != ST_OK)
		return ST_UNAVAILABLE;
	if (stat(path, &c->file) != 0 || !S_ISREG(c->file.st_mode)) {
		err_set(err, "%s: there is no such file, or it cannot be reached; %s",
		    c->source->where, c->source->advice->file);
		return ST_UNAVAILABLE;
	}
	if (sqlite3_open_v2(path, &c->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
	    !harden(c) || !settle(c)) {
		say(c,
		    write ? "cannot be opened for writing (as which user?)"
			  : "cannot be opened (may UserID read it?)",
		    err);
		return ST_UNAVAILABLE;
	}
	return ST_OK;
}

static enum status
prepare(struct connection *c, unsigned at, struct err *err)
{
	sqlite3_stmt **out = &c->statements[at];

	if (sqlite3_prepare_v3(c->db, c->source->statements[at], -1, SQLITE_PREPARE_PERSISTENT, out,
		NULL) != SQLITE_OK) {
		say(c,
		    (sqlite3_errcode(c->db) & 0xff) == SQLITE_ERROR ? c->source->advice->schema
								    : "cannot be read",
		    err);
		return ST_UNAVAILABLE;
	}
	if ((c->source->use == SQL_TABLE && !sqlite3_stmt_readonly(*out)) ||
	    sqlite3_column_count(*out) > (int)c->source->columns_max) {
		err_set(err, "%s: datacol has more than %u columns", c->source->where,
		    c->source->columns_max - 1);
		return ST_UNAVAILABLE;
	}
	return ST_OK;
}

static enum status
sqlite_connect(const struct sql_source *source, void **out, struct err *err)
{
	struct connection *c = mem_zalloc(1, sizeof(*c));
	enum status status;

	pthread_once(&library_once, use_few_pages);
	c->source = source;
	c->statements = mem_zalloc(source->statement_count + 1, sizeof(*c->statements));
	status = open_file(c, err);
	for (unsigned i = 0; i < source->at_once && status == ST_OK; i++)
		status = prepare(c, i, err);
	if (status == ST_OK)
		*out = c;
	else
		sqlite_disconnect(c);
	return status;
}

static void
give_row(sqlite3_stmt *statement, const struct sql_question *question)
{
	struct span columns[SQL_COLUMNS_MAX];
	int count = sqlite3_column_count(statement);

	for (int i = 0; i < count; i++) {
		const char *p = (const char *)sqlite3_column_text(statement, i);

		columns[i] = span_of(p, p == NULL ? 0 : (size_t)sqlite3_column_bytes(statement, i));
	}
	question->row(question->context, columns, (size_t)count);
}

static int
bind(sqlite3_stmt *statement, const struct sql_question *question)
{
	int code = SQLITE_OK;

	for (size_t i = 0; i < question->count && code == SQLITE_OK; i++) {
		const struct sql_value *value = &question->values[i];
		int at = (int)i + 1;

		if (value->kind == SQL_TEXT)
			code = sqlite3_bind_text(statement, at,
			    value->text.n == 0 ? "" : value->text.p, (int)value->text.n,
			    SQLITE_STATIC);
		else if (value->kind == SQL_NUMBER)
			code = sqlite3_bind_int64(statement, at, value->number);
		else
			code = sqlite3_bind_null(statement, at);
	}
	return code;
}

static enum sql_answer
answer_of(int code)
{
	switch (code) {
	case SQLITE_DONE:
	case SQLITE_OK:
		return SQL_ANSWERED;
	case SQLITE_CONSTRAINT_PRIMARYKEY:
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_ROWID:
		return SQL_TAKEN;
	case SQLITE_CONSTRAINT_FOREIGNKEY:
		return SQL_ORPHAN;
	}
	switch (code & 0xff) {
	case SQLITE_CONSTRAINT:
	case SQLITE_TOOBIG:
		return SQL_BAD_VALUE;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return SQL_AGAIN;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return SQL_NO_RIGHT;
	default:
		return SQL_REFUSED;
	}
}

static enum sql_answer
sqlite_ask(void *connection, struct sql_question *question, struct err *err)
{
	struct connection *c = connection;
	sqlite3_stmt *statement;
	int code;

	if (!same_file(c)) {
		err_set(err, "%s: the file was replaced", c->source->where);
		return SQL_GONE;
	}
	if (c->statements[question->statement] == NULL &&
	    prepare(c, question->statement, err) != ST_OK)
		return SQL_REFUSED;
	statement = c->statements[question->statement];
	code = bind(statement, question);
	while (code == SQLITE_OK || code == SQLITE_ROW) {
		code = sqlite3_step(statement);
		if (code == SQLITE_ROW && question->row != NULL)
			give_row(statement, question);
	}
	question->changed = (uint64_t)sqlite3_changes(c->db);
	if (code != SQLITE_DONE)
		say(c, question->row == NULL ? "cannot be written" : "cannot be read", err);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return answer_of(code);
}

static enum sql_answer
sqlite_run(void *connection, const char *text, struct err *err)
{
	struct connection *c = connection;
	int code = sqlite3_exec(c->db, text, NULL, NULL, NULL);

	if (code != SQLITE_OK)
		say(c, "cannot be written", err);
	return answer_of(code);
}

/* Pages as they were stand in the log until it is written from its beginning again. */
static bool
sqlite_scrub(void *connection)
{
	struct connection *c = connection;
	int code;

	(void)sqlite3_busy_timeout(c->db, SCRUB_PATIENCE_MS);
	code = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	(void)sqlite3_busy_timeout(c->db, WRITER_PATIENCE_MS);
	return code == SQLITE_OK;
}

const struct sql_driver sqlite_driver = {
    .name = "sqlite3",
    .connect = sqlite_connect,
    .ask = sqlite_ask,
    .run = sqlite_run,
    .scrub = sqlite_scrub,
    .disconnect = sqlite_disconnect,
};
