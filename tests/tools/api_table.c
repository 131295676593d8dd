/*
 * api_table.c - prints the paths of the HTTP API and the operations behind them as one JSON object,
 * for admin-api/openapi.py, and for the test that holds them against the OpenAPI document.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "admin-api/operations.h"
#include "admin-api/route.h"

static json_t *
text_or_null(const char *text)
{
	return text == NULL ? json_null() : json_string(text);
}

static json_t *
flags_of(unsigned flags)
{
	static const char *const names[] = {"if_match", "once", "body", "pages", "put", "message"};
	json_t *out = json_array();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((flags & 1U << i) != 0)
			json_array_append_new(out, json_string(names[i]));
	return out;
}

static json_t *
table_of_routes(void)
{
	json_t *out = json_array();
	size_t count;
	const struct route *routes = routes_all(&count);

	for (size_t i = 0; i < count; i++)
		json_array_append_new(
		    out, json_pack("{s:s, s:s, s:o, s:i, s:o, s:o}", "method", routes[i].method,
			     "path", routes[i].path, "operation", text_or_null(routes[i].operation),
			     "status", routes[i].status, "flags", flags_of(routes[i].flags),
			     "location", text_or_null(routes[i].location)));
	return out;
}

static json_t *
arguments_of(const struct operation *operation)
{
	static const char *const types[] = {
	    "text", "long", "number", "switch", "time", "object", "list"};
	json_t *out = json_array();

	for (size_t i = 0; i < operation->argument_count; i++) {
		const struct operation_argument *argument = &operation->arguments[i];

		json_array_append_new(out, json_pack("{s:s, s:s, s:b, s:s}", "name", argument->name,
					       "type", types[argument->type], "needed",
					       argument->needed ? 1 : 0, "help", argument->help));
	}
	return out;
}

static json_t *
table_of_operations(void)
{
	json_t *out = json_object();
	size_t count;
	const struct operation *operations = operations_all(&count);

	for (size_t i = 0; i < count; i++)
		json_object_set_new(out, operations[i].name,
		    json_pack("{s:b, s:s, s:s, s:o}", "changes", operations[i].changes ? 1 : 0,
			"scope", scope_name(operations[i].scope), "help", operations[i].help,
			"arguments", arguments_of(&operations[i])));
	return out;
}

int
main(void)
{
	json_t *table = json_pack(
	    "{s:o, s:o}", "routes", table_of_routes(), "operations", table_of_operations());
	int failed = json_dumpf(table, stdout, JSON_INDENT(1)) != 0 || putchar('\n') == EOF;

	json_decref(table);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
