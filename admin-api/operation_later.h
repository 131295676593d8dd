/*
 * operation_later.h - what an operation has begun, and what ends after its answer: a thing of its
 * own that can be asked for, by its name (operation_id.h). One thread.
 */
#ifndef SIGNPOST_ADMIN_API_OPERATION_LATER_H
#define SIGNPOST_ADMIN_API_OPERATION_LATER_H

#include "admin-api/operation_id.h"
#include "admin-api/operation_rotation.h"

/* "operation" of the result: how to ask for what was begun. Not of a dry run, which begins nothing.
 * Before it is written: it is a part of the answer that is kept. */
void later_begun(struct operation_call *call, const struct operation_id *id);
/* The same of a step of a key. */
void later_begun_key(
    struct operation_call *call, enum operation_kind kind, const struct lives *lives, size_t key);
/* The same of a rotation. */
void later_begun_rotation(struct operation_call *call, enum operation_kind kind,
    const struct lives *lives, const struct rotation_id *rotation);

/* What is known of one while it is asked for. */
struct later {
	enum later_state { LATER_RUNNING, LATER_DONE, LATER_FAILED, LATER_CANCELLED } state;
	char about[1024]; /* the path of what it is about; "": nothing has one */
	json_t *steps;    /* an array; owned */
	json_t *result;   /* owned; NULL: none yet */
	int64_t retry_s;  /* of one that runs: when to ask again */
};

/* Into the result of the call, and its version, which is compared, unless it was changed by this
 * call: OPERATION_OK or OPERATION_PRECONDITION_FAILED. Gives steps and result away. */
enum operation_code later_show(struct operation_call *call, struct later *later, bool changed);

/* operation_later_many.c: of OPERATION_KIND_ROTATIONS. */
enum operation_code later_of_many(
    struct operation_call *call, const struct operation_id *id, struct later *out);

#endif
