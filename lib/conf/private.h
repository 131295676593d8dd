/*
 * private.h - between the files of lib/conf: what a struct conf is made of. Nobody outside the room
 * includes this.
 */
#ifndef SIGNPOST_CONF_PRIVATE_H
#define SIGNPOST_CONF_PRIVATE_H

#include "lib/conf/conf.h"

struct conf_value {
	char *text;        /* owned, wiped when freed; NULL: not set */
	char *origin;      /* owned: "FILE:LINE" or the flag */
	const char *file;  /* borrowed from conf->files */
	unsigned int line; /* 0: the command line */
	int64_t number;    /* of a bool or an int */
	bool fixed;        /* from the command line: files do not change it */
	bool warned;       /* that it is obsolete */
};

struct conf {
	struct conf_value values[CONF_COUNT];
	char **files; /* owned names of everything read, and of flags */
	size_t file_count;
	const char *main_file; /* one of them, or NULL */
};

/* A place in a configuration: for values and for messages. line 0: the command line. */
struct conf_place {
	const char *file; /* from conf_file_name() */
	unsigned int line;
};

/* Remembers a name and answers a copy that lives as long as conf. */
const char *conf_file_name(struct conf *conf, const char *name);

/* Checks a value by its type and keeps it. ST_OK or ST_INVALID with an error in the report. */
enum status conf_assign(struct conf *conf, enum conf_parameter parameter, struct span text,
    struct conf_place place, struct conf_report *report) MUST_USE;

/* Warns of values that do not mean what they seem to mean. */
void conf_warn_traps(enum conf_parameter parameter, const char *text, struct conf_place place,
    struct conf_report *report);

/* The value of a parameter without its passwords, appended. */
void conf_show_text(enum conf_parameter parameter, const char *text, struct buf *text_out);

/* What the parser of this parameter says about text; ST_OK where there is none. */
enum status conf_check_value(
    enum conf_parameter parameter, const char *text, struct err *err) MUST_USE;

#endif
