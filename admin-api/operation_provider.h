/*
 * operation_provider.h - what the operations on DNS providers share.
 */
#ifndef SIGNPOST_ADMIN_API_OPERATION_PROVIDER_H
#define SIGNPOST_ADMIN_API_OPERATION_PROVIDER_H

#include "admin-api/operation_call.h"

/* The row of "tenant" and "provider"; version kept and compared. OPERATION_OK: *out points into
 * *rows_out, which is to be released in any case. OPERATION_NOT_FOUND; OPERATION_FORBIDDEN: it is
 * the operator's. */
enum operation_code provider_row(
    struct operation_call *call, struct keystore_rows **rows_out, struct store_provider *out);
/* As people see it: never the secret, only whether there is one. */
json_t *provider_json(const struct store_provider *row);
/* What is said of its errors: which argument is to blame. */
enum operation_code provider_wrong(struct operation_call *call, const struct err *err);

/* ---- operation_provider_use.c ---- */

/* OPERATION_IN_USE: a policy of the tenant, or a key of one of its domains, names it. */
enum operation_code provider_unused(
    struct operation_call *call, struct span tenant, struct span name);
/* What waits for another try at it is tried now. What fails here is tried when its time comes. */
void provider_hurry(struct operation_call *call, struct span tenant, struct span name);

#endif
