/*
 * crash.c - ends the process at a place that a test has named.
 * Called by the reconciler between its steps. It must never do anything in a program whose
 * environment does not ask for it, and never end it in an orderly way: that is not what is tested.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin-api/crash.h"
#include "lib/base/span.h"

static const char *const names[CRASH_POINTS] = {
    [CRASH_LEASE] = "lease",
    [CRASH_KEY_MADE] = "key-made",
    [CRASH_BEFORE_STEPS] = "before-steps",
    [CRASH_AFTER_STEPS] = "after-steps",
    [CRASH_SURVEYED] = "surveyed",
    [CRASH_BEFORE_MIRROR] = "before-mirror",
    [CRASH_AFTER_MIRROR] = "after-mirror",
    [CRASH_BEFORE_PUBLISH] = "before-publish",
    [CRASH_AFTER_PUBLISH] = "after-publish",
    [CRASH_PROVEN] = "proven",
    [CRASH_BEFORE_RESULT] = "before-result",
    [CRASH_AFTER_RESULT] = "after-result",
    [CRASH_AFTER_OPERATION] = "after-operation",
};

/* The log and this are the state of a program that is outside of its main function. */
static struct {
	bool wanted;
	enum crash_point point; /* CRASH_POINTS: any */
	atomic_uint_fast64_t left;
} plan;

const char *
crash_point_name(enum crash_point point)
{
	return (size_t)point < CRASH_POINTS ? names[point] : "?";
}

bool
crash_setup(const char *where)
{
	struct span rest = span_str(where), name;
	uint64_t passage = 1;

	if (where == NULL)
		return true;
	plan.point = CRASH_POINTS;
	if (!span_number(rest, UINT32_MAX, &passage)) {
		if (span_cut(&rest, ':', &name) && !span_number(rest, UINT32_MAX, &passage))
			return false;
		for (plan.point = 0; plan.point < CRASH_POINTS; plan.point++)
			if (span_eq_str(name, names[plan.point]))
				break;
		if (plan.point == CRASH_POINTS)
			return false;
	}
	if (passage == 0)
		return false;
	atomic_store(&plan.left, passage);
	plan.wanted = true;
	return true;
}

void
crash_here(enum crash_point point)
{
	if (!plan.wanted || (plan.point != CRASH_POINTS && plan.point != point))
		return;
	if (atomic_fetch_sub(&plan.left, 1) == 1)
		kill(getpid(), SIGKILL);
}
