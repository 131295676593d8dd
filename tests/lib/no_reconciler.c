/*
 * no_reconciler.c - admin-api/reconciler.h for tests of operations, in whose processes none runs:
 * it counts how often it is woken.
 */
#include <string.h>

#include "admin-api/reconciler.h"
#include "tests/lib/no_reconciler.h"

void
reconciler_wake(struct reconciler *reconciler)
{
	((struct no_reconciler *)reconciler)->woken++;
}

void
reconciler_state(struct reconciler *reconciler, struct reconciler_state *out)
{
	*out = ((struct no_reconciler *)reconciler)->state;
}

bool
reconciler_census(struct reconciler *reconciler, struct census_counts *out)
{
	const struct no_reconciler *none = (struct no_reconciler *)reconciler;

	*out = none->census;
	return none->has_census;
}
