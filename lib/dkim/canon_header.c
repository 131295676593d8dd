/*
 * canon_header.c - canonical form of one header field (RFC 6376 3.4.1, 3.4.2). Called for every
 * signed field and for the DKIM-Signature itself. It must never allocate per octet: relaxed writes
 * into room reserved once, for the canonical form is never longer than the field.
 */
#include "lib/dkim/canon.h"

#include <string.h>

const char *
canon_name(enum canon canon)
{
	return canon == CANON_SIMPLE ? "simple" : "relaxed";
}

enum status
canon_by_name(struct span name, enum canon *canon_out)
{
	if (span_ieq_str(name, "simple"))
		*canon_out = CANON_SIMPLE;
	else if (span_ieq_str(name, "relaxed"))
		*canon_out = CANON_RELAXED;
	else
		return ST_ABSENT;
	return ST_OK;
}

static char *
relaxed_name(struct span name, char *to)
{
	struct span trimmed = span_trim(name);

	for (size_t i = 0; i < trimmed.n; i++)
		*to++ = ascii_lower(trimmed.p[i]);
	return to;
}

static bool
crlf_at(struct span s, size_t at)
{
	return s.p[at] == '\r' && at + 1 < s.n && s.p[at + 1] == '\n';
}

/* Unfolds, makes one blank of many, none at either end. */
static char *
relaxed_value(struct span value, char *to)
{
	bool blank = false;
	char *start = to;

	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];

		if (crlf_at(value, i)) {
			i++;
			continue;
		}
		if (c == ' ' || c == '\t') {
			blank = true;
			continue;
		}
		if (blank && to != start)
			*to++ = ' ';
		blank = false;
		*to++ = c;
	}
	return to;
}

void
canon_header(enum canon canon, const struct header_field *field, struct buf *out)
{
	char *start;
	char *to;

	if (canon == CANON_SIMPLE) {
		buf_add(out, field->name);
		buf_add_char(out, ':');
		buf_add(out, field->value);
		buf_add_str(out, "\r\n");
		return;
	}
	start = buf_reserve(out, field->name.n + field->value.n + 3);
	if (start == NULL)
		return;
	to = relaxed_name(field->name, start);
	*to++ = ':';
	to = relaxed_value(field->value, to);
	*to++ = '\r';
	*to++ = '\n';
	out->n += (size_t)(to - start);
}
