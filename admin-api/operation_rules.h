/*
 * operation_rules.h - the signing rules of a tenant as one set: what operation_rules.c and
 * rulesrow.c share. One thread.
 */
#ifndef SIGNPOST_ADMIN_API_OPERATION_RULES_H
#define SIGNPOST_ADMIN_API_OPERATION_RULES_H

#include "admin-api/operation_call.h"

#define RULES_PAGES_MAX (KEYSTORE_RULES_MAX / OPERATION_PAGE + 2U)

/* In the order of ids, each once; rows point into what was read, or into the request. */
struct rules {
	struct store_rule all[KEYSTORE_RULES_MAX];
	size_t count;
	bool more; /* there are more than that */
	struct keystore_rows *pages[RULES_PAGES_MAX];
	size_t page_count;
};

/* Of the tenant; OPERATION_OK: rules_free(*out). */
enum operation_code rules_read(
    struct operation_call *call, struct span tenant, struct rules **out) MUST_USE;
struct rules *rules_new(void);
void rules_free(struct rules *rules); /* NULL is fine */

/* The one with this id; NULL: there is none. */
struct store_rule *rules_find(struct rules *rules, struct span id);
/* Adds it at its place, or replaces the one with its id. false: there is no room. */
bool rules_put(struct rules *rules, const struct store_rule *rule);
bool rules_remove(struct rules *rules, struct span id); /* false: there is none */
/* Does what people set of them differ? */
bool rules_differ(const struct store_rule *a, const struct store_rule *b);

/* {"rule":, "kind":, "subject":, "domain":, "identity":, "priority":, "enabled":} */
json_t *rules_row(const struct store_rule *rule);
/* The same back; its texts are in the request or in the arena. argument: where it stands in it. */
enum operation_code rules_take(struct operation_call *call, const char *argument,
    const json_t *object, struct span tenant, struct store_rule *out) MUST_USE;
/* Of all that people set of them. */
void rules_version(const struct rules *rules, char out[VERSION_BYTES]);

#endif
