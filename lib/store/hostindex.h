/*
 * hostindex.h - the entries of a host list that can be walked, hashed: names and networks, each
 * with or without a '!' in front. hostlist.h asks it in opendkim's order.
 */
#ifndef SIGNPOST_STORE_HOSTINDEX_H
#define SIGNPOST_STORE_HOSTINDEX_H

#include "lib/store/table.h"

#define HOST_PREFIX_WHOLE 255 /* an address without "/n": asked before /32 or /128 */

/* A network in one shape for both families, usable as a hash key. */
struct host_network {
	uint8_t family; /* 4 or 6 */
	uint8_t prefix; /* or HOST_PREFIX_WHOLE */
	uint8_t octets[16];
};

struct host_index;

/* Warnings about entries that can never match go to the log, as of parameter. ST_OK: free with
 * host_index_free(). Other answers are those of table_walk(). */
enum status host_index_build(
    const char *parameter, struct table *table, struct host_index **out, struct err *err) MUST_USE;
void host_index_free(struct host_index *index); /* NULL is fine */
/* The same warnings about a table of patterns, which has no index. */
void host_index_check_patterns(const char *parameter, struct table *table);

/* -1: nothing is said; 0: not in the list; 1: in the list. name: lower-cased. Any thread. */
int host_index_name(const struct host_index *index, struct span name);
int host_index_network(const struct host_index *index, const struct host_network *network);

/* The first prefix bits of the octets; the rest zero. */
void host_network_mask(uint8_t *octets, size_t bytes, unsigned prefix);

#endif
