/*
 * naive_route.h - lib/store/route.h and tenant.h once more, in the most obvious way: everything
 * that could decide is put into a list, and the least of the list decides. Shares no code with
 * lib/store but the rows. For names of a few labels.
 */
#ifndef SIGNPOST_TESTS_NAIVE_ROUTE_H
#define SIGNPOST_TESTS_NAIVE_ROUTE_H

#include "lib/store/route.h"
#include "lib/store/tenant.h"

/* Does this pattern match this address? -1: it is no pattern. */
typedef int naive_pattern(struct span pattern, struct span address);
/* What the text of a policy says about a cause; FAILURE_ACTION_UNSET: nothing. */
typedef enum failure_action naive_failure(struct span text, enum failure_cause cause);

struct naive_question {
	struct keystore *store;
	const char *user, *domain, *tenant;
	bool required;
	int64_t now_utc;
	naive_pattern *pattern;
	naive_failure *failure;
};

struct naive_answer {
	enum status status;
	enum route_answer answer;
	char domain[64], tenant[64], owner[64], identity[64];
	char selectors[4][64];
	size_t key_count;
	int64_t signature_ttl_s;
	enum failure_action action[FAILURE_CAUSES];
	/* Whose keys may be given out at all: the session's tenant, or the owner, or the only one
	 * with rules; empty: nobody's. */
	char whose[64];
};

void naive_route(const struct naive_question *question, struct naive_answer *out);

/* The subjects, one a line. */
void naive_subjects(const struct tenant_session *session, char *text, size_t text_bytes);

#endif
