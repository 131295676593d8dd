/*
 * named_lines.h - a file of the operator's with a line "NAME KIND:VALUE" for each thing: publishers
 * and mirrors. Blank lines, and lines that begin with '#', mean nothing. Names are different from
 * each other.
 */
#ifndef SIGNPOST_ADMIN_API_NAMED_LINES_H
#define SIGNPOST_ADMIN_API_NAMED_LINES_H

#include "lib/base/span.h"
#include "lib/base/status.h"

#define NAMED_LINE_NAME_MAX 63U         /* octets of a name: A-Z a-z 0-9 . _ - */
#define NAMED_LINES_MAX 1000U           /* lines of a file that mean something */
#define NAMED_LINES_FILE_MAX (1U << 20) /* octets of a file */

struct named_lines {
	const char *what;    /* "publisher": what a line is about */
	const char *because; /* why nobody else may write: "its lines name programs that are run" */
	/* A line without blanks around it, whose name is right and new. Borrowed. Anything but
	 * ST_OK ends the reading, and is its answer. */
	enum status (*take)(void *context, struct span line, struct err *err);
	void *context;
};

/* A whole file. ST_ABSENT, ST_UNAVAILABLE: it cannot be read. ST_DENIED: others than root and this
 * user may write to it. ST_INVALID, or what take() said: err names file and line. What was taken
 * until then is the caller's. */
enum status named_lines_read(
    const struct named_lines *lines, const char *path, struct err *err) MUST_USE;
/* The same of a text: err begins with "line N". */
enum status named_lines_read_text(
    const struct named_lines *lines, struct span text, struct err *err) MUST_USE;
/* ST_INVALID: it cannot be the name of a what. */
enum status named_line_check(const char *what, struct span name, struct err *err) MUST_USE;

#endif
