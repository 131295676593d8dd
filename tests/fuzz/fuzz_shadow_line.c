/*
 * fuzz_shadow_line.c - any octets as a line of a shadow report: what is taken is printable, and
 * lies within the line.
 */
#include <stdlib.h>

#include "tools/shadow_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct span text, struct span line)
{
	if (text.p < line.p || text.p + text.n > line.p + line.n)
		abort();
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < ' ' || text.p[i] > '~')
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span line = span_of(data, size);
	struct shadow_entry entry;

	if (shadow_line_read(line, &entry) != ST_OK)
		return 0;
	check(entry.time, line);
	check(entry.queue, line);
	check(entry.domain, line);
	check(entry.result, line);
	if (entry.result.n == 0)
		abort();
	return 0;
}
