/*
 * mysql.c - MySQL and MariaDB servers for dsn: tables and key stores, by libmariadb.
 * Called by sql.c and keystore_sql.c with a connection of the calling thread's own.
 * It must never build a statement from a key, wait without a limit, or say a password in clear to
 * a server that asks for it.
 */
#include <errmsg.h>
#include <errno.h>
#include <fcntl.h>
#include <mysql.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "backends/sql.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

#define SHORT_BYTES 256U         /* a column up to here needs no memory of its own */
#define PASSWORD_BYTES_MAX 1024U /* of a file with a password */

/* How we log in. Others would give the password, or let the server ask for anything. */
static const char methods[] =
    "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519";

struct prepared {
	MYSQL_STMT *handle; /* NULL: not yet */
	MYSQL_BIND *binds;  /* of its parameters */
	unsigned long *lengths;
};

struct connection {
	const struct sql_source *source;
	MYSQL *mysql;
	struct prepared *statements; /* as many as the source has */
};

/* One column of the present row. */
struct cell {
	char room[SHORT_BYTES];
	char *long_text; /* secret memory, because it may be a key */
	unsigned long n;
	my_bool null, cut;
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void
library_start(void)
{
	(void)!mysql_library_init(0, NULL, NULL);
}

static bool
by_socket(const struct dsn *dsn)
{
	return dsn->host[0] == '/' || strcmp(dsn->host, "localhost") == 0;
}

static void
set_tls(MYSQL *mysql, const struct sql_source *source)
{
	my_bool yes = 1, verify = source->tls_verify;

	if (!source->tls || by_socket(&source->dsn))
		return;
	mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &yes);
	mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
	if (verify)
		mysql_options(mysql, MYSQL_OPT_SSL_CA, source->tls_ca_file);
}

static void
greet(MYSQL *mysql, const char *const *statements)
{
	for (; *statements != NULL; statements++)
		mysql_options(mysql, MYSQL_INIT_COMMAND, *statements);
}

/* What every session begins with. A waiting writer is answered before we stop listening. */
static void
set_session(MYSQL *mysql, enum sql_use use)
{
	/* Else a server whose default is another one would show the same old rows for ever. */
	static const char *const all[] = {"SET autocommit=1", NULL};
	static const char *const reader[] = {"SET SESSION TRANSACTION READ ONLY", NULL};
	static const char *const writer[] = {
	    "SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
	    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
	    "SET SESSION innodb_lock_wait_timeout=3", "SET SESSION lock_wait_timeout=3", NULL};

	greet(mysql, all);
	if (use == SQL_READER)
		greet(mysql, reader);
	else if (use != SQL_TABLE)
		greet(mysql, writer);
}

static void
set_options(MYSQL *mysql, const struct sql_source *source)
{
	unsigned connect_s = SQL_CONNECT_TIMEOUT_S, answer_s = SQL_ANSWER_TIMEOUT_S, off = 0;

	if (source->use == SQL_WRITER || source->use == SQL_CREATOR)
		answer_s = SQL_WRITE_TIMEOUT_S;
	mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &answer_s);
	mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &answer_s);
	mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &off);
	mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_optionsv(mysql, MARIADB_OPT_RESTRICTED_AUTH, methods);
	set_session(mysql, source->use);
	set_tls(mysql, source);
}

static const char *
advice(const struct sql_advice *advices, unsigned code)
{
	switch (code) {
	case 1044: /* ER_DBACCESS_DENIED_ERROR */
	case 1045: /* ER_ACCESS_DENIED_ERROR */
	case 1698:
		return advices->login;
	case 1046: /* ER_NO_DB_ERROR */
	case 1049: /* ER_BAD_DB_ERROR */
		return advices->database;
	case 1142: /* ER_TABLEACCESS_DENIED_ERROR */
	case 1143:
		return advices->rights;
	case 1054: /* ER_BAD_FIELD_ERROR */
	case 1064: /* ER_PARSE_ERROR */
	case 1146: /* ER_NO_SUCH_TABLE */
		return advices->schema;
	case 1290: /* ER_OPTION_PREVENTS_STATEMENT: --read-only */
	case 1836: /* ER_READ_ONLY_MODE */
		return "this server is a replica that only reads; write to the one it follows";
	case CR_SSL_CONNECTION_ERROR:
		return "check SQLTLSCAFile, and the name and the dates of the server's certificate";
	default:
		return "is the server running, and can it be reached?";
	}
}

