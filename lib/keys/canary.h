/*
 * canary.h - what a gateway found when it verified signatures that it had just made, through DNS,
 * as their receivers will: what is counted of one key since it became active, and how a gateway
 * tells of it in its row of the store (store_gateway.failed). Pure; any thread.
 *
 * There one line stands for each key:  =KEY-ID DOMAIN ACTIVE GOOD FAILURES why
 * No id begins with '=', so that readers of "KEY-ID why", the keys that a gateway cannot use, pass
 * over it, whatever their age. ACTIVE is the time of the key's row, so that what was said before it
 * was activated (again) says nothing of now.
 */
#ifndef SIGNPOST_KEYS_CANARY_H
#define SIGNPOST_KEYS_CANARY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"

#define CANARY_FAILURES 3U /* in a row, until somebody has to act */
#define CANARY_ID_MAX 64U  /* octets of a key's id */
#define CANARY_DOMAIN_MAX 253U
#define CANARY_WHY_MAX 160U
#define CANARY_COUNT_MAX 1000000000U

/* Of one signature. */
enum canary_result {
	CANARY_GOOD = 1,
	CANARY_FAILED,     /* no receiver can verify it: no record, a revoked or another key, ... */
	CANARY_UNAVAILABLE /* nobody knows: DNS did not answer. Never a failure */
};

/* Of one key, by one gateway. */
struct canary_word {
	struct span id, domain;
	int64_t active;    /* since when the key signs */
	uint32_t good;     /* signatures that verified since */
	uint32_t failures; /* the last ones, in a row; 0: the last one was good */
	struct span why;   /* of the last failure; printable ASCII, may be empty */
};

/* Appends its line, why cut and made printable. false: there is no room, nothing is appended. */
bool canary_word_write(const struct canary_word *word, struct buf *out);
/* The next such line of *lines; other lines, and what is none, are passed over. false: no more. */
bool canary_word_next(struct span *lines, struct canary_word *out);
/* The next line that is not of these: *lines moves on. false: no more. */
bool canary_other_next(struct span *lines, struct span *line_out);

#endif
