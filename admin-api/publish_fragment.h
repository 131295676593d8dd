/*
 * publish_fragment.h - a file with the TXT records of our keys, to be included in a zone file,
 * apart from reading and writing it, so that tests and a fuzz target can call it. Pure; one thread.
 *
 * A line of ours is "NAME. TTL IN TXT "string" "string"...", whoever wrote it. All other lines are
 * foreign: they are kept as they are, in front, and no record is changed at a name that one of them
 * is for. RFC 1035 section 5.1.
 */
#ifndef SIGNPOST_ADMIN_API_PUBLISH_FRAGMENT_H
#define SIGNPOST_ADMIN_API_PUBLISH_FRAGMENT_H

#include "admin-api/publish_private.h"
#include "lib/base/arena.h"

#define FRAGMENT_MAX (16U << 20) /* octets of a file */

struct fragment_record {
	struct span name; /* small letters; no final dot */
	struct span value;
	uint32_t ttl_s;
	bool gone; /* to be left out when it is written */
};

struct fragment_line {
	struct span text; /* without its line feed */
	struct span name; /* small letters; empty: it is for no name */
};

struct fragment {
	struct arena arena; /* of all spans but those of changes */
	struct fragment_record *records;
	size_t count, sorted; /* the first ones are in order of their names */
	struct fragment_line *lines;
	size_t line_count;
};

/* text and zone: borrowed until fragment_free(). ST_INVALID: a parenthesis is open at its end, so
 * that nothing can be put behind it. ST_TOO_BIG. */
enum status fragment_read(
    struct span text, struct span zone, struct fragment *out, struct err *err) MUST_USE;
void fragment_free(struct fragment *fragment); /* also after a failure */
/* Carries the changes out and sets their effects, as if the file was written already. Their spans
 * are borrowed until fragment_free(). Answers whether there is anything to write. */
bool fragment_apply(struct fragment *fragment, struct publish_change *changes, size_t count);
/* The whole file, ours in order of their names. */
enum status fragment_write(struct fragment *fragment, struct buf *out) MUST_USE;

#endif
