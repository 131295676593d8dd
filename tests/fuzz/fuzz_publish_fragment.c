/*
 * fuzz_publish_fragment.c - fragments of zone files: a line that is not ours is there afterwards as
 * it was, what was done is found done in what was written, and nothing else is changed by it.
 */
#include <stdint.h>
#include <stdlib.h>

#include "admin-api/publish_fragment.h"
#include "lib/base/mem.h"

#define ZONE SPAN_LIT("example.com")
#define CHANGES 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
make_changes(struct publish_change *changes)
{
	static const struct publish_change wanted[CHANGES] = {
	    {.how = PUBLISH_ADD,
		.name = {"a._domainkey.example.com", 24},
		.value = {"v=DKIM1; p=AA", 13},
		.ttl_s = 5},
	    {.how = PUBLISH_REPLACE,
		.name = {"b._domainkey.example.com", 24},
		.value = {"v=DKIM1; p=", 11},
		.old = {"v=DKIM1; p=BB", 13},
		.ttl_s = 5},
	    {.how = PUBLISH_REMOVE,
		.name = {"c._domainkey.example.com", 24},
		.old = {"v=DKIM1; p=", 11}}};

	for (size_t i = 0; i < CHANGES; i++)
		changes[i] = wanted[i];
}

static size_t
records_left(const struct fragment *fragment)
{
	size_t n = 0;

	for (size_t i = 0; i < fragment->count; i++)
		if (!fragment->records[i].gone)
			n++;
	return n;
}

/* Reads what was written. */
static void
check_again(struct span text, const struct fragment *first, const struct publish_change *effects)
{
	struct publish_change changes[CHANGES];
	struct fragment fragment;
	struct err err = ERR_NONE;

	if (fragment_read(text, ZONE, &fragment, &err) != ST_OK)
		abort();
	if (fragment.count != records_left(first) || fragment.line_count != first->line_count)
		abort();
	for (size_t i = 0; i < fragment.line_count; i++)
		if (!span_eq(fragment.lines[i].text, first->lines[i].text))
			abort();
	make_changes(changes);
	if (fragment_apply(&fragment, changes, CHANGES))
		abort();
	for (size_t i = 0; i < CHANGES; i++)
		if (changes[i].effect != effects[i].effect)
			abort();
	fragment_free(&fragment);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct publish_change changes[CHANGES];
	struct fragment fragment;
	struct err err = ERR_NONE;
	struct buf out;

	buf_init(&out, 2 * FRAGMENT_MAX);
	make_changes(changes);
	if (fragment_read(span_of(data, size), ZONE, &fragment, &err) == ST_OK) {
		fragment_apply(&fragment, changes, CHANGES);
		if (fragment_write(&fragment, &out) != ST_OK)
			abort();
		check_again(buf_span(&out), &fragment, changes);
	} else if (err.text[0] == '\0') {
		abort();
	}
	buf_free(&out);
	fragment_free(&fragment);
	return 0;
}
