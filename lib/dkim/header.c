/*
 * header.c - the list of header fields. First stop of a message: the session hands each field over
 * as the MTA sends it, tools and tests hand over a whole block. It only copies and bounds; it must
 * never change an octet other than a bare LF, because simple canonicalization signs what is here.
 */
#include "lib/dkim/header.h"

#include <string.h>

#define FIELDS_FIRST_ROOM 32u
#define FIELD_EXTRA_BYTES 3u /* ":" and CRLF */

enum status
header_list_init(struct header_list *list, struct arena *arena, size_t max_bytes)
{
	memset(list, 0, sizeof *list);
	list->arena = arena;
	list->max_bytes = max_bytes;
	list->fields = arena_alloc(arena, FIELDS_FIRST_ROOM * sizeof *list->fields);
	if (list->fields == NULL)
		return ST_TOO_BIG;
	list->room = FIELDS_FIRST_ROOM;
	return ST_OK;
}

static bool
header_name_usable(struct span name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] == ':' || name.p[i] == '\r' || name.p[i] == '\n' || name.p[i] == '\0')
			return false;
	return name.n > 0 && !ascii_blank(name.p[0]);
}

/* The arena takes nothing back: the old array stays behind, at most as much again in all. */
static enum status
header_list_grow(struct header_list *list)
{
	size_t room = list->room * 2 < HEADER_FIELDS_MAX ? list->room * 2 : HEADER_FIELDS_MAX;
	struct header_field *fields;

	if (list->count >= HEADER_FIELDS_MAX)
		return ST_TOO_BIG;
	fields = arena_alloc(list->arena, room * sizeof *fields);
	if (fields == NULL)
		return ST_TOO_BIG;
	memcpy(fields, list->fields, list->count * sizeof *fields);
	list->fields = fields;
	list->room = room;
	return ST_OK;
}

static size_t
count_bare_lf(struct span s)
{
	size_t bare = 0;
	size_t at = 0;

	while (at < s.n) {
		const char *lf = memchr(s.p + at, '\n', s.n - at);

		if (lf == NULL)
			break;
		if (lf == s.p || lf[-1] != '\r')
			bare++;
		at = (size_t)(lf - s.p) + 1;
	}
	return bare;
}

static void
copy_with_crlf(char *to, struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r'))
			*to++ = '\r';
		*to++ = s.p[i];
	}
}

/* Name and value in one piece of the arena. */
static enum status
field_store(struct header_list *list, struct span name, struct span value, bool add_blank,
    struct header_field *field_out)
{
	size_t bare = count_bare_lf(value);
	size_t value_n = value.n + bare + (add_blank ? 1 : 0);
	size_t all = name.n + value_n + FIELD_EXTRA_BYTES;
	char *p;

	if (list->bytes > list->max_bytes || all > list->max_bytes - list->bytes)
		return ST_TOO_BIG;
	p = arena_alloc(list->arena, name.n + value_n);
	if (p == NULL)
		return ST_TOO_BIG;
	memcpy(p, name.p, name.n);
	field_out->name = span_of(p, name.n);
	field_out->value = span_of(p + name.n, value_n);
	p += name.n;
	if (add_blank)
		*p++ = ' ';
	if (bare > 0)
		copy_with_crlf(p, value);
	else if (value.n > 0)
		memcpy(p, value.p, value.n);
	list->bytes += all;
	return ST_OK;
}

enum status
header_list_add(
    struct header_list *list, struct span name, struct span value, bool leading_blank_kept)
{
	enum status st = ST_OK;

	if (!header_name_usable(name))
		return ST_INVALID;
	if (value.n > list->max_bytes || name.n > list->max_bytes)
		return ST_TOO_BIG;
	if (list->count == list->room)
		st = header_list_grow(list);
	if (st == ST_OK)
		st =
		    field_store(list, name, value, !leading_blank_kept, &list->fields[list->count]);
	if (st == ST_OK)
		list->count++;
	return st;
}

bool
header_name_eq(struct span a, struct span b)
{
	return span_ieq(span_trim(a), span_trim(b));
}

const struct header_field *
header_list_find(const struct header_list *list, struct span name)
{
	for (size_t i = 0; i < list->count; i++)
		if (header_name_eq(list->fields[i].name, name))
			return &list->fields[i];
	return NULL;
}

size_t
header_list_count(const struct header_list *list, struct span name)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		count += header_name_eq(list->fields[i].name, name) ? 1 : 0;
	return count;
}
