/*
 * ldap_many.h - several queries in one search, (|(FILTER of a)(FILTER of b)...): may it be done for
 * a filter, and whose is each entry that comes? Pure.
 *
 * FILTER has $d exactly once, as "(attribute=$d)", alone or directly within the outermost "(&...)".
 * Then an entry that comes belongs to a query if and only if the server holds one of the
 * attribute's values for equal to it, as the rest of the filter is the same for all. A value that
 * has the octets of a query is equal to it by any matching rule. It is equal to no other one if the
 * queries differ by more than rules may overlook: case, blanks, hyphens, leading zeros, ways to
 * write a letter. Wherever that is not so, only the server could say, and it is asked for each
 * query alone.
 */
#ifndef SIGNPOST_BACKENDS_LDAP_MANY_H
#define SIGNPOST_BACKENDS_LDAP_MANY_H

#include "lib/base/buf.h"
#include "lib/base/span.h"

/* The attribute that tells; a part of filter. false: there is none, and no way to tell. */
bool ldapmany_attribute(struct span filter, struct span *attribute_out);

/* Do queries that are not the same differ for every matching rule of texts? */
bool ldapmany_distinct(const struct span *queries, size_t count);

/* To which of count queries does an entry with these values belong: a bit for each query. 0: that
 * cannot be told. count <= 32. */
uint32_t ldapmany_owners(
    const struct span *values, size_t value_count, const struct span *queries, size_t count);

#endif
