/*
 * fuzz_operation.c - a request as it comes from the socket of signpost-admind, on a store of a few
 * rows into which nothing is written: any octets get an answer that is an object with "ok", and a
 * code where that is false; an operation that succeeds has a result.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "tests/lib/operation_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct operation_world *world;

static void
end(void)
{
	operation_world_end(world);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct operation_caller caller = {
	    .actor = "fuzz", .method = "peer", .source = "", .scopes = SCOPES_ALL};
	enum operation_code code;
	const char *name;
	struct buf text;
	json_t *answer;

	if (world == NULL) {
		log_threshold(LOG_LEVEL_ERROR);
		world = operation_world_begin();
		world->pretend = true;
		world->admin.authority.resolvers = "/dev/null";
		atexit(end);
	}
	code = operation_run_text(&world->admin, &caller, span_of(data, size), NULL, NULL, &answer);
	if (json_is_true(json_object_get(answer, "ok")) != (code == OPERATION_OK))
		abort();
	name = json_string_value(json_object_get(answer, "code"));
	if (code == OPERATION_OK ? !json_is_object(json_object_get(answer, "result"))
				 : name == NULL || strcmp(name, operation_code_name(code)) != 0)
		abort();
	buf_init(&text, 1U << 24);
	if (json_write(answer, &text) != ST_OK || memchr(text.p, '\n', text.n) != NULL)
		abort();
	buf_free(&text);
	json_decref(answer);
	return 0;
}
