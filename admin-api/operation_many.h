/*
 * operation_many.h - many domain.add in two transactions: the rows with their audit, and that their
 * first look is due. For bulk.h; one thread for each call.
 */
#ifndef SIGNPOST_ADMIN_API_OPERATION_MANY_H
#define SIGNPOST_ADMIN_API_OPERATION_MANY_H

#include "admin-api/operation_call.h"

#define MANY_MAX 400U /* of one call: with their audit they fit into KEYSTORE_BATCH_MAX */

enum many_result {
	MANY_ALONE, /* not done, and nothing said: operation_run() does it, or says why not */
	MANY_DONE,
	MANY_REPLAYED /* there is this very domain: same tenant, same fields */
};

/* arguments: count (at most MANY_MAX) objects of domain.add, borrowed. Those that can be added
 * without a question are, all or none; the others are left for operation_run(), which refuses them
 * with a sentence. dry_run: nothing is written. */
void operation_domains_add(struct admin *admin, const struct operation_caller *caller,
    json_t *const *arguments, size_t count, bool dry_run, enum many_result *results);

/* operation_domain.c: the row that arguments of domain.add speak of, and whether its tenant and its
 * policy are there. */
enum operation_code domain_take_new(struct operation_call *call, struct store_domain *row);
enum operation_code domain_check_references(
    struct operation_call *call, const struct store_domain *row);

#endif
