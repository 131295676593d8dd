/*
 * route.c - the table of paths, and finding the one that a request has.
 * Called for each request before anybody knows who asks. It must never read behind the text that it
 * was given, nor take a path for one that only looks like it: dots and empty parts mean nothing.
 */
#include "config.h"

#include <string.h>

#include "admin-api/route.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

#define TENANT "/v1/tenants/{tenant}"
#define DOMAIN TENANT "/domains/{domain}"
#define KEY DOMAIN "/keys/{selector}"
#define ROTATION DOMAIN "/rotations/{rotation}"
#define PROVIDER TENANT "/dns-providers/{provider}"
#define STEP (ROUTE_IF_MATCH | ROUTE_BODY)

/* clang-format off */
static const struct route routes[] = {
    {"GET", "/v1/tenants", "tenant.list", 200, ROUTE_PAGES, NULL},
    {"POST", "/v1/tenants", "tenant.add", 201, ROUTE_BODY | ROUTE_ONCE, TENANT},
    {"GET", TENANT, "tenant.show", 200, 0, NULL},
    {"PATCH", TENANT, "tenant.set", 200, ROUTE_IF_MATCH | ROUTE_BODY, NULL},
    {"DELETE", TENANT, "tenant.remove", 200, ROUTE_IF_MATCH, NULL},

    {"GET", TENANT "/policies", "policy.list", 200, ROUTE_PAGES, NULL},
    {"GET", TENANT "/policies/{policy}", "policy.show", 200, 0, NULL},
    {"PUT", TENANT "/policies/{policy}", "policy.set", 200, ROUTE_PUT | ROUTE_BODY, NULL},
    {"DELETE", TENANT "/policies/{policy}", "policy.remove", 200, ROUTE_IF_MATCH, NULL},

    {"GET", TENANT "/dns-providers", "provider.list", 200, ROUTE_PAGES, NULL},
    {"POST", TENANT "/dns-providers", "provider.add", 201, ROUTE_BODY | ROUTE_ONCE, PROVIDER},
    {"GET", PROVIDER, "provider.show", 200, 0, NULL},
    {"PATCH", PROVIDER, "provider.set", 200, ROUTE_IF_MATCH | ROUTE_BODY, NULL},
    {"DELETE", PROVIDER, "provider.remove", 200, ROUTE_IF_MATCH, NULL},
    {"POST", PROVIDER ":test", "provider.test", 200, ROUTE_BODY, NULL},

    {"GET", TENANT "/rules", "rules.show", 200, 0, NULL},
    {"PUT", TENANT "/rules", "rules.replace", 200, ROUTE_IF_MATCH | ROUTE_BODY, NULL},
    {"PATCH", TENANT "/rules", "rules.change", 200, ROUTE_IF_MATCH | ROUTE_BODY, NULL},

    {"GET", "/v1/domains", "domain.list", 200, ROUTE_PAGES, NULL},
    {"GET", TENANT "/domains", "domain.list", 200, ROUTE_PAGES, NULL},
    {"POST", TENANT "/domains", "domain.add", 201, ROUTE_BODY | ROUTE_ONCE, DOMAIN},
    {"GET", DOMAIN, "domain.show", 200, 0, NULL},
    {"PUT", DOMAIN, "domain.put", 200, ROUTE_PUT | ROUTE_BODY, NULL},
    {"PATCH", DOMAIN, "domain.set", 200, ROUTE_IF_MATCH | ROUTE_BODY, NULL},
    {"DELETE", DOMAIN, "domain.remove", 200, ROUTE_IF_MATCH, NULL},
    {"GET", DOMAIN "/policy", "domain.policy.show", 200, 0, NULL},
    {"PUT", DOMAIN "/policy", "domain.policy.set", 200, ROUTE_IF_MATCH | ROUTE_BODY, NULL},
    {"GET", DOMAIN "/status", "status", 200, 0, NULL},
    {"GET", DOMAIN "/stats", "domain.stats", 200, 0, NULL},
    {"GET", DOMAIN "/dns-record", "domain.records", 200, 0, NULL},
    {"GET", DOMAIN "/drift", "drift", 200, 0, NULL},
    {"POST", DOMAIN "/rotations", "rotate", 202, ROUTE_BODY | ROUTE_ONCE, ROTATION},
    {"GET", DOMAIN "/rotations", "rotation.list", 200, 0, NULL},
    {"GET", ROTATION, "rotation.show", 200, 0, NULL},
    {"POST", ROTATION ":pause", "rotation.pause", 200, STEP, NULL},
    {"POST", ROTATION ":resume", "rotation.resume", 200, STEP, NULL},
    {"POST", ROTATION ":abort", "rotation.abort", 200, STEP, NULL},
    {"POST", ROTATION ":rollback", "rotation.rollback", 202, STEP, ROTATION},
    {"POST", DOMAIN ":emergency-revoke", "emergency", 202, ROUTE_BODY | ROUTE_ONCE | ROUTE_IF_MATCH, DOMAIN},

    {"GET", DOMAIN "/keys", "key.list", 200, 0, NULL},
    {"POST", DOMAIN "/keys", "key.generate", 201, ROUTE_BODY | ROUTE_ONCE, KEY},
    {"GET", KEY, "key.show", 200, 0, NULL},
    {"DELETE", KEY, "key.remove", 200, ROUTE_IF_MATCH, NULL},
    {"GET", KEY "/record", "key.record", 200, 0, NULL},
    {"GET", KEY "/dns", "key.verify", 200, 0, NULL},
    {"POST", KEY ":verify", "key.verify", 200, ROUTE_BODY, NULL},
    {"POST", KEY ":publish", "key.publish", 202, STEP, KEY},
    {"POST", KEY ":activate", "key.activate", 202, STEP, KEY},
    {"POST", KEY ":retire", "key.retire", 202, STEP, KEY},
    {"POST", KEY ":revoke", "key.revoke", 202, STEP, KEY},
    {"POST", KEY ":hold", "key.hold", 202, STEP, KEY},
    {"POST", KEY ":release", "key.release", 202, STEP, KEY},
    {"POST", KEY ":rollback", "key.rollback", 202, STEP, KEY},

    {"GET", "/v1/keys", "keys.list", 200, ROUTE_PAGES, NULL},
    {"GET", TENANT "/keys", "keys.list", 200, ROUTE_PAGES, NULL},

    {"GET", "/v1/status", "status", 200, 0, NULL},
    {"GET", TENANT "/status", "status", 200, 0, NULL},
    {"GET", "/v1/drift", "drift", 200, 0, NULL},
    {"GET", TENANT "/drift", "drift", 200, 0, NULL},
    {"POST", "/v1/rotations", "rotate", 202, ROUTE_BODY | ROUTE_ONCE, NULL},
    {"POST", TENANT "/rotations", "rotate", 202, ROUTE_BODY | ROUTE_ONCE, NULL},

    {"POST", "/v1/bulk", NULL, 200, ROUTE_ONCE, NULL}, /* api_bulk.c */

    {"GET", "/v1/nodes", "gateway.list", 200, 0, NULL},
    {"GET", "/v1/unsigned", "unsigned", 200, 0, NULL},
    {"GET", TENANT "/unsigned", "unsigned", 200, 0, NULL},

    {"GET", "/v1/nodes/{gateway}", "gateway.show", 200, 0, NULL},
    {"DELETE", "/v1/nodes/{gateway}", "gateway.forget", 200, ROUTE_IF_MATCH, NULL},

    {"GET", "/v1/operations/{operation}", "operation.show", 200, 0, NULL},
    {"DELETE", "/v1/operations/{operation}", "operation.cancel", 200, ROUTE_IF_MATCH, NULL},

    {"POST", "/v1/resolve", "resolve", 200, ROUTE_BODY, NULL},
    {"POST", "/v1/verify", "verify", 200, ROUTE_MESSAGE, NULL},
    {"POST", DOMAIN ":selftest", "domain.selftest", 200, ROUTE_BODY, NULL},

    {"GET", "/v1/audit", "audit.list", 200, ROUTE_PAGES, NULL},
    {"GET", "/v1/audit/head", "audit.head", 200, 0, NULL},

    {"GET", "/v1/tokens", "token.list", 200, ROUTE_PAGES, NULL},
    {"POST", "/v1/tokens", "token.add", 201, ROUTE_BODY, "/v1/tokens/{token}"},
    {"GET", "/v1/tokens/{token}", "token.show", 200, 0, NULL},
    {"DELETE", "/v1/tokens/{token}", "token.revoke", 200, ROUTE_IF_MATCH, NULL},
    {"POST", "/v1/tokens/{token}:rotate", "token.rotate", 200, ROUTE_IF_MATCH | ROUTE_BODY, NULL},

    /* Of api_plain.c. */
    {"GET", "/healthz", NULL, 200, 0, NULL},
    {"GET", "/readyz", NULL, 200, 0, NULL},
    {"GET", "/metrics", NULL, 200, 0, NULL},
    {"GET", "/v1/events", NULL, 200, 0, NULL},
    {"GET", "/openapi.json", NULL, 200, 0, NULL},
    {"GET", "/ui/", NULL, 200, 0, NULL},
};
/* clang-format on */

