/*
 * operation_record.h - what is written together with a change: see operation_record.c. One thread.
 */
#ifndef SIGNPOST_ADMIN_API_OPERATION_RECORD_H
#define SIGNPOST_ADMIN_API_OPERATION_RECORD_H

#include "admin-api/operation_call.h"

struct record {
	struct keystore_write *writes; /* the change, its audit, the reply */
	size_t count;
	size_t reply_at; /* which of them is the reply; SIZE_MAX: none */
	struct arena texts;
	bool full; /* there was no room for a text: nothing may be written */
};

/* writes: borrowed with all that they point to. record_end(). */
void record_begin(struct record *record, struct operation_call *call,
    const struct keystore_write *writes, size_t count);
void record_end(struct record *record);

/* operations.c: the answer as it would be now; json_decref(). */
json_t *call_answer(struct operation_call *call, enum operation_code code);

#endif
