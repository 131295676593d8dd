/*
 * census.h - how many keys are in which state, which are stuck, which differ from DNS, and when the
 * next domain is due: kept from what the reconciler looks at anyway, a few octets for each domain,
 * so that nobody has to walk over a store to say it. Any thread.
 */
#ifndef SIGNPOST_ADMIN_API_CENSUS_H
#define SIGNPOST_ADMIN_API_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/span.h"
#include "lib/keys/state.h"

#define CENSUS_STATES ((unsigned)KEY_FAILED + 1U)

/* One domain. No domain has more keys than an octet can say. */
struct census_domain {
	uint8_t states[CENSUS_STATES]; /* keys in each */
	uint8_t stuck, drifted;        /* keys with something in the way; other than DNS has them */
	int64_t due;                   /* when it is looked at again, the store's clock; 0: never */
};

struct census_counts {
	uint64_t domains, states[CENSUS_STATES], stuck;
	uint64_t drifted; /* domains */
	int64_t due;      /* of the domain that is due first; 0: none is */
};

struct census;

struct census *census_new(void);
void census_free(struct census *census); /* NULL is fine */

/* Between the two others wait: what is written there appears at once. */
void census_begin(struct census *census);
void census_end(struct census *census);
/* Of a domain now, in place of what was known; NULL: it is gone, or has to be looked at. */
void census_set(struct census *census, struct span name, const struct census_domain *domain);
/* Nothing is known any more; census_read() says so until all is. */
void census_clear(struct census *census);
void census_is_complete(struct census *census);

/* false: not everything is known, *out is all zero. */
bool census_read(struct census *census, struct census_counts *out);

#endif
