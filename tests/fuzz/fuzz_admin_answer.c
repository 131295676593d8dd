/*
 * fuzz_admin_answer.c - what signpost is answered: any octets, in two pieces, as lines or as a
 * problem. What is taken for an answer is an object with "ok", and has what that needs.
 */
#include <stdint.h>
#include <stdlib.h>

#include "tools/admin_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
take_progress(void *context, const json_t *report)
{
	(void)context;
	if (!json_is_object(report))
		abort();
}

static void
check(const json_t *answer)
{
	if (answer == NULL)
		return;
	if (json_is_true(json_object_get(answer, "ok"))) {
		if (!json_is_object(json_object_get(answer, "result")))
			abort();
	} else if (!json_is_string(json_object_get(answer, "code")) ||
		   !json_is_string(json_object_get(answer, "detail"))) {
		abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct admin_reader reader;
	bool lines;
	size_t cut;
	json_t *answer;

	if (size < 2)
		return 0;
	lines = (data[0] & 1) == 0;
	cut = data[1] % (size - 1);
	admin_reader_init(&reader, take_progress, NULL);
	if (admin_reader_take(
		&reader, span_of((const char *)data + 2, cut > size - 2 ? 0 : cut), lines))
		(void)admin_reader_take(
		    &reader, span_of((const char *)data + 2 + cut, size - 2 - cut), lines);
	answer = admin_reader_end(&reader, (data[0] & 2) != 0 ? 409 : 200, lines);
	check(answer);
	json_decref(answer);
	admin_reader_free(&reader);
	return 0;
}
