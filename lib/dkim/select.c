/*
 * select.c - chooses the fields of one message that are signed. Called at the end of the headers,
 * once per message. It must leave the verifier no choice: for every name in h= the instances are
 * taken from the bottom up (RFC 6376 5.4.2), and every instance of a signed name is signed.
 */
#include "lib/dkim/select_private.h"

#include <string.h>

/* '*' matches any run of octets; one pass with one point to come back to. */
static bool
pattern_matches(struct span pattern, struct span name)
{
	size_t p = 0, n = 0, star = SIZE_MAX, resume = 0;

	while (n < name.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = ++p;
			resume = n;
		} else if (p < pattern.n && ascii_lower(pattern.p[p]) == ascii_lower(name.p[n])) {
			p++;
			n++;
		} else if (star != SIZE_MAX) {
			p = star;
			n = ++resume;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

static bool
list_matches(const struct name_list *list, struct span name)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct name_pattern *p = &list->names[i];
		struct span pattern = span_of(p->text, p->n);

		if (p->wild ? pattern_matches(pattern, name) : span_ieq(pattern, name))
			return true;
	}
	return false;
}

/* Plain names: '*' is itself. */
static bool
list_has(const struct name_list *list, struct span name)
{
	for (size_t i = 0; i < list->count; i++)
		if (span_ieq(span_of(list->names[i].text, list->names[i].n), name))
			return true;
	return false;
}

static bool
policy_signs(const struct header_policy *policy, struct span name)
{
	if (!header_name_signable(name))
		return false;
	if (span_ieq_str(name, "from") || list_has(&policy->over, name))
		return true;
	return !list_matches(&policy->omit, name) && list_matches(&policy->sign, name);
}

/* FNV-1a of the lower-cased name: lets the pairing below compare numbers first. */
static uint32_t
name_hash(struct span name)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < name.n; i++)
		hash = (hash ^ (unsigned char)ascii_lower(name.p[i])) * 16777619u;
	return hash;
}

static bool
same_name(const struct header_selection *s, const uint32_t *hashes, size_t a, size_t b)
{
	return hashes[a] == hashes[b] && span_ieq(s->names[a], s->names[b]);
}

/* Turns the indices of each name around: ends walk towards each other among equal names. */
static void
instances_turn(struct header_selection *s, const uint32_t *hashes, size_t a, size_t b)
{
	while (a < b) {
		size_t keep = s->indices[a];

		s->indices[a] = s->indices[b];
		s->indices[b] = keep;
		do
			a++;
		while (a < b && !same_name(s, hashes, a, b));
		/* a now equals b's name or met b; b goes down to the next instance */
		do
			b--;
		while (b > a && !same_name(s, hashes, a, b));
	}
}

/* For each name that begins at position first: its last position, then turn what lies between. */
static void
order_bottom_up(struct header_selection *s, const uint32_t *hashes, bool *done)
{
	for (size_t first = 0; first < s->index_count; first++) {
		size_t last = first;

		if (done[first])
			continue;
		for (size_t i = first; i < s->index_count; i++) {
			if (!same_name(s, hashes, first, i))
				continue;
			done[i] = true;
			last = i;
		}
		instances_turn(s, hashes, first, last);
	}
}

enum status
header_policy_select(const struct header_policy *policy, const struct header_list *list,
    struct arena *arena, struct header_selection *out)
{
	uint32_t *hashes = arena_alloc(arena, (list->count + 1) * sizeof *hashes);
	bool *done = arena_alloc(arena, list->count + 1);

	memset(out, 0, sizeof *out);
	out->indices = arena_alloc(arena, (list->count + 1) * sizeof *out->indices);
	out->names =
	    arena_alloc(arena, (list->count + policy->over.count + 1) * sizeof *out->names);
	if (hashes == NULL || done == NULL || out->indices == NULL || out->names == NULL)
		return ST_TOO_BIG;
	for (size_t i = 0; i < list->count; i++) {
		struct span name = span_trim(list->fields[i].name);

		if (!policy_signs(policy, name))
			continue;
		hashes[out->index_count] = name_hash(name);
		done[out->index_count] = false;
		out->names[out->index_count] = name;
		out->indices[out->index_count++] = i;
	}
	order_bottom_up(out, hashes, done);
	out->name_count = out->index_count;
	for (size_t i = 0; i < policy->over.count; i++)
		out->names[out->name_count++] =
		    span_of(policy->over.names[i].text, policy->over.names[i].n);
	return ST_OK;
}

void
header_selection_canon(const struct header_selection *selection, const struct header_list *list,
    enum canon canon, struct buf *out)
{
	for (size_t i = 0; i < selection->index_count; i++)
		canon_header(canon, &list->fields[selection->indices[i]], out);
}

void
header_selection_names(const struct header_selection *selection, struct buf *out)
{
	for (size_t i = 0; i < selection->name_count; i++) {
		if (i > 0)
			buf_add_char(out, ':');
		buf_add(out, selection->names[i]);
	}
}
