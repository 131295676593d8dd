/*
 * scope.c - the names of scopes and roles, and patterns of domains.
 * Called where tokens are made and where requests come in. It must never take a word that it does
 * not know for one that permits something, or nothing.
 */
#include "config.h"

#include "admin-api/scope.h"
#include "lib/store/keystore.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define PREFIX_ROLE "role:"

static const char *const names[SCOPES_COUNT] = {"tenants:read", "tenants:write", "domains:read",
    "domains:write", "policy:read", "policy:write", "keys:read", "keys:write", "keys:rotate",
    "keys:revoke", "keys:unsafe", "dns:read", "dns:write", "dns:test", "rules:read", "rules:write",
    "audit:read", "tokens:admin", "nodes:read", "nodes:write", "metrics:read", "mail:check"};

#define READS                                                                                      \
	((uint32_t)SCOPE_TENANTS_READ | SCOPE_DOMAINS_READ | SCOPE_POLICY_READ | SCOPE_KEYS_READ | \
	    SCOPE_DNS_READ | SCOPE_RULES_READ | SCOPE_NODES_READ)

static const struct {
	const char *name;
	uint32_t scopes;
} roles[] = {
    /* Everything of a tenant, but not the tenant itself, and nothing unsafe. */
    {"owner", READS | SCOPE_DOMAINS_WRITE | SCOPE_POLICY_WRITE | SCOPE_KEYS_WRITE |
		  SCOPE_KEYS_ROTATE | SCOPE_KEYS_REVOKE | SCOPE_DNS_WRITE | SCOPE_DNS_TEST |
		  SCOPE_RULES_WRITE | SCOPE_AUDIT_READ | SCOPE_TOKENS_ADMIN | SCOPE_MAIL_CHECK},
    {"operator", READS | SCOPE_KEYS_ROTATE | SCOPE_DNS_TEST | SCOPE_MAIL_CHECK},
    {"publisher", SCOPE_DOMAINS_READ | SCOPE_KEYS_READ | SCOPE_DNS_READ | SCOPE_DNS_TEST},
    {"auditor", READS | SCOPE_AUDIT_READ},
    {"monitor", SCOPE_METRICS_READ | SCOPE_NODES_READ},
    {"platform-admin", SCOPES_ALL & ~(uint32_t)SCOPE_KEYS_UNSAFE},
};

const char *
scope_name(enum scope scope)
{
	for (unsigned i = 0; i < SCOPES_COUNT; i++)
		if ((uint32_t)scope == 1U << i)
			return names[i];
	return "";
}

/* 0: no such word. */
static uint32_t
role_scopes(struct span name)
{
	for (size_t i = 0; i < COUNT(roles); i++)
		if (span_eq_str(name, roles[i].name))
			return roles[i].scopes;
	return 0;
}

static uint32_t
word_scopes(struct span word)
{
	bool all = word.p[word.n - 1] == '*' && (word.n == 1 || word.p[word.n - 2] == ':');
	struct span kind = span_of(word.p, word.n - 1);
	uint32_t found = 0;

	if (span_starts(word, SPAN_LIT(PREFIX_ROLE)))
		return role_scopes(span_from(word, sizeof(PREFIX_ROLE) - 1));
	for (unsigned i = 0; i < SCOPES_COUNT; i++)
		if (all ? span_starts(span_str(names[i]), kind) : span_eq_str(word, names[i]))
			found |= 1U << i;
	return found;
}

enum status
scopes_parse(struct span text, uint32_t *out, struct err *err)
{
	struct span word;

	*out = 0;
	if (text.n > SCOPES_TEXT_MAX) {
		err_set(err, "the scopes are longer than %u octets", SCOPES_TEXT_MAX);
		return ST_INVALID;
	}
	while (span_word(&text, &word)) {
		uint32_t scopes = word_scopes(word);

		if (scopes == 0) {
			err_set(err, "there is no scope or role \"%.*s\"", SPAN_ARG(word));
			return ST_INVALID;
		}
		*out |= scopes;
	}
	if (*out == 0)
		err_set(err, "no scope is given");
	return *out == 0 ? ST_INVALID : ST_OK;
}

void
scopes_write(uint32_t scopes, struct buf *out)
{
	bool first = true;

	for (unsigned i = 0; i < SCOPES_COUNT; i++) {
		if ((scopes & 1U << i) == 0)
			continue;
		buf_add_fmt(out, "%s%s", first ? "" : " ", names[i]);
		first = false;
	}
}

/* ---- domains ---- */

bool
scope_domain_fits(struct span patterns, struct span domain)
{
	bool any = false;
	struct span word;

	while (span_word(&patterns, &word)) {
		struct span below = span_from(word, 1);

		any = true;
		if (span_eq_str(word, "*") || span_eq(word, domain))
			return true;
		if (word.p[0] == '*' && domain.n > below.n &&
		    span_eq(span_from(domain, domain.n - below.n), below))
			return true;
	}
	return !any;
}

bool
scope_pattern_within(struct span patterns, struct span pattern)
{
	struct span rest = patterns, word;

	if (span_trim(patterns).n == 0)
		return true;
	if (span_eq_str(pattern, "*")) {
		while (span_word(&rest, &word))
			if (span_eq_str(word, "*"))
				return true;
		return false;
	}
	/* "*.a.b" is within "*.b": it is as if a domain of that name was looked for. */
	while (span_word(&rest, &word))
		if (span_eq(word, pattern) || scope_domain_fits(word, pattern))
			return true;
	return false;
}

enum status
scope_domains_check(struct span patterns, struct err *err)
{
	struct span word;

	while (span_word(&patterns, &word)) {
		struct span name = word;

		if (span_eq_str(word, "*"))
			continue;
		if (span_starts(word, SPAN_LIT("*.")))
			name = span_from(word, 2);
		if (!keystore_domain_is_valid(name)) {
			err_set(err,
			    "\"%.*s\" is no pattern of domains: a domain, \"*.\" and a domain, or "
			    "\"*\"",
			    SPAN_ARG(word));
			return ST_INVALID;
		}
	}
	return ST_OK;
}
