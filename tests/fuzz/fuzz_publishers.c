/*
 * fuzz_publishers.c - files of publishers: what is refused is refused with a line, what is taken
 * has names that are different, and "manual" is always there.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "admin-api/publish_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct publisher *const *publishers, size_t count)
{
	if (publisher_find(publishers, count, SPAN_LIT("manual")) == NULL)
		abort();
	for (size_t i = 0; i < count; i++) {
		const struct publisher *one = publishers[i];

		if (publisher_find(publishers, count, span_str(one->name)) != one)
			abort();
		if (one->where == NULL || one->timeout_ms <= 0 ||
		    strlen(one->name) > PUBLISH_NAME_MAX)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct publisher **publishers;
	struct err err = ERR_NONE;
	size_t count;

	if (publishers_read_text(span_of(data, size), &publishers, &count, &err) == ST_OK)
		check(publishers, count);
	else if (strncmp(err.text, "line ", 5) != 0)
		abort();
	else if (publishers != NULL || count != 0)
		abort();
	publishers_close(publishers, count);
	return 0;
}
