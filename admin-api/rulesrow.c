/*
 * rulesrow.c - signing rules as JSON and back, and a tenant's set of them.
 * Called by operation_rules.c. It must never let a rule in that route.h would refuse to read.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/operation_rules.h"
#include "lib/base/mem.h"
#include "lib/crypto/digest.h"
#include "lib/dkim/address.h"
#include "lib/store/pattern.h"

static const char *const kinds[] = {
    [STORE_RULE_ADDRESS] = "address",
    [STORE_RULE_DOMAIN] = "domain",
    [STORE_RULE_SUFFIX] = "suffix",
    [STORE_RULE_PATTERN] = "pattern",
};

/* ---- a set ---- */

struct rules *
rules_new(void)
{
	return mem_zalloc(1, sizeof(struct rules));
}

void
rules_free(struct rules *rules)
{
	if (rules == NULL)
		return;
	for (size_t i = 0; i < rules->page_count; i++)
		keystore_rows_release(rules->pages[i]);
	mem_free(rules);
}

static int
compare(struct span a, struct span b)
{
	int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return order != 0 ? order : a.n < b.n ? -1 : a.n > b.n;
}

/* Where it is, or would be. Ids are never empty. */
static size_t
place_of(const struct rules *rules, struct span id)
{
	size_t low = 0, high = rules->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(rules->all[middle].id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct store_rule *
rules_find(struct rules *rules, struct span id)
{
	size_t at = place_of(rules, id);

	return at < rules->count && span_eq(rules->all[at].id, id) ? &rules->all[at] : NULL;
}

bool
rules_put(struct rules *rules, const struct store_rule *rule)
{
	size_t at = place_of(rules, rule->id);

	if (at < rules->count && span_eq(rules->all[at].id, rule->id)) {
		rules->all[at] = *rule;
		return true;
	}
	if (rules->count == KEYSTORE_RULES_MAX)
		return false;
	memmove(&rules->all[at + 1], &rules->all[at], (rules->count - at) * sizeof(*rule));
	rules->all[at] = *rule;
	rules->count++;
	return true;
}

bool
rules_remove(struct rules *rules, struct span id)
{
	size_t at = place_of(rules, id);

	if (at == rules->count || !span_eq(rules->all[at].id, id))
		return false;
	rules->count--;
	memmove(&rules->all[at], &rules->all[at + 1], (rules->count - at) * sizeof(rules->all[0]));
	return true;
}

/* ---- reading ---- */

/* false: there is nothing more of this tenant. */
static bool
take_page(struct rules *rules, struct keystore_rows *page, struct span tenant)
{
	rules->pages[rules->page_count++] = page;
	for (size_t i = 0; i < page->rule_count; i++) {
		if (!span_eq(page->rules[i].tenant, tenant))
			return false;
		if (!rules_put(rules, &page->rules[i])) {
			rules->more = true;
			return false;
		}
	}
	return page->rule_count > 0;
}

enum operation_code
rules_read(struct operation_call *call, struct span tenant, struct rules **out)
{
	char after[KEYSTORE_TENANT_MAX + KEYSTORE_ID_MAX + 2];
	struct keystore *store = call->admin->store;
	struct rules *rules = rules_new();
	bool more = true;

	snprintf(after, sizeof(after), "%.*s ", SPAN_ARG(tenant));
	while (more && rules->page_count < RULES_PAGES_MAX) {
		struct keystore_rows *page;
		struct err err = ERR_NONE;
		enum status status = store->ops->list(
		    store, STORE_RULE, span_str(after), OPERATION_PAGE, &page, &err);

		if (status != ST_OK) {
			rules_free(rules);
			return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
		}
		more = take_page(rules, page, tenant);
		if (more)
			snprintf(after, sizeof(after), "%.*s %.*s", SPAN_ARG(tenant),
			    SPAN_ARG(page->rules[page->rule_count - 1].id));
	}
	*out = rules;
	return OPERATION_OK;
}

/* ---- one rule ---- */

bool
rules_differ(const struct store_rule *a, const struct store_rule *b)
{
	return a->kind != b->kind || a->priority != b->priority || a->enabled != b->enabled ||
	       !span_eq(a->subject, b->subject) || !span_eq(a->domain, b->domain) ||
	       !span_eq(a->identity, b->identity);
}

json_t *
rules_row(const struct store_rule *rule)
{
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:i, s:b}", "rule", json_span(rule->id), "kind",
	    kinds[rule->kind], "subject", json_span(rule->subject), "domain",
	    json_span(rule->domain), "identity",
	    rule->identity.n == 0 ? json_null() : json_span(rule->identity), "priority",
	    rule->priority, "enabled", rule->enabled ? 1 : 0);
}

static struct span
text_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return span_of(json_string_value(value), json_string_length(value));
}

