/*
 * dsn.h - OpenDKIM's dsn: specifications taken apart, and the statements made of them.
 *
 *   mysql://[user[:password]@][port+]host/database/table=T?keycol=K?datacol=C1,C2[?filter=F]
 *   sqlite3:///path/table=T?keycol=K?datacol=C1,C2[?filter=F]
 *   .../preset=NAME[?prefix=P]     instead of table and the rest: a panel's tables (dsn_preset.c)
 *
 * Every part may be written with =XX for an octet, as in quoted-printable; '/' in a password is
 * =2F. OpenDKIM decodes the filter only, and lower-case digits wrongly.
 */
#ifndef SIGNPOST_BACKENDS_DSN_H
#define SIGNPOST_BACKENDS_DSN_H

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"

#define DSN_MAX 8192U            /* octets of a specification */
#define DSN_COLUMNS_MAX 8U       /* data columns */
#define DSN_STATEMENT_MAX 20000U /* octets of a statement */

/* All owned, NUL-terminated; NULL when not given. No part but the password holds control
 * characters, and none a NUL. */
struct dsn {
	char *backend;  /* "mysql", "sqlite3", in lower case */
	char *user;     /* mysql */
	char *password; /* mysql; secret memory */
	unsigned port;  /* mysql; 0: the usual one */
	char *host;     /* mysql; begins with '/': a socket */
	char *database; /* mysql: a name; sqlite3: an absolute path */
	char *table, *key_column, *data_columns, *filter; /* NULL until dsn_preset_apply() */
	char *preset, *prefix;
};

/* text: what stands behind "dsn:". ST_OK: free with dsn_free(). ST_INVALID: *err says which part is
 * wrong, and never shows what may be a password. Any thread. */
enum status dsn_parse(struct span text, struct dsn *out, struct err *err) MUST_USE;
void dsn_free(struct dsn *dsn); /* may be called twice */

/* What the preset of the dsn, which has one, says about this parameter. ST_INVALID: it is unknown,
 * or for other parameters. */
enum status dsn_preset_apply(struct dsn *dsn, const char *parameter, struct err *err) MUST_USE;

/* Appends "mysql://host:port/database, table T" for messages: neither user nor password. */
void dsn_describe(const struct dsn *dsn, struct buf *out);

/* Appends the statement that finds rows by keys: the key column, then the data columns, with
 * slots bound parameters for keys. The one place where the operator's names become SQL: plain names
 * are quoted; data columns that are no plain names are taken for expressions; the filter stands in
 * parentheses, so that an OR in it cannot reach rows of other keys. ST_INVALID: a name cannot be
 * used; *err names it. ST_TOO_BIG. */
enum status dsn_statement(
    const struct dsn *dsn, unsigned slots, struct buf *out, struct err *err) MUST_USE;

/* Appends the statement that lists the keys of all rows, without parameters. As dsn_statement(). */
enum status dsn_list_statement(const struct dsn *dsn, struct buf *out, struct err *err) MUST_USE;

#endif
