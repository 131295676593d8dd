/*
 * fuzz_events.c - the first octet says what the rest is: the name of an operation, "Prefer",
 * "Last-Event-ID", ?types=, or the detail of a row of the audit. What is taken is written again as
 * it was; a row has the same events each time, and each of them is three lines; what somebody gave
 * as a reason is no step.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "admin-api/api_private.h"
#include "admin-api/audit_step.h"
#include "admin-api/events_private.h"
#include "admin-api/operation_id.h"

#define ROOM (64U * 1024U)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool condition)
{
	if (!condition)
		abort();
}

static void
look_at_operation(struct span text)
{
	char again[OPERATION_ID_MAX + 1];
	struct operation_id id;

	if (!operation_id_parse(text, &id))
		return;
	must(operation_id_write(&id, again));
	must(span_eq_str(text, again));
}

static void
look_at_place(struct span text)
{
	struct event_place place, again;
	char out[48];

	if (!event_place_parse(text, &place))
		return;
	event_place_write(&place, out);
	must(event_place_parse(span_str(out), &again));
	must(again.seq == place.seq && again.more == place.more);
}

static size_t
lines_of(struct span text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.n; i++)
		count += text.p[i] == '\n';
	return count;
}

static void
look_at_row(struct span detail)
{
	static const char *const actions[] = {"life", "key.hold", "emergency", "rotate", "x"};
	struct event list[EVENTS_OF_ROW_MAX];
	struct buf text;

	buf_init(&text, ROOM);
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		const struct store_audit row = {.seq = 7,
		    .action = span_str(actions[i]),
		    .detail = detail,
		    .object = SPAN_LIT("example.org"),
		    .result = SPAN_LIT("ok")};
		size_t count = events_of_row(&row, list);

		must(count <= EVENTS_OF_ROW_MAX && count == events_of_row(&row, list));
		for (size_t k = 0; k < count; k++) {
			buf_reset(&text);
			event_write(&row, &list[k], (unsigned)k, (unsigned)count, &text);
			must(text.overflow || lines_of(buf_span(&text)) == 4);
		}
	}
	buf_free(&text);
}

static void
look_at_reason(struct span reason)
{
	struct audit_step step;
	struct buf text;
	struct span rest;

	buf_init(&text, ROOM);
	buf_add_str(&text, "s1: LOADED to ACTIVE; ");
	audit_step_add_words(&text, reason);
	rest = buf_span(&text);
	must(audit_step_next(&rest, &step) && span_eq_str(step.subject, "s1"));
	must(text.overflow || !audit_step_next(&rest, &step));
	buf_free(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of((const char *)data + 1, size > 0 ? size - 1 : 0);
	uint64_t types;

	if (size < 2 || size > 4096)
		return 0;
	switch (data[0]) {
	case 'o':
		look_at_operation(text);
		break;
	case 'p':
		must(api_prefer_wait(text) <= API_WAIT_MAX_S);
		break;
	case 'l':
		look_at_place(text);
		break;
	case 't':
		(void)event_types_parse(text, &types);
		break;
	default:
		look_at_row(text);
		look_at_reason(text);
	}
	return 0;
}
