/*
 * admin_request.c - an operation and its arguments as a request of HTTP: method, path, query, body.
 * Called by admin_client.c. It must never leave an argument out: what finds no place in the path is
 * in the query or the body, where the daemon looks at each.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/route.h"
#include "lib/base/secret.h"
#include "lib/crypto/digest.h"
#include "tools/admin_http.h"

#define TARGET_MAX (1024U * 1024U) /* the daemon says what is too long */
#define BODY_MAX (64U * 1024U * 1024U)

/* ---- which route ---- */

static const char *
text_of(const json_t *arguments, struct span name)
{
	char key[40];

	if (name.n >= sizeof(key))
		return NULL;
	memcpy(key, name.p, name.n);
	key[name.n] = '\0';
	return json_string_value(json_object_get(arguments, key));
}

/* How well a path fits what is there: names that are said, less ten for a tenant that is not; less
 * than -10: not at all. A tenant before a domain is never said: both together are for the operation
 * to judge. */
static int
fitness(const struct route *route, const json_t *arguments)
{
	bool domain = strstr(route->path, "{domain}") != NULL;
	struct span name;
	size_t at = 0;
	int fits = 0;

	while (route_next_name(route->path, &at, &name)) {
		const char *text = text_of(arguments, name);

		if (span_eq_str(name, "tenant") && (domain || text == NULL))
			fits -= 10;
		else if (text != NULL && text[0] != '\0')
			fits++;
		else
			return -100;
	}
	return fits;
}

static const struct route *
route_for(const char *operation, const json_t *arguments)
{
	const struct route *best = NULL;
	size_t count;
	const struct route *routes = routes_all(&count);
	int best_fits = -50;

	/* One path for both. */
	if (strcmp(operation, "key.import") == 0)
		operation = "key.generate";
	for (size_t i = 0; i < count; i++) {
		int fits;

		if (routes[i].operation == NULL || strcmp(routes[i].operation, operation) != 0)
			continue;
		fits = fitness(&routes[i], arguments);
		if (fits > best_fits) {
			best_fits = fits;
			best = &routes[i];
		}
	}
	return best;
}

/* ---- path and query ---- */

static void
add_encoded(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~",
			*text) != NULL)
			buf_add_char(out, *text);
		else
			buf_add_fmt(out, "%%%02X", (unsigned char)*text);
}

/* What stands in the path is taken out of rest. */
static void
add_path(struct buf *out, const struct route *route, json_t *rest)
{
	bool domain = strstr(route->path, "{domain}") != NULL;
	size_t at = 0, from = 0;
	struct span name;

	while (route_next_name(route->path, &at, &name)) {
		const char *text = text_of(rest, name);
		char key[40];

		buf_add(
		    out, span_of(route->path + from, (size_t)(name.p - route->path) - 1 - from));
		from = at;
		if (span_eq_str(name, "tenant") && (domain || text == NULL)) {
			buf_add_str(out, ROUTE_ANY_TENANT);
			continue;
		}
		add_encoded(out, text);
		snprintf(key, sizeof(key), "%.*s", SPAN_ARG(name));
		json_object_del(rest, key);
	}
	buf_add_str(out, route->path + from);
}

static void
add_parameter(struct buf *out, const char *name, const json_t *value)
{
	char number[24];

	buf_add_char(out, memchr(out->p, '?', out->n) == NULL ? '?' : '&');
	add_encoded(out, name);
	buf_add_char(out, '=');
	snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
	add_encoded(out, json_is_string(value)    ? json_string_value(value)
			 : json_is_integer(value) ? number
			 : json_is_true(value)    ? "true"
						  : "false");
}

static void
add_query(struct buf *out, json_t *rest)
{
	const char *name;
	json_t *value;

	json_object_foreach(rest, name, value)
	    add_parameter(out, strcmp(name, "after") == 0 ? "cursor" : name, value);
}

/* ---- body ---- */

static int
take_text(const char *text, size_t n, void *context)
{
	buf_add(context, span_of(text, n));
	return 0;
}

static void
make_key(char *out)
{
	unsigned char octets[16];

	random_bytes(octets, sizeof(octets));
	for (size_t i = 0; i < sizeof(octets); i++)
		snprintf(out + 2 * i, 3, "%02x", octets[i]);
}

void
admin_http_init(struct admin_http *out, const char *method, const char *path)
{
	memset(out, 0, sizeof(*out));
	buf_init(&out->target, TARGET_MAX);
	buf_init_secret(&out->body, BODY_MAX);
	out->method = method;
	buf_add_str(&out->target, path);
	make_key(out->key);
}

void
admin_http_parameter(struct admin_http *http, const char *name, const json_t *value)
{
	add_parameter(&http->target, name, value);
}

/* A message is the body itself, not JSON. */
static void
take_message(struct admin_http *out, const json_t *rest)
{
	const json_t *message = json_object_get(rest, "message");

	out->type = "message/rfc822";
	out->has_body = out->repeatable = true;
	buf_add(&out->body, span_of(json_string_value(message), json_string_length(message)));
}

bool
admin_http_make(const json_t *request, struct admin_http *out)
{
	const char *operation = json_string_value(json_object_get(request, "operation"));
	bool dry_run = json_is_true(json_object_get(request, "dry_run"));
	json_t *rest = json_copy(json_object_get(request, "arguments"));
	const struct route *route = route_for(operation, rest);

	admin_http_init(out, route == NULL ? "GET" : route->method, "");
	if (route == NULL) {
		json_decref(rest);
		return false;
	}
	out->if_match = (route->flags & (ROUTE_IF_MATCH | ROUTE_PUT)) != 0 && !dry_run;
	out->may_be_new = (route->flags & ROUTE_PUT) != 0 && !dry_run;
	out->once = (route->flags & ROUTE_ONCE) != 0 && !dry_run;
	out->repeatable = out->once || dry_run || strcmp(route->method, "GET") == 0;
	add_path(&out->target, route, rest);
	out->has_body = (route->flags & ROUTE_BODY) != 0;
	if ((route->flags & ROUTE_MESSAGE) != 0)
		take_message(out, rest);
	else if (out->has_body)
		(void)!json_dump_callback(rest, take_text, &out->body, JSON_COMPACT);
	else
		add_query(&out->target, rest);
	if (dry_run)
		add_parameter(&out->target, "dry_run", json_true());
	json_decref(rest);
	return true;
}

void
admin_http_raw(const char *path, const char *type, struct buf *body, struct admin_http *out)
{
	*out = (struct admin_http){.method = "POST",
	    .body = *body,
	    .has_body = true,
	    .type = type,
	    .once = true,
	    .repeatable = true};
	buf_init_secret(body, 0);
	buf_init(&out->target, TARGET_MAX);
	buf_add_str(&out->target, path);
	make_key(out->key);
}

void
admin_http_free(struct admin_http *http)
{
	buf_free(&http->target);
	buf_free(&http->body);
}
