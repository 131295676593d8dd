/*
 * route.h - the paths of the HTTP API, and which operation stands behind each. One table, for the
 * daemon that answers, for signpost(1) that asks, and for the test that holds it against the
 * OpenAPI document. Pure; any thread.
 *
 * What a path has in braces, what the query has, and the members of the body are the arguments of
 * the operation (operations.h). An answer's body is its "result".
 */
#ifndef SIGNPOST_ADMIN_API_ROUTE_H
#define SIGNPOST_ADMIN_API_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/span.h"

#define ROUTE_PARTS_MAX 4U     /* names in braces of one path */
#define ROUTE_PART_MAX 512U    /* octets of what stands in their place, decoded */
#define ROUTE_SEGMENTS_MAX 12U /* of a path */
/* In place of {tenant}: which one is not said. Of a domain: the one that has it; of a list: all
 * that who asks may see. No tenant has that name. */
#define ROUTE_ANY_TENANT "-"

enum route_flag {
	ROUTE_IF_MATCH = 1, /* needs If-Match, unless it is a dry run */
	ROUTE_ONCE = 2,     /* needs Idempotency-Key, unless it is a dry run */
	ROUTE_BODY = 4,     /* takes a JSON object */
	ROUTE_PAGES = 8,    /* has "next", which becomes a cursor */
	ROUTE_PUT = 16,     /* If-None-Match: * makes it new, If-Match changes what is there */
	ROUTE_MESSAGE = 32  /* takes a message (message/rfc822) */
};

struct route {
	const char *method, *path;
	/* "domain.show". Of POST .../keys "key.generate", which a body with "pem" makes
	 * "key.import". NULL: no operation (openapi.json, health, ...). */
	const char *operation;
	int status; /* when all went well */
	unsigned flags;
	/* Of 201 and 202: where it is then; names in braces are arguments. NULL: none. */
	const char *location;
};

const struct route *routes_all(size_t *count_out);

/* What a path says: names in braces and what stands in their place. */
struct route_match {
	const struct route *route;
	size_t count;
	const char *names[ROUTE_PARTS_MAX]; /* "tenant"; not ended by NUL: name_bytes */
	size_t name_bytes[ROUTE_PARTS_MAX];
	char values[ROUTE_PARTS_MAX][ROUTE_PART_MAX + 1]; /* decoded; no NUL in it */
	const char *allowed[8]; /* methods of this path, when none fits; NULL behind the last */
};

enum route_found {
	ROUTE_FOUND,
	ROUTE_NONE,     /* no such path */
	ROUTE_METHOD,   /* the path is there, not the method: match->allowed */
	ROUTE_MALFORMED /* no path at all: a '%' without digits, a NUL, too long */
};
enum route_found route_of_path(struct span method, struct span path, struct route_match *match);

/* Of signpost(1): the route of an operation all whose names in braces are among has(context, name).
 * The one with the most of them. NULL: none. */
const struct route *route_of_operation(
    const char *operation, bool (*has)(const void *context, struct span name), const void *context);
/* The next name in braces behind *at, which moves. false: there is no more. */
bool route_next_name(const char *path, size_t *at, struct span *name);

/* Decodes "%41" (RFC 3986) into out, with a NUL; false: malformed, a NUL, or too long. plus: '+' is
 * a blank, as in a query. */
bool percent_decode(struct span text, bool plus, char *out, size_t room);

#endif
