/*
 * mysql_session.c - logging in to MySQL and MariaDB, and what their errors mean.
 * Called by mysql.c when it makes a connection or is refused something.
 * It must never say a password in clear to a server that asks for it, nor in a message.
 */
#include <errmsg.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "backends/mysql_session.h"
#include "lib/base/secret.h"

#define PASSWORD_BYTES_MAX 1024U /* of a file with a password */

/* How we log in. Others would give the password, or let the server ask for anything. */
static const char methods[] =
    "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519";

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
	case 1176: /* ER_KEY_DOES_NOT_EXITS: a table of somebody else */
		return advices->schema;
	case 1290: /* ER_OPTION_PREVENTS_STATEMENT: --read-only */
	case 1836: /* ER_READ_ONLY_MODE */
		return "this server is a replica that only reads; write to the one it follows";
	case 1205: /* ER_LOCK_WAIT_TIMEOUT */
	case 1213: /* ER_LOCK_DEADLOCK */
		return "somebody else is writing there (SHOW PROCESSLIST says who); try again";
	case 1040: /* ER_CON_COUNT_ERROR */
	case 1203: /* ER_TOO_MANY_USER_CONNECTIONS */
	case 1226: /* ER_USER_LIMIT_REACHED */
		return "raise max_connections of the server, or the limits of this user";
	case 1021: /* ER_DISK_FULL */
	case 1114: /* ER_RECORD_FILE_FULL */
		return "make room on the server";
	case CR_SSL_CONNECTION_ERROR:
		return "check SQLTLSCAFile, and the name and the dates of the server's certificate";
	default:
		return "is the server running, and can it be reached?";
	}
}

void
mysql_say(const struct sql_source *source, unsigned code, const char *text, struct err *err)
{
	err_set(
	    err, "%s: %.300s (%u); %s", source->where, text, code, advice(source->advice, code));
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

enum sql_answer
mysql_answer(unsigned code)
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

/* *out: NULL, or in secret memory. */
static enum status
read_password(const struct sql_source *source, char **out, struct err *err)
{
	const char *path = source->password_file;
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
		err_set(err, "%s: the password cannot be read from %s: %s", source->where, path,
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

enum status
mysql_log_in(const struct sql_source *source, MYSQL **out, struct err *err)
{
	const struct dsn *dsn = &source->dsn;
	bool socket = dsn->host[0] == '/', in;
	char *password;
	MYSQL *mysql;

	pthread_once(&library_once, library_start);
	*out = mysql = mysql_init(NULL);
	if (mysql == NULL) {
		err_set(err, "%s: no memory", source->where);
		return ST_UNAVAILABLE;
	}
	set_options(mysql, source);
	if (read_password(source, &password, err) != ST_OK)
		return ST_UNAVAILABLE;
	in = mysql_real_connect(mysql, socket ? "localhost" : dsn->host, dsn->user,
		 password != NULL ? password : dsn->password, dsn->database, dsn->port,
		 socket ? dsn->host : NULL, CLIENT_FOUND_ROWS) != NULL;
	secret_free(password);
	if (in)
		return ST_OK;
	mysql_say(source, mysql_errno(mysql), mysql_error(mysql), err);
	return ST_UNAVAILABLE;
}
