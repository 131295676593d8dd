/*
 * route_finding.h - private to route.c and route_answer.c: what is known of one question, and the
 * answers it may end in.
 */
#ifndef SIGNPOST_STORE_ROUTE_FINDING_H
#define SIGNPOST_STORE_ROUTE_FINDING_H

#include "lib/store/route_choose.h"

/* Which of route.rows are the answer. */
enum route_asked { ROUTE_SENDERS, ROUTE_ADDRESSES, ROUTE_PATTERNS, ROUTE_KEYS };

/* One question on its way. */
struct route_finding {
	struct keystore *store;
	const struct route_question *question;
	struct route *out;
	struct err *err;
	struct route_facts facts;
	struct span tenant; /* whose rules and domains count; empty: not known yet */
	const struct store_domain *owner, *cover; /* may be NULL */
	struct route_choice choice;
	struct route_keys keys;
};

/* Each sets f->out with its sentence and answers ST_OK. why: static. */
enum status route_no_rule(struct route_finding *f, const char *why) MUST_USE;
enum status route_nothing(struct route_finding *f) MUST_USE; /* everything was asked */
/* Of f->owner; without one no row says whose the sender is, but there are rules. */
enum status route_foreign(struct route_finding *f) MUST_USE;
/* By f->choice and f->keys. */
enum status route_by_keys(struct route_finding *f) MUST_USE;
/* out->failure from the rows that were read, whatever the answer is. */
void route_set_failure(struct route_finding *f);

#endif