const struct route *
routes_all(size_t *count_out)
{
	*count_out = COUNT(routes);
	return routes;
}

/* ---- decoding ---- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
percent_decode(struct span text, bool plus, char *out, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c == '%') {
			int high = i + 2 < text.n ? hex_digit(text.p[i + 1]) : -1;
			int low = i + 2 < text.n ? hex_digit(text.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c == '\0' || n + 1 >= room)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

/* ---- finding ---- */

/* A path and its segments: "/v1/keys/s1:hold" has "v1", "keys", "s1:hold". */
struct segments {
	size_t count;
	struct span at[ROUTE_SEGMENTS_MAX];
};

static bool
split(struct span path, struct segments *out)
{
	out->count = 0;
	while (path.n > 0) {
		struct span rest = span_from(path, 1);
		size_t end = span_find(rest, '/');

		if (path.p[0] != '/' || out->count == ROUTE_SEGMENTS_MAX)
			return false;
		end = end == SIZE_MAX ? rest.n : end;
		out->at[out->count++] = span_of(rest.p, end);
		path = span_from(rest, end);
	}
	return out->count > 0;
}

/* ":hold" of "s1:hold"; empty. */
static struct span
action_of(struct span segment)
{
	size_t colon = span_rfind(segment, ':');

	return colon == SIZE_MAX ? span_from(segment, segment.n) : span_from(segment, colon);
}

