/*
 * admin_show_verify.c - verdicts on signatures as tables: of a message that was shown, and of the
 * messages that a domain signs for itself.
 * Called by admin.c. It must never leave out a verdict because there is no word for it.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "tools/admin.h"

static bool
is_passed(const json_t *signature)
{
	const char *result = json_string_value(json_object_get(signature, "result"));

	return result != NULL && strcmp(result, "pass") == 0;
}

static bool
has_pass(const json_t *signatures)
{
	size_t i;
	const json_t *signature;

	json_array_foreach(signatures, i, signature) if (is_passed(signature)) return true;
	return false;
}

bool
admin_result_is_bad(const json_t *result)
{
	const json_t *signatures = json_object_get(result, "signatures");

	return json_array_size(json_object_get(result, "drifted")) > 0 ||
	       json_is_false(json_object_get(result, "passes")) ||
	       (json_is_array(signatures) && !has_pass(signatures));
}

/* Which change broke which signature: {"signature":..,"what":..,"line":..,..}. */
static json_t *
all_differences(const json_t *signatures)
{
	json_t *out = json_array(), *row;
	size_t i, j;
	const json_t *signature, *finding;

	json_array_foreach(signatures, i, signature)
	{
		json_array_foreach(json_object_get(signature, "differs"), j, finding)
		{
			row = json_copy((json_t *)finding);
			json_object_set(row, "signature", json_object_get(signature, "index"));
			json_array_append_new(out, row);
		}
	}
	return out;
}

static void
show_details(const json_t *signatures)
{
	size_t i;
	const json_t *signature;
	char name[40];

	json_array_foreach(signatures, i, signature)
	{
		snprintf(name, sizeof(name), "signature %lld",
		    (long long)json_integer_value(json_object_get(signature, "index")));
		admin_show_scalar(name, json_object_get(signature, "detail"));
	}
}

void
admin_show_verify(const char *program, const json_t *result)
{
	const json_t *signatures = json_object_get(result, "signatures");
	const json_t *more = json_object_get(result, "more_signatures");
	json_t *differs = all_differences(signatures);

	(void)program;
	admin_show_scalar("summary", json_object_get(result, "summary"));
	admin_show_scalar("from", json_object_get(result, "from"));
	admin_show_scalar("aligned", json_object_get(result, "aligned"));
	admin_show_scalar("line_ends", json_object_get(result, "line_ends"));
	if (json_integer_value(more) > 0)
		admin_show_scalar("more_signatures", more);
	if (json_array_size(signatures) > 0) {
		putchar('\n');
		admin_show_list("signatures", signatures, true);
		putchar('\n');
		show_details(signatures);
	}
	if (json_array_size(differs) > 0) {
		printf("\nwhat is not as it was signed:\n");
		admin_show_list("differs", differs, true);
	}
	if (json_is_false(json_object_get(result, "all_tried")))
		printf("not all that may have happened was tried\n");
	json_decref(differs);
}

void
admin_show_selftest(const char *program, const json_t *result)
{
	const json_t *keys = json_object_get(result, "keys");

	(void)program;
	admin_show_scalar("domain", json_object_get(result, "domain"));
	admin_show_scalar("passes", json_object_get(result, "passes"));
	admin_show_scalar("summary", json_object_get(result, "summary"));
	if (json_array_size(keys) > 0) {
		putchar('\n');
		admin_show_list("selftest", keys, true);
	}
}
