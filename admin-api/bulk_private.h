/*
 * bulk_private.h - what bulk.c and bulk_results.c share.
 */
#ifndef SIGNPOST_ADMIN_API_BULK_PRIVATE_H
#define SIGNPOST_ADMIN_API_BULK_PRIVATE_H

#include "admin-api/bulk.h"

/* Lines behind each other with the same result. */
struct bulk_run {
	uint64_t count;
	enum operation_code code;
	bool replayed;
};

struct bulk_detail {
	uint64_t line;
	char *text; /* the result as it is sent; owned */
};

struct bulk_results {
	struct bulk_run *runs;
	size_t count, room;
	struct bulk_detail details[BULK_DETAILS_MAX];
	size_t detail_count;
	uint64_t lines, done, replayed, failed, left;
};

/* answer: of operation_run(), of what failed; NULL: none is there. */
void bulk_results_add(
    struct bulk_results *results, enum operation_code code, bool replayed, const json_t *answer);
void bulk_results_write(const struct bulk_results *results, struct buf *out);
void bulk_results_free(struct bulk_results *results);

#endif
