/*
 * operation_quota.h - what a batch of changes is held to: the quotas of the tenants whose rows it
 * adds. For operation_call.c, and for the operations of tenants.
 */
#ifndef SIGNPOST_ADMIN_API_OPERATION_QUOTA_H
#define SIGNPOST_ADMIN_API_OPERATION_QUOTA_H

#include "admin-api/operation_call.h"

#define QUOTA_TRIES 24U /* when somebody else adds to the same tenant meanwhile */

/* What one tenant would have more, and its quota. */
struct quota_item {
	struct store_quota row; /* as it was read */
	struct store_count more;
	uint64_t rotations;
	bool found; /* there is a quota that limits any of it */
};

struct quota_batch {
	struct quotas *quotas;
	uint64_t turns;           /* that it has */
	struct quota_item *items; /* owned */
	size_t count;
	struct keystore_write *writes; /* owned: those that were given, and behind them quotas */
	size_t given, write_count;
};

/* Looks whether writes may be made. ST_OK: batch->writes is what is to be written in their place,
 * quota_batch_end(). tries: those that were late before. ST_TOO_BIG: it would be more than a tenant
 * may have; call->over_quota is set, *err says which. ST_UNAVAILABLE. */
enum status quota_batch_begin(struct quota_batch *batch, struct operation_call *call,
    const struct keystore_write *writes, size_t count, unsigned tries, struct err *err) MUST_USE;
/* Was it refused because of a quota that somebody else wrote meanwhile? at: as apply() says. */
bool quota_batch_was_late(const struct quota_batch *batch, enum status status, size_t at);
/* It was written. */
void quota_batch_done(const struct quota_batch *batch, struct operation_call *call);
void quota_batch_end(struct quota_batch *batch);

/* The argument "quota" into row; what it does not name stays as it is. */
enum operation_code quota_take(struct operation_call *call, struct store_quota *row);
bool quota_is_empty(const struct store_quota *row); /* it limits nothing */
json_t *quota_row(const struct store_quota *row);
/* What the tenant has of it. */
enum operation_code quota_show_usage(
    struct operation_call *call, const struct store_quota *row, json_t *into);

#endif
