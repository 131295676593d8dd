/*
 * store_line.h - one line of what `signpost store load` reads: a row as somebody wants it. Pure.
 */
#ifndef SIGNPOST_TOOLS_STORE_LINE_H
#define SIGNPOST_TOOLS_STORE_LINE_H

#include "lib/base/arena.h"
#include "lib/store/keystore.h"

#define STORE_LINE_MAX 8192U /* octets of a line */
#define STORE_LINE_WORDS_MAX 24U

enum store_time_given { TIME_NOT_GIVEN, TIME_NOW, TIME_AT };

struct store_line_time {
	enum store_time_given given;
	int64_t at_utc;
};

struct store_line {
	unsigned long number;
	struct arena *arena; /* of its words */
	bool remove;
	/* What it says, by the names of keystore.h. Of a key: names, and id if it was given. */
	struct keystore_write write;
	struct span source; /* of a key: a file, or "generate:..." */
	bool plan_given;    /* of a policy */
	struct store_line_time active, retiring, sign_until; /* of a key */
};

/* The spans point into arena. ST_OK. ST_ABSENT: nothing in it but blanks or a comment. ST_INVALID:
 * the sentence says what is wrong. ST_TOO_BIG: the arena is full. */
enum status store_line_parse(
    struct arena *arena, struct span text, struct store_line *out, struct err *err) MUST_USE;

/* The subject of a binding as sessions ask for it (tenant.h): networks get their length and lose
 * their host bits. word: in lower case. ST_INVALID: none that a session can have. ST_TOO_BIG. */
enum status store_binding_subject(
    struct arena *arena, struct span word, struct span *out, struct err *err) MUST_USE;

/* The names by which the row is found. */
void store_line_names(
    const struct store_line *line, struct span *first_out, struct span *second_out);

#endif
