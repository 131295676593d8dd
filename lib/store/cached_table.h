/*
 * cached_table.h - a table in front of another one that costs a way to a server (dsn, ldap): rows
 * are kept for a few seconds, absences too, and given out while the server is away. What the
 * operator changes there is in force when fresh_ms is over.
 *
 * The answers are the inner table's own values, held by counting: a row of a TABLE_SECRET table
 * stays in secret memory, and is wiped when it is forgotten and nobody reads it any more. A key is
 * asked as it is written. Where case does not matter (TABLE_ICASE), what is known of the key in
 * lower case is an answer for all its spellings; that it is absent is not, since a column may
 * compare with case (signpostd.conf(5)).
 */
#ifndef SIGNPOST_STORE_CACHED_TABLE_H
#define SIGNPOST_STORE_CACHED_TABLE_H

#include "lib/store/cache.h"
#include "lib/store/sharedcache.h"
#include "lib/store/table.h"

#define CACHED_TABLE_BYTES_MAX (16U << 20) /* suggestions for a configuration */
#define CACHED_TABLE_FRESH_MS 5000
#define CACHED_TABLE_STALE_MS (24 * 3600 * 1000)

struct cached_table_config {
	size_t bytes_max; /* 0: no cache, the result is inner */
	int64_t fresh_ms; /* of a row */
	int64_t absent_ms;
	int64_t stale_ms; /* from the question on, while the server is away; 0: never */
	/* Rows that another gateway has asked for within fresh_ms are taken from here, and live
	 * from that question on: fresh_ms is the age of a row wherever it comes from, but for what
	 * the clocks of the gateways differ. Older ones are used while the server is away; and what
	 * is read is left there. Borrowed; NULL: none. */
	struct sharedcache *shared;
	struct span shared_scope; /* whose rows they are; copied */
	bool shared_anew;         /* what was asked for before now is not fresh: a reload */
	int64_t (*now_ms)(void);  /* monotonic; NULL: clock_mono_ms() */
};

/* Takes over inner (closed with the result). Tables that cost no way (ops->distant) are answered as
 * they are: the result is then inner itself. What listens to inner goes on listening to it; whoever
 * listens to the result is told as well. */
struct table *cached_table_new(struct table *inner, const struct cached_table_config *config);
/* NULL unless table is one. */
struct cache *cached_table_cache(struct table *table);

#endif
