/*
 * mysql.c - MySQL and MariaDB servers for dsn: tables and key stores, by libmariadb.
 * Called by sql.c and keystore_sql.c with a connection of the calling thread's own.
 * It must never build a statement from a key, or wait without a limit.
 */
#include <mysql.h>
#include <string.h>

#include "backends/mysql_session.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

#define SHORT_BYTES 256U /* a column up to here needs no memory of its own */

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
		mysql_say(c->source, *code_out, mysql_error(c->mysql), err);
		return ST_UNAVAILABLE;
	}
	if (mysql_stmt_prepare(handle, text, (unsigned long)strlen(text)) != 0) {
		*code_out = mysql_stmt_errno(handle);
		mysql_say(c->source, *code_out, mysql_stmt_error(handle), err);
		mysql_stmt_close(handle);
		return ST_UNAVAILABLE;
	}
	count = mysql_stmt_param_count(handle);
	statement->handle = handle;
	statement->binds = mem_zalloc(count + 1, sizeof(*statement->binds));
	statement->lengths = mem_zalloc(count + 1, sizeof(*statement->lengths));
	return check_columns(c, handle, err);
}

static enum status
mysql_driver_connect(const struct sql_source *source, void **out, struct err *err)
{
	struct connection *c = mem_zalloc(1, sizeof(*c));
	enum status status;
	unsigned code;

	c->source = source;
	c->statements = mem_zalloc(source->statement_count + 1, sizeof(*c->statements));
	status = mysql_log_in(source, &c->mysql, err);
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
		return mysql_answer(code);
	failed = execute(statement, question);
	if (failed == 0)
		failed = fetch_rows(statement->handle, question->row, question->context);
	code = mysql_stmt_errno(statement->handle);
	if (failed != 0)
		mysql_say(c->source, code,
		    code == 0 ? "a row cannot be read" : mysql_stmt_error(statement->handle), err);
	else
		question->changed = mysql_stmt_affected_rows(statement->handle);
	mysql_stmt_free_result(statement->handle);
	return failed == 0 ? SQL_ANSWERED : mysql_answer(code);
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
	mysql_say(c->source, code, mysql_error(c->mysql), err);
	return mysql_answer(code);
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
