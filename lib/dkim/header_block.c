/*
 * header_block.c - takes the header of a whole message file apart into a header list. Called by
 * the tools (testmsg, -t), tests and the fuzzer; the milter never comes here. It must never read
 * behind the text and never guess: a line that is no field is an answer, not a body.
 */
#include "lib/dkim/header.h"

#include <string.h>

#define MBOX_FROM SPAN_LIT("From ")

/* Length of the line at offset at without its line end; *next_out is where the next one begins. */
static size_t
line_measure(struct span text, size_t at, size_t *next_out)
{
	const char *start = text.p + at;
	const char *lf = memchr(start, '\n', text.n - at);
	size_t n = lf == NULL ? text.n - at : (size_t)(lf - start);

	*next_out = lf == NULL ? text.n : at + n + 1;
	if (lf != NULL && n > 0 && start[n - 1] == '\r')
		n--;
	return n;
}

/* "From " as mbox writes it, and not the obsolete "From : ..." of a field. */
static bool
mbox_line(struct span text)
{
	return span_starts(text, MBOX_FROM) &&
	       !span_starts(span_trim(span_from(text, MBOX_FROM.n)), SPAN_LIT(":"));
}

/* The field at offset at with all of its continuation lines; at < text.n. */
static struct span
field_measure(struct span text, size_t at, size_t *next_out, size_t *lines_out)
{
	size_t end = at + line_measure(text, at, next_out);

	*lines_out = 1;
	while (*next_out < text.n && (text.p[*next_out] == ' ' || text.p[*next_out] == '\t')) {
		size_t more = *next_out;

		end = more + line_measure(text, more, next_out);
		(*lines_out)++;
	}
	return span_sub(text, at, end - at);
}

static enum status
field_add(struct header_list *list, struct span field, size_t line, struct err *err)
{
	struct span value = field;
	struct span name;
	enum status st = ST_INVALID;

	if (span_cut(&value, ':', &name))
		st = header_list_add(list, name, value, true);
	if (st == ST_INVALID)
		err_set(err, "line %zu is not a header field", line);
	if (st == ST_TOO_BIG)
		err_set(err, "line %zu: the header is too big", line);
	return st;
}

enum status
header_block_parse(struct span text, struct header_list *list, size_t *body_at_out, struct err *err)
{
	size_t at = 0;
	size_t line = 1;

	*body_at_out = text.n;
	if (mbox_line(text)) {
		(void)line_measure(text, 0, &at);
		line++;
	}
	while (at < text.n) {
		size_t next;
		size_t lines;
		enum status st;

		if (line_measure(text, at, &next) == 0) {
			*body_at_out = next;
			return ST_OK;
		}
		st = field_add(list, field_measure(text, at, &next, &lines), line, err);
		if (st != ST_OK)
			return st;
		at = next;
		line += lines;
	}
	return ST_OK;
}
