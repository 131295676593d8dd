/*
 * mysql_session.h - logging in to MySQL and MariaDB, and what their errors mean: the parts of the
 * driver mysql.c that know servers, not statements.
 */
#ifndef SIGNPOST_BACKENDS_MYSQL_SESSION_H
#define SIGNPOST_BACKENDS_MYSQL_SESSION_H

#include <mysql.h>

#include "backends/sql.h"

/* A connection as source wants it. *out is to be closed also on failure (mysql_close; NULL is
 * fine). ST_OK, ST_UNAVAILABLE with a sentence that has no password. Any thread. */
enum status mysql_log_in(const struct sql_source *source, MYSQL **out, struct err *err) MUST_USE;

/* "WHERE: text (code); what to do" */
void mysql_say(const struct sql_source *source, unsigned code, const char *text, struct err *err);
/* What an error of the server or the library means for whoever asked. 0: the answer was unfit. */
enum sql_answer mysql_answer(unsigned code);

/* Once, before the first log-in, by one thread: caching_sha2_password is ours from now on. false:
 * the library does not take it. */
bool mysql_sha2_register(void) MUST_USE;

#endif
