/*
 * bulk.h - many operations in one text: NDJSON, an operation in each line, as operations.h has it:
 *
 *   {"operation":"domain.add","arguments":{"domain":"example.org","tenant":"acme"}}
 *
 * domain.add, domain.set, policy.set, key.import, and rotate of one domain. Lines are run in their
 * order, as they come, by whoever asks; domain.add of lines behind each other share transactions,
 * and key.import of lines behind each other what is asked of DNS. Memory does not grow with the
 * text.
 *
 * What was done is not done again when the same text comes again under the same key: of domain.add
 * the same row is there; of the others an answer is kept, in the transaction of the effect, for the
 * number of the line (ADMINROW_REPLIES_S). So whoever was cut off sends all of it again.
 *
 * Results are lines, too, in the order of the lines, and one at the end. One stands for "count"
 * lines behind each other that went the same way, from "line" on:
 *
 *   {"line":1,"count":20000,"ok":true,"code":"ok"}                        also "replayed":true
 *   {"line":20001,"count":1,"ok":false,"code":"exists","detail":"...","errors":[...]}
 *   {"summary":{"lines":20001,"done":20000,"replayed":0,"failed":1,"not_run":0,"results_left":0,
 *    "complete":true,"dry_run":false}}
 *
 * detail and errors stand at the first BULK_DETAILS_MAX that failed. When the store does not answer
 * nothing more is run: "complete":false, with "code" and "detail", and the lines behind are not_run
 * and have no result. Where more than BULK_RUNS_MAX results would be needed, results_left lines are
 * counted, and have none.
 *
 * They are told when all was run, not while the text comes in: HTTP's server sends nothing before
 * it has read a request.
 */
#ifndef SIGNPOST_ADMIN_API_BULK_H
#define SIGNPOST_ADMIN_API_BULK_H

#include "admin-api/operations.h"

#define BULK_LINE_MAX 65536U  /* octets of a line; a longer one is refused, and read over */
#define BULK_DETAILS_MAX 500U /* failures with a sentence */
#define BULK_RUNS_MAX 65536U  /* results, but for those with a sentence */
#define BULK_RESULT_MAX 4096U /* octets of a result with its sentence */

struct bulk;

/* scope: of which actor and route the key is, as in struct store_reply; both are copied. key empty:
 * nothing is kept. bulk_free(). One thread at a time. */
struct bulk *bulk_new(struct admin *admin, struct span scope, struct span key, bool dry_run);
void bulk_free(struct bulk *bulk); /* NULL is fine */

/* Scopes that any of its operations needs: whoever has none of them can do nothing. Pure. */
uint32_t bulk_scopes(void);

/* The next octets of the text. caller: whose version and reply are not looked at. Blocking. */
void bulk_take(struct bulk *bulk, const struct operation_caller *caller, struct span octets);
/* There is no more. What of it waits is run. Blocking. */
void bulk_end(struct bulk *bulk, const struct operation_caller *caller);
/* After the end: appends all results. */
void bulk_results(const struct bulk *bulk, struct buf *out);

#endif
