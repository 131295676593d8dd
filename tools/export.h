/*
 * export.h - what a store signs, as another signer can be told: read by export_rows.c, written by
 * export_tables.c. One thread.
 */
#ifndef SIGNPOST_TOOLS_EXPORT_H
#define SIGNPOST_TOOLS_EXPORT_H

#include "lib/base/arena.h"
#include "tools/store.h"

#define EXPORT_TEXT_MAX ((size_t)1 << 30)

struct export_domain {
	struct span name, tenant, signs_as;
	bool subdomains, enabled;
	size_t key; /* in keys: the newest RSA key that signs now; SIZE_MAX: none */
};

struct export_key {
	struct span domain, selector;
	int64_t active;
};

struct export_rule {
	enum store_rule_kind kind;
	struct span tenant, id, subject, domain, identity;
	int priority;
};

/* All spans live in the arena. */
struct export_site {
	struct store_tool tool;
	const char *tenant; /* only this one's; NULL: all */
	const char *folder;
	char *real; /* its absolute path; owned */
	struct arena arena;
	struct export_domain *domains; /* by name */
	struct export_key *keys;
	struct export_rule *rules;
	size_t domain_count, domain_room, key_count, key_room, rule_count, rule_room;
	size_t left_out;
	int64_t now_utc;
};

/* ---- export_rows.c ---- */

/* Reads the store; writes the files of keys into folder/keys. An exit status; what is wrong with
 * single rows is said and counted in left_out. */
int export_read(struct export_site *site);
struct export_domain *export_find(const struct export_site *site, struct span name);
void export_free(struct export_site *site);
/* "left out: ..." to stderr, counted. */
void export_leave_out(struct export_site *site, struct span about, const char *why);

/* ---- export_tables.c ---- */

/* KeyTable and SigningTable. An exit status. */
int export_write(struct export_site *site);

#endif
