/*
 * memcached_answer.h - what a memcached answers to "get": read piece by piece, as it comes, from a
 * server that may be anybody's. Pure: octets in, values out.
 *
 * libmemcached does not read it: one line of a hostile server ends the process, and a few overwrite
 * its stack (HACKING tells which).
 */
#ifndef SIGNPOST_BACKENDS_MEMCACHED_ANSWER_H
#define SIGNPOST_BACKENDS_MEMCACHED_ANSWER_H

#include <stdbool.h>

#include "lib/base/span.h"

#define MCNAME_MAX 250U               /* octets of a name: memcached's own limit */
#define MCANSWER_LINE_MAX 320U        /* octets of a line: "VALUE " name flags length and room */
#define MCANSWER_SKIP_MAX (64U << 20) /* octets of a value that is too long and passed over */

struct mcvalue {
	bool found;
	char *octets; /* owned by who gave the array; NULL when n is 0 */
	size_t n;
};

enum mcanswer_state {
	MCANSWER_MORE,  /* the answer goes on */
	MCANSWER_DONE,  /* it is complete */
	MCANSWER_BROKEN /* it is none; what follows on this connection has no meaning */
};

/* All of it is the parser's after mcanswer_init(). */
struct mcanswer {
	const struct span *names; /* borrowed: what was asked for */
	struct mcvalue *values;   /* borrowed: values[i] for names[i] */
	size_t count, value_max;
	enum { MCANSWER_IN_LINE, MCANSWER_IN_VALUE, MCANSWER_IN_SKIP, MCANSWER_IN_END } part;
	char line[MCANSWER_LINE_MAX];
	size_t line_n;
	size_t at;   /* of the value that comes */
	size_t left; /* octets of it, or of the line end behind it */
	char *(*room)(size_t octets);
};

/* 1 to MCNAME_MAX octets, none of them a blank or a control character: what can be asked for. */
bool mcname_ok(struct span name);

/* values: zeroed, count of them. Values of more than value_max octets are passed over as if they
 * were not there. room: memory for a value, freed by who has the values; NULL breaks the answer
 * off. */
void mcanswer_init(struct mcanswer *answer, const struct span *names, struct mcvalue *values,
    size_t count, size_t value_max, char *(*room)(size_t octets));

/* The next octets. What comes behind the end, a name that was not asked for, a value that comes
 * twice: MCANSWER_BROKEN. */
enum mcanswer_state mcanswer_feed(struct mcanswer *answer, struct span octets);

#endif
