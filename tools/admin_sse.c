/*
 * admin_sse.c - reads text/event-stream.
 * Called by admin_events.c with octets as they come. It must never say that an event was taken
 * before take has taken it: whoever comes back begins behind it.
 */
#include "config.h"

#include <string.h>

#include "tools/admin_sse.h"

void
admin_sse_init(struct admin_sse *sse, bool (*take)(void *context, struct span data, const char *id),
    void *context)
{
	memset(sse, 0, sizeof(*sse));
	sse->take = take;
	sse->context = context;
	buf_init(&sse->line, ADMIN_EVENT_DATA_MAX);
	buf_init(&sse->data, ADMIN_EVENT_DATA_MAX);
}

void
admin_sse_free(struct admin_sse *sse)
{
	buf_free(&sse->line);
	buf_free(&sse->data);
}

void
admin_sse_again(struct admin_sse *sse)
{
	buf_reset(&sse->line);
	buf_reset(&sse->data);
	sse->has_data = false;
	sse->next_id[0] = '\0';
}

/* An id becomes a field of a head again: nothing but what an id has. */
static bool
take_id(struct admin_sse *sse, struct span value)
{
	if (value.n > ADMIN_EVENT_ID_MAX)
		return false;
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] < '!' || value.p[i] > '~')
			return false;
	if (value.n > 0)
		memcpy(sse->next_id, value.p, value.n);
	sse->next_id[value.n] = '\0';
	return true;
}

/* The empty line behind an event. */
static bool
end_event(struct admin_sse *sse)
{
	bool good = !sse->has_data || sse->take(sse->context, buf_span(&sse->data), sse->next_id);

	if (good && sse->next_id[0] != '\0')
		memcpy(sse->id, sse->next_id, sizeof(sse->id));
	buf_reset(&sse->data);
	sse->has_data = false;
	sse->next_id[0] = '\0';
	return good;
}

static bool
take_data(struct admin_sse *sse, struct span value)
{
	if (sse->has_data)
		buf_add_char(&sse->data, '\n');
	buf_add(&sse->data, value);
	sse->has_data = true;
	return buf_status(&sse->data) == ST_OK;
}

/* ":" begins a comment; what is not known is left. */
static bool
take_line(struct admin_sse *sse, struct span value)
{
	struct span name;

	if (span_ends(value, SPAN_LIT("\r")))
		value.n--;
	if (value.n == 0)
		return end_event(sse);
	(void)span_cut(&value, ':', &name);
	if (span_starts(value, SPAN_LIT(" ")))
		value = span_from(value, 1);
	if (span_eq_str(name, "id"))
		return take_id(sse, value);
	return !span_eq_str(name, "data") || take_data(sse, value);
}

bool
admin_sse_take(struct admin_sse *sse, struct span piece)
{
	size_t end;

	for (end = span_find(piece, '\n'); end != SIZE_MAX; end = span_find(piece, '\n')) {
		buf_add(&sse->line, span_of(piece.p, end));
		if (buf_status(&sse->line) != ST_OK || !take_line(sse, buf_span(&sse->line)))
			return false;
		buf_reset(&sse->line);
		piece = span_from(piece, end + 1);
	}
	buf_add(&sse->line, piece);
	return buf_status(&sse->line) == ST_OK;
}
