/*
 * shadow_line.c - the beginning of a line of the shadow report.
 * Called by signpost shadow for each line of its files, which a log may have cut or mixed with
 * others. It must never take a line that it cannot read for a good one.
 */
#include "tools/shadow_line.h"

static bool
take(struct span *rest, const char *text)
{
	struct span wanted = span_str(text);

	if (!span_starts(*rest, wanted))
		return false;
	*rest = span_from(*rest, wanted.n);
	return true;
}

/* Up to the next quote that is not escaped. Only printable ASCII: it goes to a terminal. */
static bool
take_string(struct span *rest, struct span *out)
{
	size_t n = 0;

	while (n < rest->n && rest->p[n] != '"') {
		if (rest->p[n] < ' ' || rest->p[n] > '~')
			return false;
		n += rest->p[n] == '\\' ? 2 : 1;
	}
	if (n >= rest->n)
		return false;
	*out = span_sub(*rest, 0, n);
	*rest = span_from(*rest, n + 1);
	for (size_t i = 0; i < out->n; i++)
		if (out->p[i] < ' ' || out->p[i] > '~')
			return false;
	return true;
}

static bool
is_word(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] != '-' && (text.p[i] < 'a' || text.p[i] > 'z'))
			return false;
	return text.n > 0;
}

static struct span
find_beginning(struct span line)
{
	struct span from = line;

	while (from.n > 0 && !span_starts(from, SPAN_LIT("{\"shadow\":")))
		from = span_from(from, 1);
	return from;
}

enum status
shadow_line_read(struct span line, struct shadow_entry *out)
{
	struct span rest = find_beginning(line);

	if (rest.n == 0)
		return ST_ABSENT;
	if (take(&rest, "{\"shadow\":1,\"time\":\"") && take_string(&rest, &out->time) &&
	    take(&rest, ",\"queue\":\"") && take_string(&rest, &out->queue) &&
	    take(&rest, ",\"domain\":\"") && take_string(&rest, &out->domain) &&
	    take(&rest, ",\"result\":\"") && take_string(&rest, &out->result) &&
	    is_word(out->result) && rest.n > 0 && rest.p[0] == ',')
		return ST_OK;
	return ST_INVALID;
}

bool
shadow_result_is_alike(struct span result)
{
	return span_eq_str(result, "same") || span_eq_str(result, "neither");
}
