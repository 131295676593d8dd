/*
 * sql_text.h - what sql/ holds, as it is built into the program: the statements of key stores and
 * the scripts that make their tables. The text is made by sql/embed.awk. Static, immutable.
 */
#ifndef SIGNPOST_BACKENDS_SQL_TEXT_H
#define SIGNPOST_BACKENDS_SQL_TEXT_H

#include <stdbool.h>

struct sql_text {
	const char *name; /* NULL: the end */
	const char *text; /* with [...], {now} and {by X} in it: see sql/STATEMENTS */
};

struct sql_migration {
	int version; /* from 1 on without a gap; 0: the end */
	/* Only what programs that know the scripts before it alone do not look at, so that they go
	 * on with it: it is recorded with its number below zero. */
	bool adds_only;
	const char *const *statements; /* the end: NULL */
};

extern const struct sql_text sql_texts[];
extern const struct sql_migration sqlite_migrations[];
extern const struct sql_migration mysql_migrations[];

#endif
