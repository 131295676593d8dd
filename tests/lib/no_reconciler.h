/*
 * no_reconciler.h - what stands in for a reconciler in tests of operations: cast it.
 */
#ifndef SIGNPOST_TESTS_LIB_NO_RECONCILER_H
#define SIGNPOST_TESTS_LIB_NO_RECONCILER_H

#include "admin-api/reconciler.h"

struct no_reconciler {
	unsigned woken;
	struct reconciler_state state;
	bool has_census;
	struct census_counts census;
};

#endif