static void
say(const struct connection *c, unsigned code, const char *text, struct err *err)
{
	err_set(err, "%s: %.300s (%u); %s", c->source->where, text, code,
	    advice(c->source->advice, code));
}

/* The server will not answer on this connection again. */
static bool
is_lost(unsigned code)
{
	return (code >= CR_MIN_ERROR && code <= CR_MAX_ERROR) || code >= CER_MIN_ERROR ||
	       code == 1053 ||                 /* ER_SERVER_SHUTDOWN */
	       code == 1317 || code == 1927 || /* killed */
	       code == 1615 ||                 /* ER_NEED_REPREPARE, and the server could not */
	       code == 1243 || /* the statement is unknown: a proxy changed servers */
	       code == 4031;   /* closed because it was idle */
}

static enum sql_answer
answer_of(unsigned code)
{
	switch (code) {
	case 1062: /* ER_DUP_ENTRY */
	case 1586:
		return SQL_TAKEN;
	case 1216:
	case 1217:
	case 1451: /* ER_ROW_IS_REFERENCED_2 */
	case 1452: /* ER_NO_REFERENCED_ROW_2 */
		return SQL_ORPHAN;
	case 1048: /* ER_BAD_NULL_ERROR */
	case 1264: /* ER_WARN_DATA_OUT_OF_RANGE */
	case 1366: /* ER_TRUNCATED_WRONG_VALUE_FOR_FIELD */
	case 1406: /* ER_DATA_TOO_LONG */
	case 3819: /* ER_CHECK_CONSTRAINT_VIOLATED, of MySQL and of MariaDB */
	case 4025:
		return SQL_BAD_VALUE;
	case 1020: /* ER_CHECKREAD */
	case 1205: /* ER_LOCK_WAIT_TIMEOUT */
	case 1213: /* ER_LOCK_DEADLOCK; Galera says it for a commit that another node forestalled */
		return SQL_AGAIN;
	default:
		return code == 0 || is_lost(code) ? SQL_GONE : SQL_REFUSED;
	}
}

static void
mysql_disconnect(void *connection)
{
	struct connection *c = connection;

	for (unsigned i = 0; i < c->source->statement_count; i++) {
		struct prepared *statement = &c->statements[i];

		if (statement->handle != NULL)
			mysql_stmt_close(statement->handle);
		mem_free(statement->binds);
		mem_free(statement->lengths);
	}
	mem_free(c->statements);
	mysql_close(c->mysql);
	mem_free(c);
}

static enum status
check_columns(const struct connection *c, MYSQL_STMT *handle, struct err *err)
{
	if (mysql_stmt_field_count(handle) <= c->source->columns_max)
		return ST_OK;
	err_set(err, "%s: datacol has more than %u columns", c->source->where,
	    c->source->columns_max - 1);
	return ST_UNAVAILABLE;
}

/* *code_out: the server's error. */
static enum status
prepare(struct connection *c, unsigned at, unsigned *code_out, struct err *err)
{
	const char *text = c->source->statements[at];
	struct prepared *statement = &c->statements[at];
	MYSQL_STMT *handle = mysql_stmt_init(c->mysql);
	size_t count;

	if (handle == NULL) {
		*code_out = mysql_errno(c->mysql);
		say(c, *code_out, mysql_error(c->mysql), err);
		return ST_UNAVAILABLE;
	}
	if (mysql_stmt_prepare(handle, text, (unsigned long)strlen(text)) != 0) {
		*code_out = mysql_stmt_errno(handle);
		say(c, *code_out, mysql_stmt_error(handle), err);
		mysql_stmt_close(handle);
		return ST_UNAVAILABLE;
	}
	count = mysql_stmt_param_count(handle);
	statement->handle = handle;
	statement->binds = mem_zalloc(count + 1, sizeof(*statement->binds));
	statement->lengths = mem_zalloc(count + 1, sizeof(*statement->lengths));
	return check_columns(c, handle, err);
}

