/*
 * fuzz_failure.c - any text as a failure policy: what is taken can be written and read again.
 */
#include <stdlib.h>

#include "lib/store/failure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
write_policy(const struct failure_policy *policy, struct buf *to)
{
	for (int i = 0; i < FAILURE_CAUSES; i++) {
		enum failure_action action = (enum failure_action)policy->action[i];

		if (action == FAILURE_ACTION_UNSET)
			continue;
		buf_add_fmt(to, "%s=%s", failure_cause_name((enum failure_cause)i),
		    failure_action_name(action));
		if (action == FAILURE_ACTION_FALLBACK)
			buf_add_fmt(to, ":%s", policy->fallback[i]);
		buf_add_char(to, ',');
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct failure_policy policy, again;
	struct err err = ERR_NONE;
	struct buf text;

	if (failure_parse(span_of(data, size), &policy, &err) != ST_OK) {
		for (const char *p = err.text; *p != '\0'; p++)
			if (*p < ' ' || *p > '~')
				abort();
		return 0;
	}
	buf_init(&text, FAILURE_TEXT_MAX * 2);
	write_policy(&policy, &text);
	if (failure_parse(buf_span(&text), &again, &err) != ST_OK ||
	    memcmp(&policy, &again, sizeof(policy)) != 0)
		abort();
	failure_inherit(&again, &failure_defaults);
	for (size_t i = 0; i < FAILURE_CAUSES; i++)
		if (again.action[i] == FAILURE_ACTION_UNSET ||
		    again.fallback[i][FAILURE_NAME_MAX - 1] != '\0')
			abort();
	buf_free(&text);
	return 0;
}
