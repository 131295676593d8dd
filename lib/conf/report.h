/*
 * report.h - what was found wrong with a configuration, in the order in which it was found. All
 * of it, not only the first: an operator mends a file once. Bounded: a file of garbage gives
 * CONF_MESSAGES_MAX messages and the count of the others. Hostile bytes are made printable here.
 * One thread at a time.
 */
#ifndef SIGNPOST_CONF_REPORT_H
#define SIGNPOST_CONF_REPORT_H

#include <stdio.h>

#include "lib/base/buf.h"

/* Most messages kept, and octets of one text (longer ones end in "..."). */
#define CONF_MESSAGES_MAX 200
#define CONF_MESSAGE_TEXT_MAX 1024

enum conf_severity { CONF_WARNING, CONF_ERROR };

struct conf_message {
	enum conf_severity severity;
	char *file;        /* owned: the file as it was named, or "-p" for the command line */
	unsigned int line; /* from 1; 0: the file as a whole */
	char *text;        /* owned, printable ASCII, one line, without a full stop */
};

struct conf_report {
	struct conf_message *messages; /* owned */
	size_t count;                  /* kept */
	size_t errors;                 /* all that were added, kept or not */
	size_t warnings;
};

#define CONF_REPORT_NONE ((struct conf_report){NULL, 0, 0, 0})

void conf_report_free(struct conf_report *report); /* may be called twice */

/* file is copied; NULL and line 0 mean "no place". report may be NULL. */
void conf_report_add(struct conf_report *report, enum conf_severity severity, const char *file,
    unsigned int line, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* One message as one line without its newline, appended to line_out:
 *   PROGRAM: FILE: configuration error at line N: TEXT
 *   PROGRAM: FILE: warning at line N: TEXT
 * and without a line: "PROGRAM: FILE: TEXT" and "PROGRAM: FILE: warning: TEXT". program NULL
 * leaves the program out (log lines have it already). */
void conf_report_line(
    const struct conf_message *message, const char *program, struct buf *line_out);

/* Every message as a line, and a last line when some were not kept. */
void conf_report_print(const struct conf_report *report, const char *program, FILE *to);

#endif
