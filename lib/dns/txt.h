/*
 * txt.h - the value of a TXT record as people and zone files write it: quoted strings with escapes.
 * Pure. RFC 1035 sections 3.3.14 and 5.1.
 */
#ifndef SIGNPOST_DNS_TXT_H
#define SIGNPOST_DNS_TXT_H

#include "lib/base/buf.h"

#define TXT_STRING_BYTES_MAX 255u

struct txt_shape {
	size_t strings;          /* how many there were */
	size_t string_bytes_max; /* the longest */
};

/* record as one or more strings of at most string_bytes octets each (1 to 255), with between
 * (blanks) between two: "..." "...". An empty record is "". Quotes, backslashes and what is not
 * printable are escaped. ST_TOO_BIG: out is full. */
enum status txt_write(
    struct span record, size_t string_bytes, const char *between, struct buf *out) MUST_USE;

/* Strings in quotes, or words without, separated by blanks; escapes \X and \DDD. They are joined
 * at the end of out. shape_out may be NULL. ST_INVALID: err says what and where. ST_TOO_BIG: out is
 * full. */
enum status txt_read(
    struct span text, struct buf *out, struct txt_shape *shape_out, struct err *err) MUST_USE;

#endif
