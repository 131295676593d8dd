/*
 * operation_lives.h - a domain with its keys as lib/keys/life.h wants it, read for an operation,
 * and written back if nobody else changed it meanwhile. One thread.
 */
#ifndef SIGNPOST_ADMIN_API_OPERATION_LIVES_H
#define SIGNPOST_ADMIN_API_OPERATION_LIVES_H

#include "admin-api/liferows.h"
#include "admin-api/operation_call.h"

#define GATEWAY_SILENCE_S 60 /* who said nothing for so long is not waited for */

struct lives {
	struct life_domain life;
	const struct store_domain *row;
	const struct store_key *rows[LIFE_KEYS_MAX]; /* of life.keys */
	struct key_times before[LIFE_KEYS_MAX];
	struct keystore_rows *answer; /* what all of it points into */
	struct keystore_rows *gateway_rows;
	struct liferows_gateways words;
	struct life_gateways gateways;
	struct err plan_error; /* not empty: life.plan is the default, and this says why */
};

/* OPERATION_OK: lives_free(*out). OPERATION_NOT_FOUND, ... */
enum operation_code lives_read(struct operation_call *call, struct span domain, struct lives **out);
void lives_free(struct lives *lives); /* NULL is fine */

/* operation_conditions.c: what holds of a key, an array. gateways: as the key's answer has it. */
json_t *conditions_of(const struct lives *lives, size_t key, json_t *gateways);

/* Where the key with this selector or id is. SIZE_MAX: none that is not destroyed. */
size_t lives_key(const struct lives *lives, struct span name);

/* Writes what was changed, with the revisions that were read, and a look that is due now; fills the
 * plan and, for each key that changed, "keys" of the result. ST_DENIED: read again. */
enum status lives_write(struct operation_call *call, struct lives *lives, struct err *err) MUST_USE;

/* Reads, changes, writes; again if somebody else was faster, as often as OPERATION_ATTEMPTS. change
 * answers what the operation is to answer if it is not OPERATION_OK. */
typedef enum operation_code lives_change(
    struct operation_call *call, struct lives *lives, void *context);
enum operation_code lives_update(
    struct operation_call *call, struct span domain, lives_change *change, void *context);

/* The same for up to KEYSTORE_LIVES_MAX domains in one transaction, which is faster by far. It may
 * always do nothing: what is not done (done_out[], of each domain) is to be done
 * by lives_update(), which also says why it cannot be. */
void lives_update_together(struct operation_call *call, const struct span *domains, size_t count,
    lives_change *change, void *context, bool *done_out);

/* Only reads: calls visit, which changes nothing, for each of up to KEYSTORE_LIVES_MAX domains;
 * what it answers is not looked at. Gateways are not asked. */
enum operation_code lives_read_together(struct operation_call *call, const struct span *domains,
    size_t count, lives_change *visit, void *context);

/* A key as an operator sees it: its row, what it does next, from when, and what blocks it.
 * decision: of all of the domain. */
json_t *lives_row(const struct operation_call *call, const struct lives *lives, size_t key,
    const struct life_decision *decision);
/* {"action":, "earliest":, "blocked_by":[...]}, or null. */
json_t *lives_next(const struct lives *lives, size_t key, const struct life_decision *decision);

/* "cnames" of the result: what the customer of a domain with delegated slots has to set, with
 * "look" as it is seen, with "notation" also as "record.text". Nothing without a delegation. */
enum operation_code cnames_show(struct operation_call *call, const struct lives *lives);

#endif
