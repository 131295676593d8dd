/*
 * fuzz_store_line.c - any octets as a line of `signpost store load`: its names stay inside the
 * line's own memory, and a subject of a binding is the same when it is read again.
 */
#include <stdlib.h>

#include "tools/store_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_subject(struct arena *arena, const struct store_line *line)
{
	struct span again, subject = line->write.row.binding.subject;
	struct err err = ERR_NONE;

	if (store_binding_subject(arena, subject, &again, &err) != ST_OK ||
	    !span_eq(again, subject))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	struct store_line line;
	struct arena arena;
	struct span first, second;
	enum status status;

	arena_init(&arena, 1U << 16);
	status = store_line_parse(&arena, span_of(data, size), &line, &err);
	if (status == ST_INVALID && err.text[0] == '\0')
		abort();
	if (status == ST_OK) {
		store_line_names(&line, &first, &second);
		if (first.n > STORE_LINE_MAX || second.n > STORE_LINE_MAX)
			abort();
		for (size_t i = 0; i < first.n; i++)
			if ((unsigned char)first.p[i] < ' ' && first.p[i] != '\t')
				abort();
		if (line.write.what == STORE_BINDING)
			check_subject(&arena, &line);
		if (!line.remove && line.write.what != STORE_KEY)
			(void)!keystore_write_check(&line.write, &err);
	}
	arena_free(&arena);
	return 0;
}
