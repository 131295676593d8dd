/*
 * fuzz_publish_hook.c - answers of hooks: all of one is believed or nothing of it, and what comes
 * of it can be logged.
 */
#include <stdint.h>
#include <stdlib.h>

#include "admin-api/publish_exec.h"

#define CHANGES 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct publish_change *change, bool believed)
{
	if (!believed && change->effect != LIFE_UNAVAILABLE)
		abort();
	if (believed && change->effect != LIFE_DONE && change->why[0] == '\0')
		abort();
	if (change->effect == LIFE_DONE && change->why[0] != '\0')
		abort();
	for (const char *p = change->why; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct publish_change changes[CHANGES] = {{.how = PUBLISH_ADD}};
	struct err err = ERR_NONE;
	enum status status;

	publish_effect_all(changes, CHANGES, LIFE_UNAVAILABLE, "not said");
	status = publish_exec_answer(span_of(data, size), changes, CHANGES, &err);
	if (status != ST_OK && err.text[0] == '\0')
		abort();
	for (size_t i = 0; i < CHANGES; i++)
		check(&changes[i], status == ST_OK);
	return 0;
}
