/*
 * mirror_sql.h - what the mirrors in the tables of panels share: the line, one connection for each
 * change, one transaction on it. A panel is a table of statements and one function.
 */
#ifndef SIGNPOST_ADMIN_API_MIRROR_SQL_H
#define SIGNPOST_ADMIN_API_MIRROR_SQL_H

#include "admin-api/mirror.h"
#include "backends/sql.h"

#define MIRROR_SQL_STATEMENTS_MAX 10U
#define MIRROR_SQL_PREFIX_MAX 40U /* octets of prefix=: [A-Za-z0-9_] */
#define MIRROR_SQL_PUBLIC_MAX 8192U

struct mirror_session;

struct mirror_panel {
	const char *kind;
	const char *const *statements; /* "{}" in them is the prefix */
	unsigned count;                /* at most MIRROR_SQL_STATEMENTS_MAX */
	/* Within a transaction: sets the effect of change. It is committed if that is LIFE_DONE,
	 * else rolled back. */
	void (*change)(struct mirror_session *session, struct mirror_change *change);
};

/* A line; immutable once it is open. */
struct mirror_sql {
	const struct mirror_panel *panel;
	struct dsn dsn; /* without a password */
	char *password_file, *ca_file, *prefix, *where;
	bool tls, tls_said;
	char *statements[MIRROR_SQL_STATEMENTS_MAX];
};

/* ---- mirror_sql_line.c ---- */

/* value: "mysql://USER@HOST[:PORT]/DATABASE?passwordfile=/path..." ST_INVALID names the part and
 * never shows what may be a password. To be closed either way. */
enum status mirror_sql_open(struct mirror *mirror, const struct mirror_panel *panel,
    struct span value, struct err *err) MUST_USE;
void mirror_sql_close(struct mirror *mirror);

/* ---- mirror_sql.c ---- */

void mirror_sql_apply(struct mirror *mirror, struct mirror_change *change);

/* One statement of the panel. false: it was not done, and the effect of change says why. changed:
 * rows that it met; NULL: nobody asks. */
struct mirror_question {
	unsigned statement;
	struct sql_value values[6];
	size_t count;
	sql_row *row;
	void *context;
	uint64_t *changed_out;
};
bool mirror_sql_ask(struct mirror_session *session, struct mirror_change *change,
    const struct mirror_question *question);

#define MIRROR_SQL_TEXT(span) ((struct sql_value){.kind = SQL_TEXT, .text = (span)})
#define MIRROR_SQL_NUMBER(value) ((struct sql_value){.kind = SQL_NUMBER, .number = (value)})

/* What others wrote, for a sentence: cut at bytes - 1, '?' for what cannot be printed. */
void mirror_sql_show(struct span text, char *out, size_t bytes);

/* A p= value as a PEM file has it ("BEGIN PUBLIC KEY"). ST_TOO_BIG. */
enum status mirror_sql_public_pem(struct span public_key, struct buf *out) MUST_USE;
/* Is this text such a PEM of this p= value, however its lines are broken? */
bool mirror_sql_is_public_pem(struct span text, struct span public_key);

#endif
