/*
 * table.h - one OpenDKIM data set (SigningTable, KeyTable, InternalHosts, ...) whatever it is made
 * of. A backend fills struct table_ops; the callers of this header never learn which one it was.
 *
 * A table that lives in memory (csl, file, refile) is an immutable snapshot with a count of
 * references. A lookup hands out a piece of the snapshot without copying it; a refresh builds the
 * next snapshot aside and swaps it in, and the old one goes when its last value is released.
 *
 * Any number of threads may look up in one table. table_refresh() is called by one thread at a
 * time (the watcher). table_close() only when nobody uses the table any more.
 */
#ifndef SIGNPOST_STORE_TABLE_H
#define SIGNPOST_STORE_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/span.h"
#include "lib/base/status.h"

#define TABLE_KEY_MAX 4096         /* octets of a query; a longer one is ST_INVALID */
#define TABLE_LINE_MAX (1U << 20)  /* octets of one line of a file; a longer line is a bad line */
#define TABLE_FILE_MAX (1U << 30)  /* octets of one file */
#define TABLE_KEYS_MAX 16          /* keys of one table_lookup_many() */
#define TABLE_PROBLEMS_MAX 8       /* problems of a load that are kept with their text */
#define TABLE_PROBLEM_TEXT_MAX 192 /* octets of one such text with its NUL */

enum table_flags {
	TABLE_ICASE = 1U << 0,      /* keys are compared without ASCII case */
	TABLE_ASCII_ONLY = 1U << 1, /* a non-ASCII query is absent (every type but refile) */
	TABLE_VALUE_LIST =
	    1U << 2,            /* MacroList: a csl value is split at '|' into several records */
	TABLE_SECRET = 1U << 3, /* may hold keys: all text lives in secret memory */
	TABLE_VALUE_NEEDED = 1U << 4 /* SigningTable, KeyTable: a key without a value is a bad line,
					reported at load; a lookup that meets it is ST_INVALID */
};

struct table;
struct keyfile_stamp;

/* One value found. All of it stays valid until table_value_release(). */
struct table_value {
	struct span text; /* the value; of a table with columns the first of them */
	/* The columns of a table that has some; one that is NULL there has no octets and p NULL.
	 * NULL: the fields are what ':' separates in text. Ask table_value_fields(). */
	const struct span *columns;
	size_t column_count;
	unsigned line; /* of the file, from 1; item number for csl; 0 when there is no such thing */
	void (*release)(void *owner); /* NULL: nothing to do */
	void *owner;
};

#define TABLE_VALUE_NONE ((struct table_value){.line = 0})

/* What the last load found. */
struct table_problem {
	unsigned line;
	bool dropped; /* the line is not in the table */
	char text[TABLE_PROBLEM_TEXT_MAX];
};

struct table_report {
	size_t entries;
	size_t problem_count; /* bad lines and warnings; the first TABLE_PROBLEMS_MAX have a text */
	struct table_problem problems[TABLE_PROBLEMS_MAX];
	size_t dropped; /* lines that are not in the table */
};

/* false ends the walk. key and value are valid during the call only. */
typedef bool table_visit(void *context, struct span key, struct span value, unsigned line);

/* What a backend brings. A member that is NULL refuses, with a sentence. */
struct table_ops {
	const char *type; /* the prefix: "csl", "file", ... */
	/* value: the specification behind the prefix. Sets table->state, and table->path when there
	 * is a file to watch. On failure nothing is left behind. */
	enum status (*open)(struct table *table, struct span value, struct err *err);
	enum status (*lookup)(
	    struct table *table, struct span key, struct table_value *out, struct err *err);
	/* The values of count keys (at most TABLE_KEYS_MAX), at most max (>= 1), in the order of
	 * the keys; at_out: which key each belongs to. For sources where a question costs a way to
	 * a server. NULL: lookup() is called. */
	enum status (*lookup_many)(struct table *table, const struct span *keys, size_t count,
	    size_t max, struct table_value *out, size_t *at_out, size_t *count_out,
	    struct err *err);
	/* All records that match, in order, at most max (>= 1). NULL: lookup() gives the only one.
	 */
	enum status (*lookup_all)(struct table *table, struct span key, size_t max,
	    struct table_value *out, size_t *count_out, struct err *err);
	enum status (*walk)(
	    struct table *table, table_visit *visit, void *context, struct err *err);
	/* Tables of patterns only: their patterns as written, for checks and warnings. */
	enum status (*walk_patterns)(struct table *table, table_visit *visit, void *context);
	/* The keys of all rows, in any order, each once; value is empty. For who moves a table
	 * elsewhere, never on the way of a message. NULL: walk is called, or nothing can be. */
	enum status (*list)(
	    struct table *table, table_visit *visit, void *context, struct err *err);
	enum status (*refresh)(struct table *table, struct err *err);
	void (*report)(struct table *table, struct table_report *out);
	void (*close)(struct table *table);
	const char *no_walk; /* why walk is NULL, in opendkim's words */
	bool patterns;       /* one query is compared with patterns: no ladder (semantics 2.1) */
	bool distant;        /* a question costs a way to a server: see cached_table.h */
};

struct table_listener {
	void (*changed)(void *context); /* in the refreshing thread, after the swap */
	void *context;
	struct table_listener *next;
};

struct table {
	const struct table_ops *ops;
	char *parameter; /* "SigningTable", for messages; owned */
	char *where;     /* path, or "(list)", for messages; owned; never holds a value */
	char *path;      /* the file to watch, or NULL; owned */
	unsigned flags;  /* enum table_flags */
	/* Set by open(): what a question costs hardly depends on how many keys it names. */
	bool together;
	void *state; /* the backend's */
	/* While the watcher refreshes: the edition that has come to rest. Another one is being
	 * written and is not taken (ST_UNAVAILABLE). NULL: any. */
	const struct keyfile_stamp *settled;
	/* How servers are reached. Valid while ops->open() runs; NULL: the defaults. */
	const struct table_settings *settings;
	struct table_listener *listeners;
	pthread_mutex_t listeners_lock;
};

