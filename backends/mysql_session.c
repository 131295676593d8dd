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

/* How we log in. Others would give the password, or let the server ask for anything;
 * sha256_password gives it, without TLS under any key that the server sends. */
static const char methods[] = "mysql_native_password,client_ed25519,caching_sha2_password";
static const char methods_without_sha2[] = "mysql_native_password,client_ed25519";
static const char methods_by_tls[] =
    "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password";

static struct {
	pthread_once_t once;
	bool has_sha2;
} library = {.once = PTHREAD_ONCE_INIT};

static void
library_start(void)
{
	(void)!mysql_library_init(0, NULL, NULL);
	library.has_sha2 = mysql_sha2_register();
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

	if (!source->tls || by_socket(&source->dsn)) {
		mysql_optionsv(mysql, MARIADB_OPT_RESTRICTED_AUTH,
		    library.has_sha2 ? methods : methods_without_sha2);
		return;
	}
	mysql_optionsv(mysql, MARIADB_OPT_RESTRICTED_AUTH, methods_by_tls);
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
	set_session(mysql, source->use);
	set_tls(mysql, source);
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

/* Whatever happens to a connection with TLS is an error of TLS to the library. */
static bool
is_about_certificates(const char *text)
{
	static const char *const others[] = {"timed out", "eof", "EOF", "reset", "Broken pipe"};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strstr(text, others[i]) != NULL)
			return false;
	return true;
}

static const char *
advice_of_library(unsigned code, const char *text)
{
	if (code == CR_SSL_CONNECTION_ERROR && is_about_certificates(text))
		return "check SQLTLSCAFile, and the name and the dates of the server's certificate";
	if (code == CR_AUTH_PLUGIN_CANNOT_LOAD || code == CR_PLUGIN_NOT_ALLOWED)
		return "check the way this user logs in: it is none of those that "
		       "signpostd.conf(5) "
		       "names at SQLTLS, or SQLTLS yes is needed for it";
	if (code == CR_AUTH_PLUGIN_ERR)
		return "use SQLTLS yes with SQLTLSCAFile, the server's socket, or a user that logs "
		       "in "
		       "by mysql_native_password";
	return "is the server running, does it answer in time, and can it be reached?";
}

/* What a server says, whatever is asked. */
static const struct {
	unsigned code;
	const char *text;
} advices_of_servers[] = {
    {1021, "check the disk of the server: it is full"},
    {1040, "give the server more connections (max_connections)"},
    {1129, "run FLUSH HOSTS there, and correct what made so many log-ins fail"},
    {1130, "give a user of this name the right to come from this host"},
    {1203, "give this user more connections (max_user_connections)"},
    {1205, "check SHOW PROCESSLIST: another session holds what is needed"},
    {1213, "check SHOW PROCESSLIST: another session holds what is needed"},
    {1226, "give this user more connections, or questions in an hour"},
    {1290, "this server is a replica that only reads; write to the one it follows"},
    {1820, "give the user a new password: the old one has expired"},
    {1836, "this server is a replica that only reads; write to the one it follows"},
    {1862, "give the user a new password: the old one has expired"},
    {3118, "check the user: the server has locked it"},
    {3159, "use SQLTLS yes: the server wants it"},
    {4151, "check the user: the server has locked it"},
};

static const char *
advice(const struct sql_advice *advices, unsigned code, const char *text)
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
	}
	for (size_t i = 0; i < sizeof(advices_of_servers) / sizeof(advices_of_servers[0]); i++)
		if (advices_of_servers[i].code == code)
			return advices_of_servers[i].text;
	return code == 0 || is_lost(code) ? advice_of_library(code, text)
					  : "see the log of the server for more";
}

void
mysql_say(const struct sql_source *source, unsigned code, const char *text, struct err *err)
{
	/* The library's own sentence shows what is left in a buffer of the log-in. */
	if (code == CR_PLUGIN_NOT_ALLOWED)
		text = "the server asks for a way to log in that is not used here";
	err_set(err, "%s: %.300s (%u); %s", source->where, text, code,
	    advice(source->advice, code, text));
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
	case 1142: /* ER_TABLEACCESS_DENIED_ERROR */
	case 1143:
	case 1290: /* ER_OPTION_PREVENTS_STATEMENT: the server only reads */
	case 1792: /* ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION */
	case 1836: /* ER_READ_ONLY_MODE */
		return SQL_NO_RIGHT;
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

	pthread_once(&library.once, library_start);
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
