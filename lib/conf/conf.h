/*
 * conf.h - an OpenDKIM-style configuration: the grammar of opendkim.conf(5) over the one table of
 * parameters (parameters.h). A struct conf is written by one thread while it is loaded and then
 * only read, by any number of threads.
 *
 * The grammar: a line ends at the first '#' or CR, inside a value too (nothing quotes them). First
 * the name, without case; then blanks; the rest, trimmed, is the value and may not be empty. No
 * quotes, no continuation lines. A boolean is told by its first letter (tTyY1 or fFnN0). An integer
 * is decimal, 0x... or, with a leading 0, octal; nothing may follow it. Of two lines with one name
 * the last wins. "Include FILE" reads FILE there, CONF_INCLUDE_DEPTH_MAX deep.
 */
#ifndef SIGNPOST_CONF_CONF_H
#define SIGNPOST_CONF_CONF_H

#include "lib/conf/parameters.h"
#include "lib/conf/report.h"

/* Octets of one line without its newline, and of one file. OpenDKIM cut lines at 1,023. */
#define CONF_LINE_MAX (1U << 20)
#define CONF_FILE_MAX (1U << 24)
/* Includes within includes, and files in all. */
#define CONF_INCLUDE_DEPTH_MAX 5
#define CONF_FILES_MAX 1000

enum conf_type {
	CONF_TYPE_STRING,
	CONF_TYPE_BOOL,
	CONF_TYPE_INT,     /* within conf_int_range() */
	CONF_TYPE_DATASET, /* a string here; lib/store opens it */
	CONF_TYPE_INCLUDE  /* never holds a value */
};

enum conf_class {
	CONF_CLASS_NOW,     /* in force */
	CONF_CLASS_LATER,   /* accepted without a word, not in force in this release */
	CONF_CLASS_OBSOLETE /* accepted, warned about once, never in force */
};

struct conf;

struct conf *conf_new(void);
/* Wipes the values (one may hold a password). NULL is fine. */
void conf_free(struct conf *conf);

/* Reads a file and all it includes on top of what conf holds. Every error is reported with its
 * file and line, and the good lines are in conf all the same. ST_OK; ST_ABSENT: path is not there;
 * ST_UNAVAILABLE: it could not be read; ST_INVALID: errors are in the report (warnings do not
 * count); ST_TOO_BIG: the file is longer than CONF_FILE_MAX. In all but ST_OK the report has an
 * error. report may be NULL. */
enum status conf_load(struct conf *conf, const char *path, struct conf_report *report) MUST_USE;

/* The same for a text that is called name in messages; an Include in it is an error. */
enum status conf_parse_text(
    struct conf *conf, const char *name, struct span text, struct conf_report *report) MUST_USE;

/* The same with a function that fetches what Include names: it appends the text to text_out
 * (whose maximum is CONF_FILE_MAX) and answers ST_OK, or another status and a sentence. */
typedef enum status conf_fetch(
    void *context, const char *path, struct buf *text_out, struct err *err);
enum status conf_parse_with(struct conf *conf, const char *name, struct span text,
    conf_fetch *fetch, void *context, struct conf_report *report) MUST_USE;

/* A value from the command line; origin is the flag ("-p") and is what messages name. It wins over
 * every file, loaded before or after. ST_OK, or ST_INVALID with an error in the report. */
enum status conf_set(struct conf *conf, enum conf_parameter parameter, const char *value,
    const char *origin, struct conf_report *report) MUST_USE;

/* The value as it was written, or the default; NULL when there is neither. Borrowed until the
 * next change of conf. For every type. */
const char *conf_string(const struct conf *conf, enum conf_parameter parameter);
/* CONF_TYPE_BOOL only; false for the others. X-Header is a name of its own: ask for
 * CONF_SOFTWARE_HEADER, which answers for both. */
bool conf_bool(const struct conf *conf, enum conf_parameter parameter);
/* CONF_TYPE_INT only; 0 for the others, and when unset without a default (see conf_is_set). */
int64_t conf_int(const struct conf *conf, enum conf_parameter parameter);
/* A file or the command line gave it (a default does not count). */
bool conf_is_set(const struct conf *conf, enum conf_parameter parameter);
/* Where the value comes from: "FILE:LINE", "-p", or "default". Borrowed like conf_string(). */
const char *conf_origin(const struct conf *conf, enum conf_parameter parameter);
/* The same in two parts; NULL and 0 for a default. */
const char *conf_origin_file(const struct conf *conf, enum conf_parameter parameter);
unsigned int conf_origin_line(const struct conf *conf, enum conf_parameter parameter);
/* The name of the first file or text read, or NULL. */
const char *conf_main_file(const struct conf *conf);
/* The value as it may be shown (a dump, a log line): passwords become "***". false: no value. */
bool conf_show(const struct conf *conf, enum conf_parameter parameter, struct buf *text_out);

/* The table. Iterate with: for (int p = 0; p < CONF_COUNT; p++) ... (enum conf_parameter)p. */
enum conf_parameter conf_by_name(struct span name); /* CONF_COUNT: unknown */
enum conf_parameter conf_nearest(struct span name); /* what a misspelt name meant, or CONF_COUNT */
const char *conf_name(enum conf_parameter parameter);
enum conf_type conf_type_of(enum conf_parameter parameter);
enum conf_class conf_class_of(enum conf_parameter parameter);
const char *conf_default(enum conf_parameter parameter); /* NULL: none */
void conf_int_range(enum conf_parameter parameter, int64_t *least_out, int64_t *most_out);

/* A data set or the KeyStore is on a server (mysql, ldap), so that threads wait for it. */
bool conf_asks_servers(const struct conf *conf);

#endif
