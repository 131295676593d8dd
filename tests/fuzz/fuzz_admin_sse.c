/*
 * fuzz_admin_sse.c - what signpost events hears: any octets, whole, and again in two pieces. Both
 * have to be the same events; an id is never longer than its room, nor more than what is printable.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/admin_sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct heard {
	size_t events, octets;
};

static bool
take(void *context, struct span data, const char *id)
{
	struct heard *heard = context;

	if (strlen(id) > ADMIN_EVENT_ID_MAX || data.n > ADMIN_EVENT_DATA_MAX)
		abort();
	for (; *id != '\0'; id++)
		if (*id < '!' || *id > '~')
			abort();
	heard->events++;
	heard->octets += data.n;
	return true;
}

static bool
hear(struct span text, size_t cut, struct heard *heard, char id[ADMIN_EVENT_ID_MAX + 1])
{
	struct admin_sse sse;
	bool good;

	*heard = (struct heard){0, 0};
	admin_sse_init(&sse, take, heard);
	good = admin_sse_take(&sse, span_of(text.p, cut)) &&
	       admin_sse_take(&sse, span_from(text, cut));
	memcpy(id, sse.id, sizeof(sse.id));
	admin_sse_again(&sse);
	if (strcmp(id, sse.id) != 0)
		abort();
	admin_sse_free(&sse);
	return good;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char whole_id[ADMIN_EVENT_ID_MAX + 1], parts_id[ADMIN_EVENT_ID_MAX + 1];
	struct heard whole, parts;
	struct span text;

	if (size < 1)
		return 0;
	text = span_of((const char *)data + 1, size - 1);
	if (hear(text, 0, &whole, whole_id) !=
		hear(text, data[0] % (text.n + 1), &parts, parts_id) ||
	    whole.events != parts.events || whole.octets != parts.octets ||
	    strcmp(whole_id, parts_id) != 0)
		abort();
	return 0;
}
