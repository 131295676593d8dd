/*
 * authres_forged.c - does an Authentication-Results field that came with a message claim to be
 * ours? Called by the front-end for each such field before ours is added. Whoever reads the field
 * later may be sloppier than we are: where readings differ, the one that makes the field ours
 * counts. It must never let a field stay because it is too odd, too long or too big to be read.
 */
#include "lib/dkim/address.h"
#include "lib/dkim/authres_private.h"

/* ours may itself have a job id, a dot at its end or U-labels: the same rules for both. */
static bool
is_ours(struct span id, struct span ours, struct arena *arena)
{
	struct authres_name name = {.n = 0, .too_long = false};

	if (id.n == 0 || domain_is_valid(ours))
		return id.n > 0 && span_ieq(id, ours);
	for (size_t i = 0; i < ours.n; i++)
		authres_name_add(&name, ours.p[i]);
	return span_eq(id, authres_name_normalise(&name, arena));
}

static bool
is_one_of(struct span id, const char *const *ids, struct arena *arena)
{
	for (size_t i = 0; ids[i] != NULL; i++) {
		if (is_ours(id, span_str(ids[i]), arena))
			return true;
	}
	return false;
}

/* Does word stand at the beginning of s, and does nothing of a longer name follow? */
static bool
word_begins(struct span s, struct span word)
{
	size_t at = word.n;

	if (!span_istarts(s, word))
		return false;
	while (at < s.n && s.p[at] == '.')
		at++;
	return at == s.n || !authres_word_octet(s.p[at]);
}

/* An id of ours as it is looked for: without a job id and a final dot. */
static struct span
word_of(const char *id)
{
	struct span rest = span_str(id), word;

	(void)span_cut(&rest, '/', &word);
	while (span_ends(word, SPAN_LIT(".")))
		word.n--;
	return word;
}

static bool
word_stands_in(struct span s, struct span word)
{
	bool inside = false; /* the octet before belongs to a longer name */

	for (size_t at = 0; word.n > 0 && at + word.n <= s.n; at++) {
		if (!inside && word_begins(span_from(s, at), word))
			return true;
		inside = authres_word_octet(s.p[at]) || (inside && s.p[at] == '.');
	}
	return false;
}

static bool
has_word(struct span s, const char *const *ids)
{
	for (size_t i = 0; ids[i] != NULL; i++) {
		if (word_stands_in(s, word_of(ids[i])))
			return true;
	}
	return false;
}

bool
authres_is_forged(struct span value, const char *const *ids, bool remove_all, struct arena *arena)
{
	struct authres_head head;
	struct authres_claim claim = authres_claim_read(value, arena, &head);

	if (!claim.has_dkim && !remove_all && !claim.malformed)
		return false;
	if (is_one_of(claim.id, ids, arena) ||
	    is_one_of(authres_name_normalise(&head.joined, arena), ids, arena) ||
	    has_word(span_of(head.spaced.text, head.spaced.n), ids))
		return true;
	return (head.spaced.too_long || !domain_is_valid(claim.id)) && has_word(value, ids);
}