/* *out: NULL, or in secret memory. */
static enum status
read_password(const struct connection *c, char **out, struct err *err)
{
	const char *path = c->source->password_file;
	char *text;
	ssize_t n;
	int fd;

	*out = NULL;
	if (path == NULL)
		return ST_OK;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	text = secret_malloc(PASSWORD_BYTES_MAX + 1);
	n = fd < 0 || text == NULL ? -1 : read(fd, text, PASSWORD_BYTES_MAX);
	if (n < 0)
		err_set(err, "%s: the password cannot be read from %s: %s", c->source->where, path,
		    strerror(errno));
	if (fd >= 0)
		close(fd);
	if (n < 0) {
		secret_free(text);
		return ST_UNAVAILABLE;
	}
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	text[n] = '\0';
	*out = text;
	return ST_OK;
}

static enum status
log_in(struct connection *c, struct err *err)
{
	const struct dsn *dsn = &c->source->dsn;
	bool socket = dsn->host[0] == '/', in;
	char *password;

	c->mysql = mysql_init(NULL);
	if (c->mysql == NULL) {
		err_set(err, "%s: no memory", c->source->where);
		return ST_UNAVAILABLE;
	}
	set_options(c->mysql, c->source);
	if (read_password(c, &password, err) != ST_OK)
		return ST_UNAVAILABLE;
	in = mysql_real_connect(c->mysql, socket ? "localhost" : dsn->host, dsn->user,
		 password != NULL ? password : dsn->password, dsn->database, dsn->port,
		 socket ? dsn->host : NULL, CLIENT_FOUND_ROWS) != NULL;
	secret_free(password);
	if (in)
		return ST_OK;
	say(c, mysql_errno(c->mysql), mysql_error(c->mysql), err);
	return ST_UNAVAILABLE;
}

static enum status
mysql_driver_connect(const struct sql_source *source, void **out, struct err *err)
{
	struct connection *c = mem_zalloc(1, sizeof(*c));
	enum status status;
	unsigned code;

	pthread_once(&library_once, library_start);
	c->source = source;
	c->statements = mem_zalloc(source->statement_count + 1, sizeof(*c->statements));
	status = log_in(c, err);
	for (unsigned i = 0; i < source->at_once && status == ST_OK; i++)
		status = prepare(c, i, &code, err);
	if (status == ST_OK)
		*out = c;
	else
		mysql_disconnect(c);
	return status;
}

static int
bind_cells(MYSQL_STMT *statement, struct cell *cells, unsigned count)
{
	MYSQL_BIND binds[SQL_COLUMNS_MAX];

	memset(binds, 0, count * sizeof(binds[0]));
	memset(cells, 0, count * sizeof(cells[0]));
	for (unsigned i = 0; i < count; i++) {
		binds[i].buffer_type = MYSQL_TYPE_STRING;
		binds[i].buffer = cells[i].room;
		binds[i].buffer_length = SHORT_BYTES;
		binds[i].length = &cells[i].n;
		binds[i].is_null = &cells[i].null;
		binds[i].error = &cells[i].cut;
	}
	return mysql_stmt_bind_result(statement, binds);
}

/* Fetches again what did not fit. */
static int
fetch_long(MYSQL_STMT *statement, struct cell *cell, unsigned at)
{
	MYSQL_BIND bind;

	memset(&bind, 0, sizeof(bind));
	cell->long_text = secret_malloc(cell->n);
	if (cell->long_text == NULL)
		return -1;
	bind.buffer_type = MYSQL_TYPE_STRING;
	bind.buffer = cell->long_text;
	bind.buffer_length = cell->n;
	bind.length = &cell->n;
	bind.is_null = &cell->null;
	bind.error = &cell->cut;
	return mysql_stmt_fetch_column(statement, &bind, at, 0);
}

