/*
 * store_check.h - between the files of `signpost store check`: what was found, and what is known
 * about the rows that were read.
 */
#ifndef SIGNPOST_TOOLS_STORE_CHECK_H
#define SIGNPOST_TOOLS_STORE_CHECK_H

#include "tools/store.h"

enum store_severity { STORE_WARNING, STORE_ERROR };

/* Names, by 64 bits of a hash each: a million take 8 MiB, and two of them are taken for one with a
 * chance of one in ten million. */
struct store_names {
	uint64_t *hashes;
	size_t count, room;
	bool sorted;
};

void store_names_add(struct store_names *names, struct span first, struct span second);
bool store_names_have(struct store_names *names, struct span first, struct span second);
void store_names_free(struct store_names *names);

struct store_check {
	struct store_tool tool;
	int64_t now_utc; /* the store's */
	struct store_names tenants, policies;
	struct store_names domains; /* tenant and domain */
	struct store_names signing; /* tenants and domains with an active key */
	unsigned long rows[STORE_PROVIDER + 1], errors, warnings, plain;
	unsigned long by_version[SITEKEY_VERSIONS_MAX]; /* keys, by position in versions */
	uint32_t versions[SITEKEY_VERSIONS_MAX];
	size_t version_count;
};

/* kind: "key", ...; code: one word for scripts. */
void store_check_found(struct store_check *check, enum store_severity severity, const char *kind,
    struct span first, struct span second, const char *code, const char *sentence);

/* A provider of a tenant: is it one, and does its secret open? */
void store_check_provider(struct store_check *check, const struct store_provider *row);
/* Everything that can be said about a key alone. true: it may sign now. */
bool store_check_key(struct store_check *check, const struct store_key *row);

#endif
