/*
 * memcached_answer.c - reads what a memcached answers to "get".
 * Called by memcached_link.c with every piece that comes from a server.
 * It must never take more room than a value that was asked for may have, a value of another name,
 * or an answer that is not the one to this question.
 */
#include "backends/memcached_answer.h"

bool
mcname_ok(struct span name)
{
	if (name.n == 0 || name.n > MCNAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] <= 0x20 || name.p[i] == 0x7f)
			return false;
	return true;
}

void
mcanswer_init(struct mcanswer *answer, const struct span *names, struct mcvalue *values,
    size_t count, size_t value_max, char *(*room)(size_t octets))
{
	*answer = (struct mcanswer){
	    .names = names, .values = values, .count = count, .value_max = value_max, .room = room};
}

/* The place of a name that has no value yet; count: there is none. A name may have been asked for
 * twice, and is answered twice then. */
static size_t
find_name(const struct mcanswer *answer, struct span name)
{
	size_t at = 0;

	while (
	    at < answer->count && (answer->values[at].found || !span_eq(answer->names[at], name)))
		at++;
	return at;
}

/* A number, and a blank or the end behind it. */
static bool
take_number(struct span *rest, uint64_t max, uint64_t *out)
{
	struct span word;

	span_cut(rest, ' ', &word);
	return span_number(word, max, out);
}

/* "NAME FLAGS LENGTH", and nothing behind it: that would be for "gets". */
static enum mcanswer_state
begin_value(struct mcanswer *answer, struct span rest)
{
	uint64_t flags, length;
	struct span name;

	if (!span_cut(&rest, ' ', &name) || !take_number(&rest, UINT32_MAX, &flags) ||
	    !take_number(&rest, MCANSWER_SKIP_MAX, &length) || rest.n > 0)
		return MCANSWER_BROKEN;
	answer->at = find_name(answer, name);
	if (answer->at == answer->count)
		return MCANSWER_BROKEN;
	answer->left = (size_t)length;
	if (length > answer->value_max) {
		answer->part = MCANSWER_IN_SKIP;
		return MCANSWER_MORE;
	}
	if (length > 0) {
		answer->values[answer->at].octets = answer->room((size_t)length);
		if (answer->values[answer->at].octets == NULL)
			return MCANSWER_BROKEN;
	}
	answer->part = MCANSWER_IN_VALUE;
	return MCANSWER_MORE;
}

static enum mcanswer_state
end_line(struct mcanswer *answer)
{
	struct span line = span_of(answer->line, answer->line_n);

	answer->line_n = 0;
	if (!span_ends(line, SPAN_LIT("\r\n")))
		return MCANSWER_BROKEN;
	line.n -= 2;
	if (span_eq(line, SPAN_LIT("END")))
		return MCANSWER_DONE;
	if (span_starts(line, SPAN_LIT("VALUE ")))
		return begin_value(answer, span_from(line, 6));
	return MCANSWER_BROKEN;
}

static enum mcanswer_state
feed_line(struct mcanswer *answer, struct span *rest)
{
	size_t end = span_find(*rest, '\n');
	size_t n = end == SIZE_MAX ? rest->n : end + 1;

	if (n > sizeof(answer->line) - answer->line_n)
		return MCANSWER_BROKEN;
	memcpy(answer->line + answer->line_n, rest->p, n);
	answer->line_n += n;
	*rest = span_from(*rest, n);
	return end == SIZE_MAX ? MCANSWER_MORE : end_line(answer);
}

static void
feed_value(struct mcanswer *answer, struct span *rest)
{
	size_t n = rest->n < answer->left ? rest->n : answer->left;
	struct mcvalue *value = &answer->values[answer->at];

	if (answer->part == MCANSWER_IN_VALUE && n > 0) {
		memcpy(value->octets + value->n, rest->p, n);
		value->n += n;
	}
	answer->left -= n;
	*rest = span_from(*rest, n);
	if (answer->left > 0)
		return;
	/* One that was passed over is absent. */
	value->found = answer->part == MCANSWER_IN_VALUE;
	answer->part = MCANSWER_IN_END;
	answer->left = 2;
}

static enum mcanswer_state
feed_end(struct mcanswer *answer, struct span *rest)
{
	if (rest->p[0] != (answer->left == 2 ? '\r' : '\n'))
		return MCANSWER_BROKEN;
	*rest = span_from(*rest, 1);
	if (--answer->left == 0)
		answer->part = MCANSWER_IN_LINE;
	return MCANSWER_MORE;
}

enum mcanswer_state
mcanswer_feed(struct mcanswer *answer, struct span octets)
{
	enum mcanswer_state state = MCANSWER_MORE;

	while (state == MCANSWER_MORE && (octets.n > 0 || answer->left == 0)) {
		if (answer->part == MCANSWER_IN_VALUE || answer->part == MCANSWER_IN_SKIP)
			feed_value(answer, &octets);
		else if (octets.n == 0)
			break;
		else if (answer->part == MCANSWER_IN_END)
			state = feed_end(answer, &octets);
		else
			state = feed_line(answer, &octets);
	}
	return state == MCANSWER_DONE && octets.n > 0 ? MCANSWER_BROKEN : state;
}
