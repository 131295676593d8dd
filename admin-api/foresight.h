/*
 * foresight.h - what DNS says of the records that operations are about to ask for, asked for all of
 * them at once: each by itself takes several turns to the servers of its zone, one after the other.
 * bulk.c makes it for lines that wait; dns_look_ask() finds its answers there.
 */
#ifndef SIGNPOST_ADMIN_API_FORESIGHT_H
#define SIGNPOST_ADMIN_API_FORESIGHT_H

#include <jansson.h>

#include "admin-api/operations.h"

#define FORESIGHT_MAX 50U /* lines of one: a few seconds if none of their servers answers */
/* What was seen before that proves nothing: a store may have hung between two lines. It counts from
 * before the first question, and 50 names may take some tens of seconds. */
#define FORESIGHT_AGE_MS 120000

struct foresight;

/* lines: requests as operation_run() takes them, borrowed for the call; of those that are
 * key.import with a look at DNS, and of domains that caller may be about, the records are asked
 * for. What is wrong with a line is not said here. NULL: there was nothing to ask, or DNS cannot be
 * asked. Blocking. */
struct foresight *foresight_new(
    struct admin *admin, const struct operation_caller *caller, json_t *const *lines, size_t count);
/* true: this very question was asked, not long ago, and *question has what was found. NULL never
 * was. */
bool foresight_answers(const struct foresight *foresight, struct authority_question *question);
void foresight_free(struct foresight *foresight); /* NULL is fine */

#endif
