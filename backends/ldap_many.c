/*
 * ldap_many.c - whether several queries can be put into one search, and to which an entry belongs.
 * Called by ldap.c when a table is opened and when several queries are asked.
 * It must never call an entry a query's that the server, asked for that query alone, would not have
 * given, nor leave one out.
 */
#include "backends/ldap_many.h"

static bool
is_name(struct span name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = ascii_lower(name.p[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
			return false;
	}
	return name.n > 0;
}

static size_t
count_of(struct span text, struct span part)
{
	size_t n = 0;

	for (size_t i = 0; i + part.n <= text.n; i++)
		n += memcmp(text.p + i, part.p, part.n) == 0;
	return n;
}

/* Is it one "(...)" from its first octet to its last? depth_out: how many are open at the place at.
 */
static bool
is_one(struct span filter, size_t at, size_t *depth_out)
{
	size_t depth = 0;

	*depth_out = 0;
	for (size_t i = 0; i < filter.n; i++) {
		if (i == at)
			*depth_out = depth;
		if (i > 0 && depth == 0)
			return false;
		if (filter.p[i] == '(')
			depth++;
		else if (filter.p[i] == ')')
			depth--;
	}
	return depth == 0;
}

bool
ldapmany_attribute(struct span filter, struct span *attribute_out)
{
	struct span end = SPAN_LIT("=$d)");
	size_t at = 0, open, depth;

	filter = span_trim(filter);
	if (count_of(filter, SPAN_LIT("$d")) != 1 || count_of(filter, SPAN_LIT("$D")) != 0)
		return false;
	while (at + end.n <= filter.n && memcmp(filter.p + at, end.p, end.n) != 0)
		at++;
	if (at + end.n > filter.n)
		return false;
	open = span_rfind(span_sub(filter, 0, at), '(');
	if (open == SIZE_MAX || filter.p[0] != '(' || !is_one(filter, open, &depth))
		return false;
	*attribute_out = span_sub(filter, open + 1, at - open - 1);
	if (!is_name(*attribute_out))
		return false;
	return open == 0 || (depth == 1 && span_starts(filter, SPAN_LIT("(&")));
}

/* ASCII without blanks, of which something is no digit: a number may be written in two ways. */
static bool
is_plain(struct span query)
{
	bool digits = true;

	for (size_t i = 0; i < query.n; i++) {
		char c = ascii_lower(query.p[i]);
		bool digit = c >= '0' && c <= '9';

		if (!digit && !(c >= 'a' && c <= 'z') &&
		    (c == '\0' || strchr("@._-*/:![]+", c) == NULL))
			return false;
		digits = digits && (digit || c == '-' || c == '+');
	}
	return query.n > 0 && !digits;
}

/* Without case and hyphens (telephoneNumberMatch overlooks them). */
static bool
look_alike(struct span a, struct span b)
{
	size_t i = 0, k = 0;

	for (;;) {
		while (i < a.n && a.p[i] == '-')
			i++;
		while (k < b.n && b.p[k] == '-')
			k++;
		if (i == a.n || k == b.n)
			return i == a.n && k == b.n;
		if (ascii_lower(a.p[i++]) != ascii_lower(b.p[k++]))
			return false;
	}
}

bool
ldapmany_distinct(const struct span *queries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!is_plain(queries[i]))
			return false;
		for (size_t k = 0; k < i; k++)
			if (!span_eq(queries[i], queries[k]) && look_alike(queries[i], queries[k]))
				return false;
	}
	return true;
}

uint32_t
ldapmany_owners(
    const struct span *values, size_t value_count, const struct span *queries, size_t count)
{
	uint32_t owners = 0;

	for (size_t v = 0; v < value_count; v++) {
		uint32_t found = 0;

		for (size_t i = 0; i < count && i < 32; i++)
			if (span_eq(values[v], queries[i]))
				found |= UINT32_C(1) << i;
		if (found == 0)
			return 0;
		owners |= found;
	}
	return owners;
}
