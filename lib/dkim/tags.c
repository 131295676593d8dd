/*
 * tags.c - takes a tag=value list apart (RFC 6376 3.2). Called by the verifying half for signature
 * fields and key records, both written by strangers; by tests to read back what we wrote. It must
 * never accept a list that two readers could understand differently: a tag twice is an error.
 */
#include "lib/dkim/tags.h"

#include <string.h>

static bool
name_is_valid(struct span name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = ascii_lower(name.p[i]);
		bool letter = c >= 'a' && c <= 'z';
		bool other = (c >= '0' && c <= '9') || c == '_';

		if (!letter && (i == 0 || !other))
			return false;
	}
	return name.n > 0;
}

/* Printable or UTF-8, and white space to fold with. */
static bool
value_is_valid(struct span value)
{
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if (c == 0x7f || (c < ' ' && !ascii_blank(value.p[i])))
			return false;
	}
	return true;
}

static const struct tag *
tag_by_name(const struct tag_list *list, struct span name)
{
	for (size_t i = 0; i < list->count; i++)
		if (span_eq(list->tags[i].name, name))
			return &list->tags[i];
	return NULL;
}

static enum status
tag_add(struct tag_list *list, struct span spec, struct err *err)
{
	struct tag tag = {.value = spec};
	bool equals = span_cut(&tag.value, '=', &tag.name);

	tag.name = span_trim(tag.name);
	tag.value = span_trim(tag.value);
	if (!equals || !name_is_valid(tag.name) || !value_is_valid(tag.value)) {
		err_set(err, "tag %zu is not name=value", list->count + 1);
		return ST_INVALID;
	}
	if (tag_by_name(list, tag.name) != NULL) {
		err_set(err, "tag %.*s= stands twice", (int)(tag.name.n > 40 ? 40 : tag.name.n),
		    tag.name.p);
		return ST_INVALID;
	}
	if (list->count == TAGS_MAX) {
		err_set(err, "more than %u tags", TAGS_MAX);
		return ST_TOO_BIG;
	}
	list->tags[list->count++] = tag;
	return ST_OK;
}

enum status
tags_parse(struct span text, struct tag_list *list_out, struct err *err)
{
	enum status st = ST_OK;
	bool more = true;
	struct span spec;

	list_out->count = 0;
	if (text.n > TAGS_BYTES_MAX) {
		err_set(err, "a tag list longer than %u octets", TAGS_BYTES_MAX);
		return ST_TOO_BIG;
	}
	while (more && st == ST_OK) {
		more = span_cut(&text, ';', &spec);
		if (!more && list_out->count > 0 && span_trim(spec).n == 0)
			break; /* behind the final ';' */
		st = tag_add(list_out, spec, err);
	}
	return st;
}

bool
tags_find(const struct tag_list *list, const char *name, struct span *value_out)
{
	const struct tag *tag = tag_by_name(list, span_str(name));

	if (tag == NULL)
		return false;
	*value_out = tag->value;
	return true;
}

void
tags_strip_blanks(struct span value, struct buf *out)
{
	for (size_t i = 0; i < value.n; i++)
		if (!ascii_blank(value.p[i]))
			buf_add_char(out, value.p[i]);
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1; /* lower case is not allowed, RFC 6376 2.11 */
}

enum status
tags_unquote(struct span value, struct buf *out)
{
	for (size_t i = 0; i < value.n; i++) {
		if (ascii_blank(value.p[i]))
			continue;
		if (value.p[i] == '=') {
			int high = i + 2 < value.n ? hex_value(value.p[i + 1]) : -1;
			int low = i + 2 < value.n ? hex_value(value.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return ST_INVALID;
			buf_add_char(out, (char)(high * 16 + low));
			i += 2;
			continue;
		}
		buf_add_char(out, value.p[i]);
	}
	return buf_status(out);
}
