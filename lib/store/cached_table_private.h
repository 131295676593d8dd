/*
 * cached_table_private.h - what cached_table.c (the questions) and cached_table_shared.c (what
 * other gateways know) share.
 */
#ifndef SIGNPOST_STORE_CACHED_TABLE_PRIVATE_H
#define SIGNPOST_STORE_CACHED_TABLE_PRIVATE_H

#include <stdatomic.h>

#include "lib/store/cached_table.h"

struct cached_table {
	struct table *inner;
	struct cache *cache;
	struct table_ops ops; /* what inner can, this can */
	struct cached_table_config config;
	struct together *together; /* NULL: each asks for itself */
	char *scope;               /* what config.shared_scope points to; owned */
	atomic_bool away;          /* the server; said */
	atomic_bool counted_away;  /* in the gauge */
	/* Monotonic. The server was silent: until then it is spared by those who know something
	 * old; 0: it was not. What was asked before the last refresh is not fresh. */
	atomic_int_least64_t silent_until_ms, refreshed_ms;
};

/* What the shared cache knows of a name. */
enum known {
	KNOWN_NOTHING,
	KNOWN_OLD,  /* to be used while inner is away */
	KNOWN_FRESH /* young enough not to ask inner */
};

/* value is taken over. */
void cached_table_load(const struct table_value *value, struct cache_load *load);

/* loads[i] is filled unless known[i] is KNOWN_NOTHING; no object: an absence. count: at most
 * TABLE_KEYS_MAX. now_ms: monotonic. */
void cached_table_shared_get(struct cached_table *cached, const struct span *names, size_t count,
    int64_t now_ms, struct cache_load *loads, enum known *known);
/* What inner said to a question that began at asked_ms; value NULL: it is absent. */
void cached_table_shared_put(struct cached_table *cached, struct span name,
    const struct table_value *value, int64_t asked_ms);
/* Counts those that are given out as stale. */
void cached_table_shared_note_stale(
    const struct cached_table *cached, const struct cache_load *load, int64_t now_ms);

#endif
