/*
 * fuzz_moving.c - any octets as what redis-cli prints, as a map of rspamd, as a row of a
 * SigningTable and as the name of a file of a key. What they say is inside what came in.
 */
#include <stdlib.h>

#include "tools/moving.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
count_pair(void *context, struct span name, struct span value, unsigned line)
{
	size_t *octets = context;

	if (line == 0)
		abort();
	*octets += name.n + value.n;
}

static void
check_row(struct span text, bool first_wins)
{
	struct arena arena;
	struct span subject;

	arena_init(&arena, 1U << 20);
	if (text.n < 4096 && span_is_text(text) && text.n > 0) {
		enum moving_kind kind = moving_kind_of(&arena, text, first_wins, &subject);

		if (kind > MOVING_ALL || subject.n > text.n + 1)
			abort();
	}
	arena_free(&arena);
}

static void
check_redis(struct span text)
{
	struct err err = ERR_NONE;
	struct moving_site site;
	size_t octets = 0;
	bool well = moving_parse_redis(text, count_pair, &octets, &err);

	if (octets > text.n || (!well && err.text[0] == '\0'))
		abort();
	moving_begin(&site, "fuzz");
	if (moving_take_redis(&site, text, SPAN_LIT("here"), &err) != well)
		abort();
	moving_plan(&site, "acme");
	moving_end(&site);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size), domain, selector;
	size_t octets = 0;

	moving_parse_map(text, count_pair, &octets);
	if (octets > size)
		abort();
	check_row(text, true);
	check_row(text, false);
	if (moving_name_of_file(SPAN_EMPTY, text, SPAN_LIT("s"), &domain, &selector) &&
	    (domain.n > size || selector.n > size + 4))
		abort();
	check_redis(text);
	return 0;
}
