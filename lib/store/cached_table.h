/*
 * cached_table.h - a table in front of another one that costs a way to a server (dsn, ldap): rows
 * are kept for a few seconds, absences too, and given out while the server is away. What the
 * operator changes there is in force when fresh_ms is over.
 */
#ifndef SIGNPOST_STORE_CACHED_TABLE_H
#define SIGNPOST_STORE_CACHED_TABLE_H

#include "lib/store/cache.h"
#include "lib/store/table.h"

/* Takes over inner (closed with the result). Tables in memory are answered as they are: the result
 * is then inner itself. config: hold and release are ignored. */
struct table *cached_table_new(struct table *inner, const struct cache_config *config);
/* NULL unless table is one. */
struct cache *cached_table_cache(struct table *table);

#endif
