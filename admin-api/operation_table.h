/*
 * operation_table.h - what operations.c shares with the files of the table and of the arguments.
 */
#ifndef SIGNPOST_ADMIN_API_OPERATION_TABLE_H
#define SIGNPOST_ADMIN_API_OPERATION_TABLE_H

#include <stdint.h>

#include "admin-api/operations.h"

#define OPERATION_ARGUMENT_MAX 512U /* octets of an OPERATION_TEXT */
#define TIME_TEXT_BYTES 21U         /* "2026-12-31T12:00:00Z" and a NUL */

/* Are names and types as the table has them, and is all there that is needed? */
bool operation_arguments_are_right(const struct operation *operation, json_t *arguments);

/* RFC 3339 in UTC ("2026-12-31T12:00:00Z", no fractions), or seconds since 1970. false: none. */
bool time_parse(struct span text, int64_t *at_out);
/* 0 to the end of the year 9999. */
void time_write(int64_t at_utc, char out[TIME_TEXT_BYTES]);

#endif
