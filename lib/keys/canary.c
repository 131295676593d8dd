/*
 * canary.c - lines about signatures that a gateway verified itself, written and read.
 * Gateways write them into their rows, signpost-admind reads the rows of all. It must never believe
 * a line that it cannot read whole: a row may be anybody's.
 */
#include <inttypes.h>

#include "lib/keys/canary.h"

#define LINE_MAX (CANARY_ID_MAX + CANARY_DOMAIN_MAX + CANARY_WHY_MAX + 64U)

static bool
id_is_valid(struct span id)
{
	for (size_t i = 0; i < id.n; i++) {
		char c = ascii_lower(id.p[i]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_')
			return false;
	}
	return id.n > 0 && id.n <= CANARY_ID_MAX;
}

/* No more than that it can stand in a line: who reads it looks for a row of this name. */
static bool
domain_is_valid(struct span domain)
{
	for (size_t i = 0; i < domain.n; i++)
		if (domain.p[i] <= ' ' || domain.p[i] > '~')
			return false;
	return domain.n > 0 && domain.n <= CANARY_DOMAIN_MAX;
}

static uint32_t
at_most(uint32_t count)
{
	return count < CANARY_COUNT_MAX ? count : CANARY_COUNT_MAX;
}

static void
add_why(struct buf *line, struct span why)
{
	for (size_t i = 0; i < why.n && i < CANARY_WHY_MAX; i++)
		buf_add_char(line, why.p[i] >= ' ' && why.p[i] <= '~' ? why.p[i] : '?');
}

bool
canary_word_write(const struct canary_word *word, struct buf *out)
{
	struct buf line;
	bool fits;

	if (!id_is_valid(word->id) || !domain_is_valid(word->domain) || word->active <= 0)
		return false;
	buf_init(&line, LINE_MAX);
	buf_add_fmt(&line, "=%.*s %.*s %" PRId64 " %" PRIu32 " %" PRIu32 " ", SPAN_ARG(word->id),
	    SPAN_ARG(word->domain), word->active, at_most(word->good), at_most(word->failures));
	add_why(&line, word->why);
	buf_add_char(&line, '\n');
	fits = buf_status(&line) == ST_OK && line.n <= out->max - out->n;
	if (fits)
		buf_add(out, buf_span(&line));
	buf_free(&line);
	return fits;
}

static bool
number(struct span *rest, uint64_t most, uint64_t *out)
{
	struct span word;

	return span_word(rest, &word) && span_number(word, most, out);
}

static bool
printable(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < ' ' || text.p[i] > '~')
			return false;
	return true;
}

static bool
read_line(struct span line, struct canary_word *out)
{
	uint64_t active, good, failures;

	if (!span_starts(line, SPAN_LIT("=")))
		return false;
	line = span_from(line, 1);
	if (!span_word(&line, &out->id) || !id_is_valid(out->id) ||
	    !span_word(&line, &out->domain) || !domain_is_valid(out->domain) ||
	    !number(&line, INT64_MAX, &active) || !number(&line, CANARY_COUNT_MAX, &good) ||
	    !number(&line, CANARY_COUNT_MAX, &failures) || active == 0)
		return false;
	out->active = (int64_t)active;
	out->good = (uint32_t)good;
	out->failures = (uint32_t)failures;
	out->why = span_trim(line);
	return out->why.n <= CANARY_WHY_MAX && printable(out->why);
}

bool
canary_word_next(struct span *lines, struct canary_word *out)
{
	struct span line;

	while (lines->n > 0) {
		(void)span_cut(lines, '\n', &line);
		if (read_line(line, out))
			return true;
	}
	return false;
}

bool
canary_other_next(struct span *lines, struct span *line_out)
{
	while (lines->n > 0) {
		(void)span_cut(lines, '\n', line_out);
		if (line_out->n > 0 && !span_starts(*line_out, SPAN_LIT("=")))
			return true;
	}
	return false;
}
