/*
 * mysql.c - MySQL and MariaDB servers for dsn: tables, by libmariadb.
 * Called by sql.c with a connection of the calling thread's own.
 * It must never build a statement from a key, wait without a limit, or say a password in clear to
 * a server that asks for it.
 */
#include <errmsg.h>
#include <mysql.h>
#include <pthread.h>
#include <string.h>

#include "backends/sql.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

#define SHORT_BYTES 256U /* a column up to here needs no memory of its own */

/* How we log in. Others would give the password, or let the server ask for anything. */
static const char methods[] =
    "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519";

struct connection {
	const struct sql_source *source;
	MYSQL *mysql;
	MYSQL_STMT *one, *many;
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
set_options(MYSQL *mysql, const struct sql_source *source)
{
	unsigned connect_s = SQL_CONNECT_TIMEOUT_S, answer_s = SQL_ANSWER_TIMEOUT_S, off = 0;

	mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &answer_s);
	mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &answer_s);
	mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &off);
	mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	/* Else a server whose default is another one would show the same old rows for ever. */
	mysql_options(mysql, MYSQL_INIT_COMMAND, "SET autocommit=1");
	mysql_optionsv(mysql, MARIADB_OPT_RESTRICTED_AUTH, methods);
	set_tls(mysql, source);
}

static const char *
advice(unsigned code)
{
	switch (code) {
	case 1044: /* ER_DBACCESS_DENIED_ERROR */
	case 1045: /* ER_ACCESS_DENIED_ERROR */
	case 1698:
		return "check user and password of the dsn and the rights of that user";
	case 1049: /* ER_BAD_DB_ERROR */
		return "check the database of the dsn";
	case 1142: /* ER_TABLEACCESS_DENIED_ERROR */
	case 1143:
		return "give the user of the dsn the right to SELECT";
	case 1054: /* ER_BAD_FIELD_ERROR */
	case 1064: /* ER_PARSE_ERROR */
	case 1146: /* ER_NO_SUCH_TABLE */
		return "check table, keycol, datacol and filter of the dsn";
	case CR_SSL_CONNECTION_ERROR:
		return "check SQLTLSCAFile, and the name and the dates of the server's certificate";
	default:
		return "is the server running, and can it be reached?";
	}
}

static void
say(const struct connection *c, unsigned code, const char *text, struct err *err)
{
	err_set(err, "%s: %.300s (%u); %s", c->source->where, text, code, advice(code));
}

/* The server will not answer on this connection again. */
static bool
is_lost(unsigned code)
{
	return (code >= CR_MIN_ERROR && code <= CR_MAX_ERROR) || code >= CER_MIN_ERROR ||
	       code == 1053 ||                 /* ER_SERVER_SHUTDOWN */
	       code == 1317 || code == 1927 || /* killed */
	       code == 1243 || /* the statement is unknown: a proxy changed servers */
	       code == 4031;   /* closed because it was idle */
}

static void
mysql_disconnect(void *connection)
{
	struct connection *c = connection;

	if (c->one != NULL)
		mysql_stmt_close(c->one);
	if (c->many != NULL)
		mysql_stmt_close(c->many);
	mysql_close(c->mysql);
	mem_free(c);
}

static enum status
prepare(struct connection *c, const char *text, MYSQL_STMT **out, struct err *err)
{
	*out = mysql_stmt_init(c->mysql);
	if (*out == NULL) {
		say(c, mysql_errno(c->mysql), mysql_error(c->mysql), err);
		return ST_UNAVAILABLE;
	}
	if (mysql_stmt_prepare(*out, text, (unsigned long)strlen(text)) != 0) {
		say(c, mysql_stmt_errno(*out), mysql_stmt_error(*out), err);
		return ST_UNAVAILABLE;
	}
	if (mysql_stmt_field_count(*out) > SQL_COLUMNS_MAX) {
		err_set(
		    err, "%s: datacol has more than %u columns", c->source->where, DSN_COLUMNS_MAX);
		return ST_UNAVAILABLE;
	}
	return ST_OK;
}

static enum status
log_in(struct connection *c, struct err *err)
{
	const struct dsn *dsn = &c->source->dsn;
	bool socket = dsn->host[0] == '/';

	c->mysql = mysql_init(NULL);
	if (c->mysql == NULL) {
		err_set(err, "%s: no memory", c->source->where);
		return ST_UNAVAILABLE;
	}
	set_options(c->mysql, c->source);
	if (mysql_real_connect(c->mysql, socket ? "localhost" : dsn->host, dsn->user, dsn->password,
		dsn->database, dsn->port, socket ? dsn->host : NULL, 0) != NULL)
		return ST_OK;
	say(c, mysql_errno(c->mysql), mysql_error(c->mysql), err);
	return ST_UNAVAILABLE;
}

static enum status
mysql_driver_connect(const struct sql_source *source, void **out, struct err *err)
{
	struct connection *c = mem_zalloc(1, sizeof(*c));
	enum status status;

	pthread_once(&library_once, library_start);
	c->source = source;
	status = log_in(c, err);
	if (status == ST_OK)
		status = prepare(c, source->one, &c->one, err);
	if (status == ST_OK)
		status = prepare(c, source->many, &c->many, err);
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

	memset(binds, 0, sizeof(binds));
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

	memset(cells, 0, sizeof(cells));
	failed = bind_cells(statement, cells, count);
	while (failed == 0) {
		failed = mysql_stmt_fetch(statement);
		if (failed == 0 || failed == MYSQL_DATA_TRUNCATED)
			failed = give_row(statement, cells, count, row, context);
	}
	secret_wipe(cells, sizeof(cells));
	return failed == MYSQL_NO_DATA ? 0 : failed;
}

static int
execute(MYSQL_STMT *statement, const struct span *keys, size_t count)
{
	MYSQL_BIND binds[SQL_SLOTS];
	unsigned long lengths[SQL_SLOTS];
	int failed;

	memset(binds, 0, sizeof(binds));
	for (size_t i = 0; i < count; i++) {
		lengths[i] = (unsigned long)keys[i].n;
		binds[i].buffer_type = MYSQL_TYPE_STRING;
		binds[i].buffer = (void *)(uintptr_t)(keys[i].n == 0 ? "" : keys[i].p);
		binds[i].buffer_length = lengths[i];
		binds[i].length = &lengths[i];
	}
	failed = mysql_stmt_bind_param(statement, binds);
	return failed != 0 ? failed : mysql_stmt_execute(statement);
}

static enum sql_answer
mysql_driver_ask(void *connection, const struct span *keys, size_t count, sql_row *row,
    void *context, struct err *err)
{
	struct connection *c = connection;
	MYSQL_STMT *statement = count == 1 ? c->one : c->many;
	int failed = execute(statement, keys, count);
	unsigned code;

	if (failed == 0)
		failed = fetch_rows(statement, row, context);
	code = mysql_stmt_errno(statement);
	if (failed != 0)
		say(c, code, code == 0 ? "a row cannot be read" : mysql_stmt_error(statement), err);
	mysql_stmt_free_result(statement);
	if (failed == 0)
		return SQL_ANSWERED;
	return code == 0 || is_lost(code) ? SQL_GONE : SQL_REFUSED;
}

const struct sql_driver mysql_driver = {
    .name = "mysql",
    .pause_min_ms = 1000,
    .pause_max_ms = 3000,
    .connect = mysql_driver_connect,
    .ask = mysql_driver_ask,
    .disconnect = mysql_disconnect,
};
