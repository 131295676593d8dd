/*
 * tags.h - tag=value lists, RFC 6376 section 3.2: DKIM-Signature fields and key records. Spans into
 * the caller's text, no copies. Pure; any thread.
 */
#ifndef SIGNPOST_DKIM_TAGS_H
#define SIGNPOST_DKIM_TAGS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"

#define TAGS_MAX 50u           /* tags in one list */
#define TAGS_BYTES_MAX 131072u /* octets of one list */

struct tag {
	struct span name;  /* case matters */
	struct span value; /* trimmed; folding white space inside is kept */
};

struct tag_list {
	struct tag tags[TAGS_MAX];
	size_t count;
};

/* Parses the list; a final ';' is allowed. Borrowed from text. ST_INVALID: malformed, or a tag
 * twice; ST_TOO_BIG: a limit. */
enum status tags_parse(struct span text, struct tag_list *list_out, struct err *err) MUST_USE;
/* false: no such tag. *value_out is untouched then. */
bool tags_find(const struct tag_list *list, const char *name, struct span *value_out);
/* Appends the value without folding white space (for base64, h=, numbers). */
void tags_strip_blanks(struct span value, struct buf *out);
/* Decodes dkim-quoted-printable (2.11); blanks are skipped. ST_INVALID for a bad =XX. */
enum status tags_unquote(struct span value, struct buf *out) MUST_USE;

#endif