static bool
take_value(struct span pattern, struct span given, struct route_match *match)
{
	size_t i = match->count;

	if (given.n == 0 || i == ROUTE_PARTS_MAX ||
	    !percent_decode(given, false, match->values[i], sizeof(match->values[i])))
		return false;
	match->names[i] = pattern.p + 1;
	match->name_bytes[i] = pattern.n - 2;
	match->count++;
	return true;
}

/* A segment of a path of ours, "{name}" or a word, with an action behind it or not. */
static bool
fits_segment(struct span pattern, struct span given, struct route_match *match)
{
	struct span action = action_of(pattern);

	if (pattern.n == 0 || pattern.p[0] != '{')
		return span_eq(pattern, given);
	if (!span_ends(given, action))
		return false;
	/* A colon of a name is percent-encoded; the others are actions, and none has two. */
	given = span_of(given.p, given.n - action.n);
	if (action_of(given).n > 0)
		return false;
	return take_value(span_of(pattern.p, pattern.n - action.n), given, match);
}

static bool
fits(const struct route *route, const struct segments *given, struct route_match *match)
{
	struct segments pattern;

	match->count = 0;
	if (!split(span_str(route->path), &pattern) || pattern.count != given->count)
		return false;
	for (size_t i = 0; i < given->count; i++)
		if (!fits_segment(pattern.at[i], given->at[i], match))
			return false;
	return true;
}

static bool
is_decodable(const struct segments *given)
{
	char text[ROUTE_PART_MAX + 1];

	for (size_t i = 0; i < given->count; i++)
		if (!percent_decode(given->at[i], false, text, sizeof(text)))
			return false;
	return true;
}

static void
allow(struct route_match *match, const char *method)
{
	size_t i = 0;

	while (i + 1 < COUNT(match->allowed) && match->allowed[i] != NULL) {
		if (strcmp(match->allowed[i], method) == 0)
			return;
		i++;
	}
	if (i + 1 < COUNT(match->allowed))
		match->allowed[i] = method;
}

enum route_found
route_of_path(struct span method, struct span path, struct route_match *match)
{
	struct segments given;

	memset(match, 0, sizeof(*match));
	if (!split(path, &given))
		return path.n > 0 && path.p[0] == '/' ? ROUTE_NONE : ROUTE_MALFORMED;
	if (!is_decodable(&given))
		return ROUTE_MALFORMED;
	for (size_t i = 0; i < COUNT(routes); i++) {
		if (!fits(&routes[i], &given, match))
			continue;
		match->route = &routes[i];
		if (span_eq_str(method, routes[i].method))
			return ROUTE_FOUND;
		allow(match, routes[i].method);
	}
	match->route = NULL;
	return match->allowed[0] == NULL ? ROUTE_NONE : ROUTE_METHOD;
}

/* ---- the other way round ---- */

bool
route_next_name(const char *path, size_t *at, struct span *name)
{
	const char *open = strchr(path + *at, '{');
	const char *end = open == NULL ? NULL : strchr(open, '}');

	if (end == NULL)
		return false;
	*name = span_of(open + 1, (size_t)(end - open) - 1);
	*at = (size_t)(end - path) + 1;
	return true;
}

const struct route *
route_of_operation(
    const char *operation, bool (*has)(const void *context, struct span name), const void *context)
{
	const struct route *best = NULL;
	size_t best_names = 0;

	for (size_t i = 0; i < COUNT(routes); i++) {
		size_t at = 0, names = 0;
		struct span name;
		bool all = true;

		if (routes[i].operation == NULL || strcmp(routes[i].operation, operation) != 0)
			continue;
		while (all && route_next_name(routes[i].path, &at, &name)) {
			all = has(context, name);
			names++;
		}
		if (all && (best == NULL || names > best_names)) {
			best = &routes[i];
			best_names = names;
		}
	}
	return best;
}
