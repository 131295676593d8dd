/*
 * scope.h - what somebody may ask of signpost-admind: a set of scopes, as words in a text
 * ("keys:read keys:rotate", "keys:*", "role:operator"). Pure; any thread.
 */
#ifndef SIGNPOST_ADMIN_API_SCOPE_H
#define SIGNPOST_ADMIN_API_SCOPE_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"

/* Sets of them are bits of an uint32_t. */
enum scope {
	SCOPE_TENANTS_READ = 1U << 0,
	SCOPE_TENANTS_WRITE = 1U << 1, /* of tenants themselves, which their owners cannot change */
	SCOPE_DOMAINS_READ = 1U << 2,
	SCOPE_DOMAINS_WRITE = 1U << 3,
	SCOPE_POLICY_READ = 1U << 4,
	SCOPE_POLICY_WRITE = 1U << 5,
	SCOPE_KEYS_READ = 1U << 6,
	SCOPE_KEYS_WRITE = 1U << 7,   /* generate, import, remove */
	SCOPE_KEYS_ROTATE = 1U << 8,  /* rotate, activate, retire, hold, release, rollback */
	SCOPE_KEYS_REVOKE = 1U << 9,  /* revoke, emergency */
	SCOPE_KEYS_UNSAFE = 1U << 10, /* what leaves mail unsigned */
	SCOPE_DNS_READ = 1U << 11,
	SCOPE_DNS_WRITE = 1U << 12,
	SCOPE_DNS_TEST = 1U << 13, /* ask DNS, and try a publisher */
	SCOPE_RULES_READ = 1U << 14,
	SCOPE_RULES_WRITE = 1U << 15,
	SCOPE_AUDIT_READ = 1U << 16,
	SCOPE_TOKENS_ADMIN = 1U << 17,
	SCOPE_NODES_READ = 1U << 18,
	SCOPE_NODES_WRITE = 1U << 19,
	SCOPE_METRICS_READ = 1U << 20,
	SCOPE_MAIL_CHECK = 1U << 21 /* resolve, verify */
};
#define SCOPES_COUNT 22U
#define SCOPES_ALL ((1U << SCOPES_COUNT) - 1U)
#define SCOPES_TEXT_MAX 1024U /* octets of a text of scopes */

/* Words with blanks between them: scopes ("keys:read"), all of a kind ("keys:*"), everything ("*"),
 * and roles: "role:owner", "role:operator", "role:publisher", "role:auditor", "role:monitor",
 * "role:platform-admin". ST_INVALID: err names the word; so does an empty text. */
enum status scopes_parse(struct span text, uint32_t *out, struct err *err) MUST_USE;
/* Appends the scopes by their names, in the order above. scopes_parse() reads them back. */
void scopes_write(uint32_t scopes, struct buf *out);
/* "keys:read"; static. */
const char *scope_name(enum scope scope);

/* Does a pattern of a text ("*.example.org example.com") fit the domain? "*.x" is everything below
 * x, "*" everything; an empty text fits all. Names are lower-case A-labels. */
bool scope_domain_fits(struct span patterns, struct span domain);
/* Is whatever the pattern fits one of what the patterns fit? */
bool scope_pattern_within(struct span patterns, struct span pattern);
/* ST_INVALID: a word that is no such pattern. */
enum status scope_domains_check(struct span patterns, struct err *err) MUST_USE;

#endif
