/*
 * reconciler_sight.c - what the authoritative servers said of a record, and of the way to it, as
 * lib/keys/life.h wants it.
 * Called by each turn when all answers are there. Where a customer's CNAME leads to the record, two
 * names have to be right; whose fault it is if not, the first of them says. It must never call a
 * record right that the customer's name does not lead to.
 */
#include <stdio.h>
#include <string.h>

#include "admin-api/cname.h"
#include "admin-api/reconciler_private.h"

static enum life_seen
seen_of(enum authority_seen seen)
{
	switch (seen) {
	case AUTHORITY_RIGHT:
		return LIFE_SEEN_RIGHT;
	case AUTHORITY_ABSENT:
		return LIFE_SEEN_ABSENT;
	case AUTHORITY_OTHER:
		return LIFE_SEEN_TOMBSTONE;
	case AUTHORITY_WILDCARD:
		return LIFE_SEEN_WILDCARD;
	case AUTHORITY_MIXED:
		return LIFE_SEEN_MIXED;
	case AUTHORITY_FOREIGN:
		return LIFE_SEEN_FOREIGN;
	case AUTHORITY_UNAVAILABLE:
		break;
	}
	return LIFE_SEEN_UNAVAILABLE;
}

static int64_t
longer(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static void
explain(struct errand *errand, struct life_sight *sight)
{
	struct buf words;

	buf_init(&words, 4U * AUTHORITY_WHY_BYTES);
	cname_explain(errand->way, errand->target, &words);
	snprintf(errand->sight_why, sizeof(errand->sight_why), "%.*s",
	    (int)sizeof(errand->sight_why) - 1, buf_text(&words));
	buf_free(&words);
	sight->why = errand->sight_why;
	sight->customer = true;
}

/* A key that would be published at its own name, where somebody has a CNAME. */
static void
survey_own_name(struct errand *errand, struct life_sight *sight)
{
	if (errand->question->alias[0] == '\0' || sight->seen == LIFE_SEEN_UNAVAILABLE)
		return;
	snprintf(errand->sight_why, sizeof(errand->sight_why),
	    "there is a CNAME at its name (it leads to %s), and nothing can be beside that",
	    errand->question->alias);
	sight->why = errand->sight_why;
	sight->seen = LIFE_SEEN_FOREIGN;
}

/* The record goes to its target whatever the customer's name says; but how long caches keep that
 * has to be known. */
static void
survey_target(struct errand *errand, struct life_sight *sight)
{
	bool free = sight->seen == LIFE_SEEN_ABSENT || sight->seen == LIFE_SEEN_RIGHT ||
		    sight->seen == LIFE_SEEN_WILDCARD;

	sight->prev_s = longer(errand->question->ttl_s, errand->way->ttl_s);
	snprintf(
	    errand->sight_target, sizeof(errand->sight_target), "%.*s", SPAN_ARG(errand->target));
	sight->target = errand->sight_target;
	if (!free || errand->way->seen != AUTHORITY_UNAVAILABLE || errand->way->alias[0] != '\0')
		return;
	sight->seen = LIFE_SEEN_UNAVAILABLE;
	explain(errand, sight);
}

/* The record is right where it stands. */
static void
follow_way(struct errand *errand, struct life_sight *sight)
{
	const struct authority_question *way = errand->way;

	if (way->seen == AUTHORITY_RIGHT && cname_is_right(way, errand->target))
		return;
	sight->prev_s = longer(errand->question->ttl_s, way->ttl_s);
	sight->seen = way->seen == AUTHORITY_RIGHT ? LIFE_SEEN_FOREIGN : seen_of(way->seen);
	explain(errand, sight);
}

struct life_sight
errand_sight(struct errand *errand)
{
	const struct authority_question *question = errand->question;
	struct life_sight sight = {.seen = seen_of(question->seen),
	    .neg_s = question->neg_s,
	    .prev_s = question->ttl_s,
	    .why = question->why};
	bool survey = errand->what == LIFE_SURVEY;

	if (errand->too_long) {
		sight.seen = LIFE_SEEN_FOREIGN;
		sight.why = "the target of its CNAME would be longer than a name can be";
		return sight;
	}
	if (errand->way == NULL) {
		if (survey)
			survey_own_name(errand, &sight);
		return sight;
	}
	sight.neg_s = longer(question->neg_s, errand->way->neg_s);
	if (survey)
		survey_target(errand, &sight);
	else if (sight.seen == LIFE_SEEN_RIGHT)
		follow_way(errand, &sight);
	return sight;
}
