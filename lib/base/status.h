/*
 * status.h - the one set of answers that functions of Signpost give, and the sentence that goes
 * with an answer that is not "yes".
 *
 * Three answers are never merged: found (ST_OK), absent (ST_ABSENT: we asked, there is none) and
 * unavailable (ST_UNAVAILABLE: we could not ask; asking later may help). ST_INVALID means that an
 * answer came and cannot be used until somebody mends it; asking again does not help.
 */
#ifndef SIGNPOST_BASE_STATUS_H
#define SIGNPOST_BASE_STATUS_H

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt_index, first) __attribute__((format(printf, fmt_index, first)))

enum status {
	ST_OK = 0,
	ST_ABSENT,      /* the source was asked and has none; not an error */
	ST_UNAVAILABLE, /* the source could not be asked now */
	ST_INVALID,     /* malformed: somebody must mend the data */
	ST_TOO_BIG,     /* a named limit was reached; nothing was truncated */
	ST_DENIED,      /* refused by a safety or ownership rule */
	ST_FAILED       /* the operation itself failed (crypto, system call) */
};

/* Longest sentence kept in a struct err, octets with the NUL; longer ones end in "...". */
#define ERR_TEXT_MAX 512

/* A sentence an operator can act on. Owned by the caller, usually on the stack; text is "" until
 * something failed. */
struct err {
	char text[ERR_TEXT_MAX];
};

#define ERR_NONE                                                                                   \
	{                                                                                          \
		.text = ""                                                                         \
	}

/* Writes the sentence; err may be NULL. Any thread. */
void err_set(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Puts "prefix: " in front of the sentence that is there; err may be NULL. */
void err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The name of a status for logs and tests: "ok", "absent", ... Static. */
const char *status_name(enum status status);

#endif
