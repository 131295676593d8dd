/*
 * shadow_compare.c - two sets of signatures side by side.
 * Called by shadow.c at the end of each message of shadow mode. It must never call two signatures
 * the same of which a receiver could accept one and refuse the other.
 */
#include "daemon/shadow_compare.h"

static bool
name_is_ours(struct span name, const struct sigfield *field, size_t nth)
{
	for (size_t i = 0; i < field->name_count; i++)
		if (span_ieq(field->names[i], name) && nth-- == 0)
			return true;
	return false;
}

/* The same fields, each as often. Their order changes what is hashed first, and nothing else. */
static bool
same_headers(const struct sigfield *a, const struct sigfield *b)
{
	if (a->name_count != b->name_count)
		return false;
	for (size_t i = 0; i < a->name_count; i++) {
		size_t before = 0;

		for (size_t k = 0; k < i; k++)
			before += span_ieq(a->names[k], a->names[i]);
		if (!name_is_ours(a->names[i], b, before))
			return false;
	}
	return true;
}

static bool
same_lifetime(const struct sigfield *a, const struct sigfield *b)
{
	if (a->expires_utc < 0 || b->expires_utc < 0)
		return a->expires_utc < 0 && b->expires_utc < 0;
	return a->time_utc < 0 || b->time_utc < 0 ||
	       a->expires_utc - a->time_utc == b->expires_utc - b->time_utc;
}

static bool
same_algorithm(const struct sigfield *a, const struct sigfield *b)
{
	return span_ieq(a->algorithm_text, b->algorithm_text);
}

/* The gravest first. */
static enum metric_shadow
difference(const struct sigfield *ours, const struct shadow_theirs *theirs)
{
	const struct sigfield *other = theirs->field;

	if (!span_eq(ours->domain, other->domain))
		return METRIC_SHADOW_OTHER_DOMAIN;
	if (theirs->body_bad)
		return METRIC_SHADOW_BODY_DIFFERS;
	if (!span_eq(ours->selector, other->selector))
		return METRIC_SHADOW_OTHER_SELECTOR;
	if (!same_algorithm(ours, other))
		return METRIC_SHADOW_OTHER_ALGORITHM;
	if (theirs->key_known && !theirs->key_fits)
		return METRIC_SHADOW_OTHER_KEY;
	if (!same_headers(ours, other))
		return METRIC_SHADOW_OTHER_HEADERS;
	if (ours->header_canon != other->header_canon || ours->body_canon != other->body_canon)
		return METRIC_SHADOW_OTHER_CANONICALIZATION;
	if (!span_eq(ours->identity, other->identity))
		return METRIC_SHADOW_OTHER_IDENTITY;
	if (ours->body_length != other->body_length)
		return METRIC_SHADOW_OTHER_LENGTH;
	return same_lifetime(ours, other) ? METRIC_SHADOW_SAME : METRIC_SHADOW_OTHER_LIFETIME;
}

/* How much they have in common; above 0. */
static int
likeness(const struct sigfield *a, const struct sigfield *b)
{
	return 1 + 8 * span_eq(a->domain, b->domain) + 4 * span_eq(a->selector, b->selector) +
	       2 * same_algorithm(a, b);
}

static void
add_pair(struct shadow_comparison *out, const struct sigfield *ours,
    const struct shadow_theirs *theirs, enum metric_shadow word)
{
	out->pairs[out->count++] = (struct shadow_pair){ours, theirs, word};
	if (word < out->word)
		out->word = word;
}

/* Is it a copy of what is in a pair already? */
static bool
is_known(const struct shadow_comparison *out, const struct sigfield *field)
{
	for (size_t i = 0; i < out->count; i++) {
		const struct shadow_theirs *known = out->pairs[i].theirs;

		if (known != NULL && span_eq(known->field->domain, field->domain) &&
		    span_eq(known->field->selector, field->selector) &&
		    same_algorithm(known->field, field))
			return true;
	}
	return false;
}

/* The best pair that is left; the uppermost of equals. */
static bool
next_pair(const struct sigfield *ours, const bool *our_done, size_t our_count,
    const struct shadow_theirs *theirs, const bool *their_done, size_t their_count, size_t *our_out,
    size_t *their_out)
{
	int best = 0;

	for (size_t i = 0; i < our_count; i++) {
		for (size_t k = 0; k < their_count; k++) {
			int alike = our_done[i] || their_done[k] || !theirs[k].trusted
					? 0
					: likeness(&ours[i], theirs[k].field);

			if (alike <= best)
				continue;
			best = alike;
			*our_out = i;
			*their_out = k;
		}
	}
	return best > 0;
}

void
shadow_compare(const struct sigfield *ours, size_t our_count, const struct shadow_theirs *theirs,
    size_t their_count, struct shadow_comparison *out)
{
	bool our_done[SHADOW_SIGNATURES_MAX] = {false};
	bool their_done[SHADOW_SIGNATURES_MAX] = {false};
	size_t i = 0, k = 0;

	out->count = 0;
	out->word = METRIC_SHADOW_NEITHER;
	while (next_pair(ours, our_done, our_count, theirs, their_done, their_count, &i, &k)) {
		our_done[i] = their_done[k] = true;
		add_pair(out, &ours[i], &theirs[k], difference(&ours[i], &theirs[k]));
	}
	for (i = 0; i < our_count; i++)
		if (!our_done[i])
			add_pair(out, &ours[i], NULL, METRIC_SHADOW_NOT_SIGNED_BY_THEM);
	for (k = 0; k < their_count; k++)
		if (!their_done[k] && theirs[k].trusted && !is_known(out, theirs[k].field))
			add_pair(out, NULL, &theirs[k], METRIC_SHADOW_NOT_SIGNED_BY_US);
}
