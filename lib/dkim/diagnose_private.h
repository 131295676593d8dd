/*
 * diagnose_private.h - what the files of diagnose.h share; nobody else includes it.
 */
#ifndef SIGNPOST_DKIM_DIAGNOSE_PRIVATE_H
#define SIGNPOST_DKIM_DIAGNOSE_PRIVATE_H

#include "lib/dkim/diagnose.h"

#define TRIAL_EDITS_MAX 24u
#define TRIAL_PAIRS_MAX 8u     /* the first ones are tried in pairs, too */
#define TRIAL_KEY_OCTETS 8192u /* what a public key costs, in octets that are hashed */

/* A line is 0, or counted from the beginning of the message. NULL: there is no more room. */
void diagnose_add(struct diagnose *d, const char *what, bool certain, size_t line, const char *fmt,
    ...) PRINTF_LIKE(5, 6);
/* false: so many octets are not left. */
bool diagnose_spend(struct diagnose *d, uint64_t octets);

/* ---- diagnose_body.c ---- */

void diagnose_body(struct diagnose *d, const struct diagnose_case *given);

/* ---- diagnose_trial.c: the header, with something taken back ---- */

enum trial_kind {
	TRIAL_VALUE,  /* field has the value with.value */
	TRIAL_DROP,   /* field is not there */
	TRIAL_ADD,    /* with is there, too */
	TRIAL_SWAP,   /* field and other change places */
	TRIAL_UNFOLD, /* no field has a line end in it */
	TRIAL_SQUEEZE /* and one blank where there is white space */
};

struct trial_edit {
	enum trial_kind kind;
	size_t field, other;
	struct header_field with;
	const char *what;
	size_t line;
	char detail[DIAGNOSE_DETAIL_BYTES];
};

struct trial {
	struct diagnose *d;
	const struct diagnose_case *given;
	struct arena arena; /* of edits */
	struct header_field *fields;
	size_t *lines; /* of each */
	size_t count, own;
	uint64_t cost; /* of one try */
	struct trial_edit edits[TRIAL_EDITS_MAX];
	size_t edit_count;
	size_t copied; /* so many of them, the first, are of z= */
};

/* ST_TOO_BIG: there is no room; free it all the same. */
enum status trial_begin(
    struct trial *trial, struct diagnose *d, const struct diagnose_case *given) MUST_USE;
void trial_free(struct trial *trial);
/* A new one, to be filled in; what and detail say what it takes back. NULL: there are enough. */
struct trial_edit *trial_add(
    struct trial *trial, enum trial_kind kind, size_t field, const char *what);
void trial_says(struct trial_edit *edit, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Does the header fit its signature with these edits, were the body as it was signed? */
bool trial_fits(struct trial *trial, const size_t *edits, size_t count);

/* ---- diagnose_header.c ---- */

/* The header does not fit. */
void diagnose_header(struct trial *trial);
/* Nobody can tell whether it does; z= may say something all the same. */
void diagnose_copied(struct trial *trial);

#endif