static int
give_row(MYSQL_STMT *statement, struct cell *cells, unsigned count, sql_row *row, void *context)
{
	struct span columns[SQL_COLUMNS_MAX];
	int failed = 0;

	for (unsigned i = 0; i < count && failed == 0; i++) {
		struct cell *cell = &cells[i];
		bool whole = cell->n <= SHORT_BYTES;

		cell->long_text = NULL;
		columns[i] = SPAN_EMPTY;
		if (cell->null)
			continue;
		/* What is too long for a value is not fetched; its length says so. */
		if (!whole && cell->n <= SQL_VALUE_MAX)
			failed = fetch_long(statement, cell, i);
		columns[i] =
		    span_of(cell->long_text != NULL ? cell->long_text : cell->room, cell->n);
	}
	if (failed == 0 && columns[0].n <= SQL_VALUE_MAX)
		row(context, columns, count);
	for (unsigned i = 0; i < count; i++)
		secret_free(cells[i].long_text);
	return failed;
}

static int
fetch_rows(MYSQL_STMT *statement, sql_row *row, void *context)
{
	struct cell cells[SQL_COLUMNS_MAX];
	unsigned count = mysql_stmt_field_count(statement);
	int failed;

	if (count == 0)
		return 0;
	failed = bind_cells(statement, cells, count);
	while (failed == 0) {
		failed = mysql_stmt_fetch(statement);
		if (failed == 0 || failed == MYSQL_DATA_TRUNCATED)
			failed = give_row(statement, cells, count, row, context);
	}
	secret_wipe(cells, count * sizeof(cells[0]));
	return failed == MYSQL_NO_DATA ? 0 : failed;
}

static void
bind_value(MYSQL_BIND *bind, unsigned long *length, const struct sql_value *value)
{
	if (value->kind == SQL_TEXT) {
		*length = (unsigned long)value->text.n;
		bind->buffer_type = MYSQL_TYPE_STRING;
		bind->buffer = (void *)(uintptr_t)(value->text.n == 0 ? "" : value->text.p);
		bind->buffer_length = *length;
		bind->length = length;
	} else if (value->kind == SQL_NUMBER) {
		bind->buffer_type = MYSQL_TYPE_LONGLONG;
		bind->buffer = (void *)(uintptr_t)&value->number;
	} else {
		bind->buffer_type = MYSQL_TYPE_NULL;
	}
}

static int
execute(const struct prepared *statement, const struct sql_question *question)
{
	int failed;

	memset(statement->binds, 0, question->count * sizeof(*statement->binds));
	for (size_t i = 0; i < question->count; i++)
		bind_value(&statement->binds[i], &statement->lengths[i], &question->values[i]);
	failed = mysql_stmt_bind_param(statement->handle, statement->binds);
	return failed != 0 ? failed : mysql_stmt_execute(statement->handle);
}

static enum sql_answer
mysql_driver_ask(void *connection, struct sql_question *question, struct err *err)
{
	struct connection *c = connection;
	const struct prepared *statement = &c->statements[question->statement];
	unsigned code = 0;
	int failed;

	if (statement->handle == NULL && prepare(c, question->statement, &code, err) != ST_OK)
		return answer_of(code);
	failed = execute(statement, question);
	if (failed == 0)
		failed = fetch_rows(statement->handle, question->row, question->context);
	code = mysql_stmt_errno(statement->handle);
	if (failed != 0)
		say(c, code,
		    code == 0 ? "a row cannot be read" : mysql_stmt_error(statement->handle), err);
	else
		question->changed = mysql_stmt_affected_rows(statement->handle);
	mysql_stmt_free_result(statement->handle);
	return failed == 0 ? SQL_ANSWERED : answer_of(code);
}

static enum sql_answer
mysql_driver_run(void *connection, const char *text, struct err *err)
{
	struct connection *c = connection;
	unsigned code;

	if (mysql_real_query(c->mysql, text, (unsigned long)strlen(text)) == 0) {
		mysql_free_result(mysql_store_result(c->mysql));
		return SQL_ANSWERED;
	}
	code = mysql_errno(c->mysql);
	say(c, code, mysql_error(c->mysql), err);
	return answer_of(code);
}

const struct sql_driver mysql_driver = {
    .name = "mysql",
    .pause_min_ms = 1000,
    .pause_max_ms = 3000,
    .connect = mysql_driver_connect,
    .ask = mysql_driver_ask,
    .run = mysql_driver_run,
    .disconnect = mysql_disconnect,
};
