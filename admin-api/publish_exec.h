/*
 * publish_exec.h - what a hook is told and what it answers, apart from running it, so that tests
 * and a fuzz target can call it. Pure.
 */
#ifndef SIGNPOST_ADMIN_API_PUBLISH_EXEC_H
#define SIGNPOST_ADMIN_API_PUBLISH_EXEC_H

#include "admin-api/publish_private.h"

/* Appends the JSON that a hook reads. */
void publish_exec_request(struct span publisher, struct span zone,
    const struct publish_change *changes, size_t count, struct buf *out);
/* Sets the effect of each change that answer has a result for, which must be JSON of the documented
 * form altogether; else ST_INVALID, and no effect is set. A change without a result keeps its. */
enum status publish_exec_answer(
    struct span answer, struct publish_change *changes, size_t count, struct err *err) MUST_USE;

#endif
