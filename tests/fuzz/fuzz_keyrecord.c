/* Key records: what was read lies inside the text or the arena, and only real keys come out. */
#include <stdlib.h>

#include "lib/dkim/keyrecord.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_inside(struct span part, struct span whole)
{
	if (part.n > 0 && (part.p < whole.p || part.p + part.n > whole.p + whole.n))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct keyrecord record;
	struct err err = ERR_NONE;
	struct arena arena;
	enum status st;

	arena_init(&arena, 1 << 16);
	st = keyrecord_parse(text, &arena, &record, &err);
	if ((st == ST_OK) != (err.text[0] == '\0'))
		abort();
	if (st == ST_OK) {
		if (size > KEYRECORD_BYTES_MAX || record.revoked != (record.key.n == 0))
			abort();
		if (record.key.n > size ||
		    (record.type.n == 0 && !record.known_type && record.type.p == NULL))
			abort();
		check_inside(record.type, text);
		check_inside(record.note, text);
	}
	arena_free(&arena);
	return 0;
}
