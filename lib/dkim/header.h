/*
 * header.h - the header fields of one message, as they go on the wire, in the caller's arena.
 * Filled by the milter session (one field at a time) or from a message file (header_block_parse);
 * read by the selection and the canonicalization. One thread per list. RFC 5322 section 2.2.
 */
#ifndef SIGNPOST_DKIM_HEADER_H
#define SIGNPOST_DKIM_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/span.h"
#include "lib/base/status.h"

#define HEADER_FIELDS_MAX 2000        /* fields of one message */
#define HEADER_BYTES_DEFAULT 1048576u /* a sane max_bytes for header_list_init */

/* "Name: value\r\n": name is what stands in front of the colon (an obsolete "Name :" keeps its
 * blank), value all behind it including the leading blank if any; folds are CRLF + WSP; there is
 * no final CRLF. */
struct header_field {
	struct span name;
	struct span value;
};

struct header_list {
	struct arena *arena;         /* borrowed; holds the fields and their octets */
	struct header_field *fields; /* in message order; moves when a field is added */
	size_t count;
	size_t room;      /* fields allocated */
	size_t bytes;     /* octets of all names and values, with ":" and CRLF of each */
	size_t max_bytes; /* most that bytes may reach */
};

/* An empty list. The arena must outlive it. ST_TOO_BIG when the arena is already full. */
enum status header_list_init(
    struct header_list *list, struct arena *arena, size_t max_bytes) MUST_USE;

/* Copies one field into the arena, as a milter delivers it: bare LF folds become CRLF; when
 * leading_blank_kept is false (no SMFIP_HDR_LEADSPC) one blank is put in front of the value, as
 * the MTA will. ST_TOO_BIG when a limit is reached, ST_INVALID for a name that cannot be one
 * (empty, with a blank in front, or with ':', CR, LF or NUL); the list is then unchanged. */
enum status header_list_add(struct header_list *list, struct span name, struct span value,
    bool leading_blank_kept) MUST_USE;

/* Names without case and without the obsolete blanks in front of the colon. */
bool header_name_eq(struct span a, struct span b);
/* The first field of that name, or NULL. Borrowed until the next header_list_add. */
const struct header_field *header_list_find(const struct header_list *list, struct span name);
size_t header_list_count(const struct header_list *list, struct span name);

/* Appends the fields of a whole message (CRLF or LF line ends, mixed as they come; a leading mbox
 * "From " line is skipped) to an initialised list. *body_at_out: offset of the body behind the
 * empty line; text.n when there is none. ST_INVALID: a line that is no header field, err names
 * its number. ST_TOO_BIG as above. */
enum status header_block_parse(
    struct span text, struct header_list *list, size_t *body_at_out, struct err *err) MUST_USE;

#endif