/* What the configuration says about servers, for all tables. */
struct table_settings {
	bool sql_tls, sql_tls_verify;
	const char *sql_tls_ca_file;                     /* NULL: none */
	const char *ldap_mechanism;                      /* "none", "simple" or of SASL */
	const char *ldap_bind_user, *ldap_bind_password; /* NULL: as nobody */
	const char *ldap_auth_name, *ldap_auth_realm, *ldap_auth_user;
	const char *ldap_tls_ca_file; /* NULL: what ldap.conf says */
	bool ldap_start_tls, ldap_tls_verify;
	int ldap_keepalive_idle, ldap_keepalive_probes,
	    ldap_keepalive_interval; /* 0: the system's */
	int64_t ldap_timeout_s;      /* 0: 5 */
};

/* The backends that were built in; see backends/registry.h. */
struct table_registry {
	const struct table_ops *const *ops;
	size_t count;
	const struct table_settings *settings; /* NULL: the defaults. Borrowed by table_open() */
};

/* Opens spec for the configuration parameter. The type is chosen as opendkim does: a prefix before
 * the first ':' unless a ',' comes earlier; else '/' means file; else csl. flags: enum table_flags.
 * ST_INVALID (unknown type, a type that is not built, a missing or unreadable flat file, too big)
 * and ST_UNAVAILABLE (no memory for secrets) leave *out NULL. A server that does not answer is
 * ST_OK: the table says ST_UNAVAILABLE until the server is there. Free with table_close(). */
enum status table_open(const struct table_registry *registry, const char *parameter,
    const char *spec, unsigned flags, struct table **out, struct err *err) MUST_USE;

/* The surrogate for a table that could not be opened: every answer is ST_UNAVAILABLE with reason
 * (copied). Never fails. */
struct table *table_open_refusing(const char *parameter, unsigned flags, const char *reason);

/* A table without a source, for what stands in front of others: where and state are to be set, and
 * ops stays. */
struct table *table_new(const struct table_ops *ops, const char *parameter, unsigned flags);

void table_close(struct table *table); /* NULL is fine */

/* ST_OK: release *out. ST_ABSENT. ST_UNAVAILABLE. ST_INVALID: the record (or a pattern before it)
 * cannot be used; the sentence names file and line. *out is TABLE_VALUE_NONE unless ST_OK. */
enum status table_lookup(
    struct table *table, struct span key, struct table_value *out, struct err *err) MUST_USE;

/* As table_lookup(), all matching records of a table of patterns in order, at most max. A table
 * without patterns has at most one. *count_out values are to be released on ST_OK. */
enum status table_lookup_all(struct table *table, struct span key, size_t max,
    struct table_value *out, size_t *count_out, struct err *err) MUST_USE;

/* The values of count keys in the order of the keys, at most max; keys that are absent have none.
 * As one question where the backend can, else with one after the other until max are found.
 * ST_OK: *count_out (>= 1) values are to be released; at_out[i] is the index of the key of out[i].
 * ST_ABSENT: none of the keys is there. Other answers are those of table_lookup() and leave
 * nothing. count: at most TABLE_KEYS_MAX; out and at_out have max places, or count if that is less.
 */
enum status table_lookup_many(struct table *table, const struct span *keys, size_t count,
    size_t max, struct table_value *out, size_t *at_out, size_t *count_out,
    struct err *err) MUST_USE;
/* The same, always one after the other. *count_out: 0 before. For backends whose one question would
 * not do for these keys. */
enum status table_lookup_each(struct table *table, const struct span *keys, size_t count,
    size_t max, struct table_value *out, size_t *at_out, size_t *count_out,
    struct err *err) MUST_USE;
/* Keys worth giving to one table_lookup_many(): 1 where one question costs nothing. */
size_t table_keys_at_once(const struct table *table);

/* The fields of a value, at most max; the last one takes all that is left of a text. The number of
 * fields there are; those that are missing are empty, with p NULL. */
size_t table_value_fields(const struct table_value *value, struct span *fields_out, size_t max);
void table_value_release(struct table_value *value); /* may be called twice */

/* All records in order. ST_INVALID for tables that cannot be walked (refile, SQL, ...). */
enum status table_walk(
    struct table *table, table_visit *visit, void *context, struct err *err) MUST_USE;

/* Every row of any table that has a way to tell them, a table of patterns or of a database among
 * them; value is empty where it is to be looked up. ST_INVALID: it has none (a directory). */
enum status table_list(
    struct table *table, table_visit *visit, void *context, struct err *err) MUST_USE;

/* Reads the source again if it changed. ST_OK: new contents are in use. ST_ABSENT: nothing
 * changed. Anything else: the old contents stay in use; *err says why. */
enum status table_refresh(struct table *table, struct err *err) MUST_USE;

/* One query is compared with patterns, so no ladder of queries is made. */
bool table_has_patterns(const struct table *table);

/* What the last load that took effect found. */
void table_report(struct table *table, struct table_report *out);
/* "3 entries, 1 bad line (line 7: has a NUL octet; ...)", NUL-terminated into text. */
void table_report_text(const struct table_report *report, char *text, size_t text_bytes);
/* Logs each kept problem as a warning "PARAMETER WHERE line N: ...". Call after table_open(). */
void table_report_log(struct table *table);

/* listener is the caller's and stays until table_unlisten() or table_close(). */
void table_listen(struct table *table, struct table_listener *listener);
void table_unlisten(struct table *table, struct table_listener *listener);

#endif
