/*
 * route_world.h - what the tests of routes share: asking one question and an answer that can be
 * compared as a text.
 */
#ifndef SIGNPOST_TESTS_ROUTE_WORLD_H
#define SIGNPOST_TESTS_ROUTE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/pattern_cache.h"
#include "lib/store/route.h"
#include "lib/store/tenant.h"
#include "tests/lib/memstore.h"

#define NOW 1000000

/* "user@domain" as tenant; a tenant that begins with '!' must be one (required), and may be
 * nothing else. */
static inline enum status
world_ask_with(struct keystore *store, const char *tenant, const char *sender,
    struct pattern_cache *patterns, struct route *out, struct err *err)
{
	const char *at = strrchr(sender, '@');
	struct route_question q = {.user = span_of(sender, (size_t)(at - sender)),
	    .domain = span_str(at + 1),
	    .tenant = span_str(tenant[0] == '!' ? tenant + 1 : tenant),
	    .required = tenant[0] == '!',
	    .now_utc = NOW,
	    .patterns = patterns};

	return route_find(store, &q, out, err);
}

static inline enum status
world_ask(struct keystore *store, const char *tenant, const char *sender, struct route *out,
    struct err *err)
{
	return world_ask_with(store, tenant, sender, NULL, out, err);
}

/* "sign D s1 s2 (TENANT)", "no-rule (TENANT)", "tenant OWNER (TENANT)", "no-key D (TENANT)",
 * "lease D (TENANT)", "unavailable (TENANT)", "invalid (TENANT)"; i= in "<>". Static. */
static inline const char *
world_text(enum status status, const struct route *route)
{
	static const char *const names[] = {[ROUTE_SIGN] = "sign",
	    [ROUTE_NO_RULE] = "no-rule",
	    [ROUTE_TENANT] = "tenant",
	    [ROUTE_NO_KEY] = "no-key",
	    [ROUTE_LEASE] = "lease"};
	static char text[1024];
	size_t n;

	n = (size_t)snprintf(
	    text, sizeof(text), "%s", status == ST_OK ? names[route->answer] : status_name(status));
	if (status == ST_OK && route->domain.n > 0)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %.*s", SPAN_ARG(route->domain));
	for (size_t i = 0; i < route->key_count; i++)
		n += (size_t)snprintf(
		    text + n, sizeof(text) - n, " %.*s", SPAN_ARG(route->keys[i]->selector));
	if (route->identity.n > 0)
		n += (size_t)snprintf(
		    text + n, sizeof(text) - n, " <%.*s>", SPAN_ARG(route->identity));
	if (route->owner.n > 0)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %.*s", SPAN_ARG(route->owner));
	snprintf(text + n, sizeof(text) - n, " (%.*s)", SPAN_ARG(route->tenant));
	return text;
}

/* Static. */
static inline const char *
world_answer(struct keystore *store, const char *tenant, const char *sender)
{
	struct err err = ERR_NONE;
	struct route route;
	enum status status = world_ask(store, tenant, sender, &route, &err);
	const char *text = world_text(status, &route);

	if (status != ST_OK)
		assert_true(err.text[0] != '\0');
	else
		assert_true(route.why[0] != '\0');
	route_release(&route);
	route_release(&route);
	return text;
}

#endif
