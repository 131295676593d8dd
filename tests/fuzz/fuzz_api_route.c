/*
 * fuzz_api_route.c - requests by HTTP before anybody knows who asks: "METHOD PATH?QUERY". Whatever
 * comes, a value is decoded within its room, and what was found is what its route says; a cursor
 * that was made by nobody opens for nobody.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "admin-api/api_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool condition)
{
	if (!condition)
		abort();
}

/* Names in braces that the path of a route has. */
static size_t
names_of(const struct route *route)
{
	size_t at = 0, count = 0;
	struct span name;

	while (route_next_name(route->path, &at, &name))
		count++;
	return count;
}

static void
look_at_path(struct span method, struct span path)
{
	struct route_match match;
	enum route_found found = route_of_path(method, path, &match);

	must((found == ROUTE_FOUND) == (match.route != NULL));
	must(found != ROUTE_METHOD || match.allowed[0] != NULL);
	if (found != ROUTE_FOUND)
		return;
	must(span_eq_str(method, match.route->method));
	must(match.count == names_of(match.route));
	for (size_t i = 0; i < match.count; i++)
		must(match.values[i][0] != '\0' && strlen(match.values[i]) <= ROUTE_PART_MAX);
}

/* One whose cursors come in, and one that makes its own. Seals live in memory that a leak checker
 * does not look into, so they are given back at the end. */
static struct api theirs, ours;

static void
end(void)
{
	seal_free(theirs.cursors);
	seal_free(ours.cursors);
}

static void
begin(void)
{
	struct err err = ERR_NONE;

	if (theirs.cursors != NULL)
		return;
	must(seal_derive((const uint8_t[SEAL_KEY_BYTES]){1}, SPAN_EMPTY, SPAN_LIT("fuzz"),
		 &theirs.cursors, &err) == ST_OK);
	must(seal_derive((const uint8_t[SEAL_KEY_BYTES]){2}, SPAN_EMPTY, SPAN_LIT("fuzz"),
		 &ours.cursors, &err) == ST_OK);
	atexit(end);
}

static void
look_at_cursor(struct span text)
{
	const struct http_request request = {.path = SPAN_LIT("/v1/tenants")};
	struct api_call call = {.api = &theirs, .request = &request};
	char after[ROUTE_PART_MAX + 1];

	must(!api_cursor_open(&call, text, after));
}

/* What was sealed is opened again. */
static void
seal_and_open(struct span text)
{
	const struct http_request request = {.path = SPAN_LIT("/v1/tenants")};
	struct api_call call = {.api = &ours, .request = &request};
	char plain[ROUTE_PART_MAX + 1], after[ROUTE_PART_MAX + 1];
	json_t *cursor;

	if (text.n == 0 || !percent_decode(text, true, plain, sizeof(plain)))
		return;
	cursor = api_cursor_close(&call, plain);
	must(cursor != NULL);
	must(api_cursor_open(&call, span_str(json_string_value(cursor)), after));
	must(strcmp(plain, after) == 0);
	json_decref(cursor);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of((const char *)data, size), method, path, name, part;

	begin();
	if (!span_cut(&rest, ' ', &method))
		return 0;
	(void)span_cut(&rest, '?', &path);
	look_at_path(method, path);
	while (rest.n > 0) {
		char out[80];

		(void)span_cut(&rest, '&', &part);
		(void)span_cut(&part, '=', &name);
		if (percent_decode(name, true, out, sizeof(out)))
			must(strlen(out) < sizeof(out));
		look_at_cursor(part);
		seal_and_open(part);
	}
	return 0;
}