static bool
take_kind(struct span name, enum store_rule_kind *out)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!span_eq_str(name, kinds[i]))
			continue;
		*out = (enum store_rule_kind)i;
		return true;
	}
	return false;
}

/* What is wrong with a member; NULL: nothing. */
static const char *
wrong_member(const char *name, const json_t *value)
{
	static const char *const texts[] = {"rule", "kind", "subject", "domain"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(name, texts[i]) == 0)
			return json_is_string(value) ? NULL : "a text is needed";
	if (strcmp(name, "identity") == 0)
		return json_is_string(value) || json_is_null(value) ? NULL : "a text is needed";
	if (strcmp(name, "priority") == 0)
		return json_is_integer(value) && json_integer_value(value) >= INT32_MIN &&
			       json_integer_value(value) <= INT32_MAX
			   ? NULL
			   : "a number is needed, an integer";
	if (strcmp(name, "enabled") == 0)
		return json_is_boolean(value) ? NULL : "true or false is needed";
	return "there is no such member";
}

static enum operation_code
check_members(struct operation_call *call, const char *argument, const json_t *object)
{
	static const char *const needed[] = {"rule", "kind", "subject", "domain"};
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)object, name, value)
	{
		const char *wrong = wrong_member(name, value);
		char where[80];

		snprintf(where, sizeof(where), "%s/%.40s", argument, name);
		if (wrong != NULL)
			return call_wrong(call, where, "%s", wrong);
	}
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (json_object_get(object, needed[i]) == NULL)
			return call_wrong(call, argument, "\"%s\" is needed", needed[i]);
	return OPERATION_OK;
}

static struct span
as_domain(struct operation_call *call, struct span text)
{
	struct span name;

	return domain_normalise(text, &call->arena, &name) == ST_OK ? name : text;
}

/* U-labels as A-labels, where a whole domain stands. */
static struct span
as_subject(struct operation_call *call, enum store_rule_kind kind, struct span text)
{
	struct buf both;
	struct span kept;

	if (kind == STORE_RULE_DOMAIN)
		return as_domain(call, text);
	if (kind != STORE_RULE_SUFFIX || text.n == 0 || text.p[0] != '.')
		return text;
	buf_init(&both, 2U * KEYSTORE_SUBJECT_MAX);
	buf_add_char(&both, '.');
	buf_add(&both, as_domain(call, span_from(text, 1)));
	kept = call_keep(call, buf_span(&both));
	buf_free(&both);
	return kept;
}

enum operation_code
rules_take(struct operation_call *call, const char *argument, const json_t *object,
    struct span tenant, struct store_rule *out)
{
	struct keystore_write write = {.what = STORE_RULE, .how = WRITE_PUT};
	const json_t *enabled = json_object_get(object, "enabled");
	struct store_rule *rule = &write.row.rule;
	struct err err = ERR_NONE;
	enum operation_code code;
	enum status status;

	if (!json_is_object(object))
		return call_wrong(call, argument, "an object is needed");
	code = check_members(call, argument, object);
	if (code != OPERATION_OK)
		return code;
	if (!take_kind(text_of(object, "kind"), &rule->kind))
		return call_wrong(
		    call, argument, "its kind is not address, domain, suffix or pattern");
	rule->id = text_of(object, "rule");
	rule->tenant = tenant;
	rule->subject = as_subject(call, rule->kind, text_of(object, "subject"));
	rule->domain = as_domain(call, text_of(object, "domain"));
	rule->identity = text_of(object, "identity");
	rule->priority = (int)json_integer_value(json_object_get(object, "priority"));
	rule->enabled = enabled == NULL || json_is_true(enabled);
	status = keystore_write_check(&write, &err);
	if (status == ST_OK && rule->kind == STORE_RULE_PATTERN)
		status = pattern_check(rule->subject, &err);
	*out = *rule;
	return status == ST_OK ? OPERATION_OK : call_wrong(call, argument, "%s", err.text);
}

/* ---- the version of all ---- */

void
rules_version(const struct rules *rules, char out[VERSION_BYTES])
{
	char hex[KEYSTORE_DIGEST_BYTES];
	struct buf text;

	buf_init(&text, (size_t)KEYSTORE_RULES_MAX * 4U * KEYSTORE_SUBJECT_MAX);
	for (size_t i = 0; i < rules->count; i++) {
		const struct store_rule *rule = &rules->all[i];

		buf_add_fmt(&text, "%.*s %d %d %d\n%.*s\n%.*s\n%.*s\n", SPAN_ARG(rule->id),
		    rule->kind, rule->priority, rule->enabled, SPAN_ARG(rule->subject),
		    SPAN_ARG(rule->domain), SPAN_ARG(rule->identity));
	}
	keystore_digest(buf_span(&text), hex);
	snprintf(out, VERSION_BYTES, "s%.16s", hex);
	buf_free(&text);
}
